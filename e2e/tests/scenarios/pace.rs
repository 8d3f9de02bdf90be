//! How carefully to go: `spec.Strategy`, apart from how many restarts are under way at once.

use anyhow::{Context, Result};
use flippy_e2e::config::condition;
use flippy_e2e::observe;
use flippy_e2e::scenario::{NEW_IMAGE, Scenario};
use flippy_e2e::workloads::{Kind, Workload, WorkloadRef};
use jiff::{SignedDuration, Timestamp};
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::config::{MESH, paced, waits};
use crate::failures::restarted_at;
use crate::outcome::{condition_because, listed, marked, ready_because, restarted_once};

flippy_e2e::scenarios! {
    both: [
        two_restarts_are_at_least_min_interval_apart,
        the_next_restart_waits_until_the_last_one_has_stayed_ready_for_min_ready_seconds,
        a_campaign_with_too_many_failures_halts_until_a_person_resumes_it,
        a_deployment_that_would_lose_its_only_replica_is_held_and_one_that_surges_is_restarted,
    ],
}

/// Pods with this sidecar never become ready.
const BROKEN_IMAGE: &str = "docker.io/istio/proxyv2:bad-ready";

async fn two_restarts_are_at_least_min_interval_apart(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let workloads = s.create_all(&shop, ["a", "b", "c"].map(Workload::deployment)).await?;
    let _operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;

    let strategy = json!({"MaxConcurrent": "100%", "MinInterval": "2s"});
    s.config(s.system(), MESH, paced(s, &[NEW_IMAGE], &strategy)).await?;

    ready_because(s, MESH, "AllFresh").await?;
    for pair in workloads.windows(2) {
        let apart = restarted_at(s, &pair[1]).await?.duration_since(restarted_at(s, &pair[0]).await?);
        assert!(apart >= SignedDuration::from_secs(2), "{} came only {apart:#} after {}", pair[1], pair[0]);
    }
    restarted_once(s, &workloads).await
}

async fn the_next_restart_waits_until_the_last_one_has_stayed_ready_for_min_ready_seconds(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let workloads = s.create_all(&shop, ["a", "b", "c"].map(Workload::deployment)).await?;
    let _operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;

    s.config(s.system(), MESH, paced(s, &[NEW_IMAGE], &json!({"MinReadySeconds": 3}))).await?;

    let status = ready_because(s, MESH, "AllFresh").await?;
    assert_eq!(status["workloads"]["done"], "3/3", "{status}");
    for pair in workloads.windows(2) {
        let soaked = requested_at(s, &pair[1])?.duration_since(ready_at(s, &pair[0]).await?);
        assert!(soaked >= SignedDuration::from_secs(3), "{} had been ready for only {soaked:#}", pair[0]);
    }
    restarted_once(s, &workloads).await
}

/// When the API server was asked to restart a workload.
fn requested_at(s: &Scenario, workload: &WorkloadRef) -> Result<Timestamp> {
    let restarts = s.requests()?.restarts();
    let own = restarts.iter().find(|request| request.name() == workload.name);
    Ok(own.with_context(|| format!("{workload} was not restarted"))?.received)
}

/// When the only pod of a workload became ready, to the second.
async fn ready_at(s: &Scenario, workload: &WorkloadRef) -> Result<Timestamp> {
    let pods = serde_json::to_value(observe::pods(&s.client(), workload).await?)?;
    let ready = condition(&pods[0]["status"], "Ready").with_context(|| format!("{workload} has no pod"))?;
    Ok(ready["lastTransitionTime"].as_str().context("a condition has a time")?.parse()?)
}

async fn a_campaign_with_too_many_failures_halts_until_a_person_resumes_it(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let workloads = s.create_all(&shop, ["a", "b", "c"].map(Workload::deployment)).await?;
    let _operator = s.operator().await?;
    s.mesh().upgrade(BROKEN_IMAGE).await?;

    let mut spec = paced(s, &[BROKEN_IMAGE], &json!({"MaxFailures": 1}));
    spec["RestartObjects"][0]["StatusCheckConfig"] = waits(2);
    s.config(s.system(), MESH, spec.clone()).await?;
    halted(s, &workloads).await?;

    // Something else to think about than the time that passes.
    spec["Strategy"]["MinInterval"] = json!("1s");
    s.config(s.system(), MESH, spec).await?;
    halted(s, &workloads).await?;

    let resumed = json!({"metadata": {"annotations": {"flippy.keikoproj.io/resumed-at": s.now().to_string()}}});
    s.configs(s.system()).patch(MESH, &PatchParams::default(), &Patch::Merge(resumed)).await?;

    marked(s, Kind::Deployment, &shop, 3).await?;
    // One more is tolerated again.
    let status = ready_because(s, MESH, "RestartsFailed").await?;
    for workload in &workloads {
        let failed = listed(&status, "failed", workload).unwrap_or_else(|| panic!("it is not reported: {status}"));
        assert_eq!(failed["reason"], "NotCompleteInTime");
    }
    restarted_once(s, &workloads).await
}

/// Waits until the present spec is answered with a halt, and checks that the last workload was not restarted.
async fn halted(s: &Scenario, workloads: &[WorkloadRef]) -> Result<()> {
    let status = condition_because(s, MESH, "Stalled", "Halted").await?;
    assert_eq!(condition(&status, "Stalled").expect("it was just read")["status"], "True");
    assert_eq!(condition(&status, "RestartsAllowed").expect("it is always there")["reason"], "Halted");
    assert_eq!(status["workloads"]["failed"], 2, "{status}");
    restarted_once(s, &workloads[..2]).await
}

async fn a_deployment_that_would_lose_its_only_replica_is_held_and_one_that_surges_is_restarted(
    s: &Scenario,
) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let without_surge = json!({"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}});
    let workloads = [
        Workload::deployment("a-recreated").spec("strategy", json!({"type": "Recreate"})),
        Workload::deployment("b-not-surging").spec("strategy", without_surge),
        Workload::deployment("c-of-two").replicas(2).spec("strategy", json!({"type": "Recreate"})),
        Workload::deployment("d-surging"),
    ];
    let workloads = s.create_all(&shop, workloads).await?;
    let (held, others) = workloads.split_at(2);
    let _operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;

    s.config(s.system(), MESH, paced(s, &[NEW_IMAGE], &json!({"SingleReplica": "Hold"}))).await?;

    let status = ready_because(s, MESH, "WorkloadsBlocked").await?;
    for workload in held {
        let blocked = listed(&status, "blocked", workload).unwrap_or_else(|| panic!("it is not reported: {status}"));
        assert_eq!(blocked["reason"], "SingleReplica");
    }
    assert_eq!(status["workloads"]["done"], "2/4", "{status}");
    restarted_once(s, others).await?;

    s.config(s.system(), MESH, paced(s, &[NEW_IMAGE], &json!({"SingleReplica": "Restart"}))).await?;
    ready_because(s, MESH, "AllFresh").await?;
    restarted_once(s, &workloads).await
}
