//! A rollout of somebody else that makes no progress is waited for no longer than ten minutes, by what the server knew of it.

use flippy_sim::{Json, Key, Resource};
use jiff::{SignedDuration, Timestamp};

use super::Case;
use crate::record::{generation, uid, version};

const DEADLINE: SignedDuration = SignedDuration::from_mins(10);

/// Whether nobody has to wait for a rollout any more. A life that began later, or was told later, has to wait longer.
pub(super) fn stands_still(case: &Case<'_>, resource: Resource, key: &Key, workload: &Json) -> bool {
    // Others have a deadline of their own.
    let is_seen = workload["status"]["observedGeneration"].as_i64().unwrap_or(0) >= generation(workload);
    if is_seen && !matches!(resource, Resource::StatefulSets | Resource::DaemonSets | Resource::CloneSets) {
        return false;
    }
    let count = |version: &Json, field: &str| version["status"][field].as_i64().unwrap_or(0);
    let done = |version: &Json| {
        let updated = count(version, "updatedReplicas").max(count(version, "updatedNumberScheduled"));
        (updated, count(version, "readyReplicas").max(count(version, "numberAvailable")))
    };
    let mut best = (-1, -1);
    let mut last_progress: Option<Timestamp> = None;
    let of_this = case.record.timed_versions(resource, key).filter(|(_, earlier)| {
        uid(earlier) == uid(workload)
            && generation(earlier) == generation(workload)
            && version(earlier) <= version(workload)
    });
    for (at, earlier) in of_this {
        let (updated, ready) = done(earlier);
        if updated > best.0 || ready > best.1 {
            last_progress = Some(at);
        }
        best = (best.0.max(updated), best.1.max(ready));
    }
    last_progress.is_some_and(|at| {
        let passed = case.now.duration_since(case.record.shown(case.restart.request, at));
        passed + case.record.clocks.spread() >= DEADLINE
    })
}
