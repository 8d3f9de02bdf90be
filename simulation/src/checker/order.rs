//! What goes first goes first; then healthy workloads, kind by kind as the config lists them, by namespace and name; then
//! those that were unhealthy before.

use flippy_sim::{Json, Key, Resource};
use jiff::SignedDuration;

use super::budget::may_be_full;
use super::disruption;
use super::facts::{is_healthy, is_held, name};
use super::requests::tested_generation;
use super::single::is_single;
use super::waves::wave_of;
use super::wish::Standing;
use super::{Case, Invariant, Objection};
use crate::record::{Record, mark};

/// A workload whose restart was refused is passed over for at most this long, by the operator's clock.
const PASSED_OVER: SignedDuration = SignedDuration::from_mins(6);
/// So many restarts without a fresh pod stop a campaign; what it then tries is chosen otherwise.
const FUTILE: usize = 3;

pub(super) fn objection(case: &Case<'_>) -> Vec<Objection> {
    let mut found = Vec::new();
    let objection = |message: String| Objection::new(Invariant::Order, message);
    let (resource, key) = (case.restart.mutation.resource, &case.restart.mutation.key);
    let position = case.wish.first.iter().position(|(kind, place, _)| *kind == resource && place == key);
    let before = &case.wish.first[..position.unwrap_or(case.wish.first.len())];
    if let Some((resource, key, _)) = before.iter().find(|(resource, key, _)| is_due_first(case, *resource, key)) {
        found.push(objection(format!("{} goes first and was not restarted yet", name(*resource, key))));
    }
    let Some(workload) = case.view.workloads.get(&(resource, key.clone())) else { return found };
    let healthy = is_healthy(case.view, resource, workload);
    let said_unhealthy = mark(resource, case.restart.after).is_some_and(|mark| mark.unhealthy_before);
    if healthy == said_unhealthy {
        let said = if said_unhealthy { "unhealthy" } else { "healthy" };
        found.push(objection(format!("it was said to be {said}, but its status was {}", workload["status"])));
    }
    // One whose earlier try was lost or refused had its turn then.
    let has_its_turn =
        position.is_none() && attempt(case) == 1 && !was_tried(case, resource, key) && !waits_for_an_answer(case);
    if has_its_turn && !is_stopped(case) {
        let place = |resource, key| (case.wish.rank_of(resource), key);
        let wave = wave_of(case.wish, case.view, key, workload);
        let earlier = case.wish.in_scope(case.view).find(|(other, other_key, other_workload, standing)| {
            let is_other = (*other, *other_key) != (resource, key);
            is_other
                && *standing == Standing::Stale
                && (!healthy || place(*other, *other_key) < place(resource, key))
                // What is in an earlier wave is another invariant's.
                && wave_of(case.wish, case.view, other_key, other_workload) == wave
                && waits_to_start(case, *other, other_key, other_workload)
                && !was_sent_together(case, *other, other_key)
        });
        if let Some((other, key, ..)) = earlier {
            found.push(objection(format!("{} comes before it", name(other, key))));
        }
    }
    found
}

pub(super) fn attempt(case: &Case<'_>) -> u32 {
    mark(case.restart.mutation.resource, case.restart.after).and_then(|mark| Some(mark.parts()?.1)).unwrap_or(0)
}

/// Whether a workload that goes first could have been restarted, and was not, since its config has wanted these images.
fn is_due_first(case: &Case<'_>, resource: Resource, key: &Key) -> bool {
    let Some(workload) = case.view.workloads.get(&(resource, key.clone())) else { return false };
    workload["metadata"]["deletionTimestamp"].is_null()
        && mark(resource, workload).is_none()
        && !is_held(case.wish, resource, workload)
        && !may_wait_for_others(case, resource, key, workload)
        && !was_tried(case, resource, key)
}

/// A healthy one that nobody has restarted yet, and that nothing is in the way of.
fn waits_to_start(case: &Case<'_>, resource: Resource, key: &Key, workload: &Json) -> bool {
    is_left_to_start(case, resource, key, workload) && !may_be_full(case, &key.namespace)
}

/// The same, whether or not there is room for it.
pub(super) fn is_left_to_start(case: &Case<'_>, resource: Resource, key: &Key, workload: &Json) -> bool {
    is_healthy(case.view, resource, workload)
        && mark(resource, workload).is_none()
        && !is_held(case.wish, resource, workload)
        && !may_be_sent_for_another(case, resource, key, workload)
        && (!case.wish.strategy.holds_single || !is_single(case.wish, resource, workload))
        // Nobody else knows what admission was asked, and when.
        && !case.wish.asks_admission
        && !case.wish.may_conflict(case.wishes, case.view, resource, key, workload)
        && !may_wait_for_others(case, resource, key, workload)
        && !was_tried(case, resource, key)
}

/// Whether it may be on its way for another config, in whose batch it comes late, or has been left out after a refusal.
fn may_be_sent_for_another(case: &Case<'_>, resource: Resource, key: &Key, workload: &Json) -> bool {
    let others = case.wishes.iter().filter(|wish| wish.key != case.wish.key && !wish.dry_run && !wish.suspended);
    others.into_iter().any(|wish| wish.goes_first(resource, key) || wish.admits(case.view, resource, key, workload))
}

/// Whether something that it shares with others keeps it from starting: also while nobody knows whether one of those was
/// restarted.
fn may_wait_for_others(case: &Case<'_>, resource: Resource, key: &Key, workload: &Json) -> bool {
    disruption::in_the_way(case, disruption::Waits::May, resource, key, workload).is_some()
        || disruption::sharing(case, resource, key, workload).any(|(other, key)| was_tried(case, other, key))
}

/// Whether this life has tried to restart it lately, and was refused or does not know yet what became of it; or whether it
/// was restarted before, and its owner has taken the mark away.
fn was_tried(case: &Case<'_>, resource: Resource, key: &Key) -> bool {
    let mut made = case.record.restarts.iter().filter(|other| other.index < case.restart.index);
    tried_lately(case).any(|tried| tried == (resource, key))
        || made.any(|other| other.mutation.resource == resource && other.mutation.key == *key)
}

/// Whether this life sent its restart at the same moment. What is on its way at once arrives in any order.
fn was_sent_together(case: &Case<'_>, resource: Resource, key: &Key) -> bool {
    let restart = &case.restart;
    let together = case.record.history.requests[restart.index..]
        .iter()
        .take_while(|request| request.at == restart.request.at)
        .filter(|request| request.user == restart.request.user && Record::is_restart_request(request));
    together.filter_map(|request| request.target.as_ref()).any(|target| (target.1, &target.3) == (resource, key))
}

/// Whether this life has tried to restart the very same generation before and was not told that it had: it still has its
/// turn, however long a window was shut since.
fn waits_for_an_answer(case: &Case<'_>) -> bool {
    let restart = &case.restart;
    let mut earlier = case.record.history.requests[..restart.index].iter();
    earlier.any(|request| {
        let (last, now) = (request.target.as_ref(), restart.request.target.as_ref());
        request.user == restart.request.user
            && Record::is_restart_request(request)
            && last.zip(now).is_some_and(|(last, now)| (last.1, &last.3) == (now.1, &now.3))
            && tested_generation(request) == tested_generation(restart.request)
    })
}

/// What this life has tried to restart lately.
pub(super) fn tried_lately<'a>(case: &'a Case<'_>) -> impl Iterator<Item = (Resource, &'a Key)> {
    let earlier = case.record.history.requests[..case.restart.index].iter().rev();
    let passed_over = PASSED_OVER + case.record.clocks.spread();
    let lately = earlier
        .take_while(move |request| case.restart.request.at.duration_since(request.at) < passed_over)
        .filter(|request| request.user == case.restart.request.user && Record::is_restart_request(request));
    lately.filter_map(|request| request.target.as_ref()).map(|target| (target.1, &target.3))
}

/// Whether restarts have been in vain so often that only one is tried now and then.
fn is_stopped(case: &Case<'_>) -> bool {
    let in_vain = case.wish.in_scope(case.view).filter(|(resource, _, workload, standing)| {
        *standing == Standing::Stale && mark(*resource, workload).is_some()
    });
    in_vain.count() >= FUTILE
}
