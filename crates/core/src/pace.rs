//! What may start now.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::budget::{Budget, will_hold_up_others};
use crate::disruption::Turn;
use crate::eviction::{Evicting, Eviction, evictions};
use crate::gate::GateFact;
use crate::mark::RestartToken;
use crate::method::Method;
use crate::plan::{FirstRestart, FirstState, Plan, PlanEntry, UnderWay};
use crate::policy::Policy;
use crate::strategy::Strategy;
use crate::verdict::{BlockedReason, Verdict};
use crate::waves::{WaveHold, Waves};
use crate::window::{TooShort, WindowState, too_short_for, window_state};
use crate::workload::{NamedWorkload, WorkloadRef};

/// Restarts that one pass may start. A kind that is not waited for has no other bound; this one keeps the queue of
/// patches short, and the next pass, a moment later, goes on.
pub const MAX_STARTS_PER_PASS: usize = 50;

/// Restarts of one policy whose requests may be on their way to the API server at once, where order says nothing. Enough
/// that a slot does not stay empty for the answers of others, and so few that all of them may go wrong at the same time:
/// what is on its way when one is refused is not called back.
const SENT_AT_ONCE: usize = 8;

/// What to do now, and why no more than that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Restarts to start, in order.
    pub starts: Vec<Start>,
    /// Pods of restarts that are under way by eviction, to be evicted now: at most one of each workload.
    pub evictions: Vec<Eviction>,
    /// So many of them may be on their way to the API server at once; 1: each waits for the answer to the one before.
    pub sent_at_once: usize,
    /// Why the rest waits, if anything is left to restart.
    pub hold: Option<Hold>,
    /// When to decide again although nothing was seen to change.
    pub recheck_at: Option<Timestamp>,
}

impl Decision {
    /// Why the restart of one workload does not start now: what forbids everything, else its wave, else what holds the
    /// rest. `None`: it starts, or nothing is known to hold it.
    pub fn hold_of(&self, entry: &PlanEntry, waves: &Waves) -> Option<Hold> {
        if self.starts.iter().any(|start| start.id == entry.id) {
            return None;
        }
        let forbidden = self.hold.as_ref().filter(|hold| hold.forbids_all());
        let by_wave = || waves.hold_of(entry).map(Hold::Wave);
        forbidden.cloned().or_else(by_wave).or_else(|| self.hold.clone())
    }
}

/// One restart, so exact that whoever carries it out has no choices left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// Which object.
    pub id: WorkloadRef,
    /// The generation that the decision was taken on.
    pub generation: i64,
    /// How.
    pub method: Method,
    /// What it is marked with.
    pub token: RestartToken,
    /// The time that it is marked with; for an Argo Rollout also `spec.restartAt`.
    pub at: Timestamp,
    /// When it is restarted by eviction: pods that were created until then are to go.
    pub evicts_until: Option<Timestamp>,
    /// Whether it is unhealthy before.
    pub unhealthy_before: bool,
    /// Why, for people.
    pub because: String,
}

/// Why restarts that are needed do not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hold {
    /// `spec.Suspend`.
    Suspended,
    /// `spec.DryRun`.
    DryRun,
    /// A source of images is missing, so nobody knows what is wanted now; the text says which and why.
    ImageSource(Arc<str>),
    /// A precondition is not met; the text says which.
    Preconditions(String),
    /// A gate of `spec.Gates` is not open.
    Gate {
        /// Its name.
        name: Arc<str>,
        /// Why, one line.
        why: Arc<str>,
    },
    /// Pods of restarted workloads find no node; the text says which.
    PendingPods(String),
    /// The API server is too busy for more.
    Throttled,
    /// The last restarts brought the same stale image again.
    Futile,
    /// No new pod was seen with a wanted image yet.
    Unproven,
    /// An earlier restart is not completely rolled out.
    Waiting(String),
    /// As many as `Strategy.MaxConcurrent` allows are under way.
    MaxConcurrent,
    /// As many as `Strategy.MaxConcurrentPerNamespace` allows are under way in every namespace that is left.
    MaxConcurrentPerNamespace,
    /// What is left takes turns with others, one of which is under way.
    Turn {
        /// What they share.
        turn: Turn,
        /// Whose turn it is.
        other: NamedWorkload,
    },
    /// The last restart was less than `Strategy.MinInterval` ago. The time is when the next may start.
    MinInterval(Timestamp),
    /// Outside the windows. The time is before which they do not open; `None`: no opening is in sight.
    Window(Option<Timestamp>),
    /// Too close to the end of a window for a restart to be expected to finish inside.
    WindowEnds(Timestamp),
    /// No window is ever open for as long as a restart is expected to take.
    WindowsTooShort(TooShort),
    /// More restarts have failed than `Strategy.MaxFailures` tolerates.
    Halted {
        /// So many.
        failures: usize,
        /// So many are tolerated.
        tolerated: usize,
    },
    /// Everything that is left to restart is in waves that may not start, or not go on.
    Wave(WaveHold),
}

/// Decides what starts now.
///
/// `sending` holds the uids of workloads whose restart was decided before and is on its way to the API server, so that
/// the snapshot does not show it yet. Everything else that is under way is read from the plan, that is from the
/// cluster: a successor after a crash counts the same.
pub fn pace(
    policy: &Policy,
    plan: &Plan,
    gate: &GateFact,
    waves: &Waves,
    sending: &BTreeSet<Arc<str>>,
    now: Timestamp,
) -> Decision {
    let recheck_at = earliest_recheck(plan, gate).into_iter().chain(waves.recheck_at()).min();
    let (evictions, kept_back) = evictions(policy, plan, gate, now);
    let mut decision = Decision { evictions, recheck_at, sent_at_once: 1, ..Decision::default() };
    if !plan.needs_restart() {
        let until = kept_back.as_ref().and_then(Hold::until);
        decision.recheck_at = decision.recheck_at.into_iter().chain(until).min();
        decision.hold = kept_back;
        return decision;
    }
    match forbidden(policy, plan, gate, now) {
        Some(hold) => decision.hold = Some(hold),
        None => start_first_then_rest(&mut decision, policy, plan, waves, sending, now),
    }
    slow_down(&mut decision, gate, now);
    decision.sent_at_once = sent_at_once(&decision, policy, plan, gate, waves);
    // Whatever holds everything up when a window closes, from then on it is the window, too.
    let edge = match window_state(&policy.windows, now) {
        WindowState::Open { until } | WindowState::Shut { until } => until,
    };
    let until = decision.hold.as_ref().and_then(Hold::until);
    decision.recheck_at = decision.recheck_at.into_iter().chain(until).chain(edge).min();
    decision
}

/// How many may be on their way at once. Those that may be under way at once need not wait for each other's answers.
///
/// Where restarts go one after the other, as in the original, their order is a promise, and so it is for what goes first.
/// And an API server in trouble is not sent several where it has not borne one.
fn sent_at_once(decision: &Decision, policy: &Policy, plan: &Plan, gate: &GateFact, waves: &Waves) -> usize {
    let is_first = |start: &Start| plan.first.iter().any(|first| first.target == start.id.named);
    let in_order = policy.strategy_for(waves.current).max_concurrent.is_none() || decision.starts.iter().any(is_first);
    if in_order { 1 } else { SENT_AT_ONCE.min(gate.max_starts).max(1) }
}

/// Keeps the first of what was decided, as many as the gate allows at once.
fn slow_down(decision: &mut Decision, gate: &GateFact, now: Timestamp) {
    if decision.starts.len() > gate.max_starts {
        decision.starts.truncate(gate.max_starts);
        decision.hold = Some(Hold::Throttled);
        decision.recheck_at = Some(now);
    }
}

/// Why nothing may start, whatever is under way.
pub(crate) fn forbidden(policy: &Policy, plan: &Plan, gate: &GateFact, now: Timestamp) -> Option<Hold> {
    if policy.suspended {
        return Some(Hold::Suspended);
    }
    if policy.dry_run {
        return Some(Hold::DryRun);
    }
    if let Some(why) = &policy.source_unavailable {
        return Some(Hold::ImageSource(why.clone()));
    }
    if let Some(hold) = gate.hold() {
        return Some(hold);
    }
    if let Some(halt) = plan.halted(policy, now) {
        return Some(Hold::Halted { failures: halt.failures, tolerated: halt.tolerated });
    }
    let expected_end = plan.expected_end(policy, now);
    let hold = match window_state(&policy.windows, now) {
        WindowState::Shut { until } => Hold::Window(until),
        WindowState::Open { until: Some(end) } if expected_end > end => Hold::WindowEnds(end),
        WindowState::Open { .. } => return None,
    };
    let too_short = too_short_for(expected_end.duration_since(now), &policy.windows, now);
    Some(too_short.map_or(hold, Hold::WindowsTooShort))
}

fn start_first_then_rest(
    decision: &mut Decision,
    policy: &Policy,
    plan: &Plan,
    waves: &Waves,
    sending: &BTreeSet<Arc<str>>,
    now: Timestamp,
) {
    // Before a wave begins that waits for a person, nothing starts at all, not even what goes before all waves.
    if let Some(hold) = &waves.hold {
        decision.hold = Some(Hold::Wave(hold.clone()));
        return;
    }
    let strategy = policy.strategy_for(waves.current);
    let mut budget = Budget::new(&strategy, waves, plan, sending, now);
    if let Some(entry) = due_again_after_lost_answer(&strategy, plan, waves, sending, &budget) {
        decision.starts.extend(start_of(entry, now));
        decision.hold = Some(Hold::Waiting(entry.id.to_string()));
        return;
    }
    let being_sent = |entry: &&PlanEntry| sending.contains(&entry.id.uid);
    let sent = plan.entries.iter().filter(being_sent).count();
    let allowance = plan.proof.allowance(plan.newest_fresh_at, now).saturating_sub(sent);
    let probe = if allowance == 0 { due_probe(plan, waves, sent, &budget, now) } else { None };
    if allowance == 0 && probe.is_none() {
        let probe_at = plan.proof.probe_at().filter(|at| *at > now);
        decision.recheck_at = decision.recheck_at.into_iter().chain(probe_at).min();
        decision.hold = Some(not_proven(plan));
        return;
    }
    // Also what goes first waits: with a changed image list it is due again while a restart for the old one is under way.
    decision.hold = first_under_way(plan, sending).map(Hold::Waiting).or_else(|| budget.spent_in_scope());
    if decision.hold.is_some() {
        return;
    }
    start_first(decision, plan, sending, &mut budget, now);
    if decision.hold.is_some() {
        return;
    }
    decision.hold = budget.spent_in_scope();
    if decision.hold.is_some() {
        return;
    }
    match probe {
        Some(entry) if !budget.has_room_beside(&entry.id.named) => {
            decision.hold = Some(Hold::MaxConcurrentPerNamespace);
        }
        Some(entry) => {
            decision.starts.extend(start_of(entry, now));
            decision.hold = Some(Hold::Futile);
        }
        None => start_rest(decision, plan, waves, sending, allowance, &mut budget, now),
    }
}

impl Hold {
    /// Whether it forbids restarts as such, also those that were decided a moment ago and are not sent yet. The others
    /// only say that no more may start beside what is under way.
    pub fn forbids_all(&self) -> bool {
        matches!(
            self,
            Self::Suspended
                | Self::DryRun
                | Self::ImageSource(_)
                | Self::Preconditions(_)
                | Self::Gate { .. }
                | Self::PendingPods(_)
                | Self::Window(_)
                | Self::WindowsTooShort(_)
                | Self::Halted { .. }
                | Self::Futile
        )
    }

    /// When it ends by itself, if time alone ends it.
    pub fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Window(until) => *until,
            Self::MinInterval(until) | Self::WindowEnds(until) | Self::Wave(WaveHold::Soaks { until, .. }) => {
                Some(*until)
            }
            _ => None,
        }
    }
}

/// A restart whose answer was lost, once it may be tried again. It holds up the others, and so goes before them: only
/// trying again tells what became of it. It does not go beside one that is certainly under way and waited for.
fn due_again_after_lost_answer<'a>(
    strategy: &Strategy,
    plan: &'a Plan,
    waves: &Waves,
    sending: &BTreeSet<Arc<str>>,
    budget: &Budget<'_>,
) -> Option<&'a PlanEntry> {
    let is_lost = |entry: &PlanEntry| entry.under_way == UnderWay::Unanswered && !sending.contains(&entry.id.uid);
    let is_its_turn = |entry: &PlanEntry| waves.admit(entry) && budget.wait(&entry.id.named).is_none();
    let lost = plan.entries.iter().find(|entry| is_lost(entry) && may_start(entry) && is_its_turn(entry))?;
    let is_busy = |entry: &PlanEntry| {
        (entry.holds_up_others && entry.under_way == UnderWay::Yes)
            || (sending.contains(&entry.id.uid) && will_hold_up_others(entry))
    };
    let one_after_the_other = strategy.max_concurrent.is_none();
    let must_wait =
        first_under_way(plan, sending).is_some() || (one_after_the_other && plan.entries.iter().any(is_busy));
    (!must_wait && budget.has_room_again(&lost.id.named)).then_some(lost)
}

/// The restart by which a stopped campaign finds out whether it has to stay so, when it is time for one.
///
/// Rather one that was not tried yet, and far from those that were futile: three neighbours that pin their own image
/// would otherwise stop everybody else for ever.
fn due_probe<'a>(
    plan: &'a Plan,
    waves: &Waves,
    sent: usize,
    budget: &Budget<'_>,
    now: Timestamp,
) -> Option<&'a PlanEntry> {
    if sent > 0 || plan.proof.probe_at().is_none_or(|at| now < at) {
        return None;
    }
    let mut futile_in: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in plan.entries.iter().filter(|entry| entry.mark.is_some() && entry.stale_pods > 0) {
        *futile_in.entry(&entry.id.named.namespace).or_default() += 1;
    }
    let may_start =
        |entry: &&PlanEntry| may_start(entry) && waves.admit(entry) && budget.wait(&entry.id.named).is_none();
    let candidates = plan.entries.iter().filter(may_start);
    candidates.min_by_key(|entry| (entry.is_retry(), futile_in.get(entry.id.named.namespace.as_ref()).copied()))
}

/// Starts what goes before everything else. With a hold set, the rest waits for it.
fn start_first<'a>(
    decision: &mut Decision,
    plan: &'a Plan,
    sending: &BTreeSet<Arc<str>>,
    budget: &mut Budget<'a>,
    now: Timestamp,
) {
    for first in &plan.first {
        let waits_for_it = Some(Hold::Waiting(first.target.to_string()));
        match &first.state {
            FirstState::Due { id, generation, token, healthy, newest_pod_at } => {
                if sending.contains(&id.uid) {
                    decision.hold = waits_for_it;
                    return;
                }
                // A list may name one twice.
                if decision.starts.iter().any(|start| start.id == *id) {
                    continue;
                }
                if is_full(decision, now) {
                    decision.hold = waits_for_it;
                    return;
                }
                let no_room = (!budget.has_room_beside(&first.target)).then_some(Hold::MaxConcurrentPerNamespace);
                let turn = budget.wait(&first.target);
                if let Some(hold) = budget.spent().or(no_room).or(turn) {
                    decision.hold = Some(hold);
                    return;
                }
                budget.take_first(&first.target);
                decision.starts.push(Start {
                    id: id.clone(),
                    generation: *generation,
                    method: first.method,
                    token: token.clone(),
                    at: restart_time(first.method, *newest_pod_at, now),
                    evicts_until: evicts_until(first.method, *newest_pod_at, now),
                    unhealthy_before: !healthy,
                    because: "it is restarted before the workloads in scope".to_owned(),
                });
                if first.waiting.is_waited() {
                    decision.hold = waits_for_it;
                    return;
                }
            }
            // What goes first goes first, even if it takes several tries.
            FirstState::Refused { message, .. } => {
                decision.hold = Some(Hold::Waiting(format!("{}, whose restart was refused: {message}", first.target)));
                return;
            }
            // A budget allows a disruption again soon, or never: what would wait for ever is left out like anything else that
            // cannot be restarted as it is.
            FirstState::Blocked(BlockedReason::Disrupts(why)) if !why.is_for_ever() => {
                decision.hold = Some(Hold::Waiting(format!("{}, which goes first: {why}", first.target)));
                return;
            }
            // It is asked again soon, and as with a refused restart, what goes first goes first.
            FirstState::Blocked(BlockedReason::Admission(why)) => {
                decision.hold = Some(Hold::Waiting(format!("{}, which goes first: {why}", first.target)));
                return;
            }
            _ => {}
        }
    }
}

fn start_rest<'a>(
    decision: &mut Decision,
    plan: &'a Plan,
    waves: &Waves,
    sending: &BTreeSet<Arc<str>>,
    mut allowance: usize,
    budget: &mut Budget<'a>,
    now: Timestamp,
) {
    let is_retried = |entry: &&PlanEntry| {
        (entry.verdict == Verdict::InFlight && entry.mark.as_ref().is_some_and(|mark| mark.token.attempt > 1))
            || (sending.contains(&entry.id.uid) && entry.is_retry())
    };
    let mut retried = plan.entries.iter().find(is_retried).map(|entry| &entry.id);
    let may_go = |entry: &&PlanEntry| may_start(entry) && waves.admit(entry) && !sending.contains(&entry.id.uid);
    for entry in plan.entries.iter().filter(may_go) {
        if decision.starts.iter().any(|start| start.id == entry.id) {
            continue;
        }
        // Retries go one at a time, or everything that was futile would start again at once.
        if let Some(other) = retried.filter(|_| entry.is_retry()) {
            decision.hold.get_or_insert_with(|| Hold::Waiting(other.to_string()));
            continue;
        }
        if allowance == 0 && !entry.is_retry() {
            decision.hold = Some(not_proven(plan));
            continue;
        }
        if !budget.has_room_beside(&entry.id.named) {
            decision.hold = Some(Hold::MaxConcurrentPerNamespace);
            continue;
        }
        if let Some(hold) = budget.wait(&entry.id.named) {
            decision.hold = Some(hold);
            continue;
        }
        if is_full(decision, now) {
            return;
        }
        if entry.is_retry() {
            retried = Some(&entry.id);
        } else {
            allowance -= 1;
        }
        decision.starts.extend(start_of(entry, now));
        budget.take(entry);
        if let Some(hold) = budget.spent_in_scope() {
            decision.hold = Some(hold);
            return;
        }
    }
    decision.hold = decision.hold.take().or_else(|| waves.hold_beyond(plan).map(Hold::Wave));
}

fn start_of(entry: &PlanEntry, now: Timestamp) -> Option<Start> {
    let Verdict::Restart(reason) = &entry.verdict else { return None };
    Some(Start {
        id: entry.id.clone(),
        generation: entry.generation,
        method: entry.method,
        token: entry.token.clone(),
        at: restart_time(entry.method, entry.newest_pod_at, now),
        evicts_until: evicts_until(entry.method, entry.newest_pod_at, now),
        unhealthy_before: !entry.healthy,
        because: reason.to_string(),
    })
}

fn may_start(entry: &PlanEntry) -> bool {
    matches!(entry.verdict, Verdict::Restart(_))
}

fn not_proven(plan: &Plan) -> Hold {
    if plan.proof.is_futile() { Hold::Futile } else { Hold::Unproven }
}

/// Whether this pass has started as many as it may. The next one goes on at once.
fn is_full(decision: &mut Decision, now: Timestamp) -> bool {
    let full = decision.starts.len() >= MAX_STARTS_PER_PASS;
    if full {
        decision.recheck_at = Some(now);
    }
    full
}

/// One that goes first, is waited for, and is under way or on its way: everything else waits for it, whatever the limits.
fn first_under_way(plan: &Plan, sending: &BTreeSet<Arc<str>>) -> Option<String> {
    let holds_up = |first: &&FirstRestart| first.waiting.is_waited() && first.is_under_way(sending);
    plan.first.iter().find(holds_up).map(|first| first.target.to_string())
}

/// Argo replaces pods created *before* `restartAt`, and creation times are whole seconds: a pod made in the same second
/// would be passed over, so the restart is set after the newest pod.
fn restart_time(method: Method, newest_pod_at: Option<Timestamp>, now: Timestamp) -> Timestamp {
    let whole_second = Timestamp::from_second(now.as_second()).unwrap_or(now);
    if method != Method::RestartAt {
        return now;
    }
    let after_newest = newest_pod_at.and_then(|at| at.saturating_add(SignedDuration::from_secs(1)).ok());
    after_newest.map_or(whole_second, |at| at.max(whole_second))
}

/// The pods that are there are to go. Those that come while nobody has seen them yet are judged once they are seen.
fn evicts_until(method: Method, newest_pod_at: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
    (method == Method::Evict).then(|| newest_pod_at.unwrap_or(now))
}

fn earliest_recheck(plan: &Plan, gate: &GateFact) -> Option<Timestamp> {
    let entries = plan.entries.iter().filter_map(|entry| entry.recheck_at);
    let first = plan.first.iter().filter_map(|first| match first.state {
        FirstState::InFlight(until) => Some(until),
        FirstState::Refused { retry_at, .. } => Some(retry_at),
        _ => first.asked_at,
    });
    let evicting = plan.evicting().filter_map(Evicting::recheck_at);
    entries.chain(first).chain(evicting).chain(gate.recheck_at).min()
}
