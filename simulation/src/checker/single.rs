//! A workload whose only replica would be away is left alone, where the config says so.

use flippy_sim::{Json, Resource};

use super::disruption::surges;
use super::wish::Wish;
use super::{Case, Invariant, Objection};

pub(super) fn objection(case: &Case<'_>) -> Option<Objection> {
    let (resource, key) = (case.restart.mutation.resource, &case.restart.mutation.key);
    let workload = case.view.workloads.get(&(resource, key.clone()))?;
    // What goes first is named by the config itself.
    let must_stay = case.wish.strategy.holds_single
        && !case.wish.goes_first(resource, key)
        && is_single(case.wish, resource, workload);
    must_stay.then(|| {
        let message = format!("FlippyConfig {} leaves workloads of one replica alone", case.wish.key);
        Objection::new(Invariant::Single, message)
    })
}

/// Whether a restart takes the only replica away before the next one is there.
pub(super) fn is_single(wish: &Wish, resource: Resource, workload: &Json) -> bool {
    let spec = &workload["spec"];
    let is_one = spec["replicas"].as_i64().unwrap_or(1) == 1;
    match resource {
        Resource::Deployments => is_one && (!surges(resource, workload) || wish.evicts(resource, workload)),
        Resource::DaemonSets => false,
        _ => is_one,
    }
}
