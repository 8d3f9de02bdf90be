//! How much may fail: shares, none at all, any number, and what goes first.

use std::time::Duration;

use anyhow::{Result, ensure};
use flippy_e2e::config::condition;
use flippy_e2e::scenario::{NEW_IMAGE, Scenario};
use flippy_e2e::workloads::{Workload, WorkloadRef};
use serde_json::{Value, json};

use crate::config::{MESH, named, paced, waits, wanting};
use crate::outcome::{condition_because, listed, pods_run_image, ready_because, restarted_once};

flippy_e2e::scenarios! {
    both: [
        a_share_of_failures_is_tolerated_and_one_more_halts_the_campaign,
        where_failures_are_no_reason_to_halt_everything_is_tried_and_every_failure_reported,
        what_goes_first_and_fails_is_reported_and_holds_up_the_rest_no_longer_than_its_time,
        what_goes_first_and_fails_counts_with_the_failures_that_are_tolerated,
    ],
}

/// Pods with this sidecar never become ready.
const BROKEN_IMAGE: &str = "docker.io/istio/proxyv2:bad-ready";
/// Seconds that a restart has, where all of them fail.
const TIME: u32 = 2;
/// Long enough to upgrade the mesh meanwhile.
const PATIENCE: u32 = 8;

/// Every restart fails.
async fn doomed(s: &Scenario, names: &[&str], strategy: &Value) -> Result<Vec<WorkloadRef>> {
    let shop = s.namespace("shop").await?;
    let workloads = s.create_all(&shop, names.iter().map(|name| Workload::deployment(name))).await?;
    s.mesh().upgrade(BROKEN_IMAGE).await?;
    let mut spec = paced(s, &[BROKEN_IMAGE], strategy);
    spec["RestartObjects"][0]["StatusCheckConfig"] = waits(TIME);
    s.config(s.system(), MESH, spec).await?;
    Ok(workloads)
}

fn failed<'a>(status: &Value, workloads: impl IntoIterator<Item = &'a WorkloadRef>) -> Result<()> {
    for workload in workloads {
        let listed = listed(status, "failed", workload).map(|one| one["reason"].clone());
        ensure!(listed == Some(json!("NotCompleteInTime")), "{workload} is not reported: {status}");
    }
    Ok(())
}

async fn a_share_of_failures_is_tolerated_and_one_more_halts_the_campaign(s: &Scenario) -> Result<()> {
    let _operator = s.operator().await?;
    // Half of four: two.
    let workloads = doomed(s, &["a", "b", "c", "d"], &json!({"MaxFailures": "50%"})).await?;

    let status = condition_because(s, MESH, "Stalled", "Halted").await?;

    failed(&status, &workloads[..3])?;
    restarted_once(s, &workloads[..3]).await
}

async fn where_failures_are_no_reason_to_halt_everything_is_tried_and_every_failure_reported(
    s: &Scenario,
) -> Result<()> {
    let _operator = s.operator().await?;
    let workloads = doomed(s, &["a", "b", "c"], &json!({"MaxFailures": 0, "OnFailure": "Continue"})).await?;

    let status = ready_because(s, MESH, "RestartsFailed").await?;

    failed(&status, &workloads)?;
    let allowed = condition(&status, "RestartsAllowed").expect("it is always there");
    assert_eq!(allowed["status"], "True", "{status}");
    restarted_once(s, &workloads).await
}

/// A gateway of a kind that is not in scope, and two workloads that are; the restart of the gateway fails, that of the
/// others would not.
async fn with_a_gateway_that_fails(s: &Scenario, strategy: &Value) -> Result<(WorkloadRef, Vec<WorkloadRef>)> {
    let edge = s.namespace("edge").await?;
    // Its pods take a moment to go. One that goes at once kwok may delete twice, by its name: the second time it is the next
    // pod, and what comes after that one has the mended sidecar.
    let gateway = Workload::stateful_set("gateway").termination_delay(Duration::from_millis(500));
    let gateway = s.create(&edge, gateway).await?;
    let shop = s.namespace("shop").await?;
    let workloads = s.create_all(&shop, ["a", "b"].map(Workload::deployment)).await?;
    s.mesh().upgrade(BROKEN_IMAGE).await?;
    let mut spec = wanting(s, &[NEW_IMAGE, BROKEN_IMAGE]);
    spec["Strategy"] = strategy.clone();
    spec["PostFilterRestarts"] = json!([named("StatefulSet", &gateway.namespace, &gateway.name, &waits(PATIENCE))]);
    s.config(s.system(), MESH, spec).await?;
    pods_run_image(s, &gateway, BROKEN_IMAGE).await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    Ok((gateway, workloads))
}

async fn what_goes_first_and_fails_is_reported_and_holds_up_the_rest_no_longer_than_its_time(
    s: &Scenario,
) -> Result<()> {
    let _operator = s.operator().await?;
    let (gateway, workloads) = with_a_gateway_that_fails(s, &json!({})).await?;

    let status = ready_because(s, MESH, "RestartsFailed").await?;

    failed(&status, [&gateway])?;
    s.fresh(&workloads, NEW_IMAGE, Duration::from_secs(1)).await?;
    let in_order = [&gateway, &workloads[0], &workloads[1]].map(WorkloadRef::path);
    assert_eq!(s.requests()?.restarts().names(), in_order);
    Ok(())
}

async fn what_goes_first_and_fails_counts_with_the_failures_that_are_tolerated(s: &Scenario) -> Result<()> {
    let _operator = s.operator().await?;
    let (gateway, _) = with_a_gateway_that_fails(s, &json!({"MaxFailures": 0})).await?;

    let status = condition_because(s, MESH, "Stalled", "Halted").await?;

    failed(&status, [&gateway])?;
    restarted_once(s, [&gateway]).await
}
