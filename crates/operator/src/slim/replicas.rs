//! `ReplicaSet`s and `ReplicationController`s that nobody owns.

use flippy_core::{Kind, ReplicasFacts, RolloutFacts, Workload};
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::ReplicationController;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;

use super::meta::slim_meta;
use super::workload::{SlimTemplate, SlimWorkload, record};
use crate::interner::Interner;

/// One that is a workload itself. As the link between a pod and its Deployment it is a [`super::SlimReplicaSet`].
#[derive(kube::Resource, Deserialize, Clone, Debug)]
#[resource(inherit = "ReplicaSet")]
pub(crate) struct SlimOwnReplicaSet {
    #[serde(deserialize_with = "slim_meta")]
    metadata: ObjectMeta,
    #[serde(default)]
    spec: ReplicasSpec,
    #[serde(default)]
    status: ReplicasStatus,
}

#[derive(kube::Resource, Deserialize, Clone, Debug)]
#[resource(inherit = "ReplicationController")]
pub(crate) struct SlimReplicationController {
    #[serde(deserialize_with = "slim_meta")]
    metadata: ObjectMeta,
    #[serde(default)]
    spec: ReplicasSpec,
    #[serde(default)]
    status: ReplicasStatus,
}

#[derive(Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
struct ReplicasSpec {
    replicas: Option<i64>,
    template: Option<SlimTemplate>,
}

#[derive(Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
struct ReplicasStatus {
    observed_generation: i64,
    available_replicas: i64,
}

fn workload(
    kind: Kind,
    meta: ObjectMeta,
    spec: ReplicasSpec,
    status: &ReplicasStatus,
    interner: &mut Interner,
) -> Workload {
    let facts = ReplicasFacts {
        replicas_wanted: spec.replicas.unwrap_or(1),
        observed_generation: status.observed_generation,
        available: status.available_replicas,
    };
    record(kind, meta, spec.template.unwrap_or_default(), RolloutFacts::Replicas(facts), interner)
}

impl SlimWorkload for SlimOwnReplicaSet {
    fn record(self, interner: &mut Interner) -> Workload {
        workload(Kind::ReplicaSet, self.metadata, self.spec, &self.status, interner)
    }
}

impl SlimWorkload for SlimReplicationController {
    fn record(self, interner: &mut Interner) -> Workload {
        workload(Kind::ReplicationController, self.metadata, self.spec, &self.status, interner)
    }
}
