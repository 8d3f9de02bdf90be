//! Workloads: owners of pods with a pod template that can be restarted.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use jiff::Timestamp;
use thiserror::Error;

use crate::custom_kind::CustomKind;
use crate::custom_rollout::CustomFacts;
use crate::disruption::DisruptionFacts;
use crate::labels::Labels;
use crate::mark::RestartMark;
use crate::method::Method;

/// The kinds of workload that Flippy restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `apps/v1` Deployment.
    Deployment,
    /// `apps/v1` `StatefulSet`.
    StatefulSet,
    /// `apps/v1` `DaemonSet`.
    DaemonSet,
    /// `argoproj.io/v1alpha1` Rollout.
    ArgoRollout,
    /// `apps/v1` `ReplicaSet` without an owner. One with an owner is a part of that.
    ReplicaSet,
    /// `v1` `ReplicationController` without an owner.
    ReplicationController,
    /// One that Flippy does not know; see [`Kind::named`].
    Custom(CustomKind),
}

/// A `Type` in a config that names no kind Flippy knows.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "`{0}` is not a kind that can be restarted: write Deployment, StatefulSet, DaemonSet, ArgoRollout, ReplicaSet or \
     ReplicationController"
)]
pub struct KindParseError(pub String);

impl Kind {
    /// Every kind that Flippy knows.
    pub const ALL: [Self; 6] = [
        Self::Deployment,
        Self::StatefulSet,
        Self::DaemonSet,
        Self::ArgoRollout,
        Self::ReplicaSet,
        Self::ReplicationController,
    ];

    /// The name used in a `FlippyConfig` and in everything people read.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
            Self::ArgoRollout => "ArgoRollout",
            Self::ReplicaSet => "ReplicaSet",
            Self::ReplicationController => "ReplicationController",
            Self::Custom(kind) => kind.as_str(),
        }
    }

    /// Whether it counts only where nobody owns it: otherwise it is a part of its owner, and restarted with that.
    pub fn is_often_a_part(self) -> bool {
        matches!(self, Self::ReplicaSet | Self::ReplicationController)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = KindParseError;

    /// Case does not matter, as in the original.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str().eq_ignore_ascii_case(text.trim()))
            .ok_or_else(|| KindParseError(text.to_owned()))
    }
}

/// A workload that a config names: it may not exist.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NamedWorkload {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

impl fmt::Display for NamedWorkload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

/// A workload that exists, this very object: one deleted and created again under the same name is another one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkloadRef {
    /// Where it is found.
    pub named: NamedWorkload,
    /// Which object it is.
    pub uid: Arc<str>,
}

impl fmt::Display for WorkloadRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.named.fmt(f)
    }
}

/// The controller of an object, from the owner reference with `controller: true`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    /// The owner's kind as Kubernetes spells it.
    pub kind: Arc<str>,
    /// The owner's name.
    pub name: Arc<str>,
    /// The owner's uid.
    pub uid: Arc<str>,
}

/// One workload of a [`crate::Snapshot`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Which object it is.
    pub id: WorkloadRef,
    /// `metadata.generation`: grows with every change of the spec.
    pub generation: i64,
    /// `metadata.resourceVersion`: grows with every change at all. 0: not known.
    pub revision: u64,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Whether a controller owns it.
    pub owned: bool,
    /// Its own labels.
    pub labels: Labels,
    /// Its own annotations.
    pub annotations: Labels,
    /// Labels of its pod template.
    pub template_labels: Labels,
    /// Annotations of its pod template.
    pub template_annotations: Labels,
    /// Of the spec of its pod template: equal ones have equal fingerprints.
    pub template_fingerprint: u64,
    /// For an Argo Rollout with `workloadRef`: the workload that holds the template.
    pub template_from: Option<NamedWorkload>,
    /// The last restart that Flippy made.
    pub mark: Option<RestartMark>,
    /// How its restart touches others.
    pub disruption: DisruptionFacts,
    /// Spec and status of its rollout.
    pub rollout: RolloutFacts,
}

/// What a rollout's progress is judged by, per kind, as the API server reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RolloutFacts {
    /// See [`DeploymentFacts`].
    Deployment(DeploymentFacts),
    /// See [`StatefulSetFacts`].
    StatefulSet(StatefulSetFacts),
    /// See [`DaemonSetFacts`].
    DaemonSet(DaemonSetFacts),
    /// See [`ArgoRolloutFacts`].
    ArgoRollout(ArgoRolloutFacts),
    /// See [`ReplicasFacts`].
    Replicas(ReplicasFacts),
    /// See [`CustomFacts`].
    Custom(CustomFacts),
}

/// Fields of an `apps/v1` Deployment. Absent numbers are what Kubernetes defaults them to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeploymentFacts {
    /// `spec.replicas`
    pub replicas_wanted: i64,
    /// `spec.paused`
    pub paused: bool,
    /// `status.observedGeneration`
    pub observed_generation: i64,
    /// `status.replicas`
    pub replicas: i64,
    /// `status.updatedReplicas`
    pub updated: i64,
    /// `status.availableReplicas`
    pub available: i64,
    /// Condition `Progressing` has reason `ProgressDeadlineExceeded`.
    pub progress_deadline_exceeded: bool,
}

/// How a `StatefulSet` or `DaemonSet` brings a changed template to its pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateStrategy {
    /// Pods are replaced by the controller.
    Rolling,
    /// Pods are replaced only when somebody deletes them: changing the template restarts nothing.
    OnDelete,
}

/// Fields of an `apps/v1` `StatefulSet`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatefulSetFacts {
    /// `spec.replicas`
    pub replicas_wanted: i64,
    /// `spec.updateStrategy.type`
    pub strategy: UpdateStrategy,
    /// `spec.updateStrategy.rollingUpdate.partition`, when that block exists: ordinals below it are not updated.
    pub partition: Option<i64>,
    /// `status.observedGeneration`
    pub observed_generation: i64,
    /// `status.readyReplicas`
    pub ready: i64,
    /// `status.updatedReplicas`
    pub updated: i64,
    /// `status.currentRevision` equals `status.updateRevision`
    pub revisions_equal: bool,
}

/// Fields of an `apps/v1` `DaemonSet`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaemonSetFacts {
    /// `spec.updateStrategy.type`
    pub strategy: UpdateStrategy,
    /// `status.observedGeneration`
    pub observed_generation: i64,
    /// `status.desiredNumberScheduled`
    pub scheduled_wanted: i64,
    /// `status.updatedNumberScheduled`
    pub updated: i64,
    /// `status.numberAvailable`
    pub available: i64,
}

/// Fields of a `ReplicaSet` or `ReplicationController`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplicasFacts {
    /// `spec.replicas`
    pub replicas_wanted: i64,
    /// `status.observedGeneration`
    pub observed_generation: i64,
    /// `status.availableReplicas`
    pub available: i64,
}

/// `status.phase` of an Argo Rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgoPhase {
    /// Everything is done and available.
    Healthy,
    /// On its way.
    Progressing,
    /// Waits at a canary step, before promotion, or because `spec.paused` is set.
    Paused,
    /// Failed or aborted.
    Degraded,
    /// Absent, or a word we do not know.
    Unknown,
}

/// Fields of an `argoproj.io/v1alpha1` Rollout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArgoRolloutFacts {
    /// `spec.replicas`
    pub replicas_wanted: i64,
    /// `spec.paused`
    pub paused: bool,
    /// `spec.restartAt`
    pub restart_at: Option<Timestamp>,
    /// `status.restartedAt`: set once every older pod is evicted, *not* when the replacements are ready.
    pub restarted_at: Option<Timestamp>,
    /// `status.observedGeneration`, which Argo writes as text.
    pub observed_generation: i64,
    /// `status.phase`
    pub phase: ArgoPhase,
    /// `status.updatedReplicas`
    pub updated: i64,
    /// `status.availableReplicas`
    pub available: i64,
    /// `status.currentPodHash` differs from `status.stableRS`: a new revision is being brought out.
    pub revision_in_progress: bool,
}

impl Workload {
    /// Whether it is a part of its owner, and no workload of its own.
    pub fn is_a_part(&self) -> bool {
        self.owned && self.kind().is_often_a_part()
    }

    /// Whether restarting it takes away its only replica before the next one is there.
    pub(crate) fn loses_its_only_replica(&self, method: Method) -> bool {
        match &self.rollout {
            RolloutFacts::Deployment(facts) => facts.replicas_wanted == 1 && !self.keeps_its_pods(method),
            RolloutFacts::StatefulSet(facts) => facts.replicas_wanted == 1,
            // restartAt evicts pods, which never surges (argo-rollouts#1583).
            RolloutFacts::ArgoRollout(facts) => facts.replicas_wanted == 1,
            RolloutFacts::Replicas(facts) => facts.replicas_wanted == 1,
            RolloutFacts::Custom(facts) => facts.replicas_wanted == 1,
            // One on each node: there is no single one.
            RolloutFacts::DaemonSet(_) => false,
        }
    }

    /// Whether it never loses a pod that is available before its successor is. Whoever evicts a pod does not wait for one.
    pub(crate) fn keeps_its_pods(&self, method: Method) -> bool {
        self.disruption.takes_nothing_away && method != Method::Evict
    }

    /// Pods that it should have.
    pub(crate) fn replicas_wanted(&self) -> i64 {
        match &self.rollout {
            RolloutFacts::Deployment(facts) => facts.replicas_wanted,
            RolloutFacts::StatefulSet(facts) => facts.replicas_wanted,
            RolloutFacts::DaemonSet(facts) => facts.scheduled_wanted,
            RolloutFacts::ArgoRollout(facts) => facts.replicas_wanted,
            RolloutFacts::Replicas(facts) => facts.replicas_wanted,
            RolloutFacts::Custom(facts) => facts.replicas_wanted,
        }
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.id.named.kind
    }
}
