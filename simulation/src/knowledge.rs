//! What somebody knows of the cluster: the server itself everything, the operator what it was told.
//!
//! A decision is judged by what the server had *told* the life of the operator that took it, resource by resource: the
//! state as of the revision of the last list or watch event that was delivered to it, and the answers to its own patches.
//! So there is no allowance to be guessed for slow watches, and none to hide behind: one millisecond after an event was
//! delivered, a decision that ignores it is a finding. What is allowed is the time between the decision and the arrival
//! of its request: [`DECIDING`], and the time for which the requests before it in its batch were being answered.

use std::collections::BTreeMap;
use std::sync::Arc;

use ahash::{HashMap, HashMapExt};
use flippy_sim::{Delivery, Json, Key, Outcome, PINNED_IMAGE, Resource, SimCluster, SmolStr};
use jiff::{SignedDuration, Timestamp};

use crate::record::{Record, Restart, WORKLOADS, is_live, owner, uid, version};
use crate::scenario::Mood;

/// How long a decision may take to arrive. What speaks against it meanwhile recalls it with the next pass, which waits up to
/// 50 ms for what else changes.
pub(crate) const DECIDING: SignedDuration = SignedDuration::from_millis(60);
/// Moments that are looked at for one decision; beyond, the latest count.
const MAX_MOMENTS: usize = 1000;

/// The cluster as somebody knows it.
pub(crate) struct View {
    pub(crate) namespaces: BTreeMap<SmolStr, Json>,
    pub(crate) workloads: BTreeMap<(Resource, Key), Json>,
    pub(crate) configs: BTreeMap<Key, Json>,
    /// `PodDisruptionBudget`s.
    pub(crate) budgets: BTreeMap<Key, Json>,
    /// `ConfigMap`s: the operator knows only the one that configs name.
    pub(crate) config_maps: BTreeMap<Key, Json>,
    pods: HashMap<String, Vec<Json>>,
    /// What is refused, whoever asks, if that is known.
    pub(crate) refused: Option<(Resource, Key)>,
    /// How the Prometheus server feels from now on, if that is known.
    pub(crate) mood: Mood,
}

impl View {
    /// Everything, as it is, and will be as far as Prometheus is concerned.
    pub(crate) fn of(cluster: &SimCluster, mood: Mood) -> Self {
        let list = |resource: Resource| cluster.list(resource).into_iter().map(|object| (Key::of(&object), object));
        let view = Self::new(
            list(Resource::Namespaces).collect(),
            WORKLOADS.into_iter().flat_map(|kind| list(kind).map(move |(key, object)| ((kind, key), object))).collect(),
            list(Resource::FlippyConfigs).collect(),
            list(Resource::PodDisruptionBudgets).collect(),
            list(Resource::ReplicaSets).map(|(_, object)| object),
            list(Resource::Pods).map(|(_, object)| object),
        );
        Self {
            refused: cluster.webhook().map(|webhook| (webhook.resource, webhook.key)),
            config_maps: list(Resource::ConfigMaps).collect(),
            mood,
            ..view
        }
    }

    /// What the life of the operator that made a restart knew when it had been told this, and nothing later; and of the
    /// answers to its own requests none that came after `answered_by`. `sets_by`: the watch that told it of `ReplicaSet`s
    /// that are workloads, see [`watches_of_sets`].
    pub(crate) fn told(
        record: &Record<'_>,
        restart: &Restart<'_>,
        told: &[Delivery],
        answered_by: Timestamp,
        sets_by: Option<usize>,
    ) -> Self {
        let of = |resource: Resource| told.iter().filter(move |delivery| delivery.resource == resource);
        let revision = |resource: Resource| of(resource).next_back().map_or(0, |delivery| delivery.revision);
        let all = |resource: Resource| record.all(resource, revision(resource));
        let owned = |resource: Resource| all(resource).map(|(key, object)| (key.clone(), object.clone()));
        let at = told.last().map_or(Timestamp::MIN, |delivery| delivery.at).min(answered_by);
        let mut workloads: BTreeMap<(Resource, Key), Json> = BTreeMap::new();
        for resource in WORKLOADS {
            let sets_by = sets_by.filter(|_| resource == Resource::ReplicaSets);
            let of = || of(resource).filter(|delivery| sets_by.is_none_or(|watch| delivery.request == watch));
            let newest = of().map(|delivery| delivery.revision).max();
            let last = of().next_back().map_or(0, |delivery| delivery.revision);
            for (key, object) in record.all(resource, last) {
                // A stale list does not make an object older that was seen newer before.
                let newer = newest.and_then(|newest| record.at(resource, key, newest));
                let newer = newer.filter(|newer| uid(newer) == uid(object) && version(newer) > version(object));
                workloads.insert((resource, key.clone()), newer.unwrap_or(object).clone());
            }
        }
        for own in record
            .restarts
            .iter()
            .filter(|own| own.index < restart.index && was_answered(own, &restart.request.user, at))
        {
            let place = (own.mutation.resource, own.mutation.key.clone());
            if let Some(known) = workloads.get_mut(&place)
                && uid(known) == own.uid()
                && version(known) < version(own.after)
            {
                *known = own.after.clone();
            }
        }
        let config_maps = owned(Resource::ConfigMaps).collect();
        // Of what is between a pod and its Deployment the other of the two watches tells.
        let mut others = of(Resource::ReplicaSets).filter(|delivery| Some(delivery.request) != sets_by);
        let links = others.next_back().map_or(0, |delivery| delivery.revision);
        let view = Self::new(
            owned(Resource::Namespaces).collect(),
            workloads,
            owned(Resource::FlippyConfigs).collect(),
            owned(Resource::PodDisruptionBudgets).collect(),
            record.all(Resource::ReplicaSets, links).map(|(_, object)| object.clone()),
            owned(Resource::Pods).map(|(_, object)| object),
        );
        Self { config_maps, ..view }
    }

    fn new(
        namespaces: BTreeMap<Key, Json>,
        workloads: BTreeMap<(Resource, Key), Json>,
        configs: BTreeMap<Key, Json>,
        budgets: BTreeMap<Key, Json>,
        replica_sets: impl Iterator<Item = Json>,
        pods: impl Iterator<Item = Json>,
    ) -> Self {
        let mut roots: HashMap<String, String> = HashMap::new();
        for set in replica_sets {
            if let Some(owner) = owner(&set) {
                roots.insert(uid(&set).to_owned(), owner.to_owned());
            }
        }
        let mut by_workload: HashMap<String, Vec<Json>> = HashMap::new();
        let mut workloads = workloads;
        // One that somebody owns is a part of that.
        workloads.retain(|(resource, _), workload| *resource != Resource::ReplicaSets || owner(workload).is_none());
        for pod in pods.filter(is_live) {
            let Some(owner) = owner(&pod) else { continue };
            let root = roots.get(owner).map_or(owner, String::as_str).to_owned();
            by_workload.entry(root).or_default().push(pod);
        }
        let namespaces = namespaces.into_iter().map(|(key, object)| (key.name, object)).collect();
        let config_maps = BTreeMap::new();
        Self {
            namespaces,
            workloads,
            configs,
            budgets,
            config_maps,
            pods: by_workload,
            refused: None,
            mood: Mood::Calm,
        }
    }

    /// The sidecar's image of a new pod of a workload. Only where everything is known.
    pub(crate) fn image_of_a_new_pod(&self, workload: &Json) -> String {
        let pinned = workload["spec"]["template"]["metadata"]["annotations"][PINNED_IMAGE].as_str();
        let handed_out = self.config_maps.get(&Key::new("istio-system", "sidecar"));
        let handed_out = handed_out.and_then(|injector| injector["data"]["image"].as_str());
        pinned.or(handed_out).unwrap_or_default().to_owned()
    }

    /// Whether any pod that counts has no node.
    pub(crate) fn has_pods_without_node(&self) -> bool {
        self.pods.values().flatten().any(has_no_node)
    }

    /// The pods of a workload that count: neither being deleted nor finished.
    pub(crate) fn pods(&self, workload: &Json) -> &[Json] {
        self.pods.get(uid(workload)).map_or(&[], Vec::as_slice)
    }
}

/// What a life may have been told when it decided on a restart, the latest first.
pub(crate) fn moments<'a>(
    record: &'a Record<'_>,
    restart: &Restart<'_>,
    began: Timestamp,
) -> impl Iterator<Item = &'a [Delivery]> + use<'a> {
    let told = record.told_before(restart);
    let from = began.saturating_sub(DECIDING).unwrap_or(Timestamp::MIN);
    let earliest = told.partition_point(|delivery| delivery.at < from);
    (earliest..=told.len()).rev().map(|length| &told[..length]).take(MAX_MOMENTS)
}

/// The watches that may have told a life of `ReplicaSet`s as workloads: the two that were heard of last.
///
/// It watches them twice, as workloads and as what is between a pod and its Deployment. Both requests read the same, each has
/// delays of its own, and what one tells is not known to who listens to the other. So a decision is fine if it is by either.
pub(crate) fn watches_of_sets(told: &[Delivery]) -> Vec<Option<usize>> {
    let heard = told.iter().rev().filter(|delivery| delivery.resource == Resource::ReplicaSets);
    let mut watches: Vec<Option<usize>> = vec![None];
    for watch in heard.map(|delivery| Some(delivery.request)) {
        if watches.len() <= 2 && !watches.contains(&watch) {
            watches.push(watch);
        }
    }
    watches
}

/// Restarts of one batch are sent one after the other: each goes out the moment the one before is answered.
pub(crate) fn batch_began(record: &Record<'_>, restart: &Restart<'_>) -> Timestamp {
    let mut began = restart.request.at;
    let earlier = record.history.requests[..restart.index].iter().rev();
    // Each config has a batch of its own on its way: others in between do not end it.
    for request in earlier.filter(|request| request.user == restart.request.user) {
        let answered = request.answered_at.filter(|answered| *answered <= began);
        let follows = answered.is_some_and(|answered| began.duration_since(answered) <= DECIDING);
        if follows && Record::is_restart_request(request) {
            began = began.min(request.at);
        }
    }
    began
}

/// Whether the scheduler has said that it finds no node for a pod.
pub(crate) fn has_no_node(pod: &Json) -> bool {
    let mut conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    conditions.any(|one| one["type"] == "PodScheduled" && one["status"] == "False")
}

fn was_answered(restart: &Restart<'_>, user: &Arc<str>, at: Timestamp) -> bool {
    restart.request.user == *user
        && restart.request.outcome == Outcome::Answered(200)
        && restart.request.answered_at.is_some_and(|answered| answered <= at)
}
