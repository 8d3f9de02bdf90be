//! What statuses say in the course of a restart.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result};
use flippy_e2e::nodes::NODES;
use flippy_e2e::observe;
use flippy_e2e::scenario::{NEW_IMAGE, Scenario};
use flippy_e2e::wait;
use flippy_e2e::workloads::{Kind, Workload, WorkloadRef};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DynamicObject, WatchEvent, WatchParams};
use kube::runtime::watcher;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

flippy_e2e::scenarios! {
    both: [
        a_restarted_deployment_is_never_complete_before_its_pods_are_replaced,
        every_kind_ends_with_counts_that_agree_and_one_more_revision,
        a_paused_deployment_observes_a_restart_and_does_nothing,
        a_deployment_that_cannot_progress_says_so,
        a_stateful_set_on_delete_does_nothing_by_itself,
        a_daemon_set_that_surges_counts_a_node_by_its_old_pod_until_that_is_gone,
    ]
}

const LIMIT: Duration = Duration::from_mins(1);

async fn restart(s: &Scenario, workload: &WorkloadRef) -> Result<()> {
    let annotations = json!({"restarted": "1"});
    s.edit(workload, json!({"spec": {"template": {"metadata": {"annotations": annotations}}}})).await
}

async fn a_restarted_deployment_is_never_complete_before_its_pods_are_replaced(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let cart = s.create_all(&shop, [Workload::deployment("cart").replicas(3)]).await?.remove(0);
    s.mesh().upgrade(NEW_IMAGE).await?;
    let before = s.get(&cart).await?;
    let watch = WatchParams::default().fields("metadata.name=cart");
    let version = before.resource_version().unwrap_or_default();
    let mut events = observe::api(&s.client(), &cart).watch(&watch, &version).await?.boxed();
    restart(s, &cart).await?;

    let mut states = Vec::new();
    loop {
        let event = tokio::time::timeout(LIMIT, events.try_next()).await??.context("the watch ended")?;
        let WatchEvent::Modified(cart) = event else { continue };
        states.push(state(&cart));
        if states.last().is_some_and(|state| state.is_complete) {
            break;
        }
    }
    assert!(!states[0].is_observed, "the first state is that of the restart itself: {states:#?}");
    assert_eq!(states[0].updated, 3, "and still says what was before: {states:#?}");
    let observed: Vec<&State> = states.iter().skip_while(|state| !state.is_observed).collect();
    assert!(observed.iter().all(|state| state.is_observed), "{states:#?}");
    assert!(observed.iter().map(|state| state.updated).is_sorted(), "{states:#?}");
    assert!(observed.iter().all(|state| state.available >= 3), "none is missed at any time: {states:#?}");
    let generations: BTreeSet<i64> = states.iter().map(|state| state.generation).collect();
    assert_eq!(generations.len(), 1, "the controller makes no generation of its own: {states:#?}");
    assert_eq!(s.sidecar_images(&cart).await?, [NEW_IMAGE; 3]);
    Ok(())
}

#[derive(Debug)]
struct State {
    generation: i64,
    is_observed: bool,
    is_complete: bool,
    updated: i64,
    available: i64,
}

fn state(deployment: &DynamicObject) -> State {
    let status = &deployment.data["status"];
    let count = |field: &str| status[field].as_i64().unwrap_or(0);
    let generation = deployment.metadata.generation.unwrap_or_default();
    let is_observed = count("observedGeneration") >= generation;
    let (updated, replicas, available) = (count("updatedReplicas"), count("replicas"), count("availableReplicas"));
    let wanted = deployment.data["spec"]["replicas"].as_i64().unwrap_or(1);
    let is_complete = is_observed && updated == wanted && replicas == wanted && available == wanted;
    State { generation, is_observed, is_complete, updated, available }
}

async fn every_kind_ends_with_counts_that_agree_and_one_more_revision(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let workloads = [
        Workload::deployment("a").replicas(2),
        Workload::rollout("b").replicas(2),
        Workload::stateful_set("c").replicas(2),
        Workload::daemon_set("d"),
    ];
    let workloads = s.create_all(&shop, workloads).await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    for workload in &workloads {
        restart(s, workload).await?;
    }
    s.fresh(&workloads, NEW_IMAGE, LIMIT).await?;
    for workload in &workloads {
        s.rolled_out(workload).await?;
        assert_eq!(s.revisions(workload).await?, 2, "{workload}");
        let object = settled(s, workload).await?;
        assert_eq!(counts(workload.kind, &object), expected_counts(workload), "{workload}");
    }
    Ok(())
}

/// The workload once its status says nothing of what is behind it.
async fn settled(s: &Scenario, workload: &WorkloadRef) -> Result<DynamicObject> {
    wait::until(observe::api(&s.client(), workload), &workload.name, "the end of its restart", LIMIT, |object| {
        let object = object.ok_or("it does not exist")?;
        let found = counts(workload.kind, object);
        if found == expected_counts(workload) { Ok(object.clone()) } else { Err(format!("{found}")) }
    })
    .await
}

/// The counters of a status, with whatever else tells that a rollout is over.
fn counts(kind: Kind, object: &DynamicObject) -> Value {
    let status = &object.data["status"];
    let condition = |type_: &str| {
        let all = status["conditions"].as_array().into_iter().flatten();
        let found = all.filter(|condition| condition["type"] == type_);
        found.map(|condition| json!([condition["status"], condition["reason"]])).next()
    };
    let is_observed = match &status["observedGeneration"] {
        Value::String(text) => text.parse().ok() == object.metadata.generation,
        number => number.as_i64() == object.metadata.generation,
    };
    match kind {
        Kind::Deployment => json!({
            "observed": is_observed, "replicas": status["replicas"], "updated": status["updatedReplicas"],
            "ready": status["readyReplicas"], "available": status["availableReplicas"],
            "unavailable": status["unavailableReplicas"],
            "Available": condition("Available"), "Progressing": condition("Progressing"),
            "revision": object.annotations().get("deployment.kubernetes.io/revision"),
        }),
        Kind::Rollout => json!({
            "observed": is_observed, "replicas": status["replicas"], "updated": status["updatedReplicas"],
            "ready": status["readyReplicas"], "available": status["availableReplicas"], "phase": status["phase"],
            "stable": status["stableRS"] == status["currentPodHash"],
            "revision": object.annotations().get("rollout.argoproj.io/revision"),
        }),
        Kind::StatefulSet => json!({
            "observed": is_observed, "replicas": status["replicas"], "updated": status["updatedReplicas"],
            "ready": status["readyReplicas"], "available": status["availableReplicas"],
            "current": status["currentReplicas"], "one revision": status["currentRevision"] == status["updateRevision"],
        }),
        Kind::DaemonSet => json!({
            "observed": is_observed, "desired": status["desiredNumberScheduled"],
            "scheduled": status["currentNumberScheduled"], "updated": status["updatedNumberScheduled"],
            "ready": status["numberReady"], "available": status["numberAvailable"],
            "unavailable": status["numberUnavailable"], "misscheduled": status["numberMisscheduled"],
        }),
        Kind::CloneSet => unreachable!("the real control plane has no controller of its own to compare with"),
        Kind::ReplicaSet | Kind::ReplicationController => json!({
            "observed": is_observed, "replicas": status["replicas"], "labeled": status["fullyLabeledReplicas"],
            "ready": status["readyReplicas"], "available": status["availableReplicas"],
        }),
    }
}

fn expected_counts(workload: &WorkloadRef) -> Value {
    let all = workload.replicas;
    match workload.kind {
        Kind::Deployment => json!({
            "observed": true, "replicas": all, "updated": all, "ready": all, "available": all, "unavailable": null,
            "Available": ["True", "MinimumReplicasAvailable"], "Progressing": ["True", "NewReplicaSetAvailable"],
            "revision": "2",
        }),
        Kind::Rollout => json!({
            "observed": true, "replicas": all, "updated": all, "ready": all, "available": all, "phase": "Healthy",
            "stable": true, "revision": "2",
        }),
        Kind::StatefulSet => json!({
            "observed": true, "replicas": all, "updated": all, "ready": all, "available": all, "current": all,
            "one revision": true,
        }),
        Kind::DaemonSet => json!({
            "observed": true, "desired": all, "scheduled": all, "updated": all, "ready": all, "available": all,
            "unavailable": null, "misscheduled": 0,
        }),
        Kind::CloneSet => unreachable!("the real control plane has no controller of its own to compare with"),
        Kind::ReplicaSet | Kind::ReplicationController => {
            json!({"observed": true, "replicas": all, "labeled": all, "ready": all, "available": all})
        }
    }
}

async fn a_paused_deployment_observes_a_restart_and_does_nothing(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let cart = s.create_all(&shop, [Workload::deployment("cart")]).await?.remove(0);
    s.edit(&cart, json!({"spec": {"paused": true}})).await?;
    restart(s, &cart).await?;
    let object = wait::until(observe::api(&s.client(), &cart), "cart", "it to be observed", LIMIT, |cart| {
        let cart = cart.ok_or("it does not exist")?;
        if state(cart).is_observed { Ok(cart.clone()) } else { Err("it is not".to_owned()) }
    })
    .await?;
    assert_eq!(s.revisions(&cart).await?, 1);
    // Its status leaves out what is none.
    assert_eq!(object.data["status"]["updatedReplicas"], json!(null));
    assert_eq!(object.data["status"]["availableReplicas"], 1);
    Ok(())
}

async fn a_deployment_that_cannot_progress_says_so(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let cart = Workload::deployment("cart").spec("progressDeadlineSeconds", json!(2));
    let cart = s.create_all(&shop, [cart]).await?.remove(0);
    let annotations = json!({"sim.test/behavior": "never-ready"});
    s.edit(&cart, json!({"spec": {"template": {"metadata": {"annotations": annotations}}}})).await?;
    let what = "its deadline to be exceeded";
    let object = wait::until(observe::api(&s.client(), &cart), "cart", what, LIMIT, |cart| {
        let cart = cart.ok_or("it does not exist")?;
        let conditions = cart.data["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let progressing = conditions.into_iter().find(|condition| condition["type"] == "Progressing");
        match progressing {
            Some(condition) if condition["reason"] == "ProgressDeadlineExceeded" => Ok(cart.clone()),
            other => Err(format!("{other:?}")),
        }
    })
    .await?;
    let status = &object.data["status"];
    let counts = ["replicas", "updatedReplicas", "availableReplicas", "unavailableReplicas"];
    assert_eq!(counts.map(|field| status[field].as_i64()), [Some(2), Some(1), Some(1), Some(1)], "{status}");
    Ok(())
}

/// The workload once its controller has seen it as it is.
async fn observed(s: &Scenario, workload: &WorkloadRef) -> Result<DynamicObject> {
    let api = observe::api(&s.client(), workload);
    wait::until(api, &workload.name, "it to be observed", LIMIT, |object| {
        let object = object.ok_or("it does not exist")?;
        let observed = object.data["status"]["observedGeneration"].as_i64();
        if observed == object.metadata.generation { Ok(object.clone()) } else { Err("it is not".to_owned()) }
    })
    .await
}

async fn a_daemon_set_that_surges_counts_a_node_by_its_old_pod_until_that_is_gone(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let strategy = json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}});
    // The age of pods is told in seconds: when new ones are made, these are older.
    let agent = Workload::daemon_set("agent").ready_delay(Duration::from_secs(2)).spec("updateStrategy", strategy);
    let agent = s.create_all(&shop, [agent]).await?.remove(0);
    let annotations = json!({"sim.test/behavior": "never-ready"});
    s.edit(&agent, json!({"spec": {"template": {"metadata": {"annotations": annotations}}}})).await?;
    let is_new = |pod: &&Pod| pod.annotations().contains_key("sim.test/behavior");
    let pods = Api::<Pod>::namespaced(s.client(), &shop);
    wait::until_all(pods, watcher::Config::default(), "a new pod", LIMIT, |pods| {
        if pods.iter().any(is_new) { Ok(()) } else { Err("all of them are old".to_owned()) }
    })
    .await?;
    // What the controller says after another change is said with the new pod in view.
    s.edit(&agent, json!({"spec": {"minReadySeconds": 1}})).await?;
    let object = observed(s, &agent).await?;
    let status = &object.data["status"];
    let counts = ["desiredNumberScheduled", "currentNumberScheduled", "numberReady", "updatedNumberScheduled"];
    let nodes = i64::try_from(NODES)?;
    assert_eq!(counts.map(|field| status[field].as_i64().unwrap_or(0)), [nodes, nodes, nodes, 0], "{status}");
    Ok(())
}

async fn a_stateful_set_on_delete_does_nothing_by_itself(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let set = Workload::stateful_set("db").replicas(2).spec("updateStrategy", json!({"type": "OnDelete"}));
    let set = s.create_all(&shop, [set]).await?.remove(0);
    restart(s, &set).await?;
    let object = observed(s, &set).await?;
    let status = &object.data["status"];
    assert_ne!(status["currentRevision"], status["updateRevision"]);
    assert_eq!(status["updatedReplicas"].as_i64().unwrap_or(0), 0, "{status}");
    assert_eq!((status["currentReplicas"].as_i64(), status["readyReplicas"].as_i64()), (Some(2), Some(2)), "{status}");
    Ok(())
}
