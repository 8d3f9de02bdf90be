//! What has come of a scenario: statuses, marks, restarts.

use std::time::Duration;

use anyhow::{Result, ensure};
use flippy_e2e::config::condition;
use flippy_e2e::mesh::sidecar_image;
use flippy_e2e::observe;
use flippy_e2e::scenario::Scenario;
use flippy_e2e::wait;
use flippy_e2e::workloads::{APP_LABEL, Kind, WorkloadRef};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, DynamicObject};
use kube::runtime::watcher;
use serde_json::Value;

/// Time for anything here: far more than it takes on a machine that is not overloaded.
pub(crate) const LIMIT: Duration = Duration::from_mins(2);

/// The annotation that a restart leaves.
const MARK: &str = "flippy.keikoproj.io/restarted-for";

/// Waits until the answer of a config to its present spec is that it is `Ready`, or not, for this reason, and returns
/// its status.
pub(crate) async fn ready_because(s: &Scenario, config: &str, reason: &str) -> Result<Value> {
    condition_because(s, config, "Ready", reason).await
}

/// The same for any condition.
pub(crate) async fn condition_because(s: &Scenario, config: &str, type_: &str, reason: &str) -> Result<Value> {
    let what = format!("{type_} of config {config} to be as it is because of {reason}");
    wait::until(s.configs(s.system()), config, &what, LIMIT, |config| {
        let config = config.ok_or("it does not exist")?;
        let status = &config.data["status"];
        if status["observedGeneration"].as_i64() != config.metadata.generation {
            return Err("its status is about an earlier spec".to_owned());
        }
        let condition = condition(status, type_).ok_or("it has no such condition")?;
        if condition["reason"] == reason { Ok(status.clone()) } else { Err(condition.to_string()) }
    })
    .await
}

/// Waits until so many workloads of a kind in a namespace carry the mark of a restart.
pub(crate) async fn marked(s: &Scenario, kind: Kind, namespace: &str, count: usize) -> Result<()> {
    let api: Api<DynamicObject> = Api::namespaced_with(s.client(), namespace, &kind.api_resource());
    let what = format!("{count} restarts of {}", kind.plural());
    wait::until_all(api, watcher::Config::default(), &what, LIMIT, |all| {
        let found = all.iter().filter(|workload| mark(kind, workload).is_some()).count();
        if found >= count { Ok(()) } else { Err(format!("there were {found}")) }
    })
    .await
}

/// Waits until a pod of a workload runs, be it ready or not.
pub(crate) async fn pods_run(s: &Scenario, workload: &WorkloadRef) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(s.client(), &workload.namespace);
    let selection = watcher::Config::default().labels(&format!("{APP_LABEL}={}", workload.name));
    wait::until_all(pods, selection, &format!("a pod of {workload} to run"), LIMIT, |pods: &[&Pod]| {
        let runs = |pod: &&&Pod| pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Running");
        pods.iter().find(runs).map(|_| ()).ok_or(format!("none of {} does", pods.len()))
    })
    .await
}

/// Waits until a pod of a workload has this sidecar.
pub(crate) async fn pods_run_image(s: &Scenario, workload: &WorkloadRef, image: &str) -> Result<()> {
    let pods: Api<Pod> = Api::namespaced(s.client(), &workload.namespace);
    let selection = watcher::Config::default().labels(&format!("{APP_LABEL}={}", workload.name));
    wait::until_all(pods, selection, &format!("a pod of {workload} with {image}"), LIMIT, |pods: &[&Pod]| {
        let has_it = |pod: &&&Pod| sidecar_image(pod) == Some(image);
        pods.iter().find(has_it).map(|_| ()).ok_or(format!("none of {} has", pods.len()))
    })
    .await
}

/// The mark of a workload's last restart.
pub(crate) fn mark(kind: Kind, workload: &DynamicObject) -> Option<&str> {
    match kind {
        Kind::Rollout => workload.annotations().get(MARK).map(String::as_str),
        _ => workload.data["spec"]["template"]["metadata"]["annotations"][MARK].as_str(),
    }
}

/// Checks that the operator restarted these workloads once each and no others: by the requests that it made, and by the
/// revisions that came of them.
pub(crate) async fn restarted_once<'a>(
    s: &Scenario,
    workloads: impl IntoIterator<Item = &'a WorkloadRef>,
) -> Result<()> {
    let workloads: Vec<&WorkloadRef> = workloads.into_iter().collect();
    let mut expected: Vec<String> = workloads.iter().map(|workload| workload.path()).collect();
    let requests = s.requests()?;
    let mut restarted = requests.restarts().names();
    // Whether a request of an operator that was killed was carried out, the revisions tell.
    let mut in_doubt = requests.restarts_in_doubt().names();
    in_doubt.sort();
    in_doubt.dedup();
    in_doubt.retain(|path| !restarted.contains(path));
    restarted.append(&mut in_doubt);
    expected.sort();
    restarted.sort();
    ensure!(restarted == expected, "restarted: {restarted:?}\nexpected: {expected:?}");
    for workload in workloads {
        // A Rollout is restarted without a new revision.
        let expected = if workload.kind == Kind::Rollout { 1 } else { 2 };
        observed(s, workload).await?;
        let revisions = s.revisions(workload).await?;
        ensure!(revisions == expected, "{workload} has had {revisions} revisions, not {expected}");
    }
    Ok(())
}

/// Waits until the controller of a workload has seen its latest generation: what it makes of it, it has made then.
async fn observed(s: &Scenario, workload: &WorkloadRef) -> Result<()> {
    let what = format!("the controller of {workload} to see what was last asked of it");
    wait::until(observe::api(&s.client(), workload), &workload.name, &what, LIMIT, |object| {
        let object = object.ok_or("it does not exist")?;
        let seen = &object.data["status"]["observedGeneration"];
        // Argo writes it as text.
        let seen = seen.as_i64().or_else(|| seen.as_str()?.parse().ok());
        if seen >= object.metadata.generation { Ok(()) } else { Err(format!("it has seen {seen:?}")) }
    })
    .await
}

/// The entry of a workload in one of the lists of a status.
pub(crate) fn listed<'a>(status: &'a Value, list: &str, workload: &WorkloadRef) -> Option<&'a Value> {
    let path = workload.path();
    let entries = status[list].as_array()?;
    entries.iter().find(|entry| entry["workload"].as_str().is_some_and(|name| name.ends_with(&path)))
}
