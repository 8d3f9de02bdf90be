//! What is restarted before what, and what is waited for.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;
use flippy_e2e::mesh::sidecar_image;
use flippy_e2e::scenario::{NEW_IMAGE, SCENARIO_LABEL, Scenario};
use flippy_e2e::wait;
use flippy_e2e::workloads::{APP_LABEL, Behaviour, Workload, WorkloadRef};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::Api;
use kube::runtime::watcher;
use serde_json::json;

use crate::config::{MESH, waits, wanting};
use crate::outcome::{LIMIT, listed, marked, pods_run, ready_because, restarted_once};

flippy_e2e::scenarios! {
    both: [
        the_next_restart_waits_until_the_last_one_is_completely_rolled_out,
        workloads_that_are_unhealthy_already_come_last_and_are_not_waited_for,
    ],
}

async fn the_next_restart_waits_until_the_last_one_is_completely_rolled_out(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let names = ["a", "b", "c", "d", "e"];
    let slow = |name| Workload::deployment(name).replicas(2).ready_delay(Duration::from_millis(200));
    let workloads = s.create_all(&shop, names.map(slow)).await?;
    let _operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;

    s.config(s.system(), MESH, wanting(s, &[NEW_IMAGE])).await?;

    // One watch tells of all pods in the order in which they changed.
    let selection = watcher::Config::default().labels(&format!("{SCENARIO_LABEL}={}", s.id()));
    let mut most = 0;
    wait::until_all(Api::all(s.client()), selection, "all pods to be replaced", LIMIT, |pods: &[&Pod]| {
        let mixed = being_replaced(pods);
        most = most.max(mixed.len());
        let stale = pods.iter().filter(|pod| sidecar_image(pod) != Some(NEW_IMAGE)).count();
        if stale == 0 { Ok(()) } else { Err(format!("{stale} are stale; being replaced: {mixed:?}")) }
    })
    .await?;
    assert_eq!(most, 1, "workloads whose pods were being replaced at the same time");
    ready_because(s, MESH, "AllFresh").await?;
    restarted_once(s, &workloads).await
}

/// Workloads that have old and new pods.
fn being_replaced(pods: &[&Pod]) -> BTreeSet<String> {
    let names = |fresh: bool| -> BTreeSet<String> {
        // Those that have been told to go do not count as replicas any more, however long they take.
        let live = pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none());
        let selected = live.filter(|pod| (sidecar_image(pod) == Some(NEW_IMAGE)) == fresh);
        selected.filter_map(|pod| pod.labels().get(APP_LABEL).cloned()).collect()
    };
    names(true).intersection(&names(false)).cloned().collect()
}

async fn workloads_that_are_unhealthy_already_come_last_and_are_not_waited_for(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let crash = |name| Workload::deployment(name).behaviour(Behaviour::CrashLoop);
    let unhealthy = [s.create(&shop, crash("a")).await?, s.create(&shop, crash("b")).await?];
    let healthy = s.create_all(&shop, [Workload::deployment("c"), Workload::rollout("d")]).await?;
    for workload in &unhealthy {
        not_available(s, workload).await?;
    }
    let _operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;

    // Longer than this scenario may take: if one of them were waited for, the other's turn would never come.
    let mut spec = wanting(s, &[NEW_IMAGE]);
    spec["RestartObjects"] = json!([
        {"Type": "Deployment", "StatusCheckConfig": waits(600)},
        {"Type": "ArgoRollout", "StatusCheckConfig": waits(600)},
    ]);
    s.config(s.system(), MESH, spec).await?;

    marked(s, unhealthy[0].kind, &shop, 3).await?;
    let all: Vec<&WorkloadRef> = healthy.iter().chain(&unhealthy).collect();
    let in_order: Vec<String> = all.iter().map(|workload| workload.path()).collect();
    assert_eq!(s.requests()?.restarts().names(), in_order);
    let status = ready_because(s, MESH, "CampaignUnderWay").await?;
    assert_eq!(listed(&status, "failed", &unhealthy[0]), None, "{status}");
    restarted_once(s, all).await
}

async fn not_available(s: &flippy_e2e::scenario::Scenario, workload: &WorkloadRef) -> anyhow::Result<()> {
    let api = flippy_e2e::observe::api(&s.client(), workload);
    wait::until(api, &workload.name, "its pod to be found unavailable", LIMIT, |object| {
        let unavailable = object.map_or(0, |object| object.data["status"]["unavailableReplicas"].as_i64().unwrap_or(0));
        if unavailable > 0 { Ok(()) } else { Err("its status says nothing of that".to_owned()) }
    })
    .await?;
    pods_run(s, workload).await
}
