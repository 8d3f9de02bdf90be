//! Which restarts are under way, as far as somebody knows who decides on another one.
//!
//! What a life sent itself it knows of from then on, whatever became of the answer: a request without an answer may have
//! taken effect, and then two would be under way at once. What its predecessors did it knows when it is told.

use flippy_sim::{Json, Key, Resource};
use jiff::{SignedDuration, Timestamp};

use super::Case;
use super::facts::{complete_by, has_landed, is_left, is_vain};
use super::wish::Check;
use crate::record::{Mark, mark, uid, version};

/// A mark from further ahead is not believed.
const BELIEVED: SignedDuration = SignedDuration::from_hours(1);

/// A restart that is under way.
pub(super) struct UnderWay<'a> {
    pub(super) resource: Resource,
    pub(super) key: &'a Key,
    /// It goes before everything in scope.
    pub(super) goes_first: bool,
    /// Others wait for it, if they go one after the other.
    pub(super) is_waited_for: bool,
}

/// All but the restart that is being judged.
pub(super) fn under_way<'a>(case: &'a Case<'a>) -> impl Iterator<Item = UnderWay<'a>> {
    case.view.workloads.iter().filter_map(move |((resource, key), workload)| {
        let is_itself = *resource == case.restart.mutation.resource && *key == case.restart.mutation.key;
        if is_itself { None } else { one(case, *resource, key, workload) }
    })
}

fn one<'a>(case: &'a Case<'a>, resource: Resource, key: &'a Key, workload: &'a Json) -> Option<UnderWay<'a>> {
    let goes_first = case.wish.goes_first(resource, key);
    let mark = last_mark(case, resource, key, workload)?;
    // What goes first does so once; another attempt is like that of any other workload.
    let is_retry = mark.parts().is_some_and(|(_, attempt)| attempt > 1);
    let goes_first = goes_first && !is_retry;
    let check = if goes_first { case.wish.waits_for(resource, key) } else { case.wish.check_of(resource) }?;
    let is_believed = mark.at.duration_since(case.now) <= BELIEVED;
    (is_believed && is_on(case, resource, key, workload, &mark, check)).then_some(UnderWay {
        resource,
        key,
        goes_first,
        is_waited_for: check.is_waited() && (goes_first || !mark.unhealthy_before),
    })
}

fn is_on(case: &Case<'_>, resource: Resource, key: &Key, workload: &Json, mark: &Mark<'_>, check: Check) -> bool {
    let complete_by = complete_by(resource, case.view.pods(workload), mark, check.window());
    if is_vain(case.wish, resource, key, workload, case.view.pods(workload), mark) {
        return false;
    }
    if !has_landed(case.wish, case.view, resource, key, workload, mark) {
        return case.now < complete_by;
    }
    let min_ready = case.wish.strategy.min_ready;
    if min_ready.is_zero() {
        return false;
    }
    // It has to stay complete for a while, which begins anew with every pod that is replaced meanwhile.
    let pods = case.view.pods(workload).iter().filter(|pod| !is_left(case.wish, resource, key, pod, mark));
    let ready: Vec<Option<Timestamp>> = pods.map(ready_since).collect();
    match ready.iter().min() {
        None => false,
        Some(None) => case.now < complete_by,
        Some(Some(_)) => ready.iter().flatten().max().is_some_and(|since| {
            *since <= complete_by && case.now < since.saturating_add(min_ready).unwrap_or(Timestamp::MAX)
        }),
    }
}

/// Since when a pod is ready, if it is.
pub(super) fn ready_since(pod: &Json) -> Option<Timestamp> {
    let ready = pod["status"]["conditions"].as_array()?.iter().find(|one| one["type"] == "Ready")?;
    (ready["status"] == "True").then(|| ready["lastTransitionTime"].as_str()?.parse().ok())?
}

/// The mark of a workload that a config has something to do with: of the restart that this life made last of it, or else
/// the one that it was told of.
pub(super) fn last_mark<'a>(case: &'a Case<'_>, resource: Resource, key: &Key, workload: &'a Json) -> Option<Mark<'a>> {
    let reaches =
        |wish: &super::wish::Wish| wish.goes_first(resource, key) || wish.admits(case.view, resource, key, workload);
    if !reaches(case.wish) {
        return None;
    }
    let pods = case.view.pods(workload);
    let of_interest = case.wish.goes_first(resource, key)
        || pods.is_empty()
        || pods.iter().any(|pod| case.wish.is_fresh(pod).is_some());
    if !of_interest {
        return None;
    }
    let others_reach = case.wishes.iter().any(|other| other.key != case.wish.key && reaches(other));
    let own = case.record.restarts.iter().rev().find(|other| {
        // Configs are decided on one after the other: what another one starts in the same pass is not known yet.
        other.index < case.restart.index
            && (!others_reach || other.request.at < case.began)
            && other.request.user == case.restart.request.user
            && other.mutation.resource == resource
            && other.mutation.key == *key
            && uid(other.after) == uid(workload)
    });
    let told = mark(resource, workload);
    let Some(own) = own else { return told };
    // A later version than its own says what became of it since.
    if version(workload) >= version(own.after) {
        return told;
    }
    mark(resource, own.after)
}
