//! A plan as it is shown: what people read in the table is what programs read as JSON.

use flippy_core::{
    AdmissionHold, BlockedReason, Counters, Decision, DriftReason, FirstRestart, FirstState, Hold, LeftAlone, Method,
    NamedWorkload, Plan, PlanEntry, Policy, PolicyName, PreconditionFact, QueryGateFact, QueryState, StatusFacts,
    Verdict, Waves, annotation,
};
use serde::Serialize;

pub(crate) use super::wave_view::{EstimateView, WaveView};

/// One config.
#[derive(Debug, Serialize)]
pub(crate) struct ConfigView {
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// Why it is no policy.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) problems: Vec<String>,
    #[serde(flatten)]
    pub(crate) plan: Option<PlanView>,
}

/// Its plan.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlanView {
    pub(crate) notes: Vec<NoteView>,
    pub(crate) suspended: bool,
    pub(crate) dry_run: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) only_namespace: Option<String>,
    /// What admission gives is wanted, whatever that is.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) wants_what_admission_gives: bool,
    pub(crate) desired_images: Vec<String>,
    pub(crate) desired_images_hash: String,
    /// Why nothing is in scope.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) selects_nothing: Option<String>,
    pub(crate) preconditions: Vec<PreconditionView>,
    pub(crate) gates: Vec<GateView>,
    pub(crate) restart_first: Vec<FirstView>,
    pub(crate) workloads: Vec<WorkloadView>,
    /// Stale pods that no workload of a kind that is restarted owns, by owner.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) left_alone: Vec<LeftAloneView>,
    pub(crate) counters: CountersView,
    pub(crate) starts_now: Vec<NamedView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hold: Option<HoldView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) campaign: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) waves: Vec<WaveView>,
    #[serde(flatten)]
    pub(crate) estimate: EstimateView,
}

#[derive(Debug, Serialize)]
pub(crate) struct NoteView {
    pub(crate) path: String,
    pub(crate) message: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct NamedView {
    pub(crate) kind: &'static str,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct PreconditionView {
    #[serde(flatten)]
    pub(crate) workload: NamedView,
    pub(crate) met: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) message: String,
}

/// A gate that asks Prometheus, as the operator last found it.
#[derive(Debug, Serialize)]
pub(crate) struct GateView {
    pub(crate) name: String,
    pub(crate) state: &'static str,
    pub(crate) message: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct FirstView {
    #[serde(flatten)]
    pub(crate) workload: NamedView,
    pub(crate) state: &'static str,
    pub(crate) message: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WorkloadView {
    #[serde(flatten)]
    pub(crate) workload: NamedView,
    pub(crate) uid: String,
    pub(crate) verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<&'static str>,
    pub(crate) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) container: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) image: Option<String>,
    pub(crate) pods: usize,
    pub(crate) stale_pods: usize,
    pub(crate) healthy: bool,
    /// How it is restarted.
    pub(crate) method: &'static str,
    /// The how-manieth restart for these images the next one would be.
    pub(crate) attempt: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) restarted_at: Option<String>,
    /// When time alone changes the verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) wave: Option<String>,
    /// Why it is to be restarted, but not now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) waits_for: Option<HoldView>,
}

#[derive(Debug, Serialize)]
pub(crate) struct LeftAloneView {
    pub(crate) what: String,
    pub(crate) pods: usize,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CountersView {
    pub(crate) fresh: usize,
    pub(crate) restart: usize,
    pub(crate) in_flight: usize,
    pub(crate) converging: usize,
    pub(crate) blocked: usize,
    pub(crate) futile: usize,
    pub(crate) idle: usize,
    pub(crate) failed: usize,
    pub(crate) total: usize,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct HoldView {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    /// When time alone ends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) until: Option<String>,
}

impl ConfigView {
    pub(crate) fn of_problems(name: &PolicyName, problems: &[String]) -> Self {
        Self {
            namespace: name.namespace.to_string(),
            name: name.name.to_string(),
            problems: problems.to_vec(),
            plan: None,
        }
    }

    pub(crate) fn of_plan(
        policy: &Policy,
        plan: &Plan,
        facts: &StatusFacts,
        waves: &Waves,
        decision: &Decision,
        hint: Option<String>,
    ) -> Self {
        let notes = policy.notes.iter().map(|note| NoteView { path: note.path.clone(), message: note.message.clone() });
        let unserved = plan.unserved.iter();
        let unserved =
            unserved.map(|why| NoteView { path: "spec.RestartObjects".to_owned(), message: why.to_string() });
        let plan = PlanView {
            notes: notes.chain(unserved).collect(),
            suspended: policy.suspended,
            dry_run: policy.dry_run,
            only_namespace: policy.scope.only_namespace.as_ref().map(ToString::to_string),
            wants_what_admission_gives: !policy.names_images(),
            desired_images: plan.wanted.iter().map(ToString::to_string).collect(),
            desired_images_hash: plan.wanted.hash().to_owned(),
            selects_nothing: hint,
            preconditions: facts.preconditions.iter().map(precondition).collect(),
            gates: facts.gates.iter().map(gate).collect(),
            restart_first: plan.first.iter().map(first).collect(),
            workloads: plan.entries.iter().map(|entry| workload(entry, waves, decision)).collect(),
            left_alone: plan.left_alone.iter().map(left_alone).collect(),
            counters: counters(facts.counters),
            starts_now: decision.starts.iter().map(|start| named(&start.id.named)).collect(),
            hold: decision.hold.as_ref().map(hold),
            campaign: facts.campaign.as_ref().map(ToString::to_string),
            waves: facts.waves.iter().map(WaveView::new).collect(),
            estimate: EstimateView::new(&facts.estimate),
        };
        Self { plan: Some(plan), ..Self::of_problems(&policy.name, &[]) }
    }

    /// What is wrong with it, one problem a line.
    pub(crate) fn problem_lines(&self) -> impl Iterator<Item = String> {
        self.problems.iter().map(|problem| format!("FlippyConfig {}/{}: {problem}", self.namespace, self.name))
    }

    /// Whether any workload has a stale pod.
    pub(crate) fn has_stale_workloads(&self) -> bool {
        self.plan.iter().flat_map(|plan| &plan.workloads).any(|workload| workload.stale_pods > 0)
    }
}

fn left_alone(alone: &LeftAlone) -> LeftAloneView {
    LeftAloneView { what: alone.what.clone(), pods: alone.pods, reason: alone.reason(), message: alone.to_string() }
}

pub(crate) fn named(workload: &NamedWorkload) -> NamedView {
    NamedView {
        kind: workload.kind.as_str(),
        namespace: workload.namespace.to_string(),
        name: workload.name.to_string(),
    }
}

fn workload(entry: &PlanEntry, waves: &Waves, decision: &Decision) -> WorkloadView {
    let drift = match &entry.verdict {
        Verdict::Restart(drift) => Some(drift),
        Verdict::Futile(why) => Some(why.drift()),
        _ => None,
    };
    WorkloadView {
        workload: named(&entry.id.named),
        uid: entry.id.uid.to_string(),
        verdict: entry.verdict.as_str(),
        reason: entry.verdict.reason(),
        message: message(entry),
        container: drift.map(|DriftReason { container, .. }| container.to_string()),
        image: drift.map(|DriftReason { image, .. }| image.clone()),
        pods: entry.pods,
        stale_pods: entry.stale_pods,
        healthy: entry.healthy,
        method: entry.method.as_str(),
        attempt: entry.token.attempt,
        restarted_at: entry.mark.as_ref().map(|mark| mark.at.to_string()),
        until: entry.recheck_at.map(|at| at.to_string()),
        wave: waves.wave_of(entry).map(|wave| wave.name.to_string()),
        waits_for: waits_for(entry, waves, decision),
    }
}

/// Why it does not start now, if it is to be restarted.
fn waits_for(entry: &PlanEntry, waves: &Waves, decision: &Decision) -> Option<HoldView> {
    let is_due = matches!(entry.verdict, Verdict::Restart(_));
    decision.hold_of(entry, waves).filter(|_| is_due).map(|held| hold(&held))
}

/// What it waits for, and until when.
pub(crate) fn message(entry: &PlanEntry) -> String {
    let mut message = match &entry.verdict {
        // A dry run runs other people's webhooks: whoever only looks asks nobody.
        Verdict::Blocked(BlockedReason::Admission(AdmissionHold::NotAsked)) => {
            "what a new pod would get is asked before anything is restarted, and not for a plan".to_owned()
        }
        verdict => verdict.to_string(),
    };
    match &entry.evicting {
        Some(evicting) => message = format!("{message}: {evicting}"),
        // What is not done as usual is said.
        None if matches!(entry.verdict, Verdict::Restart(_)) && entry.method == Method::Evict => {
            message = format!("{message}; its pods are to be evicted one by one, because {}", entry.why_method);
        }
        None => {}
    }
    match (&entry.verdict, entry.recheck_at) {
        (Verdict::InFlight, Some(until)) => format!("{message}, until {until:.0} at most"),
        (Verdict::Blocked(_) | Verdict::Futile(_), Some(at)) => format!("{message}; next try at {at:.0}"),
        _ => message,
    }
}

fn precondition(fact: &PreconditionFact) -> PreconditionView {
    PreconditionView { workload: named(&fact.target), met: fact.met, message: fact.message.clone() }
}

fn gate(fact: &QueryGateFact) -> GateView {
    let (state, message) = match fact.state {
        QueryState::Open => ("Open", "open when the operator last asked".to_owned()),
        QueryState::Pending => ("Pending", format!("not open yet, says the operator: {}", fact.message)),
        QueryState::Shut => ("Shut", format!("shut, says the operator: {}", fact.message)),
        QueryState::NotAsked => {
            ("NotAsked", "the operator asks it, and only while something is to be restarted".to_owned())
        }
    };
    GateView { name: fact.name.to_string(), state, message }
}

fn first(first: &FirstRestart) -> FirstView {
    let (state, message) = first_state(&first.state);
    FirstView { workload: named(&first.target), state, message }
}

/// Where a workload is that is restarted before the rest: a word, and a line.
pub(crate) fn first_state(state: &FirstState) -> (&'static str, String) {
    match state {
        FirstState::Missing => ("Missing", "there is no such workload, or none that this config may act on".to_owned()),
        FirstState::Blocked(blocked) => ("Blocked", Verdict::Blocked(blocked.clone()).to_string()),
        FirstState::Due { .. } => ("Due", "to be restarted, once, before the workloads in scope".to_owned()),
        FirstState::Refused { message, retry_at } => {
            ("Refused", format!("its restart was refused, next try at {retry_at:.0}: {message}"))
        }
        FirstState::InFlight(until) => ("InFlight", format!("being restarted, until {until:.0} at most")),
        FirstState::Done => ("Done", "restarted for these images already".to_owned()),
        FirstState::Failed => {
            ("Failed", "its restart was not completely rolled out in time: look at its pods".to_owned())
        }
    }
}

pub(crate) fn hold(hold: &Hold) -> HoldView {
    let (reason, message) = match hold {
        Hold::Suspended => ("Suspended", "spec.Suspend is true: set it to false to let restarts start".to_owned()),
        Hold::DryRun => ("DryRun", "spec.DryRun is true: set it to false to let restarts start".to_owned()),
        Hold::ImageSource(why) => ("ImageSourceUnavailable", why.to_string()),
        Hold::Preconditions(message) => ("PreconditionsNotMet", message.clone()),
        Hold::Gate { name, why } => ("GateShut", format!("gate {name}: {why}")),
        Hold::PendingPods(message) => ("PendingPods", message.clone()),
        Hold::Throttled => ("Throttled", "the API server is too busy for more at once".to_owned()),
        Hold::Futile => (
            "RestartsFutile",
            "restarted pods come up with the same stale image: upgrade the mesh, or correct spec.ImageList".to_owned(),
        ),
        Hold::Unproven => {
            ("Unproven", "no new pod was seen with a wanted image yet: a few restarts go first".to_owned())
        }
        Hold::Waiting(workload) => ("Waiting", format!("the rest waits until {workload} is completely rolled out")),
        Hold::MaxConcurrent => (
            "MaxConcurrent",
            "as many as spec.Strategy.MaxConcurrent allows are under way: the rest waits until one is done".to_owned(),
        ),
        Hold::MaxConcurrentPerNamespace => (
            "MaxConcurrentPerNamespace",
            "the rest is in namespaces where as many as spec.Strategy.MaxConcurrentPerNamespace allows are under way"
                .to_owned(),
        ),
        Hold::Turn { turn, other } => (
            "Turn",
            format!("one at a time of what shares {turn}: the rest waits until {other} is completely rolled out"),
        ),
        Hold::MinInterval(at) => ("MinInterval", format!("spec.Strategy.MinInterval: the next may start at {at:.0}")),
        Hold::Window(Some(at)) => {
            ("OutsideWindow", format!("outside the windows of spec.Windows; they do not open before {at}"))
        }
        Hold::Window(None) => {
            ("OutsideWindow", "outside the windows of spec.Windows; no opening is in sight".to_owned())
        }
        Hold::WindowEnds(end) => {
            ("WindowEnds", format!("the window ends at {end}: a restart would not be expected to finish inside"))
        }
        Hold::WindowsTooShort(why) => ("WindowsTooShort", why.to_string()),
        Hold::Halted { failures, tolerated } => (
            "Halted",
            format!(
                "failed restarts: {failures}, tolerated: {tolerated} (spec.Strategy.MaxFailures): look at them, then set the \
                 annotation {} of the FlippyConfig to the time",
                annotation::RESUMED_AT
            ),
        ),
        Hold::Wave(wave) => (wave.reason(), wave.to_string()),
    };
    HoldView { reason, message, until: hold.until().map(|until| until.to_string()) }
}

fn counters(counters: Counters) -> CountersView {
    CountersView {
        fresh: counters.fresh,
        restart: counters.restart,
        in_flight: counters.in_flight,
        converging: counters.converging,
        blocked: counters.blocked,
        futile: counters.futile,
        idle: counters.idle,
        failed: counters.failed,
        total: counters.total(),
    }
}
