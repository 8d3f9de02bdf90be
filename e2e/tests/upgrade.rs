//! The main job: the mesh is upgraded, and every workload in scope is restarted once.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;
use flippy_e2e::scenario::{NEW_IMAGE, OLD_IMAGE, Scenario};
use flippy_e2e::workloads::{Workload, WorkloadRef};
use serde_json::json;

flippy_e2e::scenarios! {
    both: [
        every_workload_in_scope_is_restarted_once_and_becomes_fresh,
    ],
}

/// Time for a campaign over a handful of workloads.
const CAMPAIGN: Duration = Duration::from_mins(2);

async fn every_workload_in_scope_is_restarted_once_and_becomes_fresh(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let office = s.namespace("office").await?;
    let outside = s.namespace_with("outside", &json!({"istio-injection": null})).await?;
    let in_scope = [
        s.create(&shop, Workload::deployment("cart").replicas(2)).await?,
        s.create(&shop, Workload::rollout("search").replicas(2)).await?,
        s.create(&office, Workload::deployment("mail")).await?,
    ];
    let out_of_scope = s.create(&outside, Workload::deployment("other")).await?;
    s.fresh(&in_scope, OLD_IMAGE, CAMPAIGN).await?;
    s.rolled_out(&out_of_scope).await?;
    let _operator = s.operator().await?;

    s.mesh().upgrade(NEW_IMAGE).await?;
    let carefully = json!({"CheckStatus": true, "MaxRetry": 10, "RetryDuration": 6});
    let spec = json!({
        "ImageList": [NEW_IMAGE],
        "ProcessFilter": {"Containers": ["istio-proxy"], "Labels": s.labels()},
        "RestartObjects": [
            {"Type": "Deployment", "StatusCheckConfig": carefully},
            {"Type": "ArgoRollout", "StatusCheckConfig": carefully},
        ],
    });
    s.config(s.system(), "mesh", spec).await?;

    s.fresh(&in_scope, NEW_IMAGE, CAMPAIGN).await?;
    let restarted = s.requests()?.restarts().names();
    let once: BTreeSet<String> = restarted.iter().cloned().collect();
    assert_eq!(once, in_scope.iter().map(WorkloadRef::path).collect());
    assert_eq!(restarted.len(), in_scope.len(), "{restarted:?}");
    assert_eq!(s.sidecar_images(&out_of_scope).await?, [OLD_IMAGE]);
    Ok(())
}
