//! A restart changes nothing of a workload but its marks, and for a Rollout the time of its restart.

use flippy_sim::{Json, Resource};

use super::{Finding, Invariant};
use crate::record::{EVICTS_UNTIL, RESTARTED_AT, RESTARTED_FOR, Record, Restart, UNHEALTHY_BEFORE, mark};

pub(super) fn check(record: &Record<'_>) -> Vec<Finding> {
    let changed =
        record.restarts.iter().filter(|restart| stripped(restart, restart.before) != stripped(restart, restart.after));
    changed
        .map(|restart| Finding {
            at: restart.mutation.at,
            invariant: Invariant::Fields,
            message: format!(
                "the restart of {} changed more than its marks: {} became {}",
                restart.name(),
                stripped(restart, restart.before),
                stripped(restart, restart.after)
            ),
            subject: restart.mutation.key.name.to_string(),
        })
        .collect()
}

/// A workload without what a restart may change, and without what the server keeps.
fn stripped(restart: &Restart<'_>, workload: &Json) -> Json {
    let mut left = workload.clone();
    for kept in ["generation", "resourceVersion", "managedFields"] {
        left["metadata"][kept] = Json::Null;
    }
    let marked = if restart.mutation.resource == Resource::Rollouts {
        left["spec"]["restartAt"] = Json::Null;
        &mut left["metadata"]["annotations"]
    } else if is_by_eviction(restart) {
        &mut left["metadata"]["annotations"]
    } else {
        // What an earlier restart by eviction left on the object goes.
        strip(&mut left["metadata"]["annotations"]);
        &mut left["spec"]["template"]["metadata"]["annotations"]
    };
    strip(marked);
    left
}

fn is_by_eviction(restart: &Restart<'_>) -> bool {
    mark(restart.mutation.resource, restart.after).is_some_and(|mark| mark.evicts_until.is_some())
}

fn strip(annotations: &mut Json) {
    const MARKS: [&str; 4] = [RESTARTED_FOR, RESTARTED_AT, UNHEALTHY_BEFORE, EVICTS_UNTIL];
    if let Some(all) = annotations.as_object_mut() {
        all.retain(|key, _| !MARKS.contains(&key));
        if all.is_empty() {
            *annotations = Json::Null;
        }
    }
}
