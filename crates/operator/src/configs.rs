//! The `FlippyConfig`s and the policies made of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use flippy_api::{ConversionOptions, FlippyConfig, FlippyConfigStatus};
use flippy_core::{DesiredImages, Policy, PolicyName};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::DeserializeGuard;

use crate::sources::Sources;

/// One config as it was last seen.
#[derive(Clone, Debug)]
pub(crate) struct ConfigRecord {
    pub(crate) name: PolicyName,
    pub(crate) uid: Arc<str>,
    pub(crate) generation: i64,
    /// As of which change of the cluster. Later ones are greater (KEP-5504); `None`: nobody knows.
    pub(crate) version: Option<u64>,
    pub(crate) status: Option<Box<FlippyConfigStatus>>,
    /// What it wants, with what its sources of images say. What is wrong with it, for people, if it is no policy.
    pub(crate) policy: Result<Arc<Policy>, NoPolicy>,
}

/// Why a config is no policy, for people.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum NoPolicy {
    /// Its spec asks for something that cannot be.
    Invalid(String),
    /// It does not even fit the schema.
    Undecodable(String),
}

impl ConfigRecord {
    /// What the status remembers. Not what the policy of a new record names: that is the list alone.
    fn remembered(&self) -> Option<DesiredImages> {
        self.status.as_deref().and_then(flippy_api::wanted_before)
    }

    /// The images that were wanted when all sources answered last. Only for a record that is joined.
    fn wanted_last(&self) -> Option<DesiredImages> {
        let known =
            self.policy.as_ref().ok().filter(|policy| policy.knows_images()).map(|policy| policy.images.clone());
        // What a predecessor wrote into the status.
        known.or_else(|| self.remembered())
    }

    /// Joins the policy with what its sources say. `as_written` is the policy without that.
    fn join(&mut self, as_written: &Policy, before: Option<&DesiredImages>, sources: &Sources) {
        self.policy = Ok(Arc::new(sources.join(as_written, before)));
    }

    /// Checks a config. One that cannot even be decoded is reported like any other mistake and disturbs nobody.
    pub(crate) fn new(config: DeserializeGuard<FlippyConfig>, options: &ConversionOptions) -> Self {
        match config.0 {
            Ok(config) => {
                let policy = flippy_api::policy(&config, options).map(Arc::new);
                let policy = policy.map_err(|invalid| NoPolicy::Invalid(invalid.to_string()));
                Self::with_policy(&config.metadata, policy, config.status)
            }
            Err(invalid) => {
                let why = format!("the object does not decode as a FlippyConfig: {}", invalid.error);
                Self::with_policy(&invalid.metadata, Err(NoPolicy::Undecodable(why)), None)
            }
        }
    }

    /// Makes the record of a config whose policy has been read.
    pub(crate) fn with_policy(
        metadata: &ObjectMeta,
        policy: Result<Arc<Policy>, NoPolicy>,
        status: Option<FlippyConfigStatus>,
    ) -> Self {
        Self {
            name: Self::name_in(metadata),
            uid: metadata.uid.as_deref().unwrap_or_default().into(),
            generation: metadata.generation.unwrap_or(0),
            version: version(metadata),
            status: status.map(Box::new),
            policy,
        }
    }

    pub(crate) fn name_in(metadata: &ObjectMeta) -> PolicyName {
        let text = |text: &Option<String>| text.as_deref().unwrap_or_default().into();
        PolicyName { namespace: text(&metadata.namespace), name: text(&metadata.name) }
    }
}

/// The version of an object, as a number.
pub(crate) fn version(metadata: &ObjectMeta) -> Option<u64> {
    metadata.resource_version.as_ref()?.parse().ok()
}

/// All configs, by name.
#[derive(Default)]
pub(crate) struct Configs {
    records: BTreeMap<PolicyName, ConfigRecord>,
    /// Policies that have sources of images, as they are written.
    with_sources: BTreeMap<PolicyName, Arc<Policy>>,
}

impl Configs {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &ConfigRecord> {
        self.records.values()
    }

    pub(crate) fn get(&self, name: &PolicyName) -> Option<&ConfigRecord> {
        self.records.get(name)
    }

    /// Whether a record of a config, as it is written, shows nothing that is not known, except perhaps its status. Its generation
    /// counts, too: equal policies may name a custom kind in two versions.
    pub(crate) fn knows_all_but_status(&self, config: &ConfigRecord) -> bool {
        let Some(held) = self.records.get(&config.name).filter(|held| held.uid == config.uid) else { return false };
        let as_written = self.with_sources.get(&config.name).map_or(held.policy.as_ref(), Ok);
        held.generation == config.generation
            && match (as_written, config.policy.as_ref()) {
                // Mostly it was not even read again.
                (Ok(held), Ok(policy)) => Arc::ptr_eq(held, policy) || held == policy,
                (held, policy) => held == policy,
            }
    }

    pub(crate) fn upsert(&mut self, mut config: ConfigRecord, sources: &Sources) {
        self.with_sources.remove(&config.name);
        if let Some(policy) = config.policy.as_ref().ok().filter(|policy| !policy.image_sources.is_empty()).cloned() {
            let held = self.records.get(&config.name).filter(|held| held.uid == config.uid);
            let before = held.and_then(ConfigRecord::wanted_last).or_else(|| config.remembered());
            config.join(&policy, before.as_ref(), sources);
            self.with_sources.insert(config.name.clone(), policy);
        }
        self.records.insert(config.name.clone(), config);
    }

    /// Takes over what the sources say now.
    pub(crate) fn join(&mut self, sources: &Sources) {
        for (name, policy) in &self.with_sources {
            if let Some(config) = self.records.get_mut(name) {
                let before = config.wanted_last();
                config.join(policy, before.as_ref(), sources);
            }
        }
    }

    pub(crate) fn remove(&mut self, name: &PolicyName, uid: &str) {
        if self.get(name).is_some_and(|held| held.uid.as_ref() == uid) {
            self.records.remove(name);
            self.with_sources.remove(name);
        }
    }

    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&ConfigRecord) -> bool) {
        self.records.retain(|_, config| keep(config));
        self.with_sources.retain(|name, _| self.records.contains_key(name));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use super::*;

    fn config(uid: &str, list: &[&str], status: &Value) -> ConfigRecord {
        let config: FlippyConfig = serde_json::from_value(json!({
            "metadata": {"namespace": "istio-system", "name": "mesh", "uid": uid},
            "spec": {"ImageList": list, "ImageSources": [{"ConfigMap": {"Name": "gone", "Key": "k"}}]},
            "status": status,
        }))
        .expect("it decodes");
        let trusted_namespaces = BTreeSet::from(["istio-system".into()]);
        let options = ConversionOptions { ignore_key: "flippy-ignore".into(), trusted_namespaces };
        ConfigRecord::new(DeserializeGuard(Ok(config)), &options)
    }

    fn remembered(images: &[&str]) -> Value {
        let images = images.iter().map(|image| flippy_core::ImageRef::parse(image).expect("it is an image"));
        let images = DesiredImages::new(images);
        let texts: Vec<String> = images.iter().map(ToString::to_string).collect();
        json!({"desiredImages": texts, "imagesHash": images.hash()})
    }

    /// The hash of what the config wants, while its source is missing.
    fn hash(configs: &Configs) -> String {
        let config = configs.iter().next().expect("there is one");
        let policy = config.policy.as_ref().expect("it is a policy");
        assert!(policy.source_unavailable.is_some());
        policy.images.hash().to_owned()
    }

    #[test]
    fn what_the_status_remembers_is_wanted_on_while_a_source_is_missing() {
        let mut configs = Configs::default();
        configs.upsert(config("1", &["a:1"], &remembered(&["a:1", "b:2"])), &Sources::default());
        assert_eq!(hash(&configs), remembered(&["a:1", "b:2"])["imagesHash"]);
    }

    #[test]
    fn a_changed_list_does_not_change_what_is_wanted_while_a_source_is_missing() {
        let mut configs = Configs::default();
        configs.upsert(config("1", &["a:1"], &remembered(&["a:1", "b:2"])), &Sources::default());
        configs.upsert(config("1", &["a:2"], &json!({})), &Sources::default());
        assert_eq!(hash(&configs), remembered(&["a:1", "b:2"])["imagesHash"]);
    }

    #[test]
    fn all_but_the_status_of_a_config_is_known_until_it_is_edited_or_made_anew() {
        let mut configs = Configs::default();
        let first = config("1", &["a:1"], &json!({}));
        assert!(!configs.knows_all_but_status(&first));
        configs.upsert(first, &Sources::default());
        assert!(configs.knows_all_but_status(&config("1", &["a:1"], &remembered(&["a:1"]))));
        assert!(!configs.knows_all_but_status(&config("1", &["a:2"], &json!({}))));
        assert!(!configs.knows_all_but_status(&config("2", &["a:1"], &json!({}))));
        let mut edited = config("1", &["a:1"], &json!({}));
        edited.generation += 1;
        assert!(!configs.knows_all_but_status(&edited));
    }

    #[test]
    fn another_config_of_the_same_name_inherits_nothing() {
        let mut configs = Configs::default();
        configs.upsert(config("1", &["a:1"], &remembered(&["a:1", "b:2"])), &Sources::default());
        configs.upsert(config("2", &["a:1"], &json!({})), &Sources::default());
        let config = configs.iter().next().expect("there is one");
        assert!(!config.policy.as_ref().expect("it is a policy").knows_images());
    }
}
