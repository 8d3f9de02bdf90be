//! One after the other: nothing starts while a restart that is waited for is under way.
//!
//! What a life sent itself it knows of from then on, whatever became of the answer: a request without an answer may have
//! taken effect, and then two would be under way at once. What its predecessors did it knows when it is told.

use flippy_sim::{Key, Resource};
use serde_json::Value;

use super::facts::{has_landed, name};
use super::{Case, Invariant, Objection};
use crate::record::{Mark, mark};

pub(super) fn objection(case: &Case<'_>) -> Option<Objection> {
    let busy = case.view.workloads.iter().find(|((resource, key), workload)| {
        let is_itself = *resource == case.restart.mutation.resource && *key == case.restart.mutation.key;
        !is_itself && is_waited_for(case, *resource, key, workload)
    });
    let ((resource, key), _) = busy?;
    let message =
        format!("{} was being restarted, and is waited for (FlippyConfig {})", name(*resource, key), case.wish.key);
    Some(Objection::new(Invariant::Serial, message))
}

fn is_waited_for(case: &Case<'_>, resource: Resource, key: &Key, workload: &Value) -> bool {
    let goes_first = case.wish.first.iter().any(|(kind, place, _)| *kind == resource && place == key);
    if !goes_first && !case.wish.admits(case.view, resource, key, workload) {
        return false;
    }
    let of_interest = goes_first
        || case.view.pods(workload).is_empty()
        || case.view.pods(workload).iter().any(|pod| case.wish.is_fresh(pod).is_some());
    let Some(mark) = own_or_told(case, resource, key, workload).filter(|_| of_interest) else { return false };
    // What goes first does so once; another attempt is like that of any other workload.
    let is_retry = mark.parts().is_some_and(|(_, attempt)| attempt > 1);
    let goes_first = goes_first && !is_retry;
    let check = if goes_first { case.wish.waits_for(resource, key) } else { case.wish.check_of(resource) };
    let Some(check) = check.filter(|check| check.is_waited()) else { return false };
    (goes_first || !mark.unhealthy_before)
        && case.now < mark.at.saturating_add(check.window()).unwrap_or(case.now)
        && !has_landed(case.view, resource, workload, &mark)
}

/// The mark of the restart that this life made last of a workload, or else the one that it was told of.
fn own_or_told<'a>(case: &'a Case<'_>, resource: Resource, key: &Key, workload: &'a Value) -> Option<Mark<'a>> {
    let own = case.record.restarts.iter().rev().find(|other| {
        // Configs are decided on one after the other: what another one starts in the same pass is not known yet.
        other.index < case.restart.index
            && (case.wishes.len() == 1 || other.request.at < case.began)
            && other.request.user == case.restart.request.user
            && other.mutation.resource == resource
            && other.mutation.key == *key
            && crate::record::uid(other.after) == crate::record::uid(workload)
    });
    let told = mark(resource, workload);
    let Some(own) = own else { return told };
    // A later generation than its own says what became of it since.
    if crate::record::generation(workload) >= crate::record::generation(own.after) {
        return told;
    }
    mark(resource, own.after)
}
