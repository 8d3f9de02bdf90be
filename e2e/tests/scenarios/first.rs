//! What is restarted before everything else.

use anyhow::Result;
use flippy_e2e::scenario::{NEW_IMAGE, OLD_IMAGE, Scenario};
use flippy_e2e::workloads::{Workload, WorkloadRef};
use serde_json::{Value, json};

use crate::config::{MESH, named, waits, wanting};
use crate::outcome::{condition_because, ready_because, restarted_once};

flippy_e2e::scenarios! {
    both: [
        what_is_named_goes_first_and_once_however_often_the_config_is_edited,
        what_is_named_is_left_alone_when_nothing_needs_a_restart,
    ],
}

/// Two workloads that no config has in its scope.
async fn named_ones(s: &Scenario) -> Result<[WorkloadRef; 2]> {
    let edge = s.namespace_with("edge", &json!({"istio-injection": null})).await?;
    let both = s.create_all(&edge, [Workload::deployment("gateway"), Workload::deployment("cache")]).await?;
    Ok([both[0].clone(), both[1].clone()])
}

fn spec(s: &Scenario, [gateway, cache]: &[WorkloadRef; 2], image: &str) -> Value {
    let mut spec = wanting(s, &[image]);
    spec["PostFilterRestarts"] = json!([named("Deployment", &gateway.namespace, &gateway.name, &waits(60))]);
    spec["ProcessFilter"]["PreProcessRestart"] =
        json!({"Type": "Deployment", "Namespace": cache.namespace, "Name": cache.name});
    spec
}

async fn what_is_named_goes_first_and_once_however_often_the_config_is_edited(s: &Scenario) -> Result<()> {
    let named = named_ones(s).await?;
    let [gateway, cache] = &named;
    let shop = s.namespace("shop").await?;
    let mut workloads = s.create_all(&shop, [Workload::deployment("a"), Workload::deployment("b")]).await?;
    let _operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;

    s.config(s.system(), MESH, spec(s, &named, NEW_IMAGE)).await?;
    ready_because(s, MESH, "AllFresh").await?;
    let all = [cache, gateway, &workloads[0], &workloads[1]];
    assert_eq!(s.requests()?.restarts().names(), all.map(WorkloadRef::path));

    // A workload that is stale later, and two edits: the campaign is still the same.
    let mut suspended = spec(s, &named, NEW_IMAGE);
    suspended["Suspend"] = json!(true);
    s.config(s.system(), MESH, suspended).await?;
    condition_because(s, MESH, "RestartsAllowed", "Suspended").await?;
    s.mesh().upgrade(OLD_IMAGE).await?;
    workloads.extend(s.create_all(&shop, [Workload::deployment("late")]).await?);
    s.mesh().upgrade(NEW_IMAGE).await?;
    s.config(s.system(), MESH, spec(s, &named, NEW_IMAGE)).await?;
    ready_because(s, MESH, "AllFresh").await?;
    workloads.extend(named);
    restarted_once(s, &workloads).await
}

async fn what_is_named_is_left_alone_when_nothing_needs_a_restart(s: &Scenario) -> Result<()> {
    let named = named_ones(s).await?;
    let shop = s.namespace("shop").await?;
    s.create_all(&shop, [Workload::deployment("a")]).await?;
    let _operator = s.operator().await?;

    s.config(s.system(), MESH, spec(s, &named, OLD_IMAGE)).await?;

    ready_because(s, MESH, "AllFresh").await?;
    restarted_once(s, []).await
}
