//! No workload is restarted twice for the same images without a reason.
//!
//! Whether two restarts were for the same images is not read from their tokens, which the operator writes, but from the
//! configs: a restart needs a reason unless, since the last one of the same object,
//! - a config came, went or was changed, so that other images may be wanted; or
//! - somebody else took the mark of the last restart away; or
//! - the last restart was in vain (its pods are stale again): then the next is the next attempt for the same images, and
//!   comes half an hour later, or twice that for each attempt more; only the first retry may come as soon as a pod that is
//!   newer than the last restart is seen with a wanted image, or admission says that one would have it.

use std::collections::BTreeMap;

use flippy_sim::{Part, Resource};
use jiff::SignedDuration;

use super::wish::Wish;
use super::{Finding, Invariant};
use crate::knowledge::batch_began;
use crate::life::is_operator;
use crate::record::{Record, Restart, mark};
use crate::scenario::SOURCE;

const FIRST_RETRY: SignedDuration = SignedDuration::from_mins(30);
/// Marks are dated when they are decided on, and whole seconds for Rollouts.
const ROUNDING: SignedDuration = SignedDuration::from_secs(2);

pub(super) fn check(record: &Record<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut by_effect: Vec<&Restart<'_>> = record.restarts.iter().collect();
    by_effect.sort_by_key(|restart| restart.mutation.revision);
    for (position, next) in by_effect.iter().enumerate() {
        let last = by_effect[..position].iter().rev().find(|last| last.uid() == next.uid());
        if let Some(last) = last
            && let Some(message) = objection(record, last, next)
        {
            findings.push(Finding {
                at: next.mutation.at,
                invariant: Invariant::Twice,
                message: format!(
                    "{} was restarted again ({} after {}): {message}",
                    next.name(),
                    next.token(),
                    last.token()
                ),
                subject: next.mutation.key.name.to_string(),
            });
        }
    }
    findings
}

fn objection(record: &Record<'_>, last: &Restart<'_>, next: &Restart<'_>) -> Option<&'static str> {
    let resource = next.mutation.resource;
    let was_taken_away = mark(resource, next.before).is_none_or(|mark| mark.token != last.token());
    if was_taken_away || wishes_changed(record, last, next) || source_was_first_seen(record, last, next) {
        return None;
    }
    let (Some(last_mark), Some(next_mark)) = (mark(resource, last.after), mark(resource, next.after)) else {
        return Some("it carries no mark");
    };
    let (Some((last_hash, last_attempt)), Some((next_hash, next_attempt))) = (last_mark.parts(), next_mark.parts())
    else {
        return Some("its mark is no token");
    };
    if last_hash != next_hash {
        return Some("the configs want what they wanted before, but the token says otherwise");
    }
    if last_mark.evicts_until.is_some() && next_attempt == last_attempt {
        // Kept from going on until its time was over, it is begun again, as the same attempt: not always by eviction, for
        // another config that means the workload, and restarts by the template, may be the one to do so.
        let waited = next_mark.at.duration_since(last_mark.at);
        return (waited < shortest_window(record, next)).then_some("its time was not over yet");
    }
    if next_attempt != last_attempt + 1 {
        return Some("this is not the next attempt");
    }
    let doublings = last_attempt.saturating_sub(1).min(5);
    let due = last_mark.at.saturating_add(FIRST_RETRY * (1 << doublings)).ok()?.saturating_sub(ROUNDING).ok()?;
    let came_early = next_mark.at < due;
    if came_early && last_attempt > 1 {
        return Some("it is too early for another attempt");
    }
    (came_early && !fresh_pod_came(record, last, next) && !admission_is_asked(record, next))
        .then_some("nothing spoke for trying again so early")
}

/// The least time that any config gives a restart of this kind.
fn shortest_window(record: &Record<'_>, restart: &Restart<'_>) -> SignedDuration {
    let configs = record.all(Resource::FlippyConfigs, restart.mutation.revision);
    let wishes = configs.filter_map(|(key, config)| Wish::read(key, config, &BTreeMap::new()));
    let windows =
        wishes.filter_map(|wish| Some(wish.waits_for(restart.mutation.resource, &restart.mutation.key)?.window()));
    windows.min().unwrap_or_default().saturating_sub(ROUNDING)
}

/// Whether a config, or who is in scope of one, was changed between two restarts. The second may have been decided
/// before it took effect, and the first on older configs than those of its time: what a life was told may lag.
fn wishes_changed(record: &Record<'_>, last: &Restart<'_>, next: &Restart<'_>) -> bool {
    let known = told_configs(record, last).min(told_configs(record, next)).min(last.mutation.revision);
    record.history.mutations.iter().any(|mutation| {
        let within = mutation.revision > known && mutation.revision < next.mutation.revision;
        let changes_wishes = match mutation.resource {
            Resource::FlippyConfigs => mutation.part == Part::Main,
            Resource::Namespaces => true,
            Resource::ConfigMaps => *mutation.key.name == *SOURCE.1,
            _ => false,
        };
        within && changes_wishes && !is_operator(&mutation.author.user)
    })
}

/// Whether the images of a config are from a source that was not seen yet when the one restart was made, and was when the other
/// one was: that config had a say only in the other.
fn source_was_first_seen(record: &Record<'_>, last: &Restart<'_>, next: &Restart<'_>) -> bool {
    let mut configs = record.all(Resource::FlippyConfigs, last.mutation.revision);
    let has_source = configs.any(|(_, config)| !config["spec"]["ImageSources"].is_null());
    let is_seen = |restart| told(record, restart, Resource::ConfigMaps).is_some();
    has_source && !is_seen(last) && is_seen(next)
}

/// As of which revision the life that made a restart knew the configs, and the source of their images if they have one.
fn told_configs(record: &Record<'_>, restart: &Restart<'_>) -> u64 {
    let of_source = told(record, restart, Resource::ConfigMaps);
    told(record, restart, Resource::FlippyConfigs).unwrap_or(0).min(of_source.unwrap_or(u64::MAX))
}

fn told(record: &Record<'_>, restart: &Restart<'_>, resource: Resource) -> Option<u64> {
    // A batch is decided on before its first request goes out.
    let began = batch_began(record, restart);
    let told = record.told_before(restart).iter().rev();
    told.filter(|delivery| delivery.resource == resource)
        .find(|delivery| delivery.at < began)
        .map(|delivery| delivery.revision)
}

/// Whether a config asks admission, which may say that it is of use by now.
fn admission_is_asked(record: &Record<'_>, next: &Restart<'_>) -> bool {
    let configs = record.all(Resource::FlippyConfigs, next.mutation.revision);
    configs.into_iter().any(|(_, config)| config["spec"]["DriftDetection"] == "Injection")
}

/// Whether a pod was created with another sidecar than the restarted one's pods have, after the last restart.
fn fresh_pod_came(record: &Record<'_>, last: &Restart<'_>, next: &Restart<'_>) -> bool {
    record.history.mutations.iter().any(|mutation| {
        mutation.resource == Resource::Pods
            && mutation.before.is_none()
            && mutation.revision > last.mutation.revision
            && mutation.revision < next.mutation.revision
    })
}
