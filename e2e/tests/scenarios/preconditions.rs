//! Restarts wait for what they need.

use std::time::Duration;

use anyhow::Result;
use flippy_e2e::config::condition;
use flippy_e2e::scenario::{NEW_IMAGE, Scenario};
use flippy_e2e::workloads::{Kind, Workload, WorkloadRef};
use serde_json::json;

use crate::config::{MESH, named, waits, wanting};
use crate::outcome::{condition_because, marked, ready_because, restarted_once};

flippy_e2e::scenarios! {
    both: [
        no_restart_starts_while_a_precondition_is_not_met_be_it_before_or_in_the_middle,
    ],
}

async fn no_restart_starts_while_a_precondition_is_not_met_be_it_before_or_in_the_middle(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let control = s.namespace_with("control", &json!({"istio-injection": null})).await?;
    let slow = |number| Workload::deployment(&format!("w{number:02}")).ready_delay(Duration::from_millis(200));
    let workloads = s.create_all(&shop, (0..10).map(slow)).await?;
    let _operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;

    let mut spec = wanting(s, &[NEW_IMAGE]);
    spec["Preconditions"] = json!([named("Deployment", &control, "istiod", &waits(2))]);
    s.config(s.system(), MESH, spec).await?;

    // Closed from the beginning: there is no istiod.
    let status = ready_because(s, MESH, "PreconditionsNotMet").await?;
    let allowed = condition(&status, "RestartsAllowed").expect("it is always there");
    assert_eq!(allowed["status"], "False");
    let message = allowed["message"].as_str().unwrap_or_default();
    assert!(message.contains(&format!("{control}/istiod")) && message.contains("not found"), "{message}");
    assert_eq!(restarts(s)?, 0);

    // Open.
    let istiod = s.create(&control, Workload::deployment("istiod")).await?;
    marked(s, Kind::Deployment, &shop, 3).await?;

    // Closed in the middle: its new revision does not become ready.
    change_behaviour(s, &istiod, json!("never-ready")).await?;
    let status = condition_because(s, MESH, "RestartsAllowed", "PreconditionsNotMet").await?;
    let done_before = restarts(s)?;
    assert!(done_before < workloads.len(), "the campaign was over before the precondition failed");
    assert_eq!(condition(&status, "RestartsAllowed").expect("it was just read")["status"], "False");
    let status = ready_because(s, MESH, "PreconditionsNotMet").await?;
    assert_eq!(condition(&status, "Stalled").expect("it is always there")["status"], "True", "{status}");
    assert_eq!(restarts(s)?, done_before, "restarts started although the status said that none may");

    // Open again: it goes on by itself.
    change_behaviour(s, &istiod, json!(null)).await?;
    let status = ready_because(s, MESH, "AllFresh").await?;
    assert_eq!(condition(&status, "RestartsAllowed").expect("it is always there")["status"], "True", "{status}");
    restarted_once(s, &workloads).await
}

fn restarts(s: &flippy_e2e::scenario::Scenario) -> anyhow::Result<usize> {
    Ok(s.requests()?.restarts().count())
}

async fn change_behaviour(
    s: &flippy_e2e::scenario::Scenario,
    workload: &WorkloadRef,
    behaviour: serde_json::Value,
) -> anyhow::Result<()> {
    let annotations = json!({"sim.test/behavior": behaviour});
    s.edit(workload, json!({"spec": {"template": {"metadata": {"annotations": annotations}}}})).await
}
