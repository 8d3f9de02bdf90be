//! `FlippyConfig`s to write.

use flippy_e2e::scenario::Scenario;
use serde_json::{Value, json};

/// What the config of a scenario is called.
pub(crate) const MESH: &str = "mesh";

/// A spec that wants these images in the sidecars of the scenario's mesh: Deployments first, then Rollouts, one after
/// the other.
pub(crate) fn wanting(s: &Scenario, images: &[&str]) -> Value {
    json!({
        "ImageList": images,
        "ProcessFilter": {"Containers": ["istio-proxy"], "Labels": s.labels()},
        "RestartObjects": [
            {"Type": "Deployment", "StatusCheckConfig": waits(60)},
            {"Type": "ArgoRollout", "StatusCheckConfig": waits(60)},
        ],
    })
}

/// The same, at this pace: `spec.Strategy`.
pub(crate) fn paced(s: &Scenario, images: &[&str], strategy: &Value) -> Value {
    let mut spec = wanting(s, images);
    spec["Strategy"] = strategy.clone();
    spec
}

/// Wait for at most so many seconds.
pub(crate) fn waits(seconds: u32) -> Value {
    json!({"CheckStatus": true, "MaxRetry": seconds, "RetryDuration": 1})
}

/// Do not wait.
pub(crate) fn waits_not() -> Value {
    json!({"CheckStatus": false})
}

/// One workload that is named, in a list of preconditions or of what is restarted first.
pub(crate) fn named(kind: &str, namespace: &str, name: &str, check: &Value) -> Value {
    json!({"K8S": {"Type": kind, "Namespace": namespace, "Name": name}, "StatusCheckConfig": check})
}
