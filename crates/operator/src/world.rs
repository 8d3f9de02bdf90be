//! The one place where what the feeds tell becomes a [`Snapshot`]. Single writer, no locks.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use ahash::{HashSet, HashSetExt};
use flippy_core::{CustomKind, DisruptionBudget, Kind, Labels, Pod, ReplicaSet, Snapshot, Throttle, Workload};
use kube::core::ApiResource;

use crate::configs::{ConfigRecord, Configs};
use crate::discovery::Found;
use crate::feed::{Item, Signal};
use crate::gates::Histories;
use crate::source_feeds::SourceTold;
use crate::sources::Sources;

/// What every config needs: without all of these, the link from a pod to its workload is missing.
pub(crate) const ALWAYS: [Feed; 3] = [Feed::Namespaces, Feed::Pods, Feed::ReplicaSets];

/// Names a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Feed {
    Namespaces,
    Pods,
    ReplicaSets,
    Configs,
    DisruptionBudgets,
    Workloads(Kind),
}

impl fmt::Display for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Namespaces => f.write_str("Namespace"),
            Self::Pods => f.write_str("Pod"),
            Self::ReplicaSets => f.write_str("ReplicaSet"),
            Self::Configs => f.write_str("FlippyConfig"),
            Self::DisruptionBudgets => f.write_str("PodDisruptionBudget"),
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
    Namespace(Item<(Arc<str>, Labels)>),
    Pod(Item<Pod>),
    ReplicaSet(Item<ReplicaSet>),
    Workload(Kind, Item<Workload>),
    Config(Item<ConfigRecord>),
    DisruptionBudget(Item<DisruptionBudget>),
    /// Something about a source of images.
    Source(SourceTold),
    /// Something about a feed itself.
    Signal(Feed, Signal),
    /// How a custom kind is served.
    Found(CustomKind, Found),
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
    /// The last list failed before it was complete, or the watch has failed for so long that what it showed is not
    /// believed any more.
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
    pub(crate) sources: Sources,
    feeds: BTreeMap<Feed, FeedState>,
    /// Custom resources that the API server is known to serve.
    served: BTreeSet<Feed>,
    /// What the lists that are under way have shown so far, by uid or name.
    seen: BTreeMap<Feed, HashSet<Arc<str>>>,
    /// How custom kinds are served.
    resources: BTreeMap<CustomKind, ApiResource>,
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

    /// How a custom kind is served, if that is known.
    pub(crate) fn resource(&self, kind: CustomKind) -> Option<&ApiResource> {
        self.resources.get(&kind)
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

    /// Forgets everything that a stopped feed told.
    pub(crate) fn forget(&mut self, feed: Feed) {
        self.feeds.remove(&feed);
        self.seen.remove(&feed);
        if let Feed::Workloads(kind @ Kind::Custom(custom)) = feed {
            self.resources.remove(&custom);
            self.snapshot.note_served(kind);
        }
        match feed {
            Feed::Workloads(kind) => self.snapshot.retain_workloads(|workload| workload.kind() != kind),
            Feed::Configs => self.configs.retain(|_| false),
            Feed::DisruptionBudgets => self.snapshot.retain_disruption_budgets(|_| false),
            Feed::Namespaces | Feed::Pods | Feed::ReplicaSets => {}
        }
    }

    /// Takes a delta. Says whether anything has changed that decisions are made from.
    pub(crate) fn apply(&mut self, delta: Delta) -> bool {
        match delta {
            Delta::Namespace(item) => self.take(
                Feed::Namespaces,
                item,
                |(name, _)| name,
                |world, (name, labels)| world.snapshot.upsert_namespace(name, labels),
                |world, (name, _)| world.snapshot.remove_namespace(&name),
            ),
            Delta::Pod(item) => self.take(
                Feed::Pods,
                item,
                |pod| &pod.uid,
                |world, pod| world.snapshot.upsert_pod(pod),
                |world, pod| world.snapshot.remove_pod(&pod.uid),
            ),
            Delta::ReplicaSet(item) => self.take(
                Feed::ReplicaSets,
                item,
                |replica_set| &replica_set.uid,
                |world, replica_set| world.snapshot.upsert_replica_set(replica_set),
                |world, replica_set| world.snapshot.remove_replica_set(&replica_set.uid),
            ),
            Delta::Workload(kind, item) => self.take(
                Feed::Workloads(kind),
                item,
                |workload| &workload.id.uid,
                |world, workload| {
                    if workload.is_a_part() {
                        // It may have been nobody's until now.
                        return world.snapshot.remove_workload(&workload.id.named, &workload.id.uid);
                    }
                    world.snapshot.upsert_workload(workload)
                },
                |world, workload| {
                    world.snapshot.remove_workload(&workload.id.named, &workload.id.uid);
                },
            ),
            Delta::Config(item) => self.take(
                Feed::Configs,
                item,
                |config| &config.uid,
                |world, config| {
                    world.configs.upsert(config, &world.sources);
                    true
                },
                |world, config| world.configs.remove(&config.name, &config.uid),
            ),
            Delta::DisruptionBudget(item) => self.take(
                Feed::DisruptionBudgets,
                item,
                |budget| &budget.uid,
                |world, budget| world.snapshot.upsert_disruption_budget(budget),
                |world, budget| {
                    world.snapshot.remove_disruption_budget(&budget.namespace, &budget.name, &budget.uid);
                },
            ),
            Delta::Source(told) => {
                self.sources.hear(&told.name, told.change);
                self.configs.join(&self.sources);
                true
            }
            Delta::Signal(feed, signal) => {
                self.hear(feed, signal);
                true
            }
            Delta::Found(kind, found) => self.find(kind, found),
            Delta::Served(feed, true) => {
                self.served.insert(feed);
                if *self.state_of(feed) == FeedState::NotServed {
                    self.feeds.insert(feed, FeedState::Listing);
                }
                true
            }
            // Once known, an answer stands until there is another: a watch that broke goes on without a new list.
            Delta::ServedUnknown(feed, message) => {
                if *self.state_of(feed) != FeedState::NotServed {
                    self.feed_failed(feed, message);
                }
                true
            }
            Delta::Served(feed, false) => {
                self.served.remove(&feed);
                self.forget(feed);
                self.feeds.insert(feed, FeedState::NotServed);
                true
            }
        }
    }

    fn find(&mut self, custom: CustomKind, found: Found) -> bool {
        let (kind, feed) = (Kind::Custom(custom), Feed::Workloads(Kind::Custom(custom)));
        let is_new = match found {
            Found::As(resource) => self.resources.insert(custom, resource.clone()) != Some(resource),
            Found::Absent(why) => {
                let is_new = self.snapshot.unserved(kind).is_none_or(|held| **held != *why);
                self.apply(Delta::Served(feed, false));
                self.snapshot.note_unserved(kind, why.into());
                return is_new;
            }
            Found::ClusterScoped(why) => {
                let failed = FeedState::Failed(why);
                let is_new = *self.state_of(feed) != failed;
                self.apply(Delta::Served(feed, false));
                self.feeds.insert(feed, failed);
                return is_new;
            }
        };
        self.snapshot.note_served(kind);
        // Once known, an answer stands: a watch that has failed goes on by itself.
        is_new && self.apply(Delta::Served(feed, true))
    }

    fn take<R>(
        &mut self,
        feed: Feed,
        item: Item<R>,
        identity: impl Fn(&R) -> &Arc<str>,
        upsert: impl Fn(&mut Self, R) -> bool,
        remove: impl Fn(&mut Self, R),
    ) -> bool {
        match item {
            Item::Listed(object) => {
                self.seen.entry(feed).or_default().insert(identity(&object).clone());
                upsert(self, object)
            }
            Item::Changed(object) => upsert(self, object),
            Item::Gone(object) => {
                remove(self, object);
                true
            }
        }
    }

    fn hear(&mut self, feed: Feed, signal: Signal) {
        match signal {
            Signal::ListBegins => drop(self.seen.insert(feed, HashSet::new())),
            Signal::ListEnds => {
                self.feeds.insert(feed, FeedState::Synced);
                let seen = self.seen.remove(&feed).unwrap_or_default();
                self.retain(feed, &seen);
            }
            Signal::Failed(message) => self.feed_failed(feed, message),
            Signal::Lost(message) => {
                tracing::error!(%feed, error = message, "the watch is lost; nothing is decided until there is a new list");
                self.feeds.insert(feed, FeedState::Failed(message));
            }
        }
    }

    /// Forgets what a complete list did not show.
    fn retain(&mut self, feed: Feed, seen: &HashSet<Arc<str>>) {
        match feed {
            Feed::Namespaces => self.snapshot.retain_namespaces(|name| seen.contains(name)),
            Feed::Pods => self.snapshot.retain_pods(|uid| seen.contains(uid)),
            Feed::ReplicaSets => self.snapshot.retain_replica_sets(|uid| seen.contains(uid)),
            Feed::Configs => self.configs.retain(|config| seen.contains(&config.uid)),
            Feed::DisruptionBudgets => self.snapshot.retain_disruption_budgets(|uid| seen.contains(uid)),
            Feed::Workloads(kind) => {
                self.snapshot.retain_workloads(|workload| workload.kind() != kind || seen.contains(&workload.id.uid));
            }
        }
    }

    /// A feed that was synced stays so for a while: deciding on what was last seen is what every informer does, and every
    /// mutation is guarded by the generation it was decided on.
    fn feed_failed(&mut self, feed: Feed, message: String) {
        tracing::warn!(%feed, error = message, "watch failed; trying again");
        if !self.is_synced(feed) {
            self.feeds.insert(feed, FeedState::Failed(message));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world_with_pods_listed() -> World {
        let mut world = World::default();
        world.apply(Delta::Signal(Feed::Pods, Signal::ListBegins));
        world.apply(Delta::Signal(Feed::Pods, Signal::ListEnds));
        world
    }

    #[test]
    fn a_watch_that_fails_for_a_moment_is_still_believed() {
        let mut world = world_with_pods_listed();
        world.apply(Delta::Signal(Feed::Pods, Signal::Failed("connection reset".to_owned())));
        assert!(world.is_synced(Feed::Pods));
    }

    #[test]
    fn a_watch_that_is_lost_is_not_believed_until_a_new_list_is_complete() {
        let mut world = world_with_pods_listed();
        world.apply(Delta::Signal(Feed::Pods, Signal::Lost("no route to host".to_owned())));
        assert_eq!(
            world.why_not_synced(Feed::Pods).as_deref(),
            Some("Pod objects cannot be watched: no route to host")
        );
        world.apply(Delta::Signal(Feed::Pods, Signal::ListBegins));
        assert!(!world.is_synced(Feed::Pods));
        world.apply(Delta::Signal(Feed::Pods, Signal::ListEnds));
        assert!(world.is_synced(Feed::Pods));
    }

    #[test]
    fn a_custom_kind_that_is_not_served_has_no_objects_and_is_told_until_it_is() {
        let Ok(kind @ Kind::Custom(custom)) = Kind::named("CloneSet", "apps.kruise.io/v1alpha1") else {
            panic!("it is a custom kind")
        };
        let (mut world, feed) = (World::default(), Feed::Workloads(kind));
        assert!(world.apply(Delta::Found(custom, Found::Absent("not installed".to_owned()))));
        assert!(!world.apply(Delta::Found(custom, Found::Absent("not installed".to_owned()))), "it is no news");
        assert_eq!(*world.state_of(feed), FeedState::NotServed);
        assert_eq!(world.snapshot.unserved(kind).map(|why| &**why), Some("not installed"));
        let resource = ApiResource {
            group: custom.group().to_owned(),
            version: custom.version().to_owned(),
            api_version: custom.api_version(),
            kind: custom.kind().to_owned(),
            plural: "clonesets".to_owned(),
        };
        world.apply(Delta::Found(custom, Found::As(resource.clone())));
        assert_eq!((world.resource(custom), world.snapshot.unserved(kind)), (Some(&resource), None));
        assert_eq!(*world.state_of(feed), FeedState::Listing);
        world.apply(Delta::Found(custom, Found::ClusterScoped("in no namespace".to_owned())));
        assert_eq!(*world.state_of(feed), FeedState::Failed("in no namespace".to_owned()));
        assert_eq!(world.resource(custom), None);
    }
}
