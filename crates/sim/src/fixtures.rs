//! Objects to fill a cluster with. Plain JSON: change what you like before creating them.

use crate::{Json, json};

/// A namespace; with `injected`, its new pods get a sidecar.
pub fn namespace(name: &str, injected: bool) -> Json {
    let labels = if injected { json!({"istio-injection": "enabled"}) } else { json!({}) };
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
}

fn template(name: &str) -> Json {
    json!({
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [{"name": "app", "image": "example.com/app:1.0"}], "terminationGracePeriodSeconds": 30},
    })
}

fn workload(api_version: &str, kind: &str, namespace: &str, name: &str) -> Json {
    json!({
        "apiVersion": api_version, "kind": kind,
        "metadata": {"namespace": namespace, "name": name, "labels": {"app": name}},
        "spec": {"selector": {"matchLabels": {"app": name}}, "template": template(name)},
    })
}

/// A Deployment with the default rolling update.
pub fn deployment(namespace: &str, name: &str, replicas: u64) -> Json {
    let mut deployment = workload("apps/v1", "Deployment", namespace, name);
    deployment["spec"]["replicas"] = json!(replicas);
    deployment
}

/// A `StatefulSet` that updates in order.
pub fn stateful_set(namespace: &str, name: &str, replicas: u64) -> Json {
    let mut set = workload("apps/v1", "StatefulSet", namespace, name);
    set["spec"]["replicas"] = json!(replicas);
    set["spec"]["serviceName"] = json!(name);
    set
}

/// A `DaemonSet` that updates one node at a time.
pub fn daemon_set(namespace: &str, name: &str) -> Json {
    workload("apps/v1", "DaemonSet", namespace, name)
}

/// A `ReplicaSet` that nobody owns.
pub fn replica_set(namespace: &str, name: &str, replicas: u64) -> Json {
    let mut set = workload("apps/v1", "ReplicaSet", namespace, name);
    set["spec"]["replicas"] = json!(replicas);
    set
}

/// A `ReplicationController`.
pub fn replication_controller(namespace: &str, name: &str, replicas: u64) -> Json {
    let mut controller = workload("v1", "ReplicationController", namespace, name);
    controller["spec"]["replicas"] = json!(replicas);
    controller["spec"]["selector"] = json!({"app": name});
    controller
}

/// An Argo Rollout with a canary strategy and these steps, such as `{"setWeight": 20}` and `{"pause": {"duration": "10s"}}`.
pub fn rollout(namespace: &str, name: &str, replicas: u64, steps: &Json) -> Json {
    let mut rollout = workload("argoproj.io/v1alpha1", "Rollout", namespace, name);
    rollout["spec"]["replicas"] = json!(replicas);
    rollout["spec"]["strategy"] = json!({"canary": {"steps": steps}});
    rollout
}

/// An `OpenKruise` `CloneSet` that recreates its pods one after the other.
pub fn clone_set(namespace: &str, name: &str, replicas: u64) -> Json {
    let mut set = workload("apps.kruise.io/v1alpha1", "CloneSet", namespace, name);
    set["spec"]["replicas"] = json!(replicas);
    set["spec"]["updateStrategy"] = json!({"type": "ReCreate", "maxUnavailable": 1});
    set
}

/// A disruption budget for the pods of the workload with this name.
pub fn budget(namespace: &str, workload: &str, min_available: u64) -> Json {
    json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"namespace": namespace, "name": workload},
        "spec": {"minAvailable": min_available, "selector": {"matchLabels": {"app": workload}}},
    })
}

/// A pod template's annotations, to be filled in: `behavior`, delays, pins (see [`crate::PINNED_IMAGE`]).
pub fn annotate_template(workload: &mut Json, key: &str, value: &str) {
    workload["spec"]["template"]["metadata"]["annotations"][key] = json!(value);
}

/// A running pod as `load` takes it, about 3 kB, owned by nobody.
pub fn running_pod(namespace: &str, name: &str, sidecar_image: &str) -> Json {
    let container = |name: &str, image: &str| json!({"name": name, "image": image, "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}}});
    let status = |name: &str, image: &str| {
        json!({
            "name": name, "image": image, "imageID": format!("{image}@sha256:{:064x}", 7), "ready": true, "started": true, "restartCount": 0,
            "containerID": format!("containerd://{:064x}", 9), "state": {"running": {"startedAt": "2026-01-05T00:00:00Z"}},
        })
    };
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"namespace": namespace, "name": name, "labels": {"app": name}},
        "spec": {"nodeName": "node-0", "containers": [container("app", "example.com/app:1.0"), container("istio-proxy", sidecar_image)]},
        "status": {
            "phase": "Running", "podIP": "10.64.0.1", "startTime": "2026-01-05T00:00:00Z",
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-05T00:00:00Z"}],
            "containerStatuses": [status("app", "example.com/app:1.0"), status("istio-proxy", sidecar_image)],
        },
    })
}
