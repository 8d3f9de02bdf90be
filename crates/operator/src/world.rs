//! The one place where what the feeds tell becomes a [`Snapshot`]. Single writer, no locks.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use ahash::{HashSet, HashSetExt};
use flippy_core::{Kind, Labels, Pod, ReplicaSet, Snapshot, Throttle, Workload};

use crate::configs::{ConfigRecord, Configs};
use crate::feed::Change;
use crate::gates::Histories;

/// Names a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Feed {
    Namespaces,
    Pods,
    ReplicaSets,
    Configs,
    Workloads(Kind),
}

impl fmt::Display for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Namespaces => f.write_str("Namespace"),
            Self::Pods => f.write_str("Pod"),
            Self::ReplicaSets => f.write_str("ReplicaSet"),
            Self::Configs => f.write_str("FlippyConfig"),
            Self::Workloads(kind) => kind.fmt(f),
        }
    }
}

/// A delta and where it comes from.
#[derive(Debug)]
pub(crate) struct Told {
    /// The run of a feed that tells it; `None` for what no feed tells.
    pub(crate) run: Option<Run>,
    pub(crate) delta: Delta,
}

/// One run of a feed, from its start to its stop. What is left in the channel of an earlier run is stale: its `ListEnds`
/// would make a list that has only begun look complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) feed: Feed,
    pub(crate) number: u64,
}

/// Everything that reaches the single writer.
#[derive(Debug)]
pub(crate) enum Delta {
    Namespace(Change<(Arc<str>, Labels)>),
    Pod(Change<Pod>),
    ReplicaSet(Change<ReplicaSet>),
    Workload(Kind, Change<Workload>),
    Config(Change<ConfigRecord>),
    /// Whether the resource behind a feed is served by the API server.
    Served(Feed, bool),
    /// Nobody knows, and why.
    ServedUnknown(Feed, String),
}

/// What is known of a feed.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) enum FeedState {
    /// The first list is not complete.
    #[default]
    Listing,
    /// The snapshot shows what the feed shows.
    Synced,
    /// The last list or watch failed before the first list was complete.
    Failed(String),
    /// The API server does not serve this resource.
    NotServed,
}

#[derive(Default)]
pub(crate) struct World {
    pub(crate) snapshot: Snapshot,
    pub(crate) configs: Configs,
    /// What the gates of each config answered.
    pub(crate) answers: Histories,
    /// How the API server bears restarts.
    pub(crate) throttle: Throttle,
    feeds: BTreeMap<Feed, FeedState>,
    /// Custom resources that the API server is known to serve.
    served: BTreeSet<Feed>,
    /// What the lists that are under way have shown so far, by uid or name.
    seen: BTreeMap<Feed, HashSet<Arc<str>>>,
}

impl World {
    pub(crate) fn state_of(&self, feed: Feed) -> &FeedState {
        const LISTING: &FeedState = &FeedState::Listing;
        self.feeds.get(&feed).unwrap_or(LISTING)
    }

    pub(crate) fn is_synced(&self, feed: Feed) -> bool {
        *self.state_of(feed) == FeedState::Synced
    }

    /// Whether the API server is known to serve a custom resource.
    pub(crate) fn is_served(&self, feed: Feed) -> bool {
        self.served.contains(&feed)
    }

    /// Why a feed is not complete, for people.
    pub(crate) fn why_not_synced(&self, feed: Feed) -> Option<String> {
        match self.state_of(feed) {
            FeedState::Synced => None,
            FeedState::Listing => Some(format!("{feed} objects are not listed yet")),
            FeedState::NotServed => {
                Some(format!("the API server does not serve {feed}: apply its CustomResourceDefinition (flippy crd)"))
            }
            FeedState::Failed(message) => Some(format!("{feed} objects cannot be watched: {message}")),
        }
    }

    /// Whether decisions may be taken at all: every config has its say, and links from pods to workloads are complete.
    pub(crate) fn is_ready(&self) -> bool {
        [Feed::Configs, Feed::Namespaces, Feed::Pods, Feed::ReplicaSets].into_iter().all(|feed| self.is_synced(feed))
    }

    /// Forgets everything that a stopped feed told.
    pub(crate) fn forget(&mut self, feed: Feed) {
        self.feeds.remove(&feed);
        self.seen.remove(&feed);
        match feed {
            Feed::Workloads(kind) => self.snapshot.retain_workloads(|workload| workload.kind() != kind),
            Feed::Configs => self.configs.retain(|_| false),
            Feed::Namespaces | Feed::Pods | Feed::ReplicaSets => {}
        }
    }

    pub(crate) fn apply(&mut self, delta: Delta) {
        match delta {
            Delta::Namespace(change) => self.apply_namespace(change),
            Delta::Pod(change) => self.apply_pod(change),
            Delta::ReplicaSet(change) => self.apply_replica_set(change),
            Delta::Workload(kind, change) => self.apply_workload(kind, change),
            Delta::Config(change) => self.apply_config(change),
            Delta::Served(feed, true) => {
                self.served.insert(feed);
                if *self.state_of(feed) == FeedState::NotServed {
                    self.feeds.insert(feed, FeedState::Listing);
                }
            }
            // Once known, an answer stands until there is another: a watch that broke goes on without a new list.
            Delta::ServedUnknown(feed, message) if *self.state_of(feed) != FeedState::NotServed => {
                self.feed_failed(feed, message);
            }
            Delta::ServedUnknown(..) => {}
            Delta::Served(feed, false) => {
                self.served.remove(&feed);
                self.forget(feed);
                self.feeds.insert(feed, FeedState::NotServed);
            }
        }
    }

    fn apply_namespace(&mut self, change: Change<(Arc<str>, Labels)>) {
        match change {
            Change::Listed((name, labels)) => {
                self.see(Feed::Namespaces, &name);
                self.snapshot.upsert_namespace(name, labels);
            }
            Change::Changed((name, labels)) => self.snapshot.upsert_namespace(name, labels),
            Change::Gone((name, _)) => self.snapshot.remove_namespace(&name),
            Change::ListBegins => self.list_begins(Feed::Namespaces),
            Change::ListEnds => {
                let seen = self.list_ends(Feed::Namespaces);
                self.snapshot.retain_namespaces(|name| seen.contains(name));
            }
            Change::Failed(message) => self.feed_failed(Feed::Namespaces, message),
        }
    }

    fn apply_pod(&mut self, change: Change<Pod>) {
        match change {
            Change::Listed(pod) => {
                self.see(Feed::Pods, &pod.uid);
                self.snapshot.upsert_pod(pod);
            }
            Change::Changed(pod) => self.snapshot.upsert_pod(pod),
            Change::Gone(pod) => self.snapshot.remove_pod(&pod.uid),
            Change::ListBegins => self.list_begins(Feed::Pods),
            Change::ListEnds => {
                let seen = self.list_ends(Feed::Pods);
                self.snapshot.retain_pods(|uid| seen.contains(uid));
            }
            Change::Failed(message) => self.feed_failed(Feed::Pods, message),
        }
    }

    fn apply_replica_set(&mut self, change: Change<ReplicaSet>) {
        match change {
            Change::Listed(replica_set) => {
                self.see(Feed::ReplicaSets, &replica_set.uid);
                self.snapshot.upsert_replica_set(replica_set);
            }
            Change::Changed(replica_set) => self.snapshot.upsert_replica_set(replica_set),
            Change::Gone(replica_set) => self.snapshot.remove_replica_set(&replica_set.uid),
            Change::ListBegins => self.list_begins(Feed::ReplicaSets),
            Change::ListEnds => {
                let seen = self.list_ends(Feed::ReplicaSets);
                self.snapshot.retain_replica_sets(|uid| seen.contains(uid));
            }
            Change::Failed(message) => self.feed_failed(Feed::ReplicaSets, message),
        }
    }

    fn apply_workload(&mut self, kind: Kind, change: Change<Workload>) {
        let feed = Feed::Workloads(kind);
        match change {
            Change::Listed(workload) => {
                self.see(feed, &workload.id.uid);
                self.snapshot.upsert_workload(workload);
            }
            Change::Changed(workload) => self.snapshot.upsert_workload(workload),
            Change::Gone(workload) => self.snapshot.remove_workload(&workload.id.named, &workload.id.uid),
            Change::ListBegins => self.list_begins(feed),
            Change::ListEnds => {
                let seen = self.list_ends(feed);
                self.snapshot.retain_workloads(|workload| workload.kind() != kind || seen.contains(&workload.id.uid));
            }
            Change::Failed(message) => self.feed_failed(feed, message),
        }
    }

    fn apply_config(&mut self, change: Change<ConfigRecord>) {
        match change {
            Change::Listed(config) => {
                self.see(Feed::Configs, &config.uid);
                self.configs.upsert(config);
            }
            Change::Changed(config) => self.configs.upsert(config),
            Change::Gone(config) => self.configs.remove(&config.name, &config.uid),
            Change::ListBegins => self.list_begins(Feed::Configs),
            Change::ListEnds => {
                let seen = self.list_ends(Feed::Configs);
                self.configs.retain(|config| seen.contains(&config.uid));
            }
            Change::Failed(message) => self.feed_failed(Feed::Configs, message),
        }
    }

    fn list_begins(&mut self, feed: Feed) {
        self.seen.insert(feed, HashSet::new());
    }

    fn see(&mut self, feed: Feed, identity: &Arc<str>) {
        self.seen.entry(feed).or_default().insert(identity.clone());
    }

    fn list_ends(&mut self, feed: Feed) -> HashSet<Arc<str>> {
        self.feeds.insert(feed, FeedState::Synced);
        self.seen.remove(&feed).unwrap_or_default()
    }

    /// A feed that was synced once stays so: deciding on what was last seen is what every informer does, and every
    /// mutation is guarded by the generation it was decided on.
    fn feed_failed(&mut self, feed: Feed, message: String) {
        tracing::warn!(%feed, error = message, "watch failed; trying again");
        if !self.is_synced(feed) {
            self.feeds.insert(feed, FeedState::Failed(message));
        }
    }
}
