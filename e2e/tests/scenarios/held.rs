//! Workloads that must not be restarted just now, and Rollouts with steps.

use anyhow::Result;
use flippy_e2e::config::condition;
use flippy_e2e::observe;
use flippy_e2e::scenario::{NEW_IMAGE, Scenario};
use flippy_e2e::wait;
use flippy_e2e::workloads::{Kind, Workload, WorkloadRef};
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::config::{MESH, wanting};
use crate::outcome::{LIMIT, listed, mark, ready_because, restarted_once};

flippy_e2e::scenarios! {
    both: [
        a_rollout_with_canary_steps_is_restarted_without_a_new_revision,
        a_rollout_in_the_middle_of_a_canary_is_left_alone_until_it_is_promoted,
        a_paused_deployment_is_left_alone_until_it_is_resumed,
    ],
}

async fn a_rollout_with_canary_steps_is_restarted_without_a_new_revision(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let steps = json!([{"setWeight": 50}, {"pause": {}}]);
    let workloads = s.create_all(&shop, [Workload::rollout("cart").replicas(2).canary_steps(&steps)]).await?;
    let _operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;

    s.config(s.system(), MESH, wanting(s, &[NEW_IMAGE])).await?;

    ready_because(s, MESH, "AllFresh").await?;
    s.fresh(&workloads, NEW_IMAGE, LIMIT).await?;
    restarted_once(s, &workloads).await?;
    let cart = s.get(&workloads[0]).await?;
    assert!(cart.data["spec"]["restartAt"].is_string(), "{}", cart.data["spec"]);
    assert_eq!(cart.data["spec"]["template"]["metadata"]["annotations"], json!(null));
    Ok(())
}

async fn a_rollout_in_the_middle_of_a_canary_is_left_alone_until_it_is_promoted(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let steps = json!([{"setWeight": 50}, {"pause": {}}]);
    let workloads = s.create_all(&shop, [Workload::rollout("cart").replicas(2).canary_steps(&steps)]).await?;
    let cart = &workloads[0];
    s.edit(cart, json!({"spec": {"template": {"metadata": {"annotations": {"version": "2"}}}}})).await?;
    waits_at_its_step(s, cart).await?;
    let _operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;

    s.config(s.system(), MESH, wanting(s, &[NEW_IMAGE])).await?;
    blocked(s, cart, "MidRollout").await?;

    // What `kubectl argo rollouts promote` does.
    let api = observe::api(&s.client(), cart);
    let promotion = Patch::Merge(json!({"status": {"pauseConditions": null}}));
    api.patch_status(&cart.name, &PatchParams::default(), &promotion).await?;

    ready_because(s, MESH, "AllFresh").await?;
    s.fresh(&workloads, NEW_IMAGE, LIMIT).await?;
    assert_eq!(s.requests()?.restarts().names(), [cart.path()]);
    assert_eq!(s.revisions(cart).await?, 2);
    Ok(())
}

async fn waits_at_its_step(s: &Scenario, rollout: &WorkloadRef) -> Result<()> {
    let api = observe::api(&s.client(), rollout);
    wait::until(api, &rollout.name, "the canary to wait at its step", LIMIT, |object| {
        let phase = object.map_or(&serde_json::Value::Null, |object| &object.data["status"]["phase"]);
        if phase == "Paused" { Ok(()) } else { Err(format!("its phase is {phase}")) }
    })
    .await
}

async fn a_paused_deployment_is_left_alone_until_it_is_resumed(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let workloads = s.create_all(&shop, [Workload::deployment("cart"), Workload::deployment("other")]).await?;
    let cart = &workloads[0];
    s.edit(cart, json!({"spec": {"paused": true}})).await?;
    let _operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;

    s.config(s.system(), MESH, wanting(s, &[NEW_IMAGE])).await?;
    blocked(s, cart, "Paused").await?;
    assert_eq!(s.requests()?.restarts().names(), [workloads[1].path()]);

    s.edit(cart, json!({"spec": {"paused": false}})).await?;

    ready_because(s, MESH, "AllFresh").await?;
    restarted_once(s, &workloads).await
}

async fn blocked(s: &Scenario, workload: &WorkloadRef, reason: &str) -> Result<()> {
    let status = ready_because(s, MESH, "WorkloadsBlocked").await?;
    let blocked = listed(&status, "blocked", workload).unwrap_or_else(|| panic!("it is not reported: {status}"));
    assert_eq!(blocked["reason"], reason);
    assert_eq!(condition(&status, "Stalled").expect("it is always there")["status"], "True");
    let object = s.get(workload).await?;
    assert_eq!(mark(workload.kind, &object), None);
    if workload.kind == Kind::Rollout {
        assert_eq!(object.data["spec"]["restartAt"], json!(null));
    }
    Ok(())
}
