//! Room for restarts: what the strategy still allows, counted from what the cluster shows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::pace::Hold;
use crate::plan::{Plan, PlanEntry};
use crate::strategy::{Limit, Strategy};
use crate::verdict::Verdict;

/// What one pass may still start. Made anew in each pass, so that a crash forgets nothing.
pub(crate) struct Budget<'a> {
    room: Room<'a>,
    /// Per namespace, where that is limited.
    per_namespace: Option<BTreeMap<&'a str, usize>>,
    /// `MinInterval`: nothing more before then.
    not_before: Option<Timestamp>,
    min_interval: SignedDuration,
    now: Timestamp,
}

enum Room<'a> {
    /// As the original: whatever is waited for holds up all others.
    OneAfterTheOther(Option<&'a PlanEntry>),
    /// So many more.
    Free(usize),
}

impl<'a> Budget<'a> {
    pub(crate) fn new(strategy: &Strategy, plan: &'a Plan, sending: &BTreeSet<Arc<str>>, now: Timestamp) -> Self {
        let is_under_way = |entry: &PlanEntry| entry.is_under_way || sending.contains(&entry.id.uid);
        let in_scope = plan.entries.iter().filter(|entry| entry.verdict != Verdict::Idle);
        let room = match strategy.max_concurrent {
            None => Room::OneAfterTheOther(plan.entries.iter().find(|entry| holds_up_others(entry, sending))),
            Some(limit) => {
                let under_way = plan.entries.iter().filter(|entry| is_under_way(entry)).count();
                Room::Free(limit.of(in_scope.clone().count()).saturating_sub(under_way))
            }
        };
        let per_namespace = strategy.max_concurrent_per_namespace.map(|limit| {
            let mut counted: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
            for entry in in_scope {
                let (total, under_way) = counted.entry(&entry.id.named.namespace).or_default();
                *total += 1;
                *under_way += usize::from(is_under_way(entry));
            }
            let free = |(total, under_way): (usize, usize)| limit.of(total).saturating_sub(under_way);
            counted.into_iter().map(|(namespace, counts)| (namespace, free(counts))).collect()
        });
        Self {
            room,
            per_namespace,
            not_before: next_start_at(strategy, plan, sending, now),
            min_interval: strategy.min_interval,
            now,
        }
    }

    /// Why nothing at all may start now, and when that changes by itself.
    pub(crate) fn why_none(&self) -> Option<(Hold, Option<Timestamp>)> {
        if let Some(at) = self.not_before.filter(|at| self.now < *at) {
            return Some((Hold::MinInterval, Some(at)));
        }
        match &self.room {
            Room::OneAfterTheOther(Some(busy)) => Some((Hold::Waiting(busy.id.to_string()), None)),
            Room::Free(0) => Some((Hold::MaxConcurrent, None)),
            Room::OneAfterTheOther(None) | Room::Free(_) => None,
        }
    }

    /// Whether the namespace has room for this one.
    pub(crate) fn admits(&self, entry: &PlanEntry) -> bool {
        let free = self.per_namespace.as_ref().and_then(|free| free.get(&*entry.id.named.namespace));
        free.is_none_or(|free| *free > 0)
    }

    /// Takes room for one.
    pub(crate) fn take(&mut self, entry: &'a PlanEntry) {
        match &mut self.room {
            Room::OneAfterTheOther(busy) => *busy = Some(entry).filter(|entry| entry.healthy && entry.waiting.is_waited()),
            Room::Free(free) => *free = free.saturating_sub(1),
        }
        if let Some(free) = self.per_namespace.as_mut().and_then(|free| free.get_mut(&*entry.id.named.namespace)) {
            *free = free.saturating_sub(1);
        }
        if self.min_interval.is_positive() {
            self.not_before = self.now.saturating_add(self.min_interval).ok();
        }
    }
}

fn holds_up_others(entry: &PlanEntry, sending: &BTreeSet<Arc<str>>) -> bool {
    entry.holds_up_others || (sending.contains(&entry.id.uid) && entry.healthy && entry.waiting.is_waited())
}

/// When `MinInterval` after the last restart is over, by the marks on the workloads.
fn next_start_at(strategy: &Strategy, plan: &Plan, sending: &BTreeSet<Arc<str>>, now: Timestamp) -> Option<Timestamp> {
    if !strategy.min_interval.is_positive() {
        return None;
    }
    let marked = plan.entries.iter().filter_map(|entry| entry.mark.as_ref().map(|mark| mark.at));
    let first = plan.first.iter().filter_map(|first| first.restarted_at);
    let being_sent = (!sending.is_empty()).then_some(now);
    // A mark from the future is not believed: it would hold up everybody.
    let last = marked.chain(first).chain(being_sent).filter(|at| *at <= now).max()?;
    last.saturating_add(strategy.min_interval).ok()
}

/// Failures that are not tolerated any more: how many there are, and how many would be.
pub(crate) fn exceeded(limit: Option<Limit>, failures: usize, plan: &Plan) -> Option<(usize, usize)> {
    let total = plan.entries.iter().filter(|entry| entry.verdict != Verdict::Idle).count();
    let tolerated = limit?.of(total);
    (failures > tolerated).then_some((failures, tolerated))
}
