//! Objects that real controllers made, taken over by those of the simulation.
//!
//! A real cluster names the revision of a pod template by a hash of its own. The controllers here would not know it again, and
//! would roll out everything that they are woken for. So what is the current revision of a workload gets the name that they
//! would have given it, and a `DaemonSet` keeps the nodes that it has.

use std::sync::Arc;

use crate::{Json, json};
use ahash::{HashMap, HashMapExt};

use crate::cluster::{Rejected, SimCluster};
use crate::controllers::{self, Controller, template};
use crate::defaults;
use crate::object::{self, Key};
use crate::resources::Resource;
use crate::world::World;

const DEPLOYMENT_REVISION: &str = "deployment.kubernetes.io/revision";
const DEPLOYMENT_HASH: &str = "pod-template-hash";
const ROLLOUT_REVISION: &str = "rollout.argoproj.io/revision";
const ROLLOUT_HASH: &str = "rollouts-pod-template-hash";
const CONTROLLER_HASH: &str = "controller-revision-hash";
/// Deprecated for ten years, and still the only thing on a pod that tells how old its template is.
const DAEMON_GENERATION: &str = "deprecated.daemonset.template.generation";
const POD_GENERATION: &str = "pod-template-generation";

impl SimCluster {
    /// Puts a whole cluster there as real controllers left it. Nothing that is complete moves; what is in the middle of a
    /// rollout goes on. Objects are taken as they are, as by [`SimCluster::load`].
    ///
    /// Owners are found by uid: a pod whose `ReplicaSet` is not among the objects belongs to nobody.
    ///
    /// # Errors
    /// When an object's kind is unknown.
    pub fn adopt(&self, objects: impl IntoIterator<Item: Into<Json>>) -> Result<(), Rejected> {
        let mut objects: Vec<Json> = objects.into_iter().map(Into::into).collect();
        for object in &mut objects {
            if let Some(resource) = object["kind"].as_str().and_then(Resource::of_kind) {
                // A file may lack what a server would have filled in, and nobody could change the object later.
                defaults::fill(resource, object);
            }
        }
        let mut adopted = Adopted::of(objects);
        adopted.rename_revisions();
        let Adopted { objects, nodes, .. } = adopted;
        let rolling: Vec<(Controller, Key)> = objects.iter().filter_map(is_rolling).collect();
        self.load(objects)?;
        self.with_world(|world| {
            world.daemon_nodes.extend(nodes);
            for (controller, key) in rolling {
                controllers::wake(world, controller, key);
            }
            controllers::kubelet::resume_all(world);
            wake_all(world, Controller::Disruption);
        });
        Ok(())
    }
}

/// What is counted by others must be counted anew: pods that were leaving have not been loaded.
fn wake_all(world: &mut World, controller: Controller) {
    let keys: Vec<Key> = world.store.range(controller.resource(), None, None).map(|(key, _)| key.clone()).collect();
    for key in keys {
        controllers::wake(world, controller, key);
    }
}

/// Objects, and where to find those that are about a workload.
struct Adopted {
    objects: Vec<Json>,
    /// Owner uid to the places of what it controls.
    owned: HashMap<String, Vec<usize>>,
    deployments: HashMap<Key, usize>,
    nodes: Vec<(Key, Vec<Arc<str>>)>,
}

impl Adopted {
    fn of(objects: Vec<Json>) -> Self {
        let mut owned: HashMap<String, Vec<usize>> = HashMap::new();
        let mut deployments = HashMap::new();
        for (at, object) in objects.iter().enumerate() {
            if object["kind"] == "Deployment" {
                deployments.insert(Key::of(object), at);
            }
            if let Some((_, _, uid)) = object::controller_of(object) {
                owned.entry(uid.to_owned()).or_default().push(at);
            }
        }
        Self { objects, owned, deployments, nodes: Vec::new() }
    }

    fn rename_revisions(&mut self) {
        for at in 0..self.objects.len() {
            match self.objects[at]["kind"].as_str() {
                Some("Deployment") => self.deployment(at),
                Some("Rollout") => self.rollout(at),
                Some("StatefulSet") => self.stateful_set(at),
                Some("DaemonSet") => self.daemon_set(at),
                _ => {}
            }
        }
    }

    fn owned_by(&self, at: usize, kind: &str) -> Vec<usize> {
        let places = self.owned.get(object::uid(&self.objects[at])).into_iter().flatten().copied();
        places.filter(|place| self.objects[*place]["kind"] == kind).collect()
    }

    /// The set whose revision is the one that the owner says to be at.
    fn current_set(&self, at: usize, revision: &str) -> Option<usize> {
        let number = |place: usize| object::annotation(&self.objects[place], revision);
        let wanted = object::annotation(&self.objects[at], revision);
        let sets = self.owned_by(at, "ReplicaSet");
        let said = sets.iter().copied().find(|place| wanted.is_some() && number(*place) == wanted);
        let newest = || {
            let by_number = |place: &usize| number(*place).and_then(|text| text.parse::<i64>().ok()).unwrap_or(0);
            sets.iter().copied().max_by_key(by_number)
        };
        said.or_else(newest)
    }

    fn deployment(&mut self, at: usize) {
        let hash = template::hash(Resource::Deployments, &self.objects[at]["spec"]["template"]);
        if let Some(set) = self.current_set(at, DEPLOYMENT_REVISION) {
            self.objects[set]["metadata"]["labels"][DEPLOYMENT_HASH] = json!(hash);
        }
    }

    fn rollout(&mut self, at: usize) {
        let Some(template) = self.rollout_template(at) else { return };
        let hash = template::hash(Resource::Rollouts, &template);
        let Some(set) = self.current_set(at, ROLLOUT_REVISION) else { return };
        let real = object::label(&self.objects[set], ROLLOUT_HASH).map(str::to_owned);
        self.objects[set]["metadata"]["labels"][ROLLOUT_HASH] = json!(hash);
        let status = &mut self.objects[at]["status"];
        for field in ["currentPodHash", "stableRS"] {
            if status[field].as_str().is_some_and(|said| Some(said) == real.as_deref()) {
                status[field] = json!(hash);
            }
        }
    }

    fn rollout_template(&self, at: usize) -> Option<Json> {
        let rollout = &self.objects[at];
        if rollout["spec"]["template"].is_object() {
            return Some(controllers::rollout_template(&rollout["spec"]["template"]));
        }
        let referred = Key::new(object::namespace(rollout), rollout["spec"]["workloadRef"]["name"].as_str()?);
        self.deployments.get(&referred).map(|at| self.objects[*at]["spec"]["template"].clone())
    }

    fn stateful_set(&mut self, at: usize) {
        let set = &self.objects[at];
        let name = object::name(set);
        let hash = template::hash(Resource::StatefulSets, &set["spec"]["template"]);
        let revision = json!(format!("{name}-{hash}"));
        let real = set["status"]["updateRevision"].clone();
        for pod in self.owned_by(at, "Pod") {
            let label = &mut self.objects[pod]["metadata"]["labels"][CONTROLLER_HASH];
            if *label == real || real.is_null() {
                *label = revision.clone();
            }
        }
        let status = &mut self.objects[at]["status"];
        if status["currentRevision"] == real {
            status["currentRevision"] = revision.clone();
        }
        status["updateRevision"] = revision;
    }

    fn daemon_set(&mut self, at: usize) {
        let hash = json!(template::hash(Resource::DaemonSets, &self.objects[at]["spec"]["template"]));
        let pods = self.owned_by(at, "Pod");
        let current = self.current_daemon_hash(at, &pods);
        let mut nodes: Vec<Arc<str>> = Vec::with_capacity(pods.len());
        for pod in pods {
            nodes.extend(self.objects[pod]["spec"]["nodeName"].as_str().map(Arc::from));
            let label = &mut self.objects[pod]["metadata"]["labels"][CONTROLLER_HASH];
            if *label == current {
                *label = hash.clone();
            }
        }
        nodes.sort_unstable();
        nodes.dedup();
        self.nodes.push((Key::of(&self.objects[at]), nodes));
    }

    /// The hash that pods of the present template carry.
    fn current_daemon_hash(&self, at: usize, pods: &[usize]) -> Json {
        let generation = object::annotation(&self.objects[at], DAEMON_GENERATION);
        let of_generation =
            |pod: &&usize| generation.is_some() && object::label(&self.objects[**pod], POD_GENERATION) == generation;
        let youngest = |pod: &&usize| self.objects[**pod]["metadata"]["creationTimestamp"].as_str().map(str::to_owned);
        let found = pods.iter().find(of_generation).or_else(|| pods.iter().max_by_key(youngest));
        found.map_or(Json::Null, |pod| self.objects[*pod]["metadata"]["labels"][CONTROLLER_HASH].clone())
    }
}

/// Whether its controller has something left to do.
fn is_rolling(object: &Json) -> Option<(Controller, Key)> {
    let resource = Resource::of_kind(object["kind"].as_str()?)?;
    let controller = Controller::of(resource)?;
    let status = &object["status"];
    let count = |field: &str| status[field].as_i64().unwrap_or(0);
    let wanted = || object["spec"]["replicas"].as_i64().unwrap_or(1);
    let observed =
        status["observedGeneration"].as_i64().or_else(|| status["observedGeneration"].as_str()?.parse().ok());
    let is_unseen = observed.unwrap_or(0) < object::generation(object);
    let is_rolling = match controller {
        Controller::Deployment | Controller::Rollout | Controller::CloneSet => {
            count("updatedReplicas") < wanted() || count("replicas") > count("updatedReplicas")
        }
        Controller::StatefulSet => {
            status["currentRevision"] != status["updateRevision"] || count("replicas") != wanted()
        }
        Controller::DaemonSet => count("updatedNumberScheduled") < count("desiredNumberScheduled"),
        Controller::ReplicaSet | Controller::Replication => count("replicas") != wanted(),
        Controller::Disruption => false,
    };
    (is_rolling || is_unseen).then(|| (controller, Key::of(object)))
}
