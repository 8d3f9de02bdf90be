//! What admission would make of a new pod of a workload, asked beforehand by a dry run.

use std::sync::Arc;

use ahash::HashMap;
use jiff::{SignedDuration, Timestamp};

use crate::labels::Labels;
use crate::mark::annotation;
use crate::pod::Container;
use crate::snapshot::Snapshot;
use crate::workload::{NamedWorkload, Workload};

/// How often one changed answer may put all others into question. An injector whose replicas disagree gives another answer
/// each time.
const CHANGES_COUNT_EVERY: SignedDuration = SignedDuration::from_mins(5);

/// What a question was about. With an equal template in an equal namespace, only the injector itself can make a difference.
#[derive(Clone, Debug)]
pub struct AskedAbout {
    /// Labels of the namespace.
    pub namespace_labels: Labels,
    /// Labels of the pod template.
    pub template_labels: Labels,
    /// Annotations of the pod template.
    pub template_annotations: Labels,
    /// See [`Workload::template_fingerprint`].
    pub template_fingerprint: u64,
}

/// What a new pod would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewPod {
    /// It would have these containers.
    Admitted(Arc<[Container]>),
    /// It would not be created, for this reason, in the words of the API server.
    Refused(Arc<str>),
    /// Nobody can tell, for this reason.
    Unknown(Arc<str>),
}

/// What admission said of a new pod of one workload.
#[derive(Clone, Debug)]
pub struct AdmissionAnswer {
    /// What it was asked about.
    pub about: AskedAbout,
    /// When it was asked: what it says was true no earlier.
    pub asked_at: Timestamp,
    /// What it said.
    pub new_pod: NewPod,
    /// Names of the containers that admission itself gave that pod: in the template they do not stand, or with another
    /// image. Only they tell that an injector is alive.
    pub given: Arc<[Arc<str>]>,
}

#[derive(Clone, Debug)]
struct Known {
    last: AdmissionAnswer,
    /// When it was first given: all answers since were the same.
    since: Timestamp,
}

/// The last answer about each workload, by uid.
#[derive(Clone, Debug, Default)]
pub(crate) struct AdmissionAnswers {
    by_uid: HashMap<Arc<str>, Known>,
    changed_at: Option<Timestamp>,
}

impl AskedAbout {
    /// What a question about a new pod of this workload is about. `None` while nobody knows its template or its namespace.
    pub fn new(workload: &Workload, snapshot: &Snapshot) -> Option<Self> {
        let template = template_of(workload, snapshot)?;
        Some(Self {
            namespace_labels: snapshot.namespace(&workload.id.named.namespace)?.clone(),
            template_labels: template.template_labels.clone(),
            template_annotations: template.template_annotations.clone(),
            template_fingerprint: template.template_fingerprint,
        })
    }

    fn is_same(&self, other: &Self) -> bool {
        self.template_fingerprint == other.template_fingerprint
            && self.namespace_labels == other.namespace_labels
            && self.template_labels == other.template_labels
            && same_but_ours(&self.template_annotations, &other.template_annotations)
    }

    /// Whether a question about this workload would still be the same.
    fn is_about(&self, workload: &Workload, snapshot: &Snapshot) -> bool {
        Self::new(workload, snapshot).is_some_and(|now| self.is_same(&now))
    }
}

/// Who holds the template: an Argo Rollout with `workloadRef` keeps none of its own.
fn template_of<'a>(workload: &'a Workload, snapshot: &'a Snapshot) -> Option<&'a Workload> {
    workload.template_from.as_ref().map_or(Some(workload), |named| snapshot.workload(named))
}

/// A restart annotates the template, and changes nothing that an injector looks at: asking anew after each would cost as
/// many questions as restarts.
fn same_but_ours(one: &Labels, another: &Labels) -> bool {
    fn others(labels: &Labels) -> impl Iterator<Item = (&Arc<str>, &Arc<str>)> {
        labels.iter().filter(|(key, _)| !key.starts_with(annotation::PREFIX))
    }
    one == another || others(one).eq(others(another))
}

impl AdmissionAnswers {
    /// Takes an answer. Says whether it differs from what was known.
    pub(crate) fn note(&mut self, uid: Arc<str>, answer: AdmissionAnswer) -> bool {
        let known = self.by_uid.get(&uid);
        let before = known.map(|known| &known.last).filter(|before| before.about.is_same(&answer.about));
        let is_news = before.is_none_or(|before| before.new_pod != answer.new_pod);
        let other_pod = |before: &AdmissionAnswer| matches!((&before.new_pod, &answer.new_pod), (NewPod::Admitted(one), NewPod::Admitted(another)) if one != another);
        let is_too_soon = self.changed_at.is_some_and(|at| answer.asked_at.duration_since(at) < CHANGES_COUNT_EVERY);
        if before.is_some_and(other_pod) && !is_too_soon {
            self.changed_at = Some(answer.asked_at);
        }
        let since = known.map(|known| known.since).filter(|since| !is_news && *since <= answer.asked_at);
        let since = since.unwrap_or(answer.asked_at);
        self.by_uid.insert(uid, Known { last: answer, since });
        is_news
    }

    /// The answer about a workload as it is now.
    pub(crate) fn of(&self, workload: &Workload, snapshot: &Snapshot) -> Option<&AdmissionAnswer> {
        let last = self.by_uid.get(&workload.id.uid).map(|known| &known.last);
        last.filter(|answer| answer.about.is_about(workload, snapshot))
    }

    /// When it was last asked about a workload, whatever that was then.
    pub(crate) fn last_asked(&self, uid: &str) -> Option<Timestamp> {
        self.by_uid.get(uid).map(|known| known.last.asked_at)
    }

    /// Since when the answer about a workload has been what it is.
    pub(crate) fn same_since(&self, uid: &str) -> Option<Timestamp> {
        self.by_uid.get(uid).map(|known| known.since)
    }

    /// When an answer was last seen to differ from the one before, although nothing was changed but the injector. Answers
    /// from before that are worth asking for anew.
    pub(crate) fn changed_at(&self) -> Option<Timestamp> {
        self.changed_at
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &AdmissionAnswer> {
        self.by_uid.values().map(|known| &known.last)
    }

    pub(crate) fn forget(&mut self, uid: &str) {
        self.by_uid.remove(uid);
    }

    pub(crate) fn retain(&mut self, keep: impl Fn(&Arc<str>) -> bool) {
        self.by_uid.retain(|uid, _| keep(uid));
    }
}

/// Whose template a new pod of a workload is made from.
pub(crate) fn template_holder(workload: &Workload) -> &NamedWorkload {
    workload.template_from.as_ref().unwrap_or(&workload.id.named)
}
