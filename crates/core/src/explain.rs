//! The chain of reasoning about one workload, link by link, for whoever asks why it was, or was not, restarted.

use std::sync::Arc;

use jiff::Timestamp;

use crate::custom_rollout::are_told_by_age;
use crate::drift::Drift;
use crate::image::ImageRef;
use crate::mark::RestartMark;
use crate::pace::{Decision, Hold};
use crate::plan::{FirstState, Plan, PlanEntry, predates};
use crate::pod::{Pod, PodState};
use crate::policy::{Policy, PolicyName};
use crate::question::{ScopeLink, ScopeQuestion};
use crate::snapshot::{PodIndex, Snapshot};
use crate::verdict::Verdict;
use crate::wanted::{Wanted, WantedImages};
use crate::waves::Waves;
use crate::workload::{Kind, NamedWorkload, Owner, Workload};

/// How one policy comes to what it does with one workload.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// Whose reasoning it is.
    pub policy: PolicyName,
    /// In the order in which one follows from the other.
    pub links: Vec<Link>,
}

/// One link of the chain. Where it fails, the rest does not follow.
#[derive(Clone, Debug)]
pub enum Link {
    /// A question of scope, and its answer.
    Scope(ScopeLink),
    /// Its pods, by name, also those that do not count. Only where they have a say.
    Pods(Vec<PodFinding>),
    /// The restart that Flippy made last.
    LastRestart(LastRestart),
    /// It is named to be restarted before the workloads in scope, and this is where it is.
    First(FirstState),
    /// What the plan says of it.
    Verdict(Box<PlanEntry>),
    /// What it waits for.
    Waits(Wait),
}

/// What is known of the last restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LastRestart {
    /// Flippy made none that the workload shows.
    None,
    /// It was made for what is wanted now.
    ForTheseImages(RestartMark),
    /// It was made for something else, or cannot be believed: it does not count.
    ForOthers(RestartMark),
}

/// What a workload waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wait {
    /// For nothing: it starts with the next pass.
    Nothing,
    /// For something that holds all restarts.
    Hold(Hold),
    /// For its turn: so many go before it.
    Turn(usize),
    /// Until its restart is completely rolled out, at most until then.
    CompleteBy(Timestamp),
    /// Until it is tried again.
    NextTry(Timestamp),
}

/// One pod of the workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodFinding {
    /// Its name.
    pub name: Arc<str>,
    /// The first link of its owner chain, which ends at the workload.
    pub owner: Option<Owner>,
    /// Whether it counts.
    pub state: PodState,
    /// Whether it is ready.
    pub ready: bool,
    /// When it was created.
    pub created_at: Timestamp,
    /// Whether it is from before the last restart.
    pub predates_restart: bool,
    /// How its containers of interest compare.
    pub drift: Drift,
    /// Its containers, init containers last.
    pub containers: Vec<ContainerFinding>,
}

/// One container of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerFinding {
    /// Its name.
    pub name: Arc<str>,
    /// What the pod's spec asks for. `None` when that is no image reference.
    pub image: Option<ImageRef>,
    /// Whether that is wanted. `None`: nobody asks for it.
    pub wanted: Option<bool>,
}

impl Explanation {
    /// Whether the workload is in scope.
    pub fn is_in_scope(&self) -> bool {
        self.scope().all(|link| link.met)
    }

    /// The questions of scope with their answers.
    pub fn scope(&self) -> impl Iterator<Item = &ScopeLink> {
        self.links.iter().filter_map(|link| if let Link::Scope(scope) = link { Some(scope) } else { None })
    }

    /// What the plan says of the workload, if it is in scope.
    pub fn entry(&self) -> Option<&PlanEntry> {
        self.links.iter().find_map(|link| if let Link::Verdict(entry) = link { Some(&**entry) } else { None })
    }

    /// Where it is, if it is restarted before the workloads in scope.
    pub fn first(&self) -> Option<&FirstState> {
        self.links.iter().find_map(|link| if let Link::First(state) = link { Some(state) } else { None })
    }
}

/// Explains what a policy does with a workload. `plan`, `waves` and `decision` are what one pass made for that policy, of
/// this very snapshot.
pub fn explain(
    policy: &Policy,
    plan: &Plan,
    waves: &Waves,
    decision: &Decision,
    workload: &Workload,
    snapshot: &Snapshot,
    pods: &PodIndex<'_>,
) -> Explanation {
    let named = &workload.id.named;
    let live = pods.of(&workload.id.uid);
    let wanted = WantedImages::new(snapshot).of(workload, policy);
    let matched = live.iter().filter(|pod| wanted.drift_of(pod) != Drift::NoMatch).count();
    let scope = policy.scope_links(workload, snapshot, live.len(), matched);
    let in_scope = scope.iter().all(|link| link.met);
    let entry = plan.entries.iter().find(|entry| entry.id == workload.id).filter(|_| in_scope);
    let first = plan.first.iter().find(|first| first.target == *named);
    // Whoever is told that no pod has the container wants to see the pods.
    let is_about_pods = scope.iter().all(|link| link.met || link.question == ScopeQuestion::Container);
    let mut links: Vec<Link> = scope.into_iter().map(Link::Scope).collect();
    if is_about_pods || first.is_some() {
        links.push(Link::Pods(pod_findings(policy, &wanted, workload, snapshot)));
    }
    if entry.is_some() || first.is_some() {
        links.push(Link::LastRestart(last_restart(workload, entry)));
    }
    links.extend(first.map(|first| Link::First(first.state.clone())));
    links.extend(entry.map(|entry| Link::Verdict(Box::new(entry.clone()))));
    let wait = match (first, entry) {
        (Some(first), _) if !matches!(first.state, FirstState::Done) => first_wait(&first.state, named, plan, decision),
        (_, Some(entry)) => wait(entry, plan, waves, decision),
        _ => None,
    };
    links.extend(wait.map(Link::Waits));
    Explanation { policy: policy.name.clone(), links }
}

fn pod_findings(policy: &Policy, wanted: &Wanted<'_, '_>, workload: &Workload, snapshot: &Snapshot) -> Vec<PodFinding> {
    let images = wanted.images.known();
    let token = workload.mark.as_ref().map(|mark| mark.token.to_string());
    let own = || snapshot.pods().filter(|pod| snapshot.root_of(pod) == Some(&workload.id.uid));
    let by_age = are_told_by_age(workload, own().filter(|pod| pod.is_live()));
    let finding = |pod: &Pod| PodFinding {
        name: pod.name.clone(),
        owner: pod.owner.clone(),
        state: pod.state,
        ready: pod.ready,
        created_at: pod.created_at,
        predates_restart: workload
            .mark
            .as_ref()
            .is_some_and(|mark| predates(pod, workload.kind(), mark, token.as_deref(), by_age)),
        drift: wanted.drift_of(pod),
        containers: pod
            .containers
            .iter()
            .map(|container| ContainerFinding {
                name: container.name.clone(),
                image: container.image.clone(),
                wanted: images
                    .filter(|_| policy.scope.containers.contains(&container.name))
                    .map(|images| images.accepts(container)),
            })
            .collect(),
    };
    let mut findings: Vec<PodFinding> = own().map(finding).collect();
    findings.sort_by(|a, b| a.name.cmp(&b.name));
    findings
}

/// A mark counts where the plan made it count.
fn last_restart(workload: &Workload, entry: Option<&PlanEntry>) -> LastRestart {
    match (&workload.mark, entry.and_then(|entry| entry.mark.as_ref())) {
        (None, _) => LastRestart::None,
        (Some(mark), Some(_)) => LastRestart::ForTheseImages(mark.clone()),
        (Some(mark), None) => LastRestart::ForOthers(mark.clone()),
    }
}

fn first_wait(state: &FirstState, named: &NamedWorkload, plan: &Plan, decision: &Decision) -> Option<Wait> {
    match state {
        FirstState::InFlight(until) => Some(Wait::CompleteBy(*until)),
        FirstState::Refused { retry_at, .. } => Some(Wait::NextTry(*retry_at)),
        // Only if anything needs a restart.
        FirstState::Due { .. } if plan.needs_restart() => {
            let starts = decision.starts.iter().any(|start| start.id.named == *named);
            Some(if starts { Wait::Nothing } else { decision.hold.clone().map_or(Wait::Turn(0), Wait::Hold) })
        }
        _ => None,
    }
}

fn wait(entry: &PlanEntry, plan: &Plan, waves: &Waves, decision: &Decision) -> Option<Wait> {
    match &entry.verdict {
        Verdict::Restart(_) => {
            let before = plan.entries.iter().take_while(|other| other.id != entry.id);
            let before = before.filter(|other| matches!(other.verdict, Verdict::Restart(_))).count();
            let starts = decision.starts.iter().any(|start| start.id == entry.id);
            let held = || decision.hold_of(entry, waves).map_or(Wait::Turn(before), Wait::Hold);
            Some(if starts { Wait::Nothing } else { held() })
        }
        Verdict::InFlight => entry.recheck_at.map(Wait::CompleteBy),
        Verdict::Blocked(_) | Verdict::Futile(_) => entry.recheck_at.map(Wait::NextTry),
        Verdict::Fresh | Verdict::Converging | Verdict::Idle | Verdict::Failed(_) => None,
    }
}

/// Argo Rollouts that take their pod template from a workload: that is where its pods are.
pub fn rollouts_made_from<'a>(
    named: &NamedWorkload,
    snapshot: &'a Snapshot,
) -> impl Iterator<Item = &'a NamedWorkload> {
    snapshot
        .workloads()
        .filter(move |workload| workload.kind() == Kind::ArgoRollout && workload.template_from.as_ref() == Some(named))
        .map(|workload| &workload.id.named)
}
