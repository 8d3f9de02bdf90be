//! Images that are wanted before the mesh has them.

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
    ],
}

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
