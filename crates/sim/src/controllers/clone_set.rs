//! The `CloneSet` of `OpenKruise`: pods without order, replaced, or updated in place, as far as its partition lets them
//! (openkruise/kruise `pkg/controller/cloneset`).

use crate::{Json, json};

use super::{Again, put_status, sooner, template};
use crate::error::ApiError;
use crate::history::Author;
use crate::object::{self, Key, Object};
use crate::request::Part;
use crate::resources::Resource;
use crate::world::World;
use crate::write::Deletion;

const HASH_LABEL: &str = "controller-revision-hash";
const AUTHOR: &str = "kruise-manager";

pub(crate) fn reconcile(world: &mut World, key: &Key, set: &Object) -> Again {
    let author = Author::controller(AUTHOR);
    let update = template::revision(world, &author, (Resource::CloneSets, set))?;
    let current = set["status"]["currentRevision"].as_str().unwrap_or(object::name(&update)).to_owned();
    let step = Step { key, set, update: object::name(&update), current: &current };
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
    fn strategy(&self) -> &Json {
        &self.set["spec"]["updateStrategy"]
    }

    fn replicas(&self) -> i64 {
        self.set["spec"]["replicas"].as_i64().unwrap_or(1)
    }

    /// Pods that are to have the new revision.
    fn wanted(&self) -> i64 {
        let held_back = object::scaled(&self.strategy()["partition"], self.replicas(), true).unwrap_or(0);
        (self.replicas() - held_back).max(0)
    }

    fn pods(&self, world: &World) -> Vec<(Key, Object)> {
        let mut pods = world.store.owned(object::uid(self.set), Resource::Pods);
        pods.retain(|(_, pod)| object::is_active_pod(pod));
        pods
    }

    fn is_updated(&self, pod: &Json) -> bool {
        object::label(pod, HASH_LABEL) == Some(self.update)
    }

    fn available_at(&self, pod: &Json) -> Option<jiff::Timestamp> {
        object::available_at(pod, self.set["spec"]["minReadySeconds"].as_i64().unwrap_or(0))
    }

    fn is_available(&self, world: &World, pod: &Json) -> bool {
        self.available_at(pod).is_some_and(|at| at <= world.time())
    }

    /// As many pods as asked for, then the new revision.
    fn act(&self, world: &mut World, author: &Author) -> Result<(), ApiError> {
        let pods = self.pods(world);
        let count = i64::try_from(pods.len()).unwrap_or(i64::MAX);
        if count < self.replicas() {
            let updated = i64::try_from(pods.iter().filter(|(_, pod)| self.is_updated(pod)).count()).unwrap_or(0);
            for number in 0..self.replicas() - count {
                let revision = if updated + number < self.wanted() { self.update } else { self.current };
                self.create(world, author, revision)?;
            }
        } else if count > self.replicas() {
            let mut pods: Vec<&(Key, Object)> = pods.iter().collect();
            pods.sort_by_key(|(key, pod)| (object::is_ready_pod(pod), self.is_updated(pod), key.name.clone()));
            for (key, _) in pods.into_iter().take(usize::try_from(count - self.replicas()).unwrap_or(0)) {
                world.delete(author, Resource::Pods, key, &Deletion::default())?;
            }
        } else if self.strategy()["paused"] != true {
            self.move_on(world, author, &pods)?;
        }
        Ok(())
    }

    fn move_on(&self, world: &mut World, author: &Author, pods: &[(Key, Object)]) -> Result<(), ApiError> {
        let count = |those: &dyn Fn(&Json) -> bool| {
            i64::try_from(pods.iter().filter(|(_, pod)| those(pod)).count()).unwrap_or(i64::MAX)
        };
        let mut left = self.wanted() - count(&|pod| self.is_updated(pod));
        let mut away = count(&|pod| !self.is_available(world, pod));
        let most = object::scaled(&self.strategy()["maxUnavailable"], self.replicas(), true).unwrap_or(1).max(1);
        let mut outdated: Vec<&(Key, Object)> = pods.iter().filter(|(_, pod)| !self.is_updated(pod)).collect();
        outdated.sort_by_key(|(key, pod)| (self.is_available(world, pod), key.name.clone()));
        let in_place = self.strategy()["type"].as_str().is_some_and(|kind| kind.starts_with("InPlace"));
        for (key, pod) in outdated {
            if left <= 0 {
                break;
            }
            if in_place {
                self.update_in_place(world, author, key)?;
            } else {
                if self.is_available(world, pod) {
                    if away >= most {
                        break;
                    }
                    away += 1;
                }
                world.delete(author, Resource::Pods, key, &Deletion::default())?;
            }
            left -= 1;
        }
        Ok(())
    }

    /// Metadata alone: what containers run stays as it is.
    fn update_in_place(&self, world: &mut World, author: &Author, key: &Key) -> Result<(), ApiError> {
        let template = self.set["spec"]["template"]["metadata"].clone();
        let updated = world.update(author, Resource::Pods, key, Part::Main, false, |pod| {
            let mut pod = pod.clone();
            for part in ["labels", "annotations"] {
                for (name, value) in template[part].as_object().into_iter().flatten() {
                    pod["metadata"][part][name] = value.clone();
                }
            }
            pod["metadata"]["labels"][HASH_LABEL] = json!(self.update);
            Ok(pod)
        });
        updated.map(drop)
    }

    fn create(&self, world: &mut World, author: &Author, revision: &str) -> Result<(), ApiError> {
        let stored =
            world.store.get(Resource::ControllerRevisions, &Key::new(self.key.namespace.clone(), revision)).cloned();
        let template =
            stored.as_ref().map_or(&self.set["spec"]["template"], |stored| &stored["data"]["spec"]["template"]);
        let mut pod = template::pod(template, (Resource::CloneSets, self.set));
        pod["metadata"]["labels"][HASH_LABEL] = json!(revision);
        pod["metadata"]["generateName"] = json!(format!("{}-", self.key.name));
        world.create(author, Resource::Pods, &self.key.namespace, pod, false).map(drop)
    }

    fn update_status(&self, world: &mut World, author: &Author) -> Again {
        let pods = self.pods(world);
        let (mut ready, mut available, mut updated, mut updated_ready, mut again) = (0, 0, 0, 0, None);
        for (_, pod) in &pods {
            updated += i64::from(self.is_updated(pod));
            let Some(at) = self.available_at(pod) else { continue };
            ready += 1;
            updated_ready += i64::from(self.is_updated(pod));
            if at <= world.time() {
                available += 1;
            } else {
                again = sooner(again, Some(world.millis_until(at)));
            }
        }
        let total = i64::try_from(pods.len()).unwrap_or(i64::MAX);
        let complete = updated == total && total == self.replicas();
        let status = json!({
            "observedGeneration": object::generation(self.set), "replicas": total, "readyReplicas": ready,
            "availableReplicas": available, "updatedReplicas": updated, "updatedReadyReplicas": updated_ready,
            "expectedUpdatedReplicas": self.wanted(), "updateRevision": self.update,
            "currentRevision": if complete { self.update } else { self.current },
        });
        put_status(world, author, Resource::CloneSets, self.key, status)?;
        Ok(again)
    }
}
