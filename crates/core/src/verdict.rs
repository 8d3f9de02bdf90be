//! What a plan says of one workload.

use std::fmt;
use std::sync::Arc;

use crate::custom_rollout::TemplateEffect;
use crate::disruption::Disrupts;
use crate::foresight::AdmissionHold;
use crate::pod::Container;
use crate::policy::PolicyName;

/// What the plan says of a workload in scope: exactly one of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every pod runs a wanted image.
    Fresh,
    /// It is to be restarted.
    Restart(DriftReason),
    /// A restart by Flippy is under way.
    InFlight,
    /// A rollout that somebody else started is replacing its stale pods already.
    Converging,
    /// It is stale, but restarting it would do harm or nothing.
    Blocked(BlockedReason),
    /// A restart brought the same stale image again, or would.
    Futile(FutileReason),
    /// It has no running pods.
    Idle,
    /// A restart by Flippy did not complete in time.
    Failed(FailedReason),
}

/// The container and image by which a pod is stale.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DriftReason {
    /// The container.
    pub container: Arc<str>,
    /// In which way.
    pub by: StaleBy,
    /// The image that it runs, or would run.
    pub image: String,
}

/// In which way a container makes its pod stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StaleBy {
    /// Its image is not wanted.
    Image,
    /// The pod lacks it, and a new one would have it.
    Missing,
    /// The pod has it, and a new one would not.
    Superfluous,
}

/// Why a restart is of no use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FutileReason {
    /// It was restarted, and is stale again.
    SameImageAgain(DriftReason),
    /// Admission would give a new pod this, which is not wanted either.
    Foreseen(DriftReason),
}

/// Why a stale workload is not restarted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockedReason {
    /// It is paused; a changed template would wait, and whoever paused it would find a surprise.
    Paused,
    /// An Argo Rollout is in the middle of bringing out a revision.
    MidRollout,
    /// Its update strategy is `OnDelete`, so a changed template replaces no pod, and pods are not to be evicted.
    OnDelete,
    /// Its update strategy has a partition, so pods below that ordinal would stay as they are, and pods are not to be evicted.
    Partition,
    /// It is a `ReplicaSet` or `ReplicationController`, whose changed template replaces no pod, and pods are not to be evicted.
    NoRollout,
    /// It is of a custom kind, and a changed template would not replace every pod of it.
    Template(TemplateEffect),
    /// The API server did not carry out the restart; it is tried again later.
    Refused(Arc<str>),
    /// It has a single replica, and the policy leaves those to their owners.
    SingleReplica,
    /// Its owner takes the restart back. Fighting would restart it for ever.
    RevertedByOwner,
    /// Another config wants an image in the same container that this one does not accept.
    Conflict(PolicyName),
    /// A rollout that somebody else started has made no progress for ten minutes. Whether it ever ends nobody knows.
    NoProgress,
    /// Others share a `PodDisruptionBudget` or a group with it.
    Disrupts(Disrupts),
    /// What admission says of a new pod speaks against it.
    Admission(AdmissionHold),
}

/// Why a restart counts as failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailedReason {
    /// It was not completely rolled out within its time.
    NotCompleteInTime,
    /// The same, but it was unhealthy before the restart: not counted against the failure budget.
    UnhealthyBefore,
}

impl Verdict {
    /// The word for it in status, tables and metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Fresh => "Fresh",
            Self::Restart(_) => "Restart",
            Self::InFlight => "InFlight",
            Self::Converging => "Converging",
            Self::Blocked(_) => "Blocked",
            Self::Futile(_) => "Futile",
            Self::Idle => "Idle",
            Self::Failed(_) => "Failed",
        }
    }

    /// One word from a closed list that says why, where there is something to say.
    pub fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Restart(reason) => Some(reason.by.reason()),
            Self::Blocked(BlockedReason::Paused) => Some("Paused"),
            Self::Blocked(BlockedReason::MidRollout) => Some("MidRollout"),
            Self::Blocked(BlockedReason::OnDelete) => Some("OnDelete"),
            Self::Blocked(BlockedReason::Partition) => Some("Partition"),
            Self::Blocked(BlockedReason::NoRollout) => Some("NoRollout"),
            Self::Blocked(BlockedReason::Template(effect)) => Some(effect.reason()),
            Self::Blocked(BlockedReason::Refused(_)) => Some("Refused"),
            Self::Blocked(BlockedReason::SingleReplica) => Some("SingleReplica"),
            Self::Blocked(BlockedReason::RevertedByOwner) => Some("RevertedByOwner"),
            Self::Blocked(BlockedReason::Conflict(_)) => Some("Conflict"),
            Self::Blocked(BlockedReason::NoProgress) => Some("NoProgress"),
            Self::Blocked(BlockedReason::Disrupts(why)) => Some(why.reason()),
            Self::Blocked(BlockedReason::Admission(hold)) => Some(hold.reason()),
            Self::Futile(FutileReason::SameImageAgain(_)) => Some("SameImageAgain"),
            Self::Futile(FutileReason::Foreseen(_)) => Some("SameImageForeseen"),
            Self::Failed(FailedReason::NotCompleteInTime) => Some("NotCompleteInTime"),
            Self::Failed(FailedReason::UnhealthyBefore) => Some("UnhealthyBefore"),
            Self::Fresh | Self::InFlight | Self::Converging | Self::Idle => None,
        }
    }
}

impl StaleBy {
    fn reason(self) -> &'static str {
        match self {
            Self::Image => "StaleImage",
            Self::Missing => "MissingSidecar",
            Self::Superfluous => "SuperfluousSidecar",
        }
    }
}

impl DriftReason {
    pub(crate) fn of(container: &Container, by: StaleBy) -> Self {
        let image = container.image.as_ref();
        let image = image.map_or_else(|| "(not an image reference)".to_owned(), ToString::to_string);
        Self { container: container.name.clone(), by, image }
    }
}

impl FutileReason {
    /// The container and image that are not wanted.
    pub fn drift(&self) -> &DriftReason {
        match self {
            Self::SameImageAgain(drift) | Self::Foreseen(drift) => drift,
        }
    }
}

impl fmt::Display for DriftReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { container, by, image } = self;
        match by {
            StaleBy::Image => write!(f, "{container} runs {image}"),
            StaleBy::Missing => write!(f, "{container} is missing; a new pod would have it, with {image}"),
            StaleBy::Superfluous => write!(f, "{container} runs {image}; a new pod would not have it"),
        }
    }
}

/// What it means and what to do, in one line.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fresh => f.write_str("every pod runs a wanted image"),
            Self::Restart(reason) => reason.fmt(f),
            Self::InFlight => f.write_str("being restarted"),
            Self::Converging => f.write_str("a rollout that is under way replaces its stale pods"),
            Self::Blocked(BlockedReason::Paused) => f.write_str("paused: resume it to let it be restarted"),
            Self::Blocked(BlockedReason::MidRollout) => {
                f.write_str("a revision is being brought out: promote or abort it to let it be restarted")
            }
            Self::Blocked(BlockedReason::OnDelete) => {
                f.write_str("update strategy OnDelete: set spec.Strategy.Method to Auto, or delete its pods one by one")
            }
            Self::Blocked(BlockedReason::Partition) => f.write_str(
                "update strategy with a partition: pods below it would not be replaced; set spec.Strategy.Method to Auto, or \
                 the partition to 0",
            ),
            Self::Blocked(BlockedReason::NoRollout) => f.write_str(
                "a changed template of it replaces no pod: set spec.Strategy.Method to Auto, or delete its pods one by one",
            ),
            Self::Blocked(BlockedReason::Template(effect)) => effect.fmt(f),
            Self::Blocked(BlockedReason::Refused(message)) => write!(f, "its restart was refused: {message}"),
            Self::Blocked(BlockedReason::SingleReplica) => f.write_str(
                "its only replica would be away while it is restarted: restart it by hand, or set spec.Strategy.SingleReplica \
                 to Restart",
            ),
            Self::Blocked(BlockedReason::RevertedByOwner) => f.write_str(
                "its restart was taken back, for example by a GitOps tool: let that tool ignore the annotations \
                 flippy.keikoproj.io/* of the pod template (spec.Strategy.Method Evict touches no template), or restart it \
                 there",
            ),
            Self::Blocked(BlockedReason::Conflict(other)) => {
                write!(f, "FlippyConfig {other} wants another image in the same container: make them agree")
            }
            Self::Blocked(BlockedReason::NoProgress) => f.write_str(
                "a rollout that is under way has made no progress for ten minutes: look at its pods and its controller",
            ),
            Self::Blocked(BlockedReason::Disrupts(why)) => why.fmt(f),
            Self::Blocked(BlockedReason::Admission(hold)) => hold.fmt(f),
            Self::Futile(FutileReason::SameImageAgain(reason)) => write!(
                f,
                "restarted, and {reason} again: upgrade the mesh first, or unpin this workload's sidecar image"
            ),
            Self::Futile(FutileReason::Foreseen(DriftReason { container, image, .. })) => write!(
                f,
                "not restarted: {container} of a new pod would run {image}, says admission: upgrade the mesh first, or unpin \
                 this workload's sidecar image"
            ),
            Self::Idle => f.write_str("no running pods"),
            Self::Failed(FailedReason::NotCompleteInTime) => {
                f.write_str("its restart was not completely rolled out in time: look at its pods")
            }
            Self::Failed(FailedReason::UnhealthyBefore) => {
                f.write_str("it was unhealthy before its restart and still is: look at its pods")
            }
        }
    }
}
