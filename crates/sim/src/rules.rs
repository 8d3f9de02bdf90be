//! What the API server holds writes to: whose fields are whose, what may change, what bumps the generation.

use crate::{Json, json};

use crate::error::ApiError;
use crate::object::{self, Key};
use crate::resources::Resource;
use crate::store;
use crate::write::Deletion;

/// The fields of metadata that only the server sets.
const SERVER_SET: [&str; 5] =
    ["uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds"];

/// Refuses what is not an object of this resource, and fills in its type and namespace.
pub(crate) fn check_shape(resource: Resource, namespace: &str, object: &mut Json) -> Result<(), ApiError> {
    let is_map = |value: &Json| value.is_object() || value.is_null();
    let well_formed = object.is_object()
        && ["metadata", "spec", "status"].iter().all(|part| is_map(&object[part]))
        && ["annotations", "labels"].iter().all(|part| is_map(&object["metadata"][part]));
    if !well_formed {
        return Err(ApiError::bad_request(format!(
            "the body is not a {}: metadata, spec and status must be objects",
            resource.kind()
        )));
    }
    let kind = object["kind"].as_str();
    if kind.is_some_and(|kind| kind != resource.kind()) {
        return Err(ApiError::bad_request(format!(
            "the body is a {}, not a {}",
            kind.unwrap_or_default(),
            resource.kind()
        )));
    }
    if resource == Resource::Rollouts && !object["spec"]["strategy"]["blueGreen"].is_null() {
        return Err(ApiError::not_simulated("a Rollout with the blueGreen strategy"));
    }
    set(object, "kind", resource.kind());
    set(object, "apiVersion", resource.api_version());
    if resource.traits().namespaced {
        let found = object::namespace(object);
        if !found.is_empty() && found != namespace {
            return Err(ApiError::bad_request(format!(
                "the namespace of the provided object does not match the namespace sent on the request ({found}, {namespace})"
            )));
        }
        set(&mut object["metadata"], "namespace", namespace);
    }
    Ok(())
}

/// Gives a field this text, which it usually has.
fn set(object: &mut Json, field: &str, text: &str) {
    if object[field] != text {
        object[field] = json!(text);
    }
}

/// Maps of labels and annotations that are empty are not stored. (In the template of a Rollout it is Argo's controller
/// that leaves them out, with its first update. That of a `CloneSet` stays as it was written.)
pub(crate) fn drop_empty_maps(object: &mut Json) {
    let template: &[&str] = &["spec", "template", "metadata"];
    let is_kept = object["kind"] == Resource::CloneSets.kind();
    for path in [&["metadata"][..], template].into_iter().take(if is_kept { 1 } else { 2 }) {
        let metadata = path.iter().try_fold(&mut *object, |object, field| object.get_mut(field));
        let Some(metadata) = metadata.and_then(Json::as_object_mut) else { continue };
        for map in ["labels", "annotations"] {
            let is_empty = |map: &Json| map.is_null() || map.as_object().is_some_and(crate::Map::is_empty);
            if metadata.get(map).is_some_and(is_empty) {
                metadata.remove(map);
            }
        }
    }
}

pub(crate) fn check_identity(resource: Resource, key: &Key, old: &Json, new: &mut Json) -> Result<(), ApiError> {
    let metadata = &mut new["metadata"];
    if metadata["name"].as_str().is_some_and(|name| *name != *key.name) {
        return Err(ApiError::bad_request(format!(
            "the name of the object ({}) does not match the name on the URL ({})",
            metadata["name"], key.name
        )));
    }
    let revision = metadata["resourceVersion"].as_str().unwrap_or_default();
    if revision.is_empty() && (resource.traits().custom || resource == Resource::Leases) {
        return Err(ApiError::invalid(
            resource,
            &key.name,
            "metadata.resourceVersion: Invalid value: 0: must be specified for an update",
        ));
    }
    if !revision.is_empty() && old["metadata"]["resourceVersion"] != revision {
        return Err(ApiError::stale_write(resource, &key.name));
    }
    let uid = metadata["uid"].as_str().unwrap_or_default();
    if !uid.is_empty() && uid != object::uid(old) {
        let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {}", object::uid(old));
        return Err(ApiError::conflict(resource, &key.name, &why));
    }
    set(metadata, "name", &key.name);
    keep(&old["metadata"], metadata, "resourceVersion");
    for field in SERVER_SET {
        keep(&old["metadata"], metadata, field);
    }
    if metadata["managedFields"].is_null() {
        keep(&old["metadata"], metadata, "managedFields");
    }
    Ok(())
}

/// Gives `new` the field of `old`.
pub(crate) fn keep(old: &Json, new: &mut Json, field: &str) {
    let unchanged = old.get(field) == new.get(field);
    let Some(new) = new.as_object_mut().filter(|_| !unchanged) else { return };
    match old.get(field) {
        Some(value) => new.insert(field.to_owned(), value.clone()),
        None => new.remove(field),
    };
}

/// A status write changes nothing but the status; built-in kinds let metadata through (Deployments all but labels, as their strategy does:
/// that is how the deployment controller sets its revision annotation without a new generation).
pub(crate) fn keep_all_but_status(resource: Resource, old: &Json, new: &mut Json) {
    keep(old, new, "spec");
    if resource == Resource::Deployments {
        keep(&old["metadata"], &mut new["metadata"], "labels");
    }
    if resource.traits().custom {
        let managed = new["metadata"]["managedFields"].take();
        keep(old, new, "metadata");
        if !managed.is_null() {
            new["metadata"]["managedFields"] = managed;
        }
    }
}

/// Spec changes bump the generation; on Deployments, changes of annotations do too (k/k pkg/registry/apps/deployment/strategy.go).
/// On custom resources everything but metadata and status counts.
pub(crate) fn bump_generation(resource: Resource, old: &Json, new: &mut Json) {
    if !resource.traits().generation {
        return;
    }
    let changed = if resource.traits().custom {
        let counted = |object: &Json| {
            object.as_object().map(|object| {
                object.iter().filter(|(field, _)| !matches!(field.as_str(), "metadata" | "status")).count()
            })
        };
        counted(old) != counted(new)
            || old
                .as_object()
                .into_iter()
                .flatten()
                .any(|(field, value)| !matches!(field.as_str(), "metadata" | "status") && new.get(field) != Some(value))
    } else {
        old["spec"] != new["spec"]
            || (resource == Resource::Deployments && old["metadata"]["annotations"] != new["metadata"]["annotations"])
    };
    if changed {
        new["metadata"]["generation"] = json!(object::generation(old) + 1);
    }
}

pub(crate) fn check_immutable(resource: Resource, key: &Key, old: &Json, new: &Json) -> Result<(), ApiError> {
    let selects = matches!(
        resource,
        Resource::Deployments | Resource::ReplicaSets | Resource::StatefulSets | Resource::DaemonSets
    );
    if selects && old["spec"]["selector"] != new["spec"]["selector"] {
        return Err(ApiError::invalid(resource, &key.name, "spec.selector: Invalid value: field is immutable"));
    }
    if resource == Resource::StatefulSets {
        const MUTABLE: [&str; 7] = [
            "replicas",
            "ordinals",
            "template",
            "updateStrategy",
            "persistentVolumeClaimRetentionPolicy",
            "minReadySeconds",
            "revisionHistoryLimit",
        ];
        let frozen = |spec: &Json, field: &str| !MUTABLE.contains(&field) && old["spec"].get(field) != spec.get(field);
        if new["spec"].as_object().is_some_and(|spec| spec.keys().any(|field| frozen(&new["spec"], field))) {
            return Err(ApiError::invalid(
                resource,
                &key.name,
                "spec: Forbidden: updates to statefulset spec for fields other than replicas, template and updateStrategy are forbidden",
            ));
        }
    }
    if resource == Resource::Pods && !same_but_images(&old["spec"], &new["spec"]) {
        return Err(ApiError::invalid(
            resource,
            &key.name,
            "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`",
        ));
    }
    Ok(())
}

fn same_but_images(old: &Json, new: &Json) -> bool {
    if old == new {
        return true;
    }
    let without_images = |spec: &Json| {
        let mut spec = spec.clone();
        for list in ["containers", "initContainers"] {
            for container in spec[list].items_mut() {
                container["image"] = Json::Null;
            }
        }
        spec
    };
    without_images(old) == without_images(new)
}

pub(crate) fn check_preconditions(
    resource: Resource,
    key: &Key,
    old: &Json,
    deletion: &Deletion,
) -> Result<(), ApiError> {
    if let Some(uid) = deletion.uid.as_deref().filter(|uid| *uid != object::uid(old)) {
        let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {}", object::uid(old));
        return Err(ApiError::conflict(resource, &key.name, &why));
    }
    if let Some(revision) =
        deletion.resource_version.as_deref().filter(|revision| old["metadata"]["resourceVersion"] != **revision)
    {
        let why = format!(
            "Precondition failed: ResourceVersion in precondition: {revision}, ResourceVersion in object meta: {}",
            store::revision_of(old)
        );
        return Err(ApiError::conflict(resource, &key.name, &why));
    }
    Ok(())
}
