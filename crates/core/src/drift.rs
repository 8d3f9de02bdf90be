//! Whether a pod runs what is wanted.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::desired::DesiredImages;
use crate::pod::{Container, Pod};
use crate::verdict::{DriftReason, StaleBy};

/// How a pod's matched containers compare with the desired images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Drift {
    /// It has no container of interest.
    NoMatch,
    /// All of them run a wanted image.
    Fresh,
    /// None is known not to, but nobody can tell of one yet: a digest is wanted and the kubelet has not said which one it
    /// got, or it is not known what is wanted.
    Unknown,
    /// At least one does not; the first of them is named.
    Stale(DriftReason),
}

/// Compares one pod.
pub fn drift_of(pod: &Pod, containers: &BTreeSet<Arc<str>>, images: &DesiredImages) -> Drift {
    let of_interest = pod.containers.iter().filter(|container| containers.contains(&container.name));
    of_interest.map(|container| drift_from(pod, container, images)).collect()
}

/// Compares one container of a pod.
pub(crate) fn drift_from(pod: &Pod, container: &Container, images: &DesiredImages) -> Drift {
    if images.accepts(container) {
        Drift::Fresh
    } else if !pod.ready && images.may_accept(container) {
        Drift::Unknown
    } else {
        Drift::Stale(DriftReason::of(container, StaleBy::Image))
    }
}

/// The drift of a pod, from that of its containers.
impl FromIterator<Self> for Drift {
    fn from_iter<T: IntoIterator<Item = Self>>(containers: T) -> Self {
        let mut drift = Self::NoMatch;
        for one in containers {
            match one {
                Self::Stale(_) => return one,
                Self::Unknown => drift = one,
                Self::Fresh if drift == Self::NoMatch => drift = one,
                Self::Fresh | Self::NoMatch => {}
            }
        }
        drift
    }
}
