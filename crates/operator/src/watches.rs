//! How the watches stand, in the metrics.

use std::collections::BTreeMap;

use crate::feed::Signal;
use crate::feeds::Feeds;
use crate::metrics::{FeedLabels, Metrics};
use crate::world::{Delta, Feed, World};

pub(crate) struct Watches {
    metrics: Metrics,
    /// Feeds that are in the metrics, and whether they are shown as synced.
    shown: BTreeMap<Feed, bool>,
}

impl Watches {
    pub(crate) fn new(metrics: Metrics) -> Self {
        Self { metrics, shown: BTreeMap::new() }
    }

    /// Shows what is watched, and what should be but is not served.
    pub(crate) fn show(&mut self, feeds: &Feeds, world: &World) {
        // Without configs nothing works, so that they are not served is worth to be seen.
        let watched: BTreeMap<Feed, bool> =
            feeds.running().chain([Feed::Configs]).map(|feed| (feed, world.is_synced(feed))).collect();
        // So it is mostly: a config has changed, but not what is to be watched.
        if watched == self.shown {
            return;
        }
        for (feed, is_synced) in &watched {
            self.metrics.watch_synced.get_or_create(&labels(*feed)).set(i64::from(*is_synced));
            // It must be there before the first failure, or `rate` does not see that one.
            drop(self.metrics.watch_failures.get_or_create(&labels(*feed)));
        }
        for gone in self.shown.keys().filter(|feed| !watched.contains_key(feed)) {
            self.metrics.watch_synced.remove(&labels(*gone));
        }
        self.shown = watched;
    }

    pub(crate) fn note(&self, delta: &Delta) {
        if let Delta::Signal(feed, Signal::Failed(_) | Signal::Lost(_)) = delta {
            self.metrics.watch_failures.get_or_create(&labels(*feed)).inc();
        }
    }
}

fn labels(feed: Feed) -> FeedLabels {
    FeedLabels { resource: feed.to_string() }
}
