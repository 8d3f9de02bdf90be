//! Objects as JSON, under one global revision.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use crate::{Json, json};
use ahash::{HashMap, HashMapExt};

use crate::log::{Change, ChangeLog};
use crate::object::{self, Key, Object};
use crate::resources::{Resource, TABLE};
use crate::signal::{Listener, Signal};
use crate::text::Text;

/// Changes kept per resource, unless told otherwise.
const LOG_CAPACITY: usize = 4096;

struct Stored {
    object: Object,
    text: Text,
}

struct Collection {
    objects: BTreeMap<Key, Stored>,
    log: ChangeLog,
    /// Wakes the watches of this resource.
    changed: Signal<u64>,
}

/// What etcd is to a real server.
pub(crate) struct Store {
    collections: Vec<Collection>,
    revision: u64,
    /// Owner uid to what it owns: controllers and garbage collection look dependents up by it.
    owned: HashMap<Arc<str>, BTreeSet<(Resource, Key)>>,
}

impl Store {
    pub(crate) fn new() -> Self {
        let collection =
            || Collection { objects: BTreeMap::new(), log: ChangeLog::new(LOG_CAPACITY), changed: Signal::new(0) };
        Self { collections: TABLE.iter().map(|_| collection()).collect(), revision: 1, owned: HashMap::new() }
    }

    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    pub(crate) fn log(&self, resource: Resource) -> &ChangeLog {
        &self.collections[resource as usize].log
    }

    pub(crate) fn changes_of(&self, resource: Resource) -> Listener<u64> {
        self.collections[resource as usize].changed.subscribe()
    }

    pub(crate) fn get(&self, resource: Resource, key: &Key) -> Option<&Object> {
        self.collections[resource as usize].objects.get(key).map(|stored| &stored.object)
    }

    /// The text of an object that `get` or `range` gave.
    pub(crate) fn text(&self, resource: Resource, key: &Key, object: &Object) -> Option<&Text> {
        let stored = self.collections[resource as usize].objects.get(key)?;
        stored.object.is_copy_of(object).then_some(&stored.text)
    }

    pub(crate) fn len(&self, resource: Resource) -> usize {
        self.collections[resource as usize].objects.len()
    }

    /// All objects of a resource in one namespace, or in all of them, after the key given.
    pub(crate) fn range<'a>(
        &'a self,
        resource: Resource,
        namespace: Option<&'a str>,
        after: Option<&Key>,
    ) -> impl Iterator<Item = (&'a Key, &'a Object)> + use<'a> {
        let start = match (after, namespace) {
            (Some(key), _) => Bound::Excluded(key.clone()),
            (None, Some(namespace)) => Bound::Included(Key::new(namespace, "")),
            (None, None) => Bound::Unbounded,
        };
        let objects = &self.collections[resource as usize].objects;
        objects
            .range((start, Bound::Unbounded))
            .map(|(key, stored)| (key, &stored.object))
            .take_while(move |(key, _)| namespace.is_none_or(|namespace| &*key.namespace == namespace))
    }

    /// What the object with this uid owns, of one resource.
    pub(crate) fn owned(&self, uid: &str, resource: Resource) -> Vec<(Key, Object)> {
        let keys = self.owned.get(uid).into_iter().flatten().filter(|(of, _)| *of == resource);
        keys.filter_map(|(_, key)| Some((key.clone(), self.get(resource, key)?.clone()))).collect()
    }

    /// What the object with this uid owns, of every resource.
    pub(crate) fn dependents(&self, uid: &str) -> Vec<(Resource, Key)> {
        self.owned.get(uid).into_iter().flatten().cloned().collect()
    }

    pub(crate) fn has_dependents(&self, uid: &str) -> bool {
        self.owned.contains_key(uid)
    }

    /// Stores the object under a new revision.
    pub(crate) fn put(&mut self, resource: Resource, key: &Key, mut object: Json) -> Object {
        self.revision += 1;
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        let text = Text::default();
        let before = self.insert(resource, key, &object, text.clone());
        let change =
            Change { revision: self.revision, key: key.clone(), before, object: object.clone(), text, deleted: false };
        self.publish(resource, change);
        object
    }

    /// Removes the object; its last state comes back with the revision of the deletion.
    pub(crate) fn remove(&mut self, resource: Resource, key: &Key) -> Option<Object> {
        let before = self.collections[resource as usize].objects.remove(key)?.object;
        self.unindex(resource, key, &before);
        self.revision += 1;
        let mut last = before.clone();
        last["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        let change = Change {
            revision: self.revision,
            key: key.clone(),
            before: Some(before),
            object: last.clone(),
            text: Text::default(),
            deleted: true,
        };
        self.publish(resource, change);
        Some(last)
    }

    /// Lets the watches of a resource look again although nothing in it changed.
    pub(crate) fn wake_watches(&self, resource: Resource) {
        self.collections[resource as usize].changed.set(self.revision);
    }

    /// Stores objects that were there before anyone looked: no change is logged, so nobody can resume from before.
    pub(crate) fn preload(&mut self, resource: Resource, key: &Key, mut object: Json) {
        self.revision += 1;
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        self.insert(resource, key, &object, Text::default());
        self.collections[resource as usize].log.compact(self.revision);
    }

    /// Makes every resume from before now fail with 410.
    pub(crate) fn compact(&mut self) {
        for collection in &mut self.collections {
            collection.log.compact(self.revision);
        }
    }

    pub(crate) fn set_log_capacity(&mut self, capacity: usize) {
        for collection in &mut self.collections {
            collection.log.set_capacity(capacity);
        }
    }

    fn insert(&mut self, resource: Resource, key: &Key, object: &Object, text: Text) -> Option<Object> {
        let stored = Stored { object: object.clone(), text };
        let before = self.collections[resource as usize].objects.insert(key.clone(), stored);
        let before = before.map(|stored| stored.object);
        let same_owners = before
            .as_ref()
            .is_some_and(|before| before["metadata"]["ownerReferences"] == object["metadata"]["ownerReferences"]);
        if !same_owners {
            if let Some(before) = &before {
                self.unindex(resource, key, before);
            }
            for uid in owner_uids(object) {
                self.owned.entry(uid.into()).or_default().insert((resource, key.clone()));
            }
        }
        before
    }

    fn unindex(&mut self, resource: Resource, key: &Key, object: &Json) {
        for uid in owner_uids(object) {
            if let Some(owned) = self.owned.get_mut(uid) {
                owned.remove(&(resource, key.clone()));
                if owned.is_empty() {
                    self.owned.remove(uid);
                }
            }
        }
    }

    fn publish(&mut self, resource: Resource, change: Change) {
        let collection = &mut self.collections[resource as usize];
        collection.changed.set(change.revision);
        collection.log.push(change);
    }
}

/// The uids of all owners, controlling or not.
pub(crate) fn owner_uids(object: &Json) -> impl Iterator<Item = &str> {
    object["metadata"]["ownerReferences"].as_array().into_iter().flatten().filter_map(|owner| owner["uid"].as_str())
}

/// The revision written on an object.
pub(crate) fn revision_of(object: &Json) -> u64 {
    object["metadata"]["resourceVersion"].as_str().and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// True when a write would change nothing but the revision.
pub(crate) fn is_same(before: &Json, after: &Json) -> bool {
    debug_assert_eq!(object::uid(before), object::uid(after));
    before == after
}
