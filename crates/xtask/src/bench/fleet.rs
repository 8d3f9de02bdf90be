//! The workloads of a bench, and how to see that all of them are fresh.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use flippy_e2e::cluster::Cluster;
use flippy_e2e::mesh::{MESH_LABEL, Mesh, Sidecar, sidecar_image};
use flippy_e2e::workloads::{Workload, WorkloadRef};
use flippy_e2e::{apply, install, observe};
use futures::{StreamExt, TryStreamExt, pin_mut, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, PostParams};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt};
use serde_json::json;
use tokio::time::{Instant, timeout_at};

const MESH: &str = "istio-system";
const FIRST_IMAGE: &str = "docker.io/istio/proxyv2:1.30.0";
const REPLICAS: usize = 2;
const PER_NAMESPACE: usize = 20;
const CREATED_AT_ONCE: usize = 16;

/// Deployments in a mesh, all rolled out.
pub(super) struct Fleet<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) client: Client,
    pub(super) mesh: Mesh,
    pub(super) deployments: Vec<WorkloadRef>,
}

impl<'a> Fleet<'a> {
    /// `ready_after`: how long each pod takes to become ready.
    pub(super) async fn create(cluster: &'a Cluster, count: usize, ready_after: Duration) -> Result<Self> {
        let client = cluster.admin().await?;
        let mesh = Mesh::install(&client, MESH, Sidecar::Container, FIRST_IMAGE).await?;
        install::install(&client).await?;
        // The API server makes the cache of a new resource at the first request, and until it is there asks watchers to come
        // back in a second. That is its own start, once, and not what is measured: let it happen while the fleet is made.
        let _ = configs(&client).list(&ListParams::default()).await;
        let namespaces: Vec<String> =
            (0..count.div_ceil(PER_NAMESPACE)).map(|number| format!("team-{number:04}")).collect();
        let manifests: Vec<_> = namespaces
            .iter()
            .map(|name| {
                let labels = json!({"istio-injection": "enabled", MESH_LABEL: MESH});
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
            })
            .collect();
        apply::apply(&client, &manifests).await?;
        let started = Instant::now();
        let deployments = stream::iter(0..count)
            .map(|number| create(&client, &namespaces[number / PER_NAMESPACE], number, ready_after))
            .buffered(CREATED_AT_ONCE)
            .try_collect()
            .await?;
        let fleet = Self { cluster, client, mesh, deployments };
        fleet.until_fresh(FIRST_IMAGE).await?;
        super::say(&format!(
            "{count} Deployments of {REPLICAS} pods are ready after {:.0} s",
            started.elapsed().as_secs_f32()
        ));
        Ok(fleet)
    }

    /// Waits until every pod runs `image` and is ready, and there are as many as there should be.
    pub(super) async fn until_fresh(&self, image: &str) -> Result<()> {
        // A rollout of a few seconds each, one after the other, with room for a slow machine.
        let limit = Duration::from_mins(2) + Duration::from_secs(10) * u32::try_from(self.deployments.len())?;
        let deadline = Instant::now() + limit;
        let wanted = self.deployments.len() * REPLICAS;
        let selection = watcher::Config::default().labels(&format!("{MESH_LABEL}={MESH}"));
        let events = watcher(Api::<Pod>::all(self.client.clone()), selection);
        pin_mut!(events);
        let mut pods: HashMap<String, bool> = HashMap::new();
        let mut fresh = 0;
        let mut listed = false;
        loop {
            let Ok(event) = timeout_at(deadline, events.next()).await else {
                bail!("after {} s {fresh} of {wanted} pods run {image}", limit.as_secs());
            };
            match event.context("the watch of pods ended")?? {
                Event::Init => {
                    pods.clear();
                    fresh = 0;
                    listed = false;
                }
                Event::InitDone => listed = true,
                Event::InitApply(pod) | Event::Apply(pod) => {
                    let is_fresh = is_ready(&pod) && sidecar_image(&pod) == Some(image);
                    fresh += usize::from(is_fresh);
                    fresh -= usize::from(pods.insert(pod.uid().unwrap_or_default(), is_fresh) == Some(true));
                }
                Event::Delete(pod) => fresh -= usize::from(pods.remove(&pod.uid().unwrap_or_default()) == Some(true)),
            }
            if listed && fresh == wanted && pods.len() == wanted {
                return Ok(());
            }
        }
    }

    /// A config that wants `image` in all of them, so many at once; without a limit, one after the other.
    pub(super) fn config(image: &str, max_concurrent: Option<usize>) -> serde_json::Value {
        let mut config = json!({
            "apiVersion": "keikoproj.io/v1", "kind": "FlippyConfig",
            "metadata": {"namespace": MESH, "name": "bench"},
            "spec": {
                "ImageList": [image],
                "ProcessFilter": {"Containers": ["istio-proxy"], "Labels": {"istio-injection": "enabled"}},
                "RestartObjects": [
                    {"Type": "Deployment", "StatusCheckConfig": {"CheckStatus": true, "MaxRetry": 10, "RetryDuration": 30}},
                ],
            },
        });
        if let Some(limit) = max_concurrent {
            config["spec"]["Strategy"] = json!({"MaxConcurrent": limit});
        }
        config
    }
}

fn configs(client: &Client) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("keikoproj.io", "v1", "FlippyConfig");
    Api::all_with(client.clone(), &ApiResource::from_gvk_with_plural(&kind, "flippyconfigs"))
}

async fn create(client: &Client, namespace: &str, number: usize, ready_after: Duration) -> Result<WorkloadRef> {
    let workload = Workload::deployment(&format!("app-{number:05}")).replicas(REPLICAS).pod_label(MESH_LABEL, MESH);
    let workload = if ready_after.is_zero() { workload } else { workload.ready_delay(ready_after) };
    let reference = workload.reference(namespace);
    let object = serde_json::from_value(workload.manifest(namespace))?;
    let created = observe::api(client, &reference).create(&PostParams::default(), &object).await;
    created.with_context(|| format!("cannot create {reference}"))?;
    Ok(reference)
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    pod.metadata.deletion_timestamp.is_none()
        && conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}
