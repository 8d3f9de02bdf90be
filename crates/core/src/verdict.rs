//! What a plan says of one workload.

use std::fmt;
use std::sync::Arc;

use crate::custom_rollout::TemplateEffect;
use crate::disruption::Disrupts;
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
    /// A restart brought the same stale image again.
    Futile(DriftReason),
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
    /// The image that it runs.
    pub image: String,
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
            Self::Restart(_) => Some("StaleImage"),
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
            Self::Futile(_) => Some("SameImageAgain"),
            Self::Failed(FailedReason::NotCompleteInTime) => Some("NotCompleteInTime"),
            Self::Failed(FailedReason::UnhealthyBefore) => Some("UnhealthyBefore"),
            Self::Fresh | Self::InFlight | Self::Converging | Self::Idle => None,
        }
    }
}

impl fmt::Display for DriftReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} runs {}", self.container, self.image)
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
            Self::Futile(reason) => write!(
                f,
                "restarted, and {reason} again: upgrade the mesh first, or unpin this workload's sidecar image"
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
