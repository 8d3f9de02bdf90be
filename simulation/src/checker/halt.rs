//! Nothing starts once more restarts have failed than the config tolerates.
//!
//! Failures are counted from marks and pods, with care for what cannot be known: for an objection only those count that
//! have failed without any doubt, for an explanation all those that may have.

use flippy_sim::{Json, Key, Resource};
use jiff::{SignedDuration, Timestamp};

use super::budget::most;
use super::facts::{Rollout, has_landed, is_left, predates, rollout_of};
use super::under_way::ready_since;
use super::waves::wave_of;
use super::wish::Wish;
use super::{Case, Invariant, Objection};
use crate::knowledge::View;
use crate::record::{Mark, mark};

/// A time from further ahead is not believed.
const BELIEVED: SignedDuration = SignedDuration::from_hours(1);
/// From the failure of a restart until everybody says so.
const NEWS: SignedDuration = SignedDuration::from_secs(30);

pub(super) fn objection(case: &Case<'_>) -> Option<Objection> {
    (0..=case.wish.waves.len()).find_map(|wave| objection_in(case, wave))
}

/// Each wave has its own count, and halts all of them.
fn objection_in(case: &Case<'_>, wave: usize) -> Option<Objection> {
    let limit = case.wish.tolerated(wave)?;
    let restart = mark(case.restart.mutation.resource, case.restart.after)?;
    let (hash, _) = restart.parts()?;
    let in_charge = |resource: Resource, key: &Key, workload: &Json| -> Vec<&Key> {
        let wishes = case.wishes.iter().filter(|wish| !wish.dry_run);
        let reaching =
            wishes.filter(|wish| wish.goes_first(resource, key) || wish.admits(case.view, resource, key, workload));
        reaching.map(|wish| &wish.key).collect()
    };
    let (resource, key) = (case.restart.mutation.resource, &case.restart.mutation.key);
    let here = in_charge(resource, key, case.restart.before);
    let failed: Vec<String> = case
        .view
        .workloads
        .iter()
        .filter(|((resource, key), workload)| {
            let Some(mark) = mark(*resource, workload) else { return false };
            // Another hash is another campaign: whether it is the current one of that workload is only certain where the
            // same configs have a say.
            mark.parts().is_some_and(|(its_hash, _)| its_hash == hash)
                && in_charge(*resource, key, workload) == here
                && wave_of(case.wish, case.view, key, workload) == wave
                && has_failed(case.wish, case.view, *resource, key, workload, &mark, case.now)
        })
        .map(|((resource, key), _)| super::facts::name(*resource, key))
        .collect();
    let tolerated = most(case.wish, case.view, limit, None, wave);
    (failed.len() > tolerated).then(|| {
        let message = format!(
            "FlippyConfig {} tolerates {tolerated} failures, and had {}: {}",
            case.wish.key,
            failed.len(),
            failed.join(", ")
        );
        Objection::new(Invariant::Halt, message)
    })
}

/// Whether a restart has failed without any doubt.
fn has_failed(
    wish: &Wish,
    view: &View,
    resource: Resource,
    key: &Key,
    workload: &Json,
    mark: &Mark<'_>,
    now: Timestamp,
) -> bool {
    let Some(check) = wish.check_of(resource).filter(|_| !wish.goes_first(resource, key)) else { return false };
    let Ok(complete_by) = mark.at.checked_add(check.window()) else { return false };
    if mark.evicts_until.is_some() {
        // It may have been kept from going on, which is none.
        return false;
    }
    let pods = view.pods(workload);
    let of_interest = pods.iter().any(|pod| wish.is_fresh(pod).is_some());
    let since: Vec<_> = pods.iter().filter(|pod| !predates(resource, pod, mark)).collect();
    // Nothing but stale pods came of it: that is futile, and no failure.
    let came_stale = since.iter().any(|pod| wish.is_fresh(pod) == Some(false));
    let came_fresh = since.iter().any(|pod| wish.is_fresh(pod) == Some(true));
    let never_ready = since.iter().any(|pod| unready_since(pod).is_some_and(|since| since <= complete_by));
    now >= complete_by
        && mark.at.duration_since(now) <= BELIEVED
        && of_interest
        && !mark.unhealthy_before
        && (came_fresh || !came_stale)
        && !has_landed(wish, view, resource, key, workload, mark)
        && (since.len() < pods.len() || never_ready)
        && is_news(wish, complete_by, now)
}

/// Whoever said to go on had not seen what failed later.
fn is_news(wish: &Wish, failed_at: Timestamp, now: Timestamp) -> bool {
    let resumed_at = wish.resumed_at.filter(|at| at.duration_since(now) <= BELIEVED);
    resumed_at.is_none_or(|resumed_at| failed_at > resumed_at)
}

fn unready_since(pod: &Json) -> Option<Timestamp> {
    let ready = pod["status"]["conditions"].as_array()?.iter().find(|one| one["type"] == "Ready")?;
    (ready["status"] != "True").then(|| ready["lastTransitionTime"].as_str()?.parse().ok())?
}

/// Whether so many restarts may have failed that a halt is what the config asks for.
pub(super) fn may_be_halted(wish: &Wish, view: &View, now: Timestamp) -> bool {
    (0..=wish.waves.len()).any(|wave| may_be_halted_by(wish, wave, view, now))
}

fn may_be_halted_by(wish: &Wish, wave: usize, view: &View, now: Timestamp) -> bool {
    let Some(limit) = wish.tolerated(wave) else { return false };
    let failed = view.workloads.iter().filter(|((resource, key), workload)| {
        let reaches = wish.goes_first(*resource, key) || wish.admits(view, *resource, key, workload);
        let (Some(check), Some(mark)) = (wish.waits_for(*resource, key), mark(*resource, workload)) else {
            return false;
        };
        let failed_at = mark.at.saturating_add(check.window()).unwrap_or(Timestamp::MAX);
        let pods = view.pods(workload);
        let is_done = rollout_of(*resource, workload) == Rollout::Complete
            && pods.iter().all(|pod| !is_left(wish, *resource, key, pod, &mark) && ready_since(pod).is_some());
        // What goes first may count with the first one.
        let is_here = wave_of(wish, view, key, workload) == wave || (wave == 0 && wish.goes_first(*resource, key));
        reaches && is_here && !is_done && failed_at.duration_since(now) <= NEWS && is_news(wish, failed_at, now)
    });
    failed.count() > most(wish, view, limit, None, wave)
}
