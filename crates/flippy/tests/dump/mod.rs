//! Dumps of clusters, as `kubectl get -o json` would have written them.

#![allow(dead_code, reason = "each test crate uses a part of it")]

use serde_json::{Value, json};

pub(crate) const OLD: &str = "docker.io/istio/proxyv2:1.30.3";
pub(crate) const NEW: &str = "docker.io/istio/proxyv2:1.30.4";

/// When the pods were created.
const CREATED: &str = "2026-01-05T10:00:00Z";

/// One workload and everything that belongs to it.
pub(crate) struct Workload {
    pub(crate) kind: &'static str,
    pub(crate) namespace: &'static str,
    pub(crate) name: String,
    pub(crate) pods: usize,
    /// Seconds from creation to readiness; `None`: not ready for two hours.
    pub(crate) ready_after: Option<u32>,
    pub(crate) image: &'static str,
    pub(crate) template_annotations: Value,
}

/// A Deployment of two pods in namespace `shop`, which took so many seconds to be ready.
pub(crate) fn deployment(name: &str, ready_after: u32) -> Workload {
    Workload {
        kind: "Deployment",
        namespace: "shop",
        name: name.to_owned(),
        pods: 2,
        ready_after: Some(ready_after),
        image: OLD,
        template_annotations: json!({}),
    }
}

impl Workload {
    pub(crate) fn objects(&self) -> Vec<Value> {
        let (name, uid) = (&self.name, format!("uid-{}-{}", self.kind, self.name));
        let is_set = self.kind == "Deployment";
        let ready = if self.ready_after.is_some() { self.pods } else { 0 };
        let template = json!({
            "metadata": {"labels": {"app": name}, "annotations": self.template_annotations},
            "spec": {"containers": [{"name": "app", "image": "example.com/app:1"}], "terminationGracePeriodSeconds": 30},
        });
        let mut status = json!({
            "observedGeneration": 3, "replicas": self.pods, "updatedReplicas": self.pods,
            "readyReplicas": ready, "availableReplicas": ready,
        });
        let revision = format!("{name}-6b7f9c");
        match self.kind {
            "StatefulSet" => {
                status["currentRevision"] = json!(revision);
                status["updateRevision"] = json!(revision);
            }
            "DaemonSet" => {
                status = json!({
                    "observedGeneration": 3, "desiredNumberScheduled": self.pods, "currentNumberScheduled": self.pods,
                    "updatedNumberScheduled": self.pods, "numberReady": ready, "numberAvailable": ready,
                });
            }
            _ => {}
        }
        let mut objects = vec![json!({
            "apiVersion": "apps/v1", "kind": self.kind,
            "metadata": {
                "namespace": self.namespace, "name": name, "uid": uid, "generation": 3, "creationTimestamp": "2026-01-01T00:00:00Z",
                "annotations": {"deployment.kubernetes.io/revision": "4"}, "managedFields": [{"manager": "kubectl"}],
            },
            "spec": {"replicas": self.pods, "selector": {"matchLabels": {"app": name}}, "template": template},
            "status": status,
        })];
        let owned_by = |kind: &str, name: &str, uid: &str| json!([{"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid, "controller": true}]);
        let set_uid = format!("{uid}-set");
        if is_set {
            for (number, count) in [("3", 0), ("4", self.pods)] {
                objects.push(json!({
                    "apiVersion": "apps/v1", "kind": "ReplicaSet",
                    "metadata": {
                        "namespace": self.namespace, "name": format!("{name}-{number}"), "generation": 1,
                        "uid": if count == 0 { format!("{uid}-old") } else { set_uid.clone() },
                        "labels": {"app": name, "pod-template-hash": number}, "ownerReferences": owned_by("Deployment", name, &uid),
                        "annotations": {"deployment.kubernetes.io/revision": number, "deployment.kubernetes.io/desired-replicas": self.pods.to_string()},
                    },
                    "spec": {"replicas": count, "selector": {"matchLabels": {"app": name, "pod-template-hash": number}}, "template": template},
                    "status": {"replicas": count, "readyReplicas": count, "availableReplicas": count, "observedGeneration": 1},
                }));
            }
        }
        let owner = if is_set {
            owned_by("ReplicaSet", &format!("{name}-4"), &set_uid)
        } else {
            owned_by(self.kind, name, &uid)
        };
        objects.extend((0..self.pods).map(|number| self.pod(number, &owner, &revision)));
        objects
    }

    fn pod(&self, number: usize, owner: &Value, revision: &str) -> Value {
        let name = &self.name;
        let is_ready = if self.ready_after.is_some() { "True" } else { "False" };
        let changed = self
            .ready_after
            .map_or_else(|| CREATED.to_owned(), |after| format!("2026-01-05T10:{:02}:{:02}Z", after / 60, after % 60));
        let status = |container: &str, image: &str| json!({"name": container, "image": image, "imageID": format!("{}@sha256:{:064}", image.split(':').next().unwrap_or(""), 7), "ready": true, "restartCount": 0, "state": {}});
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "namespace": self.namespace, "name": format!("{name}-{number}"), "uid": format!("{name}-{number}"),
                "creationTimestamp": CREATED, "ownerReferences": owner,
                "labels": {"app": name, "pod-template-hash": "4", "controller-revision-hash": if self.kind == "DaemonSet" { "6b7f9c" } else { revision }},
            },
            "spec": {
                "nodeName": format!("ip-10-0-0-{number}"), "volumes": [{"name": "large"}],
                "containers": [{"name": "app", "image": "example.com/app:1", "env": []}, {"name": "istio-proxy", "image": self.image}],
            },
            "status": {
                "phase": "Running",
                "conditions": [{"type": "Ready", "status": is_ready, "lastTransitionTime": changed}],
                "containerStatuses": [status("app", "example.com/app:1"), status("istio-proxy", self.image)],
            },
        })
    }
}

pub(crate) fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "uid": name, "labels": {"istio-injection": "enabled"}}})
}

/// What the pods of a workload of that name may lose: all but so many of two.
pub(crate) fn budget(name: &str, min_available: u32) -> Value {
    let allowed = 2_u32.saturating_sub(min_available);
    json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": {"namespace": "shop", "name": name, "uid": format!("budget-{name}"), "generation": 1},
        "spec": {"minAvailable": min_available, "selector": {"matchLabels": {"app": name}}},
        "status": {"observedGeneration": 1, "disruptionsAllowed": allowed, "currentHealthy": 2, "desiredHealthy": min_available, "expectedPods": 2},
    })
}

/// A list of everything.
pub(crate) fn dump(workloads: &[Workload], others: &[Value]) -> Value {
    // The newest time on any object: when the dump was taken.
    let mut late = namespace("late");
    late["metadata"]["creationTimestamp"] = json!("2026-01-05T12:00:00Z");
    let mut items = vec![namespace("shop"), late];
    items.extend(workloads.iter().flat_map(Workload::objects));
    items.extend(others.iter().cloned());
    json!({"apiVersion": "v1", "items": items, "kind": "List", "metadata": {"resourceVersion": ""}})
}

/// A config with this strategy.
pub(crate) fn config(spec: &Value) -> Value {
    let kind =
        |kind| json!({"Type": kind, "StatusCheckConfig": {"CheckStatus": true, "MaxRetry": 10, "RetryDuration": 30}});
    let kinds = ["Deployment", "StatefulSet", "DaemonSet"].map(kind);
    let mut config = json!({
        "apiVersion": "keikoproj.io/v1", "kind": "FlippyConfig", "metadata": {"name": "mesh", "namespace": "istio-system"},
        "spec": {
            "ImageList": [NEW],
            "ProcessFilter": {"Labels": {"istio-injection": "enabled"}, "Containers": ["istio-proxy"]},
            "RestartObjects": kinds,
        },
    });
    for (field, value) in spec.as_object().into_iter().flatten() {
        config["spec"][field] = value.clone();
    }
    config
}
