//! The objects of a large mesh in the middle of an upgrade: every second pod is stale.

use flippy_e2e::workloads::Kind;
use kube::Resource as _;
use kube::api::DynamicObject;
use serde_json::{Value, json};

const OLD: &str = "docker.io/istio/proxyv2:1.30.3";
const NEW: &str = "docker.io/istio/proxyv2:1.30.4";
const NAMESPACES: usize = 500;
/// Bytes that a real pod has besides what is written here: environment, volumes, tolerations, managed fields.
const PADDING: usize = 2000;

/// Every kind that Flippy knows, Deployments first, and a custom one.
pub(super) const KINDS: [Kind; 7] = [
    Kind::Deployment,
    Kind::StatefulSet,
    Kind::DaemonSet,
    Kind::Rollout,
    Kind::ReplicaSet,
    Kind::ReplicationController,
    Kind::CloneSet,
];

/// What configs call it.
pub(super) fn type_of(kind: Kind) -> &'static str {
    if kind == Kind::Rollout { "ArgoRollout" } else { kind.name() }
}

/// Whether Flippy does not know it, so that configs say its API version.
pub(super) fn is_custom(kind: Kind) -> bool {
    kind == Kind::CloneSet
}

/// Whether its pods belong to a `ReplicaSet` that belongs to it.
fn has_replica_sets(kind: Kind) -> bool {
    matches!(kind, Kind::Deployment | Kind::Rollout)
}

/// How large it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct LargeMesh {
    pub(super) workloads: usize,
    /// Of each workload.
    pub(super) pods: usize,
    /// Each has its share of the workloads.
    pub(super) kinds: &'static [Kind],
}

/// All objects of one resource, one by one: a page of them is made when it is needed.
pub(super) struct List {
    pub(super) path: String,
    pub(super) count: usize,
    pub(super) object: Box<dyn Fn(usize) -> Value>,
}

impl LargeMesh {
    pub(super) fn pod_count(self) -> usize {
        self.workloads * self.pods
    }

    pub(super) fn lists(self) -> Vec<List> {
        let mut lists = vec![
            list("/apis/keikoproj.io/v1/flippyconfigs", 1, move |_| self.config()),
            list("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", 1, definition),
            list("/api/v1/namespaces", NAMESPACES, namespace),
            list("/apis/policy/v1/poddisruptionbudgets", 0, namespace),
            list("/api/v1/pods", self.pod_count(), move |number| self.pod(number)),
        ];
        let of = |wanted: &dyn Fn(Kind) -> bool| -> Vec<usize> {
            (0..self.workloads).filter(|number| wanted(self.kind(*number))).collect()
        };
        // Those that nobody owns are workloads; the others stand between a workload and its pods.
        let sets = of(&|kind| kind == Kind::ReplicaSet || has_replica_sets(kind));
        lists.push(list(&path(Kind::ReplicaSet), sets.len(), move |number| self.replica_set(sets[number])));
        for kind in self.kinds.iter().copied().filter(|kind| *kind != Kind::ReplicaSet) {
            let workloads = of(&|of| of == kind);
            lists.push(list(&path(kind), workloads.len(), move |number| self.workload(workloads[number])));
        }
        lists
    }

    pub(super) fn config(self) -> Value {
        let restart_object = |kind: &Kind| {
            let mut object = json!({
                "Type": type_of(*kind),
                "StatusCheckConfig": {"CheckStatus": true, "MaxRetry": 10, "RetryDuration": 30},
            });
            if is_custom(*kind) {
                object["ApiVersion"] = json!(kind.api_resource().api_version);
            }
            object
        };
        json!({
            "apiVersion": "keikoproj.io/v1", "kind": "FlippyConfig",
            "metadata": {"name": "mesh", "namespace": "istio-system", "uid": "config", "generation": 1, "resourceVersion": "1"},
            "spec": {
                "ImageList": [NEW],
                "ProcessFilter": {"Labels": {"istio-injection": "enabled"}, "Containers": ["istio-proxy"]},
                "RestartObjects": self.kinds.iter().map(restart_object).collect::<Vec<_>>(),
                "Strategy": {"MaxConcurrent": "5%"},
                // Whoever looks sees the same plan; whoever watches restarts nothing.
                "Suspend": true,
            },
        })
    }

    fn kind(self, number: usize) -> Kind {
        self.kinds[number % self.kinds.len()]
    }

    fn workload(self, number: usize) -> Value {
        // Argo's is a text.
        let observed = if self.kind(number) == Kind::Rollout { json!("1") } else { json!(1) };
        self.complete(number, &metadata(number, &workload(number)), &observed)
    }

    fn replica_set(self, number: usize) -> Value {
        let kind = self.kind(number);
        if !has_replica_sets(kind) {
            return self.workload(number);
        }
        self.complete(number, &owned(number, &replica_set(number), kind, &workload(number)), &json!(1))
    }

    /// What makes pods, and has made all of them.
    fn complete(self, number: usize, metadata: &Value, observed: &Value) -> Value {
        let (labels, replicas) = (json!({"app": workload(number)}), self.pods);
        let container = json!({"name": "app", "image": "example.com/app:1"});
        json!({
            "metadata": metadata,
            "spec": {
                "replicas": replicas, "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
            },
            // Each controller says some of these, and none is misled by the others.
            "status": {
                "observedGeneration": observed, "replicas": replicas, "updatedReplicas": replicas, "readyReplicas": replicas,
                "availableReplicas": replicas, "currentNumberScheduled": replicas, "desiredNumberScheduled": replicas,
                "updatedNumberScheduled": replicas, "numberAvailable": replicas, "numberReady": replicas,
                "currentRevision": "1", "updateRevision": "1", "phase": "Healthy",
            },
        })
    }

    fn pod(self, number: usize) -> Value {
        let (of, image) = (number / self.pods, if number.is_multiple_of(2) { OLD } else { NEW });
        let kind = self.kind(of);
        let (owner_kind, owner) =
            if has_replica_sets(kind) { (Kind::ReplicaSet, replica_set(of)) } else { (kind, workload(of)) };
        json!({
            "metadata": owned(of, &format!("{owner}-{}", number % self.pods), owner_kind, &owner),
            "spec": {
                "nodeName": format!("node-{}", of % 1000),
                "containers": [{"name": "app", "image": "example.com/app:1"}, {"name": "istio-proxy", "image": image}],
            },
            "status": {
                "phase": "Running", "startTime": "2026-01-01T00:00:00Z",
                "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:05Z"}],
                "containerStatuses": [
                    {"name": "app", "ready": true, "image": "example.com/app:1"},
                    {"name": "istio-proxy", "ready": true, "image": image},
                ],
            },
        })
    }
}

fn list(path: &str, count: usize, object: impl Fn(usize) -> Value + 'static) -> List {
    List { path: path.to_owned(), count, object: Box::new(object) }
}

/// Where all of a kind are listed.
fn path(kind: Kind) -> String {
    DynamicObject::url_path(&kind.api_resource(), None)
}

fn workload(number: usize) -> String {
    format!("w{number}")
}

fn replica_set(number: usize) -> String {
    format!("w{number}-rs")
}

/// One for whoever asks by name, whatever the name is: all that are asked for are there.
fn definition(_: usize) -> Value {
    json!({"metadata": {"name": "definition", "uid": "definition", "resourceVersion": "1"}})
}

fn namespace(number: usize) -> Value {
    json!({"metadata": {"name": format!("n{number}"), "uid": format!("n{number}"), "labels": {"istio-injection": "enabled"}}})
}

/// Name, namespace and uid.
fn metadata(number: usize, name: &str) -> Value {
    json!({
        "name": name, "namespace": format!("n{}", number % NAMESPACES), "uid": uid(name),
        "generation": 1, "resourceVersion": "1", "creationTimestamp": "2026-01-01T00:00:00Z",
        "labels": {"app": workload(number), "team": format!("team-{}", number % 40)},
        "managedFields": [{"manager": "kube-controller-manager", "fieldsV1": {"padding": "x".repeat(PADDING)}}],
    })
}

fn uid(name: &str) -> String {
    format!("00000000-0000-0000-0000-{name:0>12}")
}

fn owned(number: usize, name: &str, kind: Kind, owner: &str) -> Value {
    let mut metadata = metadata(number, name);
    metadata["ownerReferences"] = json!([{
        "apiVersion": kind.api_resource().api_version, "kind": kind.name(), "name": owner, "uid": uid(owner),
        "controller": true, "blockOwnerDeletion": true,
    }]);
    metadata
}
