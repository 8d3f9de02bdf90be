//! The `FlippyConfig`s and the policies made of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use flippy_api::{ConversionOptions, FlippyConfig, FlippyConfigStatus};
use flippy_core::{Policy, PolicyName};
use kube::ResourceExt;
use kube::core::DeserializeGuard;

/// One config as it was last seen.
#[derive(Clone, Debug)]
pub(crate) struct ConfigRecord {
    pub(crate) name: PolicyName,
    pub(crate) uid: Arc<str>,
    pub(crate) generation: i64,
    pub(crate) status: Option<Box<FlippyConfigStatus>>,
    /// What is wrong with it, for people, if it is no policy.
    pub(crate) policy: Result<Arc<Policy>, NoPolicy>,
}

/// Why a config is no policy, for people.
#[derive(Clone, Debug)]
pub(crate) enum NoPolicy {
    /// Its spec asks for something that cannot be.
    Invalid(String),
    /// It does not even fit the schema.
    Undecodable(String),
}

impl ConfigRecord {
    /// Checks a config. One that cannot even be decoded is reported like any other mistake and disturbs nobody.
    pub(crate) fn new(config: DeserializeGuard<FlippyConfig>, options: &ConversionOptions) -> Self {
        match config.0 {
            Ok(config) => Self {
                name: name(config.namespace(), config.name_any()),
                uid: config.uid().unwrap_or_default().into(),
                generation: config.metadata.generation.unwrap_or(0),
                policy: flippy_api::policy(&config, options)
                    .map(Arc::new)
                    .map_err(|invalid| NoPolicy::Invalid(invalid.to_string())),
                status: config.status.map(Box::new),
            },
            Err(invalid) => Self {
                name: name(invalid.metadata.namespace, invalid.metadata.name.unwrap_or_default()),
                uid: invalid.metadata.uid.unwrap_or_default().into(),
                generation: invalid.metadata.generation.unwrap_or(0),
                policy: Err(NoPolicy::Undecodable(format!(
                    "the object does not decode as a FlippyConfig: {}",
                    invalid.error
                ))),
                status: None,
            },
        }
    }
}

fn name(namespace: Option<String>, name: String) -> PolicyName {
    PolicyName { namespace: namespace.unwrap_or_default().into(), name: name.into() }
}

/// All configs, by name.
#[derive(Default)]
pub(crate) struct Configs(BTreeMap<PolicyName, ConfigRecord>);

impl Configs {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &ConfigRecord> {
        self.0.values()
    }

    pub(crate) fn get(&self, name: &PolicyName) -> Option<&ConfigRecord> {
        self.0.get(name)
    }

    pub(crate) fn upsert(&mut self, config: ConfigRecord) {
        self.0.insert(config.name.clone(), config);
    }

    pub(crate) fn remove(&mut self, name: &PolicyName, uid: &str) {
        if self.get(name).is_some_and(|held| held.uid.as_ref() == uid) {
            self.0.remove(name);
        }
    }

    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&ConfigRecord) -> bool) {
        self.0.retain(|_, config| keep(config));
    }
}
