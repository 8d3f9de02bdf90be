//! What is left alone.

use anyhow::Result;
use flippy_e2e::scenario::{NEW_IMAGE, Scenario};
use flippy_e2e::workloads::Workload;
use serde_json::json;

use crate::config::{MESH, wanting};
use crate::outcome::{ready_because, restarted_once};

flippy_e2e::scenarios! {
    both: [
        the_ignore_key_is_heeded_on_namespace_workload_and_template,
        another_ignore_key_takes_the_place_of_the_usual_one,
        the_usual_ignore_key_says_nothing_when_another_one_is_chosen,
        objects_without_any_annotations_can_be_restarted,
    ],
}

async fn the_ignore_key_is_heeded_on_namespace_workload_and_template(s: &Scenario) -> Result<()> {
    leaves_alone(s, "flippy-ignore", &[]).await
}

async fn another_ignore_key_takes_the_place_of_the_usual_one(s: &Scenario) -> Result<()> {
    leaves_alone(s, "example.com/leave-alone", &["--flippy-ignore-key=example.com/leave-alone"]).await
}

async fn leaves_alone(s: &Scenario, key: &str, arguments: &[&str]) -> Result<()> {
    let ignored = s.namespace_with("ignored", &json!({key: "true"})).await?;
    let shop = s.namespace("shop").await?;
    s.create_all(&ignored, [Workload::deployment("a"), Workload::rollout("b")]).await?;
    s.create_all(
        &shop,
        [
            Workload::deployment("c").annotation(key, "true"),
            Workload::deployment("d").pod_annotation(key, "true"),
            Workload::rollout("e").annotation(key, "true"),
            Workload::rollout("f").pod_annotation(key, "true"),
        ],
    )
    .await?;
    let restarted = [
        Workload::deployment("g"),
        Workload::deployment("h").annotation(key, "false"),
        Workload::deployment("i").annotation("example.com/ignore", "true"),
        Workload::rollout("j"),
    ];
    let restarted = s.create_all(&shop, restarted).await?;
    let _operator = s.operator_with(arguments).await?;
    s.mesh().upgrade(NEW_IMAGE).await?;

    s.config(s.system(), MESH, wanting(s, &[NEW_IMAGE])).await?;

    let status = ready_because(s, MESH, "AllFresh").await?;
    assert_eq!(status["workloads"]["done"], "4/4", "{status}");
    restarted_once(s, &restarted).await
}

async fn the_usual_ignore_key_says_nothing_when_another_one_is_chosen(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let cart = s.create_all(&shop, [Workload::deployment("cart").annotation("flippy-ignore", "true")]).await?;
    let _operator = s.operator_with(&["--flippy-ignore-key=example.com/leave-alone"]).await?;
    s.mesh().upgrade(NEW_IMAGE).await?;

    s.config(s.system(), MESH, wanting(s, &[NEW_IMAGE])).await?;

    ready_because(s, MESH, "AllFresh").await?;
    restarted_once(s, &cart).await
}

async fn objects_without_any_annotations_can_be_restarted(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let workloads = s.create_all(&shop, [Workload::deployment("cart"), Workload::rollout("search")]).await?;
    // Argo has put its own there, and may put them back at any time.
    s.edit(&workloads[1], json!({"metadata": {"annotations": null}})).await?;
    let cart = s.get(&workloads[0]).await?;
    assert_eq!(cart.data["spec"]["template"]["metadata"]["annotations"], json!(null));
    s.mesh().upgrade(NEW_IMAGE).await?;
    let _operator = s.operator().await?;

    s.config(s.system(), MESH, wanting(s, &[NEW_IMAGE])).await?;

    ready_because(s, MESH, "AllFresh").await?;
    restarted_once(s, &workloads).await
}
