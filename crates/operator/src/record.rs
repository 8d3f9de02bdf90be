//! Objects that somebody else holds as JSON, read as the operator reads them.

use flippy_core::Workload;
use serde::Deserialize;
use serde_json::Value;

use crate::interner::Interner;
use crate::slim::{
    SlimConfigMap, SlimDaemonSet, SlimDeployment, SlimDisruptionBudget, SlimNamespace, SlimPod, SlimReplicaSet,
    SlimRollout, SlimStatefulSet, SlimWorkload,
};

/// The workload that an object is, as the operator sees it. `None`: it is none that can be restarted.
///
/// # Errors
/// When it does not decode.
pub fn workload_of(object: &Value) -> Result<Option<Workload>, serde_json::Error> {
    match object["kind"].as_str() {
        Some("Deployment") => workload::<SlimDeployment>(object),
        Some("StatefulSet") => workload::<SlimStatefulSet>(object),
        Some("DaemonSet") => workload::<SlimDaemonSet>(object),
        Some("Rollout") => workload::<SlimRollout>(object),
        _ => Ok(None),
    }
}

fn workload<K: SlimWorkload>(object: &Value) -> Result<Option<Workload>, serde_json::Error> {
    K::deserialize(object).map(|slim| Some(slim.record(&mut Interner::new())))
}

/// Whether the operator could read an object, if it is of a kind that it reads. An API server sends nothing else; a file may
/// hold anything, and one broken object in a list would blind a whole watch.
///
/// # Errors
/// When it does not decode.
pub fn check_readable(object: &Value) -> Result<(), serde_json::Error> {
    match object["kind"].as_str() {
        Some("Pod") => SlimPod::deserialize(object).map(drop),
        Some("ReplicaSet") => SlimReplicaSet::deserialize(object).map(drop),
        Some("Namespace") => SlimNamespace::deserialize(object).map(drop),
        Some("PodDisruptionBudget") => SlimDisruptionBudget::deserialize(object).map(drop),
        Some("ConfigMap") => SlimConfigMap::deserialize(object).map(drop),
        _ => workload_of(object).map(drop),
    }
}
