//! A pod, as far as sidecars are concerned.

use std::sync::Arc;

use jiff::Timestamp;

use crate::image::ImageRef;
use crate::left_alone::StrayFacts;
use crate::workload::Owner;

/// One pod of a [`crate::Snapshot`]. A hundred thousand of these are held: everything that repeats is shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// The object's uid.
    pub uid: Arc<str>,
    /// The object's namespace.
    pub namespace: Arc<str>,
    /// The object's name.
    pub name: Arc<str>,
    /// The controller that owns it: a `ReplicaSet`, `StatefulSet`, `DaemonSet`, `Job`, … Absent for a bare pod.
    pub owner: Option<Owner>,
    /// `metadata.resourceVersion`: an eviction applies only to the pod as it was seen. Not compared by
    /// [`crate::Snapshot::upsert_pod`]: most changes of a pod are nobody's business here. 0: not known.
    pub revision: u64,
    /// `metadata.creationTimestamp`: whole seconds, by the API server's clock.
    pub created_at: Timestamp,
    /// Where it is in its life.
    pub state: PodState,
    /// Whether its `Ready` condition is true.
    pub ready: bool,
    /// Since when it is, or is not.
    pub ready_changed_at: Timestamp,
    /// Whether no node was found for it yet (`PodScheduled` is false): it waits since it was created.
    pub unscheduled: bool,
    /// The restart token that its template carried when it was created.
    pub restart_token: Option<Arc<str>>,
    /// What is known of it if no workload of a known kind owns it.
    pub stray: Option<Box<StrayFacts>>,
    /// Containers and init containers, in the order of the spec, init containers last.
    pub containers: Arc<[Container]>,
}

/// Where a pod is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodState {
    /// Pending or running: it counts.
    Live,
    /// Being deleted; it is on its way out by itself.
    Terminating,
    /// Succeeded or failed; nothing of it runs.
    Finished,
}

/// One container of a pod.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Container {
    /// The container's name.
    pub name: Arc<str>,
    /// What the pod's spec asks for. `None` when it is no valid reference, which equals nothing.
    pub image: Option<ImageRef>,
    /// What the container's status says it runs.
    pub running_image: Option<ImageRef>,
    /// The digest in the status' `imageID`.
    pub running_digest: Option<Arc<str>>,
}

impl Pod {
    /// Whether this is the other pod, but for a change that decides nothing.
    pub(crate) fn says_the_same_as(&self, other: &Self) -> bool {
        let Self {
            uid,
            namespace,
            name,
            owner,
            revision: _,
            created_at,
            state,
            ready,
            ready_changed_at,
            unscheduled,
            restart_token,
            stray,
            containers,
        } = self;
        *uid == other.uid
            && *namespace == other.namespace
            && *name == other.name
            && *owner == other.owner
            && *created_at == other.created_at
            && *state == other.state
            && *ready == other.ready
            && *ready_changed_at == other.ready_changed_at
            && *unscheduled == other.unscheduled
            && *restart_token == other.restart_token
            && *stray == other.stray
            && *containers == other.containers
    }

    /// Whether it counts: not terminating, not finished.
    pub fn is_live(&self) -> bool {
        self.state == PodState::Live
    }
}
