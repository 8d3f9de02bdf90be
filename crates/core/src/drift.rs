//! Whether a pod runs what is wanted.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::desired::DesiredImages;
use crate::pod::{Container, Pod};
use crate::verdict::DriftReason;

/// How a pod's matched containers compare with the desired images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Drift {
    /// It has no container of interest.
    NoMatch,
    /// All of them run a wanted image.
    Fresh,
    /// None is known not to, but a digest is wanted, and the kubelet has not said yet which one a container got.
    Unknown,
    /// At least one does not; the first of them is named.
    Stale(DriftReason),
}

/// Compares one pod.
pub fn drift_of(pod: &Pod, containers: &BTreeSet<Arc<str>>, images: &DesiredImages) -> Drift {
    let mut drift = Drift::NoMatch;
    for container in pod.containers.iter().filter(|container| containers.contains(&container.name)) {
        if images.accepts(container) {
            if drift == Drift::NoMatch {
                drift = Drift::Fresh;
            }
        } else if !pod.ready && images.may_accept(container) {
            drift = Drift::Unknown;
        } else {
            return Drift::Stale(DriftReason { container: container.name.clone(), image: written(container) });
        }
    }
    drift
}

fn written(container: &Container) -> String {
    container.image.as_ref().map_or_else(|| "(not an image reference)".to_owned(), ToString::to_string)
}
