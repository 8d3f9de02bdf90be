//! Room for restarts: what the strategy still allows, counted from what the cluster shows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::pace::Hold;
use crate::plan::{CLOCKS_DIFFER_BY, FirstRestart, FirstState, Plan, PlanEntry, UnderWay};
use crate::strategy::{Limit, Strategy};
use crate::turns::Taken;
use crate::verdict::Verdict;
use crate::waves::Waves;
use crate::workload::{Kind, NamedWorkload};

/// What one pass may still start. Made anew in each pass, so that a crash forgets nothing.
pub(crate) struct Budget<'a> {
    strategy: &'a Strategy,
    now: Timestamp,
    /// Workloads of the current wave that count, in all and by namespace: a percentage is a share of these.
    total: usize,
    total_in: BTreeMap<&'a str, usize>,
    under_way: BTreeSet<&'a NamedWorkload>,
    under_way_in: BTreeMap<&'a str, usize>,
    /// Those of them whose answer was lost.
    unanswered: BTreeSet<&'a NamedWorkload>,
    /// Without a limit: the one that holds up all others, as in the original.
    busy: Option<&'a NamedWorkload>,
    /// `MinInterval`: nothing more before then.
    not_before: Option<Timestamp>,
    /// The same, if nothing became of those whose answers were lost.
    not_again_before: Option<Timestamp>,
    /// Kinds whose controller does not act on a restart, by an example: each waits for its own controller, and takes no room
    /// from the others.
    silent: BTreeMap<Kind, &'a NamedWorkload>,
    /// Whose turn it is of those that share a `PodDisruptionBudget` or a group.
    turns: Taken<'a>,
}

impl<'a> Budget<'a> {
    /// `strategy` is the one for the current wave. What is under way counts whatever its wave.
    pub(crate) fn new(
        strategy: &'a Strategy,
        waves: &Waves,
        plan: &'a Plan,
        sending: &BTreeSet<Arc<str>>,
        now: Timestamp,
    ) -> Self {
        let sent = |entry: &PlanEntry| sending.contains(&entry.id.uid);
        // One that may be tried again, but whose wave is shut, cannot be asked what became of it: others would wait for
        // its answer, and it for them.
        // And one that goes first, too, is asked by being tried again there: it must not wait for itself.
        let is_due_first = |entry: &PlanEntry| {
            let is_due =
                |first: &FirstRestart| first.target == entry.id.named && matches!(first.state, FirstState::Due { .. });
            !sent(entry) && plan.first.iter().any(is_due)
        };
        let is_lost = |entry: &PlanEntry| entry.under_way == UnderWay::Unanswered;
        let is_moot = |entry: &PlanEntry| {
            let is_shut_out = || matches!(entry.verdict, Verdict::Restart(_)) && !waves.admit(entry);
            is_lost(entry) && (is_shut_out() || is_due_first(entry))
        };
        let is_silent = |entry: &PlanEntry| {
            entry.under_way == UnderWay::ControllerSilent
                && (entry.holds_up_others || strategy.max_concurrent.is_some())
        };
        let is_moot = |entry: &PlanEntry| is_moot(entry) || is_silent(entry);
        let is_under_way = |entry: &PlanEntry| entry.under_way != UnderWay::No && !is_moot(entry);
        let silent = plan.entries.iter().rev().filter(|entry| is_silent(entry)).map(|entry| &entry.id.named);
        let under_way = plan.entries.iter().filter(|entry| is_under_way(entry) || sent(entry));
        let first = plan.first.iter().filter(|first| first.is_under_way(sending));
        let holds_up = |entry: &&PlanEntry| {
            (entry.holds_up_others && !is_moot(entry)) || (sent(entry) && will_hold_up_others(entry))
        };
        let mut budget = Self {
            strategy,
            now,
            total: plan.countable(waves.current).count(),
            total_in: BTreeMap::new(),
            under_way: BTreeSet::new(),
            under_way_in: BTreeMap::new(),
            unanswered: BTreeSet::new(),
            busy: plan.entries.iter().find(holds_up).map(|entry| &entry.id.named),
            not_before: not_before(strategy, plan, sending, now, |entry| is_lost(entry) && !is_moot(entry)),
            not_again_before: not_before(strategy, plan, sending, now, |_| false),
            silent: silent.map(|named| (named.kind, named)).collect(),
            turns: Taken::new(plan, sending),
        };
        for entry in plan.countable(waves.current) {
            *budget.total_in.entry(&entry.id.named.namespace).or_default() += 1;
        }
        // One may be in scope and go first: it is one restart.
        for named in under_way.map(|entry| &entry.id.named).chain(first.map(|first| &first.target)) {
            budget.count(named);
        }
        let unanswered = plan.entries.iter().filter(|entry| entry.under_way == UnderWay::Unanswered && !sent(entry));
        budget.unanswered.extend(unanswered.map(|entry| &entry.id.named));
        budget
    }

    /// Whether one whose answer was lost may be tried again beside what is certainly under way. Those whose answers were
    /// lost as well do not count: they would wait for each other for ever.
    pub(crate) fn has_room_again(&self, lost: &NamedWorkload) -> bool {
        let certain = || self.under_way.difference(&self.unanswered).filter(|named| ***named != *lost);
        let beside = certain().filter(|named| named.namespace == lost.namespace).count();
        let total_beside = self.total_in.get(&*lost.namespace).copied().unwrap_or_default();
        let has_room = |limit: Option<Limit>, busy, total| limit.is_none_or(|limit| busy < limit.of(total));
        self.not_again_before.is_none_or(|at| self.now >= at)
            && has_room(self.strategy.max_concurrent, certain().count(), self.total)
            && has_room(self.strategy.max_concurrent_per_namespace, beside, total_beside)
    }

    fn count(&mut self, named: &'a NamedWorkload) {
        if self.under_way.insert(named) {
            *self.under_way_in.entry(&named.namespace).or_default() += 1;
        }
    }

    /// Why nothing more may start at all.
    pub(crate) fn spent(&self) -> Option<Hold> {
        if let Some(at) = self.not_before.filter(|at| self.now < *at) {
            return Some(Hold::MinInterval(at));
        }
        let limit = self.strategy.max_concurrent?.of(self.total);
        (self.under_way.len() >= limit).then_some(Hold::MaxConcurrent)
    }

    /// The same, for what is in scope: without a limit, one that is waited for holds up all others.
    pub(crate) fn spent_in_scope(&self) -> Option<Hold> {
        let busy = self.busy.filter(|_| self.strategy.max_concurrent.is_none());
        self.spent().or_else(|| busy.map(|busy| Hold::Waiting(busy.to_string())))
    }

    /// Whether the namespace of this workload has room for it.
    pub(crate) fn has_room_beside(&self, named: &NamedWorkload) -> bool {
        let Some(limit) = self.strategy.max_concurrent_per_namespace else { return true };
        let in_namespace = |counts: &BTreeMap<&str, usize>| counts.get(&*named.namespace).copied().unwrap_or_default();
        in_namespace(&self.under_way_in) < limit.of(in_namespace(&self.total_in))
    }

    /// Why this workload has to wait although there is room: the controller of its kind does not act, or another one that
    /// shares something with it has its turn.
    pub(crate) fn wait(&self, named: &NamedWorkload) -> Option<Hold> {
        let silent = self.silent.get(&named.kind).filter(|silent| **silent != named);
        silent.map(|silent| Hold::Waiting(silent.to_string())).or_else(|| self.turns.wait(named))
    }

    /// Takes room for one in scope.
    pub(crate) fn take(&mut self, entry: &'a PlanEntry) {
        self.take_first(&entry.id.named);
        if will_hold_up_others(entry) {
            self.busy = Some(&entry.id.named);
        }
    }

    /// Takes room for one that goes before all others.
    pub(crate) fn take_first(&mut self, named: &'a NamedWorkload) {
        self.count(named);
        self.turns.take(named);
        if self.strategy.min_interval.is_positive() {
            self.not_before = self.now.saturating_add(self.strategy.min_interval).ok();
        }
    }
}

/// Whether later restarts will wait for this one, once it is started.
pub(crate) fn will_hold_up_others(entry: &PlanEntry) -> bool {
    entry.healthy && entry.waiting.is_waited()
}

/// When `MinInterval` after the last restart is over, by the marks on the workloads.
fn not_before(
    strategy: &Strategy,
    plan: &Plan,
    sending: &BTreeSet<Arc<str>>,
    now: Timestamp,
    may_have_begun: impl Fn(&PlanEntry) -> bool,
) -> Option<Timestamp> {
    if !strategy.min_interval.is_positive() {
        return None;
    }
    let first = plan.first.iter().filter_map(|first| first.restarted_at);
    let marked = plan.entries.iter().filter_map(|entry| entry.restarted_at).chain(first);
    // One from the far future is not believed: it would hold up everybody until then.
    let latest = now.saturating_add(CLOCKS_DIFFER_BY).unwrap_or(Timestamp::MAX);
    let marked = marked.filter(|at| *at <= latest);
    let is_ours = |uid: &Arc<str>| plan.entries.iter().any(|entry| entry.id.uid == *uid);
    // One whose answer was lost may have been carried out until a moment ago.
    let may_have_begun = sending.iter().any(is_ours) || plan.entries.iter().any(may_have_begun);
    let being_sent = may_have_begun.then_some(now);
    marked.chain(being_sent).max()?.saturating_add(strategy.min_interval).ok()
}
