//! How many restarts may start now: as the original, one after the other.

use ahash::HashSet;
use std::sync::Arc;

use jiff::Timestamp;

use crate::gate::{Gate, GateFact};
use crate::mark::RestartToken;
use crate::plan::{FirstState, Plan, PlanEntry};
use crate::policy::{Policy, Waiting};
use crate::verdict::Verdict;
use crate::workload::{Kind, WorkloadRef};

/// Restarts that one pass may start. A kind that is not waited for has no other bound; this one keeps the queue of
/// patches short, and the next pass, a moment later, goes on.
pub const MAX_STARTS_PER_PASS: usize = 50;

/// What to do now, and why no more than that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Restarts to start, in order.
    pub starts: Vec<Start>,
    /// Why the rest waits, if anything is left to restart.
    pub hold: Option<Hold>,
    /// When to decide again although nothing was seen to change.
    pub recheck_at: Option<Timestamp>,
}

/// One restart, so exact that whoever carries it out has no choices left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// Which object.
    pub id: WorkloadRef,
    /// The generation that the decision was taken on.
    pub generation: i64,
    /// What it is marked with.
    pub token: RestartToken,
    /// The time that it is marked with; for an Argo Rollout also `spec.restartAt`.
    pub at: Timestamp,
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
    /// A precondition is not met; the text says which.
    Preconditions(String),
    /// The last restarts brought the same stale image again.
    Futile,
    /// No new pod was seen with a wanted image yet.
    Unproven,
    /// An earlier restart is not completely rolled out.
    Waiting(String),
}

/// Decides what starts now.
///
/// `sending` holds the uids of workloads whose restart was decided before and is on its way to the API server, so that
/// the snapshot does not show it yet. Everything else that is under way is read from the plan, that is from the
/// cluster: a successor after a crash counts the same.
pub fn pace(policy: &Policy, plan: &Plan, gate: &GateFact, sending: &HashSet<Arc<str>>, now: Timestamp) -> Decision {
    let mut decision = Decision { recheck_at: earliest_recheck(plan, gate), ..Decision::default() };
    if !plan.needs_restart() {
        return decision;
    }
    decision.hold = forbidden(policy, gate);
    if decision.hold.is_none() {
        start_first_then_rest(&mut decision, plan, sending, now);
    }
    decision
}

fn forbidden(policy: &Policy, gate: &GateFact) -> Option<Hold> {
    if policy.suspended {
        Some(Hold::Suspended)
    } else if policy.dry_run {
        Some(Hold::DryRun)
    } else if gate.gate == Gate::Shut {
        Some(Hold::Preconditions(gate.message.clone()))
    } else {
        None
    }
}

fn start_first_then_rest(decision: &mut Decision, plan: &Plan, sending: &HashSet<Arc<str>>, now: Timestamp) {
    let being_sent = plan.entries.iter().filter(|entry| sending.contains(&entry.id.uid)).count();
    let mut allowance = plan.proof.allowance(plan.newest_fresh_at, now).saturating_sub(being_sent);
    let may_start = |entry: &&PlanEntry| matches!(entry.verdict, Verdict::Restart(_));
    if allowance == 0 && !plan.entries.iter().filter(may_start).any(PlanEntry::is_retry) {
        decision.hold = Some(if plan.proof.is_futile() { Hold::Futile } else { Hold::Unproven });
        return;
    }
    for first in &plan.first {
        let waited = is_waited(first.waiting);
        match &first.state {
            FirstState::Due { id, generation, token, healthy, newest_pod_at } => {
                if sending.contains(&id.uid) {
                    decision.hold = Some(Hold::Waiting(first.target.to_string()));
                    return;
                }
                decision.starts.push(Start {
                    id: id.clone(),
                    generation: *generation,
                    token: token.clone(),
                    at: restart_time(id.named.kind, *newest_pod_at, now),
                    unhealthy_before: !healthy,
                    because: "it is restarted before the workloads in scope".to_owned(),
                });
                if waited && *healthy {
                    decision.hold = Some(Hold::Waiting(first.target.to_string()));
                    return;
                }
            }
            FirstState::InFlight(_) if waited => {
                decision.hold = Some(Hold::Waiting(first.target.to_string()));
                return;
            }
            _ => {}
        }
    }
    if let Some(busy) = plan.entries.iter().find(|entry| holds_up_others(entry, sending)) {
        decision.hold = Some(Hold::Waiting(busy.id.to_string()));
        return;
    }
    let mut retry_in_flight = plan.entries.iter().any(|entry| {
        matches!(entry.verdict, Verdict::InFlight) && entry.mark.as_ref().is_some_and(|mark| mark.token.attempt > 1)
    });
    for entry in plan.entries.iter().filter(may_start).filter(|entry| !sending.contains(&entry.id.uid)) {
        let Verdict::Restart(reason) = &entry.verdict else { continue };
        if decision.starts.iter().any(|start| start.id == entry.id) {
            continue;
        }
        if entry.is_retry() {
            // Probes go one at a time, or a campaign that was stopped by futility would start all over at once.
            if retry_in_flight {
                continue;
            }
            retry_in_flight = true;
        } else if allowance == 0 {
            decision.hold = Some(if plan.proof.is_futile() { Hold::Futile } else { Hold::Unproven });
            continue;
        } else {
            allowance -= 1;
        }
        if decision.starts.len() == MAX_STARTS_PER_PASS {
            decision.recheck_at = Some(now);
            return;
        }
        decision.starts.push(Start {
            id: entry.id.clone(),
            generation: entry.generation,
            token: entry.token.clone(),
            at: restart_time(entry.id.named.kind, entry.newest_pod_at, now),
            unhealthy_before: !entry.healthy,
            because: reason.to_string(),
        });
        if entry.healthy && is_waited(entry.waiting) {
            decision.hold = Some(Hold::Waiting(entry.id.to_string()));
            return;
        }
    }
}

fn holds_up_others(entry: &PlanEntry, sending: &HashSet<Arc<str>>) -> bool {
    let in_flight = matches!(entry.verdict, Verdict::InFlight)
        && entry.mark.as_ref().is_some_and(|mark| !mark.unhealthy_before);
    let being_sent = sending.contains(&entry.id.uid) && entry.healthy;
    (in_flight || being_sent) && is_waited(entry.waiting)
}

fn is_waited(waiting: Waiting) -> bool {
    matches!(waiting, Waiting::AtMost(window) if window.is_positive())
}

/// Argo replaces pods created *before* `restartAt`, and creation times are whole seconds: a pod made in the same second
/// would be passed over, so the restart is set after the newest pod.
fn restart_time(kind: Kind, newest_pod_at: Option<Timestamp>, now: Timestamp) -> Timestamp {
    let whole_second = Timestamp::from_second(now.as_second()).unwrap_or(now);
    if kind != Kind::ArgoRollout {
        return now;
    }
    let after_newest = newest_pod_at.and_then(|at| at.saturating_add(jiff::SignedDuration::from_secs(1)).ok());
    after_newest.map_or(whole_second, |at| at.max(whole_second))
}

fn earliest_recheck(plan: &Plan, gate: &GateFact) -> Option<Timestamp> {
    let entries = plan.entries.iter().filter_map(|entry| entry.recheck_at);
    let first = plan.first.iter().filter_map(|first| match first.state {
        FirstState::InFlight(until) => Some(until),
        _ => None,
    });
    entries.chain(first).chain(gate.recheck_at).min()
}
