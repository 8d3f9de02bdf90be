//! Others who change the same workloads: a `GitOps` tool and a person.

use crate::{Json, json};

use crate::history::Author;
use crate::object::Key;
use crate::queue::Work;
use crate::request::Part;
use crate::resources::Resource;
use crate::world::World;

/// Somebody who writes to a workload now and then.
#[derive(Debug, Clone)]
pub enum Actor {
    /// Puts the pod template's annotations back to what the manifest says, whoever else set some.
    GitOps {
        /// Deployments, `StatefulSet`s, `DaemonSet`s or Rollouts.
        resource: Resource,
        /// Which one.
        key: Key,
        /// Annotations of the pod template in the manifest.
        annotations: Json,
        /// Time between two looks, in seconds.
        every_seconds: u64,
    },
    /// Edits the workload at random times: an annotation, an environment variable, or a restart.
    Person {
        /// Deployments, `StatefulSet`s, `DaemonSet`s or Rollouts.
        resource: Resource,
        /// Which one.
        key: Key,
        /// The longest time between two edits, in seconds.
        every_seconds: u64,
    },
}

impl Actor {
    fn target(&self) -> (Resource, Key, u64) {
        let (Self::GitOps { resource, key, every_seconds, .. } | Self::Person { resource, key, every_seconds }) = self;
        (*resource, key.clone(), *every_seconds)
    }
}

pub(crate) fn plan(world: &mut World, index: usize) {
    let every = world.actors[index].target().2.max(1) * 1_000;
    let delay = match world.actors[index] {
        Actor::GitOps { .. } => every,
        Actor::Person { .. } => world.rng.between(1_000, every),
    };
    world.later(delay, Work::Act(index));
}

pub(crate) fn step(world: &mut World, index: usize) {
    let actor = world.actors[index].clone();
    let (resource, key, _) = actor.target();
    let (user, draw, now) = match &actor {
        Actor::GitOps { .. } => ("gitops", 0, Json::Null),
        Actor::Person { .. } => ("person", world.rng.next(), world.stamp()),
    };
    // A workload that is gone is left alone until it is back.
    let _ = world.update(&Author::controller(user), resource, &key, Part::Main, false, |old| {
        let mut new = old.clone();
        match &actor {
            Actor::GitOps { annotations, .. } => {
                let wanted = if annotations.as_object().is_some_and(crate::Map::is_empty) {
                    Json::Null
                } else {
                    annotations.clone()
                };
                match new["spec"]["template"]["metadata"].as_object_mut() {
                    Some(metadata) if wanted.is_null() => drop(metadata.remove("annotations")),
                    Some(metadata) => drop(metadata.insert("annotations".to_owned(), wanted)),
                    None => {}
                }
            }
            Actor::Person { .. } => edit(&mut new, draw, &now),
        }
        Ok(new)
    });
    plan(world, index);
}

fn edit(workload: &mut Json, draw: u64, now: &Json) {
    match draw % 3 {
        0 => workload["metadata"]["annotations"]["example.com/note"] = json!(format!("looked at {now}")),
        1 if workload["spec"]["template"]["spec"]["containers"][0].is_object() => {
            workload["spec"]["template"]["spec"]["containers"][0]["env"] =
                json!([{"name": "EDIT", "value": format!("{draw:x}")}]);
        }
        _ => workload["spec"]["template"]["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"] = now.clone(),
    }
}
