//! What a policy wants of the pods of one workload: its own images, or what admission would give a new pod.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use ahash::{HashMap, HashMapExt};

use crate::admission::{AdmissionAnswer, NewPod};
use crate::desired::DesiredImages;
use crate::drift::{Drift, drift_from};
use crate::image::ImageRef;
use crate::injection::{DriftDetection, MissingSidecar};
use crate::pod::{Container, Pod};
use crate::policy::{Policy, PolicyName};
use crate::snapshot::Snapshot;
use crate::verdict::{DriftReason, StaleBy};
use crate::workload::Workload;

/// Finds out what is wanted, workload by workload. Made once per pass: thousands of workloads get the same few images.
pub(crate) struct WantedImages<'a> {
    snapshot: &'a Snapshot,
    sets: RefCell<Sets>,
}

/// By whose mirrors they are compared with, and the images.
type Sets = HashMap<(PolicyName, Vec<ImageRef>), Arc<DesiredImages>>;

/// What one policy wants of the pods of one workload.
pub(crate) struct Wanted<'a, 'p> {
    pub(crate) images: Images<'p>,
    /// Names of the containers of interest.
    names: &'p BTreeSet<Arc<str>>,
    /// What admission said of a new pod, if it is asked.
    pub(crate) answer: Option<&'a AdmissionAnswer>,
    missing_sidecar: MissingSidecar,
}

/// Wanted images, and who names them.
pub(crate) enum Images<'p> {
    /// The policy.
    Named(&'p DesiredImages),
    /// Admission: those of a new pod.
    Given(Arc<DesiredImages>),
    /// Admission, which has not been asked, or gave no answer.
    NotKnown,
}

impl Images<'_> {
    /// The images, if they are known.
    pub(crate) fn known(&self) -> Option<&DesiredImages> {
        match self {
            Self::Named(images) => Some(images),
            Self::Given(images) => Some(images),
            Self::NotKnown => None,
        }
    }
}

impl<'a> WantedImages<'a> {
    pub(crate) fn new(snapshot: &'a Snapshot) -> Self {
        Self { snapshot, sets: RefCell::new(HashMap::new()) }
    }

    pub(crate) fn of<'p>(&self, workload: &Workload, policy: &'p Policy) -> Wanted<'a, 'p> {
        let (answer, missing_sidecar) = match policy.drift_detection {
            DriftDetection::Images => (None, MissingSidecar::Ignore),
            DriftDetection::Injection(missing) => (self.snapshot.admission_answer(workload), missing),
        };
        let images = if policy.names_images() {
            Images::Named(&policy.images)
        } else {
            match answer.map(|answer| &answer.new_pod) {
                Some(NewPod::Admitted(containers)) => Images::Given(self.set(containers, policy)),
                _ => Images::NotKnown,
            }
        };
        Wanted { images, names: &policy.scope.containers, answer, missing_sidecar }
    }

    fn set(&self, containers: &[Container], policy: &Policy) -> Arc<DesiredImages> {
        let of_interest = containers.iter().filter(|container| policy.scope.containers.contains(&container.name));
        let mut images: Vec<ImageRef> = of_interest.filter_map(|container| container.image.clone()).collect();
        images.sort_unstable();
        images.dedup();
        let make = |images: &[ImageRef]| {
            let set = DesiredImages::new(images.iter().cloned());
            Arc::new(set.with_mirrors_of(&policy.images))
        };
        let mut sets = self.sets.borrow_mut();
        sets.entry((policy.name.clone(), images)).or_insert_with_key(|(_, images)| make(images)).clone()
    }
}

impl<'a> Wanted<'a, '_> {
    /// Whether nobody knows what is wanted: admission was not asked, gave no answer, or would give no container of interest.
    pub(crate) fn is_open(&self) -> bool {
        match &self.images {
            Images::Named(_) => false,
            Images::Given(images) => images.is_empty(),
            Images::NotKnown => true,
        }
    }

    /// Compares one pod.
    pub(crate) fn drift_of(&self, pod: &Pod) -> Drift {
        let expected = self.expected();
        let drift = pod.containers.iter().filter(|container| self.names.contains(&container.name)).map(|container| {
            // Nobody knows what to compare with: it counts as one of interest, and proves nothing.
            let Some(images) = self.images.known() else { return Drift::Unknown };
            let is_given = expected.is_none_or(|expected| has(expected, &container.name));
            match (is_given, self.missing_sidecar) {
                (false, MissingSidecar::Restart) => Drift::Stale(DriftReason::of(container, StaleBy::Superfluous)),
                (false, MissingSidecar::Ignore) if !matches!(self.images, Images::Named(_)) => Drift::Unknown,
                _ => drift_from(pod, container, images),
            }
        });
        let missing = expected.into_iter().flatten().filter(|container| {
            self.missing_sidecar == MissingSidecar::Restart
                && self.names.contains(&container.name)
                && !has(&pod.containers, &container.name)
        });
        drift.chain(missing.map(|container| Drift::Stale(DriftReason::of(container, StaleBy::Missing)))).collect()
    }

    /// The containers of a new pod, if admission has said so.
    pub(crate) fn expected(&self) -> Option<&'a [Container]> {
        match &self.answer?.new_pod {
            NewPod::Admitted(containers) => Some(containers),
            NewPod::Refused(_) | NewPod::Unknown(_) => None,
        }
    }

    /// Those of them that are of interest.
    pub(crate) fn expected_of_interest(&self) -> impl Iterator<Item = &'a Container> {
        self.expected().into_iter().flatten().filter(|container| self.names.contains(&container.name))
    }

    /// A container of interest that a pod has and a new one would not.
    pub(crate) fn lost_by<'b>(&self, pod: &'b Pod) -> Option<&'b Arc<str>> {
        let expected = self.expected()?;
        let of_interest = pod.containers.iter().map(|container| &container.name);
        of_interest.filter(|name| self.names.contains(*name)).find(|name| !has(expected, name))
    }

    /// Whether the containers of interest of a pod are what admission says of a new one, if it says anything.
    pub(crate) fn is_as_announced(&self, pod: &Pod) -> bool {
        let Some(expected) = self.expected() else { return true };
        let of_interest = pod.containers.iter().filter(|container| self.names.contains(&container.name));
        let is_expected = |container: &Container| {
            let mut same = expected.iter().filter(|expected| expected.name == container.name);
            same.any(|expected| expected.image == container.image)
        };
        of_interest.clone().all(is_expected) && of_interest.count() == self.expected_of_interest().count()
    }

    pub(crate) fn missing_sidecar(&self) -> MissingSidecar {
        self.missing_sidecar
    }
}

fn has(containers: &[Container], name: &Arc<str>) -> bool {
    containers.iter().any(|container| container.name == *name)
}
