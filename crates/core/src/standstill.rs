//! Rollouts that make no progress, for however long anybody looks.
//!
//! The controllers of `StatefulSet`s and `DaemonSet`s know no deadline: one bad pod wedges an ordered update for ever
//! (k8s.io/kubernetes `pkg/controller/statefulset`, "forced rollback"). Nor does Argo Rollouts for a restart. And a controller
//! that is not there updates no status. Who waits for such a rollout needs a deadline of their own.

use std::sync::Arc;

use ahash::HashMap;
use jiff::{SignedDuration, Timestamp};

use crate::progress::{Progress, progress_of};
use crate::workload::{ArgoRolloutFacts, RolloutFacts, Workload};

/// After so long without progress nobody waits for a rollout any more: what a Deployment has unless its
/// `progressDeadlineSeconds` says otherwise.
const PROGRESS_DEADLINE: SignedDuration = SignedDuration::from_mins(10);

/// Since when rollouts that are under way have made no progress, as far as somebody has looked. A successor begins anew.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standstills(HashMap<Arc<str>, Standstill>);

#[derive(Clone, Debug)]
struct Standstill {
    generation: i64,
    /// The most pods that were updated at once, and the most that were ready: one that comes and goes is no progress.
    most_updated: i64,
    most_ready: i64,
    since: Timestamp,
    /// After so long without progress it is one.
    patience: SignedDuration,
}

impl Standstills {
    /// Takes a look at all workloads.
    pub(crate) fn look<'a>(&mut self, workloads: impl Iterator<Item = &'a Workload>, now: Timestamp) {
        let mut before = std::mem::take(&mut self.0);
        for workload in workloads.filter(|workload| has_no_other_deadline(workload)) {
            let (updated, ready) = pods_done(&workload.rollout);
            let fresh = Standstill {
                generation: workload.generation,
                most_updated: updated,
                most_ready: ready,
                since: now,
                patience: patience(workload),
            };
            let standstill = match before.remove(&workload.id.uid) {
                // A clock that is set back must not prolong anything.
                Some(held) if held.stands_at(&fresh) => {
                    Standstill { since: held.since.min(now), patience: fresh.patience, ..held }
                }
                Some(held) if held.generation == fresh.generation => Standstill {
                    most_updated: updated.max(held.most_updated),
                    most_ready: ready.max(held.most_ready),
                    ..fresh
                },
                _ => fresh,
            };
            self.0.insert(workload.id.uid.clone(), standstill);
        }
    }

    /// Whether a rollout has made no progress for too long. Not before somebody has looked for that long.
    pub(crate) fn is_one(&self, workload: &Workload, now: Timestamp) -> bool {
        let held = self.0.get(&workload.id.uid).filter(|held| held.generation == workload.generation);
        held.is_some_and(|held| held.deadline() <= now) && has_no_other_deadline(workload)
    }

    /// When the next one will be, if nothing moves.
    pub(crate) fn next(&self, now: Timestamp) -> Option<Timestamp> {
        self.0.values().map(Standstill::deadline).filter(|deadline| *deadline > now).min()
    }
}

impl Standstill {
    fn deadline(&self) -> Timestamp {
        self.since.saturating_add(self.patience).unwrap_or(Timestamp::MAX)
    }

    fn stands_at(&self, now: &Self) -> bool {
        self.generation == now.generation && now.most_updated <= self.most_updated && now.most_ready <= self.most_ready
    }
}

/// Whether a rollout is under way for which its controller will never say that it has taken too long.
fn has_no_other_deadline(workload: &Workload) -> bool {
    match progress_of(workload) {
        Progress::NotObserved => true,
        Progress::Replacing => match &workload.rollout {
            RolloutFacts::StatefulSet(_) | RolloutFacts::DaemonSet(_) | RolloutFacts::Custom(_) => true,
            RolloutFacts::ArgoRollout(facts) => is_restarting(facts),
            RolloutFacts::Deployment(_) | RolloutFacts::Replicas(_) => false,
        },
        _ => false,
    }
}

/// Argo Rollouts knows a deadline for a new revision, and none for a restart. It takes one pod after the other, and its status
/// does not tell how many are done.
fn patience(workload: &Workload) -> SignedDuration {
    match &workload.rollout {
        RolloutFacts::ArgoRollout(facts) if is_restarting(facts) && progress_of(workload) == Progress::Replacing => {
            let pods = i32::try_from(facts.replicas_wanted).unwrap_or(i32::MAX).max(1);
            PROGRESS_DEADLINE.saturating_mul(pods)
        }
        _ => PROGRESS_DEADLINE,
    }
}

fn is_restarting(facts: &ArgoRolloutFacts) -> bool {
    facts.restart_at > facts.restarted_at
}

/// Pods that are updated, and pods that are ready.
fn pods_done(rollout: &RolloutFacts) -> (i64, i64) {
    match rollout {
        RolloutFacts::Deployment(facts) => (facts.updated, facts.available),
        RolloutFacts::StatefulSet(facts) => (facts.updated, facts.ready),
        RolloutFacts::DaemonSet(facts) => (facts.updated, facts.available),
        RolloutFacts::ArgoRollout(facts) => (0, facts.available),
        RolloutFacts::Replicas(facts) => (0, facts.available),
        RolloutFacts::Custom(facts) => (facts.updated.unwrap_or(0), facts.ready.unwrap_or(0)),
    }
}
