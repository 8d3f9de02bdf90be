//! From what users write to what the core works with.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use flippy_core::{
    CustomKindError, DesiredImages, ImageRef, Policy, PolicyName, Precondition, RestartFirst, RestartObject, Retries,
    Scope, SpecNote, Timestamp, Waiting, Window, annotation,
};

use crate::bounds::{MAX_ENTRIES, MAX_FIELD_MESSAGE_LENGTH, MAX_WINDOWS, one_line};
use crate::gate::gates;
use crate::images;
use crate::injection::drift_detection;
use crate::notification::notifications;
use crate::problem::{InvalidSpec, Problem};
use crate::resource::FlippyConfig;
use crate::spec::{self, FlippyCondition, K8S, ProcessFilter};
use crate::strategy::strategy;
use crate::target::{KindProblem, restart_kind, target};
use crate::waiting::{wait, waiting};
use crate::wave::{approvals, waves};
use crate::window::window;

/// What the installation says about configs.
#[derive(Clone, Debug)]
pub struct ConversionOptions {
    /// The label or annotation that says `true` to be left alone.
    pub ignore_key: Arc<str>,
    /// Configs in these namespaces act on the whole cluster; configs elsewhere only on their own namespace.
    pub trusted_namespaces: BTreeSet<Arc<str>>,
}

/// Makes a policy of a config. What its author may not expect is said in [`Policy::notes`].
///
/// # Errors
/// With everything that is wrong, not only the first.
pub fn policy(config: &FlippyConfig, options: &ConversionOptions) -> Result<Policy, InvalidSpec> {
    let namespace: Arc<str> = config.metadata.namespace.as_deref().unwrap_or_default().into();
    let is_trusted = options.trusted_namespaces.contains(&namespace);
    let only_namespace = (!is_trusted).then(|| namespace.clone());
    let mut converter = Converter { problems: Vec::new(), notes: Vec::new(), only_namespace };
    let spec = &config.spec;
    let mut waves = waves(&spec.strategy.waves, &mut converter.problems, &mut converter.notes);
    if spec.strategy.on_failure == "Continue" {
        for wave in &mut waves {
            wave.max_failures = None;
        }
    }
    let policy = Policy {
        image_sources: images::sources(
            &spec.image_sources,
            &namespace,
            converter.only_namespace.as_deref(),
            &mut converter.problems,
        ),
        // Until they are read.
        source_unavailable: (!spec.image_sources.is_empty()).then(|| "spec.ImageSources are not read yet".into()),
        name: PolicyName { namespace, name: config.metadata.name.as_deref().unwrap_or_default().into() },
        images: converter
            .images(&spec.image_list)
            .with_mirrors(images::mirrors(&spec.image_mirrors, &mut converter.problems)),
        drift_detection: drift_detection(spec, &mut converter.problems, &mut converter.notes),
        preconditions: converter.preconditions(&spec.preconditions),
        scope: converter.scope(&spec.process_filter, &options.ignore_key),
        restart_objects: converter.restart_objects(&spec.restart_objects),
        restart_first: converter.restart_first(&spec.process_filter.pre_process_restart, &spec.post_filter_restarts),
        strategy: strategy(&spec.strategy, &mut converter.problems, &mut converter.notes),
        approvals: approvals(
            config.metadata.annotations.as_ref().unwrap_or(&BTreeMap::new()),
            &waves,
            &mut converter.notes,
        ),
        waves,
        windows: converter.windows(&spec.windows),
        gates: gates(&spec.gates, converter.only_namespace.as_deref(), &mut converter.problems),
        notifications: notifications(&spec.notifications, converter.only_namespace.as_deref(), &mut converter.problems),
        resumed_at: converter.resumed_at(config),
        retries: converter.retries(config),
        suspended: spec.suspend,
        dry_run: spec.dry_run,
        notes: converter.notes,
    };
    if converter.problems.is_empty() { Ok(policy) } else { Err(InvalidSpec { problems: converter.problems }) }
}

/// Collects what is wrong and what is odd while a spec is read.
struct Converter {
    problems: Vec<Problem>,
    notes: Vec<SpecNote>,
    only_namespace: Option<Arc<str>>,
}

impl Converter {
    fn images(&mut self, list: &[String]) -> DesiredImages {
        let mut images = Vec::new();
        for (position, text) in self.bounded("spec.ImageList", list).iter().enumerate() {
            match ImageRef::parse(text) {
                Ok(image) => images.push(image),
                Err(error) => {
                    self.problems.push(Problem::new(format!("spec.ImageList[{position}]"), &error.to_string()));
                }
            }
        }
        DesiredImages::new(images)
    }

    fn preconditions(&mut self, list: &[FlippyCondition]) -> Vec<Precondition> {
        let mut preconditions = Vec::new();
        for (position, condition) in self.bounded("spec.Preconditions", list).iter().enumerate() {
            let path = format!("spec.Preconditions[{position}]");
            let check = &condition.status_check_config;
            let check_path = format!("{path}.StatusCheckConfig");
            let patience = wait(check, &check_path, &mut self.notes);
            if !check.check_status && patience.is_zero() {
                let message = "CheckStatus is false and MaxRetry x RetryDuration is 0 seconds, so this precondition holds up \
                               nothing; write CheckStatus: true";
                self.note(check_path, message.to_owned());
            }
            if let Some(target) = self.target(&condition.k8s, &format!("{path}.K8S")) {
                preconditions.push(Precondition { target, patience, required: check.check_status });
            }
        }
        preconditions
    }

    fn scope(&mut self, filter: &ProcessFilter, ignore_key: &Arc<str>) -> Scope {
        let mut containers = BTreeSet::new();
        for (position, name) in self.bounded("spec.ProcessFilter.Containers", &filter.containers).iter().enumerate() {
            if name.trim().is_empty() {
                let path = format!("spec.ProcessFilter.Containers[{position}]");
                self.note(path, "is empty, so it is skipped; name a container, for example istio-proxy".to_owned());
            } else {
                containers.insert(Arc::from(name.trim()));
            }
        }
        Scope {
            namespace_labels: self.shared("spec.ProcessFilter.Labels", &filter.labels),
            template_annotations: self.shared("spec.ProcessFilter.Annotations", &filter.annotations),
            template_labels: self.shared("spec.ProcessFilter.PodLabels", &filter.pod_labels),
            containers,
            ignore_key: ignore_key.clone(),
            only_namespace: self.only_namespace.clone(),
        }
    }

    fn restart_objects(&mut self, list: &[spec::RestartObject]) -> Vec<RestartObject> {
        let mut objects: Vec<RestartObject> = Vec::new();
        let mut unknown = Vec::new();
        for (position, object) in self.bounded("spec.RestartObjects", list).iter().enumerate() {
            let path = format!("spec.RestartObjects[{position}]");
            let is_trusted = self.only_namespace.is_none();
            let kind = match restart_kind(&object.r#type, &object.api_version, is_trusted) {
                Ok(kind) => kind,
                Err(KindProblem::Unknown(message)) => {
                    unknown.push((format!("{path}.Type"), message));
                    continue;
                }
                // The original knew no such field: whoever writes it means it.
                Err(KindProblem::Custom(error)) => {
                    let field = if matches!(error, CustomKindError::Kind(_)) { "Type" } else { "ApiVersion" };
                    self.problems.push(Problem::new(format!("{path}.{field}"), &error.to_string()));
                    continue;
                }
                Err(KindProblem::NotTrusted) => {
                    let namespace = self.only_namespace.as_deref().unwrap_or_default();
                    let message = format!(
                        "namespace {namespace} is not trusted to name kinds that Flippy does not know, because it would watch \
                         them in the whole cluster; leave it out, or move the config to a namespace that is trusted \
                         (--config-namespace)"
                    );
                    self.problems.push(Problem::new(format!("{path}.ApiVersion"), &message));
                    continue;
                }
            };
            let waiting = waiting(&object.status_check_config, &format!("{path}.StatusCheckConfig"), &mut self.notes);
            match objects.iter_mut().find(|held| held.kind == kind) {
                Some(held) => {
                    held.waiting = waiting;
                    self.named_twice(format!("{path}.Type"), &kind.to_string());
                }
                None => objects.push(RestartObject { kind, waiting }),
            }
        }
        // The original skipped kinds that it did not know. With no other kind there is nothing left to do.
        for (path, message) in unknown {
            if objects.is_empty() {
                self.problems.push(Problem::new(path, &message));
            } else {
                self.note(path, format!("{message}; it is skipped"));
            }
        }
        objects
    }

    fn restart_first(&mut self, before: &K8S, list: &[FlippyCondition]) -> Vec<RestartFirst> {
        let mut found = Vec::new();
        if *before != K8S::default() {
            let path = "spec.ProcessFilter.PreProcessRestart".to_owned();
            let target = self.target_or_skip(before, &path);
            found.extend(target.map(|target| (path, RestartFirst { target, waiting: Waiting::NotWaited })));
        }
        for (position, condition) in self.bounded("spec.PostFilterRestarts", list).iter().enumerate() {
            let path = format!("spec.PostFilterRestarts[{position}]");
            let check_path = format!("{path}.StatusCheckConfig");
            let waiting = waiting(&condition.status_check_config, &check_path, &mut self.notes);
            let target = self.target_or_skip(&condition.k8s, &format!("{path}.K8S"));
            found.extend(target.map(|target| (path, RestartFirst { target, waiting })));
        }
        let mut first: Vec<RestartFirst> = Vec::with_capacity(found.len());
        for (path, one) in found {
            match first.iter_mut().find(|held| held.target == one.target) {
                Some(held) => {
                    held.waiting = one.waiting;
                    self.named_twice(path, &one.target.to_string());
                }
                None => first.push(one),
            }
        }
        first
    }

    fn windows(&mut self, list: &[spec::Window]) -> Vec<Window> {
        if list.len() > MAX_WINDOWS {
            let message = format!("has {} entries; write at most {MAX_WINDOWS}", list.len());
            self.problems.push(Problem::new("spec.Windows", &message));
        }
        let windows = list.iter().take(MAX_WINDOWS).enumerate();
        windows
            .filter_map(|(position, spec)| window(spec, &format!("spec.Windows[{position}]"), &mut self.problems))
            .collect()
    }

    /// A time that is none resumes nothing: the config itself is not wrong.
    fn resumed_at(&mut self, config: &FlippyConfig) -> Option<Timestamp> {
        let text = config.metadata.annotations.as_ref()?.get(annotation::RESUMED_AT)?;
        let time = text.parse().ok();
        if time.is_none() {
            let message = one_line(
                &format!("`{text}` is no time; write for example 2026-01-05T22:00:00Z"),
                MAX_FIELD_MESSAGE_LENGTH,
            );
            self.note(format!("metadata.annotations[{}]", annotation::RESUMED_AT), message);
        }
        time
    }

    /// Text that is no wish does nothing: the config itself is not wrong.
    fn retries(&mut self, config: &FlippyConfig) -> Retries {
        let text = config.metadata.annotations.as_ref().and_then(|annotations| annotations.get(annotation::RETRY));
        let parsed = text.map_or_else(|| Ok(Retries::default()), |text| Retries::parse(text));
        parsed.unwrap_or_else(|error| {
            let message = one_line(&error.to_string(), MAX_FIELD_MESSAGE_LENGTH);
            self.note(format!("metadata.annotations[{}]", annotation::RETRY), message);
            Retries::default()
        })
    }

    fn target(&mut self, k8s: &K8S, path: &str) -> Option<flippy_core::NamedWorkload> {
        target(k8s, path, self.only_namespace.as_deref()).map_err(|problems| self.problems.extend(problems)).ok()
    }

    /// The original skipped what it could not restart first, and restarted the rest: configs that rely on it still work.
    /// A namespace that the config is not trusted with is refused all the same.
    fn target_or_skip(&mut self, k8s: &K8S, path: &str) -> Option<flippy_core::NamedWorkload> {
        let is_foreign =
            self.only_namespace.as_deref().is_some_and(|only| !k8s.namespace.is_empty() && *only != k8s.namespace);
        if is_foreign {
            return self.target(k8s, path);
        }
        let skipped = target(k8s, path, self.only_namespace.as_deref());
        let skipped = skipped.map_err(|problems| {
            for problem in problems {
                self.note(problem.path, format!("{}; it is skipped", problem.message));
            }
        });
        skipped.ok()
    }

    /// As in the original, where the last `StatusCheckConfig` of a kind counted.
    fn named_twice(&mut self, path: String, what: &str) {
        self.note(path, format!("{what} is named twice; its first position and its last StatusCheckConfig count"));
    }

    /// The part of a list that is looked at.
    fn bounded<'a, T>(&mut self, path: &str, list: &'a [T]) -> &'a [T] {
        self.check_length(path, list.len());
        &list[..list.len().min(MAX_ENTRIES)]
    }

    fn shared(&mut self, path: &str, map: &BTreeMap<String, String>) -> BTreeMap<Arc<str>, Arc<str>> {
        self.check_length(path, map.len());
        map.iter().take(MAX_ENTRIES).map(|(key, value)| (Arc::from(&**key), Arc::from(&**value))).collect()
    }

    fn check_length(&mut self, path: &str, length: usize) {
        if length > MAX_ENTRIES {
            self.problems.push(Problem::new(path, &format!("has {length} entries; write at most {MAX_ENTRIES}")));
        }
    }

    fn note(&mut self, path: String, message: String) {
        self.notes.push(SpecNote { path, message });
    }
}
