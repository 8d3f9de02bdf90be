//! What must not be restarted for the sake of others that share a `PodDisruptionBudget` or a group with it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::first::FirstState;
use super::planner::Planner;
use super::{FirstRestart, PlanEntry, UnderWay};
use crate::coverage::{Coverage, Share};
use crate::disruption::{Disrupts, Turn};
use crate::method::Method;
use crate::policy::{Policy, Waiting};
use crate::progress::{Progress, standing_of};
use crate::strategy::DisruptionBudgets;
use crate::turns::Turns;
use crate::verdict::{BlockedReason, Verdict};
use crate::workload::{NamedWorkload, Workload};

/// Whether a workload is being rolled out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Movement {
    None,
    /// By a restart that is within its time: others need only wait.
    Restart,
    /// By itself, or by a restart that is out of time. Nobody knows when that ends.
    Other,
}

/// The members of a share that are being rolled out.
#[derive(Default)]
struct Moving<'a> {
    restarted: Vec<&'a NamedWorkload>,
    others: Vec<&'a NamedWorkload>,
}

impl Planner<'_> {
    /// Blocks what must not be restarted now, and says who takes turns with what may be.
    pub(super) fn respect_others(&self, entries: &mut [PlanEntry], first: &mut [FirstRestart]) -> Turns {
        let is_due = |entry: &&mut PlanEntry| matches!(entry.verdict, Verdict::Restart(_));
        let due_first: Vec<&mut FirstRestart> =
            first.iter_mut().filter(|first| matches!(first.state, FirstState::Due { .. })).collect();
        let due: Vec<&mut PlanEntry> = entries.iter_mut().filter(is_due).collect();
        let mut turns = Turns::default();
        if due.is_empty() {
            return turns;
        }
        let coverage = self.claims.coverage();
        let mut known: BTreeMap<&Turn, Moving<'_>> = BTreeMap::new();
        let named = due.iter().map(|entry| &entry.id.named).chain(due_first.iter().map(|first| &first.target));
        for share in named.flat_map(|named| self.shares(coverage, named)) {
            known.entry(&share.turn).or_insert_with(|| {
                let moving = self.moving(share);
                if share.members.len() > 1 {
                    let restarted = moving.restarted.iter().map(|named| (*named).clone()).collect();
                    let members = share.members.iter().map(|member| &member.named);
                    let ignoring = members.filter(|named| self.ignores_budgets(named)).cloned();
                    turns.add(&share.turn, &share.members, restarted, ignoring);
                }
                moving
            });
        }
        let why_not = |named: &NamedWorkload| {
            let why_not =
                self.shares(coverage, named).find_map(|share| self.why_not(share, &known[&share.turn], named));
            why_not.or_else(|| self.several_budgets(coverage, named))
        };
        for first in due_first {
            if let Some(why) = why_not(&first.target) {
                first.state = FirstState::Blocked(BlockedReason::Disrupts(why));
            }
        }
        for entry in due {
            if let Some(why) = why_not(&entry.id.named) {
                self.block(entry, why);
            }
        }
        turns
    }

    /// What this policy has to respect of what a workload shares.
    fn shares<'b>(&self, coverage: &'b Coverage, named: &NamedWorkload) -> impl Iterator<Item = &'b Share> + use<'b> {
        let ignores = self.ignores_budgets(named);
        coverage.of(named).filter(move |share| !ignores || !share.turn.is_budget())
    }

    /// Whether this policy restarts a workload in spite of budgets. An eviction that a budget forbids is refused, whoever
    /// ignores it.
    fn ignores_budgets(&self, named: &NamedWorkload) -> bool {
        let strategy = &self.policy.strategy;
        let method = || self.snapshot.workload(named).map(|workload| strategy.method_of(workload).0);
        strategy.disruption_budgets == DisruptionBudgets::Ignore && method() != Some(Method::Evict)
    }

    fn why_not(&self, share: &Share, moving: &Moving<'_>, named: &NamedWorkload) -> Option<Disrupts> {
        // While another one has its turn the budget has less to spare: nothing that anybody has to look at.
        if moving.restarted.iter().any(|other| *other != named) {
            return None;
        }
        if let Some(other) = moving.others.iter().find(|other| **other != named) {
            return Some(Disrupts::Other(share.turn.clone(), (*other).clone()));
        }
        let workload = self.snapshot.workload(named)?;
        let why = share.why_none.filter(|_| !workload.keeps_its_pods(self.policy.strategy.method_of(workload).0))?;
        Some(Disrupts::Budget(share.turn.clone(), why))
    }

    /// The eviction API refuses pods that two budgets cover. An Argo Rollout is restarted by evicting its pods, too.
    fn several_budgets(&self, coverage: &Coverage, named: &NamedWorkload) -> Option<Disrupts> {
        let mut budgets = self.shares(coverage, named).filter(|share| share.turn.is_budget());
        let (one, other) = (budgets.next()?, budgets.next()?);
        let (method, _) = self.policy.strategy.method_of(self.snapshot.workload(named)?);
        (method != Method::Patch).then(|| Disrupts::SeveralBudgets(one.turn.clone(), other.turn.clone()))
    }

    fn block(&self, entry: &mut PlanEntry, why: Disrupts) {
        entry.verdict = Verdict::Blocked(BlockedReason::Disrupts(why));
        if entry.under_way != UnderWay::Unanswered {
            return;
        }
        let workload = self.snapshot.workload(&entry.id.named);
        let until = workload.and_then(|workload| self.lost_until(workload)).filter(|at| self.now < *at);
        if until.is_none() {
            entry.under_way = UnderWay::No;
            entry.holds_up_others = false;
        }
        entry.recheck_at = entry.recheck_at.into_iter().chain(until).min();
    }

    fn moving<'b>(&self, share: &'b Share) -> Moving<'b> {
        let mut moving = Moving::default();
        // One has nobody to wait for.
        for member in share.members.iter().filter(|_| share.members.len() > 1) {
            let workload = self.snapshot.workload(&member.named);
            match workload.map_or(Movement::None, |workload| self.movement(workload)) {
                Movement::None => {}
                Movement::Restart => moving.restarted.push(&member.named),
                Movement::Other => moving.others.push(&member.named),
            }
        }
        moving
    }

    /// Whether a workload is being rolled out: restarted by whatever policy, or for reasons of its own. One whose pods
    /// crash, or whose rollout stands still or was given up by its controller, is not on its way anywhere: others need
    /// not wait for it.
    fn movement(&self, workload: &Workload) -> Movement {
        let progress = standing_of(workload);
        if self.lost_until(workload).is_some_and(|until| self.now < until)
            || self.is_restarted_in_time(workload, progress)
        {
            Movement::Restart
        } else if matches!(progress, Progress::NotObserved | Progress::Replacing)
            && !self.snapshot.stands_still(workload, self.now)
        {
            Movement::Other
        } else {
            Movement::None
        }
    }

    /// Whether its restart is under way in the eyes of any policy that has a say in it.
    fn is_restarted_in_time(&self, workload: &Workload, progress: Progress) -> bool {
        let Some(mark) = &workload.mark else { return false };
        let mut claimants = self.claims.waiting_for(workload);
        if claimants.is_empty() {
            // A policy that is gone, or on a dry run, may have made it.
            claimants.push((self.policy, Waiting::NotWaited));
        }
        let by_eviction = mark.evicts_until.is_some();
        // What is evicted has that time for each pod.
        let may_be_in_time = |(policy, waiting): &(&Policy, Waiting)| {
            by_eviction || self.now < plus(plus(mark.at, waiting.window()), policy.strategy.min_ready)
        };
        claimants.retain(may_be_in_time);
        if claimants.is_empty() {
            return false;
        }
        let tally = self.tally(workload, &self.claims.wanted(workload, self.policy));
        claimants.into_iter().any(|(policy, waiting)| {
            let hash = self.claims.hash_for(workload, policy);
            let planner = Planner { policy, ..*self };
            // Which pods are to be evicted depends on what is wanted.
            let own_tally = by_eviction.then(|| planner.tally(workload, &self.claims.wanted(workload, policy)));
            let tally = own_tally.as_ref().unwrap_or(&tally);
            planner.own_restart(workload, &hash, progress, tally, waiting).until().is_some()
        })
    }
}

fn plus(at: Timestamp, duration: SignedDuration) -> Timestamp {
    at.saturating_add(duration).unwrap_or(Timestamp::MAX)
}
