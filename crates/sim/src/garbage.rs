//! What goes when its owner or its namespace goes.

use crate::history::Author;
use crate::object::{self, Key};
use crate::queue::Work;
use crate::request::Part;
use crate::resources::{Resource, TABLE};
use crate::store;
use crate::world::World;
use crate::write::Deletion;

impl World {
    /// Deletes the dependents of a gone owner that have no other owner left, as background deletion does.
    pub(crate) fn collect_garbage(&mut self, owner: &str) {
        let author = Author::controller("system:generic-garbage-collector");
        for (resource, key) in self.store.dependents(owner) {
            let Some(dependent) = self.store.get(resource, &key).cloned() else { continue };
            let mut others = store::owner_uids(&dependent).filter(|uid| *uid != owner);
            if others.any(|uid| self.owner_lives(uid)) {
                continue;
            }
            // A dependent that is gone by now is what this is for.
            let _ = self.delete(&author, resource, &key, &Deletion::default());
        }
    }

    fn owner_lives(&self, uid: &str) -> bool {
        let of_owners = [
            Resource::Deployments,
            Resource::Rollouts,
            Resource::CloneSets,
            Resource::ReplicaSets,
            Resource::ReplicationControllers,
            Resource::StatefulSets,
            Resource::DaemonSets,
            Resource::FlippyConfigs,
        ];
        of_owners
            .iter()
            .any(|resource| self.store.range(*resource, None, None).any(|(_, object)| object::uid(object) == uid))
    }

    /// Takes the owner off its dependents, so that they outlive it.
    pub(crate) fn orphan_dependents(&mut self, author: &Author, owner: &str) {
        for (resource, key) in self.store.dependents(owner) {
            let Some(dependent) = self.store.get(resource, &key) else { continue };
            let mut freed = dependent.clone();
            if let Some(owners) = freed["metadata"]["ownerReferences"].as_array_mut() {
                owners.retain(|reference| reference["uid"] != owner);
            }
            self.commit(author, resource, &key, Part::Main, freed);
        }
    }

    /// Custom resources go with their definition, before it (apiextensions-apiserver
    /// `pkg/controller/finalizer/crd_finalizer.go`).
    pub(crate) fn remove_all_defined_by(&mut self, definition: &str) {
        let author = Author::controller("system:apiextensions-apiserver");
        let defined = TABLE.iter().filter(|traits| traits.custom && traits.resource.qualified() == definition);
        for resource in defined.map(|traits| traits.resource) {
            let keys: Vec<Key> = self.store.range(resource, None, None).map(|(key, _)| key.clone()).collect();
            for key in keys {
                self.remove(&author, resource, &key);
            }
            self.store.wake_watches(resource);
        }
    }

    /// Deletes the contents of a terminating namespace; looks again until it is empty.
    pub(crate) fn empty_namespace(&mut self, namespace: &Key) {
        let author = Author::controller("system:namespace-controller");
        let mut left = false;
        for resource in TABLE.iter().filter(|traits| traits.namespaced).map(|traits| traits.resource) {
            let keys: Vec<Key> =
                self.store.range(resource, Some(&namespace.name), None).map(|(key, _)| key.clone()).collect();
            for key in keys {
                left |= self.delete(&author, resource, &key, &Deletion::default()).is_ok_and(|(_, gone)| !gone);
            }
        }
        if left {
            self.later(1_000, Work::EmptyNamespace(namespace.clone()));
        } else {
            self.remove(&author, Resource::Namespaces, namespace);
        }
    }
}
