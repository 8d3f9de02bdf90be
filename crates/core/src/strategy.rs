//! How carefully to go. Every default is the behaviour of the original, but for `PodDisruptionBudget`s.

use jiff::SignedDuration;

use crate::method::MethodChoice;

/// Limits on the pace of a campaign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strategy {
    /// Restarts under way at once, waited for or not. `None`: as the original, one that is waited for holds up all
    /// others, and those that are not waited for do not count.
    pub max_concurrent: Option<Limit>,
    /// The same within each namespace. `None`: no further limit.
    pub max_concurrent_per_namespace: Option<Limit>,
    /// Between the starts of two restarts.
    pub min_interval: SignedDuration,
    /// How long a workload must stay completely rolled out, every pod of it ready, until its restart counts as done.
    pub min_ready: SignedDuration,
    /// Failures that are tolerated. One more halts the campaign. `None`: any number.
    pub max_failures: Option<Limit>,
    /// What to do with a workload of a single replica, which is away for a moment while it is restarted, unless its
    /// update strategy brings up the new pod first.
    pub single_replica: SingleReplica,
    /// Whether `PodDisruptionBudget`s are respected. The original, and every rolling update, ignores them; who wrote one
    /// did not mean it for nodes only, so here the default is the other one.
    pub disruption_budgets: DisruptionBudgets,
    /// How pods are replaced.
    pub method: MethodChoice,
}

impl Default for Strategy {
    fn default() -> Self {
        Self {
            max_concurrent: None,
            max_concurrent_per_namespace: None,
            min_interval: SignedDuration::ZERO,
            min_ready: SignedDuration::ZERO,
            max_failures: None,
            single_replica: SingleReplica::Restart,
            disruption_budgets: DisruptionBudgets::Respect,
            method: MethodChoice::Auto,
        }
    }
}

/// A number of workloads, or a share of those in scope that have running pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// So many.
    Count(usize),
    /// So many of a hundred, rounded down, but at least one: a share of few workloads is not meant to be none.
    Percent(u8),
}

impl Limit {
    /// The number of workloads that this is, out of `total`.
    pub(crate) fn of(self, total: usize) -> usize {
        match self {
            Self::Count(count) => count,
            Self::Percent(0) => 0,
            Self::Percent(percent) => (total * usize::from(percent.min(100)) / 100).max(1),
        }
    }
}

/// What to do with a workload of a single replica.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SingleReplica {
    /// Restart it like any other.
    #[default]
    Restart,
    /// Leave it to its owner.
    Hold,
}

/// What a `PodDisruptionBudget` means for restarts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DisruptionBudgets {
    /// Of the workloads that one covers, one is restarted at a time, and none that would lose a pod while it allows none.
    #[default]
    Respect,
    /// Nothing.
    Ignore,
}
