//! Argo Rollouts: `restartAt`, and canaries.

use std::time::Duration;

use anyhow::Result;
use flippy_e2e::observe;
use flippy_e2e::scenario::{NEW_IMAGE, Scenario};
use flippy_e2e::wait::{self, Check};
use flippy_e2e::workloads::{Behaviour, Workload, WorkloadRef};
use kube::api::DynamicObject;
use serde_json::{Value, json};

flippy_e2e::scenarios! {
    both: [
        a_restarted_rollout_ends_healthy_with_restarted_at_and_without_a_new_revision,
        a_restart_in_the_future_waits_for_its_time,
        argo_writes_a_new_rollout_back_which_makes_a_generation_of_its_own,
        the_first_revision_is_stable_even_if_its_pods_crash,
        a_canary_with_steps_pauses_and_says_where,
        a_changed_template_does_not_end_a_restart_that_is_still_to_come,
        pods_from_before_are_evicted_while_their_successors_come,
    ]
}

const LIMIT: Duration = Duration::from_mins(1);

async fn rollout(s: &Scenario, steps: Value) -> Result<WorkloadRef> {
    let shop = s.namespace("shop").await?;
    let search = Workload::rollout("search").replicas(2).canary_steps(&steps);
    Ok(s.create_all(&shop, [search]).await?.remove(0))
}

async fn status(
    s: &Scenario,
    rollout: &WorkloadRef,
    what: &str,
    check: impl Fn(&Value, &DynamicObject) -> bool,
) -> Result<Value> {
    wait::until(observe::api(&s.client(), rollout), &rollout.name, what, LIMIT, |object| -> Check<Value> {
        let object = object.ok_or("it does not exist")?;
        let status = &object.data["status"];
        let observed = status["observedGeneration"].as_str().and_then(|text| text.parse().ok());
        if observed == object.metadata.generation && check(status, object) {
            Ok(status.clone())
        } else {
            Err(status["phase"].to_string())
        }
    })
    .await
}

/// The next whole second: the controller compares in seconds.
fn soon(s: &Scenario, seconds: i64) -> Result<String> {
    Ok(jiff::Timestamp::from_second(s.now().as_second() + seconds)?.to_string())
}

async fn a_restarted_rollout_ends_healthy_with_restarted_at_and_without_a_new_revision(s: &Scenario) -> Result<()> {
    let search = rollout(s, json!([])).await?;
    let before = s.get(&search).await?.data["status"].clone();
    s.mesh().upgrade(NEW_IMAGE).await?;
    let at = soon(s, 1)?;
    s.edit(&search, json!({"spec": {"restartAt": at}})).await?;
    s.fresh([&search], NEW_IMAGE, LIMIT).await?;
    let over = |status: &Value, _: &DynamicObject| {
        status["phase"] == "Healthy" && status["restartedAt"] == at.as_str() && status["availableReplicas"] == 2
    };
    let after = status(s, &search, "the restart to be over", over).await?;
    for field in ["currentPodHash", "stableRS", "currentStepIndex"] {
        assert_eq!(after[field], before[field], "{field}");
    }
    assert_eq!(s.revisions(&search).await?, 1);
    Ok(())
}

async fn a_restart_in_the_future_waits_for_its_time(s: &Scenario) -> Result<()> {
    let search = rollout(s, json!([])).await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    let at = soon(s, 3600)?;
    s.edit(&search, json!({"spec": {"restartAt": at}})).await?;
    // Since v1.0 a restart that is still to come is part of the phase.
    let waiting = status(s, &search, "the restart to be noticed", |status, _| status["phase"] == "Progressing").await?;
    assert_eq!(waiting["message"], "rollout is restarting");
    assert_eq!(waiting["restartedAt"], json!(null));
    assert_ne!(s.sidecar_images(&search).await?, [NEW_IMAGE; 2]);
    Ok(())
}

async fn argo_writes_a_new_rollout_back_which_makes_a_generation_of_its_own(s: &Scenario) -> Result<()> {
    let search = rollout(s, json!([])).await?;
    let object = s.get(&search).await?;
    assert_eq!(object.metadata.generation, Some(2));
    assert_eq!(object.data["status"]["observedGeneration"], "2");
    assert_eq!(object.data["spec"]["template"]["spec"]["containers"][0]["resources"], json!({}));
    assert_eq!(object.metadata.annotations.unwrap_or_default()["rollout.argoproj.io/revision"], "1");
    Ok(())
}

async fn the_first_revision_is_stable_even_if_its_pods_crash(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let crashing = s.create(&shop, Workload::rollout("crash").behaviour(Behaviour::CrashLoop)).await?;
    let has_pod = |status: &Value, _: &DynamicObject| status["updatedReplicas"] == 1;
    let status = status(s, &crashing, "its pod to be counted", has_pod).await?;
    assert_eq!(status["stableRS"], status["currentPodHash"]);
    assert_eq!(status["phase"], "Progressing");
    assert_eq!(status["message"], "updated replicas are still becoming available");
    Ok(())
}

async fn a_canary_with_steps_pauses_and_says_where(s: &Scenario) -> Result<()> {
    let search = rollout(s, json!([{"setWeight": 50}, {"pause": {}}])).await?;
    s.edit(&search, json!({"spec": {"template": {"metadata": {"annotations": {"version": "2"}}}}})).await?;
    let paused = status(s, &search, "the canary to pause", |status, _| status["phase"] == "Paused").await?;
    assert_eq!(paused["currentStepIndex"], 1);
    assert_eq!(paused["pauseConditions"][0]["reason"], "CanaryPauseStep");
    assert_eq!(paused["message"], "CanaryPauseStep");
    assert_eq!((&paused["replicas"], &paused["updatedReplicas"]), (&json!(2), &json!(1)));
    assert_ne!(paused["stableRS"], paused["currentPodHash"]);
    Ok(())
}

async fn a_changed_template_does_not_end_a_restart_that_is_still_to_come(s: &Scenario) -> Result<()> {
    let search = rollout(s, json!([])).await?;
    let at = soon(s, 3600)?;
    let template = json!({"metadata": {"annotations": {"version": "2"}}});
    s.edit(&search, json!({"spec": {"restartAt": at, "template": template}})).await?;
    let over = |status: &Value, _: &DynamicObject| {
        status["stableRS"] == status["currentPodHash"] && status["availableReplicas"] == 2 && status["replicas"] == 2
    };
    let after = status(s, &search, "the new template to be everywhere", over).await?;
    assert_eq!((&after["phase"], &after["message"]), (&json!("Progressing"), &json!("rollout is restarting")));
    assert_eq!(after["restartedAt"], json!(null));
    assert_eq!(s.revisions(&search).await?, 2);
    Ok(())
}

async fn pods_from_before_are_evicted_while_their_successors_come(s: &Scenario) -> Result<()> {
    let search = rollout(s, json!([])).await?;
    let at = soon(s, 1)?;
    let template = json!({"metadata": {"annotations": {"version": "2"}}});
    s.edit(&search, json!({"spec": {"restartAt": at, "template": template}})).await?;
    let over = |status: &Value, _: &DynamicObject| {
        status["stableRS"] == status["currentPodHash"] && status["phase"] == "Healthy" && status["replicas"] == 2
    };
    let after = status(s, &search, "both to be over", over).await?;
    assert_eq!(after["restartedAt"], at.as_str());
    assert_eq!(s.revisions(&search).await?, 2);
    Ok(())
}
