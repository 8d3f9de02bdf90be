//! Restarts by eviction: pod by pod, each once the one before is replaced and ready.

use std::time::Duration;

use anyhow::{Result, ensure};
use flippy_e2e::mesh::sidecar_image;
use flippy_e2e::scenario::{NEW_IMAGE, Scenario};
use flippy_e2e::wait;
use flippy_e2e::workloads::{APP_LABEL, Kind, Workload, WorkloadRef};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::ResourceExt;
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::runtime::watcher;
use serde_json::{Value, json};

use crate::config::{MESH, waits, wanting};
use crate::outcome::{LIMIT, condition_because, listed, ready_because};

flippy_e2e::scenarios! {
    both: [
        a_stateful_set_on_delete_loses_one_pod_at_a_time_the_highest_ordinal_first,
        pods_below_a_partition_are_replaced_too,
        a_daemon_set_on_delete_loses_one_pod_at_a_time,
        replica_sets_and_replication_controllers_that_nobody_owns_are_evicted,
        a_deployment_is_evicted_without_a_new_revision_if_so_wished,
        an_eviction_that_a_budget_forbids_is_waited_for,
        suspending_stops_the_next_eviction,
        a_pod_that_comes_back_stale_is_the_last_to_go,
        an_operator_that_is_killed_again_and_again_evicts_nothing_twice_and_forgets_nothing,
        a_mark_that_its_owner_takes_away_is_not_fought_over,
    ],
}

const MARK: &str = "flippy.keikoproj.io/restarted-for";

/// Wants the new image in workloads of every kind, with this method.
fn evicting(s: &Scenario, strategy: &Value) -> Value {
    let mut spec = wanting(s, &[NEW_IMAGE]);
    let kinds = ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController"];
    spec["RestartObjects"] = kinds.map(|kind| json!({"Type": kind, "StatusCheckConfig": waits(60)})).into();
    spec["Strategy"] = strategy.clone();
    spec
}

fn slow(workload: Workload) -> Workload {
    workload.ready_delay(Duration::from_millis(500))
}

/// Watches the pods of a workload until all of them run the new image and are ready. Never is more than one missing.
async fn one_at_a_time(s: &Scenario, workload: &WorkloadRef) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(s.client(), &workload.namespace);
    let selection = watcher::Config::default().labels(&format!("{APP_LABEL}={}", workload.name));
    let mut fewest = workload.replicas;
    let what = format!("all pods of {workload} to be replaced");
    wait::until_all(pods, selection, &what, LIMIT, |pods: &[&Pod]| {
        let ready: Vec<&&Pod> = pods.iter().filter(|pod| is_ready(pod)).collect();
        fewest = fewest.min(ready.len());
        let fresh = ready.iter().filter(|pod| sidecar_image(pod) == Some(NEW_IMAGE)).count();
        if fresh == workload.replicas { Ok(()) } else { Err(format!("{fresh} of {} are", workload.replicas)) }
    })
    .await?;
    ensure!(fewest + 1 >= workload.replicas, "only {fewest} pods of {workload} were ready");
    Ok(())
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    pod.metadata.deletion_timestamp.is_none()
        && conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// It was marked once and evicted completely, and its template was not touched.
async fn evicted_once(s: &Scenario, workload: &WorkloadRef) -> Result<()> {
    let requests = s.requests()?;
    assert_eq!(requests.restarts().names(), [workload.path()]);
    assert_eq!(requests.evictions().count(), workload.replicas, "{}", requests.table());
    assert_eq!(s.revisions(workload).await?, 1);
    let object = s.get(workload).await?;
    assert!(object.annotations().contains_key(MARK), "{:?}", object.annotations());
    assert_eq!(object.data["spec"]["template"]["metadata"]["annotations"][MARK], json!(null));
    Ok(())
}

/// Creates it, upgrades the mesh, and sees it through.
async fn is_replaced_pod_by_pod(s: &Scenario, workload: Workload, strategy: &Value) -> Result<WorkloadRef> {
    let shop = s.namespace("shop").await?;
    let workload = s.create_all(&shop, [slow(workload)]).await?.remove(0);
    let _operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    s.config(s.system(), MESH, evicting(s, strategy)).await?;
    one_at_a_time(s, &workload).await?;
    ready_because(s, MESH, "AllFresh").await?;
    evicted_once(s, &workload).await?;
    Ok(workload)
}

async fn a_stateful_set_on_delete_loses_one_pod_at_a_time_the_highest_ordinal_first(s: &Scenario) -> Result<()> {
    let db = is_replaced_pod_by_pod(s, Workload::stateful_set("db").replicas(3).on_delete(), &json!({})).await?;
    let expected = ["db-2", "db-1", "db-0"].map(|pod| format!("{}/{pod}", db.namespace));
    assert_eq!(s.requests()?.evictions().names(), expected);
    Ok(())
}

async fn pods_below_a_partition_are_replaced_too(s: &Scenario) -> Result<()> {
    let strategy = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 2}});
    let db = Workload::stateful_set("db").replicas(3).spec("updateStrategy", strategy);
    is_replaced_pod_by_pod(s, db, &json!({})).await?;
    Ok(())
}

async fn a_daemon_set_on_delete_loses_one_pod_at_a_time(s: &Scenario) -> Result<()> {
    is_replaced_pod_by_pod(s, Workload::daemon_set("agent").on_delete(), &json!({})).await?;
    Ok(())
}

async fn replica_sets_and_replication_controllers_that_nobody_owns_are_evicted(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    // The pods of the Deployment have a ReplicaSet, too, which is none of its own.
    let workloads =
        [Workload::deployment("web"), Workload::replica_set("old"), Workload::replication_controller("older")];
    let workloads = s.create_all(&shop, workloads.map(|workload| slow(workload.replicas(2)))).await?;
    let _operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    s.config(s.system(), MESH, evicting(s, &json!({}))).await?;
    for workload in &workloads[1..] {
        one_at_a_time(s, workload).await?;
    }
    let status = ready_because(s, MESH, "AllFresh").await?;
    assert_eq!(status["workloads"]["done"], "3/3", "{status}");
    s.fresh(&workloads, NEW_IMAGE, LIMIT).await?;
    let requests = s.requests()?;
    assert_eq!(requests.evictions().count(), 4, "{}", requests.table());
    assert_eq!(requests.restarts().names(), workloads.iter().map(WorkloadRef::path).collect::<Vec<_>>());
    Ok(())
}

async fn a_deployment_is_evicted_without_a_new_revision_if_so_wished(s: &Scenario) -> Result<()> {
    is_replaced_pod_by_pod(s, Workload::deployment("web").replicas(2), &json!({"Method": "Evict"})).await?;
    Ok(())
}

async fn an_eviction_that_a_budget_forbids_is_waited_for(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let slow = Workload::stateful_set("db").replicas(3).on_delete().ready_delay(Duration::from_secs(3));
    let db = s.create_all(&shop, [slow]).await?.remove(0);
    let _operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    s.config(s.system(), MESH, evicting(s, &json!({"MaxFailures": 0}))).await?;
    a_pod_goes(s, &db).await?;

    // Once the first pod is replaced, it allows no other one to go.
    let budgets: Api<PodDisruptionBudget> = Api::namespaced(s.client(), &shop);
    let budget = json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "db", "namespace": shop},
        "spec": {"minAvailable": 3, "selector": {"matchLabels": {APP_LABEL: "db"}}},
    });
    budgets.create(&PostParams::default(), &serde_json::from_value(budget)?).await?;

    s.config_status(s.system(), MESH, "the budget to be waited for", LIMIT, |status| {
        let entry = listed(status, "inFlight", &db).ok_or("it is not under way")?;
        let message = entry["message"].as_str().unwrap_or_default();
        let is_said = message.contains("2 pods are still to go") && message.contains("disruption budget db");
        if is_said { Ok(()) } else { Err(message.to_owned()) }
    })
    .await?;
    assert_eq!(s.requests()?.evictions().count(), 1);

    let change = Patch::Merge(json!({"spec": {"minAvailable": 2}}));
    budgets.patch("db", &PatchParams::default(), &change).await?;

    one_at_a_time(s, &db).await?;
    ready_because(s, MESH, "AllFresh").await?;
    evicted_once(s, &db).await
}

/// Waits until a pod of a workload is on its way out, or has been replaced.
async fn a_pod_goes(s: &Scenario, workload: &WorkloadRef) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(s.client(), &workload.namespace);
    let selection = watcher::Config::default().labels(&format!("{APP_LABEL}={}", workload.name));
    wait::until_all(pods, selection, "a pod to go", LIMIT, |pods: &[&Pod]| {
        let ready = pods.iter().filter(|pod| is_ready(pod)).count();
        if ready < workload.replicas { Ok(()) } else { Err("all are ready".to_owned()) }
    })
    .await
}

async fn suspending_stops_the_next_eviction(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let slow = Workload::stateful_set("db").replicas(3).on_delete().ready_delay(Duration::from_secs(3));
    let db = s.create_all(&shop, [slow]).await?.remove(0);
    let _operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    let mut spec = evicting(s, &json!({}));
    s.config(s.system(), MESH, spec.clone()).await?;
    a_pod_goes(s, &db).await?;

    spec["Suspend"] = json!(true);
    s.config(s.system(), MESH, spec.clone()).await?;
    condition_because(s, MESH, "RestartsAllowed", "Suspended").await?;

    // Its replacement is ready: nothing but the config is in the way of the next one.
    s.rolled_out(&db).await?;
    s.config_status(s.system(), MESH, "the next pod to be ready to go", LIMIT, |status| {
        let entry = listed(status, "inFlight", &db).ok_or("it is not under way")?;
        let message = entry["message"].as_str().unwrap_or_default();
        if message.contains("2 pods are still to go, db-1 first") { Ok(()) } else { Err(message.to_owned()) }
    })
    .await?;
    assert_eq!(s.requests()?.evictions().count(), 1);

    spec["Suspend"] = json!(false);
    s.config(s.system(), MESH, spec).await?;
    ready_because(s, MESH, "AllFresh").await?;
    evicted_once(s, &db).await
}

async fn a_pod_that_comes_back_stale_is_the_last_to_go(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let db = s.create_all(&shop, [Workload::stateful_set("db").replicas(3).on_delete()]).await?.remove(0);
    let _operator = s.operator().await?;

    // The mesh was not upgraded.
    s.config(s.system(), MESH, evicting(s, &json!({}))).await?;

    let status = ready_because(s, MESH, "WorkloadsBlocked").await?;
    assert_eq!(listed(&status, "blocked", &db).unwrap_or(&Value::Null)["reason"], "SameImageAgain", "{status}");
    assert_eq!(s.requests()?.evictions().names(), [format!("{shop}/db-2")]);
    Ok(())
}

async fn an_operator_that_is_killed_again_and_again_evicts_nothing_twice_and_forgets_nothing(
    s: &Scenario,
) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let db = s.create_all(&shop, [slow(Workload::stateful_set("db").replicas(4).on_delete())]).await?.remove(0);
    s.mesh().upgrade(NEW_IMAGE).await?;
    let mut operator = s.operator().await?;
    s.config(s.system(), MESH, evicting(s, &json!({}))).await?;
    for ordinal in [3, 2, 1] {
        let pods: Api<Pod> = Api::namespaced(s.client(), &shop);
        let name = format!("db-{ordinal}");
        wait::until(pods, &name, "it to be replaced", LIMIT, |pod: Option<&Pod>| {
            let image = pod.and_then(sidecar_image);
            if image == Some(NEW_IMAGE) { Ok(()) } else { Err(format!("it runs {image:?}")) }
        })
        .await?;
        operator.kill();
        operator = s.operator().await?;
    }
    one_at_a_time(s, &db).await?;
    ready_because(s, MESH, "AllFresh").await?;
    evicted_once(s, &db).await
}

async fn a_mark_that_its_owner_takes_away_is_not_fought_over(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let slow = Workload::stateful_set("db").replicas(3).on_delete().ready_delay(Duration::from_secs(2));
    let db = s.create_all(&shop, [slow]).await?.remove(0);
    let _operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    s.config(s.system(), MESH, evicting(s, &json!({}))).await?;
    a_pod_goes(s, &db).await?;

    let annotations = json!({MARK: null, "flippy.keikoproj.io/restarted-at": null});
    s.edit(&db, json!({"metadata": {"annotations": annotations}})).await?;

    let status = ready_because(s, MESH, "WorkloadsBlocked").await?;
    assert_eq!(listed(&status, "blocked", &db).unwrap_or(&Value::Null)["reason"], "RevertedByOwner", "{status}");
    assert_eq!(db.kind, Kind::StatefulSet);
    assert_eq!(s.requests()?.evictions().count(), 1);
    Ok(())
}
