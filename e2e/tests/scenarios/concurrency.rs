//! How many restarts are under way at once: `MaxConcurrent` and `MaxConcurrentPerNamespace`.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, bail};
use flippy_e2e::scenario::{NEW_IMAGE, Scenario};
use flippy_e2e::workloads::{Kind, Workload};
use futures::{StreamExt, TryStreamExt};
use kube::ResourceExt;
use kube::api::{Api, DynamicObject};
use kube::runtime::watcher::{self, Event, watcher};
use serde_json::json;
use tokio::time::timeout;

use crate::config::{MESH, paced};
use crate::outcome::{LIMIT, mark, ready_because, restarted_once};

flippy_e2e::scenarios! {
    both: [
        as_many_restarts_as_max_concurrent_allows_are_under_way_at_once_and_never_more,
        no_namespace_has_more_restarts_under_way_than_max_concurrent_per_namespace_allows,
    ],
}

fn slow(number: usize) -> Workload {
    Workload::deployment(&format!("w{number:02}")).ready_delay(Duration::from_millis(500))
}

async fn as_many_restarts_as_max_concurrent_allows_are_under_way_at_once_and_never_more(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let workloads = s.create_all(&shop, (0..12).map(slow)).await?;
    let _operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;

    s.config(s.system(), MESH, paced(s, &[NEW_IMAGE], &json!({"MaxConcurrent": 4}))).await?;

    let most = most_under_way(s, workloads.len(), LIMIT).await?;
    assert_eq!(most.at_once, 4, "restarts under way at the same time");
    ready_because(s, MESH, "AllFresh").await?;
    restarted_once(s, &workloads).await
}

async fn no_namespace_has_more_restarts_under_way_than_max_concurrent_per_namespace_allows(s: &Scenario) -> Result<()> {
    let mut workloads = Vec::new();
    for name in ["bar", "cafe", "shop"] {
        let namespace = s.namespace(name).await?;
        workloads.extend(s.create_all(&namespace, (0..3).map(slow)).await?);
    }
    let _operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;

    let strategy = json!({"MaxConcurrent": 10, "MaxConcurrentPerNamespace": 1});
    s.config(s.system(), MESH, paced(s, &[NEW_IMAGE], &strategy)).await?;

    let most = most_under_way(s, workloads.len(), LIMIT).await?;
    assert_eq!(most.in_one_namespace, 1, "restarts under way at the same time in one namespace");
    assert_eq!(most.at_once, 3, "restarts under way at the same time in all namespaces");
    ready_because(s, MESH, "AllFresh").await?;
    restarted_once(s, &workloads).await
}

/// The most restarts that were under way at one time.
#[derive(Default)]
pub(crate) struct Most {
    pub(crate) at_once: usize,
    in_one_namespace: usize,
}

/// Waits until so many Deployments have been restarted and are rolled out again, and says what was under way meanwhile.
///
/// One watch tells of all Deployments in the order in which they changed: a restart that starts when another is done is
/// never seen beside it.
pub(crate) async fn most_under_way(s: &Scenario, workloads: usize, limit: Duration) -> Result<Most> {
    let mut most = Most::default();
    // Restarted ones, and whether they are still under way.
    let mut restarted: BTreeMap<WorkloadName, bool> = BTreeMap::new();
    let mut under_way: BTreeMap<String, usize> = BTreeMap::new();
    let api: Api<DynamicObject> = Api::all_with(s.client(), &Kind::Deployment.api_resource());
    let mut events = watcher(api, watcher::Config::default()).boxed();
    let all_seen = async {
        while let Some(event) = events.try_next().await? {
            let (Event::InitApply(workload) | Event::Apply(workload)) = event else { continue };
            let namespace = workload.namespace().unwrap_or_default();
            // The namespaces of earlier scenarios take their time to go.
            if !namespace.ends_with(s.id()) || mark(Kind::Deployment, &workload).is_none() {
                continue;
            }
            let is_under_way = !is_rolled_out(&workload);
            let was_under_way = restarted.insert((namespace.clone(), workload.name_any()), is_under_way);
            let in_namespace = under_way.entry(namespace).or_default();
            *in_namespace += usize::from(is_under_way);
            *in_namespace -= usize::from(was_under_way == Some(true));
            most.in_one_namespace = most.in_one_namespace.max(*in_namespace);
            let at_once = under_way.values().sum();
            most.at_once = most.at_once.max(at_once);
            if restarted.len() == workloads && at_once == 0 {
                return anyhow::Ok(());
            }
        }
        bail!("the watch of Deployments ended")
    };
    match timeout(limit, all_seen).await {
        Ok(seen) => seen?,
        Err(_) => bail!(
            "after {} s {} of {workloads} were restarted, under way: {under_way:?}",
            limit.as_secs(),
            restarted.len()
        ),
    }
    Ok(most)
}

/// Namespace and name.
type WorkloadName = (String, String);

/// By the rules of `kubectl rollout status`.
pub(crate) fn is_rolled_out(deployment: &DynamicObject) -> bool {
    let (wanted, status) = (&deployment.data["spec"]["replicas"], &deployment.data["status"]);
    let counts = ["updatedReplicas", "replicas", "availableReplicas"];
    status["observedGeneration"].as_i64() == deployment.metadata.generation
        && counts.iter().all(|count| status[count] == *wanted)
}
