//! Which config is rehearsed, and what of it cannot be.

use flippy_api::{FlippyConfig, RestartObject};
use flippy_core::Kind;
use kube::ResourceExt as _;

use super::args::RehearseArgs;
use super::material::Material;
use crate::configs::path_of;
use crate::exit::Failure;
use crate::near::near;
use crate::outside;

/// What `spec.DriftDetection` says when admission is asked.
const INJECTION: &str = "Injection";

/// What is played.
pub(super) struct Subject {
    pub(super) configs: Vec<FlippyConfig>,
    /// What was changed about them, for people.
    pub(super) changes: Vec<String>,
    /// Other configs that have no part.
    pub(super) others: usize,
}

impl Subject {
    /// The configs of a file, or the one of that name among those of the cluster.
    ///
    /// # Errors
    /// When there is none of that name, or there are several.
    pub(super) fn choose(
        from_file: Option<Vec<FlippyConfig>>,
        args: &RehearseArgs,
        material: &mut Material,
    ) -> Result<Self, Failure> {
        let installed = std::mem::take(&mut material.configs);
        let (mut configs, others) = match from_file {
            Some(configs) => {
                // What the installed one of the same name remembers is of another spec.
                let configs: Vec<FlippyConfig> =
                    configs.into_iter().map(|config| FlippyConfig { status: None, ..config }).collect();
                let is_other = |other: &&FlippyConfig| configs.iter().all(|config| path_of(config) != path_of(other));
                let others = installed.iter().filter(is_other).count();
                (configs, others)
            }
            None => (vec![named(&installed, args)?], installed.len() - 1),
        };
        let mut changes = Vec::new();
        for config in &mut configs {
            prepare(config, &mut changes)?;
        }
        Ok(Self { configs, changes, others })
    }
}

impl Subject {
    /// Whether any of them is about `ArgoRollouts`.
    pub(super) fn names_rollouts(&self) -> bool {
        let is_rollout = |kind: &str| kind.eq_ignore_ascii_case("ArgoRollout") || kind.eq_ignore_ascii_case("Rollout");
        self.configs.iter().map(|config| &config.spec).any(|spec| {
            let first = spec.post_filter_restarts.iter().chain(&spec.preconditions).map(|named| &named.k8s);
            spec.restart_objects.iter().any(|object| is_rollout(&object.r#type))
                || first.chain([&spec.process_filter.pre_process_restart]).any(|named| is_rollout(&named.r#type))
        })
    }
}

fn named(installed: &[FlippyConfig], args: &RehearseArgs) -> Result<FlippyConfig, Failure> {
    let name = args.name.as_deref().unwrap_or_default();
    let in_place = |config: &&FlippyConfig| {
        args.namespace.as_deref().is_none_or(|namespace| config.namespace().as_deref() == Some(namespace))
    };
    let found: Vec<&FlippyConfig> =
        installed.iter().filter(in_place).filter(|config| config.name_any() == name).collect();
    match found.as_slice() {
        [one] => Ok((*one).clone()),
        [] => {
            let known = near(name, installed.iter().map(path_of).collect());
            let known = known.map_or_else(
                || "there is none at all: pass a file with -f, or a dump with `kubectl get flippyconfigs -A -o json` in it".to_owned(),
                |names| format!("there is {names}"),
            );
            Err(Failure::error(format!("there is no FlippyConfig {name}; {known}")))
        }
        several => {
            let several: Vec<String> = several.iter().map(|config| path_of(config)).collect();
            Err(Failure::error(format!(
                "there are {} FlippyConfigs named {name}: choose one with --namespace; {}",
                several.len(),
                several.join(", ")
            )))
        }
    }
}

/// Takes away what only a real cluster can answer, and what would leave nothing to see.
///
/// # Errors
/// When nothing is left of what is wanted.
fn prepare(config: &mut FlippyConfig, changes: &mut Vec<String>) -> Result<(), Failure> {
    let path = path_of(config);
    if config.spec.drift_detection == INJECTION {
        if config.spec.image_list.is_empty() && config.spec.image_sources.is_empty() {
            return Err(Failure::cannot_begin(format!(
                "FlippyConfig {path} wants what admission gives to new pods (spec.DriftDetection: {INJECTION}), and a rehearsal \
                 asks no admission: rehearse a copy of it that names spec.ImageList, with -f"
            )));
        }
        config.spec.drift_detection.clear();
        config.spec.missing_sidecar.clear();
        changes.push(format!(
            "{path}: admission is not asked (spec.DriftDetection: {INJECTION}); what pins its own image is restarted in vain \
             here, and not at all by the operator"
        ));
    }
    if config.spec.suspend {
        config.spec.suspend = false;
        changes.push(format!("{path}: spec.Suspend is true; rehearsed as if it were false"));
    }
    if config.spec.dry_run {
        config.spec.dry_run = false;
        changes.push(format!("{path}: spec.DryRun is true; rehearsed as if it were false"));
    }
    changes.extend(outside::cut_off(config));
    let custom = |object: &RestartObject| Kind::is_custom(&object.r#type, &object.api_version);
    let left_out: Vec<RestartObject> = config.spec.restart_objects.extract_if(.., |object| custom(object)).collect();
    if !left_out.is_empty() {
        let kinds: Vec<&str> = left_out.iter().map(|object| object.r#type.as_str()).collect();
        changes.push(format!(
            "{path}: nobody knows here how the controller of a custom kind replaces pods, so these have no part: {}",
            kinds.join(", ")
        ));
    }
    let manual: Vec<&str> = config
        .spec
        .strategy
        .waves
        .iter()
        .filter(|wave| wave.approval == "Manual")
        .map(|wave| wave.name.as_str())
        .collect();
    if !manual.is_empty() {
        changes.push(format!("{path}: waves that wait for an approval get it at once: {}", manual.join(", ")));
    }
    let metadata = &mut config.metadata;
    metadata.resource_version = None;
    metadata.managed_fields = None;
    metadata.deletion_timestamp = None;
    metadata.finalizers = None;
    metadata.owner_references = None;
    FlippyConfig::API_VERSION.clone_into(&mut config.api_version);
    FlippyConfig::KIND.clone_into(&mut config.kind);
    Ok(())
}
