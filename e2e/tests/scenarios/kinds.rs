//! Workloads that are not what they seem: injected by half, or with their template elsewhere.

use anyhow::Result;
use flippy_e2e::scenario::{NEW_IMAGE, Scenario};
use flippy_e2e::workloads::Workload;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::config::{MESH, waits, wanting};
use crate::outcome::{LIMIT, ready_because, restarted_once};

flippy_e2e::scenarios! {
    both: [
        pods_from_before_their_namespace_was_in_the_mesh_are_no_reason_for_a_restart,
        a_rollout_that_refers_to_a_deployment_is_restarted_in_its_place,
        a_stateful_set_whose_pods_start_in_parallel_is_restarted_through_its_template,
        a_stateful_set_that_a_bad_pod_has_wedged_holds_up_nobody_and_is_restarted_once_it_is_repaired,
        a_bare_pod_is_told_and_left_alone,
    ],
    real: [
        // Jobs are not simulated.
        the_pods_of_a_job_are_told_and_left_alone,
        // Not simulated: it takes Services.
        a_blue_green_rollout_is_restarted_without_a_new_revision,
    ],
}

async fn pods_from_before_their_namespace_was_in_the_mesh_are_no_reason_for_a_restart(s: &Scenario) -> Result<()> {
    let shop = s.namespace_with("shop", &json!({"flippy-e2e/mesh": null})).await?;
    let before =
        s.create_all(&shop, [Workload::deployment("before").replicas(2), Workload::deployment("half")]).await?;
    assert_eq!(s.sidecar_images(&before[0]).await?, <[String; 0]>::default());
    let namespaces: Api<Namespace> = Api::all(s.client());
    let labels = Patch::Merge(json!({"metadata": {"labels": {"flippy-e2e/mesh": s.id()}}}));
    namespaces.patch(&shop, &PatchParams::default(), &labels).await?;
    let after = s.create_all(&shop, [Workload::deployment("after")]).await?;
    // Of two pods one is from before.
    s.edit(&before[1], json!({"spec": {"replicas": 2}})).await?;
    s.rolled_out(&before[1]).await?;
    assert_eq!(s.sidecar_images(&before[1]).await?.len(), 1);
    let _operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;

    s.config(s.system(), MESH, wanting(s, &[NEW_IMAGE])).await?;

    let status = ready_because(s, MESH, "AllFresh").await?;
    assert_eq!(status["workloads"]["done"], "2/2", "{status}");
    restarted_once(s, [&after[0], &before[1]]).await
}

async fn a_rollout_that_refers_to_a_deployment_is_restarted_in_its_place(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    // Scaled down, as whoever migrates to a Rollout leaves it.
    s.create_all(&shop, [Workload::deployment("web").replicas(0)]).await?;
    let reference = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"});
    let rollout = Workload::rollout("web").replicas(2).spec("workloadRef", reference).spec("template", Value::Null);
    let rollout = rollout.spec("selector", json!({"matchLabels": {"app": "web"}}));
    let rollouts = s.create_all(&shop, [rollout]).await?;
    let _operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;

    s.config(s.system(), MESH, wanting(s, &[NEW_IMAGE])).await?;

    ready_because(s, MESH, "AllFresh").await?;
    s.fresh(&rollouts, NEW_IMAGE, LIMIT).await?;
    assert_eq!(s.requests()?.restarts().names(), [rollouts[0].path()]);
    assert!(s.get(&rollouts[0]).await?.data["spec"]["restartAt"].is_string());
    Ok(())
}

async fn a_stateful_set_whose_pods_start_in_parallel_is_restarted_through_its_template(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let db = Workload::stateful_set("db").replicas(3).spec("podManagementPolicy", json!("Parallel"));
    let workloads = s.create_all(&shop, [db]).await?;
    let _operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    let mut spec = wanting(s, &[NEW_IMAGE]);
    spec["RestartObjects"] = json!([{"Type": "StatefulSet", "StatusCheckConfig": waits(60)}]);
    s.config(s.system(), MESH, spec).await?;
    ready_because(s, MESH, "AllFresh").await?;
    s.fresh(&workloads, NEW_IMAGE, LIMIT).await?;
    assert_eq!(s.requests()?.evictions().count(), 0);
    restarted_once(s, &workloads).await
}

/// What the status says of one owner of stale pods, once the rest is done.
async fn left_alone(s: &Scenario, what: &str) -> Result<Value> {
    s.config(s.system(), MESH, wanting(s, &[NEW_IMAGE])).await?;
    s.config_status(s.system(), MESH, &format!("{what} to be told"), LIMIT, |status| {
        let all = status["leftAlone"].as_array().into_iter().flatten();
        all.into_iter().find(|one| one["workload"] == what).cloned().ok_or_else(|| status.to_string())
    })
    .await
}

/// The controller waits for a bad pod to get ready even when the template that made it is taken back
/// (<https://github.com/kubernetes/kubernetes/issues/67250>): another change of the template would do nothing, either.
async fn a_stateful_set_that_a_bad_pod_has_wedged_holds_up_nobody_and_is_restarted_once_it_is_repaired(
    s: &Scenario,
) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let workloads =
        s.create_all(&shop, [Workload::stateful_set("db").replicas(3), Workload::deployment("web")]).await?;
    let (db, web) = (&workloads[0], &workloads[1]);
    let template = |behaviour: Value| json!({"metadata": {"annotations": {"sim.test/behavior": behaviour}}});
    s.edit(db, json!({"spec": {"template": template(json!("never-ready"))}})).await?;
    let pods: Api<k8s_openapi::api::core::v1::Pod> = Api::namespaced(s.client(), &shop);
    flippy_e2e::wait::until(pods.clone(), "db-2", "the last pod to be replaced by a bad one", LIMIT, |pod| {
        let annotations = pod.and_then(|pod| pod.metadata.annotations.as_ref()).ok_or("there is none")?;
        annotations.get("sim.test/behavior").map(|_| ()).ok_or("it is the old one".to_owned())
    })
    .await?;
    s.edit(db, json!({"spec": {"template": template(Value::Null)}})).await?;
    let _operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;

    let mut spec = wanting(s, &[NEW_IMAGE]);
    let kinds = ["StatefulSet", "Deployment"].map(|kind| json!({"Type": kind, "StatusCheckConfig": waits(60)}));
    spec["RestartObjects"] = json!(kinds);
    s.config(s.system(), MESH, spec).await?;

    s.config_status(s.system(), MESH, "one workload done and the other on its way by itself", LIMIT, |status| {
        let workloads = &status["workloads"];
        let is_so = workloads["done"] == "1/2" && workloads["converging"] == 1;
        if is_so { Ok(()) } else { Err(workloads.to_string()) }
    })
    .await?;
    restarted_once(s, [web]).await?;
    pods.delete("db-2", &DeleteParams::default()).await?;
    ready_because(s, MESH, "AllFresh").await?;
    s.fresh(&workloads, NEW_IMAGE, LIMIT).await?;
    assert_eq!(s.requests()?.restarts().names(), [web.path(), db.path()]);
    // Its first, the bad one, and that of the restart.
    assert_eq!(s.revisions(db).await?, 3);
    Ok(())
}

async fn a_bare_pod_is_told_and_left_alone(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let workloads = s.create_all(&shop, [Workload::deployment("cart")]).await?;
    let bare = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "debug", "namespace": shop},
        "spec": {"containers": [{"name": "app", "image": "example.com/debug:1"}]},
    });
    flippy_e2e::apply::apply(&s.client(), &[bare]).await?;
    let _operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;

    let told = left_alone(s, &format!("Pod {shop}/debug")).await?;

    assert_eq!(told["reason"], "BarePod");
    let status = ready_because(s, MESH, "AllFresh").await?;
    assert_eq!(status["leftAlonePods"], 1, "{status}");
    assert_eq!(s.requests()?.evictions().count(), 0);
    restarted_once(s, &workloads).await
}

async fn the_pods_of_a_job_are_told_and_left_alone(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    // The nodes play a Job's work as done the moment that its pod runs, and finished pods are nobody's concern: it gets ready
    // later than anybody waits.
    let slow = json!({"annotations": {"sim.test/ready-delay": "1h"}});
    let job = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "report", "namespace": shop},
        "spec": {"template": {"metadata": slow, "spec": {
            "restartPolicy": "Never", "activeDeadlineSeconds": 3600, "terminationGracePeriodSeconds": 1,
            "containers": [{"name": "app", "image": "example.com/report:1"}],
        }}},
    });
    flippy_e2e::apply::apply(&s.client(), &[job]).await?;
    let _operator = s.operator().await?;
    // Its pod must be there before the mesh hands out another sidecar.
    let pods: Api<k8s_openapi::api::core::v1::Pod> = Api::namespaced(s.client(), &shop);
    flippy_e2e::wait::until_all(pods, kube::runtime::watcher::Config::default(), "the pod of the Job", LIMIT, |all| {
        if all.is_empty() { Err("there is none".to_owned()) } else { Ok(()) }
    })
    .await?;
    s.mesh().upgrade(NEW_IMAGE).await?;

    let told = left_alone(s, &format!("Job {shop}/report")).await?;

    assert_eq!(told["reason"], "JobPod");
    assert_eq!(s.requests()?.evictions().count(), 0);
    Ok(())
}

async fn a_blue_green_rollout_is_restarted_without_a_new_revision(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": shop},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
    });
    flippy_e2e::apply::apply(&s.client(), &[service]).await?;
    let strategy = json!({"blueGreen": {"activeService": "web", "autoPromotionEnabled": true}});
    let workloads = s.create_all(&shop, [Workload::rollout("web").replicas(2).spec("strategy", strategy)]).await?;
    let _operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;

    s.config(s.system(), MESH, wanting(s, &[NEW_IMAGE])).await?;

    ready_because(s, MESH, "AllFresh").await?;
    s.fresh(&workloads, NEW_IMAGE, LIMIT).await?;
    restarted_once(s, &workloads).await
}
