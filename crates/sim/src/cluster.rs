//! The public face: a cluster that exists only in memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::{Json, json};
use jiff::Timestamp;
use kube::Client;

use crate::controllers::{actors, scaler};
use crate::error::ApiError;
use crate::faults::Faults;
use crate::history::{Author, History, Mutation};
use crate::link::Link;
use crate::object::{self, Key};
use crate::request::Part;
use crate::resources::Resource;
use crate::service::ApiService;
use crate::shared::Shared;
use crate::webhook::Webhook;
use crate::world::World;
use crate::write::Deletion;
use crate::{Actor, Injector, PodDelays, Scaler, SimClient};

/// When virtual time begins unless told otherwise: a Monday, midnight UTC.
const START: &str = "2026-01-05T00:00:00Z";

/// An object that the cluster would not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected(String);

impl std::fmt::Display for Rejected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Rejected {}

impl From<ApiError> for Rejected {
    fn from(error: ApiError) -> Self {
        Self(error.message)
    }
}

/// A simulated cluster. Cheap to clone; all clones are the same cluster.
///
/// Lives on a tokio runtime whose clock should be paused: then hours pass as fast as things happen.
#[derive(Clone)]
pub struct SimCluster {
    shared: Arc<Shared>,
}

impl SimCluster {
    /// A cluster with the namespaces every cluster has, and nothing else. Must be called on a tokio runtime.
    ///
    /// The seed also seeds this thread's `fastrand`, which kube draws its jitter from: on a single-threaded runtime a client
    /// with kube's own back-off replays as well. Unbiased `select!`s and iteration over randomly hashed maps do not.
    pub fn new(seed: u64, faults: Faults) -> Self {
        Self::starting_at(seed, faults, START.parse().expect("the constant is a timestamp"))
    }

    /// Like `new`, with virtual time beginning at `start`.
    pub fn starting_at(seed: u64, faults: Faults, start: Timestamp) -> Self {
        fastrand::seed(seed);
        let mut world = World::new(seed, faults, start);
        for name in ["default", "kube-system", "kube-public", "kube-node-lease"] {
            let namespace = json!({"metadata": {"name": name}});
            world
                .create(&Author::controller("system:apiserver"), Resource::Namespaces, "", namespace, false)
                .expect("the store is empty");
        }
        Self { shared: Shared::start(world) }
    }

    /// A client of this user; who did what is in the history.
    pub fn client(&self, user: &str) -> Client {
        self.connect(user).client
    }

    /// A client of this user that can be cut off.
    pub fn connect(&self, user: &str) -> SimClient {
        let link = Arc::new(Link::new(user));
        let service = ApiService { shared: self.shared.clone(), link: link.clone() };
        SimClient { client: Client::new(service, "default"), link }
    }

    /// Virtual time.
    pub fn now(&self) -> Timestamp {
        self.shared.with(|world| world.time())
    }

    /// Changes what may go wrong from now on, running watches included.
    pub fn set_faults(&self, faults: Faults) {
        self.shared.with(|world| world.faults = faults);
    }

    /// From now on a webhook refuses changes of an object; or none does any more.
    pub fn set_webhook(&self, webhook: Option<Webhook>) {
        self.shared.with(|world| world.webhook = webhook);
    }

    /// The webhook that refuses changes of an object, if there is one.
    pub fn webhook(&self) -> Option<Webhook> {
        self.shared.with(|world| world.webhook.clone())
    }

    /// Serves custom resources of this kind, `Rollout` or `FlippyConfig`, by putting a bare definition there.
    ///
    /// # Errors
    /// When the kind is not a custom one that the simulation knows, or is served already.
    pub fn serve_kind(&self, kind: &str) -> Result<(), Rejected> {
        let resource = Resource::of_kind(kind).filter(|resource| resource.traits().custom);
        let resource =
            resource.ok_or_else(|| Rejected(format!("{kind} is no custom resource that the simulation knows")))?;
        let traits = resource.traits();
        self.create(json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": resource.qualified()},
            "spec": {
                "group": traits.group, "scope": "Namespaced", "names": {"plural": traits.plural, "kind": traits.kind},
                "versions": [{"name": traits.version, "served": true, "storage": true}],
            },
        }))
    }

    /// Creates an object through admission, as `kubectl create` would; controllers act on it as time passes.
    ///
    /// # Errors
    /// What the API server would say.
    pub fn create(&self, object: impl Into<Json>) -> Result<(), Rejected> {
        let object = object.into();
        self.shared.with(|world| create(world, object))
    }

    /// Creates objects in a cluster that has been running for long: when this returns, controllers are done and
    /// pods are ready (unless their annotations say otherwise), though no time has passed.
    ///
    /// # Errors
    /// What the API server would say to the first object that it refuses; the ones before are there.
    pub fn create_settled(&self, objects: impl IntoIterator<Item: Into<Json>>) -> Result<(), Rejected> {
        self.shared.with(|world| {
            world.instant = true;
            let created = objects.into_iter().try_for_each(|object| create(world, object.into()));
            world.advance(world.now);
            world.instant = false;
            created
        })
    }

    /// Puts objects there as they are, status included: fast, with no admission, history, events or controllers.
    /// Missing uid, creation time and generation are filled in.
    ///
    /// # Errors
    /// When an object's kind is unknown; the ones before it are there.
    pub fn load(&self, objects: impl IntoIterator<Item: Into<Json>>) -> Result<(), Rejected> {
        self.shared.with(|world| {
            for object in objects {
                let mut object: Json = object.into();
                let resource = resource_of(&object)?;
                object["apiVersion"] = json!(resource.api_version());
                let (now, uid) = (world.stamp(), world.rng.uid());
                let metadata = &mut object["metadata"];
                for (field, value) in [("uid", json!(uid)), ("creationTimestamp", now), ("generation", json!(1))] {
                    if metadata[field].is_null() && (field != "generation" || resource.traits().generation) {
                        metadata[field] = value;
                    }
                }
                world.store.preload(resource, &Key::of(&object), object);
            }
            Ok(())
        })
    }

    /// An object as it is now.
    pub fn get(&self, resource: Resource, namespace: &str, name: &str) -> Option<Json> {
        self.shared.with(|world| world.store.get(resource, &Key::new(namespace, name)).cloned())
    }

    /// The revision of the last change.
    pub fn revision(&self) -> u64 {
        self.shared.with(|world| world.store.revision())
    }

    /// All objects of a resource as they are now, in order of namespace and name.
    pub fn list(&self, resource: Resource) -> Vec<Json> {
        self.shared.with(|world| world.store.range(resource, None, None).map(|(_, object)| object.clone()).collect())
    }

    /// Changes an object as somebody with that name would, whatever the faults.
    ///
    /// # Errors
    /// What the API server would say.
    pub fn edit(
        &self,
        user: &str,
        resource: Resource,
        namespace: &str,
        name: &str,
        change: impl FnOnce(&mut Json),
    ) -> Result<(), Rejected> {
        let key = Key::new(namespace, name);
        let edited = self.shared.with(|world| {
            world.update(&Author::controller(user), resource, &key, Part::Main, false, |old| {
                let mut new = old.clone();
                change(&mut new);
                Ok(new)
            })
        });
        Ok(edited.map(drop)?)
    }

    /// Deletes an object as somebody with that name would, whatever the faults.
    ///
    /// # Errors
    /// What the API server would say.
    pub fn delete(&self, user: &str, resource: Resource, namespace: &str, name: &str) -> Result<(), Rejected> {
        let key = Key::new(namespace, name);
        let deleted =
            self.shared.with(|world| world.delete(&Author::controller(user), resource, &key, &Deletion::default()));
        Ok(deleted.map(drop)?)
    }

    /// Upgrades the mesh: pods created from now on get a sidecar of this image (`ConfigMap` `istio-system/sidecar`).
    pub fn flip_sidecar(&self, image: &str) {
        self.shared.with(|world| {
            let author = Author::controller("mesh-admin");
            let key = Key::new("istio-system", "sidecar");
            if world.store.get(Resource::Namespaces, &Key::new("", "istio-system")).is_none() {
                let namespace = json!({"metadata": {"name": "istio-system"}});
                world.create(&author, Resource::Namespaces, "", namespace, false).expect("it is not there yet");
            }
            if world.store.get(Resource::ConfigMaps, &key).is_none() {
                let config = json!({"metadata": {"name": "sidecar"}, "data": {"image": image}});
                world
                    .create(&author, Resource::ConfigMaps, "istio-system", config, false)
                    .expect("the namespace exists, the object does not");
                return;
            }
            let flipped = world.update(&author, Resource::ConfigMaps, &key, Part::Main, false, |old| {
                let mut new = old.clone();
                new["data"]["image"] = json!(image);
                Ok(new)
            });
            flipped.expect("an image is valid data");
        });
    }

    /// How many nodes there are, for `DaemonSet`s. Three unless told otherwise; tell before creating any.
    pub fn set_nodes(&self, nodes: u64) {
        self.shared.with(|world| world.nodes = nodes.max(1));
    }

    /// Puts sidecars into other pods, or from another `ConfigMap`, from now on. [`SimCluster::flip_sidecar`] knows only the usual one.
    pub fn set_injector(&self, injector: Injector) {
        self.shared.with(|world| world.injector = injector);
    }

    /// Changes how long pods take from now on.
    pub fn set_pod_delays(&self, delays: PodDelays) {
        self.shared.with(|world| world.pod_delays = delays);
    }

    /// Lets something change replica counts from now on.
    pub fn add_scaler(&self, scaler: Scaler) {
        self.shared.with(|world| {
            world.scalers.push(scaler);
            scaler::plan(world, world.scalers.len() - 1);
        });
    }

    /// Lets somebody else write to a workload from now on.
    pub fn add_actor(&self, actor: Actor) {
        self.shared.with(|world| {
            world.actors.push(actor);
            actors::plan(world, world.actors.len() - 1);
        });
    }

    /// Forgets the changes so far, as etcd's compaction does: watches and lists that resume from before get 410.
    pub fn compact(&self) {
        self.shared.with(|world| world.store.compact());
    }

    /// How often watches that begin from now on hear the current revision while nothing changes. Every minute unless told
    /// otherwise, as on a real server, which promises nothing.
    pub fn set_bookmark_interval(&self, interval: Duration) {
        self.shared.with(|world| world.bookmark_interval = interval.max(Duration::from_secs(1)));
    }

    /// How many changes of each resource watches can resume from; 4096 unless told otherwise.
    pub fn set_log_capacity(&self, changes: usize) {
        self.shared.with(|world| world.store.set_log_capacity(changes));
    }

    /// What happened since the last call. The record begins anew, however many requests are under way: for a cluster so large
    /// that nobody can keep it all.
    pub fn drain_mutations(&self) -> Vec<Mutation> {
        self.shared.with(|world| {
            world.history.requests.clear();
            world.history.deliveries.clear();
            std::mem::take(&mut world.history.mutations)
        })
    }

    pub(crate) fn with_world<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        self.shared.with(act)
    }

    /// Everything that happened so far; large. See also `with_history`.
    pub fn history(&self) -> History {
        self.with_history(History::clone)
    }

    /// Reads the history in place.
    pub fn with_history<T>(&self, read: impl FnOnce(&History) -> T) -> T {
        self.shared.with(|world| read(&world.history))
    }

    /// The changes after the first `known`, for a checker that has seen those.
    pub fn mutations_since(&self, known: usize) -> Vec<Mutation> {
        self.with_history(|history| history.mutations.get(known..).unwrap_or_default().to_vec())
    }

    /// The history so far, which begins anew: what a day that is over leaves, without copying it.
    pub fn take_history(&self) -> History {
        self.shared.with(|world| std::mem::take(&mut world.history))
    }

    /// Forgets the history so far, for instance what loading did. For moments when no request is under way: their records go too.
    pub fn clear_history(&self) {
        self.shared.with(|world| world.history = History::default());
    }

    /// Waits, at most `within` of virtual time, until `reached` holds; says whether it did. Looks every 100 ms.
    pub async fn until(&self, within: Duration, mut reached: impl FnMut(&Self) -> bool) -> bool {
        let deadline = tokio::time::Instant::now() + within;
        loop {
            if reached(self) {
                return true;
            }
            if tokio::time::Instant::now() >= deadline {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The images of all running pods' containers with this name (init containers included), by pod `namespace/name`.
    pub fn images(&self, container: &str) -> BTreeMap<String, String> {
        let pods = self.list(Resource::Pods);
        let image_of = |pod: &Json| {
            let lists = [&pod["spec"]["containers"], &pod["spec"]["initContainers"]];
            let mut all = lists.into_iter().filter_map(Json::as_array).flatten();
            all.find(|found| found["name"] == container).and_then(|found| found["image"].as_str().map(str::to_owned))
        };
        pods.iter()
            .filter(|pod| object::is_active_pod(pod))
            .filter_map(|pod| Some((Key::of(pod).to_string(), image_of(pod)?)))
            .collect()
    }
}

fn resource_of(object: &Json) -> Result<Resource, Rejected> {
    let kind = object["kind"].as_str().unwrap_or_default();
    Resource::of_kind(kind)
        .ok_or_else(|| Rejected(format!("{} {}: no resource of this kind is simulated", kind, object::name(object))))
}

fn create(world: &mut World, object: Json) -> Result<(), Rejected> {
    let resource = resource_of(&object)?;
    if !world.is_served(resource) {
        return Err(Rejected(format!(
            "{} {}: its CustomResourceDefinition is missing",
            resource.kind(),
            Key::of(&object)
        )));
    }
    let namespace = object::namespace(&object).to_owned();
    world.create(&Author::controller("fixture"), resource, &namespace, object, false)?;
    Ok(())
}
