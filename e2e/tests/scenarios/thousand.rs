//! A thousand Deployments: what holds for three must hold for them.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result};
use flippy_e2e::scenario::{NEW_IMAGE, OLD_IMAGE, Scenario};
use flippy_e2e::workloads::{Kind, Workload, WorkloadRef};
use futures::future::try_join_all;
use futures::{StreamExt, TryStreamExt};
use kube::ResourceExt;
use kube::api::{Api, DynamicObject};
use kube::runtime::watcher::{self, Event, watcher};
use serde_json::json;
use tokio::time::timeout;

use crate::concurrency::most_under_way;
use crate::config::{MESH, paced};
use crate::outcome::{mark, ready_because, restarted_once};

flippy_e2e::scenarios! {
    large: [fifty_of_a_thousand_are_under_way_at_once_and_each_is_restarted_once_although_the_operator_is_killed],
}

const NAMESPACES: usize = 50;
const PER_NAMESPACE: usize = 20;
/// Time for a thousand rollouts on a machine with two busy cores.
const LIMIT: Duration = Duration::from_mins(6);

async fn fifty_of_a_thousand_are_under_way_at_once_and_each_is_restarted_once_although_the_operator_is_killed(
    s: &Scenario,
) -> Result<()> {
    let workloads = thousand(s).await?;
    let mut operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;

    s.config(s.system(), MESH, paced(s, &[NEW_IMAGE], &json!({"MaxConcurrent": 50}))).await?;

    let killed_twice = async {
        for count in [200, 600] {
            so_many_are_restarted(s, count).await?;
            operator.kill();
            operator = s.operator().await?;
        }
        anyhow::Ok(operator)
    };
    let (most, _operator) = tokio::try_join!(most_under_way(s, workloads.len(), LIMIT), killed_twice)?;
    // How many of the fifty there are depends on how fast the API server takes patches; `concurrency` shows that all of
    // what is allowed is used.
    assert!((10..=50).contains(&most.at_once), "{} restarts were under way at the same time", most.at_once);
    ready_because(s, MESH, "AllFresh").await?;
    restarted_once(s, &workloads).await
}

/// A thousand Deployments, all rolled out.
async fn thousand(s: &Scenario) -> Result<Vec<WorkloadRef>> {
    let mut workloads = Vec::with_capacity(NAMESPACES * PER_NAMESPACE);
    for namespace in 0..NAMESPACES {
        let namespace = s.namespace(&format!("team-{namespace:02}")).await?;
        let created =
            (0..PER_NAMESPACE).map(|number| s.create(&namespace, Workload::deployment(&format!("w{number:02}"))));
        workloads.extend(try_join_all(created).await?);
    }
    s.fresh(&workloads, OLD_IMAGE, LIMIT).await?;
    Ok(workloads)
}

/// Waits until the API server has carried out so many restarts.
async fn so_many_are_restarted(s: &Scenario, count: usize) -> Result<()> {
    let api: Api<DynamicObject> = Api::all_with(s.client(), &Kind::Deployment.api_resource());
    let mut events = watcher(api, watcher::Config::default()).boxed();
    let mut restarted = BTreeSet::new();
    while restarted.len() < count {
        let event = timeout(LIMIT, events.try_next())
            .await
            .with_context(|| format!("{} of {count} were restarted", restarted.len()))?;
        let (Event::InitApply(workload) | Event::Apply(workload)) = event?.context("the watch of Deployments ended")?
        else {
            continue;
        };
        if mark(Kind::Deployment, &workload).is_some() {
            restarted.insert((workload.namespace(), workload.name_any()));
        }
    }
    Ok(())
}
