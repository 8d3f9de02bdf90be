//! Flippy beside tools that keep a cluster as a repository says.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use flippy_e2e::assets::Assets;
use flippy_e2e::observe;
use flippy_e2e::scenario::{NEW_IMAGE, Scenario};
use flippy_e2e::workloads::{Behaviour, Workload, WorkloadRef};
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use crate::config::{MESH, waits, wanting};
use crate::outcome::{LIMIT, condition_because, mark, ready_because, restarted_once};

flippy_e2e::scenarios! {
    both: [
        a_tool_that_applies_whole_manifests_again_and_again_and_flippy_do_not_undo_each_others_work,
    ],
    // Only the real API server fills in defaults, and the programs of Argo CD and Flux are asked what they make of it.
    real: [
        kstatus_and_argo_cd_read_the_status_as_it_is_meant_at_every_turn,
    ],
}

async fn a_tool_that_applies_whole_manifests_again_and_again_and_flippy_do_not_undo_each_others_work(
    s: &Scenario,
) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let manifests: Vec<(WorkloadRef, Value)> = [
        Workload::deployment("cart").replicas(2).pod_annotation("example.com/commit", "1"),
        Workload::stateful_set("db"),
        Workload::rollout("search"),
    ]
    .into_iter()
    .map(|workload| (workload.reference(&shop), workload.manifest(&shop)))
    .collect();
    for (workload, manifest) in &manifests {
        synchronise(s, workload, manifest).await?;
        s.rolled_out(workload).await?;
    }
    let workloads: Vec<&WorkloadRef> = manifests.iter().map(|(workload, _)| workload).collect();
    let _operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    let mut spec = wanting(s, &[NEW_IMAGE]);
    let kinds = ["Deployment", "StatefulSet", "ArgoRollout"];
    spec["RestartObjects"] = kinds.map(|kind| json!({"Type": kind, "StatusCheckConfig": waits(60)})).into();
    s.config(s.system(), MESH, spec).await?;
    ready_because(s, MESH, "AllFresh").await?;
    let mut specs = BTreeMap::new();
    for workload in &workloads {
        specs.insert(workload.path(), s.get(workload).await?.data["spec"].clone());
    }

    for _ in 0..3 {
        for (workload, manifest) in &manifests {
            let applied = synchronise(s, workload, manifest).await?;
            assert!(mark(workload.kind, &applied).is_some(), "{workload} lost the mark of its restart");
            assert_eq!(applied.data["spec"], specs[&workload.path()], "{workload} was changed");
        }
    }

    restarted_once(s, workloads.iter().copied()).await?;
    // Nor does Flippy's restart stay in the way of a new commit.
    let (cart, mut manifest) = manifests[0].clone();
    manifest["spec"]["template"]["metadata"]["annotations"]["example.com/commit"] = json!("2");
    let applied = synchronise(s, &cart, &manifest).await?;
    assert_eq!(applied.data["spec"]["template"]["metadata"]["annotations"]["example.com/commit"], "2");
    assert!(mark(cart.kind, &applied).is_some(), "the commit took the mark along");
    s.rolled_out(&cart).await?;
    ready_because(s, MESH, "AllFresh").await?;
    assert_eq!(s.requests()?.restarts().count(), manifests.len(), "the commit led to another restart");
    Ok(())
}

/// What Argo CD with server-side apply, and Flux, do at every synchronisation: the whole manifest, by their own field
/// manager, over whatever is there.
async fn synchronise(s: &Scenario, workload: &WorkloadRef, manifest: &Value) -> Result<DynamicObject> {
    let mut manifest = manifest.clone();
    // As every workload of a scenario, so that its pods are found.
    manifest["spec"]["template"]["metadata"]["labels"][flippy_e2e::scenario::SCENARIO_LABEL] = json!(s.id());
    // Argo Rollouts writes the first into a spec that lacks it, and takes the second out.
    manifest["spec"]["template"]["spec"]["containers"][0]["resources"] = json!({});
    if let Some(template) = manifest.pointer_mut("/spec/template/metadata").and_then(Value::as_object_mut) {
        template.retain(|_, value| *value != json!({}));
    }
    let parameters = PatchParams::apply("gitops").force();
    Ok(observe::api(&s.client(), workload).patch(&workload.name, &parameters, &Patch::Apply(manifest)).await?)
}

async fn kstatus_and_argo_cd_read_the_status_as_it_is_meant_at_every_turn(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    s.create_all(&shop, [Workload::deployment("cart").ready_delay(Duration::from_millis(500))]).await?;
    let bad = Workload::deployment("bad").behaviour(Behaviour::NeverReady);
    s.mesh().upgrade(NEW_IMAGE).await?;
    let mut spec = wanting(s, &[NEW_IMAGE]);
    spec["Suspend"] = json!(true);

    s.config(s.system(), MESH, spec.clone()).await?;
    assert_eq!(read(s).await?, ("InProgress", "Progressing".to_owned()), "nobody has looked at it");

    let _operator = s.operator().await?;
    condition_because(s, MESH, "RestartsAllowed", "Suspended").await?;
    assert_eq!(read(s).await?.1, "Suspended");

    spec["Suspend"] = json!(false);
    s.config(s.system(), MESH, spec.clone()).await?;
    assert_ne!(read(s).await?.0, "Failed");
    ready_because(s, MESH, "AllFresh").await?;
    assert_eq!(read(s).await?, ("Current", "Healthy".to_owned()));

    spec["Preconditions"] = json!([{
        "K8S": {"Type": "Deployment", "Namespace": shop, "Name": "missing"}, "StatusCheckConfig": waits(1),
    }]);
    spec["ImageList"] = json!(["docker.io/istio/proxyv2:1.30.9"]);
    s.create(&shop, bad).await?;
    s.config(s.system(), MESH, spec).await?;
    s.config_status(s.system(), MESH, "it to be stalled", LIMIT, |status| {
        let stalled = flippy_e2e::config::condition(status, "Stalled").ok_or("it says nothing")?;
        if stalled["status"] == "True" { Ok(()) } else { Err(stalled.to_string()) }
    })
    .await?;
    assert_eq!(read(s).await?, ("Failed", "Degraded".to_owned()));
    Ok(())
}

/// What kstatus and Argo CD say of the config now.
async fn read(s: &Scenario) -> Result<(&'static str, String)> {
    let config = s.configs(s.system()).get(MESH).await?;
    Ok((kstatus(&config), argo_cd(s, &config)?))
}

/// The rules of kstatus for kinds that it does not know (fluxcd/cli-utils, `pkg/kstatus/status/generic.go` and `core.go`).
fn kstatus(object: &DynamicObject) -> &'static str {
    if object.metadata.deletion_timestamp.is_some() {
        return "Terminating";
    }
    let status = &object.data["status"];
    if status["observedGeneration"].as_i64().is_some_and(|observed| Some(observed) != object.metadata.generation) {
        return "InProgress";
    }
    let is = |type_: &str, wanted: &str| {
        flippy_e2e::config::condition(status, type_).is_some_and(|condition| condition["status"] == wanted)
    };
    if is("Reconciling", "True") {
        "InProgress"
    } else if is("Stalled", "True") {
        "Failed"
    } else if is("Ready", "False") || is("Ready", "Unknown") {
        "InProgress"
    } else {
        "Current"
    }
}

/// Runs the health check of the docs by the Lua that Argo CD uses.
fn argo_cd(s: &Scenario, config: &DynamicObject) -> Result<String> {
    let health = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/argo-cd/health.lua");
    let health = std::fs::read_to_string(health)?;
    let mut script = format!("obj = {}\nlocal function check()\n{health}\nend\n", lua(&serde_json::to_value(config)?));
    script.push_str("local health = check()\nassert(health.message)\nprint(health.status)\n");
    let path = s.cluster()?.directory().join("health.lua");
    std::fs::write(&path, script)?;
    let output = Command::new(Assets::find()?.binary("glua")).arg(&path).output()?;
    let printed = String::from_utf8(output.stdout)?;
    ensure!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    Ok(printed.lines().last().context("it says nothing")?.to_owned())
}

fn lua(value: &Value) -> String {
    match value {
        Value::Null => "nil".to_owned(),
        Value::String(text) => {
            let mut quoted = String::from("\"");
            for byte in text.bytes() {
                write!(quoted, "\\{byte:03}").expect("a text takes everything");
            }
            quoted + "\""
        }
        Value::Array(values) => {
            let values: Vec<String> = values.iter().map(lua).collect();
            format!("{{{}}}", values.join(", "))
        }
        Value::Object(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|(name, value)| format!("[{}] = {}", lua(&json!(name)), lua(value))).collect();
            format!("{{{}}}", fields.join(", "))
        }
        number_or_bool => number_or_bool.to_string(),
    }
}
