//! Which feeds run. Kinds that no config names are not watched.

use std::collections::{BTreeMap, BTreeSet};

use flippy_api::ConversionOptions;
use flippy_core::{CustomKind, Kind};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::core::{ApiResource, PartialObjectMeta};
use kube::runtime::watcher::Config;
use kube::{Api, Client};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use crate::config_reader::ConfigReader;
use crate::custom_kinds::CustomKinds;
use crate::feed::{self, Change, Item, Signal};
use crate::interner::Interner;
use crate::slim::{
    SlimConfig, SlimCustom, SlimDaemonSet, SlimDeployment, SlimDisruptionBudget, SlimNamespace, SlimOwnReplicaSet,
    SlimPod, SlimReplicaSet, SlimReplicationController, SlimRollout, SlimStatefulSet, SlimWorkload,
};
use crate::world::{ALWAYS, Delta, Feed, Run, Told, World};

/// Resources that exist only while their definition does.
const DEFINED_BY: [(&str, Feed); 2] =
    [("flippyconfigs.keikoproj.io", Feed::Configs), ("rollouts.argoproj.io", Feed::Workloads(Kind::ArgoRollout))];

/// Starts and stops feeds.
pub(crate) struct Feeds {
    client: Client,
    options: ConversionOptions,
    told: mpsc::Sender<Told>,
    running: BTreeMap<Feed, (Run, AbortOnDropHandle<()>)>,
    runs: u64,
    custom_kinds: CustomKinds,
    /// Tell whether custom resources exist.
    definitions: Vec<AbortOnDropHandle<()>>,
}

impl Feeds {
    /// Starts what is always watched: namespaces, pods, replica sets, and whether the custom resources exist. All of it ends
    /// when this is dropped.
    pub(crate) fn start(client: Client, options: ConversionOptions, told: mpsc::Sender<Told>) -> Self {
        let mut feeds = Self::start_without_definitions(client, options, told);
        for (definition, feed) in DEFINED_BY {
            feeds.watch_definition(definition, feed);
        }
        feeds
    }

    /// Starts what is always watched, except whether custom resources exist: for whoever finds that out in another way.
    pub(crate) fn start_without_definitions(
        client: Client,
        options: ConversionOptions,
        told: mpsc::Sender<Told>,
    ) -> Self {
        let custom_kinds = CustomKinds::new(client.clone(), told.clone());
        let (running, definitions) = (BTreeMap::new(), Vec::new());
        let mut feeds = Self { client, options, told, running, runs: 0, custom_kinds, definitions };
        for feed in ALWAYS {
            feeds.run(feed);
        }
        feeds
    }

    /// Starts and stops feeds so that exactly `kinds` are watched, and returns those that were stopped. A custom one is watched
    /// once it is known how it is served.
    pub(crate) fn watch_kinds(&mut self, kinds: &BTreeSet<Kind>, world: &World) -> Vec<Feed> {
        let mut surplus = self.custom_kinds.follow(kinds);
        let is_surplus = |feed: &&Feed| matches!(feed, Feed::Workloads(kind) if !kinds.contains(kind));
        surplus.extend(self.running.keys().filter(is_surplus).copied());
        for feed in &surplus {
            self.halt(*feed);
        }
        for kind in kinds {
            match kind {
                Kind::Custom(kind) => self.run_custom(*kind, world.resource(*kind)),
                kind => self.run(Feed::Workloads(*kind)),
            }
        }
        surplus
    }

    /// Starts or stops the feed of disruption budgets. Returns whether it was stopped.
    pub(crate) fn watch_disruption_budgets(&mut self, needed: bool) -> bool {
        let is_surplus = !needed && self.running.contains_key(&Feed::DisruptionBudgets);
        if needed {
            self.run(Feed::DisruptionBudgets);
        } else {
            self.halt(Feed::DisruptionBudgets);
        }
        is_surplus
    }

    fn run_custom(&mut self, kind: CustomKind, resource: Option<&ApiResource>) {
        let feed = Feed::Workloads(Kind::Custom(kind));
        let Some(resource) = resource.filter(|_| !self.running.contains_key(&feed)) else { return };
        let api = Api::<SlimCustom>::all_with(self.client.clone(), resource);
        let record = move |object: SlimCustom, interner: &mut Interner| object.record(kind, interner);
        self.spawn_at(api, feed, record, move |item| Delta::Workload(Kind::Custom(kind), item));
    }

    /// Starts a feed unless it runs. Of a custom kind nobody knows the resource: see [`Self::watch_kinds`].
    pub(crate) fn run(&mut self, feed: Feed) {
        if self.running.contains_key(&feed) {
            return;
        }
        match feed {
            Feed::Namespaces => self.spawn(feed, SlimNamespace::record, Delta::Namespace),
            Feed::Pods => self.spawn(feed, SlimPod::record, Delta::Pod),
            Feed::ReplicaSets => self.spawn(feed, SlimReplicaSet::record, Delta::ReplicaSet),
            Feed::DisruptionBudgets => {
                self.spawn(feed, SlimDisruptionBudget::record, Delta::DisruptionBudget);
            }
            Feed::Configs => {
                let mut reader = ConfigReader::new(self.options.clone());
                let record = move |config: SlimConfig, _: &mut Interner| reader.read(config);
                self.spawn(feed, record, Delta::Config);
            }
            Feed::Workloads(Kind::Deployment) => self.spawn_workloads::<SlimDeployment>(feed, Kind::Deployment),
            Feed::Workloads(Kind::StatefulSet) => self.spawn_workloads::<SlimStatefulSet>(feed, Kind::StatefulSet),
            Feed::Workloads(Kind::DaemonSet) => self.spawn_workloads::<SlimDaemonSet>(feed, Kind::DaemonSet),
            Feed::Workloads(Kind::ArgoRollout) => self.spawn_workloads::<SlimRollout>(feed, Kind::ArgoRollout),
            Feed::Workloads(Kind::ReplicaSet) => {
                self.spawn_workloads::<SlimOwnReplicaSet>(feed, Kind::ReplicaSet);
            }
            Feed::Workloads(Kind::ReplicationController) => {
                self.spawn_workloads::<SlimReplicationController>(feed, Kind::ReplicationController);
            }
            Feed::Workloads(Kind::Custom(_)) => {}
        }
    }

    /// Whether it is still of interest how a custom kind is served.
    pub(crate) fn is_asked(&self, kind: CustomKind) -> bool {
        self.custom_kinds.is_asked(kind)
    }

    /// Takes note of a watch that failed.
    pub(crate) fn doubt(&self, delta: &Delta) {
        self.custom_kinds.doubt(delta);
    }

    /// What is watched now.
    pub(crate) fn running(&self) -> impl Iterator<Item = Feed> {
        self.running.keys().copied()
    }

    /// Stops a feed.
    pub(crate) fn halt(&mut self, feed: Feed) {
        if self.running.remove(&feed).is_some() {
            tracing::debug!(%feed, "no longer watching");
        }
    }

    /// Whether a run is the one that goes on now.
    pub(crate) fn is_current(&self, run: Run) -> bool {
        self.running.get(&run.feed).is_some_and(|(current, _)| *current == run)
    }

    fn spawn_workloads<K: SlimWorkload>(&mut self, feed: Feed, kind: Kind) {
        self.spawn(feed, K::record, move |item| Delta::Workload(kind, item));
    }

    fn spawn<K, R>(
        &mut self,
        feed: Feed,
        record: impl FnMut(K, &mut Interner) -> R + Send + 'static,
        wrap: impl Fn(Item<R>) -> Delta + Send + 'static,
    ) where
        K: kube::Resource<DynamicType = ()> + serde::de::DeserializeOwned + Clone + std::fmt::Debug + Send + 'static,
        R: Send + 'static,
    {
        self.spawn_at(Api::<K>::all(self.client.clone()), feed, record, wrap);
    }

    fn spawn_at<K, R>(
        &mut self,
        api: Api<K>,
        feed: Feed,
        mut record: impl FnMut(K, &mut Interner) -> R + Send + 'static,
        wrap: impl Fn(Item<R>) -> Delta + Send + 'static,
    ) where
        K: kube::Resource + serde::de::DeserializeOwned + Clone + std::fmt::Debug + Send + 'static,
        R: Send + 'static,
    {
        self.runs += 1;
        let run = Run { feed, number: self.runs };
        let mut interner = Interner::new();
        let record = move |object| record(object, &mut interner);
        let tell = move |change| {
            let delta = match change {
                Change::Item(item) => wrap(item),
                Change::Signal(signal) => Delta::Signal(feed, signal),
            };
            Told { run: Some(run), delta }
        };
        tracing::debug!(%feed, "watching");
        let task = tokio::spawn(feed::run(api, Config::default(), record, tell, self.told.clone()));
        self.running.insert(feed, (run, AbortOnDropHandle::new(task)));
    }

    /// Follows one definition by name, so that the right to read others is not needed.
    fn watch_definition(&mut self, definition: &'static str, feed: Feed) {
        let api = Api::<PartialObjectMeta<CustomResourceDefinition>>::all(self.client.clone());
        let config = Config::default().fields(&format!("metadata.name={definition}"));
        let (found_tx, found) = mpsc::channel(16);
        let watching = tokio::spawn(feed::run(api, config, drop, |change| change, found_tx));
        let telling = tokio::spawn(tell_whether_served(definition, feed, found, self.told.clone()));
        self.definitions.extend([watching, telling].map(AbortOnDropHandle::new));
    }
}

async fn tell_whether_served(
    definition: &'static str,
    feed: Feed,
    mut found: mpsc::Receiver<Change<()>>,
    told: mpsc::Sender<Told>,
) {
    let mut listed = false;
    while let Some(change) = found.recv().await {
        let delta = match change {
            Change::Signal(Signal::ListBegins) => {
                listed = false;
                continue;
            }
            Change::Item(Item::Listed(())) => {
                listed = true;
                continue;
            }
            Change::Signal(Signal::ListEnds) => Delta::Served(feed, listed),
            Change::Item(Item::Changed(())) => Delta::Served(feed, true),
            Change::Item(Item::Gone(())) => Delta::Served(feed, false),
            Change::Signal(Signal::Failed(message) | Signal::Lost(message)) => {
                Delta::ServedUnknown(feed, format!("{definition}: {message}"))
            }
        };
        if told.send(Told { run: None, delta }).await.is_err() {
            return;
        }
    }
}
