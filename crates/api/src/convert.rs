//! From what users write to what the core works with.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use flippy_core::{
    DesiredImages, ImageRef, Kind, NamedWorkload, Policy, PolicyName, Precondition, RestartFirst, RestartObject, Scope,
    SignedDuration, SpecNote, Waiting,
};
use thiserror::Error;

use crate::resource::FlippyConfig;
use crate::spec::{FlippyCondition, K8S, StatusCheckConfig};

/// Entries of any list. More is a mistake or an attack, and every pass would pay for it.
const MAX_ENTRIES: usize = 1000;
/// Nobody waits longer for one workload; larger products are understood as this.
const MAX_WAIT: SignedDuration = SignedDuration::from_hours(24 * 30);

/// What the installation says about configs.
#[derive(Clone, Debug)]
pub struct ConversionOptions {
    /// The label or annotation that says `true` to be left alone.
    pub ignore_key: Arc<str>,
    /// Configs in these namespaces act on the whole cluster; configs elsewhere only on their own namespace.
    pub trusted_namespaces: BTreeSet<Arc<str>>,
}

/// Everything that is wrong with a spec.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct InvalidSpec {
    /// At least one.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, for example `spec.ImageList[2]`.
    pub path: String,
    /// What is there, and what to write instead.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

impl fmt::Display for InvalidSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, problem) in self.problems.iter().enumerate() {
            if position > 0 {
                f.write_str("; ")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

/// Makes a policy of a config.
///
/// # Errors
/// With everything that is wrong, not only the first.
pub fn policy(config: &FlippyConfig, options: &ConversionOptions) -> Result<Policy, InvalidSpec> {
    let namespace = config.metadata.namespace.as_deref().unwrap_or_default();
    let is_trusted = options.trusted_namespaces.contains(namespace);
    let only_namespace = (!is_trusted).then(|| Arc::from(namespace));
    let mut converter = Converter { problems: Vec::new(), notes: Vec::new(), only_namespace };
    let policy = converter.convert(config, options);
    if converter.problems.is_empty() {
        Ok(Policy { notes: converter.notes, ..policy })
    } else {
        Err(InvalidSpec { problems: converter.problems })
    }
}

struct Converter {
    problems: Vec<Problem>,
    notes: Vec<SpecNote>,
    only_namespace: Option<Arc<str>>,
}

impl Converter {
    fn convert(&mut self, config: &FlippyConfig, options: &ConversionOptions) -> Policy {
        let spec = &config.spec;
        let filter = &spec.process_filter;
        self.bound("spec.ImageList", spec.image_list.len());
        self.bound("spec.Preconditions", spec.preconditions.len());
        self.bound("spec.RestartObjects", spec.restart_objects.len());
        self.bound("spec.PostFilterRestarts", spec.post_filter_restarts.len());
        self.bound("spec.ProcessFilter.Containers", filter.containers.len());
        Policy {
            name: PolicyName {
                namespace: config.metadata.namespace.as_deref().unwrap_or_default().into(),
                name: config.metadata.name.as_deref().unwrap_or_default().into(),
            },
            images: self.images(&spec.image_list),
            scope: Scope {
                namespace_labels: shared(&filter.labels),
                template_annotations: shared(&filter.annotations),
                template_labels: shared(&filter.pod_labels),
                containers: filter.containers.iter().map(|name| Arc::from(name.as_str())).collect(),
                ignore_key: options.ignore_key.clone(),
                only_namespace: self.only_namespace.clone(),
            },
            restart_objects: self.restart_objects(&spec.restart_objects),
            preconditions: self.preconditions(&spec.preconditions),
            restart_first: self.restart_first(&filter.pre_process_restart, &spec.post_filter_restarts),
            suspended: spec.suspend,
            dry_run: spec.dry_run,
            notes: Vec::new(),
        }
    }

    fn images(&mut self, list: &[String]) -> DesiredImages {
        let mut images = Vec::new();
        for (position, text) in list.iter().take(MAX_ENTRIES).enumerate() {
            match ImageRef::parse(text) {
                Ok(image) => images.push(image),
                Err(error) => self.problem(format!("spec.ImageList[{position}]"), error.to_string()),
            }
        }
        DesiredImages::new(images)
    }

    fn restart_objects(&mut self, list: &[crate::spec::RestartObject]) -> Vec<RestartObject> {
        let mut objects: Vec<RestartObject> = Vec::new();
        let mut unknown = Vec::new();
        for (position, object) in list.iter().take(MAX_ENTRIES).enumerate() {
            let path = format!("spec.RestartObjects[{position}]");
            let kind: Kind = match object.r#type.parse() {
                Ok(kind) => kind,
                Err(error) => {
                    unknown.push((format!("{path}.Type"), error.to_string()));
                    continue;
                }
            };
            let waiting = self.waiting(&path, &object.status_check_config);
            match objects.iter_mut().find(|held| held.kind == kind) {
                // The original kept the first position and the last StatusCheckConfig.
                Some(held) => {
                    held.waiting = waiting;
                    self.note(
                        format!("{path}.Type"),
                        format!("{kind} is named twice; the last StatusCheckConfig counts"),
                    );
                }
                None => objects.push(RestartObject { kind, waiting }),
            }
        }
        for (path, message) in unknown {
            if objects.is_empty() {
                self.problem(path, message);
            } else {
                self.note(path, format!("{message}; it is skipped"));
            }
        }
        objects
    }

    fn preconditions(&mut self, list: &[FlippyCondition]) -> Vec<Precondition> {
        let mut preconditions = Vec::new();
        for (position, condition) in list.iter().take(MAX_ENTRIES).enumerate() {
            let path = format!("spec.Preconditions[{position}]");
            let check = &condition.status_check_config;
            let patience = self.wait(&path, check);
            if let Some(target) = self.named(&format!("{path}.K8S"), &condition.k8s) {
                preconditions.push(Precondition { target, patience, required: check.check_status });
            }
        }
        preconditions
    }

    fn restart_first(&mut self, before: &K8S, list: &[FlippyCondition]) -> Vec<RestartFirst> {
        let mut first = Vec::new();
        if *before != K8S::default() {
            let target = self.named("spec.ProcessFilter.PreProcessRestart", before);
            first.extend(target.map(|target| RestartFirst { target, waiting: Waiting::NotWaited }));
        }
        for (position, condition) in list.iter().take(MAX_ENTRIES).enumerate() {
            let path = format!("spec.PostFilterRestarts[{position}]");
            let waiting = self.waiting(&path, &condition.status_check_config);
            let target = self.named(&format!("{path}.K8S"), &condition.k8s);
            first.extend(target.map(|target| RestartFirst { target, waiting }));
        }
        first
    }

    fn named(&mut self, path: &str, k8s: &K8S) -> Option<NamedWorkload> {
        let kind = match k8s.r#type.parse() {
            Ok(kind) => Some(kind),
            Err(error) => {
                let error: flippy_core::KindParseError = error;
                self.problem(format!("{path}.Type"), error.to_string());
                None
            }
        };
        if k8s.name.is_empty() {
            self.problem(format!("{path}.Name"), "is empty: name the workload".to_owned());
        }
        if k8s.namespace.is_empty() {
            self.problem(format!("{path}.Namespace"), "is empty: name the workload's namespace".to_owned());
        }
        if let Some(only) = self.only_namespace.clone().filter(|only| **only != *k8s.namespace) {
            let message = format!(
                "is `{}`, but a config in namespace `{only}` may only name workloads there; move it to a namespace that \
                 Flippy trusts (--config-namespace)",
                k8s.namespace
            );
            self.problem(format!("{path}.Namespace"), message);
        }
        if k8s.name.is_empty() || k8s.namespace.is_empty() {
            return None;
        }
        Some(NamedWorkload { kind: kind?, namespace: k8s.namespace.as_str().into(), name: k8s.name.as_str().into() })
    }

    fn waiting(&mut self, path: &str, check: &StatusCheckConfig) -> Waiting {
        let wait = self.wait(path, check);
        if !check.check_status {
            return Waiting::NotWaited;
        }
        if wait.is_zero() {
            let message = "CheckStatus is true, but MaxRetry x RetryDuration is 0 seconds, so it is not waited for; write \
                           for example MaxRetry: 10 and RetryDuration: 30";
            self.note(format!("{path}.StatusCheckConfig"), message.to_owned());
        }
        Waiting::AtMost(wait)
    }

    fn wait(&mut self, path: &str, check: &StatusCheckConfig) -> SignedDuration {
        for (field, value) in [("MaxRetry", check.max_retry), ("RetryDuration", check.retry_duration)] {
            if value < 0 {
                let message = format!("{value} is understood as 0; write a number that is not negative");
                self.note(format!("{path}.StatusCheckConfig.{field}"), message);
            }
        }
        let seconds = check.max_retry.max(0).saturating_mul(check.retry_duration.max(0));
        let wait = SignedDuration::from_secs(seconds);
        if wait > MAX_WAIT {
            let message = format!("MaxRetry x RetryDuration is {seconds} seconds, which is understood as 30 days");
            self.note(format!("{path}.StatusCheckConfig"), message);
        }
        wait.min(MAX_WAIT)
    }

    fn bound(&mut self, path: &str, length: usize) {
        if length > MAX_ENTRIES {
            self.problem(path.to_owned(), format!("has {length} entries; write at most {MAX_ENTRIES}"));
        }
    }

    fn problem(&mut self, path: String, message: String) {
        self.problems.push(Problem { path, message });
    }

    fn note(&mut self, path: String, message: String) {
        self.notes.push(SpecNote { path, message });
    }
}

fn shared(map: &BTreeMap<String, String>) -> BTreeMap<Arc<str>, Arc<str>> {
    map.iter().map(|(key, value)| (Arc::from(key.as_str()), Arc::from(value.as_str()))).collect()
}
