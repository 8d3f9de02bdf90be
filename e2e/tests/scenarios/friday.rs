//! Everything at once: what a platform team hands over on a Friday afternoon.

use std::time::Duration;

use anyhow::Result;
use flippy_e2e::scenario::{NEW_IMAGE, Scenario};
use flippy_e2e::workloads::{Workload, WorkloadRef};
use jiff::tz::TimeZone;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::config::{MESH, paced, waits};
use crate::disruption::{budget, taking};
use crate::outcome::{condition_because, listed, ready_because, restarted_once};
use crate::waves::{BROKEN_IMAGE, approve, wave, wave_is};

flippy_e2e::scenarios! {
    both: [a_campaign_in_waves_is_approved_outlasts_a_window_is_halted_and_resumed_and_waits_for_a_disruption_budget],
}

/// Longer than the window is open.
const UNTIL_CLOSING: Duration = Duration::from_mins(4);

async fn a_campaign_in_waves_is_approved_outlasts_a_window_is_halted_and_resumed_and_waits_for_a_disruption_budget(
    s: &Scenario,
) -> Result<()> {
    let stage = async |name: &str, workloads: Vec<Workload>| -> Result<Vec<WorkloadRef>> {
        let namespace = s.namespace_with(name, &json!({"stage": name})).await?;
        s.create_all(&namespace, workloads).await
    };
    let canary = stage("canary", ["a", "b"].map(Workload::deployment).into()).await?;
    let early = stage("early", ["a", "b"].map(Workload::deployment).into()).await?;
    let rest = stage("late", vec![Workload::deployment("a"), taking("b"), Workload::stateful_set("c")]).await?;
    let guard = budget(s, &rest[0].namespace, json!({"maxUnavailable": 0}), false).await?;
    let operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;

    s.config(s.system(), MESH, campaign(s, &closing_soon(s))).await?;
    wave_is(s, "early", "AwaitingApproval").await?;
    restarted_once(s, &canary).await?;

    // The window closes before anybody has looked; the approval that comes then starts nothing yet.
    s.config_status(s.system(), MESH, "the window to close", UNTIL_CLOSING, |status| {
        let conditions = status["conditions"].as_array().into_iter().flatten();
        let allowed = conditions.into_iter().find(|condition| condition["type"] == "RestartsAllowed");
        match allowed {
            Some(allowed) if allowed["reason"] == "OutsideWindow" || allowed["reason"] == "WindowEnds" => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await?;
    s.mesh().upgrade(BROKEN_IMAGE).await?;
    approve(s, "early").await?;
    wave_is(s, "early", "Running").await?;
    operator.kill();
    let operator = s.operator().await?;
    condition_because(s, MESH, "RestartsAllowed", "OutsideWindow").await?;
    restarted_once(s, &canary).await?;

    // A new window, and a mesh that was broken meanwhile: one failure is one too many.
    s.config(s.system(), MESH, campaign(s, &json!([{"Type": "Allow", "Schedule": "0 0 * * *", "Duration": "48h"}])))
        .await?;
    condition_because(s, MESH, "Stalled", "Halted").await?;
    restarted_once(s, canary.iter().chain(&early[..1])).await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    operator.kill();
    let _operator = s.operator().await?;
    let resumed = json!({"metadata": {"annotations": {"flippy.keikoproj.io/resumed-at": s.now().to_string()}}});
    s.configs(s.system()).patch(MESH, &PatchParams::default(), &Patch::Merge(resumed)).await?;

    // What a disruption budget forbids waits; nothing else waits for it.
    let status = ready_because(s, MESH, "RestartsFailed").await?;
    assert_eq!(
        listed(&status, "blocked", &rest[1]).map(|blocked| &blocked["reason"]),
        Some(&json!("DisruptionBudget"))
    );
    restarted_once(s, canary.iter().chain(&early).chain([&rest[0], &rest[2]])).await?;
    guard.patch("web", &PatchParams::default(), &Patch::Merge(json!({"spec": {"maxUnavailable": 1}}))).await?;
    s.fresh(canary.iter().chain(&early[1..]).chain(&rest), NEW_IMAGE, Duration::from_mins(1)).await?;
    let status = wave_is(s, "rest", "Done").await?;
    assert_eq!(wave(&status, "early").map(|wave| &wave["leftBehind"]), Some(&json!(1)), "{status}");
    restarted_once(s, canary.iter().chain(&early).chain(&rest)).await
}

/// Three waves in these windows: the second one needs an approval, and tolerates no failure.
fn campaign(s: &Scenario, windows: &Value) -> Value {
    let stage = |name: &str| json!({"matchLabels": {"stage": name}});
    let waves = json!([
        {"Name": "canary", "NamespaceSelector": stage("canary"), "Soak": "1s"},
        {"Name": "early", "NamespaceSelector": stage("early"), "Approval": "Manual", "MaxFailures": 0},
    ]);
    let mut spec = paced(s, &[NEW_IMAGE, BROKEN_IMAGE], &json!({"MaxConcurrent": 1, "Waves": waves}));
    spec["RestartObjects"] = json!([
        {"Type": "Deployment", "StatusCheckConfig": waits(8)},
        {"Type": "StatefulSet", "StatusCheckConfig": waits(8)},
    ]);
    spec["Windows"] = windows.clone();
    spec
}

/// A window that is open for one to two minutes more: as long as a restart is expected to take at first.
fn closing_soon(s: &Scenario) -> Value {
    let now = s.now().to_zoned(TimeZone::UTC);
    let minutes = if now.second() > 45 { 3 } else { 2 };
    let schedule = format!("{} {} * * *", now.minute(), now.hour());
    json!([{"Type": "Allow", "Schedule": schedule, "Duration": format!("{minutes}m")}])
}
