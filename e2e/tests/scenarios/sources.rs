//! Wanted images that are named in `ConfigMap`s.

use std::time::Duration;

use anyhow::Result;
use flippy_e2e::config::condition;
use flippy_e2e::scenario::{NEW_IMAGE, OLD_IMAGE, Scenario};
use flippy_e2e::workloads::{Kind, Workload};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::config::{MESH, wanting};
use crate::outcome::{LIMIT, condition_because, marked, ready_because, restarted_once};

flippy_e2e::scenarios! {
    both: [
        an_upgrade_of_the_meshs_own_config_map_starts_the_campaign,
        a_source_that_is_deleted_in_the_middle_stops_the_campaign_until_it_is_back,
        a_broken_document_starts_nothing_and_says_what_is_wrong,
    ],
    // Only a real API server knows permissions.
    real: [
        a_source_that_may_not_be_read_says_which_right_is_missing_and_is_read_once_it_is_given,
    ],
}

async fn an_upgrade_of_the_meshs_own_config_map_starts_the_campaign(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let workloads = s.create_all(&shop, ["cart", "search", "till"].map(Workload::deployment)).await?;
    s.may_read("sidecar").await?;
    let _operator = s.operator().await?;
    s.config(s.system(), MESH, from_sources(s, &json!([source("sidecar", "image", "")]))).await?;
    let status = ready_because(s, MESH, "AllFresh").await?;
    assert_eq!(status["desiredImages"], json!([OLD_IMAGE]), "{status}");

    s.mesh().upgrade(NEW_IMAGE).await?;

    s.fresh(&workloads, NEW_IMAGE, LIMIT).await?;
    restarted_once(s, &workloads).await?;
    // It said the same of the old image, so the reason alone tells nothing.
    s.config_status(s.system(), MESH, "all to be fresh on the new image", LIMIT, |status| {
        let is_fresh = condition(status, "Ready").is_some_and(|ready| ready["reason"] == "AllFresh");
        let is_about_it = status["desiredImages"] == json!([NEW_IMAGE]);
        if is_fresh && is_about_it { Ok(()) } else { Err(status.to_string()) }
    })
    .await?;
    let requests = s.requests()?.only(|request| request.resource() == "configmaps");
    assert!(requests.count() > 0 && requests.verb("get").count() == 0, "{}", requests.table());
    Ok(())
}

async fn a_source_that_is_deleted_in_the_middle_stops_the_campaign_until_it_is_back(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let slow = |number| Workload::deployment(&format!("w{number:02}")).ready_delay(Duration::from_millis(200));
    let workloads = s.create_all(&shop, (0..10).map(slow)).await?;
    s.may_read("images").await?;
    write(s, "wanted", &format!("# wanted\n{NEW_IMAGE}\n")).await?;
    let _operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    s.config(s.system(), MESH, from_sources(s, &json!([source("images", "wanted", "")]))).await?;
    marked(s, Kind::Deployment, &shop, 3).await?;

    config_maps(s).delete("images", &DeleteParams::default()).await?;

    let status = condition_because(s, MESH, "RestartsAllowed", "ImageSourceUnavailable").await?;
    let done_before = s.requests()?.restarts().count();
    assert!(done_before < workloads.len(), "the campaign was over before its source was deleted");
    let why = message(&status, "RestartsAllowed");
    assert!(why.contains(&format!("{}/images", s.system())) && why.contains("does not exist"), "{why}");
    assert_eq!(status["desiredImages"], json!([NEW_IMAGE]), "what was wanted last stays known: {status}");
    // What is under way goes on: then nothing moves any more.
    condition_because(s, MESH, "Reconciling", "Idle").await?;
    assert_eq!(s.requests()?.restarts().count(), done_before, "restarts started without the source");

    write(s, "wanted", NEW_IMAGE).await?;

    ready_because(s, MESH, "AllFresh").await?;
    restarted_once(s, &workloads).await
}

async fn a_broken_document_starts_nothing_and_says_what_is_wrong(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let workloads = s.create_all(&shop, [Workload::deployment("cart")]).await?;
    s.may_read("images").await?;
    // As istiod has it, but somebody has lost the tag.
    write(s, "values", r#"{"global": {"hub": "docker.io/istio", "proxy": {"image": "proxyv2"}}}"#).await?;
    let _operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    let template = "{.global.hub}/{.global.proxy.image}:{.global.tag}";
    // The images of the list alone would do for a campaign.
    let mut spec = from_sources(s, &json!([source("images", "values", template)]));
    spec["ImageList"] = json!(["docker.io/istio/proxyv2:1.0.0"]);
    s.config(s.system(), MESH, spec).await?;
    let status = ready_because(s, MESH, "ImageSourceUnavailable").await?;
    let why = message(&status, "Ready");
    assert!(why.contains("key values: has no field .global.tag"), "{why}");
    assert_eq!(condition(&status, "Stalled").expect("it is always there")["status"], "True", "{status}");
    assert_eq!(s.requests()?.restarts().count(), 0);

    write(s, "values", r#"{"global": {"hub": "docker.io/istio", "tag": "1.30.4", "proxy": {"image": "proxyv2"}}}"#)
        .await?;

    s.fresh(&workloads, NEW_IMAGE, LIMIT).await?;
    ready_because(s, MESH, "AllFresh").await?;
    restarted_once(s, &workloads).await
}

async fn a_source_that_may_not_be_read_says_which_right_is_missing_and_is_read_once_it_is_given(
    s: &Scenario,
) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let workloads = s.create_all(&shop, [Workload::deployment("cart")]).await?;
    s.denials_are_expected();
    let _operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    s.config(s.system(), MESH, from_sources(s, &json!([source("sidecar", "image", "")]))).await?;
    let status = ready_because(s, MESH, "ImageSourceUnavailable").await?;
    let why = message(&status, "Ready");
    let right = format!("allow get, list and watch on ConfigMap sidecar in namespace {}", s.system());
    assert!(why.contains(&right) && why.contains("is forbidden"), "{why}");
    assert_eq!(s.requests()?.restarts().count(), 0);

    s.may_read("sidecar").await?;

    s.fresh(&workloads, NEW_IMAGE, LIMIT).await?;
    restarted_once(s, &workloads).await
}

/// A spec whose images are named elsewhere only.
fn from_sources(s: &Scenario, sources: &Value) -> Value {
    let mut spec = wanting(s, &[]);
    spec["ImageSources"] = sources.clone();
    spec
}

fn source(name: &str, key: &str, template: &str) -> Value {
    json!({"ConfigMap": {"Name": name, "Key": key, "Template": template}})
}

fn config_maps(s: &Scenario) -> Api<ConfigMap> {
    Api::namespaced(s.client(), s.system())
}

/// Writes a key of the `ConfigMap` images, be it there or not.
async fn write(s: &Scenario, key: &str, text: &str) -> Result<()> {
    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"namespace": s.system(), "name": "images"}, "data": {key: text},
    });
    config_maps(s).patch("images", &PatchParams::apply("e2e").force(), &Patch::Apply(object)).await?;
    Ok(())
}

fn message(status: &Value, type_: &str) -> String {
    condition(status, type_).expect("it is always there")["message"].as_str().unwrap_or_default().to_owned()
}
