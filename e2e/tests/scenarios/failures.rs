//! Restarts that do not succeed.

use std::time::Duration;

use anyhow::{Context, Result};
use flippy_e2e::mesh::sidecar_image;
use flippy_e2e::scenario::{NEW_IMAGE, SCENARIO_LABEL, Scenario};
use flippy_e2e::wait;
use flippy_e2e::workloads::{Behaviour, Workload, WorkloadRef};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use kube::api::Api;
use kube::runtime::watcher;

use crate::config::{MESH, waits, wanting};
use crate::outcome::{LIMIT, listed, pods_run, ready_because, restarted_once};

flippy_e2e::scenarios! {
    both: [
        a_restart_that_never_becomes_ready_is_reported_and_holds_up_the_rest_no_longer_than_its_time,
        a_rollout_that_argo_cannot_restart_because_it_is_unhealthy_already_is_reported_and_holds_up_nobody,
    ],
}

/// Pods with this sidecar never become ready.
const BROKEN_IMAGE: &str = "docker.io/istio/proxyv2:bad-ready";

/// How long a restart may take. Long enough to upgrade the mesh meanwhile.
const PATIENCE_SECONDS: u32 = 8;

async fn a_restart_that_never_becomes_ready_is_reported_and_holds_up_the_rest_no_longer_than_its_time(
    s: &Scenario,
) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let names = ["a", "b", "c"].map(Workload::deployment);
    let workloads = s.create_all(&shop, names.into_iter().chain([Workload::rollout("d")])).await?;
    let _operator = s.operator().await?;
    s.mesh().upgrade(BROKEN_IMAGE).await?;

    let mut spec = wanting(s, &[NEW_IMAGE, BROKEN_IMAGE]);
    spec["RestartObjects"][0]["StatusCheckConfig"] = waits(PATIENCE_SECONDS);
    s.config(s.system(), MESH, spec).await?;
    let pods: Api<Pod> = Api::all(s.client());
    let selection = watcher::Config::default().labels(&format!("{SCENARIO_LABEL}={}", s.id()));
    wait::until_all(pods, selection, "a pod with the broken sidecar", LIMIT, |pods: &[&Pod]| {
        let is_broken = |pod: &&&Pod| sidecar_image(pod) == Some(BROKEN_IMAGE);
        pods.iter().find(is_broken).map(|_| ()).ok_or("there is none".to_owned())
    })
    .await?;
    s.mesh().upgrade(NEW_IMAGE).await?;

    let status = ready_because(s, MESH, "RestartsFailed").await?;
    s.fresh(&workloads[1..], NEW_IMAGE, Duration::from_secs(1)).await?;
    let failed = listed(&status, "failed", &workloads[0]).unwrap_or_else(|| panic!("it is not reported: {status}"));
    assert_eq!(failed["reason"], "NotCompleteInTime");
    assert_eq!(status["workloads"]["done"], "3/4", "{status}");
    let [first, second] = [restarted_at(s, &workloads[0]).await?, restarted_at(s, &workloads[1]).await?];
    let waited = second.duration_since(first);
    assert!(waited >= SignedDuration::from_secs(PATIENCE_SECONDS.into()), "it was given only {waited:#}");
    restarted_once(s, &workloads).await
}

/// When a Deployment was restarted, in the operator's own words.
pub(crate) async fn restarted_at(s: &Scenario, workload: &WorkloadRef) -> Result<Timestamp> {
    let object = s.get(workload).await?;
    let annotations = &object.data["spec"]["template"]["metadata"]["annotations"];
    let at = annotations["flippy.keikoproj.io/restarted-at"].as_str().context("it was not restarted")?;
    Ok(at.parse()?)
}

async fn a_rollout_that_argo_cannot_restart_because_it_is_unhealthy_already_is_reported_and_holds_up_nobody(
    s: &Scenario,
) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let crashing = s.create(&shop, Workload::rollout("a").behaviour(Behaviour::CrashLoop)).await?;
    let workloads = s.create_all(&shop, [Workload::rollout("b"), Workload::deployment("c")]).await?;
    pods_run(s, &crashing).await?;
    let _operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;

    let mut spec = wanting(s, &[NEW_IMAGE]);
    spec["RestartObjects"][1]["StatusCheckConfig"] = waits(PATIENCE_SECONDS);
    s.config(s.system(), MESH, spec).await?;

    let status = ready_because(s, MESH, "WorkloadsBlocked").await?;
    let failed = listed(&status, "failed", &crashing).unwrap_or_else(|| panic!("it is not reported: {status}"));
    assert_eq!(failed["reason"], "UnhealthyBefore");
    assert_eq!(status["workloads"]["done"], "2/3", "{status}");
    restarted_once(s, workloads.iter().chain([&crashing])).await
}
