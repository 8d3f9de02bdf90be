//! Configs: each is decoded on its own, so that one that does not fit its schema disturbs nobody.

use flippy_api::{FlippyConfig, FlippyConfigSpec, FlippyConfigStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::DeserializeGuard;
use kube::core::error_boundary::InvalidObject;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::meta::slim_meta;

/// A config that may be anything but for its metadata. `DeserializeGuard` can read it too, but keeps the whole object twice
/// on the way, with the record of whose fields are whose, which is longer than the config.
///
/// Spec and status are kept as they are written. In an event of a watch this needs the type before the object, where every API
/// server writes it.
#[derive(kube::Resource, Deserialize, Clone, Debug)]
#[resource(inherit = "FlippyConfig")]
pub(crate) struct SlimConfig {
    #[serde(deserialize_with = "slim_meta")]
    pub(crate) metadata: ObjectMeta,
    pub(crate) spec: Option<Box<RawValue>>,
    status: Option<Box<RawValue>>,
}

impl SlimConfig {
    pub(crate) fn read(self) -> DeserializeGuard<FlippyConfig> {
        let spec = self.spec.as_deref().map_or_else(|| Ok(FlippyConfigSpec::default()), typed);
        let status = self.read_status();
        DeserializeGuard(match spec {
            Ok(spec) => Ok(FlippyConfig {
                api_version: FlippyConfig::API_VERSION.to_owned(),
                kind: FlippyConfig::KIND.to_owned(),
                metadata: self.metadata,
                spec,
                status,
            }),
            Err(error) => Err(InvalidObject { error: error.to_string(), metadata: self.metadata }),
        })
    }

    /// The status alone. One that somebody else wrote into the object is not ours: it is written anew.
    pub(crate) fn read_status(&self) -> Option<FlippyConfigStatus> {
        self.status.as_deref().and_then(|status| serde_json::from_str(status.get()).ok())
    }
}

fn typed(raw: &RawValue) -> serde_json::Result<FlippyConfigSpec> {
    // Read once more for what to say: where in a text that nobody has seen it is would tell nobody anything.
    serde_json::from_str(raw.get()).or_else(|_| serde_json::from_value(serde_json::from_str(raw.get())?))
}

/// A config as the answer to a write shows it: only its version is looked at then, and the rest may not even decode.
#[derive(kube::Resource, Deserialize, Clone, Debug)]
#[resource(inherit = "FlippyConfig")]
pub(crate) struct WrittenConfig {
    #[serde(deserialize_with = "slim_meta")]
    pub(crate) metadata: ObjectMeta,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// What kube's guard would make of it, and what is made of it here.
    fn both(object: &Value) -> [Result<Value, String>; 2] {
        let slim: SlimConfig = serde_json::from_value(object.clone()).expect("its metadata is fine");
        let guard: DeserializeGuard<FlippyConfig> = serde_json::from_value(object.clone()).expect("it never fails");
        [guard, slim.read()].map(|read| match read.0 {
            Ok(config) => Ok(serde_json::to_value(config).expect("a config can be shown")),
            Err(invalid) => Err(format!("{:?}: {}", invalid.metadata.name, invalid.error)),
        })
    }

    #[test]
    fn a_spec_that_goes_too_deep_is_the_trouble_of_one_config() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        let metadata = r#"{"namespace": "istio-system", "name": "mesh"}"#;
        let config = |spec: &str| format!(r#"{{"metadata": {metadata}, "spec": {spec}}}"#);
        let list = format!("[{}, {}]", config(&deep), config("{}"));
        let configs: Vec<SlimConfig> = serde_json::from_str(&list).expect("the other one can be read");
        let read: Vec<bool> = configs.into_iter().map(|config| config.read().0.is_ok()).collect();
        assert_eq!(read, [false, true]);
    }

    #[test]
    fn what_is_wrong_with_a_spec_is_said_without_a_place_in_a_text_that_nobody_has_seen() {
        let config: SlimConfig = serde_json::from_str(r#"{"metadata": {"name": "mesh"}, "spec": {"ImageList": "a"}}"#)
            .expect("its metadata is fine");
        let why = config.read().0.expect_err("a text is no list").error;
        assert_eq!(why, r#"invalid type: string "a", expected a sequence"#);
    }

    #[test]
    fn it_reads_what_the_guard_of_kube_reads() {
        let metadata = json!({"namespace": "istio-system", "name": "mesh", "uid": "1", "generation": 3});
        let object = |spec: Value, status: Value| {
            json!({
                "apiVersion": "keikoproj.io/v1", "kind": "FlippyConfig",
                "metadata": metadata, "spec": spec, "status": status,
            })
        };
        let spec = json!({"ImageList": ["istio/proxyv2:1.30.4"], "RestartObjects": [{"Type": "Deployment"}]});
        let status = json!({"observedGeneration": 3, "imagesHash": "abc"});
        let objects = [
            object(spec.clone(), status.clone()),
            object(spec.clone(), Value::Null),
            object(spec, json!("somebody else's")),
            object(Value::Null, status.clone()),
            object(json!({"ImageList": "istio/proxyv2:1.30.4"}), status.clone()),
            object(json!(7), status),
        ];
        for object in objects {
            let [expected, read] = both(&object);
            assert_eq!(read.is_ok(), expected.is_ok(), "{object}");
            match (read, expected) {
                (Ok(read), Ok(expected)) => assert_eq!(read, expected, "{object}"),
                (read, _) => assert!(read.is_err_and(|why| why.starts_with("Some(\"mesh\")")), "{object}"),
            }
        }
    }
}
