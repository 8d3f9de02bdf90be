//! Metadata without managed fields, finalizers and foreign annotations.

use std::collections::BTreeMap;
use std::sync::Arc;

use flippy_core::{Owner, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time};
use serde::{Deserialize, Deserializer};

use crate::interner::Interner;

/// kubectl's copy of the whole manifest: large, and no filter can reasonably name it.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Slim {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    generation: Option<i64>,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
    #[serde(default)]
    owner_references: Option<Vec<OwnerReference>>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
}

/// Decodes metadata, skipping what is not needed while parsing. `kube` wants the full type to hold it.
pub(super) fn slim_meta<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    let slim = Slim::deserialize(deserializer)?;
    Ok(ObjectMeta {
        name: slim.name,
        namespace: slim.namespace,
        uid: slim.uid,
        resource_version: slim.resource_version,
        generation: slim.generation,
        creation_timestamp: slim.creation_timestamp,
        deletion_timestamp: slim.deletion_timestamp,
        owner_references: slim.owner_references,
        annotations: slim.annotations.map(|mut annotations| {
            // Emptied, not removed: whether there are any annotations at all decides how a restart adds its own.
            if let Some(copy) = annotations.get_mut(LAST_APPLIED) {
                copy.clear();
            }
            annotations
        }),
        labels: slim.labels,
        ..ObjectMeta::default()
    })
}

/// The controller among the owners, of which there is at most one.
pub(super) fn controller(meta: &ObjectMeta, interner: &mut Interner) -> Option<Owner> {
    let owner = meta.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))?;
    Some(Owner { kind: interner.text(&owner.kind), name: interner.text(&owner.name), uid: interner.text(&owner.uid) })
}

pub(super) fn text(value: Option<&String>, interner: &mut Interner) -> Arc<str> {
    interner.text(value.map_or("", String::as_str))
}

/// Opaque to clients, but for telling older from newer since Kubernetes 1.35 (KEP-5504); it was a number before, too. What is
/// none is not known: then the generation alone tells.
pub(super) fn revision(meta: &ObjectMeta) -> u64 {
    meta.resource_version.as_deref().and_then(|text| text.parse().ok()).unwrap_or(0)
}

pub(super) fn created_at(meta: &ObjectMeta) -> Timestamp {
    meta.creation_timestamp.as_ref().map_or(Timestamp::UNIX_EPOCH, |time| time.0)
}
