//! Lists: pages, metadata alone, selectors.

use anyhow::Result;
use flippy_e2e::scenario::Scenario;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{Api, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::refusal::{config_map, config_maps, json_of, refusal};

flippy_e2e::scenarios! {
    both: [
        pages_show_one_moment_and_end_without_a_token,
        metadata_can_be_listed_without_the_rest,
        selectors_choose_by_labels_and_by_few_fields,
        a_list_is_of_its_kind_and_items_of_built_in_kinds_say_nothing_of_theirs,
        versions_from_the_future_are_refused_with_504,
    ]
}

/// `ConfigMap`s called `a` to `e`, in a namespace that is otherwise empty of what is labelled as they are.
async fn five(s: &Scenario) -> Result<(String, ListParams)> {
    let shop = s.namespace("shop").await?;
    for name in ["a", "b", "c", "d", "e"] {
        config_map(s, &shop, name).await?;
        label(s, &shop, name, &json!({"letter": name, "all": "true"})).await?;
    }
    // A real cluster puts its certificate into every namespace.
    Ok((shop, ListParams::default().labels("all=true")))
}

async fn label(s: &Scenario, namespace: &str, name: &str, labels: &Value) -> Result<()> {
    let change = Patch::Merge(json!({"metadata": {"labels": labels}}));
    config_maps(s, namespace).patch(name, &PatchParams::default(), &change).await?;
    Ok(())
}

fn names(maps: &[ConfigMap]) -> Vec<&str> {
    maps.iter().filter_map(|map| map.metadata.name.as_deref()).collect()
}

async fn pages_show_one_moment_and_end_without_a_token(s: &Scenario) -> Result<()> {
    let (shop, all) = five(s).await?;
    let maps = config_maps(s, &shop);
    let mut next = all.limit(2);
    let first = maps.list(&next).await?;
    assert_eq!(names(&first.items), ["a", "b"]);
    let token = first.metadata.continue_.clone().expect("there is more");
    config_map(s, &shop, "bb").await?;
    label(s, &shop, "bb", &json!({"all": "true"})).await?;
    next = next.continue_token(&token);
    let second = maps.list(&next).await?;
    assert_eq!(names(&second.items), ["c", "d"]);
    assert_eq!(second.metadata.resource_version, first.metadata.resource_version);
    next = next.continue_token(&second.metadata.continue_.clone().expect("there is more"));
    let third = maps.list(&next).await?;
    assert_eq!(names(&third.items), ["e"]);
    assert_eq!(third.metadata.continue_.as_deref().unwrap_or_default(), "");
    let invalid = ListParams::default().limit(2).continue_token("nonsense");
    assert_eq!(refusal(maps.list(&invalid).await)?.kind(), (400, "BadRequest"));
    Ok(())
}

async fn metadata_can_be_listed_without_the_rest(s: &Scenario) -> Result<()> {
    let (shop, all) = five(s).await?;
    let path = format!("/api/v1/namespaces/{shop}/configmaps?labelSelector=all%3Dtrue");
    let request = http::Request::get(path)
        .header("accept", "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1")
        .body(Vec::new())?;
    let answer: Value = s.client().request(request).await?;
    assert_eq!(
        (&answer["kind"], &answer["apiVersion"]),
        (&json!("PartialObjectMetadataList"), &json!("meta.k8s.io/v1"))
    );
    let item = &answer["items"][0];
    assert_eq!((&item["kind"], &item["apiVersion"]), (&json!("PartialObjectMetadata"), &json!("meta.k8s.io/v1")));
    assert_eq!((&item["metadata"]["name"], &item["data"]), (&json!("a"), &json!(null)));
    assert_eq!(config_maps(s, &shop).list_metadata(&all).await?.items.len(), 5);
    Ok(())
}

async fn selectors_choose_by_labels_and_by_few_fields(s: &Scenario) -> Result<()> {
    let (shop, _) = five(s).await?;
    let maps = config_maps(s, &shop);
    for (selector, expected) in [
        ("letter=a", vec!["a"]),
        ("letter in (a, b),letter!=b", vec!["a"]),
        ("letter notin (a,b),all", vec!["c", "d", "e"]),
        ("all=true,!letter", vec![]),
    ] {
        assert_eq!(names(&maps.list(&ListParams::default().labels(selector)).await?.items), expected, "{selector}");
    }
    let named = ListParams::default().fields("metadata.name=c");
    assert_eq!(names(&maps.list(&named).await?.items), ["c"]);
    let others = ListParams::default().fields("metadata.name!=c").labels("all");
    assert_eq!(names(&maps.list(&others).await?.items), ["a", "b", "d", "e"]);
    for selector in ["data.key=0", "spec.replicas=1"] {
        let refused = refusal(maps.list(&ListParams::default().fields(selector)).await)?;
        assert_eq!(refused.kind(), (400, "BadRequest"));
    }
    Ok(())
}

async fn a_list_is_of_its_kind_and_items_of_built_in_kinds_say_nothing_of_theirs(s: &Scenario) -> Result<()> {
    let (shop, _) = five(s).await?;
    s.config(s.system(), "mesh", json!({})).await?;
    let list = async |path: String| -> Result<Value> {
        Ok(s.client().request(http::Request::get(path).body(Vec::new())?).await?)
    };
    let maps = list(format!("/api/v1/namespaces/{shop}/configmaps")).await?;
    assert_eq!((&maps["kind"], &maps["items"][0]["kind"]), (&json!("ConfigMapList"), &json!(null)));
    let configs = list(format!("/apis/keikoproj.io/v1/namespaces/{}/flippyconfigs", s.system())).await?;
    assert_eq!((&configs["kind"], &configs["items"][0]["kind"]), (&json!("FlippyConfigList"), &json!("FlippyConfig")));
    let single = json_of(&config_maps(s, &shop).get("a").await?);
    assert_eq!(single["kind"], "ConfigMap");
    Ok(())
}

async fn versions_from_the_future_are_refused_with_504(s: &Scenario) -> Result<()> {
    let pods: Api<Pod> = Api::all(s.client());
    let future = ListParams::default().at("999999999999").matching(kube::api::VersionMatch::NotOlderThan);
    let refused = refusal(pods.list(&future).await)?;
    assert_eq!(refused.kind(), (504, "Timeout"));
    assert_eq!(refused.causes, ["ResourceVersionTooLarge"]);
    assert!(refused.message.contains("Too large resource version: 999999999999"), "{}", refused.message);
    Ok(())
}
