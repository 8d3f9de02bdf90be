//! The operator ends in the middle of a campaign.

use std::time::Duration;

use anyhow::Result;
use flippy_e2e::scenario::{NEW_IMAGE, Scenario};
use flippy_e2e::workloads::{Kind, Workload};
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::config::{MESH, wanting};
use crate::outcome::{LIMIT, marked, ready_because, restarted_once};

flippy_e2e::scenarios! {
    both: [
        an_operator_that_is_killed_again_and_again_restarts_nothing_twice_and_forgets_nothing,
        an_operator_that_is_told_to_stop_exits_with_success_and_its_successor_goes_on,
        a_status_that_a_late_write_took_the_place_of_is_written_again,
    ],
}

fn slow(number: usize) -> Workload {
    Workload::deployment(&format!("w{number:02}")).ready_delay(Duration::from_millis(200))
}

async fn an_operator_that_is_killed_again_and_again_restarts_nothing_twice_and_forgets_nothing(
    s: &Scenario,
) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let rollouts = ["r1", "r2", "r3"].map(Workload::rollout);
    let workloads = s.create_all(&shop, (0..12).map(slow).chain(rollouts)).await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    let mut operator = s.operator().await?;
    s.config(s.system(), MESH, wanting(s, &[NEW_IMAGE])).await?;

    for (kind, count) in [(Kind::Deployment, 1), (Kind::Deployment, 5), (Kind::Deployment, 10), (Kind::Rollout, 2)] {
        marked(s, kind, &shop, count).await?;
        operator.kill();
        operator = s.operator().await?;
    }

    ready_because(s, MESH, "AllFresh").await?;
    restarted_once(s, &workloads).await
}

async fn an_operator_that_is_told_to_stop_exits_with_success_and_its_successor_goes_on(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let workloads = s.create_all(&shop, (0..8).map(slow)).await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    let operator = s.operator().await?;
    s.config(s.system(), MESH, wanting(s, &[NEW_IMAGE])).await?;
    marked(s, Kind::Deployment, &shop, 2).await?;

    let stopped = tokio::time::timeout(Duration::from_secs(10), operator.terminate()).await;

    let status = stopped.expect("it stops within ten seconds")?;
    assert_eq!(status.code(), Some(0), "{status}");
    assert!(s.requests()?.restarts().count() < workloads.len(), "the campaign was over before the operator stopped");
    let _successor = s.operator().await?;
    ready_because(s, MESH, "AllFresh").await?;
    restarted_once(s, &workloads).await
}

async fn a_status_that_a_late_write_took_the_place_of_is_written_again(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    s.create_all(&shop, (0..2).map(slow)).await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    let _operator = s.operator().await?;
    s.config(s.system(), MESH, wanting(s, &[NEW_IMAGE])).await?;
    let status = ready_because(s, MESH, "AllFresh").await?;

    // As a leader wrote it that was gone before its write was carried out.
    let late = json!({"status": {"workloads": {"done": "1/2"}}});
    s.configs(s.system()).patch_status(MESH, &PatchParams::default(), &Patch::Merge(late)).await?;

    s.config_status(s.system(), MESH, "the status to be true again", LIMIT, |now| {
        if now["workloads"] == status["workloads"] { Ok(()) } else { Err(now["workloads"].to_string()) }
    })
    .await
}
