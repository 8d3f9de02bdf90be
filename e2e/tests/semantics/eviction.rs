//! Evicting pods, one by one, as far as budgets allow.

use std::time::Duration;

use anyhow::Result;
use flippy_e2e::observe;
use flippy_e2e::scenario::Scenario;
use flippy_e2e::wait;
use flippy_e2e::workloads::{APP_LABEL, Workload, WorkloadRef};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::Resource;
use kube::api::{Api, EvictParams, Patch, PatchParams, PostParams};
use kube::core::Status;
use serde_json::json;

use crate::refusal::refusal;

flippy_e2e::scenarios! {
    both: [
        a_budget_refuses_with_429_and_a_cause_until_it_allows,
        one_eviction_spends_a_budget_until_the_pod_is_replaced,
        several_budgets_for_one_pod_are_500,
        without_a_budget_preconditions_and_existence_are_all_that_matters,
        a_dry_run_evicts_nothing,
    ]
}

const LIMIT: Duration = Duration::from_mins(1);

/// A Deployment with two pods.
async fn cart(s: &Scenario) -> Result<WorkloadRef> {
    let shop = s.namespace("shop").await?;
    Ok(s.create_all(&shop, [Workload::deployment("cart").replicas(2)]).await?.remove(0))
}

async fn budget(s: &Scenario, cart: &WorkloadRef, name: &str, min_available: i32) -> Result<()> {
    let budgets: Api<PodDisruptionBudget> = Api::namespaced(s.client(), &cart.namespace);
    let budget = json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name},
        "spec": {"minAvailable": min_available, "selector": {"matchLabels": {APP_LABEL: cart.name}}},
    });
    budgets.patch(name, &PatchParams::apply("test").force(), &Patch::Apply(budget)).await?;
    allows(s, cart, name, 2 - min_available).await
}

async fn allows(s: &Scenario, cart: &WorkloadRef, name: &str, disruptions: i32) -> Result<()> {
    let budgets: Api<PodDisruptionBudget> = Api::namespaced(s.client(), &cart.namespace);
    let what = format!("the budget to allow {disruptions} disruptions");
    wait::until(budgets, name, &what, LIMIT, |budget| {
        let budget = budget.ok_or("it does not exist")?;
        let status = budget.status.as_ref().ok_or("it has no status")?;
        let is_current = status.observed_generation == budget.metadata.generation;
        if is_current && status.current_healthy == 2 && status.disruptions_allowed == disruptions {
            Ok(())
        } else {
            Err(format!("{status:?}"))
        }
    })
    .await
}

async fn pod(s: &Scenario, cart: &WorkloadRef) -> Result<Pod> {
    Ok(observe::pods(&s.client(), cart).await?.remove(0))
}

async fn evict(s: &Scenario, pod: &Pod, params: &EvictParams) -> kube::Result<Status> {
    let namespace = pod.metadata.namespace.as_deref().expect("a stored pod has a namespace");
    let pods: Api<Pod> = Api::namespaced(s.client(), namespace);
    pods.evict(pod.metadata.name.as_deref().expect("a stored pod has a name"), params).await
}

async fn a_budget_refuses_with_429_and_a_cause_until_it_allows(s: &Scenario) -> Result<()> {
    let cart = cart(s).await?;
    budget(s, &cart, "cart", 2).await?;
    let pod = pod(s, &cart).await?;
    let refused = refusal(evict(s, &pod, &EvictParams::default()).await)?;
    assert_eq!(refused.kind(), (429, "TooManyRequests"));
    assert_eq!(refused.causes, ["DisruptionBudget"]);
    assert_eq!(refused.message, "Cannot evict pod as it would violate the pod's disruption budget.");

    budget(s, &cart, "cart", 1).await?;
    let answer = evict(s, &pod, &EvictParams::default()).await?;
    assert_eq!((answer.is_success(), answer.code), (true, 201), "{answer:?}");
    let pods: Api<Pod> = Api::namespaced(s.client(), &cart.namespace);
    wait::until_gone(pods, pod.metadata.name.as_deref().unwrap_or_default(), LIMIT).await?;
    s.rolled_out(&cart).await
}

async fn one_eviction_spends_a_budget_until_the_pod_is_replaced(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    // Slow enough to be seen in between.
    let slow = Workload::deployment("cart").replicas(2).ready_delay(Duration::from_secs(2));
    let cart = s.create_all(&shop, [slow]).await?.remove(0);
    budget(s, &cart, "cart", 1).await?;
    let pods = observe::pods(&s.client(), &cart).await?;
    evict(s, &pods[0], &EvictParams::default()).await?;
    let refused = refusal(evict(s, &pods[1], &EvictParams::default()).await)?;
    assert_eq!(refused.kind(), (429, "TooManyRequests"));
    allows(s, &cart, "cart", 1).await?;
    evict(s, &pods[1], &EvictParams::default()).await?;
    Ok(())
}

async fn several_budgets_for_one_pod_are_500(s: &Scenario) -> Result<()> {
    let cart = cart(s).await?;
    for name in ["one", "other"] {
        budget(s, &cart, name, 1).await?;
    }
    let refused = refusal(evict(s, &pod(s, &cart).await?, &EvictParams::default()).await)?;
    assert_eq!(refused.kind(), (500, ""));
    assert!(refused.message.contains("more than one PodDisruptionBudget"), "{}", refused.message);
    Ok(())
}

async fn without_a_budget_preconditions_and_existence_are_all_that_matters(s: &Scenario) -> Result<()> {
    let cart = cart(s).await?;
    let mut pod = pod(s, &cart).await?;
    let refused = refusal(evict_only(s, &pod, "another").await)?;
    assert_eq!(refused.kind(), (409, "Conflict"));
    evict_only(s, &pod, pod.metadata.uid.as_deref().unwrap_or_default()).await?;
    pod.metadata.name = Some("nobody".to_owned());
    assert_eq!(refusal(evict(s, &pod, &EvictParams::default()).await)?.kind(), (404, "NotFound"));
    Ok(())
}

/// Evicts a pod if it has this uid. By hand, because `EvictParams::delete_options` of kube 5.0 never arrive: it writes
/// them as `delete_options`, which the API server does not know.
async fn evict_only(s: &Scenario, pod: &Pod, uid: &str) -> kube::Result<Status> {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let path = format!("{}/{name}/eviction", Pod::url_path(&(), pod.metadata.namespace.as_deref()));
    let eviction = json!({
        "apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name},
        "deleteOptions": {"preconditions": {"uid": uid}},
    });
    let request = http::Request::post(path).header("content-type", "application/json");
    s.client().request(request.body(eviction.to_string().into_bytes()).expect("the path is valid")).await
}

async fn a_dry_run_evicts_nothing(s: &Scenario) -> Result<()> {
    let cart = cart(s).await?;
    budget(s, &cart, "cart", 1).await?;
    let before = pod(s, &cart).await?;
    let post_options = PostParams { dry_run: true, ..PostParams::default() };
    let dry_run = EvictParams { post_options, ..EvictParams::default() };
    evict(s, &before, &dry_run).await?;
    evict(s, &before, &dry_run).await?;
    let pods: Api<Pod> = Api::namespaced(s.client(), &cart.namespace);
    let after = pods.get(before.metadata.name.as_deref().unwrap_or_default()).await?;
    assert_eq!(after.metadata.resource_version, before.metadata.resource_version);
    Ok(())
}
