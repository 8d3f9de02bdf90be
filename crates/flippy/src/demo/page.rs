//! The demo as a page, as `flippy report` makes it of a real campaign.

use std::path::Path;

use flippy_core::Timestamp;
use flippy_sim::SimCluster;

use crate::exit::Failure;
use crate::plan::view::ConfigView;
use crate::rehearse::conclude::{self, Left};
use crate::rehearse::recorder::Recorder;
use crate::report::{self, model::Source};

/// A page to be.
pub(super) struct Page<'a> {
    path: &'a Path,
    recorder: Recorder,
    begun: Timestamp,
    known: usize,
}

impl<'a> Page<'a> {
    /// Of what happens from now on.
    pub(super) fn beginning_now(cluster: &SimCluster, path: &'a Path) -> Self {
        let known = cluster.with_history(|history| history.mutations.len());
        Self { path, recorder: Recorder::of(cluster), begun: cluster.now(), known }
    }

    /// Writes what happened.
    pub(super) fn write(mut self, cluster: &SimCluster, views: &[ConfigView], settled: bool) -> Result<(), Failure> {
        for mutation in cluster.mutations_since(self.known) {
            self.recorder.see(&mutation);
        }
        self.recorder.finish(self.recorder.moved_at);
        let left = Left {
            source: Source::Demo,
            cluster,
            views,
            begun_at: self.begun,
            settled,
            assumptions: Vec::new(),
            notes: vec!["the cluster of the demo exists in memory only; what happened on it is real".to_owned()],
        };
        report::write(&conclude::campaign(left, self.recorder), self.path)
    }
}
