//! A cluster with one shop in it.

use serde_json::{Value, json};

use super::{Answer, list};

pub(crate) const CONFIGS: &str = "/apis/keikoproj.io/v1/flippyconfigs";
pub(crate) const OLD: &str = "docker.io/istio/proxyv2:1.30.3";
pub(crate) const NEW: &str = "docker.io/istio/proxyv2:1.30.4";

/// A config that wants these images.
pub(crate) fn config(images: &[&str]) -> Value {
    json!({
        "apiVersion": "keikoproj.io/v1", "kind": "FlippyConfig",
        "metadata": {"name": "mesh", "namespace": "istio-system", "uid": "config", "generation": 1},
        "spec": {
            "ImageList": images,
            "ProcessFilter": {"Labels": {"istio-injection": "enabled"}, "Containers": ["istio-proxy"]},
            "RestartObjects": [{"Type": "Deployment", "StatusCheckConfig": {"CheckStatus": true, "MaxRetry": 10, "RetryDuration": 30}}],
        },
    })
}

/// A shop with two Deployments: `cart` runs an old sidecar, `till` the new one.
pub(crate) fn shop(configs: &[Value]) -> Vec<Answer> {
    let deployment = |name: &str| {
        json!({
            "metadata": {"name": name, "namespace": "shop", "uid": name, "generation": 1},
            "spec": {"replicas": 1, "template": {"metadata": {}, "spec": {"containers": [{"name": "app", "image": "app"}]}}},
            "status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1},
        })
    };
    let owner = |kind: &str, uid: &str| json!([{"apiVersion": "apps/v1", "kind": kind, "name": uid, "uid": uid, "controller": true}]);
    let replica_set = |name: &str| {
        let uid = format!("{name}-rs");
        json!({"metadata": {"name": uid, "namespace": "shop", "uid": uid, "ownerReferences": owner("Deployment", name)}})
    };
    let pod = |name: &str, image: &str| {
        json!({
            "metadata": {
                "name": format!("{name}-1"), "namespace": "shop", "uid": format!("{name}-pod"),
                "creationTimestamp": "2030-01-01T00:00:00Z", "ownerReferences": owner("ReplicaSet", &format!("{name}-rs")),
            },
            "spec": {"containers": [{"name": "app", "image": "app"}, {"name": "istio-proxy", "image": image}]},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
        })
    };
    let namespace = json!({"metadata": {"name": "shop", "uid": "shop", "labels": {"istio-injection": "enabled"}}});
    vec![
        (CONFIGS, 200, list(configs)),
        ("/api/v1/namespaces", 200, list(&[namespace])),
        ("/apis/apps/v1/deployments", 200, list(&[deployment("till"), deployment("cart")])),
        ("/apis/apps/v1/replicasets", 200, list(&[replica_set("till"), replica_set("cart")])),
        ("/apis/policy/v1/poddisruptionbudgets", 200, list(&[])),
        ("/api/v1/pods", 200, list(&[pod("till", NEW), pod("cart", OLD)])),
    ]
}
