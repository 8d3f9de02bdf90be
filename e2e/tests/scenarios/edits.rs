//! The config changes in the middle of a campaign.

use std::time::Duration;

use anyhow::Result;
use flippy_e2e::scenario::{NEW_IMAGE, Scenario};
use flippy_e2e::workloads::{Kind, Workload};
use serde_json::json;

use crate::config::{MESH, wanting};
use crate::outcome::{LIMIT, marked, ready_because};

flippy_e2e::scenarios! {
    both: [
        everything_ends_on_the_newest_image_when_the_mesh_is_upgraded_again_meanwhile,
        no_restart_follows_the_deletion_of_the_config,
    ],
}

const NEWEST_IMAGE: &str = "docker.io/istio/proxyv2:1.30.5";

fn slow(number: usize) -> Workload {
    Workload::deployment(&format!("w{number:02}")).ready_delay(Duration::from_millis(200))
}

async fn everything_ends_on_the_newest_image_when_the_mesh_is_upgraded_again_meanwhile(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let workloads = s.create_all(&shop, (0..8).map(slow).chain([Workload::rollout("r")])).await?;
    let _operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    s.config(s.system(), MESH, wanting(s, &[NEW_IMAGE])).await?;
    marked(s, Kind::Deployment, &shop, 3).await?;

    s.mesh().upgrade(NEWEST_IMAGE).await?;
    s.config(s.system(), MESH, wanting(s, &[NEWEST_IMAGE])).await?;

    let status = ready_because(s, MESH, "AllFresh").await?;
    assert_eq!(status["workloads"]["done"], "9/9", "{status}");
    s.fresh(&workloads, NEWEST_IMAGE, LIMIT).await?;
    let restarted = s.requests()?.restarts().names();
    for workload in &workloads {
        let times = restarted.iter().filter(|name| **name == workload.path()).count();
        assert!((1..=2).contains(&times), "{workload} was restarted {times} times: {restarted:?}");
    }
    Ok(())
}

async fn no_restart_follows_the_deletion_of_the_config(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let workloads = s.create_all(&shop, (0..8).map(slow)).await?;
    let _operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    s.config(s.system(), MESH, wanting(s, &[NEW_IMAGE])).await?;
    marked(s, Kind::Deployment, &shop, 3).await?;

    s.delete_config(s.system(), MESH).await?;
    has_seen_all_until_now(s, "first").await?;
    let restarted = s.requests()?.restarts().names();
    assert!(restarted.len() < workloads.len(), "the campaign was over before the config was deleted");

    // What was under way ends, which is when the next one would have had its turn.
    for workload in &workloads {
        s.rolled_out(workload).await?;
    }
    has_seen_all_until_now(s, "second").await?;
    assert_eq!(s.requests()?.restarts().names(), restarted);
    Ok(())
}

/// Configs are told of in the order in which they changed: whoever answers this one knows of all changes before.
async fn has_seen_all_until_now(s: &Scenario, name: &str) -> Result<()> {
    s.config(s.system(), name, json!({})).await?;
    ready_because(s, name, "SelectsNothing").await?;
    Ok(())
}
