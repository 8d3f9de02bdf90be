//! What the cluster looked like at one instant.

use std::collections::BTreeMap;
use std::sync::Arc;

use ahash::{HashMap, HashMapExt, HashSet};
use jiff::Timestamp;

use crate::admission::{AdmissionAnswer, AdmissionAnswers};
use crate::disruption::DisruptionBudget;
use crate::labels::Labels;
use crate::left_alone::StrayFacts;
use crate::mark::RestartToken;
use crate::pod::Pod;
use crate::standstill::Standstills;
use crate::workload::{Kind, NamedWorkload, Workload};

/// Namespaces, workloads, replica sets and pods, as far as decisions need them.
///
/// Kept up to date by whoever watches the cluster; core only reads it. Upserts and removals are idempotent, and a
/// removal names the uid, so that a late notice of an old object's end never removes its successor of the same name.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    namespaces: HashMap<Arc<str>, Labels>,
    workloads: BTreeMap<NamedWorkload, Workload>,
    replica_sets: HashMap<Arc<str>, ReplicaSet>,
    pods: HashMap<Arc<str>, Pod>,
    /// By namespace and name.
    disruption_budgets: BTreeMap<Arc<str>, BTreeMap<Arc<str>, DisruptionBudget>>,
    refusals: HashMap<Arc<str>, Refusal>,
    /// How often in a row each of them was refused.
    refused_times: HashMap<Arc<str>, u32>,
    restarted: HashMap<Arc<str>, RestartToken>,
    /// Uids of pods whose eviction the API server has accepted, as long as the watch still shows them.
    evicted: HashSet<Arc<str>>,
    admission: AdmissionAnswers,
    standstills: Standstills,
    /// Kinds that configs name and the API server does not serve, and why there is none of them.
    unserved: BTreeMap<Kind, Arc<str>>,
}

/// A restart that the API server did not carry out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The generation that was to be restarted. A later one is another question.
    pub generation: i64,
    /// What the API server said, one line.
    pub message: Arc<str>,
    /// When to try again.
    pub retry_at: Timestamp,
    /// No answer came: it may have been carried out, and counts as under way until the cluster shows otherwise.
    pub unanswered: bool,
}

/// The link between a pod and its Deployment or Argo Rollout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaSet {
    /// Its uid.
    pub uid: Arc<str>,
    /// Uid of the controller that owns it, if any.
    pub owner_uid: Option<Arc<str>>,
}

/// The live pods of each workload, found through owner references. Made once per pass.
pub struct PodIndex<'a> {
    by_workload: HashMap<&'a str, Vec<&'a Pod>>,
    /// Those that no workload of a known kind owns.
    strays: Vec<&'a Pod>,
}

impl<'a> PodIndex<'a> {
    /// The live pods of a workload, in no particular order.
    pub fn of(&self, workload_uid: &str) -> &[&Pod] {
        self.by_workload.get(workload_uid).map_or(&[], Vec::as_slice)
    }

    /// The live pods that no workload of a known kind owns, in no particular order.
    pub(crate) fn strays(&self) -> impl Iterator<Item = (&'a Pod, &'a StrayFacts)> {
        self.strays.iter().filter_map(|pod| Some((*pod, &**pod.stray.as_ref()?)))
    }
}

impl Snapshot {
    /// Labels of a namespace, if it exists.
    pub fn namespace(&self, name: &str) -> Option<&Labels> {
        self.namespaces.get(name)
    }

    /// A workload, if it exists.
    pub fn workload(&self, named: &NamedWorkload) -> Option<&Workload> {
        self.workloads.get(named)
    }

    /// Every workload, by kind, namespace and name.
    pub fn workloads(&self) -> impl Iterator<Item = &Workload> {
        self.workloads.values()
    }

    /// Every pod, in no particular order.
    pub fn pods(&self) -> impl Iterator<Item = &Pod> {
        self.pods.values()
    }

    /// The refusal that still stands in the way of restarting this very generation, if any.
    pub fn refusal(&self, workload: &Workload, now: Timestamp) -> Option<&Refusal> {
        self.refusals
            .get(&workload.id.uid)
            .filter(|refusal| refusal.generation == workload.generation && now < refusal.retry_at)
    }

    /// The refusal that leaves open if this very generation was restarted: no answer came, and the cluster shows no change
    /// yet.
    pub(crate) fn unanswered(&self, workload: &Workload) -> Option<&Refusal> {
        let refusal = self.refusals.get(&workload.id.uid);
        refusal.filter(|refusal| refusal.unanswered && refusal.generation == workload.generation)
    }

    /// Notes that a restart was refused.
    pub fn note_refusal(&mut self, uid: Arc<str>, refusal: Refusal) {
        let times = self.refused_times.entry(uid.clone()).or_default();
        *times = times.saturating_add(1);
        self.refusals.insert(uid, refusal);
    }

    /// Forgets that a restart was refused.
    pub fn forget_refusal(&mut self, uid: &str) {
        self.refusals.remove(uid);
        self.refused_times.remove(uid);
    }

    /// How often in a row the restart of a workload was refused.
    pub(crate) fn refused_times(&self, uid: &str) -> u32 {
        self.refused_times.get(uid).copied().unwrap_or_default()
    }

    /// Why there is no workload of a kind, if the API server serves none.
    pub fn unserved(&self, kind: Kind) -> Option<&Arc<str>> {
        self.unserved.get(&kind)
    }

    /// Notes that the API server does not serve a kind, and why there is none of it, for people.
    pub fn note_unserved(&mut self, kind: Kind, why: Arc<str>) {
        self.unserved.insert(kind, why);
    }

    /// Notes that it does, or that nobody asks any more.
    pub fn note_served(&mut self, kind: Kind) {
        self.unserved.remove(&kind);
    }

    /// Takes note of which rollouts make progress. To be called before everything is decided on.
    pub fn note_progress(&mut self, now: Timestamp) {
        self.standstills.look(self.workloads.values(), now);
    }

    /// When the next rollout will have made no progress for too long, if it goes on like that.
    pub fn next_standstill(&self, now: Timestamp) -> Option<Timestamp> {
        self.standstills.next(now)
    }

    /// Whether a rollout that is under way has made no progress for so long that nobody waits for it any more.
    pub(crate) fn stands_still(&self, workload: &Workload, now: Timestamp) -> bool {
        self.standstills.is_one(workload, now)
    }

    /// Notes that a restart was carried out.
    pub fn note_restart(&mut self, uid: Arc<str>, token: RestartToken) {
        self.restarted.insert(uid, token);
    }

    /// Whether a workload was restarted for these images, but carries the mark of it no more: its owner, a person or a
    /// tool, has taken the change back.
    pub(crate) fn is_reverted(&self, workload: &Workload, hash: &str) -> bool {
        let known = self.restarted.get(&workload.id.uid).filter(|known| *known.hash == *hash);
        known.is_some_and(|known| {
            workload
                .mark
                .as_ref()
                .is_none_or(|mark| mark.token.hash != known.hash || mark.token.attempt < known.attempt)
        })
    }

    /// Notes what admission said of a new pod of a workload. Says whether that is news.
    pub fn note_admission(&mut self, uid: Arc<str>, answer: AdmissionAnswer) -> bool {
        self.admission.note(uid, answer)
    }

    /// What admission said of a new pod of a workload as it is now, if it was asked.
    pub fn admission_answer(&self, workload: &Workload) -> Option<&AdmissionAnswer> {
        self.admission.of(workload, self)
    }

    pub(crate) fn admission_answers(&self) -> &AdmissionAnswers {
        &self.admission
    }

    /// Groups the live pods by the workload at the end of their owner chain
    /// (pod → `ReplicaSet` → Deployment or Rollout; pod → `StatefulSet` or `DaemonSet`).
    pub fn pods_by_workload(&self) -> PodIndex<'_> {
        let mut index: HashMap<&str, Vec<&Pod>> = HashMap::with_capacity(self.workloads.len());
        let mut strays = Vec::new();
        for pod in self.pods.values().filter(|pod| pod.is_live() && !self.evicted.contains(&pod.uid)) {
            if pod.stray.is_some() {
                strays.push(pod);
            }
            let Some(root) = self.root_of(pod) else { continue };
            index.entry(root).or_default().push(pod);
        }
        PodIndex { by_workload: index, strays }
    }

    /// Uid of the object at the end of a pod's owner chain. `None` for a bare pod.
    pub fn root_of<'a>(&'a self, pod: &'a Pod) -> Option<&'a Arc<str>> {
        let owner = pod.owner.as_ref()?;
        match self.replica_sets.get(&owner.uid) {
            Some(ReplicaSet { owner_uid: Some(root), .. }) => Some(root),
            _ => Some(&owner.uid),
        }
    }

    /// Adds or replaces a namespace. Says whether anything that decisions are made from has changed.
    pub fn upsert_namespace(&mut self, name: Arc<str>, labels: Labels) -> bool {
        let held = self.namespaces.get(&name);
        let changed = held != Some(&labels);
        if changed {
            self.namespaces.insert(name, labels);
        }
        changed
    }

    /// Removes a namespace.
    pub fn remove_namespace(&mut self, name: &str) {
        self.namespaces.remove(name);
    }

    /// Adds or replaces a workload. An older generation of the same object is dropped: the answer to our own
    /// patch may overtake events that the watch still delivers from before it. Says whether anything has changed.
    pub fn upsert_workload(&mut self, workload: Workload) -> bool {
        let held = self.workloads.get_mut(&workload.id.named);
        let Some(held) = held.filter(|held| held.id.uid == workload.id.uid) else {
            self.workloads.insert(workload.id.named.clone(), workload);
            return true;
        };
        if (held.generation, held.revision) > (workload.generation, workload.revision) {
            return false;
        }
        held.revision = workload.revision;
        let changed = *held != workload;
        if held.mark != workload.mark {
            // Whatever became of a restart that nobody answered, this is it.
            self.refusals.remove(&workload.id.uid);
        }
        if changed {
            *held = workload;
        }
        changed
    }

    /// Takes the answer to our own patch: the workload as it was right after it. The watch may have shown what became of
    /// it since, or that it is gone, before the answer arrived; then the answer is old news.
    pub fn learn_from_answer(&mut self, workload: Workload) {
        if let Some(held) = self.workloads.get_mut(&workload.id.named)
            && held.id.uid == workload.id.uid
            && (held.generation, held.revision) < (workload.generation, workload.revision)
        {
            *held = workload;
        }
    }

    /// Removes a workload, if it is still that very object. Says whether it was.
    pub fn remove_workload(&mut self, named: &NamedWorkload, uid: &str) -> bool {
        let is_held = self.workloads.get(named).is_some_and(|held| held.id.uid.as_ref() == uid);
        if is_held {
            self.workloads.remove(named);
            self.refusals.remove(uid);
            self.refused_times.remove(uid);
            self.restarted.remove(uid);
            self.admission.forget(uid);
        }
        is_held
    }

    /// Keeps only the workloads that `keep` accepts.
    pub fn retain_workloads(&mut self, mut keep: impl FnMut(&Workload) -> bool) {
        self.workloads.retain(|_, workload| keep(workload));
        let live: HashSet<&Arc<str>> = self.workloads.values().map(|workload| &workload.id.uid).collect();
        self.refusals.retain(|uid, _| live.contains(uid));
        self.refused_times.retain(|uid, _| live.contains(uid));
        self.restarted.retain(|uid, _| live.contains(uid));
        self.admission.retain(|uid| live.contains(uid));
    }

    /// Keeps only the namespaces that `keep` accepts.
    pub fn retain_namespaces(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.namespaces.retain(|name, _| keep(name));
    }

    /// Adds or replaces a replica set. Says whether anything that decisions are made from has changed: its counters,
    /// which change most often, are not among it.
    pub fn upsert_replica_set(&mut self, replica_set: ReplicaSet) -> bool {
        let changed = self.replica_sets.get(&replica_set.uid) != Some(&replica_set);
        if changed {
            self.replica_sets.insert(replica_set.uid.clone(), replica_set);
        }
        changed
    }

    /// Removes a replica set.
    pub fn remove_replica_set(&mut self, uid: &str) {
        self.replica_sets.remove(uid);
    }

    /// Keeps only the replica sets whose uid `keep` accepts.
    pub fn retain_replica_sets(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.replica_sets.retain(|uid, _| keep(uid));
    }

    /// The `PodDisruptionBudget`s of each namespace that has any, by name.
    pub(crate) fn disruption_budgets(
        &self,
    ) -> impl Iterator<Item = (&Arc<str>, &BTreeMap<Arc<str>, DisruptionBudget>)> {
        self.disruption_budgets.iter()
    }

    /// Adds or replaces a `PodDisruptionBudget`. Says whether anything that decisions are made from has changed.
    pub fn upsert_disruption_budget(&mut self, budget: DisruptionBudget) -> bool {
        let held = self.disruption_budgets.entry(budget.namespace.clone()).or_default();
        let changed = held.get(&budget.name) != Some(&budget);
        if changed {
            held.insert(budget.name.clone(), budget);
        }
        changed
    }

    /// Removes a `PodDisruptionBudget`, if it is still that very object.
    pub fn remove_disruption_budget(&mut self, namespace: &str, name: &str, uid: &str) {
        let Some(budgets) = self.disruption_budgets.get_mut(namespace) else { return };
        if budgets.get(name).is_some_and(|held| held.uid.as_ref() == uid) {
            budgets.remove(name);
        }
        if budgets.is_empty() {
            self.disruption_budgets.remove(namespace);
        }
    }

    /// Keeps only the `PodDisruptionBudget`s whose uid `keep` accepts.
    pub fn retain_disruption_budgets(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.disruption_budgets.retain(|_, budgets| {
            budgets.retain(|_, budget| keep(&budget.uid));
            !budgets.is_empty()
        });
    }

    /// Adds or replaces a pod. Says whether anything that decisions are made from has changed.
    pub fn upsert_pod(&mut self, pod: Pod) -> bool {
        let held = self.pods.insert(pod.uid.clone(), pod);
        let Some(held) = held else { return true };
        self.pods.get(&held.uid).is_none_or(|pod| !pod.says_the_same_as(&held))
    }

    /// Notes that a pod was evicted: it is on its way out, whatever the watch still shows of it.
    pub fn note_eviction(&mut self, pod_uid: &str) {
        if let Some((uid, _)) = self.pods.get_key_value(pod_uid) {
            self.evicted.insert(uid.clone());
        }
    }

    /// Removes a pod.
    pub fn remove_pod(&mut self, uid: &str) {
        self.pods.remove(uid);
        self.evicted.remove(uid);
    }

    /// Keeps only the pods whose uid `keep` accepts.
    pub fn retain_pods(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.pods.retain(|uid, _| keep(uid));
        self.evicted.retain(|uid| self.pods.contains_key(uid));
    }
}
