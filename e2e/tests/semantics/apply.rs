//! Server-side apply: how statuses are written.

use anyhow::Result;
use flippy_e2e::scenario::Scenario;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use crate::refusal::refusal;

flippy_e2e::scenarios! {
    both: [
        an_applied_status_leaves_spec_and_generation_alone_and_the_same_again_keeps_the_version,
        a_second_manager_conflicts_unless_it_forces_its_way,
        what_is_no_longer_applied_goes_and_what_others_applied_stays,
        conditions_are_merged_by_their_type,
        a_status_cannot_be_applied_to_what_does_not_exist,
        the_uid_beside_a_status_is_not_looked_at,
        an_apply_needs_a_manager_and_the_kind_of_its_object,
    ]
}

const NAME: &str = "mesh";

async fn config(s: &Scenario) -> Result<DynamicObject> {
    s.config(s.system(), NAME, json!({"ImageList": ["a:1"], "Suspend": true})).await?;
    Ok(s.configs(s.system()).get(NAME).await?)
}

fn body(field: &str, value: &Value) -> Patch<Value> {
    Patch::Apply(json!({"apiVersion": "keikoproj.io/v1", "kind": "FlippyConfig", field: value}))
}

async fn apply_status(s: &Scenario, params: &PatchParams, status: Value) -> kube::Result<DynamicObject> {
    s.configs(s.system()).patch_status(NAME, params, &body("status", &status)).await
}

fn condition(type_: &str, status: &str) -> Value {
    json!({
        "type": type_, "status": status, "reason": "Because", "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    })
}

async fn an_applied_status_leaves_spec_and_generation_alone_and_the_same_again_keeps_the_version(
    s: &Scenario,
) -> Result<()> {
    let before = config(s).await?;
    let forced = PatchParams::apply("flippy").force();
    let status = json!({"observedGeneration": 1, "conditions": [condition("Ready", "False")]});
    let first = apply_status(s, &forced, status.clone()).await?;
    assert_eq!(first.metadata.generation, before.metadata.generation);
    assert_eq!(first.data["spec"], before.data["spec"]);
    assert_eq!(first.data["status"], status);
    assert_ne!(first.metadata.resource_version, before.metadata.resource_version);
    let again = apply_status(s, &forced, status).await?;
    assert_eq!(again.metadata.resource_version, first.metadata.resource_version);
    Ok(())
}

async fn a_second_manager_conflicts_unless_it_forces_its_way(s: &Scenario) -> Result<()> {
    config(s).await?;
    apply_status(s, &PatchParams::apply("one"), json!({"observedGeneration": 1})).await?;
    let refused = refusal(apply_status(s, &PatchParams::apply("two"), json!({"observedGeneration": 2})).await)?;
    assert_eq!(refused.kind(), (409, "Conflict"));
    assert_eq!(refused.causes, ["FieldManagerConflict"]);
    assert!(refused.message.contains("conflict with \"one\""), "{}", refused.message);
    assert!(refused.message.contains(".status.observedGeneration"), "{}", refused.message);
    // Who says the same owns it too.
    apply_status(s, &PatchParams::apply("two"), json!({"observedGeneration": 1})).await?;
    let forced = apply_status(s, &PatchParams::apply("three").force(), json!({"observedGeneration": 3})).await?;
    assert_eq!(forced.data["status"]["observedGeneration"], 3);
    // The others have lost it: leaving it out changes nothing.
    let left_out = apply_status(s, &PatchParams::apply("one"), json!({})).await?;
    assert_eq!(left_out.data["status"]["observedGeneration"], 3);
    Ok(())
}

async fn what_is_no_longer_applied_goes_and_what_others_applied_stays(s: &Scenario) -> Result<()> {
    config(s).await?;
    let configs = s.configs(s.system());
    configs.patch(NAME, &PatchParams::apply("other"), &body("spec", &json!({"DryRun": true}))).await?;
    // As the same manager that `config` is.
    s.config(s.system(), NAME, json!({"ImageList": ["b:1"]})).await?;
    assert_eq!(configs.get(NAME).await?.data["spec"], json!({"ImageList": ["b:1"], "DryRun": true}));
    Ok(())
}

async fn conditions_are_merged_by_their_type(s: &Scenario) -> Result<()> {
    config(s).await?;
    let (one, two) = (PatchParams::apply("one"), PatchParams::apply("two"));
    apply_status(s, &one, json!({"conditions": [condition("Ready", "True"), condition("Stalled", "False")]})).await?;
    apply_status(s, &two, json!({"conditions": [condition("Other", "True")]})).await?;
    let changed = apply_status(s, &one, json!({"conditions": [condition("Ready", "False")]})).await?;
    let conditions = changed.data["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let mut states: Vec<_> = conditions.iter().map(|one| (one["type"].as_str(), one["status"].as_str())).collect();
    states.sort_unstable();
    assert_eq!(states, [(Some("Other"), Some("True")), (Some("Ready"), Some("False"))]);
    Ok(())
}

async fn a_status_cannot_be_applied_to_what_does_not_exist(s: &Scenario) -> Result<()> {
    s.install().await?;
    let refused = refusal(apply_status(s, &PatchParams::apply("flippy").force(), json!({})).await)?;
    assert_eq!(refused.kind(), (404, "NotFound"));
    Ok(())
}

async fn the_uid_beside_a_status_is_not_looked_at(s: &Scenario) -> Result<()> {
    let before = config(s).await?;
    let configs = s.configs(s.system());
    let status = json!({"observedGeneration": 1});
    let applied = json!({
        "apiVersion": "keikoproj.io/v1", "kind": "FlippyConfig",
        "metadata": {"name": NAME, "namespace": s.system(), "uid": "another"}, "status": status,
    });
    let after = configs.patch_status(NAME, &PatchParams::apply("flippy").force(), &Patch::Apply(applied)).await?;
    assert_eq!((&after.data["status"], &after.metadata.uid), (&status, &before.metadata.uid));
    let status = json!({"observedGeneration": 2});
    let merged = json!({"metadata": {"uid": "another"}, "status": status});
    let after = configs.patch_status(NAME, &PatchParams::default(), &Patch::Merge(merged)).await?;
    assert_eq!((&after.data["status"], &after.metadata.uid), (&status, &before.metadata.uid));
    Ok(())
}

async fn an_apply_needs_a_manager_and_the_kind_of_its_object(s: &Scenario) -> Result<()> {
    config(s).await?;
    let configs = s.configs(s.system());
    let path = format!("/apis/keikoproj.io/v1/namespaces/{}/flippyconfigs/{NAME}", s.system());
    let request = |query: &str, body: Value| {
        http::Request::patch(format!("{path}{query}"))
            .header("content-type", "application/apply-patch+yaml")
            .body(body.to_string().into_bytes())
    };
    let whole = json!({"apiVersion": "keikoproj.io/v1", "kind": "FlippyConfig", "metadata": {"name": NAME}});
    let refused = refusal(s.client().request::<Value>(request("", whole.clone())?).await)?;
    assert_eq!(refused.code, 422, "{refused:?}");
    let nothing = json!({"metadata": {"name": NAME}});
    let refused = refusal(s.client().request::<Value>(request("?fieldManager=x", nothing)?).await)?;
    assert_eq!(refused.code, 400, "{refused:?}");
    let mut owned = whole;
    owned["metadata"]["managedFields"] = json!([{"manager": "x", "operation": "Apply"}]);
    let refused = refusal(configs.patch(NAME, &PatchParams::apply("x"), &Patch::Apply(owned)).await)?;
    assert_eq!(refused.code, 400, "{refused:?}");
    Ok(())
}
