//! Custom resources that are not there, come later, or go.

use std::time::Duration;

use anyhow::{Result, bail};
use flippy_e2e::install;
use flippy_e2e::operator::Operator;
use flippy_e2e::scenario::{NEW_IMAGE, OLD_IMAGE, Scenario};
use flippy_e2e::wait;
use flippy_e2e::workloads::Workload;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams};
use tokio::time::{Instant, sleep};

use crate::config::{MESH, wanting};
use crate::original::remove_definition;
use crate::outcome::{LIMIT, condition_because, ready_because, restarted_once};

flippy_e2e::scenarios! {
    // Readiness and metrics are told over HTTP, and an embedded operator serves neither.
    real: [
        without_its_own_definition_the_operator_waits_and_goes_on_by_itself_once_it_is_applied,
    ],
    // The Rollouts of others would not survive.
    alone: [argo_rollouts_may_be_absent_come_later_and_go_again],
}

async fn without_its_own_definition_the_operator_waits_and_goes_on_by_itself_once_it_is_applied(
    s: &Scenario,
) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let workloads = s.create_all(&shop, [Workload::deployment("cart")]).await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    // For the role; only the definition is to be missing.
    s.install().await?;
    remove_definition(s).await?;

    let mut operator = s.spawn_operator(&[]).await?;
    has_listed_pods(&mut operator).await?;
    assert!(!operator.is_ready().await, "it is ready although it can know of no config");
    assert_eq!(operator.exited()?, None);

    install::install(&s.client()).await?;
    operator.ready().await?;
    s.config(s.system(), MESH, wanting(s, &[NEW_IMAGE])).await?;
    ready_because(s, MESH, "AllFresh").await?;
    restarted_once(s, &workloads).await
}

/// Waits until the operator says in its metrics that it knows the pods. It has nothing that could be watched.
async fn has_listed_pods(operator: &mut Operator) -> Result<()> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let metrics = operator.metrics().await.unwrap_or_default();
        if metrics.lines().any(|line| line.contains("resource=\"Pod\"") && line.ends_with(" 1")) {
            return Ok(());
        }
        if Instant::now() >= deadline || operator.exited()?.is_some() {
            bail!("the operator does not say that it has listed the pods:\n{metrics}");
        }
        sleep(Duration::from_millis(20)).await;
    }
}

const ARGO: &str = "rollouts.argoproj.io";

async fn argo_rollouts_may_be_absent_come_later_and_go_again(s: &Scenario) -> Result<()> {
    let definitions: Api<CustomResourceDefinition> = Api::all(s.client());
    remove(&definitions).await?;
    let shop = s.namespace("shop").await?;
    let mut workloads = s.create_all(&shop, [Workload::deployment("cart")]).await?;
    let _operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;

    // Absent: Deployments are restarted as ever.
    s.config(s.system(), MESH, wanting(s, &[NEW_IMAGE])).await?;
    let status = ready_because(s, MESH, "AllFresh").await?;
    assert_eq!(status["workloads"]["done"], "1/1", "{status}");

    // Installed later.
    s.config(s.system(), MESH, suspended(wanting(s, &[NEW_IMAGE]))).await?;
    condition_because(s, MESH, "RestartsAllowed", "Suspended").await?;
    s.mesh().upgrade(OLD_IMAGE).await?;
    s.install_argo_rollouts().await?;
    workloads.extend(s.create_all(&shop, [Workload::rollout("search")]).await?);
    s.mesh().upgrade(NEW_IMAGE).await?;
    s.config(s.system(), MESH, wanting(s, &[NEW_IMAGE])).await?;
    ready_because(s, MESH, "AllFresh").await?;
    s.fresh(&workloads, NEW_IMAGE, LIMIT).await?;
    restarted_once(s, &workloads).await?;

    // Removed, and with it all Rollouts.
    remove(&definitions).await?;
    s.mesh().upgrade(OLD_IMAGE).await?;
    s.config(s.system(), MESH, wanting(s, &[OLD_IMAGE])).await?;
    let status = ready_because(s, MESH, "AllFresh").await?;
    assert_eq!(status["workloads"]["done"], "1/1", "{status}");
    s.fresh(&workloads[..1], OLD_IMAGE, LIMIT).await
}

fn suspended(mut spec: serde_json::Value) -> serde_json::Value {
    spec["Suspend"] = serde_json::json!(true);
    spec
}

async fn remove(definitions: &Api<CustomResourceDefinition>) -> Result<()> {
    definitions.delete(ARGO, &DeleteParams::default()).await?;
    wait::until_gone(definitions.clone(), ARGO, LIMIT).await
}
