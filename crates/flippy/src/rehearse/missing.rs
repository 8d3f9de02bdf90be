//! Pods that are missing: ready ones that a workload had before the first restart, and does not have now.

use std::collections::{BTreeMap, HashMap};

use flippy_core::Timestamp;
use flippy_sim::{Json, Mutation, Resource, SimCluster, is_ready_pod, is_terminating};

use crate::report::model::{Disruption, NamespaceDisruption};

/// A workload, or the set that its pods belong to: kind, namespace, name.
type Owner = (String, String, String);

/// Counts them, change by change.
#[derive(Default)]
pub(crate) struct Missing {
    /// Whom a replica set belongs to.
    parents: HashMap<Owner, Owner>,
    workloads: HashMap<Owner, Count>,
    namespaces: BTreeMap<String, Peak>,
    all: Peak,
}

#[derive(Default)]
struct Count {
    before: usize,
    ready: usize,
}

#[derive(Default)]
struct Peak {
    pods: usize,
    now: usize,
    most: usize,
    at: Option<Timestamp>,
}

impl Peak {
    fn change(&mut self, from: usize, to: usize, at: Timestamp) {
        self.now = (self.now + to).saturating_sub(from);
        if self.now > self.most {
            self.most = self.now;
            self.at = Some(at);
        }
    }
}

impl Missing {
    /// Counts from now on, against what is there now.
    pub(crate) fn than_now(cluster: &SimCluster) -> Self {
        let mut missing = Self::default();
        for set in cluster.list(Resource::ReplicaSets) {
            missing.learn_parent(&set);
        }
        for pod in cluster.list(Resource::Pods).iter().filter(|pod| counts(pod)) {
            let Some(owner) = missing.owner(pod) else { continue };
            let namespace = missing.namespaces.entry(owner.1.clone()).or_default();
            namespace.pods += 1;
            missing.all.pods += 1;
            let count = missing.workloads.entry(owner).or_default();
            count.before += 1;
            count.ready += 1;
        }
        missing
    }

    /// Takes a change into account.
    pub(crate) fn see(&mut self, mutation: &Mutation) {
        match mutation.resource {
            Resource::ReplicaSets => {
                if let Some(set) = mutation.after.as_ref().filter(|_| mutation.before.is_none()) {
                    self.learn_parent(set);
                }
            }
            Resource::Pods => {
                let before = mutation.before.as_ref().is_some_and(counts);
                let after = mutation.after.as_ref().is_some_and(counts);
                let Some(pod) = mutation.after.as_ref().or(mutation.before.as_ref()) else { return };
                if before != after
                    && let Some(owner) = self.owner(pod)
                {
                    self.count(owner, after, mutation.at);
                }
            }
            _ => {}
        }
    }

    fn count(&mut self, owner: Owner, one_more: bool, at: Timestamp) {
        let namespace = owner.1.clone();
        let count = self.workloads.entry(owner).or_default();
        let before = count.before.saturating_sub(count.ready);
        count.ready = if one_more { count.ready + 1 } else { count.ready.saturating_sub(1) };
        let after = count.before.saturating_sub(count.ready);
        self.namespaces.entry(namespace).or_default().change(before, after, at);
        self.all.change(before, after, at);
    }

    pub(crate) fn told(&self) -> Disruption {
        let namespace = |(name, peak): (&String, &Peak)| {
            let (namespace, peak_at) = (name.clone(), peak.at?);
            Some(NamespaceDisruption { namespace, peak: peak.most, peak_at, pods: peak.pods })
        };
        Disruption {
            peak: self.all.most,
            peak_at: self.all.at,
            pods: self.all.pods,
            namespaces: self.namespaces.iter().filter_map(namespace).collect(),
        }
    }

    fn learn_parent(&mut self, set: &Json) {
        if let Some(parent) = controller(set) {
            let name = text(&set["metadata"]["name"]);
            self.parents.insert(("ReplicaSet".to_owned(), parent.1.clone(), name), parent);
        }
    }

    fn owner(&self, pod: &Json) -> Option<Owner> {
        let owner = controller(pod)?;
        Some(self.parents.get(&owner).cloned().unwrap_or(owner))
    }
}

fn counts(pod: &Json) -> bool {
    !is_terminating(pod) && is_ready_pod(pod)
}

fn controller(object: &Json) -> Option<Owner> {
    let owners = object["metadata"]["ownerReferences"].as_array()?;
    let owner = owners.iter().find(|owner| owner["controller"] == true)?;
    Some((text(&owner["kind"]), text(&object["metadata"]["namespace"]), text(&owner["name"])))
}

fn text(value: &Json) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
