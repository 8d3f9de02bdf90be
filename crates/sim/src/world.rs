//! The world: the store, the controllers' work, and the one place where both advance.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use crate::{Json, json};
use ahash::{HashMap, HashMapExt};
use jiff::{SignedDuration, Timestamp};

use crate::admission::Injector;
use crate::controllers::actors::Actor;
use crate::controllers::kubelet::PodDelays;
use crate::controllers::scaler::Scaler;
use crate::controllers::{self, Digests};
use crate::faults::Faults;
use crate::history::{Author, Delivery, History, Mutation};
use crate::object::{Key, Object};
use crate::queue::{Queue, Work};
use crate::request::Part;
use crate::resources::Resource;
use crate::rng::Rng;
use crate::store::Store;
use crate::watch::BOOKMARK_INTERVAL;
use crate::webhook::Webhook;

/// Everything behind the API, changed by one caller at a time.
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) queue: Queue,
    pub(crate) history: History,
    /// What the cluster itself draws from: delays, names.
    pub(crate) rng: Rng,
    pub(crate) faults: Faults,
    pub(crate) webhook: Option<Webhook>,
    /// What misfortune draws from; apart, so that faults do not change how pods behave.
    pub(crate) fault_rng: Rng,
    pub(crate) start: Timestamp,
    /// Milliseconds since the start.
    pub(crate) now: u64,
    /// The last second that was asked for, and how objects carry it: they carry little else as often.
    stamp: RefCell<(i64, Json)>,
    /// While loading: pods are ready at once and controllers act without delay.
    pub(crate) instant: bool,
    pub(crate) nodes: u64,
    pub(crate) bookmark_interval: Duration,
    /// Nodes of `DaemonSet`s that do not run on all of them.
    pub(crate) daemon_nodes: HashMap<Key, Vec<Arc<str>>>,
    pub(crate) injector: Injector,
    pub(crate) pod_delays: PodDelays,
    pub(crate) scalers: Vec<Scaler>,
    pub(crate) actors: Vec<Actor>,
    pub(crate) digests: Digests,
    /// The hash of the template of each workload, by its uid, and of which generation.
    pub(crate) template_hashes: HashMap<String, (i64, String)>,
    /// When the driver will look next, in milliseconds since the start.
    pub(crate) driver_until: u64,
}

impl World {
    pub(crate) fn new(seed: u64, faults: Faults, start: Timestamp) -> Self {
        let mut rng = Rng::new(seed);
        let fault_rng = rng.fork();
        Self {
            store: Store::new(),
            queue: Queue::default(),
            history: History::default(),
            rng,
            faults,
            webhook: None,
            fault_rng,
            start,
            now: 0,
            stamp: RefCell::default(),
            instant: false,
            nodes: 3,
            bookmark_interval: BOOKMARK_INTERVAL,
            daemon_nodes: HashMap::new(),
            injector: Injector::default(),
            pod_delays: PodDelays::default(),
            scalers: Vec::new(),
            actors: Vec::new(),
            digests: Digests::default(),
            template_hashes: HashMap::new(),
            driver_until: u64::MAX,
        }
    }

    pub(crate) fn time(&self) -> Timestamp {
        let elapsed = SignedDuration::from_millis(i64::try_from(self.now).unwrap_or(i64::MAX));
        self.start.checked_add(elapsed).unwrap_or(Timestamp::MAX)
    }

    /// Now, as objects carry it: whole seconds.
    pub(crate) fn stamp(&self) -> Json {
        self.stamp_after(0)
    }

    pub(crate) fn stamp_after(&self, seconds: i64) -> Json {
        let second = self.time().as_second() + seconds;
        let mut stamp = self.stamp.borrow_mut();
        if stamp.0 != second || stamp.1.is_null() {
            let at = Timestamp::from_second(second).unwrap_or(Timestamp::MAX);
            *stamp = (second, json!(at.to_string()));
        }
        stamp.1.clone()
    }

    /// Milliseconds from now until `at`; 0 when it has passed.
    pub(crate) fn millis_until(&self, at: Timestamp) -> u64 {
        u64::try_from(at.as_millisecond() - self.time().as_millisecond()).unwrap_or(0)
    }

    /// Does everything that is due up to `now`, each thing at its own time.
    pub(crate) fn advance(&mut self, now: u64) {
        while let Some((due, work)) = self.queue.pop(now) {
            self.now = self.now.max(due);
            self.perform(work);
        }
        self.now = self.now.max(now);
    }

    fn perform(&mut self, work: Work) {
        match work {
            Work::Reconcile(controller, key) => controllers::reconcile(self, controller, &key),
            Work::Pod { key, uid, step } => controllers::kubelet::step(self, &key, &uid, step),
            Work::CollectGarbage { owner } => self.collect_garbage(&owner),
            Work::EmptyNamespace(key) => self.empty_namespace(&key),
            Work::Scale(index) => controllers::scaler::step(self, index),
            Work::Act(index) => controllers::actors::step(self, index),
        }
    }

    /// Remembers what a client was told.
    pub(crate) fn tell(&mut self, request: usize, resource: Resource, revision: u64) {
        let (at, after_requests) = (self.time(), self.history.requests.len());
        self.history.delivery(Delivery { at, request, resource, revision, after_requests });
    }

    pub(crate) fn later(&mut self, milliseconds: u64, work: Work) {
        self.queue.push(self.now + milliseconds, work);
    }

    /// Stores the object, remembers who did it, and wakes the controllers.
    pub(crate) fn commit(
        &mut self,
        author: &Author,
        resource: Resource,
        key: &Key,
        part: Part,
        object: Json,
    ) -> Object {
        let before = self.store.get(resource, key).cloned();
        let after = self.store.put(resource, key, object);
        self.history.mutation(Mutation {
            at: self.time(),
            revision: self.store.revision(),
            author: author.clone(),
            resource,
            key: key.clone(),
            part,
            before: before.clone(),
            after: Some(after.clone()),
        });
        controllers::react(self, resource, key, before.as_ref(), Some(&after));
        after
    }

    /// Removes the object, remembers who did it, and wakes the controllers.
    pub(crate) fn remove(&mut self, author: &Author, resource: Resource, key: &Key) -> Option<Object> {
        let before = self.store.get(resource, key).cloned()?;
        let last = self.store.remove(resource, key)?;
        self.history.mutation(Mutation {
            at: self.time(),
            revision: self.store.revision(),
            author: author.clone(),
            resource,
            key: key.clone(),
            part: Part::Main,
            before: Some(before.clone()),
            after: None,
        });
        controllers::react(self, resource, key, Some(&before), None);
        Some(last)
    }

    /// Custom resources exist only while their definition does.
    pub(crate) fn is_served(&self, resource: Resource) -> bool {
        let definition = || Key::new("", resource.qualified());
        !resource.traits().custom || self.store.get(Resource::CustomResourceDefinitions, &definition()).is_some()
    }
}
