//! Pods are taken away one by one: only stale ones, of workloads that are marked for it, and never a second one before the
//! first is replaced. Judged by what the server did, not by what anybody decided.

use std::collections::{BTreeMap, BTreeSet};

use ahash::{HashMap, HashMapExt};
use flippy_sim::{Json, Key, Mutation, Part, RequestRecord, Resource, Verb};

use super::facts::{created_at, is_ready, is_whole};
use super::wish::Wish;
use super::{Finding, Invariant};
use crate::knowledge::DECIDING;
use crate::life::is_operator;
use crate::record::{Record, WORKLOADS, is_live, mark, owner, uid};

/// One eviction that was carried out.
struct Evicted<'a> {
    mutation: &'a Mutation,
    request: &'a RequestRecord,
    index: usize,
    pod: &'a Json,
}

pub(super) fn check(record: &Record<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut last: HashMap<String, u64> = HashMap::new();
    for evicted in evictions(record) {
        let mut object = |message: String| {
            findings.push(Finding {
                at: evicted.request.at,
                invariant: Invariant::Eviction,
                message: format!("pod {} was evicted: {message}", evicted.mutation.key),
                subject: evicted.mutation.key.name.to_string(),
            });
        };
        if let Some(what) = unguarded(evicted.request) {
            object(format!("its eviction carried no {what}"));
        }
        let revision = evicted.mutation.revision - 1;
        let Some((resource, key, workload)) = workload_of(record, evicted.pod, revision) else {
            object("it belongs to no workload that is restarted".to_owned());
            continue;
        };
        let is_marked = mark(resource, workload).is_some_and(|mark| {
            mark.evicts_until.is_some_and(|until| created_at(evicted.pod).is_some_and(|at| at <= until))
        });
        if !is_marked {
            object(format!("{key} carries no mark that means it"));
        }
        if !is_wished(record, &evicted, resource, key) {
            object("no config that the operator had been told of wants it replaced now".to_owned());
        }
        if let Some(before) = last.insert(uid(workload).to_owned(), evicted.mutation.revision)
            && is_ready(evicted.pod)
            && !was_whole_between(record, resource, key, before, revision)
        {
            object("the one before it was not replaced yet".to_owned());
        }
    }
    findings
}

fn evictions<'a>(record: &'a Record<'_>) -> Vec<Evicted<'a>> {
    let mut seen = BTreeSet::new();
    let pods = record
        .history
        .mutations
        .iter()
        .filter(|mutation| mutation.resource == Resource::Pods && is_operator(&mutation.author.user));
    pods.filter_map(|mutation| {
        let (index, pod) = (mutation.author.request?, mutation.before.as_ref()?);
        let request = record.history.requests.get(index)?;
        // One that goes already takes nothing more away.
        let is_first = seen.insert(index) && is_live(pod);
        is_first.then_some(Evicted { mutation, request, index, pod })
    })
    .collect()
}

/// What its body should name and does not.
fn unguarded(request: &RequestRecord) -> Option<&'static str> {
    let is_eviction = matches!(&request.target, Some((Verb::Create, Resource::Pods, Part::Eviction, _)));
    let body: Json = serde_json::from_slice(&request.body).unwrap_or_default();
    let preconditions = &body["deleteOptions"]["preconditions"];
    ["uid", "resourceVersion"].into_iter().find(|field| !is_eviction || !preconditions[field].is_string())
}

/// The workload at the end of a pod's owner chain.
fn workload_of<'a>(record: &'a Record<'_>, pod: &Json, revision: u64) -> Option<(Resource, &'a Key, &'a Json)> {
    let by_uid = |wanted: &str| {
        WORKLOADS.into_iter().find_map(|resource| {
            let mut all = record.all(resource, revision);
            all.find(|(_, object)| uid(object) == wanted).map(|(key, object)| (resource, key, object))
        })
    };
    let parent = by_uid(owner(pod)?)?;
    Some(owner(parent.2).and_then(by_uid).unwrap_or(parent))
}

/// Whether a config wants the pod replaced, as the operator had been told of it, and of the source of its images if it has
/// one, when it decided.
fn is_wished(record: &Record<'_>, evicted: &Evicted<'_>, resource: Resource, key: &Key) -> bool {
    let configs = told_lately(record, evicted, Resource::FlippyConfigs);
    let sources = told_lately(record, evicted, Resource::ConfigMaps);
    let sources: Vec<BTreeMap<Key, Json>> = if sources.is_empty() {
        vec![BTreeMap::new()]
    } else {
        let all = |revision| record.all(Resource::ConfigMaps, revision);
        sources
            .into_iter()
            .map(|revision| all(revision).map(|(key, map)| (key.clone(), map.clone())).collect())
            .collect()
    };
    configs.into_iter().any(|revision| {
        let wishes = || record.all(Resource::FlippyConfigs, revision);
        let as_of = |sources| wishes().filter_map(move |(place, config)| Wish::read(place, config, sources));
        sources.iter().flat_map(as_of).any(|wish| {
            let wants = wish.goes_first(resource, key)
                || (wish.check_of(resource).is_some() && wish.is_fresh(evicted.pod) == Some(false));
            wants && !wish.suspended && !wish.dry_run && !wish.lacks_a_source
        })
    })
}

/// As of which revisions it may have known a resource when it decided.
fn told_lately(record: &Record<'_>, evicted: &Evicted<'_>, resource: Resource) -> Vec<u64> {
    let told = record.told_to(&evicted.request.user, evicted.index);
    let mut revisions = Vec::new();
    for delivery in told.iter().rev().filter(|delivery| delivery.resource == resource) {
        revisions.push(delivery.revision);
        if evicted.request.at.duration_since(delivery.at) > DECIDING {
            break;
        }
    }
    revisions
}

/// Whether there was a moment between two evictions at which all pods were there and ready.
fn was_whole_between(record: &Record<'_>, resource: Resource, key: &Key, from: u64, to: u64) -> bool {
    let changes = record.history.mutations.iter().filter(|mutation| {
        mutation.revision > from && mutation.revision <= to && *mutation.key.namespace == *key.namespace
    });
    changes.map(|mutation| mutation.revision).any(|revision| {
        let Some(workload) = record.at(resource, key, revision) else { return false };
        is_whole(resource, workload, &record.pods_of(workload, revision))
    })
}
