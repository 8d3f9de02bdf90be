//! Nothing starts while a pod of a restart that is under way has found no node for more than a minute.

use jiff::{SignedDuration, Timestamp};

use super::facts::name;
use super::under_way::{last_mark, under_way};
use super::{Case, Invariant, Objection};
use crate::knowledge::has_no_node;

const PODS_MAY_WAIT: SignedDuration = SignedDuration::from_mins(1);

pub(super) fn objection(case: &Case<'_>) -> Option<Objection> {
    for busy in under_way(case) {
        let workload = case.view.workloads.get(&(busy.resource, busy.key.clone()))?;
        // One that was unhealthy before may have had such pods already.
        let counts = |pod: &flippy_sim::Json| {
            let created: Option<Timestamp> =
                pod["metadata"]["creationTimestamp"].as_str().and_then(|at| at.parse().ok());
            has_no_node(pod) && created.is_some_and(|at| case.now.duration_since(at) >= PODS_MAY_WAIT)
        };
        if last_mark(case, busy.resource, busy.key, workload).is_some_and(|mark| mark.unhealthy_before) {
            continue;
        }
        if let Some(pod) = case.view.pods(workload).iter().find(|pod| counts(pod)) {
            let message = format!(
                "pod {} of {} had found no node for more than a minute",
                pod["metadata"]["name"],
                name(busy.resource, busy.key)
            );
            return Some(Objection::new(Invariant::Gate, message));
        }
    }
    None
}
