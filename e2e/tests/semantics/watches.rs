//! Watches: from where they resume, what they tell, and how they end.

use std::time::Duration;

use anyhow::{Context, Result};
use flippy_e2e::scenario::Scenario;
use futures::{Stream, StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, WatchEvent, WatchParams};
use serde_json::json;

use crate::refusal::{config_map, config_maps};

flippy_e2e::scenarios! {
    both: [
        a_watch_resumes_exactly_after_its_version,
        a_deleted_object_comes_with_the_version_of_its_deletion,
        a_watch_from_zero_or_nowhere_begins_with_what_there_is,
        an_object_that_leaves_the_selection_is_deleted_to_the_watcher,
        a_watch_ends_cleanly_when_its_time_is_over_and_tells_the_version_before,
        a_version_that_is_forgotten_is_a_410_event,
        a_watch_from_the_future_waits,
        a_streaming_list_ends_with_a_marked_bookmark,
    ]
}

const LIMIT: Duration = Duration::from_secs(20);

async fn version_now(s: &Scenario, namespace: &str) -> Result<String> {
    let list = config_maps(s, namespace).list(&ListParams::default()).await?;
    list.metadata.resource_version.context("a list has a version")
}

async fn change(s: &Scenario, namespace: &str, name: &str, change: serde_json::Value) -> Result<ConfigMap> {
    Ok(config_maps(s, namespace).patch(name, &PatchParams::default(), &Patch::Merge(change)).await?)
}

/// The next event that is no bookmark, in words.
async fn next<K: ResourceExt>(
    events: &mut (impl Stream<Item = kube::Result<WatchEvent<K>>> + Unpin),
) -> Result<(String, String)> {
    loop {
        let event = tokio::time::timeout(LIMIT, events.next()).await?.context("the watch ended")??;
        let (what, object) = match event {
            WatchEvent::Added(object) => ("added", object),
            WatchEvent::Modified(object) => ("modified", object),
            WatchEvent::Deleted(object) => ("deleted", object),
            WatchEvent::Bookmark(_) => continue,
            WatchEvent::Error(status) => anyhow::bail!("the watch failed: {status:?}"),
        };
        return Ok((format!("{what} {}", object.name_any()), object.resource_version().unwrap_or_default()));
    }
}

async fn a_watch_resumes_exactly_after_its_version(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    config_map(s, &shop, "before").await?;
    let start = version_now(s, &shop).await?;
    config_map(s, &shop, "one").await?;
    let changed = change(s, &shop, "one", json!({"data": {"key": "1"}})).await?;
    config_map(s, &shop, "two").await?;
    let maps = config_maps(s, &shop);
    let labels = WatchParams::default().fields("metadata.name!=kube-root-ca.crt");

    let mut events = maps.watch(&labels, &start).await?.boxed();
    assert_eq!(next(&mut events).await?.0, "added one");
    assert_eq!(next(&mut events).await?.0, "modified one");
    assert_eq!(next(&mut events).await?.0, "added two");
    let mut resumed = maps.watch(&labels, &changed.resource_version().unwrap_or_default()).await?.boxed();
    assert_eq!(next(&mut resumed).await?.0, "added two");
    // Both go on with what comes.
    change(s, &shop, "before", json!({"data": {"key": "1"}})).await?;
    assert_eq!(next(&mut events).await?, next(&mut resumed).await?);
    Ok(())
}

async fn a_deleted_object_comes_with_the_version_of_its_deletion(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let created = config_map(s, &shop, "one").await?.resource_version().unwrap_or_default();
    let maps = config_maps(s, &shop);
    let named = WatchParams::default().fields("metadata.name=one");
    let mut events = maps.watch(&named, &created).await?.boxed();
    maps.delete("one", &DeleteParams::default()).await?;
    let (what, version) = next(&mut events).await?;
    assert_eq!(what, "deleted one");
    assert!(version.parse::<u64>()? > created.parse::<u64>()?, "{version} is not after {created}");
    Ok(())
}

async fn a_watch_from_zero_or_nowhere_begins_with_what_there_is(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let created = config_map(s, &shop, "one").await?.resource_version().unwrap_or_default();
    for version in ["0", ""] {
        let named = WatchParams::default().fields("metadata.name=one");
        let mut events = config_maps(s, &shop).watch(&named, version).await?.boxed();
        assert_eq!(next(&mut events).await?, ("added one".to_owned(), created.clone()));
    }
    Ok(())
}

async fn an_object_that_leaves_the_selection_is_deleted_to_the_watcher(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let created = config_map(s, &shop, "one").await?.resource_version().unwrap_or_default();
    let selected = WatchParams::default().labels("chosen=true");
    let mut events = config_maps(s, &shop).watch(&selected, &created).await?.boxed();
    change(s, &shop, "one", json!({"metadata": {"labels": {"chosen": "true"}}})).await?;
    assert_eq!(next(&mut events).await?.0, "added one");
    change(s, &shop, "one", json!({"data": {"key": "1"}})).await?;
    assert_eq!(next(&mut events).await?.0, "modified one");
    let left = change(s, &shop, "one", json!({"metadata": {"labels": {"chosen": "false"}}})).await?;
    assert_eq!(next(&mut events).await?, ("deleted one".to_owned(), left.resource_version().unwrap_or_default()));
    Ok(())
}

async fn a_watch_ends_cleanly_when_its_time_is_over_and_tells_the_version_before(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let created = config_map(s, &shop, "one").await?.resource_version().unwrap_or_default();
    let brief = WatchParams::default().fields("metadata.name=one").timeout(5);
    let events = config_maps(s, &shop).watch(&brief, &created).await?;
    // Not of the selection, so that only a bookmark can tell that it happened.
    let other = config_map(s, &shop, "other").await?.resource_version().unwrap_or_default();
    let events: Vec<WatchEvent<ConfigMap>> = tokio::time::timeout(LIMIT, events.try_collect()).await??;
    let versions = events.iter().map(|event| match event {
        WatchEvent::Bookmark(bookmark) => Ok(bookmark.metadata.resource_version.parse::<u64>()?),
        other => anyhow::bail!("{other:?} is no bookmark"),
    });
    let versions: Vec<u64> = versions.collect::<Result<_>>()?;
    assert!(versions.last().is_some_and(|last| *last >= other.parse().unwrap_or(u64::MAX)), "{versions:?}, {other}");
    Ok(())
}

async fn a_version_that_is_forgotten_is_a_410_event(s: &Scenario) -> Result<()> {
    s.config(s.system(), "mesh", json!({})).await?;
    s.forget_ancient_versions();
    // Of a kind that did not exist when the cluster was at its first version.
    let configs = s.configs(s.system());
    let events = configs.watch(&WatchParams::default(), "1").await?;
    let events: Vec<WatchEvent<DynamicObject>> = tokio::time::timeout(LIMIT, events.try_collect()).await??;
    let [WatchEvent::Error(status)] = events.as_slice() else { panic!("{events:?} is not one error") };
    assert_eq!((status.code, status.reason.as_str()), (410, "Expired"));
    assert!(status.message.starts_with("too old resource version: 1"), "{}", status.message);
    Ok(())
}

async fn a_watch_from_the_future_waits(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let brief = WatchParams::default().timeout(1).disable_bookmarks();
    let events = config_maps(s, &shop).watch(&brief, "999999999999").await?;
    config_map(s, &shop, "one").await?;
    let events: Vec<_> = tokio::time::timeout(LIMIT, events.try_collect()).await??;
    assert_eq!(events.len(), 0, "{events:?}");
    Ok(())
}

async fn a_streaming_list_ends_with_a_marked_bookmark(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    config_map(s, &shop, "one").await?;
    let streaming = WatchParams::default().initial_events().fields("metadata.name=one").timeout(5);
    let mut events = config_maps(s, &shop).watch(&streaming, "").await?.boxed();
    let first = events.next().await.context("the watch ended")??;
    assert!(matches!(&first, WatchEvent::Added(map) if map.name_any() == "one"), "{first:?}");
    let second = events.next().await.context("the watch ended")??;
    let WatchEvent::Bookmark(bookmark) = second else { panic!("{second:?} is no bookmark") };
    let marked = bookmark.metadata.annotations.get("k8s.io/initial-events-end");
    assert_eq!(marked.map(String::as_str), Some("true"));
    Ok(())
}
