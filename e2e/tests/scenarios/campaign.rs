//! The main job.

use anyhow::Result;
use flippy_e2e::mesh::sidecar_image;
use flippy_e2e::scenario::{NEW_IMAGE, OLD_IMAGE, Scenario};
use flippy_e2e::workloads::{APP_LABEL, Kind, Workload, WorkloadRef};
use flippy_e2e::{observe, wait};
use futures::future::try_join_all;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams};
use kube::runtime::watcher;
use serde_json::json;

use crate::config::{MESH, waits, wanting};
use crate::outcome::{LIMIT, ready_because, restarted_once};

flippy_e2e::scenarios! {
    both: [
        sixty_workloads_of_both_kinds_are_restarted_once_each_in_the_order_of_kind_namespace_and_name,
        one_fresh_pod_in_a_namespace_or_a_workload_does_not_hide_a_stale_one,
    ],
    native: [
        native_sidecars_are_seen_and_replaced,
    ],
}

async fn sixty_workloads_of_both_kinds_are_restarted_once_each_in_the_order_of_kind_namespace_and_name(
    s: &Scenario,
) -> Result<()> {
    let mut namespaces = Vec::new();
    // Not created in the order in which they are to be restarted.
    for name in ["c", "a", "b"] {
        namespaces.push(s.namespace(name).await?);
    }
    let creations = namespaces.iter().map(|namespace| {
        let deployments = (0..14).rev().map(|number| Workload::deployment(&format!("x{number:02}")));
        let rollouts = (0..6).rev().map(|number| Workload::rollout(&format!("r{number:02}")));
        s.create_all(namespace, deployments.chain(rollouts))
    });
    let mut workloads = try_join_all(creations).await?.concat();
    let _operator = s.operator().await?;

    s.mesh().upgrade(NEW_IMAGE).await?;
    let mut spec = wanting(s, &[NEW_IMAGE]);
    spec["RestartObjects"] = json!([
        {"Type": "ArgoRollout", "StatusCheckConfig": waits(60)},
        {"Type": "Deployment", "StatusCheckConfig": waits(60)},
    ]);
    s.config(s.system(), MESH, spec).await?;

    let status = ready_because(s, MESH, "AllFresh").await?;
    assert_eq!(status["workloads"]["done"], "60/60", "{status}");
    s.fresh(&workloads, NEW_IMAGE, LIMIT).await?;
    restarted_once(s, &workloads).await?;
    workloads.sort_by_key(|workload| (workload.kind != Kind::Rollout, workload.path()));
    let in_order: Vec<String> = workloads.iter().map(WorkloadRef::path).collect();
    assert_eq!(s.requests()?.restarts().names(), in_order);
    Ok(())
}

async fn one_fresh_pod_in_a_namespace_or_a_workload_does_not_hide_a_stale_one(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let stale = s.create_all(&shop, [Workload::deployment("half").replicas(2), Workload::deployment("old")]).await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    let fresh = s.create(&shop, Workload::deployment("new")).await?;
    replace_one_of_two_pods(s, &stale[0]).await?;
    s.rolled_out(&fresh).await?;

    let _operator = s.operator().await?;
    s.config(s.system(), MESH, wanting(s, &[NEW_IMAGE])).await?;

    let status = ready_because(s, MESH, "AllFresh").await?;
    assert_eq!(status["workloads"]["done"], "3/3", "{status}");
    restarted_once(s, &stale).await
}

/// Deletes a pod of a workload and waits until it has an old and a new one.
async fn replace_one_of_two_pods(s: &Scenario, workload: &WorkloadRef) -> Result<()> {
    let own = observe::pods(&s.client(), workload).await?;
    let name = own[0].metadata.name.as_deref().expect("a stored pod has a name");
    let pods: Api<Pod> = Api::namespaced(s.client(), &workload.namespace);
    pods.delete(name, &DeleteParams::default()).await?;
    let selection = watcher::Config::default().labels(&format!("{APP_LABEL}={}", workload.name));
    wait::until_all(pods, selection, "an old and a new pod", LIMIT, |pods: &[&Pod]| {
        let live = pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none());
        let mut images: Vec<_> = live.map(|pod| sidecar_image(pod)).collect();
        images.sort_unstable();
        if images == [Some(OLD_IMAGE), Some(NEW_IMAGE)] { Ok(()) } else { Err(format!("there are {images:?}")) }
    })
    .await
}

async fn native_sidecars_are_seen_and_replaced(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let workloads = s.create_all(&shop, [Workload::deployment("cart"), Workload::rollout("search")]).await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    let _operator = s.operator().await?;

    s.config(s.system(), MESH, wanting(s, &[NEW_IMAGE])).await?;

    ready_because(s, MESH, "AllFresh").await?;
    s.fresh(&workloads, NEW_IMAGE, LIMIT).await?;
    restarted_once(s, &workloads).await
}
