//! Kubernetes objects with only the fields that decisions need, and their records in the core.
//!
//! Never decode a `k8s_openapi` Pod here: it costs six times the processor time and two hundred times the memory
//! of these types, most of it for fields that nobody reads.

mod config;
mod config_map;
mod custom;
mod disruption_budget;
mod fingerprint;
mod meta;
mod namespace;
mod pod;
mod replica_set;
mod replicas;
mod surge;
mod workload;

pub(crate) use config::{SlimConfig, WrittenConfig};
pub(crate) use config_map::{Said, SlimConfigMap};
pub(crate) use custom::SlimCustom;
pub(crate) use disruption_budget::SlimDisruptionBudget;
pub(crate) use fingerprint::Fingerprint;
pub(crate) use namespace::SlimNamespace;
pub(crate) use pod::SlimPod;
pub(crate) use replica_set::SlimReplicaSet;
pub(crate) use replicas::{SlimOwnReplicaSet, SlimReplicationController};
pub(crate) use workload::{SlimDaemonSet, SlimDeployment, SlimRollout, SlimStatefulSet, SlimWorkload};
