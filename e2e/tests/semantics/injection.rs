//! What admission does to new pods, asked by a dry run.

use anyhow::Result;
use flippy_e2e::mesh::{PINNED_IMAGE_ANNOTATION, SIDECAR, sidecar_image};
use flippy_e2e::scenario::{NEW_IMAGE, OLD_IMAGE, Scenario};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams, PostParams};
use serde_json::{Value, json};

flippy_e2e::scenarios! {
    both: [a_dry_run_shows_the_sidecar_and_stores_nothing],
    native: [a_native_sidecar_is_an_init_container]
}

/// The pod that would be created.
async fn shown(s: &Scenario, namespace: &str, metadata: &Value) -> Result<Pod> {
    let pods: Api<Pod> = Api::namespaced(s.client(), namespace);
    let pod = json!({
        "metadata": metadata,
        "spec": {
            "containers": [{"name": "app", "image": "example.com/app:1"}],
            "automountServiceAccountToken": false,
        },
    });
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    Ok(pods.create(&dry_run, &serde_json::from_value(pod)?).await?)
}

async fn a_dry_run_shows_the_sidecar_and_stores_nothing(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let outside = s.namespace_with("outside", &json!({flippy_e2e::mesh::MESH_LABEL: null})).await?;
    let plain = json!({"generateName": "probe-"});
    let pod = shown(s, &shop, &plain).await?;
    assert_eq!(sidecar_image(&pod), Some(OLD_IMAGE));
    let spec = pod.spec.expect("a pod has a spec");
    let names: Vec<&str> = spec.containers.iter().map(|container| container.name.as_str()).collect();
    assert_eq!(names, ["app", SIDECAR]);
    assert!(pod.metadata.name.is_some_and(|name| name.starts_with("probe-") && name.len() == "probe-".len() + 5));
    assert!(pod.metadata.uid.is_some());

    s.mesh().upgrade(NEW_IMAGE).await?;
    assert_eq!(sidecar_image(&shown(s, &shop, &plain).await?), Some(NEW_IMAGE));
    let pinned = json!({"name": "pinned", "annotations": {PINNED_IMAGE_ANNOTATION: "example.com/own:1"}});
    assert_eq!(sidecar_image(&shown(s, &shop, &pinned).await?), Some("example.com/own:1"));
    let opted_out = json!({"name": "out", "labels": {"sidecar.istio.io/inject": "false"}});
    assert_eq!(sidecar_image(&shown(s, &shop, &opted_out).await?), None);
    assert_eq!(sidecar_image(&shown(s, &outside, &plain).await?), None);

    let pods: Api<Pod> = Api::namespaced(s.client(), &shop);
    assert_eq!(pods.list(&ListParams::default()).await?.items.len(), 0);
    Ok(())
}

async fn a_native_sidecar_is_an_init_container(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let spec = shown(s, &shop, &json!({"name": "probe"})).await?.spec.expect("a pod has a spec");
    assert_eq!(spec.containers.len(), 1);
    let init = spec.init_containers.unwrap_or_default();
    assert_eq!((init.len(), init[0].name.as_str(), init[0].restart_policy.as_deref()), (1, SIDECAR, Some("Always")));
    Ok(())
}
