//! Something that changes replica counts, as a horizontal autoscaler does.

use crate::json;

use super::put_spec;
use crate::history::Author;
use crate::object::Key;
use crate::queue::Work;
use crate::resources::Resource;
use crate::world::World;

/// Moves one workload's replicas at random between two bounds.
#[derive(Debug, Clone)]
pub struct Scaler {
    /// Deployments, `StatefulSet`s or Rollouts.
    pub resource: Resource,
    /// Which one.
    pub key: Key,
    /// Fewest replicas.
    pub min: u64,
    /// Most replicas.
    pub max: u64,
    /// The longest time between two changes, in seconds.
    pub every_seconds: u64,
}

pub(crate) fn plan(world: &mut World, index: usize) {
    let every = world.scalers[index].every_seconds.max(1) * 1_000;
    let delay = world.rng.between(500, every);
    world.later(delay, Work::Scale(index));
}

pub(crate) fn step(world: &mut World, index: usize) {
    let scaler = world.scalers[index].clone();
    let replicas = world.rng.between(scaler.min, scaler.max);
    let author = Author::controller("system:horizontal-pod-autoscaler");
    // A workload that is gone is left alone until it is back.
    let _ = put_spec(world, &author, scaler.resource, &scaler.key, "replicas", json!(replicas));
    plan(world, index);
}
