//! Never more under way than the config allows, in all and in each namespace; and never sooner after the one before.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use super::facts::name;
use super::order::{attempt, tried_lately};
use super::strategy::Limit;
use super::under_way::{last_mark, under_way};
use super::waves::wave_of;
use super::wish::{Standing, Wish};
use super::{Case, Invariant, Objection};
use crate::knowledge::View;
use crate::record::mark;

/// A mark from further ahead is not believed.
const BELIEVED: SignedDuration = SignedDuration::from_hours(1);

pub(super) fn objection(case: &Case<'_>) -> Vec<Objection> {
    let mut found = Vec::new();
    let objection = |message: String| Objection::new(Invariant::Budget, message);
    let busy: Vec<_> = under_way(case).collect();
    let config = &case.wish.key;
    if let Some(limit) =
        limits(case, Wish::most).map(|(limit, wave)| most(case.wish, case.view, limit, None, wave)).max()
        && busy.len() >= limit
    {
        let busy: Vec<String> = busy.iter().map(|one| name(one.resource, one.key)).collect();
        found.push(objection(format!("FlippyConfig {config} allows {limit} at once: {} were", busy.join(", "))));
    }
    let namespace = &*case.restart.mutation.key.namespace;
    if let Some(full) = full_namespace(case, namespace) {
        found.push(objection(format!("FlippyConfig {config} allows no more in {namespace}: {full} were under way")));
    }
    found.extend(too_soon(case).map(objection));
    found
}

/// The restarts under way in a namespace, if it has no room for another one.
pub(super) fn full_namespace(case: &Case<'_>, namespace: &str) -> Option<String> {
    let limit = namespace_limit(case, namespace)?;
    let busy = under_way(case).filter(|one| *one.key.namespace == *namespace);
    let busy: Vec<String> = busy.map(|one| name(one.resource, one.key)).collect();
    (busy.len() >= limit).then(|| busy.join(", "))
}

/// Whether a namespace may have been full for whoever decided: what was tried lately and has no good answer counts too.
pub(super) fn may_be_full(case: &Case<'_>, namespace: &str) -> bool {
    let Some(limit) = namespace_limit(case, namespace) else { return false };
    let mut busy: BTreeSet<_> = under_way(case).map(|one| (one.resource, one.key)).collect();
    busy.extend(tried_lately(case));
    busy.retain(|(_, key)| *key.namespace == *namespace);
    busy.len() >= limit
}

fn namespace_limit(case: &Case<'_>, namespace: &str) -> Option<usize> {
    let limits = limits(case, Wish::most_in_namespace);
    limits.map(|(limit, wave)| most(case.wish, case.view, limit, Some(namespace), wave)).max()
}

/// The limits that may count for a restart: those of its wave, and none where it has none. What goes first may meet any
/// wave.
fn limits(case: &Case<'_>, limit: impl Fn(&Wish, usize) -> Option<Limit>) -> impl Iterator<Item = (Limit, usize)> {
    let found: Option<Vec<_>> =
        possible_waves(case).map(|wave| limit(case.wish, wave).map(|limit| (limit, wave))).collect();
    found.unwrap_or_default().into_iter()
}

/// The waves in which a restart may have been made. One that is tried again may be so in the course of a later wave, and then
/// the limits are that one's.
pub(super) fn possible_waves(case: &Case<'_>) -> std::ops::RangeInclusive<usize> {
    let (resource, key) = (case.restart.mutation.resource, &case.restart.mutation.key);
    let last = case.wish.waves.len();
    let workload = case.view.workloads.get(&(resource, key.clone())).filter(|_| !case.wish.goes_first(resource, key));
    workload.map_or(0..=last, |workload| {
        let wave = wave_of(case.wish, case.view, key, workload);
        if attempt(case) > 1 { wave..=last } else { wave..=wave }
    })
}

/// What a limit comes to. A percentage is a share of the workloads in scope that have running pods, or are between
/// their old and their new ones.
pub(super) fn most(wish: &Wish, view: &View, limit: Limit, namespace: Option<&str>, wave: usize) -> usize {
    let in_scope = wish.in_scope(view).filter(|(resource, key, workload, standing)| {
        wave_of(wish, view, key, workload) == wave
            && namespace.is_none_or(|namespace| *key.namespace == *namespace)
            && (*standing != Standing::Idle || mark(*resource, workload).is_some())
    });
    limit.of(in_scope.count())
}

fn too_soon(case: &Case<'_>) -> Option<String> {
    let interval = case.wish.strategy.min_interval;
    if interval.is_zero() {
        return None;
    }
    // What others are made of at the same time has a mark of its own.
    let itself = (case.restart.mutation.resource, &case.restart.mutation.key);
    let others = case.view.workloads.iter().filter(|((resource, key), _)| (*resource, key) != itself);
    let marks = others.filter_map(|((resource, key), workload)| last_mark(case, *resource, key, workload));
    let marks: BTreeSet<_> = marks.map(|mark| mark.at).collect();
    let last = marks.into_iter().rev().find(|at| at.duration_since(case.now) <= BELIEVED)?;
    let passed = case.now.duration_since(last);
    (passed < interval).then(|| {
        format!(
            "FlippyConfig {} wants {} s between two: {:.3} s had passed",
            case.wish.key,
            interval.as_secs(),
            passed.as_secs_f64()
        )
    })
}
