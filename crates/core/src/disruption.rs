//! Disruption: what a restart takes away from others, and whether it may.

use std::fmt;
use std::sync::Arc;

use crate::selector::Selector;
use crate::workload::NamedWorkload;

/// A group name longer than this is cut: it is shown in statuses, and anybody who may edit a workload writes it.
pub const MAX_GROUP_LENGTH: usize = 63;

/// A `policy/v1` `PodDisruptionBudget`, as far as it says whether a pod may be taken away now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisruptionBudget {
    /// Its namespace. It covers pods there and nowhere else.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// Its uid.
    pub uid: Arc<str>,
    /// `spec.selector`: the pods that it covers.
    pub selector: Selector,
    /// `metadata.generation`
    pub generation: i64,
    /// `status.observedGeneration`
    pub observed_generation: i64,
    /// `status.disruptionsAllowed`
    pub allowed: i64,
    /// `status.currentHealthy`
    pub healthy: i64,
    /// `status.desiredHealthy`
    pub desired_healthy: i64,
    /// `status.expectedPods`
    pub expected_pods: i64,
}

/// How the restart of a workload touches others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DisruptionFacts {
    /// Its update strategy never takes away a pod that is available before its successor is.
    pub takes_nothing_away: bool,
    /// What `flippy.keikoproj.io/group` says on it, see [`group_name`]. `Some("")`: in no group, not even an implied one.
    pub group: Option<Arc<str>>,
}

/// Makes the name of a group of what a workload's annotation or label says: without spaces around it, and at most
/// [`MAX_GROUP_LENGTH`] characters.
pub fn group_name(text: &str) -> Arc<str> {
    text.trim().chars().take(MAX_GROUP_LENGTH).collect::<String>().into()
}

/// Why a `PodDisruptionBudget` allows no disruption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoDisruption {
    /// Its status speaks of an earlier spec. The eviction API refuses then, too (k8s.io/kubernetes
    /// `pkg/registry/core/pod/storage/eviction.go`, `checkAndDecrement`).
    NotObserved,
    /// With so many healthy pods it would allow none either: it never does as it is written.
    Never(i64),
    /// Too few pods are healthy.
    Unhealthy {
        /// So many are.
        healthy: i64,
        /// So many must be.
        desired: i64,
    },
    /// As many are healthy as must be, and not one more.
    NoneToSpare(i64),
}

impl DisruptionBudget {
    /// Why no pod that it covers may be taken away now. `None`: one may.
    pub fn why_none(&self) -> Option<NoDisruption> {
        if self.observed_generation < self.generation {
            Some(NoDisruption::NotObserved)
        } else if self.allowed > 0 {
            None
        } else if self.expected_pods > 0 && self.desired_healthy >= self.expected_pods {
            Some(NoDisruption::Never(self.expected_pods))
        } else if self.healthy < self.desired_healthy {
            Some(NoDisruption::Unhealthy { healthy: self.healthy, desired: self.desired_healthy })
        } else {
            Some(NoDisruption::NoneToSpare(self.healthy))
        }
    }
}

impl fmt::Display for NoDisruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotObserved => f.write_str(
                "has a status that is older than its spec: if that lasts, look at what writes it, kube-controller-manager",
            ),
            Self::Never(pods) => write!(
                f,
                "allows no disruption as it is written, not even with all {pods} pods healthy: lower its minAvailable or \
                 raise its maxUnavailable, let the workload surge (maxUnavailable 0, maxSurge 1), or set \
                 spec.Strategy.DisruptionBudgets to Ignore"
            ),
            Self::Unhealthy { healthy, desired } => write!(
                f,
                "allows no disruption now: {healthy} of the pods that it covers are healthy, and {desired} must be; mend \
                 the others, or restart those that are stale by hand"
            ),
            Self::NoneToSpare(healthy) => write!(
                f,
                "allows no disruption now: {healthy} of the pods that it covers are healthy, and none can be spared; \
                 restarts go on by themselves once one can"
            ),
        }
    }
}

/// What only one workload at a time may be restarted of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Turn {
    /// The workloads that a `PodDisruptionBudget` covers.
    Budget {
        /// Its namespace.
        namespace: Arc<str>,
        /// Its name.
        name: Arc<str>,
    },
    /// The workloads of a namespace that name the same group in `flippy.keikoproj.io/group`.
    Group {
        /// Their namespace.
        namespace: Arc<str>,
        /// The group.
        name: Arc<str>,
    },
    /// The `StatefulSet`s of one application: their pods carry the same `app.kubernetes.io/name` and `…/instance`.
    Application {
        /// Their namespace.
        namespace: Arc<str>,
        /// `app.kubernetes.io/name`
        name: Arc<str>,
        /// `app.kubernetes.io/instance`
        instance: Arc<str>,
    },
}

impl Turn {
    /// Whether it is a `PodDisruptionBudget`.
    pub fn is_budget(&self) -> bool {
        matches!(self, Self::Budget { .. })
    }
}

impl fmt::Display for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Budget { namespace, name } => write!(f, "PodDisruptionBudget {namespace}/{name}"),
            // Not a checked name: an annotation may hold anything.
            Self::Group { namespace, name } => write!(f, "group {} of namespace {namespace}", name.escape_debug()),
            Self::Application { namespace, name, instance } => {
                write!(f, "the StatefulSets of {name} {instance} in namespace {namespace}")
            }
        }
    }
}

/// Why a stale workload is not restarted for the sake of others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disrupts {
    /// A `PodDisruptionBudget` that covers it allows no disruption.
    Budget(Turn, NoDisruption),
    /// It is restarted by evictions, and the eviction API refuses pods that more than one budget covers (k8s.io/kubernetes
    /// `pkg/registry/core/pod/storage/eviction.go`): its controller would be stuck.
    SeveralBudgets(Turn, Turn),
    /// Another one that takes turns with it is being rolled out, and not by a restart that is within its time.
    Other(Turn, NamedWorkload),
}

impl Disrupts {
    /// One word from a closed list.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Other(turn, _) if !turn.is_budget() => "Group",
            Self::Budget(..) | Self::SeveralBudgets(..) | Self::Other(..) => "DisruptionBudget",
        }
    }

    /// Whether nothing but a change of the budget or the workload ends it.
    pub(crate) fn is_for_ever(&self) -> bool {
        matches!(self, Self::Budget(_, NoDisruption::Never(_)) | Self::SeveralBudgets(..))
    }
}

impl fmt::Display for Disrupts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Budget(turn, why) => write!(f, "{turn} {why}"),
            Self::SeveralBudgets(one, other) => write!(
                f,
                "{one} and {other} cover the same pods, which can therefore not be evicted: change one's selector, or delete it"
            ),
            Self::Other(turn, other) => write!(
                f,
                "one at a time: {turn} holds {other}, too, whose rollout is not complete; if that lasts, look at its pods"
            ),
        }
    }
}
