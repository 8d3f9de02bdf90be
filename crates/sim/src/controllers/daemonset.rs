//! `DaemonSet`: one pod on every node.

use crate::{Json, json};

use super::{Again, put_status, sooner, template};
use crate::error::ApiError;
use crate::history::Author;
use crate::object::{self, Key, Object};
use crate::resources::Resource;
use crate::world::World;
use crate::write::Deletion;

const HASH_LABEL: &str = "controller-revision-hash";

/// The pods of one node.
#[derive(Default)]
struct OnNode {
    old: Option<(Key, Object)>,
    new: Option<(Key, Object)>,
    /// On its way out.
    leaving: Option<(Key, Object)>,
}

impl OnNode {
    /// The pod that speaks for the node in the status: the oldest, ready or not. With a surge, a node counts as updated only
    /// once the old pod is gone (`updateDaemonSetStatus` of the real controller).
    fn speaker(&self) -> Option<&Object> {
        let pods = [&self.leaving, &self.old, &self.new].into_iter().flatten().map(|(_, pod)| pod);
        pods.min_by_key(|pod| (pod["metadata"]["creationTimestamp"].as_str(), object::name(pod)))
    }
}

pub(crate) fn reconcile(world: &mut World, key: &Key, set: &Object) -> Again {
    let author = Author::controller("system:daemon-set-controller");
    let revision = template::revision(world, &author, (Resource::DaemonSets, set))?;
    let hash = object::label(&revision, HASH_LABEL).unwrap_or_default().to_owned();
    if !object::is_terminating(set) {
        act(world, &author, key, set, &hash)?;
    }
    update_status(world, &author, key, set, &hash)
}

fn nodes(world: &World, set: &Json, hash: &str) -> Vec<(String, OnNode)> {
    let mut nodes: Vec<(String, OnNode)> = match world.daemon_nodes.get(&Key::of(set)) {
        Some(own) => own.iter().map(|name| (name.to_string(), OnNode::default())).collect(),
        None => (0..world.nodes).map(|number| (format!("node-{number}"), OnNode::default())).collect(),
    };
    for (key, pod) in world.store.owned(object::uid(set), Resource::Pods) {
        let Some((_, node)) = nodes.iter_mut().find(|(name, _)| pod["spec"]["nodeName"] == **name) else { continue };
        if object::is_terminating(&pod) {
            node.leaving = Some((key, pod));
        } else if object::label(&pod, HASH_LABEL) == Some(hash) {
            node.new = Some((key, pod));
        } else {
            node.old = Some((key, pod));
        }
    }
    nodes
}

fn is_available(world: &World, set: &Json, pod: &Json) -> bool {
    let min_ready = set["spec"]["minReadySeconds"].as_i64().unwrap_or(0);
    object::available_at(pod, min_ready).is_some_and(|at| at <= world.time())
}

fn act(world: &mut World, author: &Author, key: &Key, set: &Object, hash: &str) -> Result<(), ApiError> {
    let nodes = nodes(world, set, hash);
    let total = i64::try_from(nodes.len()).unwrap_or(i64::MAX);
    let rolling = &set["spec"]["updateStrategy"]["rollingUpdate"];
    let surge = object::scaled(&rolling["maxSurge"], total, true).unwrap_or(0);
    let updates = set["spec"]["updateStrategy"]["type"] != "OnDelete";
    let available = |world: &World, node: &OnNode| {
        [&node.old, &node.new].into_iter().flatten().any(|(_, pod)| is_available(world, set, pod))
    };
    let unavailable = nodes.iter().filter(|(_, node)| !available(world, node)).count();
    let mut budget = object::scaled(&rolling["maxUnavailable"], total, true).unwrap_or(1)
        - i64::try_from(unavailable).unwrap_or(i64::MAX);
    let mut surging = surge
        - i64::try_from(nodes.iter().filter(|(_, node)| node.old.is_some() && node.new.is_some()).count())
            .unwrap_or(i64::MAX);
    for (name, node) in &nodes {
        match (&node.old, &node.new) {
            (None, None) if node.leaving.is_none() => create(world, author, key, set, hash, name)?,
            (Some((old, pod)), None) if updates && surge == 0 => {
                let was_available = is_available(world, set, pod);
                if !was_available || budget > 0 {
                    budget -= i64::from(was_available);
                    world.delete(author, Resource::Pods, old, &Deletion::default())?;
                }
            }
            (Some(_), None) if updates && surging > 0 && node.leaving.is_none() => {
                surging -= 1;
                create(world, author, key, set, hash, name)?;
            }
            (Some((old, _)), Some((_, new))) if is_available(world, set, new) => {
                world.delete(author, Resource::Pods, old, &Deletion::default())?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn create(world: &mut World, author: &Author, key: &Key, set: &Object, hash: &str, node: &str) -> Result<(), ApiError> {
    let mut pod = template::pod(&set["spec"]["template"], (Resource::DaemonSets, set));
    pod["metadata"]["labels"][HASH_LABEL] = json!(hash);
    pod["metadata"]["generateName"] = json!(format!("{}-", key.name));
    pod["spec"]["nodeName"] = json!(node);
    world.create(author, Resource::Pods, &key.namespace, pod, false).map(drop)
}

fn update_status(world: &mut World, author: &Author, key: &Key, set: &Object, hash: &str) -> Again {
    let nodes = nodes(world, set, hash);
    let total = nodes.len();
    let (mut scheduled, mut ready, mut available, mut updated, mut again) = (0, 0, 0, 0, None);
    for (_, node) in &nodes {
        let Some(pod) = node.speaker() else { continue };
        scheduled += 1;
        updated += i64::from(object::label(pod, HASH_LABEL) == Some(hash));
        ready += i64::from(object::is_ready_pod(pod));
        if is_available(world, set, pod) {
            available += 1;
        } else if let Some(at) = object::available_at(pod, set["spec"]["minReadySeconds"].as_i64().unwrap_or(0)) {
            again = sooner(again, Some(world.millis_until(at)));
        }
    }
    let mut status = json!({
        "observedGeneration": object::generation(set), "desiredNumberScheduled": total, "currentNumberScheduled": scheduled,
        "numberMisscheduled": 0, "numberReady": ready,
    });
    let unavailable = i64::try_from(total).unwrap_or(i64::MAX) - available;
    for (field, count) in
        [("updatedNumberScheduled", updated), ("numberAvailable", available), ("numberUnavailable", unavailable)]
    {
        if count > 0 {
            status[field] = json!(count);
        }
    }
    put_status(world, author, Resource::DaemonSets, key, status)?;
    Ok(again)
}
