//! Replica sets: only the link from pods to their Deployment or Rollout counts, so only metadata is asked for.

use std::borrow::Cow;

use flippy_core::ReplicaSet as Record;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::Deserialize;

use super::meta::{controller, slim_meta, text};
use crate::interner::Interner;

#[derive(Deserialize, Clone, Debug)]
pub(crate) struct SlimReplicaSet {
    #[serde(deserialize_with = "slim_meta")]
    metadata: ObjectMeta,
}

impl SlimReplicaSet {
    pub(crate) fn record(self, interner: &mut Interner) -> Record {
        Record {
            uid: text(self.metadata.uid.as_ref(), interner),
            owner_uid: controller(&self.metadata, interner).map(|owner| owner.uid),
        }
    }
}

/// By hand, because the derive cannot ask for metadata only.
impl Resource for SlimReplicaSet {
    type DynamicType = ();
    type Scope = <ReplicaSet as Resource>::Scope;

    fn kind((): &()) -> Cow<'_, str> {
        ReplicaSet::kind(&())
    }
    fn group((): &()) -> Cow<'_, str> {
        ReplicaSet::group(&())
    }
    fn version((): &()) -> Cow<'_, str> {
        ReplicaSet::version(&())
    }
    fn plural((): &()) -> Cow<'_, str> {
        ReplicaSet::plural(&())
    }
    fn metadata_api() -> bool {
        true
    }
    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
