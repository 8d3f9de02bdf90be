//! Configs: each is decoded on its own, so that one that does not fit its schema disturbs nobody.

use flippy_api::{FlippyConfig, FlippyConfigSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::DeserializeGuard;
use kube::core::error_boundary::InvalidObject;
use serde::Deserialize;
use serde_json::Value;

use super::meta::slim_meta;

/// A config that may be anything but for its metadata. `DeserializeGuard` can read it too, but keeps the whole object twice
/// on the way, with the record of whose fields are whose, which is longer than the config.
#[derive(kube::Resource, Deserialize, Clone, Debug)]
#[resource(inherit = "FlippyConfig")]
pub(crate) struct SlimConfig {
    #[serde(deserialize_with = "slim_meta")]
    metadata: ObjectMeta,
    #[serde(default)]
    spec: Value,
    #[serde(default)]
    status: Value,
}

impl SlimConfig {
    pub(crate) fn read(self) -> DeserializeGuard<FlippyConfig> {
        let spec: Result<Option<FlippyConfigSpec>, _> = serde_json::from_value(self.spec);
        DeserializeGuard(match spec {
            Ok(spec) => Ok(FlippyConfig {
                api_version: FlippyConfig::API_VERSION.to_owned(),
                kind: FlippyConfig::KIND.to_owned(),
                metadata: self.metadata,
                spec: spec.unwrap_or_default(),
                // One that somebody else wrote into the object is not ours: it is written anew.
                status: serde_json::from_value(self.status).ok(),
            }),
            Err(error) => Err(InvalidObject { error: error.to_string(), metadata: self.metadata }),
        })
    }
}

/// A config as the answer to a write shows it: only its version is looked at then, and the rest may not even decode.
#[derive(kube::Resource, Deserialize, Clone, Debug)]
#[resource(inherit = "FlippyConfig")]
pub(crate) struct WrittenConfig {
    #[serde(deserialize_with = "slim_meta")]
    metadata: ObjectMeta,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
