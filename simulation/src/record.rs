//! The server's history, arranged so that one can ask what was true when.

use std::collections::BTreeMap;
use std::sync::Arc;

use ahash::{HashMap, HashMapExt};
use flippy_sim::{Delivery, History, Json, Key, Mutation, Part, RequestRecord, Resource, Verb};
use jiff::Timestamp;

use crate::life::{is_operator, life_of};
use crate::prometheus::Asked;
use crate::scenario::Clocks;

/// The kinds of workload.
pub(crate) const WORKLOADS: [Resource; 7] = [
    Resource::Deployments,
    Resource::StatefulSets,
    Resource::DaemonSets,
    Resource::Rollouts,
    Resource::ReplicaSets,
    Resource::ReplicationControllers,
    Resource::CloneSets,
];

pub(crate) const RESTARTED_FOR: &str = "flippy.keikoproj.io/restarted-for";
pub(crate) const RESTARTED_AT: &str = "flippy.keikoproj.io/restarted-at";
pub(crate) const RESUMED_AT: &str = "flippy.keikoproj.io/resumed-at";
pub(crate) const EVICTS_UNTIL: &str = "flippy.keikoproj.io/evicts-created-until";
pub(crate) const UNHEALTHY_BEFORE: &str = "flippy.keikoproj.io/unhealthy-before";

/// What an object became, and as of when.
pub(crate) struct Version {
    pub(crate) revision: u64,
    pub(crate) at: Timestamp,
    /// None: it is gone.
    pub(crate) object: Option<Json>,
}

/// Every version of every object, and what led to them.
pub(crate) struct Record<'a> {
    pub(crate) history: &'a History,
    /// What the Prometheus server was asked.
    pub(crate) asked: &'a [Asked],
    pub(crate) clocks: &'a Clocks,
    began_at: Timestamp,
    versions: HashMap<Resource, BTreeMap<Key, Vec<Version>>>,
    /// What each life was told, in order.
    told: HashMap<Arc<str>, Vec<Delivery>>,
    pub(crate) restarts: Vec<Restart<'a>>,
}

/// What asks for a single object.
const OF_ONE: &str = "fieldSelector=metadata.name%3D";

/// A restart that the operator made: a change of a workload that took effect.
#[derive(Clone, Copy)]
pub(crate) struct Restart<'a> {
    pub(crate) mutation: &'a Mutation,
    pub(crate) request: &'a RequestRecord,
    /// The place of that request among all.
    pub(crate) index: usize,
    pub(crate) before: &'a Json,
    pub(crate) after: &'a Json,
}

impl<'a> Record<'a> {
    pub(crate) fn new(history: &'a History, asked: &'a [Asked], clocks: &'a Clocks, began_at: Timestamp) -> Self {
        let (versions, told, restarts) = (HashMap::new(), HashMap::new(), Vec::new());
        let mut record = Self { history, asked, clocks, began_at, versions, told, restarts };
        for mutation in &history.mutations {
            record.take(mutation);
        }
        for delivery in &history.deliveries {
            let Some(request) = history.requests.get(delivery.request) else { continue };
            // Of one workload, to read its template: of all others it tells nothing.
            if WORKLOADS.contains(&delivery.resource) && request.line.contains(OF_ONE) {
                continue;
            }
            record.told.entry(request.user.clone()).or_default().push(*delivery);
        }
        record.restarts.sort_by_key(|restart| restart.index);
        record
    }

    fn take(&mut self, mutation: &'a Mutation) {
        let resource = mutation.resource;
        let is_of_interest = WORKLOADS.contains(&resource)
            || matches!(
                resource,
                Resource::Pods
                    | Resource::ReplicaSets
                    | Resource::Namespaces
                    | Resource::FlippyConfigs
                    | Resource::PodDisruptionBudgets
                    | Resource::ConfigMaps
            );
        if !is_of_interest {
            return;
        }
        let versions = self.versions.entry(resource).or_default().entry(mutation.key.clone()).or_default();
        versions.push(Version { revision: mutation.revision, at: mutation.at, object: mutation.after.clone() });
        self.take_restart(mutation);
    }

    fn take_restart(&mut self, mutation: &'a Mutation) {
        if !is_operator(&mutation.author.user) || !WORKLOADS.contains(&mutation.resource) || mutation.part != Part::Main
        {
            return;
        }
        let index = mutation.author.request.unwrap_or(usize::MAX);
        let (Some(request), Some(before), Some(after)) =
            (self.history.requests.get(index), &mutation.before, &mutation.after)
        else {
            return;
        };
        self.restarts.push(Restart { mutation, request, index, before, after });
    }

    /// What the clock of the life that sent a request showed at an instant.
    pub(crate) fn shown(&self, request: &RequestRecord, at: Timestamp) -> Timestamp {
        self.clocks.shown(life_of(&request.user), self.began_at, at)
    }

    /// An object as of a revision.
    pub(crate) fn at(&self, resource: Resource, key: &Key, revision: u64) -> Option<&Json> {
        last_at(self.versions.get(&resource)?.get(key)?, revision)
    }

    /// Everything that an object was, in order.
    pub(crate) fn versions(&self, resource: Resource, key: &Key) -> impl Iterator<Item = &Json> {
        let versions = self.versions.get(&resource).and_then(|versions| versions.get(key));
        versions.into_iter().flatten().filter_map(|version| version.object.as_ref())
    }

    /// The same, and since when it was so.
    pub(crate) fn timed_versions(&self, resource: Resource, key: &Key) -> impl Iterator<Item = (Timestamp, &Json)> {
        let versions = self.versions.get(&resource).and_then(|versions| versions.get(key));
        versions.into_iter().flatten().filter_map(|version| Some((version.at, version.object.as_ref()?)))
    }

    /// All objects of a resource as of a revision.
    pub(crate) fn all(&self, resource: Resource, revision: u64) -> impl Iterator<Item = (&Key, &Json)> {
        let versions = self.versions.get(&resource).into_iter().flatten();
        versions.filter_map(move |(key, versions)| Some((key, last_at(versions, revision)?)))
    }

    /// What a life was told before a request of its own.
    pub(crate) fn told_before(&self, restart: &Restart<'_>) -> &[Delivery] {
        self.told_to(&restart.request.user, restart.index)
    }

    /// What a life was told before its request at this place among all.
    pub(crate) fn told_to(&self, user: &Arc<str>, index: usize) -> &[Delivery] {
        let told = self.told.get(user).map_or(&[][..], Vec::as_slice);
        &told[..told.partition_point(|delivery| delivery.after_requests <= index)]
    }

    /// The live pods of a workload as of a revision.
    pub(crate) fn pods_of(&self, workload: &Json, revision: u64) -> Vec<&Json> {
        let sets: Vec<&str> = self
            .all(Resource::ReplicaSets, revision)
            .filter(|(_, set)| owner(set) == Some(uid(workload)))
            .map(|(_, set)| uid(set))
            .collect();
        let is_own = |pod: &Json| owner(pod).is_some_and(|owner| owner == uid(workload) || sets.contains(&owner));
        let pods = self.all(Resource::Pods, revision).map(|(_, pod)| pod);
        pods.filter(|pod| is_live(pod) && is_own(pod)).collect()
    }

    /// Whether a request is a patch of a workload by the operator.
    pub(crate) fn is_restart_request(request: &RequestRecord) -> bool {
        is_operator(&request.user)
            && request
                .target
                .as_ref()
                .is_some_and(|(verb, resource, ..)| *verb == Verb::Patch && WORKLOADS.contains(resource))
    }
}

impl Restart<'_> {
    /// What it was marked with.
    pub(crate) fn token(&self) -> &str {
        mark(self.mutation.resource, self.after).map_or("", |mark| mark.token)
    }

    pub(crate) fn uid(&self) -> &str {
        uid(self.after)
    }

    /// For people.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.mutation.resource.kind(), self.mutation.key)
    }
}

/// The mark of a restart.
#[derive(Clone, Copy)]
pub(crate) struct Mark<'a> {
    pub(crate) token: &'a str,
    pub(crate) at: Timestamp,
    pub(crate) unhealthy_before: bool,
    /// By eviction: pods that were created until then are to go.
    pub(crate) evicts_until: Option<Timestamp>,
}

impl<'a> Mark<'a> {
    /// The hash of the images and the attempt.
    pub(crate) fn parts(&self) -> Option<(&'a str, u32)> {
        let (hash, attempt) = self.token.rsplit_once('-')?;
        Some((hash, attempt.parse().ok()?))
    }
}

/// The mark on a workload: on its pod template, for a Rollout and for what is evicted on itself.
pub(crate) fn mark(resource: Resource, workload: &Json) -> Option<Mark<'_>> {
    let own = &workload["metadata"]["annotations"];
    if resource == Resource::Rollouts {
        return mark_in(own);
    }
    let evicted = || {
        let evicts_until = own[EVICTS_UNTIL].as_str()?.parse().ok()?;
        Some(Mark { evicts_until: Some(evicts_until), ..mark_in(own)? })
    };
    evicted().or_else(|| mark_in(&workload["spec"]["template"]["metadata"]["annotations"]))
}

fn mark_in(annotations: &Json) -> Option<Mark<'_>> {
    let token = annotations[RESTARTED_FOR].as_str()?;
    let at = annotations[RESTARTED_AT].as_str()?.parse().ok()?;
    Some(Mark { token, at, unhealthy_before: annotations[UNHEALTHY_BEFORE] == token, evicts_until: None })
}

/// How new an object is: its resource version.
pub(crate) fn version(object: &Json) -> u64 {
    object["metadata"]["resourceVersion"].as_str().and_then(|text| text.parse().ok()).unwrap_or_default()
}

pub(crate) fn uid(object: &Json) -> &str {
    object["metadata"]["uid"].as_str().unwrap_or_default()
}

pub(crate) fn generation(object: &Json) -> i64 {
    object["metadata"]["generation"].as_i64().unwrap_or_default()
}

pub(crate) fn owner(object: &Json) -> Option<&str> {
    let owners = object["metadata"]["ownerReferences"].as_array()?;
    owners.iter().find(|owner| owner["controller"] == true)?["uid"].as_str()
}

pub(crate) fn is_live(pod: &Json) -> bool {
    pod["metadata"]["deletionTimestamp"].is_null()
        && !matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
}

fn last_at(versions: &[Version], revision: u64) -> Option<&Json> {
    let after = versions.partition_point(|version| version.revision <= revision);
    versions[..after].last()?.object.as_ref()
}
