//! Evictions: the pods of a workload are taken away one by one, each once the one before is replaced and ready.
//!
//! The restart is the mark on the workload, as for every other method. What is left of it is read from the cluster in each
//! pass: the pods that the mark means and that are still there. So a crash between any two requests loses nothing, and a pod
//! is evicted once, because its replacement is a later one.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use crate::foresight::AdmissionHold;
use crate::gate::GateFact;
use crate::pace::{Hold, MAX_STARTS_PER_PASS, forbidden};
use crate::plan::Plan;
use crate::policy::{Policy, Waiting};
use crate::verdict::DriftReason;
use crate::workload::WorkloadRef;

/// One pod to evict now, so exact that whoever carries it out has no choices left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Eviction {
    /// Whose pod it is.
    pub workload: WorkloadRef,
    /// The generation of the workload that the decision was taken on.
    pub generation: i64,
    /// The pod's name, in the namespace of the workload.
    pub pod_name: Arc<str>,
    /// The pod's uid.
    pub pod_uid: Arc<str>,
    /// The pod's `metadata.resourceVersion`. 0: not known.
    pub pod_revision: u64,
}

/// A workload whose eviction is under way, with pods that are still to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evicting {
    /// So many.
    pub left: usize,
    /// What comes next.
    pub next: NextEviction,
    /// When the restart began.
    pub(crate) began_at: Timestamp,
    pub(crate) waiting: Waiting,
}

/// What comes next in a workload that is evicted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextEviction {
    /// This pod goes.
    Pod(Eviction),
    /// None goes now.
    Waits(EvictionWait),
}

/// Why the next pod of a workload is not evicted yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EvictionWait {
    /// It was marked less than a second ago. Creation times are whole seconds: a replacement of the same second as the newest
    /// old pod could not be told from it.
    JustBegun(Timestamp),
    /// A rollout of its own is under way, or it is paused.
    Rollout,
    /// A pod has gone, and nobody has created another one.
    Missing,
    /// This pod is not ready.
    NotReady(Arc<str>),
    /// Admission speaks against it: whoever takes pods away one by one can still stop.
    Admission(AdmissionHold),
    /// Admission would give its replacement the same stale image.
    SameImage(DriftReason),
    /// The API server did not evict it: a disruption budget forbids it now, or something else is in the way.
    Refused {
        /// What it said.
        message: Arc<str>,
        /// When it is asked again.
        retry_at: Timestamp,
    },
}

impl Evicting {
    /// The pod that goes next, if one may.
    pub(crate) fn pod(&self) -> Option<&Eviction> {
        match &self.next {
            NextEviction::Pod(eviction) => Some(eviction),
            NextEviction::Waits(_) => None,
        }
    }

    /// When to decide again although nothing was seen to change.
    pub(crate) fn recheck_at(&self) -> Option<Timestamp> {
        match &self.next {
            NextEviction::Waits(EvictionWait::JustBegun(at) | EvictionWait::Refused { retry_at: at, .. }) => Some(*at),
            _ => None,
        }
    }

    /// Whether a window that closes still lets this restart go on: for as long as a restart may take at all.
    fn outlives_window(&self, now: Timestamp) -> bool {
        now < self.began_at.saturating_add(self.waiting.window()).unwrap_or(Timestamp::MAX)
    }
}

/// Decides which pods are evicted now, at most one of each workload, and what holds the others if something does.
///
/// What forbids restarts forbids evictions too, at once: each takes a pod away and creates one, whoever began the restart.
/// Only a window that closes lets a workload that is under way go on, within the time that its restart has.
pub(crate) fn evictions(
    policy: &Policy,
    plan: &Plan,
    gate: &GateFact,
    now: Timestamp,
) -> (Vec<Eviction>, Option<Hold>) {
    if plan.evicting().next().is_none() {
        return (Vec::new(), None);
    }
    let hold = forbidden(policy, plan, gate, now).filter(Hold::forbids_all);
    let hold = hold.or_else(|| plan.proof.is_futile().then_some(Hold::Futile));
    let mut kept_back = None;
    let mut found: Vec<Eviction> = Vec::new();
    for evicting in plan.evicting() {
        let Some(pod) = evicting.pod() else { continue };
        if let Some(hold) = &hold
            && !(matches!(hold, Hold::Window(_)) && evicting.outlives_window(now))
        {
            kept_back = Some(hold.clone());
        } else if found.iter().all(|other| other.workload != pod.workload) {
            found.push(pod.clone());
        }
    }
    found.truncate(gate.max_starts.min(MAX_STARTS_PER_PASS));
    (found, kept_back)
}

/// What is under way, for people.
impl fmt::Display for Evicting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pods = if self.left == 1 { "1 pod is" } else { &format!("{} pods are", self.left) };
        write!(f, "its pods are evicted one by one; {pods} still to go")?;
        match &self.next {
            NextEviction::Pod(eviction) => write!(f, ", {} first", eviction.pod_name),
            NextEviction::Waits(why) => write!(f, ", and the next one waits: {why}"),
        }
    }
}

impl fmt::Display for EvictionWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::JustBegun(_) => f.write_str("the restart has only begun"),
            Self::Rollout => f.write_str("a rollout of its own is under way"),
            Self::Missing => f.write_str("a pod is gone, and its controller has not created another one yet"),
            Self::NotReady(pod) => write!(f, "pod {pod} is not ready"),
            Self::Admission(AdmissionHold::NotAsked) => f.write_str("what a new pod would get is not known yet"),
            Self::Admission(hold) => hold.fmt(f),
            Self::SameImage(DriftReason { container, image, .. }) => {
                write!(f, "{container} of a new pod would run {image}, says admission")
            }
            Self::Refused { message, .. } => f.write_str(message),
        }
    }
}
