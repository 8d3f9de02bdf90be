//! The harness itself, before any operator: is the cluster what the scenarios take it for?

use std::time::Duration;

use anyhow::Result;
use flippy_e2e::frame::on_real;
use flippy_e2e::mesh::{PINNED_IMAGE_ANNOTATION, Sidecar};
use flippy_e2e::observe;
use flippy_e2e::scenario::{NEW_IMAGE, OLD_IMAGE, Scenario};
use flippy_e2e::wait;
use flippy_e2e::workloads::{Behaviour, Workload, WorkloadRef};
use k8s_openapi::api::core::v1::Pod;
use kube::api::Api;
use serde_json::json;

flippy_e2e::scenarios! {
    both: [
        workloads_of_all_kinds_are_rolled_out_with_the_sidecar_of_their_mesh,
        an_upgraded_mesh_changes_new_pods_and_leaves_running_ones_alone,
        a_restarted_deployment_gets_a_second_revision_with_the_new_sidecar,
        a_rollout_replaces_its_pods_after_restart_at_without_a_new_revision,
        a_workload_that_pins_its_sidecar_does_not_follow_the_mesh,
        pods_fail_in_the_way_that_their_workload_asks_for,
    ],
    native: [a_native_sidecar_is_an_init_container_that_stays],
    // Only a real API server knows permissions.
    real: [a_user_bound_to_nothing_is_forbidden_and_every_request_is_in_the_audit_log],
}

const A_MINUTE: Duration = Duration::from_mins(1);

async fn workloads_of_all_kinds_are_rolled_out_with_the_sidecar_of_their_mesh(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let workloads = [
        Workload::deployment("deployment").replicas(2),
        Workload::rollout("rollout").replicas(2),
        Workload::stateful_set("stateful").replicas(2),
        Workload::daemon_set("daemon"),
    ];
    let created = s.create_all(&shop, workloads).await?;
    s.fresh(&created, OLD_IMAGE, A_MINUTE).await?;
    for workload in &created {
        assert_eq!(s.sidecar_images(workload).await?, vec![OLD_IMAGE; workload.replicas], "{workload}");
    }
    Ok(())
}

async fn a_native_sidecar_is_an_init_container_that_stays(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let cart = s.create(&shop, Workload::deployment("cart")).await?;
    s.fresh([&cart], OLD_IMAGE, A_MINUTE).await?;
    let pods = observe::pods(&s.client(), &cart).await?;
    let spec = pods[0].spec.as_ref().expect("a stored pod has a spec");
    let init = spec.init_containers.as_deref().unwrap_or_default();
    assert_eq!(init.len(), 1);
    assert_eq!(init[0].restart_policy.as_deref(), Some("Always"));
    Ok(())
}

async fn an_upgraded_mesh_changes_new_pods_and_leaves_running_ones_alone(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let before = s.create(&shop, Workload::deployment("before").replicas(2)).await?;
    s.fresh([&before], OLD_IMAGE, A_MINUTE).await?;

    s.mesh().upgrade(NEW_IMAGE).await?;

    let after = s.create(&shop, Workload::deployment("after")).await?;
    s.fresh([&after], NEW_IMAGE, A_MINUTE).await?;
    assert_eq!(s.sidecar_images(&before).await?, [OLD_IMAGE; 2]);
    Ok(())
}

async fn a_restarted_deployment_gets_a_second_revision_with_the_new_sidecar(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let cart = s.create(&shop, Workload::deployment("cart").replicas(2)).await?;
    s.rolled_out(&cart).await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    assert_eq!(s.revisions(&cart).await?, 1);

    let annotation = json!({"example.com/restarted": "once"});
    s.edit(&cart, json!({"spec": {"template": {"metadata": {"annotations": annotation}}}})).await?;

    s.fresh([&cart], NEW_IMAGE, A_MINUTE).await?;
    s.rolled_out(&cart).await?;
    assert_eq!(s.revisions(&cart).await?, 2);
    Ok(())
}

async fn a_rollout_replaces_its_pods_after_restart_at_without_a_new_revision(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let cart = s.create(&shop, Workload::rollout("cart").replicas(2)).await?;
    s.rolled_out(&cart).await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    let generation = s.get(&cart).await?.metadata.generation;

    // The next whole second: the controller compares in seconds, and takes a pod created in the same second as
    // `restartAt` for a restarted one (argo-rollouts, rollout/restart.go).
    let soon = jiff::Timestamp::from_second(s.now().as_second() + 1)?;
    s.edit(&cart, json!({"spec": {"restartAt": soon.to_string()}})).await?;

    s.fresh([&cart], NEW_IMAGE, A_MINUTE).await?;
    assert_eq!(s.revisions(&cart).await?, 1);
    assert!(s.get(&cart).await?.metadata.generation > generation);
    Ok(())
}

async fn a_workload_that_pins_its_sidecar_does_not_follow_the_mesh(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let pinned = Workload::deployment("cart").pod_annotation(PINNED_IMAGE_ANNOTATION, "example.com/own:1");
    let cart = s.create(&shop, pinned).await?;
    s.fresh([&cart], "example.com/own:1", A_MINUTE).await
}

async fn pods_fail_in_the_way_that_their_workload_asks_for(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    for (name, behaviour, reason) in [
        ("crash", Behaviour::CrashLoop, Some("CrashLoopBackOff")),
        ("pull", Behaviour::ImagePull, Some("ImagePullBackOff")),
        ("unready", Behaviour::NeverReady, None),
    ] {
        let workload = s.create(&shop, Workload::deployment(name).behaviour(behaviour)).await?;
        await_waiting_container(s.client(), &workload, reason).await?;
    }
    Ok(())
}

async fn await_waiting_container(client: kube::Client, workload: &WorkloadRef, reason: Option<&str>) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(client, &workload.namespace);
    let selection = kube::runtime::watcher::Config::default().labels(&format!("app={}", workload.name));
    let what = format!("the pod of {workload} to be waiting because of {reason:?}");
    wait::until_all(pods, selection, &what, A_MINUTE, |pods: &[&Pod]| {
        let [pod] = pods else {
            return Err(format!("it has {} pods", pods.len()));
        };
        let statuses = pod.status.as_ref().and_then(|status| status.container_statuses.as_deref());
        let app = statuses.unwrap_or_default().iter().find(|status| status.name == "app");
        let app = app.ok_or("its application has no status")?;
        let waiting = app.state.as_ref().and_then(|state| state.waiting.as_ref()?.reason.as_deref());
        if app.ready || waiting != reason {
            return Err(format!("its application is ready={}, waiting because of {waiting:?}", app.ready));
        }
        Ok(())
    })
    .await
}

async fn a_user_bound_to_nothing_is_forbidden_and_every_request_is_in_the_audit_log(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let user = format!("nobody:{}", s.id());
    let client = s.cluster()?.user(&user).await?;
    let pods: Api<Pod> = Api::namespaced(client, &shop);
    let mut statuses = Vec::new();
    for name in ["first", "second"] {
        let Err(kube::Error::Api(status)) = pods.get(name).await else {
            panic!("a user without any role may read pods");
        };
        statuses.push(status.code);
    }
    assert_eq!(statuses, [403, 403]);
    let requests = s.cluster()?.audit().requests()?.by_user(&user);
    let names = requests.verb("get").resource("pods").namespace(&shop).names();
    assert_eq!(names, [format!("{shop}/first"), format!("{shop}/second")]);
    assert_eq!(requests.count(), 2, "{}", requests.table());
    Ok(())
}

#[test]
fn what_one_scenario_leaves_behind_is_out_of_scope_of_the_next() {
    let mut left = String::new();
    on_real(Sidecar::Container, async |s| {
        left = s.namespace("shop").await?;
        Ok(())
    });
    on_real(Sidecar::Container, async |s| {
        let namespaces: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(s.client());
        let in_scope = kube::api::ListParams::default().labels("istio-injection=enabled");
        let names: Vec<_> = namespaces.list_metadata(&in_scope).await?.items.into_iter().collect();
        assert!(names.iter().all(|found| found.metadata.name.as_deref() != Some(&left)), "{names:?}");
        Ok(())
    });
}
