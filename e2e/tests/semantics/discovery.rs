//! Custom resources that come and go.

use std::time::Duration;

use anyhow::Result;
use flippy_e2e::scenario::Scenario;
use flippy_e2e::wait;
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams, ListParams, PartialObjectMeta, WatchEvent, WatchParams};
use serde_json::json;

use crate::refusal::refusal;

flippy_e2e::scenarios! {
    both: [
        a_definition_is_found_by_its_name_alone,
        objects_and_watches_end_with_their_definition_and_the_path_is_404,
    ]
}

const DEFINITION: &str = "flippyconfigs.keikoproj.io";
const LIMIT: Duration = Duration::from_secs(30);

async fn a_definition_is_found_by_its_name_alone(s: &Scenario) -> Result<()> {
    s.install().await?;
    let definitions: Api<PartialObjectMeta<CustomResourceDefinition>> = Api::all(s.client());
    let only = |name: &str| ListParams::default().fields(&format!("metadata.name={name}"));
    let found = definitions.list(&only(DEFINITION)).await?;
    let names: Vec<_> = found.items.iter().map(|found| found.metadata.name.as_deref()).collect();
    assert_eq!(names, [Some(DEFINITION)]);
    assert_eq!(definitions.list(&only("others.example.com")).await?.items.len(), 0);
    let watch = WatchParams::default().fields(&format!("metadata.name={DEFINITION}")).timeout(1);
    let events: Vec<_> = definitions.watch_metadata(&watch, "0").await?.try_collect().await?;
    let names: Vec<_> = events.iter().filter_map(added).collect();
    assert_eq!(names, [DEFINITION]);
    Ok(())
}

fn added<K>(event: &WatchEvent<PartialObjectMeta<K>>) -> Option<&str> {
    match event {
        WatchEvent::Added(object) => object.metadata.name.as_deref(),
        _ => None,
    }
}

async fn objects_and_watches_end_with_their_definition_and_the_path_is_404(s: &Scenario) -> Result<()> {
    s.config(s.system(), "mesh", json!({})).await?;
    let configs = s.configs(s.system());
    let listed = configs.list(&ListParams::default()).await?;
    let version = listed.metadata.resource_version.expect("a list has a version");
    let watch = configs.watch(&WatchParams::default(), &version).await?;
    let definitions: Api<CustomResourceDefinition> = Api::all(s.client());
    definitions.delete(DEFINITION, &DeleteParams::default()).await?;
    wait::until_gone(definitions, DEFINITION, LIMIT).await?;

    let events: Vec<_> = tokio::time::timeout(LIMIT, watch.collect()).await?;
    let deleted = events.iter().filter(|event| matches!(event, Ok(WatchEvent::Deleted(_)))).count();
    assert_eq!(deleted, 1, "{events:?}");
    let refused = refusal(configs.list(&ListParams::default()).await)?;
    assert_eq!((refused.code, refused.message.trim()), (404, "404 page not found"));
    let refused = refusal(configs.watch(&WatchParams::default(), &version).await.map(drop))?;
    assert_eq!(refused.code, 404);

    // Defined anew, there are none. At first the server may still be busy with its beginnings.
    flippy_e2e::install::install_definitions(&s.client()).await?;
    wait::until_gone(configs, "mesh", LIMIT).await
}
