//! Replacing and merging.

use anyhow::Result;
use flippy_e2e::observe;
use flippy_e2e::scenario::Scenario;
use flippy_e2e::workloads::Workload;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::refusal::{config_map, config_maps, refusal};

flippy_e2e::scenarios! {
    both: [
        a_stale_update_is_a_conflict,
        leases_and_custom_resources_cannot_be_replaced_without_a_version,
        a_merge_patch_removes_what_is_null_and_replaces_lists,
        a_patch_with_a_stale_version_is_a_conflict,
        what_exists_cannot_be_created_again,
        nothing_is_created_where_there_is_no_namespace_for_it,
        custom_resources_know_no_strategic_patch,
        a_strategic_patch_merges_containers_by_name,
        a_dry_run_shows_the_outcome_and_stores_nothing,
    ]
}

async fn a_stale_update_is_a_conflict(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let mut stale = config_map(s, &shop, "one").await?;
    let maps = config_maps(s, &shop);
    let change = Patch::Merge(json!({"data": {"key": "1"}}));
    maps.patch("one", &PatchParams::default(), &change).await?;
    stale.data = None;
    let refused = refusal(maps.replace("one", &PostParams::default(), &stale).await)?;
    assert_eq!(refused.kind(), (409, "Conflict"));
    assert!(refused.message.contains("the object has been modified"), "{}", refused.message);
    // Without a version it is not stale.
    stale.metadata.resource_version = None;
    assert_eq!(maps.replace("one", &PostParams::default(), &stale).await?.data, None);
    Ok(())
}

async fn leases_and_custom_resources_cannot_be_replaced_without_a_version(s: &Scenario) -> Result<()> {
    let leases: Api<Lease> = Api::namespaced(s.client(), s.system());
    let lease = json!({"metadata": {"name": "leader"}, "spec": {"holderIdentity": "a"}});
    let mut lease: Lease = leases.create(&PostParams::default(), &serde_json::from_value(lease)?).await?;
    lease.metadata.resource_version = None;
    let refused = refusal(leases.replace("leader", &PostParams::default(), &lease).await)?;
    assert_eq!(refused.kind(), (422, "Invalid"));

    s.config(s.system(), "mesh", json!({})).await?;
    let configs = s.configs(s.system());
    let mut config = configs.get("mesh").await?;
    config.metadata.resource_version = None;
    let refused = refusal(configs.replace("mesh", &PostParams::default(), &config).await)?;
    assert_eq!(refused.kind(), (422, "Invalid"));
    Ok(())
}

async fn a_merge_patch_removes_what_is_null_and_replaces_lists(s: &Scenario) -> Result<()> {
    s.config(s.system(), "mesh", json!({"ImageList": ["a:1", "b:1"], "Suspend": true})).await?;
    let change = Patch::Merge(json!({"spec": {"ImageList": ["c:1"], "Suspend": null}}));
    let changed = s.configs(s.system()).patch("mesh", &PatchParams::default(), &change).await?;
    assert_eq!(changed.data["spec"], json!({"ImageList": ["c:1"]}));
    Ok(())
}

async fn a_patch_with_a_stale_version_is_a_conflict(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let stale = config_map(s, &shop, "one").await?.metadata.resource_version;
    let maps = config_maps(s, &shop);
    let change = |key: &str| Patch::Merge(json!({"metadata": {"resourceVersion": stale}, "data": {"key": key}}));
    maps.patch("one", &PatchParams::default(), &change("1")).await?;
    let refused = refusal(maps.patch("one", &PatchParams::default(), &change("2")).await)?;
    assert_eq!(refused.kind(), (409, "Conflict"));
    Ok(())
}

async fn what_exists_cannot_be_created_again(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    config_map(s, &shop, "one").await?;
    let again: ConfigMap = serde_json::from_value(json!({"metadata": {"name": "one"}}))?;
    let refused = refusal(config_maps(s, &shop).create(&PostParams::default(), &again).await)?;
    assert_eq!(refused.kind(), (409, "AlreadyExists"));
    assert_eq!(refused.message, "configmaps \"one\" already exists");
    Ok(())
}

async fn nothing_is_created_where_there_is_no_namespace_for_it(s: &Scenario) -> Result<()> {
    let map: ConfigMap = serde_json::from_value(json!({"metadata": {"name": "one"}}))?;
    let nowhere = format!("nowhere-{}", s.id());
    let refused = refusal(config_maps(s, &nowhere).create(&PostParams::default(), &map).await)?;
    assert_eq!(refused.kind(), (404, "NotFound"));
    assert_eq!(refused.message, format!("namespaces \"{nowhere}\" not found"));
    Ok(())
}

async fn custom_resources_know_no_strategic_patch(s: &Scenario) -> Result<()> {
    s.config(s.system(), "mesh", json!({})).await?;
    let change = Patch::Strategic(json!({"spec": {}}));
    let refused = refusal(s.configs(s.system()).patch("mesh", &PatchParams::default(), &change).await)?;
    assert_eq!(refused.kind(), (415, "UnsupportedMediaType"));
    Ok(())
}

async fn a_strategic_patch_merges_containers_by_name(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let cart = s.create(&shop, Workload::deployment("cart")).await?;
    let image = s.get(&cart).await?.data["spec"]["template"]["spec"]["containers"][0]["image"].clone();
    let containers = json!([{"name": "app", "env": [{"name": "A", "value": "1"}]}]);
    let change = Patch::Strategic(json!({"spec": {"template": {"spec": {"containers": containers}}}}));
    let changed = observe::api(&s.client(), &cart).patch("cart", &PatchParams::default(), &change).await?;
    let containers = &changed.data["spec"]["template"]["spec"]["containers"];
    assert_eq!(containers.as_array().map(Vec::len), Some(1));
    assert_eq!((&containers[0]["image"], &containers[0]["env"][0]["value"]), (&image, &Value::from("1")));
    Ok(())
}

async fn a_dry_run_shows_the_outcome_and_stores_nothing(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let cart = s.create_all(&shop, [Workload::deployment("cart")]).await?.remove(0);
    let before = s.get(&cart).await?;
    let change = Patch::Merge(json!({"spec": {"replicas": 7}}));
    let api = observe::api(&s.client(), &cart);
    let shown = api.patch("cart", &PatchParams::default().dry_run(), &change).await?;
    assert_eq!(shown.data["spec"]["replicas"], 7);
    assert_eq!(shown.metadata.generation, before.metadata.generation.map(|generation| generation + 1));
    let after = s.get(&cart).await?;
    assert_eq!(after.metadata.resource_version, before.metadata.resource_version);
    Ok(())
}
