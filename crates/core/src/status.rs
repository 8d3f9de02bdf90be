//! What is reported of a policy: facts only, ready to be written into a status.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::eta::{Estimate, estimate};
use crate::foresight::AdmissionHold;
use crate::gate::{Gate, GateFact, PreconditionFact, ShutBy};
use crate::left_alone::LeftAlone;
use crate::mark::annotation::RESUMED_AT;
use crate::pace::{Decision, Hold};
use crate::plan::{FirstRestart, FirstState, Plan, PlanEntry, UnderWay};
use crate::policy::Policy;
use crate::query_gate::QueryGateFact;
use crate::verdict::{BlockedReason, FailedReason, FutileReason, Verdict};
use crate::wave::Campaign;
use crate::waves::{WaveFact, WaveHold, Waves};
use crate::workload::NamedWorkload;

/// Entries of a bounded list. A status is read by people and stored by etcd: neither wants ten thousand lines.
const LIST_LIMIT: usize = 50;

/// Everything a status says, apart from times of transition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusFacts {
    /// Conditions in the kstatus convention.
    pub conditions: Vec<Condition>,
    /// Workloads per verdict.
    pub counters: Counters,
    /// When the first restart for the wanted images was made.
    pub started_at: Option<Timestamp>,
    /// Restarts under way, at most 50.
    pub in_flight: Vec<ListedWorkload>,
    /// Stale workloads that are not restarted, at most 50.
    pub blocked: Vec<ListedWorkload>,
    /// Workloads whose restart failed, at most 50.
    pub failed: Vec<ListedWorkload>,
    /// Stale pods that no workload of a kind that is restarted owns, by owner, at most 50.
    pub left_alone: Vec<ListedWorkload>,
    /// How many pods those are in all.
    pub left_alone_pods: usize,
    /// The preconditions.
    pub preconditions: Vec<PreconditionFact>,
    /// The campaign, where there are waves.
    pub campaign: Option<Campaign>,
    /// The waves in order.
    pub waves: Vec<WaveFact>,
    /// How fast it goes, and when it is expected to end.
    pub estimate: Estimate,
    /// The gates that ask Prometheus.
    pub gates: Vec<QueryGateFact>,
}

/// How many workloads have each verdict. The sum is everything in scope.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "named like the verdicts")]
pub struct Counters {
    pub fresh: usize,
    pub restart: usize,
    pub in_flight: usize,
    pub converging: usize,
    pub blocked: usize,
    pub futile: usize,
    pub idle: usize,
    pub failed: usize,
}

/// One workload in a bounded list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedWorkload {
    /// Kind, namespace/name.
    pub workload: String,
    /// One word from the closed list of reasons.
    pub reason: String,
    /// One line for people.
    pub message: String,
}

/// A condition, without its time of transition: that is the reporter's business.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// `Ready`, `Reconciling`, `Stalled` or `RestartsAllowed`.
    pub kind: &'static str,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// One word from a closed list.
    pub reason: &'static str,
    /// One line for people.
    pub message: String,
}

/// `status` of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionStatus {
    /// `"True"`
    True,
    /// `"False"`
    False,
}

impl Counters {
    fn of(plan: &Plan) -> Self {
        let mut counters = Self::default();
        for entry in &plan.entries {
            *match entry.verdict {
                Verdict::Fresh => &mut counters.fresh,
                Verdict::Restart(_) => &mut counters.restart,
                Verdict::InFlight => &mut counters.in_flight,
                Verdict::Converging => &mut counters.converging,
                Verdict::Blocked(_) => &mut counters.blocked,
                Verdict::Futile(_) => &mut counters.futile,
                Verdict::Idle => &mut counters.idle,
                Verdict::Failed(_) => &mut counters.failed,
            } += 1;
        }
        counters
    }

    /// Workloads in scope.
    pub fn total(&self) -> usize {
        self.fresh
            + self.restart
            + self.in_flight
            + self.converging
            + self.blocked
            + self.futile
            + self.idle
            + self.failed
    }

    /// Workloads that nothing more is to be done for.
    pub fn done(&self) -> usize {
        self.fresh + self.idle
    }
}

/// Collects what is to be reported.
pub fn status_facts(
    policy: &Policy,
    plan: &Plan,
    gate: &GateFact,
    preconditions: Vec<PreconditionFact>,
    waves: &Waves,
    decision: &Decision,
    now: Timestamp,
) -> StatusFacts {
    let counters = Counters::of(plan);
    let stalled = stalled(policy, plan, gate, waves, decision, &counters);
    let is_stalled = stalled.is_some();
    let moving = plan.is_moving()
        || plan.is_asking()
        || (plan.needs_restart() && stalled.is_none() && !policy.suspended && !policy.dry_run);
    let conditions = vec![
        with_unserved(ready(policy, plan, decision, &counters, stalled.as_ref()), plan),
        reconciling(moving, plan.is_asking(), &counters),
        stalled.map_or_else(
            || condition("Stalled", ConditionStatus::False, "NotStalled", "nothing needs a person".to_owned()),
            |(reason, message)| condition("Stalled", ConditionStatus::True, reason, message),
        ),
        restarts_allowed(policy, gate, decision, &counters),
    ];
    let marks = plan.entries.iter().filter_map(|entry| entry.mark.as_ref());
    let mut estimate = estimate(policy, plan, waves, decision, now);
    // What needs a person, or somebody else's recovery, takes as long as that takes.
    estimate.end = estimate.end.filter(|_| !is_stalled);
    StatusFacts {
        conditions,
        counters,
        started_at: marks.map(|mark| mark.at).min(),
        in_flight: listed(
            plan,
            |verdict| *verdict == Verdict::InFlight,
            |state| matches!(state, FirstState::InFlight(_)),
        ),
        blocked: listed(
            plan,
            |verdict| matches!(verdict, Verdict::Blocked(_) | Verdict::Futile(_)),
            // Of interest only while it would be restarted.
            |state| {
                plan.needs_restart()
                    && matches!(state, FirstState::Missing | FirstState::Blocked(_) | FirstState::Refused { .. })
            },
        ),
        failed: listed(plan, |verdict| matches!(verdict, Verdict::Failed(_)), |state| *state == FirstState::Failed),
        left_alone: plan.left_alone.iter().map(listed_alone).take(LIST_LIMIT).collect(),
        left_alone_pods: plan.left_alone.iter().map(|one| one.pods).sum(),
        preconditions,
        campaign: waves.campaign.clone(),
        waves: waves.facts.clone(),
        estimate,
        gates: gate.queries.clone(),
    }
}

fn condition(kind: &'static str, status: ConditionStatus, reason: &'static str, message: String) -> Condition {
    Condition { kind, status, reason, message }
}

/// A kind that is not served has no objects, so the rest is as it would be. But it may be a typing error.
fn with_unserved(mut ready: Condition, plan: &Plan) -> Condition {
    for why in &plan.unserved {
        ready.message = format!("{}; {why}", ready.message);
    }
    ready
}

fn ready(
    policy: &Policy,
    plan: &Plan,
    decision: &Decision,
    counters: &Counters,
    stalled: Option<&(&'static str, String)>,
) -> Condition {
    if let Some(why) = policy.selects_nothing() {
        return condition("Ready", ConditionStatus::True, "SelectsNothing", with_notes(policy, why.to_owned()));
    }
    if let Some((reason, message)) = stalled {
        return condition("Ready", ConditionStatus::False, reason, message.clone());
    }
    // Suspended or on a dry run nothing counts as stalled, but neither is what cannot be restarted done.
    if plan.is_moving() || plan.is_asking() || counters.done() < counters.total() {
        let mut message = format!("{} of {} workloads are done", counters.done(), counters.total());
        let wave_hold = shut_wave(decision, counters);
        if let Some(hold) = wave_hold {
            message = format!("{hold}; {message}");
        }
        let reason = match (policy.suspended, policy.dry_run) {
            (true, _) => "Suspended",
            (_, true) => "DryRun",
            _ if plan.is_asking() && !plan.needs_restart() => "AskingAdmission",
            _ => wave_hold.map_or("CampaignUnderWay", WaveHold::reason),
        };
        return condition("Ready", ConditionStatus::False, reason, with_notes(policy, message));
    }
    let message = format!("all {} workloads in scope run the wanted images", counters.total());
    condition("Ready", ConditionStatus::True, "AllFresh", with_notes(policy, message))
}

/// What was odd in the spec is said where everybody looks first.
fn with_notes(policy: &Policy, message: String) -> String {
    policy.notes.iter().fold(message, |message, note| format!("{message}; {note}"))
}

fn reconciling(moving: bool, asking: bool, counters: &Counters) -> Condition {
    let is_still = counters.in_flight + counters.restart + counters.converging == 0;
    if moving && asking && is_still {
        let message = "admission is being asked what new pods would get".to_owned();
        condition("Reconciling", ConditionStatus::True, "AskingAdmission", message)
    } else if moving {
        let message = format!(
            "{} under way, {} to restart, {} converging by themselves",
            counters.in_flight, counters.restart, counters.converging
        );
        condition("Reconciling", ConditionStatus::True, "Restarting", message)
    } else {
        condition("Reconciling", ConditionStatus::False, "Idle", "nothing is under way".to_owned())
    }
}

/// What needs a person, or somebody else's recovery. Most severe first.
fn stalled(
    policy: &Policy,
    plan: &Plan,
    gate: &GateFact,
    waves: &Waves,
    decision: &Decision,
    counters: &Counters,
) -> Option<(&'static str, String)> {
    // What selects nothing is ready as it is, whatever became of restarts that it once made.
    if policy.suspended || policy.dry_run || policy.selects_nothing().is_some() {
        return None;
    }
    if let Some(why) = &policy.source_unavailable {
        let message = format!("{why}; until it is there again nothing starts, and what is under way goes on");
        return Some(("ImageSourceUnavailable", message));
    }
    if plan.has_work() && gate.gate == Gate::Shut && gate.overdue {
        return Some(("PreconditionsNotMet", format!("{}; restarts start by themselves once it is met", gate.message)));
    }
    if let Some(Hold::WindowsTooShort(why)) = &decision.hold {
        return Some(("WindowsTooShort", why.to_string()));
    }
    if decision.hold == Some(Hold::Futile) || (counters.futile > 0 && plan.proof.is_futile()) {
        let message = "restarted pods come up with the same stale image: upgrade the mesh, or correct spec.ImageList; \
                       restarts go on by themselves once a new pod runs a wanted image";
        return Some(("RestartsFutile", message.to_owned()));
    }
    if let Some(Hold::Halted { failures, tolerated }) = decision.hold {
        let place = waves.halted().map_or_else(String::new, |wave| format!("wave {}: ", wave.name));
        let message = format!(
            "{place}failed restarts: {failures}, tolerated: {tolerated}: look at them, then set the annotation {RESUMED_AT} to the \
             time, or raise spec.Strategy.MaxFailures; restarts also go on once enough of them recover"
        );
        return Some(("Halted", message));
    }
    if let Some(entry) =
        plan.entries.iter().find(|entry| entry.under_way == UnderWay::ControllerSilent && entry.holds_up_others)
    {
        let message = format!(
            "the controller of {} does not act on its restart; restarts of its kind go on once it does",
            entry.id
        );
        return Some(("ControllerSilent", message));
    }
    let refused = plan.first.iter().find_map(|first| match &first.state {
        FirstState::Refused { message, .. } => Some((&first.target, message)),
        _ => None,
    });
    if let Some((target, message)) = refused.filter(|_| plan.needs_restart()) {
        let message = format!("{target} goes before all others, but its restart is refused: {message}");
        return Some(("FirstRefused", message));
    }
    let waits_first = plan.first.iter().find_map(|first| match &first.state {
        FirstState::Blocked(BlockedReason::Disrupts(why)) if !why.is_for_ever() => Some((&first.target, why)),
        _ => None,
    });
    if let Some((target, why)) = waits_first.filter(|_| plan.needs_restart() && !plan.is_moving()) {
        return Some(("FirstBlocked", format!("{target} goes before all others, but {why}")));
    }
    let asks_first = plan.first.iter().find_map(|first| match &first.state {
        FirstState::Blocked(BlockedReason::Admission(why)) if *why != AdmissionHold::NotAsked => {
            Some((&first.target, why))
        }
        _ => None,
    });
    if let Some((target, why)) = asks_first.filter(|_| plan.needs_restart()) {
        return Some(("FirstBlocked", format!("{target} goes before all others, but {why}")));
    }
    if plan.needs_restart() || plan.is_moving() || plan.is_asking() {
        return None;
    }
    let foreseen = |entry: &&PlanEntry| matches!(entry.verdict, Verdict::Futile(FutileReason::Foreseen(_)));
    if let Some(example) = plan.entries.iter().find(foreseen) {
        let count = plan.entries.iter().filter(foreseen).count();
        let message =
            format!("{count} would come up with the same stale image, for example {}: {}", example.id, example.verdict);
        return Some(("RestartsFutile", message));
    }
    let failed = failures(plan);
    if let Some((workload, message)) = failed.first() {
        return Some(("RestartsFailed", format!("{} failed, for example {workload}: {message}", failed.len())));
    }
    let stuck =
        |entry: &&PlanEntry| matches!(entry.verdict, Verdict::Blocked(_) | Verdict::Futile(_) | Verdict::Failed(_));
    let example = plan.entries.iter().find(stuck)?;
    let count = plan.entries.iter().filter(stuck).count();
    Some(("WorkloadsBlocked", format!("{count} cannot be made fresh, for example {}: {}", example.id, example.verdict)))
}

/// Restarts that count as failures, each workload once.
fn failures(plan: &Plan) -> Vec<(String, String)> {
    let why = Verdict::Failed(FailedReason::NotCompleteInTime);
    let entries = plan.entries.iter().filter(|entry| entry.verdict == why).map(|entry| &entry.id.named);
    let first = plan.first.iter().filter(|first| first.state == FirstState::Failed).map(|first| &first.target);
    let workloads: BTreeSet<&NamedWorkload> = entries.chain(first).collect();
    workloads.into_iter().map(|named| (named.to_string(), why.to_string())).collect()
}

fn restarts_allowed(policy: &Policy, gate: &GateFact, decision: &Decision, counters: &Counters) -> Condition {
    let (reason, message) = if policy.suspended {
        ("Suspended", "spec.Suspend is true: set it to false to let restarts start".to_owned())
    } else if policy.dry_run {
        ("DryRun", "spec.DryRun is true: nothing is restarted".to_owned())
    } else if let Some(why) = &policy.source_unavailable {
        ("ImageSourceUnavailable", why.to_string())
    } else if gate.gate == Gate::Shut {
        (why_shut(gate), gate.message.clone())
    } else if decision.hold == Some(Hold::Futile) {
        ("RestartsFutile", "restarted pods come up with the same stale image".to_owned())
    } else if let Some(Hold::Window(until)) = &decision.hold {
        let until =
            until.map_or_else(|| "no opening is in sight".to_owned(), |at| format!("they do not open before {at}"));
        ("OutsideWindow", format!("outside the windows of spec.Windows; {until}"))
    } else if let Some(Hold::WindowEnds(end)) = &decision.hold {
        ("WindowEnds", format!("the window ends at {end}: a restart would not be expected to finish inside"))
    } else if let Some(Hold::WindowsTooShort(why)) = &decision.hold {
        ("WindowsTooShort", why.to_string())
    } else if let Some(Hold::Halted { failures, tolerated }) = decision.hold {
        ("Halted", format!("failed restarts: {failures}, tolerated: {tolerated}"))
    } else if let Some(hold) = shut_wave(decision, counters) {
        (hold.reason(), hold.to_string())
    } else if gate.gate == Gate::Limited {
        return condition("RestartsAllowed", ConditionStatus::True, why_shut(gate), gate.message.clone());
    } else {
        return condition("RestartsAllowed", ConditionStatus::True, "Open", "restarts may start".to_owned());
    };
    condition("RestartsAllowed", ConditionStatus::False, reason, message)
}

/// The wave hold that is worth a condition: one that something other than restarts of ours ends.
fn shut_wave<'a>(decision: &'a Decision, counters: &Counters) -> Option<&'a WaveHold> {
    let Some(Hold::Wave(hold)) = &decision.hold else { return None };
    match hold {
        WaveHold::Soaks { .. } | WaveHold::NotApproved { .. } => Some(hold),
        // Somebody else's rollout may never end, and a budget may never allow anything: then the message names it.
        WaveHold::Earlier { .. } => Some(hold).filter(|_| counters.in_flight == 0),
    }
}

/// What shuts or limits a gate, in one word.
fn why_shut(gate: &GateFact) -> &'static str {
    match &gate.by {
        ShutBy::Preconditions => "PreconditionsNotMet",
        ShutBy::Query { pending: true, .. } => "GatePending",
        ShutBy::Query { .. } => "GateShut",
        ShutBy::PendingPods => "PendingPods",
        ShutBy::Throttling => "Throttled",
    }
}

/// A bounded list: what goes first, then the workloads in scope, each once.
fn listed(
    plan: &Plan,
    verdict: impl Fn(&Verdict) -> bool,
    first_state: impl Fn(&FirstState) -> bool,
) -> Vec<ListedWorkload> {
    let first: Vec<&FirstRestart> = plan.first.iter().filter(|first| first_state(&first.state)).collect();
    let entries = plan
        .entries
        .iter()
        .filter(|entry| verdict(&entry.verdict) && first.iter().all(|first| first.target != entry.id.named));
    first.iter().copied().map(listed_first).chain(entries.map(listed_entry)).take(LIST_LIMIT).collect()
}

fn listed_entry(entry: &PlanEntry) -> ListedWorkload {
    let (reason, mut message) = listed_verdict(&entry.verdict);
    if let Some(evicting) = &entry.evicting {
        message = format!("{message}: {evicting}");
    }
    ListedWorkload { workload: entry.id.to_string(), reason: reason.to_owned(), message }
}

fn listed_alone(alone: &LeftAlone) -> ListedWorkload {
    ListedWorkload { workload: alone.what.clone(), reason: alone.reason().to_owned(), message: alone.to_string() }
}

fn listed_first(first: &FirstRestart) -> ListedWorkload {
    let (reason, message) = match &first.state {
        FirstState::Missing => ("NotFound", "to be restarted first, but there is no such workload".to_owned()),
        FirstState::Refused { message, .. } => {
            listed_verdict(&Verdict::Blocked(BlockedReason::Refused(message.clone())))
        }
        FirstState::Blocked(why) => listed_verdict(&Verdict::Blocked(why.clone())),
        FirstState::Failed => listed_verdict(&Verdict::Failed(FailedReason::NotCompleteInTime)),
        FirstState::Due { .. } | FirstState::InFlight(_) | FirstState::Done => {
            ("RestartedFirst", "being restarted before the workloads in scope".to_owned())
        }
    };
    ListedWorkload { workload: first.target.to_string(), reason: reason.to_owned(), message }
}

fn listed_verdict(verdict: &Verdict) -> (&'static str, String) {
    (verdict.reason().unwrap_or(verdict.as_str()), verdict.to_string())
}
