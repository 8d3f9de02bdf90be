//! `K8S`: one workload by name, and who may name it.

use std::sync::Arc;

use flippy_core::{Kind, KindParseError, NamedWorkload};

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

/// Finds the kind that a `Type` names, or says what to write.
pub(crate) fn kind(text: &str) -> Result<Kind, String> {
    text.parse().map_err(|error: KindParseError| error.to_string())
}
