//! A rehearsal against what then really happens.

use std::time::Duration;

use anyhow::{Context, Result};
use flippy_e2e::observe;
use flippy_e2e::scenario::{NEW_IMAGE, Scenario};
use flippy_e2e::workloads::{Workload, WorkloadRef};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, ListParams};
use serde_json::{Value, json};

use crate::config::{MESH, paced, waits};
use crate::outcome::ready_because;
use crate::person::Person;

flippy_e2e::scenarios! {
    // The binary rehearses, and only a real API server can be reached by it and refuses what somebody may not do.
    real: [
        a_rehearsal_tells_the_order_of_the_campaign_exactly_and_its_duration_within_a_fifth,
    ],
}

/// Restarts that may be under way at once.
const AT_ONCE: usize = 2;

/// Workloads that take so different times that nobody finishes by chance before another.
async fn workloads(s: &Scenario) -> Result<Vec<WorkloadRef>> {
    let [aa, bb, cc] = [s.namespace("aa").await?, s.namespace("bb").await?, s.namespace("cc").await?];
    let deployment =
        |name: &str, seconds| Workload::deployment(name).replicas(2).ready_delay(Duration::from_secs(seconds));
    let mut created = s.create_all(&aa, [deployment("long", 10), deployment("short", 2)]).await?;
    created.extend(s.create_all(&bb, [deployment("one", 4), deployment("two", 4)]).await?);
    let set = Workload::stateful_set("set").replicas(2).ready_delay(Duration::from_secs(3));
    created.extend(s.create_all(&cc, [deployment("middle", 7), set]).await?);
    let daemon = Workload::daemon_set("daemon").ready_delay(Duration::from_secs(2));
    created.extend(s.create_all(&cc, [daemon]).await?);
    Ok(created)
}

/// What `kubectl get deploy,sts,ds,rs,pods,ns,pdb -A -o json` writes.
async fn recorded(s: &Scenario) -> Result<Value> {
    let mut items = Vec::new();
    for (group, version, kind) in [
        ("apps", "v1", "Deployment"),
        ("apps", "v1", "StatefulSet"),
        ("apps", "v1", "DaemonSet"),
        ("apps", "v1", "ReplicaSet"),
        ("", "v1", "Pod"),
        ("", "v1", "Namespace"),
        ("policy", "v1", "PodDisruptionBudget"),
    ] {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        let api: Api<DynamicObject> = Api::all_with(s.client(), &resource);
        for object in api.list(&ListParams::default()).await? {
            let mut object = serde_json::to_value(object)?;
            object["apiVersion"] = json!(resource.api_version);
            object["kind"] = json!(kind);
            items.push(object);
        }
    }
    Ok(json!({"apiVersion": "v1", "items": items, "kind": "List", "metadata": {"resourceVersion": ""}}))
}

/// What was rehearsed: the order, and the seconds from the first restart to the last ready pod.
fn rehearsed(stdout: &str) -> Result<(Vec<String>, f64)> {
    let told: Value = serde_json::from_str(stdout).with_context(|| stdout.to_owned())?;
    let restarts = told["restarts"].as_array().context("there is no list of restarts")?;
    let path = |restart: &Value| format!("{}/{}", text(&restart["namespace"]), text(&restart["name"]));
    let time = |text: &Value| -> Result<Timestamp> { Ok(text.as_str().context("there is no time")?.parse()?) };
    let ready: Vec<Timestamp> = restarts.iter().map(|restart| time(&restart["readyAt"])).collect::<Result<_>>()?;
    let first = time(&restarts.first().context("nothing would be restarted")?["startedAt"])?;
    let last = ready.into_iter().max().context("nothing would be restarted")?;
    Ok((restarts.iter().map(path).collect(), first.duration_until(last).as_secs_f64()))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The same of what happened: by the requests that the operator made, and the conditions of the pods.
async fn happened(s: &Scenario, workloads: &[WorkloadRef]) -> Result<(Vec<String>, f64)> {
    let restarts = s.requests()?.restarts();
    let first = restarts.iter().next().context("nothing was restarted")?.received;
    let mut last = first;
    for workload in workloads {
        for pod in observe::pods(&s.client(), workload).await? {
            last = last.max(ready_since(&pod).with_context(|| format!("a pod of {workload} is not ready"))?);
        }
    }
    Ok((restarts.names(), first.duration_until(last).as_secs_f64()))
}

fn ready_since(pod: &Pod) -> Option<Timestamp> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let ready = conditions.iter().find(|condition| condition.type_ == "Ready" && condition.status == "True")?;
    Some(ready.last_transition_time.as_ref()?.0)
}

async fn a_rehearsal_tells_the_order_of_the_campaign_exactly_and_its_duration_within_a_fifth(
    s: &Scenario,
) -> Result<()> {
    let workloads = workloads(s).await?;
    let mut spec = paced(s, &[NEW_IMAGE], &json!({"MaxConcurrent": AT_ONCE, "MaxConcurrentPerNamespace": 1}));
    spec["RestartObjects"] = json!(
        ["Deployment", "StatefulSet", "DaemonSet"].map(|kind| json!({"Type": kind, "StatusCheckConfig": waits(120)}))
    );
    let config = json!({
        "apiVersion": "keikoproj.io/v1", "kind": "FlippyConfig",
        "metadata": {"name": MESH, "namespace": s.system()}, "spec": spec,
    });
    let files = std::env::temp_dir().join(format!("flippy-rehearsal-{}", s.id()));
    std::fs::create_dir_all(&files)?;
    let path = |name: &str| files.join(name).display().to_string();
    std::fs::write(path("dump.json"), recorded(s).await?.to_string())?;
    std::fs::write(path("mesh.json"), config.to_string())?;
    let viewer = Person::with_role(s, "viewer", "view").await?;
    let flags = ["-o", "json", "--config-namespace", s.system()];
    let (mesh, dump) = (path("mesh.json"), path("dump.json"));

    let of_dump = [["rehearse", "-f", &mesh, "--from", &dump].as_slice(), &flags].concat();
    let of_dump = viewer.asks(&of_dump).await?;
    assert_eq!(of_dump.code, Some(0), "{}{}", of_dump.stdout, of_dump.stderr);
    let (order, seconds) = rehearsed(&of_dump.stdout)?;
    // The cluster itself tells the same, to somebody who may only look at it.
    let of_cluster = viewer.asks(&[["rehearse", "-f", &mesh].as_slice(), &flags].concat()).await?;
    assert_eq!(of_cluster.code, Some(0), "{}{}", of_cluster.stdout, of_cluster.stderr);
    assert_eq!(rehearsed(&of_cluster.stdout)?.0, order, "{}", of_cluster.stdout);
    let rules = json!([
        {"apiGroups": ["apps"], "resources": ["*"], "verbs": ["list"]},
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["list"]},
        {"apiGroups": ["policy"], "resources": ["poddisruptionbudgets"], "verbs": ["list"]},
    ]);
    let podless = Person::with_rules(s, "podless", rules).await?;
    let refused = podless.asks(&[["rehearse", "-f", &mesh].as_slice(), &flags].concat()).await?;
    assert_eq!(refused.code, Some(1), "{}", refused.stdout);
    assert!(refused.stderr.contains("may not list pods in the whole cluster"), "{}", refused.stderr);
    std::fs::remove_dir_all(&files)?;

    let _operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    s.config(s.system(), MESH, spec).await?;
    ready_because(s, MESH, "AllFresh").await?;
    let (really, took) = happened(s, &workloads).await?;

    // At the beginning as many as may be under way are sent at once, and arrive in either order.
    let arrived = |order: &[String]| {
        let mut order = order.to_vec();
        order[..AT_ONCE].sort();
        order
    };
    assert_eq!(arrived(&order), arrived(&really), "the order that was rehearsed, and the one that came");
    assert_eq!(order.len(), workloads.len());
    let error = (seconds - took).abs() / took;
    assert!(error < 0.2, "rehearsed: {seconds:.1} s, real: {took:.1} s, {:.0} % apart", error * 100.0);
    Ok(())
}
