//! The changes a resource went through lately: what watches resume from and old lists are rebuilt from.

use std::collections::{BTreeMap, VecDeque};

use crate::object::{Key, Object};
use crate::text::Text;

/// One accepted write.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) revision: u64,
    pub(crate) key: Key,
    /// The object before; None when it was created.
    pub(crate) before: Option<Object>,
    /// The object after; for a deletion its last state, with the revision of the deletion.
    pub(crate) object: Object,
    pub(crate) text: Text,
    pub(crate) deleted: bool,
}

/// A bounded log; whoever asks for more than it holds is told `410 Gone`.
#[derive(Debug)]
pub(crate) struct ChangeLog {
    changes: VecDeque<Change>,
    /// The newest revision that is no longer in the log; resuming from below it is impossible.
    compacted: u64,
    capacity: usize,
}

impl ChangeLog {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { changes: VecDeque::new(), compacted: 0, capacity }
    }

    pub(crate) fn push(&mut self, change: Change) {
        if self.changes.len() >= self.capacity
            && let Some(oldest) = self.changes.pop_front()
        {
            self.compacted = oldest.revision;
        }
        self.changes.push_back(change);
    }

    /// Forgets everything up to `revision`, as etcd's compaction does.
    pub(crate) fn compact(&mut self, revision: u64) {
        self.changes.retain(|change| change.revision > revision);
        self.compacted = self.compacted.max(revision);
    }

    pub(crate) fn set_capacity(&mut self, capacity: usize) {
        self.capacity = capacity.max(1);
        while self.changes.len() > self.capacity {
            if let Some(oldest) = self.changes.pop_front() {
                self.compacted = oldest.revision;
            }
        }
    }

    /// The changes after `revision`, oldest first; None when some of them are forgotten.
    pub(crate) fn since(&self, revision: u64) -> Option<impl Iterator<Item = &Change>> {
        let start = self.changes.partition_point(|change| change.revision <= revision);
        (revision >= self.compacted).then(|| self.changes.range(start..))
    }

    /// What must be put back (or taken away: None) to see the resource as it was at `revision`.
    pub(crate) fn undo_to(&self, revision: u64) -> Option<BTreeMap<Key, Option<Object>>> {
        let mut undo = BTreeMap::new();
        for change in self.since(revision)? {
            // The oldest change after the revision knows the state at the revision.
            undo.entry(change.key.clone()).or_insert_with(|| change.before.clone());
        }
        Some(undo)
    }

    /// The revision as of `back` changes ago; None when the log does not reach that far.
    pub(crate) fn revision_back(&self, back: usize) -> Option<u64> {
        let first_undone = self.changes.len().checked_sub(back.max(1))?;
        let last_kept = first_undone.checked_sub(1).and_then(|at| self.changes.get(at));
        Some(last_kept.map_or(self.compacted, |change| change.revision))
    }
}
