//! Admission is asked what new pods would get.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use flippy_e2e::config::condition;
use flippy_e2e::observe;
use flippy_e2e::scenario::{NEW_IMAGE, OLD_IMAGE, Scenario};
use flippy_e2e::workloads::{Workload, WorkloadRef};
use k8s_openapi::api::core::v1::{Namespace, Pod, ResourceQuota};
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::config::{MESH, waits, wanting};
use crate::outcome::{LIMIT, condition_because, ready_because, restarted_once};

flippy_e2e::scenarios! {
    both: [
        without_any_list_every_workload_gets_what_admission_gives,
        a_list_ahead_of_the_mesh_costs_no_restart_and_the_rest_follows_the_upgrade,
        a_workload_without_a_sidecar_gets_one_where_the_config_says_so,
        what_is_evicted_is_asked_about_before_the_first_pod_goes,
    ],
    // Rights, quotas, policies: only a real API server has them.
    real: [
        nothing_but_a_dry_run_gets_past_the_fence,
        without_the_right_the_config_says_which_one_is_missing,
        a_pod_that_a_quota_would_refuse_is_not_taken_away,
    ],
}

/// A spec that names no images.
fn asking(s: &Scenario) -> Value {
    let mut spec = wanting(s, &[]);
    spec["DriftDetection"] = json!("Injection");
    let kinds = ["Deployment", "StatefulSet", "DaemonSet", "ArgoRollout"];
    spec["RestartObjects"] = kinds.map(|kind| json!({"Type": kind, "StatusCheckConfig": waits(60)})).into();
    spec
}

async fn without_any_list_every_workload_gets_what_admission_gives(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let pinned = Workload::deployment("pinned").pod_annotation(flippy_e2e::mesh::PINNED_IMAGE_ANNOTATION, OLD_IMAGE);
    let workloads = [
        Workload::deployment("cart"),
        Workload::stateful_set("db"),
        Workload::daemon_set("node"),
        Workload::rollout("till"),
    ];
    let workloads = s.create_all(&shop, workloads).await?;
    s.create_all(&shop, [pinned]).await?;
    s.may_ask_admission().await?;
    let _operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;

    s.config(s.system(), MESH, asking(s)).await?;

    let status = ready_because(s, MESH, "AllFresh").await?;
    s.fresh(&workloads, NEW_IMAGE, LIMIT).await?;
    restarted_once(s, &workloads).await?;
    // The one that pins its own image gets that from admission, and so is fresh.
    assert_eq!(status["desiredImages"], json!([OLD_IMAGE, NEW_IMAGE]), "{status}");
    let asked = s.requests()?.verb("create").resource("pods");
    ensure!(asked.iter().all(flippy_e2e::audit::Request::is_dry_run), "a pod was created:\n{}", asked.table());
    ensure!((5..=20).contains(&asked.count()), "{} questions were asked about five workloads", asked.count());
    Ok(())
}

async fn a_list_ahead_of_the_mesh_costs_no_restart_and_the_rest_follows_the_upgrade(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let workloads = (0..8).map(|number| Workload::deployment(&format!("w{number}")));
    let workloads = s.create_all(&shop, workloads).await?;
    s.may_ask_admission().await?;
    let _operator = s.operator().await?;
    let mut spec = asking(s);
    spec["ImageList"] = json!([NEW_IMAGE]);
    s.config(s.system(), MESH, spec).await?;

    let status = ready_because(s, MESH, "RestartsFutile").await?;
    assert_eq!(condition(&status, "Stalled").expect("it is always there")["status"], "True", "{status}");
    assert_eq!(status["blocked"][0]["reason"], "SameImageForeseen", "{status}");
    assert_eq!(s.requests()?.restarts().count(), 0);

    // The mesh is upgraded, and some pod is replaced: that is seen, and admission asked anew.
    s.mesh().upgrade(NEW_IMAGE).await?;
    replace_a_pod(s, &workloads[5]).await?;

    ready_because(s, MESH, "AllFresh").await?;
    s.fresh(&workloads, NEW_IMAGE, LIMIT).await?;
    assert_eq!(s.requests()?.restarts().count(), 7, "everything once, except the one whose pod was replaced");
    Ok(())
}

async fn a_workload_without_a_sidecar_gets_one_where_the_config_says_so(s: &Scenario) -> Result<()> {
    let shop = s.namespace_with("shop", &json!({flippy_e2e::mesh::MESH_LABEL: null})).await?;
    let workloads = s.create_all(&shop, ["cart", "search"].map(Workload::deployment)).await?;
    assert_eq!(s.sidecar_images(&workloads[0]).await?, [""; 0], "the namespace is not in the mesh");
    s.may_ask_admission().await?;
    let _operator = s.operator().await?;
    let joins = json!({"metadata": {"labels": {flippy_e2e::mesh::MESH_LABEL: s.mesh().name()}}});
    Api::<Namespace>::all(s.client()).patch(&shop, &PatchParams::default(), &Patch::Merge(joins)).await?;
    s.config(s.system(), MESH, asking(s)).await?;
    ready_because(s, MESH, "AllFresh").await?;
    assert_eq!(s.requests()?.restarts().count(), 0, "a missing sidecar is ignored unless the config says otherwise");

    let mut spec = asking(s);
    spec["MissingSidecar"] = json!("Restart");
    s.config(s.system(), MESH, spec).await?;

    s.fresh(&workloads, OLD_IMAGE, LIMIT).await?;
    restarted_once(s, &workloads).await
}

async fn what_is_evicted_is_asked_about_before_the_first_pod_goes(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let workloads = [
        Workload::stateful_set("db").replicas(2).on_delete(),
        Workload::replica_set("set"),
        Workload::replication_controller("controller"),
    ];
    let workloads = s.create_all(&shop, workloads).await?;
    s.may_ask_admission().await?;
    let _operator = s.operator().await?;
    let mut spec = asking(s);
    spec["ImageList"] = json!([NEW_IMAGE]);
    let kinds = ["StatefulSet", "ReplicaSet", "ReplicationController"];
    spec["RestartObjects"] = kinds.map(|kind| json!({"Type": kind, "StatusCheckConfig": waits(60)})).into();
    s.config(s.system(), MESH, spec).await?;

    let status = ready_because(s, MESH, "RestartsFutile").await?;
    let reasons: Vec<&Value> = status["blocked"].as_array().into_iter().flatten().map(|one| &one["reason"]).collect();
    assert_eq!(reasons, ["SameImageForeseen"; 3], "{status}");
    let requests = s.requests()?;
    assert_eq!((requests.restarts().count(), requests.evictions().count()), (0, 0), "{}", requests.table());

    s.mesh().upgrade(NEW_IMAGE).await?;
    replace_a_pod(s, &workloads[0]).await?;

    ready_because(s, MESH, "AllFresh").await?;
    s.fresh(&workloads, NEW_IMAGE, LIMIT).await?;
    let pods: usize = workloads.iter().map(|workload| workload.replicas).sum();
    assert_eq!(s.requests()?.evictions().count(), pods - 1, "every pod once, except the one that was replaced");
    Ok(())
}

async fn nothing_but_a_dry_run_gets_past_the_fence(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    s.install().await?;
    s.may_ask_admission().await?;
    let pods: Api<Pod> = Api::namespaced(s.cluster()?.user(&s.user()).await?, &shop);
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {"generateName": "probe-"}, "spec": {"containers": [{"name": "app", "image": "example.com/probe:1"}]},
    }))?;

    let why = denied_by_the_fence(&pods, &pod).await?;

    ensure!(why.contains("flippy-creates-pods-on-dry-runs-only"), "somebody else denied it: {why}");
    let shown = pods.create(&PostParams { dry_run: true, ..PostParams::default() }, &pod).await?;
    assert_eq!(flippy_e2e::mesh::sidecar_image(&shown), Some(OLD_IMAGE));
    // Nobody else is fenced in.
    let others: Api<Pod> = Api::namespaced(s.client(), &shop);
    others.create(&PostParams::default(), &pod).await.context("an administrator may create pods")?;
    Ok(())
}

/// Tries to create a real pod until the API server, which learns of rights and policies by its own watches, denies it for
/// what the policy says.
async fn denied_by_the_fence(pods: &Api<Pod>, pod: &Pod) -> Result<String> {
    for _ in 0..400 {
        match pods.create(&PostParams::default(), pod).await {
            Err(kube::Error::Api(status)) if status.message.contains("on a dry run only") => return Ok(status.message),
            // Neither the right nor the policy is in force, or the right only.
            Err(kube::Error::Api(status)) if status.code == 403 => {}
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    anyhow::bail!("a real pod is not denied")
}

async fn without_the_right_the_config_says_which_one_is_missing(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let workloads = s.create_all(&shop, ["cart", "search"].map(Workload::deployment)).await?;
    s.denials_are_expected();
    let _operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    s.config(s.system(), MESH, asking(s)).await?;
    let status = condition_because(s, MESH, "Stalled", "WorkloadsBlocked").await?;
    let why = condition(&status, "Stalled").expect("it is there")["message"].as_str().unwrap_or_default().to_owned();
    ensure!(
        why.contains("may not create pods on a dry run") && why.contains("deploy/optional/ask-admission.yaml"),
        "{why}"
    );
    assert_eq!(status["blocked"][0]["reason"], "AdmissionUnknown", "{status}");
    assert_eq!(s.requests()?.restarts().count(), 0);

    s.may_ask_admission().await?;

    s.fresh(&workloads, NEW_IMAGE, LIMIT).await?;
    restarted_once(s, &workloads).await
}

async fn a_pod_that_a_quota_would_refuse_is_not_taken_away(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let workloads = s.create_all(&shop, [Workload::deployment("cart")]).await?;
    s.denials_are_expected();
    s.may_ask_admission().await?;
    let _operator = s.operator().await?;
    let quotas: Api<ResourceQuota> = Api::namespaced(s.client(), &shop);
    let quota = json!({"metadata": {"name": "small"}, "spec": {"hard": {"pods": "1"}}});
    quotas.create(&PostParams::default(), &serde_json::from_value(quota)?).await?;
    observe_quota(&quotas).await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    s.config(s.system(), MESH, asking(s)).await?;

    let status = condition_because(s, MESH, "Stalled", "WorkloadsBlocked").await?;

    assert_eq!(status["blocked"][0]["reason"], "PodsRefused", "{status}");
    let why = status["blocked"][0]["message"].as_str().unwrap_or_default();
    ensure!(why.contains("exceeded quota: small"), "{why}");
    assert_eq!(s.requests()?.restarts().count(), 0);
    quotas.delete("small", &DeleteParams::default()).await?;
    s.fresh(&workloads, NEW_IMAGE, LIMIT).await?;
    restarted_once(s, &workloads).await
}

/// Waits until a quota is in force: its controller has counted what there is.
async fn observe_quota(quotas: &Api<ResourceQuota>) -> Result<()> {
    flippy_e2e::wait::until(quotas.clone(), "small", "the quota to be counted", LIMIT, |quota| {
        let used = quota.and_then(|quota| quota.status.as_ref()?.used.as_ref()?.get("pods"));
        if used.is_some_and(|used| used.0 == "1") { Ok(()) } else { Err(format!("{used:?} are used")) }
    })
    .await
}

async fn replace_a_pod(s: &Scenario, workload: &WorkloadRef) -> Result<()> {
    let pods = observe::pods(&s.client(), workload).await?;
    let name = pods[0].metadata.name.as_deref().expect("a stored pod has a name");
    Api::<Pod>::namespaced(s.client(), &workload.namespace).delete(name, &DeleteParams::default()).await?;
    Ok(())
}
