//! What is planned: configs from a file or from the cluster, read as the operator reads them.

use std::collections::BTreeMap;

use flippy_api::{ConversionOptions, FlippyConfig};
use flippy_core::{DesiredImages, NamedWorkload, Policy, PolicyName, QueryGateFact, Timestamp, WaveMemory};
use kube::ResourceExt as _;
use kube::core::DeserializeGuard;

use super::file::FileObject;
use crate::exit::Failure;

/// One config that has a say.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) name: PolicyName,
    /// What it asks for, or why it is no policy.
    pub(crate) policy: Result<Policy, Vec<String>>,
    /// What its status remembers of preconditions.
    pub(crate) unmet_since: BTreeMap<NamedWorkload, Timestamp>,
    /// What its status remembers of waves.
    pub(crate) wave_memory: WaveMemory,
    /// What the operator last said of the gates of this very spec: it asks them, from where it stands.
    pub(crate) gates: Vec<QueryGateFact>,
    /// The images that its status remembers.
    pub(super) wanted_before: Option<DesiredImages>,
    /// Whether its plan is to be shown.
    pub(crate) selected: bool,
}

/// What was said and what the kubeconfig says of namespaces.
#[derive(Debug)]
pub(crate) struct Namespaces {
    /// `--namespace`
    pub(crate) asked: Option<String>,
    /// Of the context.
    pub(crate) current: String,
}

impl Subject {
    fn new(config: &FlippyConfig, options: &ConversionOptions) -> Self {
        let status = config.status.as_ref();
        let told = status.filter(|status| status.observed_generation == config.metadata.generation);
        Self {
            gates: told.map(flippy_api::gate_facts).unwrap_or_default(),
            name: policy_name(config.namespace(), config.name_any()),
            policy: flippy_api::policy(config, options)
                .map_err(|invalid| invalid.problems.iter().map(ToString::to_string).collect()),
            unmet_since: status.map(flippy_api::unmet_since).unwrap_or_default(),
            wave_memory: status.map(flippy_api::wave_memory).unwrap_or_default(),
            wanted_before: status.and_then(flippy_api::wanted_before),
            selected: true,
        }
    }

    /// Why it is no policy, one problem a line.
    pub(crate) fn problem_lines(&self) -> Vec<String> {
        let problems = self.policy.as_ref().err().into_iter().flatten();
        problems.map(|problem| format!("FlippyConfig {}: {problem}", self.name)).collect()
    }

    fn from_guarded(guarded: DeserializeGuard<FlippyConfig>, options: &ConversionOptions) -> Self {
        match guarded.0 {
            Ok(config) => Self::new(&config, options),
            Err(invalid) => Self {
                name: policy_name(invalid.metadata.namespace, invalid.metadata.name.unwrap_or_default()),
                policy: Err(vec![format!("it does not decode as a FlippyConfig: {}", invalid.error)]),
                unmet_since: BTreeMap::new(),
                wave_memory: WaveMemory::default(),
                gates: Vec::new(),
                wanted_before: None,
                selected: true,
            },
        }
    }
}

/// Checks the specs of a file's objects.
///
/// # Errors
/// All problems of all objects, one a line.
pub(super) fn check(
    objects: &[FileObject],
    namespace: Option<&str>,
    options: &ConversionOptions,
) -> Result<(), Failure> {
    // Where an object without a namespace goes is known only with the kubeconfig: nothing is held against it yet.
    let somewhere = options.trusted_namespaces.first().map_or("default", AsRef::as_ref);
    let mut problems = Vec::new();
    for object in objects {
        let config = with_namespace(&object.config, namespace.unwrap_or(somewhere));
        if let Err(found) = Subject::new(&config, options).policy {
            problems.extend(found.iter().map(|problem| format!("{}: {problem}", object.place)));
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(Failure::error(problems.join("\n"))) }
}

/// The objects of a file as if they were applied; what is installed has its say, except what they would replace.
pub(super) fn from_file(
    objects: &[FileObject],
    installed: Vec<DeserializeGuard<FlippyConfig>>,
    namespaces: &Namespaces,
    options: &ConversionOptions,
) -> Vec<Subject> {
    let home = namespaces.asked.as_deref().unwrap_or(&namespaces.current);
    let mut subjects: Vec<Subject> =
        objects.iter().map(|object| Subject::new(&with_namespace(&object.config, home), options)).collect();
    for guarded in installed {
        let other = Subject { selected: false, ..Subject::from_guarded(guarded, options) };
        match subjects.iter_mut().find(|subject| subject.name == other.name) {
            Some(subject) => {
                subject.unmet_since = other.unmet_since;
                subject.wave_memory = other.wave_memory;
                subject.wanted_before = other.wanted_before;
            }
            None => subjects.push(other),
        }
    }
    subjects
}

/// These configs, and no others.
pub(crate) fn given(configs: &[FlippyConfig], options: &ConversionOptions) -> Vec<Subject> {
    configs.iter().map(|config| Subject::new(config, options)).collect()
}

/// What is installed, with those selected that were asked for.
///
/// # Errors
/// When the one that was asked for does not exist, or several have its name.
pub(crate) fn from_cluster(
    installed: Vec<DeserializeGuard<FlippyConfig>>,
    name: Option<&str>,
    namespaces: &Namespaces,
    options: &ConversionOptions,
) -> Result<Vec<Subject>, Failure> {
    let mut subjects: Vec<Subject> =
        installed.into_iter().map(|guarded| Subject::from_guarded(guarded, options)).collect();
    subjects.sort_by(|a, b| a.name.cmp(&b.name));
    for subject in &mut subjects {
        let right_namespace = namespaces.asked.as_deref().is_none_or(|asked| *subject.name.namespace == *asked);
        subject.selected = right_namespace && name.is_none_or(|name| *subject.name.name == *name);
    }
    let selected: Vec<String> =
        subjects.iter().filter(|subject| subject.selected).map(|subject| subject.name.to_string()).collect();
    match (name, selected.as_slice()) {
        (None, _) | (_, [_]) => Ok(subjects),
        (Some(name), []) => Err(not_found(name, namespaces.asked.as_deref(), &subjects)),
        (Some(name), several) => Err(Failure::error(format!(
            "there are {} FlippyConfigs named {name}: choose one with --namespace; {}",
            several.len(),
            several.join(", ")
        ))),
    }
}

fn not_found(name: &str, namespace: Option<&str>, subjects: &[Subject]) -> Failure {
    let place = namespace.map_or_else(String::new, |namespace| format!(" in namespace {namespace}"));
    let known: Vec<String> = subjects.iter().map(|subject| subject.name.to_string()).collect();
    let there_are =
        if known.is_empty() { "there is none at all".to_owned() } else { format!("there is {}", known.join(", ")) };
    Failure::error(format!("there is no FlippyConfig {name}{place}; {there_are}"))
}

fn with_namespace(config: &FlippyConfig, namespace: &str) -> FlippyConfig {
    let mut config = config.clone();
    config.metadata.namespace.get_or_insert_with(|| namespace.to_owned());
    config
}

fn policy_name(namespace: Option<String>, name: String) -> PolicyName {
    PolicyName { namespace: namespace.unwrap_or_default().into(), name: name.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installed(names: &[(&str, &str)]) -> Vec<DeserializeGuard<FlippyConfig>> {
        let guarded = |(namespace, name): &(&str, &str)| {
            let metadata = serde_json::json!({"name": name, "namespace": namespace});
            let config =
                serde_json::json!({"apiVersion": "keikoproj.io/v1", "kind": "FlippyConfig", "metadata": metadata});
            DeserializeGuard(Ok(serde_json::from_value(config).expect("it is a FlippyConfig")))
        };
        names.iter().map(guarded).collect()
    }

    fn select(names: &[(&str, &str)], name: Option<&str>, namespace: Option<&str>) -> Result<Vec<String>, String> {
        let options = ConversionOptions { ignore_key: "flippy-ignore".into(), trusted_namespaces: ["a".into()].into() };
        let namespaces = Namespaces { asked: namespace.map(ToOwned::to_owned), current: "default".to_owned() };
        let subjects =
            from_cluster(installed(names), name, &namespaces, &options).map_err(|failure| failure.to_string())?;
        Ok(subjects.iter().filter(|subject| subject.selected).map(|subject| subject.name.to_string()).collect())
    }

    #[test]
    fn without_a_name_all_configs_are_planned() {
        assert_eq!(select(&[("b", "y"), ("a", "x")], None, None), Ok(vec!["a/x".to_owned(), "b/y".to_owned()]));
    }

    #[test]
    fn a_namespace_alone_selects_its_configs() {
        assert_eq!(select(&[("b", "y"), ("a", "x")], None, Some("b")), Ok(vec!["b/y".to_owned()]));
    }

    #[test]
    fn a_name_needs_no_namespace_while_it_is_the_only_one() {
        assert_eq!(select(&[("b", "y"), ("a", "x")], Some("y"), None), Ok(vec!["b/y".to_owned()]));
    }

    #[test]
    fn an_ambiguous_name_is_answered_with_the_candidates() {
        let error = select(&[("a", "x"), ("b", "x")], Some("x"), None).expect_err("there are two");
        assert!(error.contains("choose one with --namespace; a/x, b/x"), "{error}");
    }

    #[test]
    fn an_unknown_name_is_answered_with_those_that_exist() {
        let error = select(&[("a", "x")], Some("z"), Some("b")).expect_err("there is none");
        assert!(error.contains("there is no FlippyConfig z in namespace b; there is a/x"), "{error}");
    }
}
