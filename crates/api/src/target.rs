//! `K8S`: one workload by name, and who may name it.

use std::sync::Arc;

use flippy_core::{CustomKindError, Kind, KindParseError, NamedWorkload};

use crate::problem::Problem;
use crate::spec::K8S;

/// Finds the workload that is named, or says everything that is wrong with its name.
///
/// `only_namespace` is the one namespace that the config is trusted with, if it is not trusted with more. Such a config
/// may neither restart workloads of others, nor learn from a precondition how they are.
pub(crate) fn target(k8s: &K8S, path: &str, only_namespace: Option<&str>) -> Result<NamedWorkload, Vec<Problem>> {
    let mut problems = Vec::new();
    let kind = kind(&k8s.r#type).map_err(|message| problems.push(Problem::new(format!("{path}.Type"), &message)));
    if k8s.name.trim().is_empty() {
        problems.push(Problem::new(format!("{path}.Name"), "is empty: name the workload"));
    }
    if k8s.namespace.trim().is_empty() {
        problems.push(Problem::new(format!("{path}.Namespace"), "is empty: name the workload's namespace"));
    } else if let Some(only) = only_namespace.filter(|only| *only != k8s.namespace) {
        let message = format!(
            "is `{}`, but a config in namespace `{only}` may only name workloads there; move it to a namespace that Flippy \
             trusts (--config-namespace)",
            k8s.namespace
        );
        problems.push(Problem::new(format!("{path}.Namespace"), &message));
    }
    match kind {
        Ok(kind) if problems.is_empty() => {
            Ok(NamedWorkload { kind, namespace: Arc::from(&*k8s.namespace), name: Arc::from(&*k8s.name) })
        }
        _ => Err(problems),
    }
}

/// Finds the kind that an entry of `RestartObjects` names.
///
/// Only a config that `is_trusted` may name custom ones: there is room for so many, and they are watched everywhere.
pub(crate) fn restart_kind(text: &str, api_version: &str, is_trusted: bool) -> Result<Kind, KindProblem> {
    if api_version.trim().is_empty() {
        return kind(text).map_err(|message| KindProblem::Unknown(format!("{message}, or add its ApiVersion")));
    }
    if !is_trusted && Kind::is_custom(text, api_version) {
        return Err(KindProblem::NotTrusted);
    }
    Kind::named(text, api_version).map_err(KindProblem::Custom)
}

/// Why an entry of `RestartObjects` names no kind.
pub(crate) enum KindProblem {
    /// It is a word that Flippy does not know, without an API version.
    Unknown(String),
    /// It has an API version, with which there is no such kind.
    Custom(CustomKindError),
    /// It is a custom kind, and the config may not name one.
    NotTrusted,
}

/// Finds the kind that a `Type` names, or says what to write.
pub(crate) fn kind(text: &str) -> Result<Kind, String> {
    text.parse().map_err(|error: KindParseError| error.to_string())
}
