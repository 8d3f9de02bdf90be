//! What is to happen later, in order of time and then of arrival.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::controllers::{Controller, PodStep};
use crate::object::Key;
use ahash::HashMap;

/// Something to be done at a virtual time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Work {
    Reconcile(Controller, Key),
    Pod {
        key: Key,
        uid: String,
        step: PodStep,
    },
    /// Deletes what the gone owner with this uid left behind.
    CollectGarbage {
        owner: String,
    },
    /// Deletes what a terminating namespace holds, then the namespace.
    EmptyNamespace(Key),
    Scale(usize),
    Act(usize),
}

/// Work by due time (milliseconds since the start).
#[derive(Debug, Default)]
pub(crate) struct Queue {
    heap: BinaryHeap<Reverse<(u64, u64, Work)>>,
    sequence: u64,
    /// When each reconcile is due; entries of the heap that disagree are superseded.
    pending: HashMap<(Controller, Key), u64>,
}

impl Queue {
    pub(crate) fn push(&mut self, due: u64, work: Work) {
        if let Work::Reconcile(controller, key) = &work {
            match self.pending.entry((*controller, key.clone())) {
                std::collections::hash_map::Entry::Occupied(entry) if *entry.get() <= due => return,
                entry => *entry.or_insert(due) = due,
            }
        }
        self.sequence += 1;
        self.heap.push(Reverse((due, self.sequence, work)));
    }

    pub(crate) fn next_due(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse((due, ..))| *due)
    }

    /// The next piece of work due by `now`.
    pub(crate) fn pop(&mut self, now: u64) -> Option<(u64, Work)> {
        while self.next_due().is_some_and(|due| due <= now) {
            let Reverse((due, _, work)) = self.heap.pop()?;
            if let Work::Reconcile(controller, key) = &work {
                let pending = (*controller, key.clone());
                if self.pending.get(&pending) != Some(&due) {
                    continue;
                }
                self.pending.remove(&pending);
            }
            return Some((due, work));
        }
        None
    }
}
