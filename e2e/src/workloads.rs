//! Workloads to put on the cluster.

use std::collections::BTreeMap;
use std::time::Duration;

use kube::api::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};

use crate::nodes::NODES;

/// The label of pods (and the selector of workloads) that holds the workload's name.
pub const APP_LABEL: &str = "app";

/// The kinds of workloads that are restarted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// apps/v1 Deployment.
    Deployment,
    /// argoproj.io/v1alpha1 Rollout.
    Rollout,
    /// apps/v1 `StatefulSet`.
    StatefulSet,
    /// apps/v1 `DaemonSet`.
    DaemonSet,
    /// apps/v1 `ReplicaSet` that nobody owns.
    ReplicaSet,
    /// v1 `ReplicationController`.
    ReplicationController,
    /// apps.kruise.io/v1alpha1 `CloneSet`: see [`crate::clone_sets`].
    CloneSet,
}

impl Kind {
    /// The name of the kind, as in a manifest.
    pub fn name(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::Rollout => "Rollout",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
            Self::ReplicaSet => "ReplicaSet",
            Self::ReplicationController => "ReplicationController",
            Self::CloneSet => "CloneSet",
        }
    }

    /// The name of the resource, as in a request: `deployments`.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Deployment => "deployments",
            Self::Rollout => "rollouts",
            Self::StatefulSet => "statefulsets",
            Self::DaemonSet => "daemonsets",
            Self::ReplicaSet => "replicasets",
            Self::ReplicationController => "replicationcontrollers",
            Self::CloneSet => "clonesets",
        }
    }

    /// Group, version and name of the kind.
    pub fn api_resource(self) -> ApiResource {
        let (group, version) = match self {
            Self::Rollout => ("argoproj.io", "v1alpha1"),
            Self::ReplicationController => ("", "v1"),
            Self::CloneSet => ("apps.kruise.io", "v1alpha1"),
            _ => ("apps", "v1"),
        };
        let kind = GroupVersionKind::gvk(group, version, self.name());
        ApiResource::from_gvk_with_plural(&kind, self.plural())
    }
}

/// What becomes of a workload's pods. All but `Healthy` hold for each of its pods, whatever the revision; to let only
/// the *new* revision fail, upgrade the mesh to an image that ends in `bad-crash`, `bad-pull` or `bad-ready`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// They become ready.
    Healthy,
    /// Their application crashes again and again.
    CrashLoop,
    /// Their image cannot be pulled.
    ImagePull,
    /// They run, but never become ready.
    NeverReady,
    /// They become ready, unready after this long, ready again after as long, and so on.
    Flaky(Duration),
}

/// A workload to be created. Its pods have a container `app`; the sidecar comes from the mesh.
#[derive(Debug, Clone)]
pub struct Workload {
    kind: Kind,
    name: String,
    replicas: usize,
    annotations: BTreeMap<String, String>,
    pod_annotations: BTreeMap<String, String>,
    pod_labels: BTreeMap<String, String>,
    /// Fields that go into the workload's spec as they are.
    spec: BTreeMap<String, Value>,
}

impl Workload {
    /// A Deployment with one replica.
    pub fn deployment(name: &str) -> Self {
        Self::new(Kind::Deployment, name)
    }

    /// An Argo Rollout with one replica and a canary strategy without steps.
    pub fn rollout(name: &str) -> Self {
        Self::new(Kind::Rollout, name).spec("strategy", json!({"canary": {}}))
    }

    /// A `StatefulSet` with one replica.
    pub fn stateful_set(name: &str) -> Self {
        Self::new(Kind::StatefulSet, name).spec("serviceName", json!(name))
    }

    /// A `DaemonSet`: one pod on each node.
    pub fn daemon_set(name: &str) -> Self {
        Self::new(Kind::DaemonSet, name).replicas(NODES)
    }

    /// A `ReplicaSet` with one replica, that nobody owns.
    pub fn replica_set(name: &str) -> Self {
        Self::new(Kind::ReplicaSet, name)
    }

    /// A `ReplicationController` with one replica.
    pub fn replication_controller(name: &str) -> Self {
        Self::new(Kind::ReplicationController, name).spec("selector", json!({APP_LABEL: name}))
    }

    /// A `CloneSet` with one replica.
    pub fn clone_set(name: &str) -> Self {
        Self::new(Kind::CloneSet, name).spec("updateStrategy", json!({"type": "ReCreate", "maxUnavailable": 1}))
    }

    /// Its pods are replaced only when somebody takes them away.
    #[must_use]
    pub fn on_delete(self) -> Self {
        self.spec("updateStrategy", json!({"type": "OnDelete"}))
    }

    fn new(kind: Kind, name: &str) -> Self {
        Self {
            kind,
            name: name.to_owned(),
            replicas: 1,
            annotations: BTreeMap::new(),
            pod_annotations: BTreeMap::new(),
            pod_labels: BTreeMap::new(),
            spec: BTreeMap::new(),
        }
    }

    /// How many pods.
    #[must_use]
    pub fn replicas(mut self, replicas: usize) -> Self {
        self.replicas = replicas;
        self
    }

    /// What becomes of its pods.
    #[must_use]
    pub fn behaviour(self, behaviour: Behaviour) -> Self {
        let name = match behaviour {
            Behaviour::Healthy => return self,
            Behaviour::CrashLoop => "crashloop",
            Behaviour::ImagePull => "imagepull",
            Behaviour::NeverReady => "never-ready",
            Behaviour::Flaky(period) => {
                return self
                    .pod_annotation("sim.test/behavior", "flaky")
                    .pod_annotation("sim.test/flap-period", &go_duration(period));
            }
        };
        self.pod_annotation("sim.test/behavior", name)
    }

    /// How long a pod takes from being scheduled to being ready.
    #[must_use]
    pub fn ready_delay(self, delay: Duration) -> Self {
        self.pod_annotation("sim.test/ready-delay", &go_duration(delay))
    }

    /// How long a pod takes to go once it has been told to.
    #[must_use]
    pub fn termination_delay(self, delay: Duration) -> Self {
        self.pod_annotation("sim.test/term-delay", &go_duration(delay))
    }

    /// An annotation of the workload itself.
    #[must_use]
    pub fn annotation(mut self, key: &str, value: &str) -> Self {
        self.annotations.insert(key.to_owned(), value.to_owned());
        self
    }

    /// An annotation of its pod template.
    #[must_use]
    pub fn pod_annotation(mut self, key: &str, value: &str) -> Self {
        self.pod_annotations.insert(key.to_owned(), value.to_owned());
        self
    }

    /// A label of its pod template.
    #[must_use]
    pub fn pod_label(mut self, key: &str, value: &str) -> Self {
        self.pod_labels.insert(key.to_owned(), value.to_owned());
        self
    }

    /// The steps of a Rollout's canary strategy, such as `json!([{"setWeight": 50}, {"pause": {"duration": "1s"}}])`.
    #[must_use]
    pub fn canary_steps(self, steps: &Value) -> Self {
        self.spec("strategy", json!({"canary": {"steps": steps}}))
    }

    /// Any other field of its spec: `spec("paused", json!(true))`.
    #[must_use]
    pub fn spec(mut self, field: &str, value: Value) -> Self {
        self.spec.insert(field.to_owned(), value);
        self
    }

    /// Where it will be.
    pub fn reference(&self, namespace: &str) -> WorkloadRef {
        WorkloadRef {
            kind: self.kind,
            namespace: namespace.to_owned(),
            name: self.name.clone(),
            replicas: self.replicas,
        }
    }

    /// Its manifest.
    pub fn manifest(&self, namespace: &str) -> Value {
        let mut labels = self.pod_labels.clone();
        labels.insert(APP_LABEL.to_owned(), self.name.clone());
        let mut spec = json!({
            "selector": {"matchLabels": {APP_LABEL: self.name}},
            "template": {
                "metadata": {"labels": labels, "annotations": self.pod_annotations},
                "spec": {
                    // Removing a namespace waits for as long as its pods might take.
                    "terminationGracePeriodSeconds": 1,
                    "containers": [{"name": "app", "image": format!("example.com/{}:1", self.name)}],
                },
            },
        });
        if self.kind != Kind::DaemonSet {
            spec["replicas"] = json!(self.replicas);
        }
        for (field, value) in &self.spec {
            spec[field] = value.clone();
        }
        let resource = self.kind.api_resource();
        json!({
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": {
                "namespace": namespace, "name": self.name,
                "labels": {APP_LABEL: self.name}, "annotations": self.annotations,
            },
            "spec": spec,
        })
    }
}

/// A workload on the cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct WorkloadRef {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// How many pods it has when it is rolled out.
    pub replicas: usize,
}

impl WorkloadRef {
    /// `namespace/name`, the form of [`crate::audit::Requests::names`].
    pub fn path(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

impl std::fmt::Display for WorkloadRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.kind.name(), self.path())
    }
}

/// The way in which Go (and so kwok) reads a duration.
fn go_duration(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}
