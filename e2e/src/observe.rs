//! What has become of workloads and their pods.

use std::time::Duration;

use anyhow::Result;
use k8s_openapi::api::apps::v1::{ControllerRevision, ReplicaSet};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DynamicObject, ListParams};
use kube::runtime::watcher;
use kube::{Client, ResourceExt};
use serde_json::Value;

use crate::mesh::sidecar_image;
use crate::wait::{self, Check};
use crate::workloads::{APP_LABEL, Kind, WorkloadRef};

/// The API of a workload's kind in its namespace.
pub fn api(client: &Client, workload: &WorkloadRef) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), &workload.namespace, &workload.kind.api_resource())
}

/// Waits until a workload is completely rolled out, by its own status.
///
/// A Rollout that is restarted by `spec.restartAt` calls itself healthy between two pods: to see it through, wait
/// for its pods with [`until_fresh`].
pub async fn until_rolled_out(client: &Client, workload: &WorkloadRef, limit: Duration) -> Result<()> {
    let what = format!("{workload} to be rolled out");
    wait::until(api(client, workload), &workload.name, &what, limit, |object| {
        let object = object.ok_or("it does not exist")?;
        rolled_out(workload.kind, object)
    })
    .await
}

fn rolled_out(kind: Kind, object: &DynamicObject) -> Check<()> {
    let (spec, status) = (&object.data["spec"], &object.data["status"]);
    if number(&status["observedGeneration"]) < object.metadata.generation {
        return Err("its controller has not seen its latest generation".to_owned());
    }
    let (wanted, counts) = match kind {
        Kind::DaemonSet => (
            number(&status["desiredNumberScheduled"]),
            ["updatedNumberScheduled", "currentNumberScheduled", "numberAvailable"],
        ),
        Kind::ReplicaSet | Kind::ReplicationController => {
            (number(&spec["replicas"]), ["readyReplicas", "replicas", "availableReplicas"])
        }
        _ => (number(&spec["replicas"]), ["updatedReplicas", "replicas", "availableReplicas"]),
    };
    for field in counts {
        // A count of zero is left out.
        let count = number(&status[field]).unwrap_or(0);
        if Some(count) != wanted {
            return Err(format!("its {field} is {count} of {}", wanted.unwrap_or_default()));
        }
    }
    match status["phase"].as_str() {
        Some(phase) if kind == Kind::Rollout && phase != "Healthy" => Err(format!("its phase is {phase}")),
        _ => Ok(()),
    }
}

// Argo writes the observed generation as a string.
fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

/// Waits until every pod of the given workloads runs its sidecar from `image` and is ready, and there are as many as
/// there should be. `selector` is a label selector that finds all of these pods.
pub async fn until_fresh(
    client: &Client,
    workloads: &[WorkloadRef],
    selector: &str,
    image: &str,
    limit: Duration,
) -> Result<()> {
    until_fresh_telling(client, workloads, selector, image, limit, |_| {}).await
}

/// Like [`until_fresh`], and tells `fresh` of each workload that is fresh, at every change, so repeatedly.
pub async fn until_fresh_telling(
    client: &Client,
    workloads: &[WorkloadRef],
    selector: &str,
    image: &str,
    limit: Duration,
    mut fresh: impl FnMut(&WorkloadRef),
) -> Result<()> {
    let what = format!("{} workloads to run {image} everywhere", workloads.len());
    let selection = watcher::Config::default().labels(selector);
    wait::until_all(Api::all(client.clone()), selection, &what, limit, |pods: &[&Pod]| {
        let mut stale = Vec::new();
        for workload in workloads {
            match stale_because(workload, pods, image) {
                Some(reason) => stale.push(reason),
                None => fresh(workload),
            }
        }
        match stale.as_slice() {
            [] => Ok(()),
            [only] => Err(only.clone()),
            [first, more @ ..] => Err(format!("{first}; and {} workloads more", more.len())),
        }
    })
    .await
}

fn stale_because(workload: &WorkloadRef, pods: &[&Pod], image: &str) -> Option<String> {
    let own: Vec<&Pod> = pods.iter().copied().filter(|pod| is_live_pod_of(workload, pod)).collect();
    if own.len() != workload.replicas {
        return Some(format!("{workload} has {} of {} pods", own.len(), workload.replicas));
    }
    let unfit = own.into_iter().find(|pod| sidecar_image(pod) != Some(image) || !is_ready(pod))?;
    let ready = if is_ready(unfit) { "ready" } else { "not ready" };
    let runs = sidecar_image(unfit).unwrap_or("no sidecar");
    Some(format!("pod {} of {workload} is {ready} and runs {runs}", unfit.name_any()))
}

/// The pods of a workload that are not being deleted.
pub async fn pods(client: &Client, workload: &WorkloadRef) -> Result<Vec<Pod>> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), &workload.namespace);
    let own = pods.list(&own(workload)).await?.items.into_iter();
    Ok(own.filter(|pod| is_live_pod_of(workload, pod)).collect())
}

/// The sidecar images of a workload's pods, sorted, one for each pod that has a sidecar.
pub async fn sidecar_images(client: &Client, workload: &WorkloadRef) -> Result<Vec<String>> {
    let pods = pods(client, workload).await?;
    let mut images: Vec<String> = pods.iter().filter_map(sidecar_image).map(str::to_owned).collect();
    images.sort();
    Ok(images)
}

/// How many revisions a workload has had: one more than it was restarted, as long as its history is not cut off (ten by
/// default). A Rollout that is restarted by `spec.restartAt` gets no new revision.
pub async fn revisions(client: &Client, workload: &WorkloadRef) -> Result<usize> {
    match workload.kind {
        Kind::Deployment | Kind::Rollout => count::<ReplicaSet>(client, workload).await,
        Kind::StatefulSet | Kind::DaemonSet => count::<ControllerRevision>(client, workload).await,
        // It has no revisions.
        Kind::ReplicaSet | Kind::ReplicationController => Ok(1),
        // Those of the cluster in memory have revisions, those of the actor on the real one have none: see the generation.
        Kind::CloneSet => {
            let object = api(client, workload).get(&workload.name).await?;
            Ok(usize::try_from(object.metadata.generation.unwrap_or_default())?)
        }
    }
}

async fn count<K>(client: &Client, workload: &WorkloadRef) -> Result<usize>
where
    K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let revisions: Api<K> = Api::namespaced(client.clone(), &workload.namespace);
    let revisions = revisions.list(&own(workload)).await?;
    let owned = |revision: &&K| is_owned_by(workload, revision.owner_references());
    Ok(revisions.iter().filter(owned).count())
}

fn is_owned_by(
    workload: &WorkloadRef,
    owners: &[k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference],
) -> bool {
    owners.iter().any(|owner| owner.kind == workload.kind.name() && owner.name == workload.name)
}

fn own(workload: &WorkloadRef) -> ListParams {
    ListParams::default().labels(&format!("{APP_LABEL}={}", workload.name))
}

fn is_live_pod_of(workload: &WorkloadRef, pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_none()
        && pod.namespace().as_deref() == Some(&workload.namespace)
        && pod.labels().get(APP_LABEL).is_some_and(|app| *app == workload.name)
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref());
    let ready = conditions.unwrap_or_default().iter().find(|condition| condition.type_ == "Ready");
    ready.is_some_and(|condition| condition.status == "True")
}
