//! How fast a campaign goes, and when it is expected to end. Nothing is decided by it.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use crate::pace::{Decision, Hold};
use crate::plan::{Plan, PlanEntry, UnderWay};
use crate::policy::Policy;
use crate::verdict::Verdict;
use crate::wave::Approval;
use crate::waves::{WaveFact, WaveHold, Waves};
use crate::window::{Window, WindowState, window_state};

/// Openings of the windows looked ahead for, and back. A campaign that needs more of them has no end worth telling.
const MAX_OPENINGS: usize = 100;

/// How fast a campaign goes, and when it is expected to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Learnt from this campaign. `None` before the first restart is done, and when nothing is left to do.
    pub rate: Option<Rate>,
    /// Rounded up to a minute. `None` when it cannot be known: before there is a rate, or while something holds the
    /// campaign up that time alone does not end.
    pub end: Option<Timestamp>,
}

/// So many restarts took so long, counted from the start of the first one to the end of the last, while the windows were
/// open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Restarts that are done.
    pub restarts: usize,
    /// How long they took, at least a second.
    pub took: SignedDuration,
}

/// Restarts per minute, with one decimal.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = self.restarts as u128 * 600_000 / u128::try_from(self.took.as_millis()).unwrap_or(1).max(1);
        write!(f, "{}.{}", tenths / 10, tenths % 10)
    }
}

/// Estimates by what was done so far.
pub(crate) fn estimate(policy: &Policy, plan: &Plan, waves: &Waves, decision: &Decision, now: Timestamp) -> Estimate {
    if !plan.entries.iter().any(is_left) {
        return Estimate::default();
    }
    let learnt = (0..=waves.current).rev().find_map(|wave| Some((wave, rate_of(wave, plan, &policy.windows)?)));
    let end = learnt.filter(|_| can_be_known(decision)).and_then(|learnt| end(policy, plan, waves, learnt, now));
    Estimate { rate: learnt.map(|(_, rate)| rate), end: end.map(whole_minute) }
}

/// Whether it is time alone, or progress, that everything waits for.
fn can_be_known(decision: &Decision) -> bool {
    let is_unknown = matches!(
        &decision.hold,
        Some(
            Hold::Suspended
                | Hold::DryRun
                | Hold::Preconditions(_)
                | Hold::Gate { .. }
                | Hold::PendingPods(_)
                | Hold::Futile
                | Hold::Unproven
                | Hold::Halted { .. }
                | Hold::Window(None)
                | Hold::Wave(WaveHold::NotApproved { .. })
        )
    );
    !is_unknown
}

fn is_left(entry: &PlanEntry) -> bool {
    matches!(entry.verdict, Verdict::Restart(_) | Verdict::InFlight)
}

fn rate_of(wave: usize, plan: &Plan, windows: &[Window]) -> Option<Rate> {
    let done = plan.entries.iter().filter(|entry| entry.wave == wave && entry.under_way == UnderWay::No);
    let spans: Vec<(Timestamp, Timestamp)> = done
        .filter_map(|entry| {
            let start = entry.mark.as_ref()?.at;
            Some((start, start.saturating_add(entry.took?).ok()?))
        })
        .collect();
    let begin = spans.iter().map(|(start, _)| *start).min()?;
    let end = spans.iter().map(|(_, end)| *end).max()?;
    let took = open_between(windows, begin, end).max(SignedDuration::from_secs(1));
    Some(Rate { restarts: spans.len(), took })
}

fn end(policy: &Policy, plan: &Plan, waves: &Waves, learnt: (usize, Rate), now: Timestamp) -> Option<Timestamp> {
    let mut at = match waves.hold {
        Some(WaveHold::Soaks { until, .. }) => now.max(until),
        _ => now,
    };
    let last = plan.entries.iter().filter(|entry| is_left(entry)).map(|entry| entry.wave).max()?;
    for wave in waves.current..=last {
        let left = plan.entries.iter().filter(|entry| entry.wave == wave && is_left(entry)).count();
        let fact = waves.facts.get(wave);
        let settings = policy.waves.get(wave);
        if left > 0 {
            let waits = settings.is_some_and(|wave| wave.approval == Approval::Manual);
            if waits && fact.is_some_and(|fact: &WaveFact| fact.approved.is_none()) {
                return None;
            }
            at = open_after(&policy.windows, at, time_for(policy, plan, wave, left, learnt))?;
            at = at.saturating_add(policy.strategy.min_ready).ok()?;
        }
        if wave < last && fact.is_some_and(|fact| fact.total > 0) {
            let soak = settings.map_or(SignedDuration::ZERO, |wave| wave.soak);
            at = at.saturating_add(soak).ok()?;
        }
    }
    Some(at)
}

/// How long so many restarts of a wave are expected to take. Where another number of them may be under way at once than
/// where the rate was learnt, that many times faster or slower, if nothing else limits them.
fn time_for(
    policy: &Policy,
    plan: &Plan,
    wave: usize,
    left: usize,
    (learnt_in, rate): (usize, Rate),
) -> SignedDuration {
    let at_once = |wave: usize, number: usize| {
        let limit = policy.strategy_for(wave).max_concurrent?.of(plan.countable(wave).count());
        Some(limit.clamp(1, number.max(1)))
    };
    let scales = policy.strategy.min_interval.is_zero()
        && [wave, learnt_in].into_iter().all(|wave| policy.strategy_for(wave).max_concurrent_per_namespace.is_none());
    let (slower, faster) = match (at_once(learnt_in, rate.restarts), at_once(wave, left)) {
        (Some(there), Some(here)) if scales => (there, here),
        _ => (1, 1),
    };
    let number = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
    let per_restart = rate.took.saturating_mul(number(slower)) / number(rate.restarts.saturating_mul(faster)).max(1);
    per_restart.saturating_mul(number(left))
}

/// How long windows were open between two instants.
fn open_between(windows: &[Window], begin: Timestamp, end: Timestamp) -> SignedDuration {
    let (mut at, mut open) = (begin, SignedDuration::ZERO);
    for _ in 0..MAX_OPENINGS {
        if at >= end {
            return open;
        }
        let (is_open, until) = match window_state(windows, at) {
            WindowState::Open { until } => (true, until),
            WindowState::Shut { until } => (false, until),
        };
        let until = until.filter(|until| *until > at).map_or(end, |until| until.min(end));
        if is_open {
            open = open.saturating_add(until.duration_since(at));
        }
        at = until;
    }
    open.saturating_add(end.duration_since(at))
}

/// When windows will have been open for so long. `None` if that is not in sight.
fn open_after(windows: &[Window], begin: Timestamp, needed: SignedDuration) -> Option<Timestamp> {
    let (mut at, mut needed) = (begin, needed);
    for _ in 0..MAX_OPENINGS {
        match window_state(windows, at) {
            WindowState::Open { until: Some(until) } if until > at && until.duration_since(at) < needed => {
                needed = needed.saturating_sub(until.duration_since(at));
                at = until;
            }
            WindowState::Open { .. } => return at.saturating_add(needed).ok(),
            WindowState::Shut { until } => {
                at = until.filter(|until| *until > at)?;
                // Windows that hide more than a few edges from each other are not worth the search.
                if matches!(window_state(windows, at), WindowState::Shut { .. }) {
                    return None;
                }
            }
        }
    }
    None
}

/// Rounded up, or every pass would have another answer.
fn whole_minute(at: Timestamp) -> Timestamp {
    let minutes = at.as_second().saturating_add(59).div_euclid(60);
    Timestamp::from_second(minutes.saturating_mul(60)).unwrap_or(at)
}
