//! How the watches stand, in the metrics.

use std::collections::BTreeSet;

use crate::feed::Signal;
use crate::feeds::Feeds;
use crate::metrics::{FeedLabels, Metrics};
use crate::world::{Delta, Feed, World};

pub(crate) struct Watches {
    metrics: Metrics,
    /// Feeds that are in the metrics.
    shown: BTreeSet<Feed>,
}

impl Watches {
    pub(crate) fn new(metrics: Metrics) -> Self {
        Self { metrics, shown: BTreeSet::new() }
    }

    /// Shows what is watched, and what should be but is not served.
    pub(crate) fn show(&mut self, feeds: &Feeds, world: &World) {
        // Without configs nothing works, so that they are not served is worth to be seen.
        let watched: BTreeSet<Feed> = feeds.running().chain([Feed::Configs]).collect();
        for feed in &watched {
            self.metrics.watch_synced.get_or_create(&labels(*feed)).set(i64::from(world.is_synced(*feed)));
            // It must be there before the first failure, or `rate` does not see that one.
            drop(self.metrics.watch_failures.get_or_create(&labels(*feed)));
        }
        for gone in self.shown.difference(&watched) {
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
