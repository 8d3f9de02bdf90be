//! Only stale workloads in scope are restarted, and what a config names to go first; by nobody who is suspended.

use super::wish::Standing;
use super::{Case, Invariant, Objection};

pub(super) fn objection(case: &Case<'_>) -> Option<Objection> {
    let (resource, key) = (case.restart.mutation.resource, &case.restart.mutation.key);
    let objection = |message: &str| {
        let message = format!("{message} (FlippyConfig {}, by what the operator had been told)", case.wish.key);
        Some(Objection::new(Invariant::Scope, message))
    };
    if case.wish.suspended {
        return objection("its config is suspended");
    }
    if case.wish.dry_run {
        return objection("its config is on a dry run");
    }
    let Some(workload) = case.view.workloads.get(&(resource, key.clone())) else {
        return objection("it did not exist");
    };
    let goes_first = case.wish.first.iter().any(|(kind, place, _)| *kind == resource && place == key);
    if goes_first {
        let waits = case.wish.in_scope(case.view).any(|(.., standing)| standing == Standing::Stale);
        return if waits { None } else { objection("it goes first, but nothing in scope is stale") };
    }
    match case.wish.standing(case.view, resource, key, workload) {
        Standing::OutOfScope => objection("it is not in scope"),
        Standing::Fresh => objection("all its pods run wanted images"),
        Standing::Idle => objection("it has no pods"),
        Standing::Stale if case.wish.conflicts(case.wishes, case.view, resource, key, workload) => {
            objection("another config wants something else")
        }
        Standing::Stale => None,
    }
}
