//! Creating, changing and deleting objects, by the rules of the API server.

use crate::{Json, json};

use crate::admission;
use crate::defaults;
use crate::error::ApiError;
use crate::history::Author;
use crate::object::{self, Key, Object};
use crate::queue::Work;
use crate::request::Part;
use crate::resources::Resource;
use crate::rules::{
    bump_generation, check_identity, check_immutable, check_preconditions, check_shape, drop_empty_maps, keep,
    keep_all_but_status,
};
use crate::store;
use crate::world::World;

/// What must hold for a deletion to go ahead, and how it is done.
#[derive(Debug, Clone, Default)]
pub(crate) struct Deletion {
    pub(crate) uid: Option<String>,
    pub(crate) resource_version: Option<String>,
    pub(crate) grace_seconds: Option<i64>,
    pub(crate) orphan: bool,
    pub(crate) dry_run: bool,
}

impl World {
    pub(crate) fn create(
        &mut self,
        author: &Author,
        resource: Resource,
        namespace: &str,
        mut object: Json,
        dry_run: bool,
    ) -> Result<Object, ApiError> {
        check_shape(resource, namespace, &mut object)?;
        self.check_namespace(resource, namespace)?;
        if let Some(prefix) = object["metadata"]["generateName"].as_str()
            && object::name(&object).is_empty()
        {
            object["metadata"]["name"] = json!(format!("{prefix}{}", self.rng.suffix(5)));
        }
        let key = Key::new(namespace, object::name(&object));
        if key.name.is_empty() {
            return Err(ApiError::invalid(
                resource,
                "",
                "metadata.name: Required value: name or generateName is required",
            ));
        }
        if self.store.get(resource, &key).is_some() {
            return Err(ApiError::already_exists(resource, &key.name));
        }
        if !object["metadata"]["resourceVersion"].as_str().unwrap_or_default().is_empty() {
            return Err(ApiError::bad_request("resourceVersion should not be set on objects to be created"));
        }
        if resource.traits().status
            && let Some(object) = object.as_object_mut()
        {
            object.remove("status");
        }
        drop_empty_maps(&mut object);
        defaults::fill(resource, &mut object);
        let metadata = &mut object["metadata"];
        metadata["uid"] = json!(self.rng.uid());
        metadata["creationTimestamp"] = self.stamp();
        if resource.traits().generation {
            metadata["generation"] = json!(1);
        }
        if resource == Resource::Pods {
            admission::admit(self, &mut object)?;
            if self.instant {
                crate::controllers::kubelet::start(self, &mut object);
            }
        }
        if dry_run {
            return Ok(object);
        }
        Ok(self.commit(author, resource, &key, Part::Main, object))
    }

    /// Replaces an object by what `change` makes of it. Returns the object as it is afterwards, and whether it was created.
    pub(crate) fn update(
        &mut self,
        author: &Author,
        resource: Resource,
        key: &Key,
        part: Part,
        dry_run: bool,
        change: impl FnOnce(&Json) -> Result<Json, ApiError>,
    ) -> Result<Object, ApiError> {
        let old = self.store.get(resource, key).cloned().ok_or_else(|| ApiError::not_found(resource, &key.name))?;
        let mut new = change(&old)?;
        check_shape(resource, &key.namespace, &mut new)?;
        check_identity(resource, key, &old, &mut new)?;
        drop_empty_maps(&mut new);
        match part {
            Part::Status => keep_all_but_status(resource, &old, &mut new),
            Part::Main | Part::Eviction => {
                if resource.traits().status {
                    keep(&old, &mut new, "status");
                }
                defaults::fill(resource, &mut new);
                check_immutable(resource, key, &old, &new)?;
                bump_generation(resource, &old, &mut new);
            }
        }
        if store::is_same(&old, &new) {
            return Ok(old);
        }
        if dry_run {
            return Ok(new);
        }
        // A terminating object whose last finalizer goes, goes with it.
        if object::is_terminating(&new) && !has_finalizers(&new) && has_finalizers(&old) && resource != Resource::Pods {
            return self.remove(author, resource, key).ok_or_else(|| ApiError::not_found(resource, &key.name));
        }
        Ok(self.commit(author, resource, key, part, new))
    }

    /// Deletes an object: at once, or by marking it when it has finalizers or (pods) a grace period.
    /// Returns the object and whether it is gone already.
    pub(crate) fn delete(
        &mut self,
        author: &Author,
        resource: Resource,
        key: &Key,
        deletion: &Deletion,
    ) -> Result<(Object, bool), ApiError> {
        let old = self.store.get(resource, key).cloned().ok_or_else(|| ApiError::not_found(resource, &key.name))?;
        check_preconditions(resource, key, &old, deletion)?;
        let grace = grace_seconds(resource, &old, deletion);
        let waits = grace > 0 || has_finalizers(&old) || resource == Resource::Namespaces;
        if deletion.dry_run {
            return Ok((old, !waits));
        }
        if deletion.orphan {
            self.orphan_dependents(author, object::uid(&old));
        }
        if !waits {
            if resource == Resource::CustomResourceDefinitions {
                self.remove_all_defined_by(&key.name);
            }
            return self
                .remove(author, resource, key)
                .map(|last| (last, true))
                .ok_or_else(|| ApiError::not_found(resource, &key.name));
        }
        if object::is_terminating(&old) {
            return Ok((old, false));
        }
        let mut new = old.clone();
        new["metadata"]["deletionTimestamp"] = self.stamp_after(grace);
        new["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
        if resource.traits().generation {
            new["metadata"]["generation"] = json!(object::generation(&old) + 1);
        }
        if resource == Resource::Namespaces {
            new["status"]["phase"] = json!("Terminating");
            self.later(50, Work::EmptyNamespace(key.clone()));
        }
        Ok((self.commit(author, resource, key, Part::Main, new), false))
    }

    fn check_namespace(&self, resource: Resource, namespace: &str) -> Result<(), ApiError> {
        if !resource.traits().namespaced {
            return Ok(());
        }
        match self.store.get(Resource::Namespaces, &Key::new("", namespace)) {
            None => Err(ApiError::not_found(Resource::Namespaces, namespace)),
            Some(found) if object::is_terminating(found) => {
                let why =
                    format!("unable to create new content in namespace {namespace} because it is being terminated");
                Err(ApiError::forbidden(resource, "", &why)
                    .cause("NamespaceTerminating", format!("namespace {namespace} is being terminated")))
            }
            Some(_) => Ok(()),
        }
    }
}

fn has_finalizers(object: &Json) -> bool {
    object["metadata"]["finalizers"].as_array().is_some_and(|finalizers| !finalizers.is_empty())
}

/// Only pods that were scheduled and have not finished get time to stop.
fn grace_seconds(resource: Resource, old: &Json, deletion: &Deletion) -> i64 {
    if resource != Resource::Pods || old["spec"]["nodeName"].is_null() || object::is_finished_pod(old) {
        return 0;
    }
    deletion.grace_seconds.or_else(|| old["spec"]["terminationGracePeriodSeconds"].as_i64()).unwrap_or(30)
}
