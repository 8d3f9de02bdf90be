//! The controllers: plain steps on the store, run by the world's queue of work.

pub(crate) mod actors;
mod clone_set;
mod conditions;
mod containers;
mod daemonset;
mod deployment;
mod deployment_status;
mod disruption;
pub(crate) mod kubelet;
mod replicaset;
mod rollout;
mod rollout_canary;
mod rollout_restart;
mod rollout_status;
pub(crate) mod scaler;
mod statefulset;
pub(crate) mod template;

pub(crate) use containers::Digests;
pub(crate) use kubelet::PodStep;
pub(crate) use rollout::as_argo_writes_it as rollout_template;

use crate::Json;

use crate::error::ApiError;
use crate::history::Author;
use crate::object::{self, Key, Object};
use crate::queue::Work;
use crate::request::Part;
use crate::resources::Resource;
use crate::world::World;

/// A control loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Controller {
    Deployment,
    ReplicaSet,
    Replication,
    StatefulSet,
    DaemonSet,
    Rollout,
    CloneSet,
    Disruption,
}

impl Controller {
    pub(crate) fn resource(self) -> Resource {
        match self {
            Self::Deployment => Resource::Deployments,
            Self::ReplicaSet => Resource::ReplicaSets,
            Self::Replication => Resource::ReplicationControllers,
            Self::StatefulSet => Resource::StatefulSets,
            Self::DaemonSet => Resource::DaemonSets,
            Self::Rollout => Resource::Rollouts,
            Self::CloneSet => Resource::CloneSets,
            Self::Disruption => Resource::PodDisruptionBudgets,
        }
    }

    pub(crate) fn of(resource: Resource) -> Option<Self> {
        match resource {
            Resource::Deployments => Some(Self::Deployment),
            Resource::ReplicaSets => Some(Self::ReplicaSet),
            Resource::ReplicationControllers => Some(Self::Replication),
            Resource::StatefulSets => Some(Self::StatefulSet),
            Resource::DaemonSets => Some(Self::DaemonSet),
            Resource::Rollouts => Some(Self::Rollout),
            Resource::CloneSets => Some(Self::CloneSet),
            Resource::PodDisruptionBudgets => Some(Self::Disruption),
            _ => None,
        }
    }
}

/// Brings one object closer to what it asks for.
pub(crate) fn reconcile(world: &mut World, controller: Controller, key: &Key) {
    let Some(object) = world.store.get(controller.resource(), key).cloned() else { return };
    let again = match controller {
        Controller::Deployment => deployment::reconcile(world, key, &object),
        Controller::ReplicaSet => replicaset::reconcile(world, Resource::ReplicaSets, key, &object),
        Controller::Replication => replicaset::reconcile(world, Resource::ReplicationControllers, key, &object),
        Controller::StatefulSet => statefulset::reconcile(world, key, &object),
        Controller::DaemonSet => daemonset::reconcile(world, key, &object),
        Controller::Rollout => rollout::reconcile(world, key, &object),
        Controller::CloneSet => clone_set::reconcile(world, key, &object),
        Controller::Disruption => disruption::reconcile(world, key, &object),
    };
    match again {
        // A write raced with something that this controller cannot have seen: look again.
        Err(_) => world.later(1_000, Work::Reconcile(controller, key.clone())),
        Ok(Some(milliseconds)) => world.later(milliseconds.max(1), Work::Reconcile(controller, key.clone())),
        Ok(None) => {}
    }
}

/// When to look again, in milliseconds, when nothing changes before.
type Again = Result<Option<u64>, ApiError>;

/// The sooner of two times to look again.
fn sooner(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// Wakes whoever cares about a change.
pub(crate) fn react(world: &mut World, resource: Resource, key: &Key, before: Option<&Object>, after: Option<&Object>) {
    let Some(object) = after.or(before).cloned() else { return };
    if after.is_some()
        && let Some(controller) = Controller::of(resource)
    {
        wake(world, controller, key.clone());
    }
    if let Some((owner, name, _)) = object::controller_of(&object)
        && let Some(controller) = Controller::of(owner)
    {
        wake(world, controller, Key { namespace: key.namespace.clone(), name: name.into() });
    }
    match resource {
        Resource::Pods => {
            kubelet::react(world, key, before, after);
            wake_budgets(world, &key.namespace);
            if after.is_none() {
                wake_grandparent(world, key, &object);
            }
        }
        Resource::Deployments => wake_rollouts_referring_to(world, key),
        _ => {}
    }
    if after.is_none() && world.store.has_dependents(object::uid(&object)) {
        let delay = world.rng.between(10, 100);
        world.later(delay, Work::CollectGarbage { owner: object::uid(&object).to_owned() });
    }
}

pub(crate) fn wake(world: &mut World, controller: Controller, key: Key) {
    let delay = if world.instant { 0 } else { world.rng.between(1, 20) };
    world.later(delay, Work::Reconcile(controller, key));
}

fn wake_budgets(world: &mut World, namespace: &str) {
    if world.store.len(Resource::PodDisruptionBudgets) == 0 {
        return;
    }
    let keys: Vec<Key> =
        world.store.range(Resource::PodDisruptionBudgets, Some(namespace), None).map(|(key, _)| key.clone()).collect();
    for key in keys {
        wake(world, Controller::Disruption, key);
    }
}

/// A Deployment that recreates waits for pods to be gone, which its `ReplicaSet` does not show.
fn wake_grandparent(world: &mut World, key: &Key, pod: &Json) {
    let Some((Resource::ReplicaSets, name, _)) = object::controller_of(pod) else { return };
    let parent = Key { namespace: key.namespace.clone(), name: name.into() };
    let Some(parent) = world.store.get(Resource::ReplicaSets, &parent).cloned() else { return };
    if let Some((owner, name, _)) = object::controller_of(&parent)
        && let Some(controller) = Controller::of(owner)
    {
        wake(world, controller, Key { namespace: key.namespace.clone(), name: name.into() });
    }
}

fn wake_rollouts_referring_to(world: &mut World, deployment: &Key) {
    if world.store.len(Resource::Rollouts) == 0 {
        return;
    }
    let refers = |rollout: &Json| rollout["spec"]["workloadRef"]["name"] == *deployment.name;
    let rollouts = world.store.range(Resource::Rollouts, Some(&deployment.namespace), None);
    let keys: Vec<Key> = rollouts.filter(|(_, rollout)| refers(rollout)).map(|(key, _)| key.clone()).collect();
    for key in keys {
        wake(world, Controller::Rollout, key);
    }
}

/// Writes a status, when it differs. Most looks find nothing to change, and then nothing is copied. Nothing else changes, so
/// the rules for writes have nothing to look at.
fn put_status(world: &mut World, author: &Author, resource: Resource, key: &Key, status: Json) -> Result<(), ApiError> {
    let old = world.store.get(resource, key).ok_or_else(|| ApiError::not_found(resource, &key.name))?;
    if old["status"] == status {
        return Ok(());
    }
    let mut new = old.clone();
    new["status"] = status;
    world.commit(author, resource, key, Part::Status, new);
    Ok(())
}

/// Writes one field of the spec, when it differs.
fn put_spec(
    world: &mut World,
    author: &Author,
    resource: Resource,
    key: &Key,
    field: &str,
    value: Json,
) -> Result<(), ApiError> {
    if world.store.get(resource, key).is_some_and(|old| old["spec"][field] == value) {
        return Ok(());
    }
    let written = world.update(author, resource, key, Part::Main, false, |old| {
        let mut new = old.clone();
        new["spec"][field] = value;
        Ok(new)
    });
    written.map(drop)
}
