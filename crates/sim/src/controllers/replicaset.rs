//! `ReplicaSet` and `ReplicationController`: as many pods as asked for.

use crate::{Json, json};

use super::{Again, put_status, template};
use crate::history::Author;
use crate::object::{self, Key, Object};
use crate::resources::Resource;
use crate::world::World;
use crate::write::Deletion;

/// Pods created or deleted in one step.
const BURST: usize = 500;

pub(crate) fn reconcile(world: &mut World, resource: Resource, key: &Key, set: &Object) -> Again {
    let author = Author::controller(match resource {
        Resource::ReplicationControllers => "system:replication-controller",
        _ => "system:replicaset-controller",
    });
    let mut pods = world.store.owned(object::uid(set), Resource::Pods);
    pods.retain(|(_, pod)| object::is_active_pod(pod));
    let wanted = usize::try_from(set["spec"]["replicas"].as_i64().unwrap_or(1)).unwrap_or(0);
    if !object::is_terminating(set) {
        if pods.len() < wanted {
            let pod = {
                let mut pod = template::pod(&set["spec"]["template"], (resource, set));
                pod["metadata"]["generateName"] = json!(format!("{}-", key.name));
                pod
            };
            for _ in 0..(wanted - pods.len()).min(BURST) {
                world.create(&author, Resource::Pods, &key.namespace, pod.clone(), false)?;
            }
        } else if pods.len() > wanted {
            pods.sort_by(|(_, one), (_, other)| deletion_rank(one).cmp(&deletion_rank(other)));
            for (pod, _) in pods.drain(..pods.len() - wanted).take(BURST) {
                world.delete(&author, Resource::Pods, &pod, &Deletion::default())?;
            }
        }
    }
    update_status(world, &author, resource, key, set)
}

/// The order in which pods go: not running, not ready, then the youngest.
fn deletion_rank(pod: &Json) -> (bool, bool, std::cmp::Reverse<&str>, &str) {
    let created = pod["metadata"]["creationTimestamp"].as_str().unwrap_or_default();
    (pod["status"]["phase"] == "Running", object::is_ready_pod(pod), std::cmp::Reverse(created), object::name(pod))
}

fn update_status(world: &mut World, author: &Author, resource: Resource, key: &Key, set: &Object) -> Again {
    let pods = world.store.owned(object::uid(set), Resource::Pods);
    let min_ready = set["spec"]["minReadySeconds"].as_i64().unwrap_or(0);
    let now = world.time();
    let (mut total, mut ready, mut available, mut again) = (0, 0, 0, None);
    for (_, pod) in pods.iter().filter(|(_, pod)| object::is_active_pod(pod)) {
        total += 1;
        let Some(at) = object::available_at(pod, min_ready) else { continue };
        ready += 1;
        if at <= now {
            available += 1;
        } else {
            again = super::sooner(again, Some(world.millis_until(at)));
        }
    }
    let mut status =
        json!({"replicas": total, "fullyLabeledReplicas": total, "observedGeneration": object::generation(set)});
    if ready > 0 {
        status["readyReplicas"] = json!(ready);
    }
    if available > 0 {
        status["availableReplicas"] = json!(available);
    }
    put_status(world, author, resource, key, status)?;
    Ok(again)
}
