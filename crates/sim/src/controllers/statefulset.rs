//! `StatefulSet`: pods with ordinals, in order.

use std::collections::BTreeMap;

use crate::{Json, json};

use super::{Again, put_status, sooner, template};
use crate::error::ApiError;
use crate::history::Author;
use crate::object::{self, Key, Object};
use crate::resources::Resource;
use crate::world::World;
use crate::write::Deletion;

const HASH_LABEL: &str = "controller-revision-hash";
const AUTHOR: &str = "system:statefulset-controller";

pub(crate) fn reconcile(world: &mut World, key: &Key, set: &Object) -> Again {
    let author = Author::controller(AUTHOR);
    let update = template::revision(world, &author, (Resource::StatefulSets, set))?;
    let current_name = set["status"]["currentRevision"].as_str().unwrap_or(object::name(&update)).to_owned();
    let step = Step { key, set, update: object::name(&update), current: &current_name };
    if !object::is_terminating(set) {
        step.act(world, &author)?;
    }
    step.update_status(world, &author)
}

struct Step<'a> {
    key: &'a Key,
    set: &'a Object,
    /// Names of the revisions to move to and from.
    update: &'a str,
    current: &'a str,
}

impl Step<'_> {
    fn replicas(&self) -> i64 {
        self.set["spec"]["replicas"].as_i64().unwrap_or(1)
    }

    fn partition(&self) -> i64 {
        self.set["spec"]["updateStrategy"]["rollingUpdate"]["partition"].as_i64().unwrap_or(0)
    }

    fn ordered(&self) -> bool {
        self.set["spec"]["podManagementPolicy"] != "Parallel"
    }

    fn pods(&self, world: &World) -> BTreeMap<i64, (Key, Object)> {
        let pods = world.store.owned(object::uid(self.set), Resource::Pods);
        pods.into_iter()
            .filter_map(|(key, pod)| Some((key.name.rsplit_once('-')?.1.parse().ok()?, (key, pod))))
            .collect()
    }

    fn is_available(&self, world: &World, pod: &Json) -> bool {
        let min_ready = self.set["spec"]["minReadySeconds"].as_i64().unwrap_or(0);
        !object::is_terminating(pod) && object::available_at(pod, min_ready).is_some_and(|at| at <= world.time())
    }

    /// One step of `updateStatefulSet`: fill the ordinals, then take surplus pods, then update from the top.
    fn act(&self, world: &mut World, author: &Author) -> Result<(), ApiError> {
        let pods = self.pods(world);
        for ordinal in 0..self.replicas() {
            match pods.get(&ordinal) {
                None => self.create(world, author, ordinal)?,
                Some((key, pod)) if object::is_finished_pod(pod) => {
                    drop(world.delete(author, Resource::Pods, key, &Deletion::default())?);
                }
                Some((_, pod)) if self.is_available(world, pod) => continue,
                Some(_) => {}
            }
            if self.ordered() {
                return Ok(());
            }
        }
        for (_, (key, pod)) in pods.range(self.replicas()..).rev() {
            if !object::is_terminating(pod) {
                world.delete(author, Resource::Pods, key, &Deletion::default())?;
            }
            if self.ordered() {
                return Ok(());
            }
        }
        if self.set["spec"]["updateStrategy"]["type"] == "OnDelete" {
            return Ok(());
        }
        for (_, (key, pod)) in pods.range(self.partition()..self.replicas()).rev() {
            if object::label(pod, HASH_LABEL) != Some(self.update) && !object::is_terminating(pod) {
                return world.delete(author, Resource::Pods, key, &Deletion::default()).map(drop);
            }
            if !self.is_available(world, pod) {
                return Ok(());
            }
        }
        Ok(())
    }

    fn create(&self, world: &mut World, author: &Author, ordinal: i64) -> Result<(), ApiError> {
        let revision = if ordinal < self.partition() { self.current } else { self.update };
        let stored =
            world.store.get(Resource::ControllerRevisions, &Key::new(self.key.namespace.clone(), revision)).cloned();
        let template =
            stored.as_ref().map_or(&self.set["spec"]["template"], |stored| &stored["data"]["spec"]["template"]);
        let mut pod = template::pod(template, (Resource::StatefulSets, self.set));
        let name = format!("{}-{ordinal}", self.key.name);
        pod["metadata"]["labels"][HASH_LABEL] = json!(revision);
        pod["metadata"]["labels"]["statefulset.kubernetes.io/pod-name"] = json!(name);
        pod["metadata"]["labels"]["apps.kubernetes.io/pod-index"] = json!(ordinal.to_string());
        pod["metadata"]["name"] = json!(name);
        world.create(author, Resource::Pods, &self.key.namespace, pod, false).map(drop)
    }

    fn update_status(&self, world: &mut World, author: &Author) -> Again {
        let min_ready = self.set["spec"]["minReadySeconds"].as_i64().unwrap_or(0);
        let pods = self.pods(world);
        let (mut ready, mut available, mut current, mut updated, mut again) = (0, 0, 0, 0, None);
        for (_, pod) in pods.values() {
            if !object::is_terminating(pod) {
                let label = object::label(pod, HASH_LABEL);
                current += i64::from(label == Some(self.current));
                updated += i64::from(label == Some(self.update));
            }
            let Some(at) = object::available_at(pod, min_ready) else { continue };
            ready += 1;
            if at <= world.time() {
                available += 1;
            } else {
                again = sooner(again, Some(world.millis_until(at)));
            }
        }
        let total = i64::try_from(pods.len()).unwrap_or(i64::MAX);
        // completeRollingUpdate: only when every pod is of the new revision does it become the current one.
        let rolling = self.set["spec"]["updateStrategy"]["type"] != "OnDelete";
        let complete = rolling && updated == total && total == self.replicas() && ready == self.replicas();
        let current_name = if complete { self.update } else { self.current };
        let status = json!({
            "observedGeneration": object::generation(self.set), "replicas": total, "readyReplicas": ready, "availableReplicas": available,
            "currentReplicas": if complete { updated } else { current }, "updatedReplicas": updated,
            "currentRevision": current_name, "updateRevision": self.update, "collisionCount": 0,
        });
        put_status(world, author, Resource::StatefulSets, self.key, status)?;
        Ok(again)
    }
}
