//! What a restart takes away from others: disruption budgets and groups.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;
use flippy_e2e::scenario::{NEW_IMAGE, Scenario};
use flippy_e2e::wait;
use flippy_e2e::workloads::{Kind, Workload, WorkloadRef};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::ResourceExt;
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::runtime::watcher;
use serde_json::{Value, json};

use crate::concurrency::is_rolled_out;
use crate::config::{MESH, paced};
use crate::outcome::{LIMIT, listed, mark, ready_because, restarted_once};

flippy_e2e::scenarios! {
    both: [
        a_deployment_waits_while_its_disruption_budget_allows_nothing_and_goes_once_it_does,
        deployments_that_share_a_disruption_budget_go_one_after_the_other,
        members_of_a_group_go_one_after_the_other,
        a_config_may_ignore_disruption_budgets,
    ],
}

const TIER: &str = "tier";
const GROUP: &str = "flippy.keikoproj.io/group";

/// Takes a pod away before there is another one.
pub(crate) fn taking(name: &str) -> Workload {
    let strategy = json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}});
    Workload::deployment(name)
        .replicas(2)
        .pod_label(TIER, "web")
        .spec("strategy", strategy)
        .ready_delay(Duration::from_millis(500))
}

/// A budget over the pods of [`taking`], and waits until its status says whether it allows a disruption.
pub(crate) async fn budget(
    s: &Scenario,
    namespace: &str,
    spec: Value,
    allows: bool,
) -> Result<Api<PodDisruptionBudget>> {
    let mut spec = spec;
    spec["selector"] = json!({"matchLabels": {TIER: "web"}});
    let api: Api<PodDisruptionBudget> = Api::namespaced(s.client(), namespace);
    let manifest = json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": {"name": "web", "namespace": namespace}, "spec": spec,
    });
    api.create(&PostParams::default(), &serde_json::from_value(manifest)?).await?;
    wait::until(api.clone(), "web", "the budget to be counted", LIMIT, |budget: Option<&PodDisruptionBudget>| {
        let status = budget.and_then(|budget| budget.status.as_ref()).ok_or("it has no status")?;
        let is_observed = status.observed_generation == budget.and_then(|budget| budget.metadata.generation);
        let is_as_said = (status.disruptions_allowed > 0) == allows;
        if is_observed && is_as_said { Ok(()) } else { Err(format!("{status:?}")) }
    })
    .await?;
    Ok(api)
}

async fn a_deployment_waits_while_its_disruption_budget_allows_nothing_and_goes_once_it_does(
    s: &Scenario,
) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let surges = json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}});
    let workloads = s.create_all(&shop, [taking("cart"), taking("till").spec("strategy", surges)]).await?;
    let budgets = budget(s, &shop, json!({"maxUnavailable": 0}), false).await?;
    let _operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;

    s.config(s.system(), MESH, paced(s, &[NEW_IMAGE], &json!({"MaxConcurrent": 10}))).await?;

    // The other one surges: it needs no permission.
    let status = ready_because(s, MESH, "WorkloadsBlocked").await?;
    let blocked = listed(&status, "blocked", &workloads[0]).unwrap_or(&Value::Null);
    assert_eq!(blocked["reason"], "DisruptionBudget", "{status}");
    let message = blocked["message"].as_str().unwrap_or_default();
    assert!(
        message.contains(&format!("PodDisruptionBudget {shop}/web allows no disruption as it is written")),
        "{status}"
    );
    assert_eq!(s.requests()?.restarts().names(), [workloads[1].path()]);

    budgets.patch("web", &PatchParams::default(), &Patch::Merge(json!({"spec": {"maxUnavailable": 1}}))).await?;

    ready_because(s, MESH, "AllFresh").await?;
    restarted_once(s, &workloads).await
}

async fn deployments_that_share_a_disruption_budget_go_one_after_the_other(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let workloads = s.create_all(&shop, ["a", "b", "c"].map(taking)).await?;
    budget(s, &shop, json!({"minAvailable": 2}), true).await?;
    go_one_after_the_other(s, &shop, &workloads).await
}

async fn members_of_a_group_go_one_after_the_other(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let member = |name: &str| taking(name).annotation(GROUP, "quorum");
    let workloads = s.create_all(&shop, ["a", "b", "c"].map(member)).await?;
    go_one_after_the_other(s, &shop, &workloads).await
}

/// They do, although the limit would let all of them go at once.
async fn go_one_after_the_other(s: &Scenario, shop: &str, workloads: &[WorkloadRef]) -> Result<()> {
    let _operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    s.config(s.system(), MESH, paced(s, &[NEW_IMAGE], &json!({"MaxConcurrent": 10}))).await?;
    one_at_a_time(s, shop, workloads.len()).await?;
    ready_because(s, MESH, "AllFresh").await?;
    restarted_once(s, workloads).await
}

async fn a_config_may_ignore_disruption_budgets(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let workloads = s.create_all(&shop, [taking("cart")]).await?;
    budget(s, &shop, json!({"maxUnavailable": 0}), false).await?;
    let _operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;

    s.config(s.system(), MESH, paced(s, &[NEW_IMAGE], &json!({"DisruptionBudgets": "Ignore"}))).await?;

    ready_because(s, MESH, "AllFresh").await?;
    restarted_once(s, &workloads).await
}

/// Watches until so many Deployments of a namespace have been restarted and are rolled out again. Never are two of them
/// under way at a time.
async fn one_at_a_time(s: &Scenario, namespace: &str, workloads: usize) -> Result<()> {
    let api: Api<DynamicObject> = Api::namespaced_with(s.client(), namespace, &Kind::Deployment.api_resource());
    let what = format!("{workloads} restarts to be rolled out");
    let mut together: BTreeSet<Vec<String>> = BTreeSet::new();
    wait::until_all(api, watcher::Config::default(), &what, LIMIT, |all: &[&DynamicObject]| {
        let restarted: Vec<&&DynamicObject> =
            all.iter().filter(|workload| mark(Kind::Deployment, workload).is_some()).collect();
        let under_way: Vec<String> =
            restarted.iter().filter(|workload| !is_rolled_out(workload)).map(|workload| workload.name_any()).collect();
        if under_way.len() > 1 {
            together.insert(under_way.clone());
        }
        if restarted.len() == workloads && under_way.is_empty() {
            Ok(())
        } else {
            Err(format!("under way: {under_way:?}"))
        }
    })
    .await?;
    assert_eq!(together, BTreeSet::new(), "under way at the same time");
    Ok(())
}
