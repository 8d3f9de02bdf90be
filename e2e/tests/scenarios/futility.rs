//! Images that are wanted before the mesh has them.

use std::time::Duration;

use anyhow::Result;
use flippy_e2e::config::condition;
use flippy_e2e::observe;
use flippy_e2e::scenario::{NEW_IMAGE, OLD_IMAGE, Scenario};
use flippy_e2e::workloads::Workload;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams};
use serde_json::json;

use crate::config::{MESH, waits_not, wanting};
use crate::outcome::{LIMIT, ready_because};

flippy_e2e::scenarios! {
    both: [
        a_list_ahead_of_the_mesh_costs_three_restarts_and_the_rest_follows_the_upgrade,
        hundreds_of_workloads_cost_three_restarts_too_and_the_rest_follows_the_upgrade,
    ],
}

/// Time for hundreds of rollouts on a machine with two busy cores.
const LIMIT_OF_HUNDREDS: Duration = Duration::from_mins(6);

async fn a_list_ahead_of_the_mesh_costs_three_restarts_and_the_rest_follows_the_upgrade(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let workloads = (0..30).map(|number| Workload::deployment(&format!("w{number:02}")));
    let workloads = s.create_all(&shop, workloads).await?;
    let _operator = s.operator().await?;

    let mut spec = wanting(s, &[NEW_IMAGE]);
    spec["RestartObjects"] = json!([{"Type": "Deployment", "StatusCheckConfig": waits_not()}]);
    s.config(s.system(), MESH, spec).await?;

    let status = ready_because(s, MESH, "RestartsFutile").await?;
    assert_eq!(condition(&status, "Stalled").expect("it is always there")["status"], "True", "{status}");
    let spent = s.requests()?.restarts().names();
    assert_eq!(spent.len(), 3, "{spent:?}");
    s.fresh(&workloads, OLD_IMAGE, LIMIT).await?;

    // The mesh is upgraded, and some pod is replaced, as happens all the time.
    s.mesh().upgrade(NEW_IMAGE).await?;
    replace_a_pod(s, &workloads[20]).await?;

    let status = ready_because(s, MESH, "AllFresh").await?;
    assert_eq!(status["workloads"]["done"], "30/30", "{status}");
    s.fresh(&workloads, NEW_IMAGE, LIMIT).await?;
    let restarts = s.requests()?.restarts().count();
    // Three in vain, and everything once except the workload whose pod was replaced.
    assert_eq!(restarts, 3 + 29);
    Ok(())
}

async fn hundreds_of_workloads_cost_three_restarts_too_and_the_rest_follows_the_upgrade(s: &Scenario) -> Result<()> {
    // Five hundred where they cost nothing.
    let per_namespace = if s.cluster().is_ok() { 10 } else { 50 };
    let mut workloads = Vec::new();
    for team in 0..10 {
        let namespace = s.namespace(&format!("team-{team}")).await?;
        let named = (0..per_namespace).map(|number| Workload::deployment(&format!("w{number:02}")));
        workloads.extend(s.create_all(&namespace, named).await?);
    }
    let _operator = s.operator().await?;
    let mut spec = wanting(s, &[NEW_IMAGE]);
    spec["RestartObjects"] = json!([{"Type": "Deployment", "StatusCheckConfig": waits_not()}]);
    s.config(s.system(), MESH, spec).await?;
    ready_because(s, MESH, "RestartsFutile").await?;
    assert_eq!(s.requests()?.restarts().count(), 3);

    s.mesh().upgrade(NEW_IMAGE).await?;
    // What it does when no pod is replaced for half an hour, the tests of core show.
    replace_a_pod(s, &workloads[55]).await?;

    s.fresh(&workloads, NEW_IMAGE, LIMIT_OF_HUNDREDS).await?;
    ready_because(s, MESH, "AllFresh").await?;
    let once_but_one = workloads.len() - 1;
    assert_eq!(s.requests()?.restarts().count(), 3 + once_but_one, "three in vain, and each once but the replaced one");
    Ok(())
}

async fn replace_a_pod(
    s: &flippy_e2e::scenario::Scenario,
    workload: &flippy_e2e::workloads::WorkloadRef,
) -> Result<()> {
    let pods = observe::pods(&s.client(), workload).await?;
    let name = pods[0].metadata.name.as_deref().expect("a stored pod has a name");
    let api: Api<Pod> = Api::namespaced(s.client(), &workload.namespace);
    api.delete(name, &DeleteParams::default()).await?;
    Ok(())
}
