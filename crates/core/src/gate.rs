//! Gates: what must be true of the cluster for restarts to start.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::pace::{Hold, MAX_STARTS_PER_PASS};
use crate::policy::Policy;
use crate::progress::{Progress, progress_of};
use crate::query_gate::QueryGateFact;
use crate::snapshot::Snapshot;
use crate::workload::NamedWorkload;

/// The answer of a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gate {
    /// Restarts may start.
    Open,
    /// Some may.
    Limited,
    /// None may.
    Shut,
}

/// A gate's answer, why, and when to ask again although nothing was seen to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateFact {
    /// The answer.
    pub gate: Gate,
    /// One line for people; empty when open.
    pub message: String,
    /// When time alone changes the answer.
    pub recheck_at: Option<Timestamp>,
    /// Whether it has been shut for longer than its policy has patience.
    pub overdue: bool,
    /// What shuts or limits it. Means nothing while it is open.
    pub by: ShutBy,
    /// Restarts that one pass may start.
    pub max_starts: usize,
    /// What is known of each gate that asks Prometheus.
    pub queries: Vec<QueryGateFact>,
}

/// What shuts or limits a gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShutBy {
    /// A precondition is not met.
    Preconditions,
    /// A gate of `spec.Gates`.
    Query {
        /// Its name.
        name: Arc<str>,
        /// Why, one line.
        why: Arc<str>,
        /// Whether it has not said no, and only has to be waited for.
        pending: bool,
    },
    /// The cluster has no room for the pods of restarted workloads.
    PendingPods,
    /// The API server is too busy.
    Throttling,
}

impl GateFact {
    /// Nothing is in the way.
    pub fn open() -> Self {
        Self {
            gate: Gate::Open,
            message: String::new(),
            recheck_at: None,
            overdue: false,
            by: ShutBy::Preconditions,
            max_starts: MAX_STARTS_PER_PASS,
            queries: Vec::new(),
        }
    }

    /// Both gates together: the one that is shut further speaks, of two alike the first.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let recheck_at = self.recheck_at.into_iter().chain(other.recheck_at).min();
        let overdue = self.overdue || other.overdue;
        let max_starts = self.max_starts.min(other.max_starts);
        let queries = self.queries.iter().chain(&other.queries).cloned().collect();
        let speaks = if other.gate > self.gate { other } else { self };
        Self { recheck_at, overdue, max_starts, queries, ..speaks }
    }

    /// Why nothing may start, if so.
    pub(crate) fn hold(&self) -> Option<Hold> {
        let hold = match &self.by {
            ShutBy::Query { name, why, .. } => Hold::Gate { name: name.clone(), why: why.clone() },
            ShutBy::PendingPods => Hold::PendingPods(self.message.clone()),
            ShutBy::Preconditions | ShutBy::Throttling => Hold::Preconditions(self.message.clone()),
        };
        (self.gate == Gate::Shut).then_some(hold)
    }
}

/// What is known of one precondition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreconditionFact {
    /// The workload that must be completely rolled out.
    pub target: NamedWorkload,
    /// Whether it is.
    pub met: bool,
    /// Since when it is not. `None` when it is.
    pub unmet_since: Option<Timestamp>,
    /// What is missing; empty when met.
    pub message: String,
}

/// Asks every precondition of a policy.
///
/// `unmet_since` is what earlier passes found ([`PreconditionFact::unmet_since`]): patience is counted from there.
pub fn preconditions(
    policy: &Policy,
    snapshot: &Snapshot,
    unmet_since: &BTreeMap<NamedWorkload, Timestamp>,
    now: Timestamp,
) -> (GateFact, Vec<PreconditionFact>) {
    let mut gate = GateFact::open();
    let mut facts = Vec::with_capacity(policy.preconditions.len());
    for precondition in &policy.preconditions {
        let target = &precondition.target;
        let Some(missing) = what_is_missing(target, snapshot) else {
            facts.push(PreconditionFact {
                target: target.clone(),
                met: true,
                unmet_since: None,
                message: String::new(),
            });
            continue;
        };
        let since = unmet_since.get(target).copied().unwrap_or(now);
        let overdue_at = since.saturating_add(precondition.patience).unwrap_or(Timestamp::MAX);
        let overdue = now >= overdue_at;
        if precondition.required || !overdue {
            gate.gate = Gate::Shut;
            if gate.message.is_empty() {
                gate.message = format!("precondition {target}: {missing}");
            }
            gate.overdue |= overdue;
            if !overdue {
                gate.recheck_at = Some(gate.recheck_at.map_or(overdue_at, |at| at.min(overdue_at)));
            }
        }
        facts.push(PreconditionFact {
            target: target.clone(),
            met: false,
            unmet_since: Some(since),
            message: missing.to_owned(),
        });
    }
    (gate, facts)
}

fn what_is_missing(target: &NamedWorkload, snapshot: &Snapshot) -> Option<&'static str> {
    let Some(workload) = snapshot.workload(target) else { return Some("not found") };
    if workload.deleting {
        return Some("it is being deleted");
    }
    match progress_of(workload) {
        Progress::Complete => None,
        Progress::NotObserved | Progress::Replacing => Some("its rollout is under way"),
        Progress::Unavailable => Some("some of its pods are not available"),
        Progress::DeadlineExceeded => Some("its rollout exceeded its progress deadline"),
        Progress::Paused => Some("its rollout is paused"),
        Progress::Degraded => Some("it is degraded"),
        Progress::OnDelete => Some("its update strategy is OnDelete, so its rollout cannot be judged"),
    }
}
