//! Reads configs as a watch tells of them. Most of what it tells is a status, ours: then what is wanted is not read again.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use flippy_api::ConversionOptions;
use flippy_core::{Policy, PolicyName};
use serde_json::value::RawValue;

use crate::configs::ConfigRecord;
use crate::slim::{Fingerprint, SlimConfig};

/// Configs after which those that are gone are forgotten; more if there are more.
const FIRST_SWEEP_AT: usize = 1024;

pub(crate) struct ConfigReader {
    options: ConversionOptions,
    /// What a policy is made of, besides its name, and the policy as long as anybody else holds it.
    known: HashMap<PolicyName, (Fingerprint, Weak<Policy>)>,
    sweep_at: usize,
}

impl ConfigReader {
    pub(crate) fn new(options: ConversionOptions) -> Self {
        Self { options, known: HashMap::new(), sweep_at: FIRST_SWEEP_AT }
    }

    pub(crate) fn read(&mut self, config: SlimConfig) -> ConfigRecord {
        let (written, name) = (written(&config), ConfigRecord::name_in(&config.metadata));
        let known = self.known.get(&name).filter(|known| known.0 == written);
        if let Some(policy) = known.and_then(|known| known.1.upgrade()) {
            return ConfigRecord::with_policy(&config.metadata, Ok(policy), config.read_status());
        }
        let record = ConfigRecord::new(config.read(), &self.options);
        if let Ok(policy) = &record.policy {
            self.remember(name, written, policy);
        }
        record
    }

    fn remember(&mut self, name: PolicyName, written: Fingerprint, policy: &Arc<Policy>) {
        if self.known.len() >= self.sweep_at {
            self.known.retain(|_, known| known.1.strong_count() > 0);
            self.sweep_at = FIRST_SWEEP_AT.max(self.known.len() * 2);
        }
        self.known.insert(name, (written, Arc::downgrade(policy)));
    }
}

/// Of the spec as it is written, and of the annotations.
fn written(config: &SlimConfig) -> Fingerprint {
    Fingerprint::of((config.spec.as_deref().map(RawValue::get), &config.metadata.annotations))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use flippy_core::annotation;
    use serde_json::{Value, json};

    use super::*;
    use crate::configs::NoPolicy;

    fn reader() -> ConfigReader {
        let trusted_namespaces = BTreeSet::from(["istio-system".into()]);
        ConfigReader::new(ConversionOptions { ignore_key: "flippy-ignore".into(), trusted_namespaces })
    }

    fn config(change: impl Fn(&mut Value)) -> SlimConfig {
        let mut config = json!({
            "metadata": {"namespace": "istio-system", "name": "mesh", "uid": "1", "generation": 3},
            "spec": {"ImageList": ["istio/proxyv2:1.30.4"], "RestartObjects": [{"Type": "Deployment"}]},
        });
        change(&mut config);
        serde_json::from_value(config).expect("it decodes")
    }

    fn policy(record: ConfigRecord) -> Arc<Policy> {
        record.policy.expect("it is a policy")
    }

    #[test]
    fn what_is_wanted_is_not_read_again_when_only_the_status_has_changed() {
        let mut reader = reader();
        let first = policy(reader.read(config(|_| {})));
        let changed = reader.read(config(|config| config["status"] = json!({"observedGeneration": 3})));
        assert_eq!(changed.status.as_ref().map(|status| status.observed_generation), Some(Some(3)));
        assert!(Arc::ptr_eq(&first, &policy(changed)));
    }

    #[test]
    fn what_a_policy_is_made_of_is_read_anew_when_it_has_changed() {
        let mut reader = reader();
        let first = policy(reader.read(config(|_| {})));
        let changes: [fn(&mut Value); 3] = [
            |config| config["spec"]["ImageList"] = json!(["istio/proxyv2:1.30.5"]),
            |config| config["metadata"]["annotations"] = json!({annotation::RETRY: "2026-01-05T00:00:00Z"}),
            |config| config["metadata"]["name"] = json!("other"),
        ];
        for change in changes {
            assert_ne!(first, policy(reader.read(config(change))));
        }
    }

    #[test]
    fn one_that_does_not_decode_has_no_status_however_often_it_is_seen() {
        let mut reader = reader();
        let broken = |config: &mut Value| {
            config["spec"] = json!(7);
            config["status"] = json!({"observedGeneration": 3});
        };
        for _ in 0..2 {
            let record = reader.read(config(broken));
            assert!(matches!(record.policy, Err(NoPolicy::Undecodable(_))));
            assert_eq!(record.status, None);
        }
    }

    #[test]
    fn configs_that_are_gone_do_not_pile_up() {
        let mut reader = reader();
        for number in 0..3 * FIRST_SWEEP_AT {
            reader.read(config(|config| config["metadata"]["name"] = number.to_string().into()));
        }
        assert!(reader.known.len() <= FIRST_SWEEP_AT);
    }

    #[test]
    fn all_that_are_there_are_known_however_many() {
        let mut reader = reader();
        let mut read = || {
            let numbers = 0..2 * FIRST_SWEEP_AT;
            let one = |number: usize| {
                policy(reader.read(config(|config| config["metadata"]["name"] = number.to_string().into())))
            };
            numbers.map(one).collect::<Vec<_>>()
        };
        let (first, again) = (read(), read());
        assert!(first.iter().zip(&again).all(|(first, again)| Arc::ptr_eq(first, again)));
    }
}
