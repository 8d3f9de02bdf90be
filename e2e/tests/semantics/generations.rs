//! What makes a new generation, and what not even a new version.

use anyhow::Result;
use flippy_e2e::observe;
use flippy_e2e::scenario::Scenario;
use flippy_e2e::workloads::{Kind, Workload, WorkloadRef};
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

flippy_e2e::scenarios! {
    both: [
        a_changed_spec_is_a_new_generation_of_every_kind,
        annotations_make_a_new_generation_of_deployments_only,
        labels_and_statuses_make_none,
        restart_at_makes_a_new_generation_of_a_rollout,
        a_write_that_changes_nothing_keeps_the_version,
        a_deletion_that_waits_is_a_new_generation,
    ]
}

async fn all_kinds(s: &Scenario) -> Result<Vec<WorkloadRef>> {
    let shop = s.namespace("shop").await?;
    let workloads =
        [Workload::deployment("a"), Workload::rollout("b"), Workload::stateful_set("c"), Workload::daemon_set("d")];
    s.create_all(&shop, workloads).await
}

/// By how much a change raised the generation.
async fn raised(s: &Scenario, workload: &WorkloadRef, change: Value) -> Result<i64> {
    let before = s.get(workload).await?;
    let api = observe::api(&s.client(), workload);
    let after = api.patch(&workload.name, &PatchParams::default(), &Patch::Merge(change)).await?;
    Ok(generation(&after) - generation(&before))
}

fn generation(object: &DynamicObject) -> i64 {
    object.metadata.generation.expect("workloads have generations")
}

async fn a_changed_spec_is_a_new_generation_of_every_kind(s: &Scenario) -> Result<()> {
    for workload in all_kinds(s).await? {
        let change = json!({"spec": {"template": {"metadata": {"annotations": {"restarted": "1"}}}}});
        assert_eq!(raised(s, &workload, change).await?, 1, "{workload}");
    }
    Ok(())
}

async fn annotations_make_a_new_generation_of_deployments_only(s: &Scenario) -> Result<()> {
    for workload in all_kinds(s).await? {
        let expected = i64::from(workload.kind == Kind::Deployment);
        let change = json!({"metadata": {"annotations": {"note": "1"}}});
        assert_eq!(raised(s, &workload, change).await?, expected, "{workload}");
    }
    Ok(())
}

async fn labels_and_statuses_make_none(s: &Scenario) -> Result<()> {
    for workload in all_kinds(s).await? {
        assert_eq!(raised(s, &workload, json!({"metadata": {"labels": {"note": "1"}}})).await?, 0, "{workload}");
        let before = s.get(&workload).await?;
        let api = observe::api(&s.client(), &workload);
        let condition = json!({
            "type": "Example", "status": "True", "reason": "Because", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z", "lastUpdateTime": "2026-01-01T00:00:00Z",
        });
        let change = json!({"status": {"conditions": [condition]}, "spec": {"minReadySeconds": 7}});
        let after = api.patch_status(&workload.name, &PatchParams::default(), &Patch::Merge(change)).await?;
        assert_eq!(generation(&after), generation(&before), "{workload}");
        assert_ne!(after.data["spec"]["minReadySeconds"], json!(7), "{workload}");
        assert_eq!(after.data["status"]["conditions"][0]["type"], "Example", "{workload}");
    }
    Ok(())
}

async fn restart_at_makes_a_new_generation_of_a_rollout(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let rollout = s.create_all(&shop, [Workload::rollout("search")]).await?.remove(0);
    assert_eq!(raised(s, &rollout, json!({"spec": {"restartAt": "2030-01-01T00:00:00Z"}})).await?, 1);
    Ok(())
}

async fn a_write_that_changes_nothing_keeps_the_version(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    for name in ["one", "other"] {
        crate::refusal::config_map(s, &shop, name).await?;
    }
    let maps = crate::refusal::config_maps(s, &shop);
    let before = maps.get("one").await?;
    let same = Patch::Merge(json!({"data": {"key": "0"}}));
    let merged = maps.patch("one", &PatchParams::default(), &same).await?;
    assert_eq!(merged.metadata.resource_version, before.metadata.resource_version);
    let add: Patch<()> =
        Patch::Json(serde_json::from_value(json!([{"op": "add", "path": "/data/key", "value": "0"}]))?);
    let patched = maps.patch("one", &PatchParams::default(), &add).await?;
    assert_eq!(patched.metadata.resource_version, before.metadata.resource_version);
    let replaced = maps.replace("one", &kube::api::PostParams::default(), &before).await?;
    assert_eq!(replaced.metadata.resource_version, before.metadata.resource_version);
    Ok(())
}

async fn a_deletion_that_waits_is_a_new_generation(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    for workload in s.create_all(&shop, [Workload::deployment("cart"), Workload::rollout("search")]).await? {
        s.edit(&workload, json!({"metadata": {"finalizers": ["example.com/waits"]}})).await?;
        let before = s.get(&workload).await?;
        let api = observe::api(&s.client(), &workload);
        let deleted = api.delete(&workload.name, &kube::api::DeleteParams::default()).await?;
        let deleted = deleted.left().expect("it waits for its finalizer, and so it is shown");
        assert!(deleted.metadata.deletion_timestamp.is_some(), "{workload}");
        assert_eq!(generation(&deleted), generation(&before) + 1, "{workload}");
        s.edit(&workload, json!({"metadata": {"finalizers": null}})).await?;
        flippy_e2e::wait::until_gone(api, &workload.name, std::time::Duration::from_secs(10)).await?;
    }
    Ok(())
}
