//! Which new pods to ask admission about, and when.

use jiff::{SignedDuration, Timestamp};

use crate::admission::{AskedAbout, NewPod, template_holder};
use crate::snapshot::Snapshot;
use crate::workload::{NamedWorkload, Workload, WorkloadRef};

/// How often each question is asked again: admission cannot be watched. Documented in docs/drift.md.
const EVERY: SignedDuration = SignedDuration::from_mins(10);

/// How soon it is asked again when there was no pod to look at, or there is reason to believe that the answer has changed.
const SOON: SignedDuration = SignedDuration::from_mins(1);

/// How soon it is asked again when the template that was found is not the one that the watch shows yet.
const AT_ONCE: SignedDuration = SignedDuration::from_secs(5);

/// Questions of one plan. The next pass, a moment later, has the next ones.
const MAX_QUESTIONS: usize = 64;

/// A question to admission: what would a new pod of this workload get?
#[derive(Clone, Debug)]
pub struct AdmissionQuestion {
    /// Whose pod.
    pub workload: WorkloadRef,
    /// Who holds the template that it is made from.
    pub template: NamedWorkload,
    /// What is asked, as far as the watch shows it.
    pub about: AskedAbout,
}

/// What to ask now, the most urgent first, and when something else is due.
#[derive(Clone, Debug, Default)]
pub struct AdmissionQuestions {
    /// At most 64.
    pub due: Vec<AdmissionQuestion>,
    /// When the next one is due, apart from those.
    pub next_at: Option<Timestamp>,
}

/// Collects the questions of one plan.
pub(crate) struct Asking<'a> {
    snapshot: &'a Snapshot,
    now: Timestamp,
    due: Vec<(Urgency, Option<Timestamp>, &'a Workload)>,
    next_at: Option<Timestamp>,
}

/// The most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Urgency {
    /// Nothing is known.
    NoAnswer,
    /// What is known is probably not true any more.
    Doubtful,
    /// It is merely time.
    Routine,
}

impl<'a> Asking<'a> {
    pub(crate) fn new(snapshot: &'a Snapshot, now: Timestamp) -> Self {
        Self { snapshot, now, due: Vec::new(), next_at: None }
    }

    /// Adds the question about one workload, if it is due. `contradicted_at` is when a pod of it was created that is not what
    /// admission had said.
    pub(crate) fn consider(&mut self, workload: &'a Workload, contradicted_at: Option<Timestamp>) {
        let answers = self.snapshot.admission_answers();
        // A clock that was set back since must not keep it from being asked.
        let last_asked = answers.last_asked(&workload.id.uid).filter(|at| *at <= self.now);
        let (urgency, after) = match answers.of(workload, self.snapshot) {
            None => (Urgency::NoAnswer, AT_ONCE),
            Some(answer) => {
                // Pods are dated to the second: within one, nobody knows which came first.
                let is_contradicted = contradicted_at.is_some_and(|at| at.as_second() >= answer.asked_at.as_second());
                let is_outdated = is_contradicted || answers.changed_at().is_some_and(|at| at > answer.asked_at);
                match answer.new_pod {
                    NewPod::Admitted(_) if !is_outdated => (Urgency::Routine, EVERY),
                    _ => (Urgency::Doubtful, SOON),
                }
            }
        };
        let due_at = last_asked.map(|at| at.saturating_add(after).unwrap_or(Timestamp::MAX));
        match due_at.filter(|at| *at > self.now) {
            Some(later) => self.next_at = self.next_at.into_iter().chain([later]).min(),
            None => self.due.push((urgency, last_asked, workload)),
        }
    }

    pub(crate) fn questions(mut self) -> AdmissionQuestions {
        // Workloads come in a fixed order, and the sort is stable.
        self.due.sort_by_key(|(urgency, last_asked, _)| (*urgency, *last_asked));
        let question = |(_, _, workload): (Urgency, Option<Timestamp>, &Workload)| {
            Some(AdmissionQuestion {
                workload: workload.id.clone(),
                template: template_holder(workload).clone(),
                about: AskedAbout::new(workload, self.snapshot)?,
            })
        };
        AdmissionQuestions {
            due: self.due.into_iter().filter_map(question).take(MAX_QUESTIONS).collect(),
            next_at: self.next_at,
        }
    }
}

/// When admission was last known to give any new pod a container of this name.
pub(crate) fn given_at(snapshot: &Snapshot, container: &str) -> Option<Timestamp> {
    let answers = snapshot.admission_answers().iter();
    let giving = answers.filter(|answer| answer.given.iter().any(|given| **given == *container));
    giving.map(|answer| answer.asked_at).max()
}
