//! An explanation as it is shown: what people read is what programs read as JSON.

use flippy_core::{
    Drift, Explanation, FirstState, LastRestart, Link, PodFinding, PodIndex, PodState, Policy, PolicyName, Verdict,
    Wait, Workload,
};
use serde::Serialize;

use super::words;
use crate::exit;
use crate::plan::view::{NamedView, first_state, message, named};

/// Everything that is told of one workload.
#[derive(Debug, Serialize)]
pub(super) struct ExplanationView {
    #[serde(flatten)]
    pub(super) workload: NamedView,
    pub(super) uid: String,
    pub(super) outcome: Outcome,
    /// The outcome, for people.
    pub(super) summary: String,
    pub(super) configs: Vec<ConfigView>,
    /// What is odd about the workload itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) notes: Vec<String>,
}

/// What comes of it all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) enum Outcome {
    /// No config is about it, or its pods are as they should be.
    NothingToDo,
    /// It is stale; it will be restarted, or is being.
    NotDone,
    /// It is stale or has failed, and somebody must do something.
    NeedsAPerson,
}

/// The chain of one config.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ConfigView {
    pub(super) namespace: String,
    pub(super) name: String,
    /// Whether it has the workload in scope, or restarts it before the rest.
    pub(super) is_about_it: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) problems: Vec<String>,
    pub(super) links: Vec<LinkView>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) pods: Vec<PodView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) verdict: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<&'static str>,
}

/// One link.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LinkView {
    pub(super) link: &'static str,
    pub(super) state: LinkState,
    pub(super) found: String,
    /// Where it fails or waits: what to change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) change: Option<String>,
    /// When time alone changes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) until: Option<String>,
    /// Not worth a line for people.
    #[serde(skip)]
    pub(super) trivial: bool,
}

/// Whether a link holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum LinkState {
    Holds,
    Fails,
    /// It is a fact, neither good nor bad.
    Fact,
}

/// One pod.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PodView {
    pub(super) name: String,
    /// From the pod to the workload.
    pub(super) owners: Vec<String>,
    pub(super) state: &'static str,
    pub(super) ready: bool,
    pub(super) created_at: String,
    pub(super) stale: bool,
    pub(super) predates_restart: bool,
    pub(super) containers: Vec<ContainerView>,
}

/// One container.
#[derive(Debug, Serialize)]
pub(super) struct ContainerView {
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) image: Option<String>,
    /// Absent where no config asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) wanted: Option<bool>,
}

impl Outcome {
    pub(super) fn exit_code(self) -> u8 {
        match self {
            Self::NothingToDo => 0,
            Self::NotDone => exit::STALE,
            Self::NeedsAPerson => exit::NEEDS_A_PERSON,
        }
    }

    fn of(explanation: &Explanation) -> Self {
        let first = match explanation.first() {
            Some(FirstState::InFlight(_) | FirstState::Refused { .. }) => Self::NotDone,
            Some(FirstState::Due { .. }) if explanation.links.iter().any(|link| matches!(link, Link::Waits(_))) => {
                Self::NotDone
            }
            Some(FirstState::Failed | FirstState::Blocked(_)) => Self::NeedsAPerson,
            _ => Self::NothingToDo,
        };
        let entry = explanation.entry().map(|entry| match entry.verdict {
            Verdict::Fresh | Verdict::Idle => Self::NothingToDo,
            Verdict::Restart(_) | Verdict::InFlight | Verdict::Converging => Self::NotDone,
            Verdict::Blocked(_) | Verdict::Futile(_) | Verdict::Failed(_) => Self::NeedsAPerson,
        });
        entry.unwrap_or(Self::NothingToDo).max(first)
    }
}

impl ExplanationView {
    pub(super) fn new(workload: &Workload, configs: Vec<(ConfigView, Outcome)>, notes: Vec<String>) -> Self {
        let worst = configs.iter().map(|(_, outcome)| *outcome).max().unwrap_or(Outcome::NothingToDo);
        let about: Vec<&ConfigView> =
            configs.iter().map(|(config, _)| config).filter(|config| config.is_about_it).collect();
        let unknown = configs.iter().any(|(config, _)| !config.problems.is_empty());
        let decisive = configs.iter().find(|(config, outcome)| *outcome == worst && config.is_about_it);
        let summary = match decisive {
            Some((config, _)) if about.len() == 1 => config.conclusion(),
            Some((config, _)) => {
                format!(
                    "{} (FlippyConfig {}/{}, of {} about it)",
                    config.conclusion(),
                    config.namespace,
                    config.name,
                    about.len()
                )
            }
            None if configs.is_empty() => "there is no FlippyConfig, so nothing restarts it".to_owned(),
            None if unknown => "no valid FlippyConfig is about it".to_owned(),
            None => "no FlippyConfig is about it, so nothing restarts it".to_owned(),
        };
        Self {
            workload: named(&workload.id.named),
            uid: workload.id.uid.to_string(),
            outcome: worst,
            summary,
            configs: configs.into_iter().map(|(config, _)| config).collect(),
            notes,
        }
    }
}

impl ConfigView {
    pub(super) fn of_problems(name: &PolicyName, problems: &[String]) -> (Self, Outcome) {
        let view = Self {
            namespace: name.namespace.to_string(),
            name: name.name.to_string(),
            is_about_it: false,
            problems: problems.to_vec(),
            links: Vec::new(),
            pods: Vec::new(),
            verdict: None,
            reason: None,
        };
        (view, Outcome::NothingToDo)
    }

    pub(super) fn of(
        policy: &Policy,
        explanation: &Explanation,
        workload: &Workload,
        pods: &PodIndex<'_>,
    ) -> (Self, Outcome) {
        let mut view = Self::of_problems(&policy.name, &[]).0;
        view.is_about_it = explanation.is_in_scope() || explanation.first().is_some();
        let verdict = explanation.entry().map(|entry| &entry.verdict);
        (view.verdict, view.reason) = (verdict.map(Verdict::as_str), verdict.and_then(Verdict::reason));
        for link in &explanation.links {
            if let Link::Pods(found) = link {
                view.pods = found.iter().map(|pod| PodView::of(pod, workload)).collect();
            }
            view.links.push(words::link(link, policy, workload, pods));
        }
        (view, Outcome::of(explanation))
    }

    /// The last thing that follows.
    fn conclusion(&self) -> String {
        let found = |name: &str| self.links.iter().rev().find(|link| link.link == name).map(|link| link.found.clone());
        let first = found("first");
        let verdict = self.verdict.and(found("verdict")).or(first).unwrap_or_default();
        let waits = found("waits").map(|waits| format!("; {waits}")).unwrap_or_default();
        format!("{verdict}{waits}")
    }
}

impl PodView {
    fn of(pod: &PodFinding, workload: &Workload) -> Self {
        let own = &workload.id;
        let owner = pod.owner.as_ref().filter(|owner| owner.uid != own.uid);
        let owners = owner.map(|owner| format!("{} {}", owner.kind, owner.name)).into_iter();
        let containers = pod.containers.iter().map(|container| ContainerView {
            name: container.name.to_string(),
            image: container.image.as_ref().map(ToString::to_string),
            wanted: container.wanted,
        });
        Self {
            name: pod.name.to_string(),
            owners: owners.chain([format!("{} {}", own.named.kind, own.named.name)]).collect(),
            state: match pod.state {
                PodState::Live => "Live",
                PodState::Terminating => "Terminating",
                PodState::Finished => "Finished",
            },
            ready: pod.ready,
            created_at: pod.created_at.to_string(),
            stale: matches!(pod.drift, Drift::Stale(_)),
            predates_restart: pod.predates_restart,
            containers: containers.collect(),
        }
    }
}

/// Words for the rest of the chain, which are the same as those of a plan.
pub(super) fn rest(link: &Link) -> LinkView {
    match link {
        Link::Verdict(entry) => {
            let reason = entry.verdict.reason().map(|reason| format!(" ({reason})")).unwrap_or_default();
            let state = match entry.verdict {
                Verdict::Fresh => LinkState::Holds,
                Verdict::Blocked(_) | Verdict::Futile(_) | Verdict::Failed(_) => LinkState::Fails,
                _ => LinkState::Fact,
            };
            let found = format!("{}{reason}: {}", entry.verdict.as_str(), message(entry));
            LinkView { until: entry.recheck_at.map(|at| at.to_string()), ..LinkView::new("verdict", state, found) }
        }
        Link::First(state) => {
            let (word, found) = first_state(state);
            let is_bad = matches!(state, FirstState::Blocked(_) | FirstState::Failed | FirstState::Missing);
            let state = if is_bad { LinkState::Fails } else { LinkState::Fact };
            LinkView::new("first", state, format!("restarted before the workloads in scope: {word}, {found}"))
        }
        Link::LastRestart(last) => LinkView::new("last restart", LinkState::Fact, last_restart(last)),
        Link::Waits(wait) => waits(wait),
        Link::Pods(_) | Link::Scope(_) => LinkView::new("", LinkState::Fact, String::new()),
    }
}

impl LinkView {
    pub(super) fn new(link: &'static str, state: LinkState, found: String) -> Self {
        Self { link, state, found, change: None, until: None, trivial: false }
    }
}

fn last_restart(last: &LastRestart) -> String {
    match last {
        LastRestart::None => "none by Flippy that its annotations show".to_owned(),
        LastRestart::ForTheseImages(mark) => {
            format!("at {:.0} for these images, attempt {}", mark.at, mark.token.attempt)
        }
        LastRestart::ForOthers(mark) => {
            format!("at {:.0} for other images ({}), so it does not count", mark.at, mark.token)
        }
    }
}

fn waits(wait: &Wait) -> LinkView {
    let fact = |found: String| LinkView::new("waits", LinkState::Fact, found);
    match wait {
        Wait::Nothing => fact("it is the next to be restarted, at once when an operator is at work".to_owned()),
        Wait::Turn(before) => fact(format!("for its turn: {before} go before it")),
        Wait::CompleteBy(at) => LinkView {
            until: Some(at.to_string()),
            ..fact(format!("until it is completely rolled out, at most until {at:.0}"))
        },
        Wait::NextTry(at) => LinkView { until: Some(at.to_string()), ..fact(format!("until {at:.0}, the next try")) },
        Wait::Hold(hold) => {
            let hold = crate::plan::view::hold(hold);
            LinkView { until: hold.until, ..fact(format!("{} ({})", hold.message, hold.reason)) }
        }
    }
}
