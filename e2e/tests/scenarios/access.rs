//! What the operator asks the API server for.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use flippy_e2e::audit::{Request, Requests};
use flippy_e2e::scenario::{NEW_IMAGE, Scenario};
use flippy_e2e::workloads::Workload;
use flippy_e2e::{apply, chart, install, operator, optional};
use serde_json::{Value, json};

use crate::config::{MESH, waits, wanting};
use crate::outcome::{LIMIT, condition_because, ready_because};

flippy_e2e::scenarios! {
    // Only a real API server knows permissions.
    real: [
        a_campaign_over_all_kinds_uses_every_rule_of_the_shipped_roles_and_costs_one_patch_per_restart,
        what_the_chart_allows_only_on_request_is_used_by_what_it_is_for_and_nothing_more_is_needed,
        the_right_to_create_pods_is_used_for_dry_runs_alone_and_nothing_more_is_needed_to_ask_admission,
    ],
}

async fn a_campaign_over_all_kinds_uses_every_rule_of_the_shipped_roles_and_costs_one_patch_per_restart(
    s: &Scenario,
) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let workloads =
        [Workload::deployment("a"), Workload::rollout("b"), Workload::stateful_set("c"), Workload::daemon_set("d")];
    let by_eviction = [Workload::replica_set("e"), Workload::replication_controller("f")];
    let workloads = workloads.into_iter().chain(by_eviction);
    let workloads = s.create_all(&shop, workloads).await?;
    let operator = s.operator_with(&["--leader-elect"]).await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    let mut spec = wanting(s, &[NEW_IMAGE]);
    let kinds = ["Deployment", "ArgoRollout", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController"];
    spec["RestartObjects"] = kinds.map(|kind| json!({"Type": kind, "StatusCheckConfig": waits(60)})).into();
    spec["Suspend"] = json!(true);
    s.config(s.system(), MESH, spec.clone()).await?;
    condition_because(s, MESH, "RestartsAllowed", "Suspended").await?;
    let started = s.now();

    spec["Suspend"] = json!(false);
    s.config(s.system(), MESH, spec).await?;

    ready_because(s, MESH, "AllFresh").await?;
    // So short a campaign may be over before the lease is renewed for the first time: giving it up is the same right.
    operator.terminate().await?;
    let everything = s.requests()?;
    // The lease is renewed campaign or not.
    let all = everything.only(|request| request.resource() != "leases");
    let campaign = all.since(started);
    for verb in ["get", "list"] {
        assert_eq!(campaign.verb(verb).count(), 0, "{}", campaign.table());
    }
    assert_eq!(all.verb("get").only(|request| !request.resource().is_empty()).count(), 0, "{}", all.table());
    let patches = campaign.verb("patch").only(|request| request.resource() != "flippyconfigs/status");
    assert_eq!(patches.count(), workloads.len(), "{}", campaign.table());
    let manifests = install::manifests()?;
    let mut roles = Vec::new();
    for kind in ["ClusterRole", "Role"] {
        let is_the_operators = |manifest: &&Value| manifest["kind"] == kind && manifest["metadata"]["name"] == "flippy";
        let role = manifests.iter().find(is_the_operators);
        roles.push(role.with_context(|| format!("the operator's {kind} is not among the shipped manifests"))?);
    }
    assert_eq!(unused(&roles, &everything)?, BTreeSet::new(), "allowed, but not used");
    Ok(())
}

async fn what_the_chart_allows_only_on_request_is_used_by_what_it_is_for_and_nothing_more_is_needed(
    s: &Scenario,
) -> Result<()> {
    let system = s.system();
    let values = format!(
        "image.repository=x,imageSources[0].namespace={system},imageSources[0].name=sidecar,\
         secrets[0].namespace={system},secrets[0].name=prometheus-token"
    );
    let mut optional = chart::render(system, &["--set", &values])?;
    let is_optional = |manifest: &Value| {
        let name = manifest["metadata"]["name"].as_str().unwrap_or_default();
        name.ends_with("-image-source") || name.ends_with("-secret")
    };
    optional.retain(is_optional);
    for manifest in optional.iter_mut().filter(|manifest| manifest["kind"] == "RoleBinding") {
        manifest["subjects"] = json!([{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": s.user()}]);
    }
    apply::apply(&s.client(), &optional).await?;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": system, "name": "prometheus-token"},
        "stringData": {"token": "abc"},
    });
    apply::apply(&s.client(), &[secret]).await?;
    let shop = s.namespace("shop").await?;
    s.create_all(&shop, [Workload::deployment("cart")]).await?;
    let _operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    let mut spec = wanting(s, &[]);
    spec["ImageSources"] = json!([{"ConfigMap": {"Name": "sidecar", "Key": "image"}}]);
    // Nobody answers there, but the token is read first.
    spec["Gates"] = json!([{"Prometheus": {
        "URL": "https://127.0.0.1:9", "Query": "up",
        "BearerTokenSecret": {"Name": "prometheus-token", "Key": "token"},
    }}]);

    s.config(system, MESH, spec).await?;
    condition_because(s, MESH, "RestartsAllowed", "GateShut").await?;
    let kubeconfig = s.cluster()?.user_kubeconfig(&s.user())?;
    let trusted = format!("--config-namespace={system}");
    let plan = tokio::task::spawn_blocking(move || operator::run_command(&kubeconfig, &["plan", &trusted])).await??;

    assert!(plan.status.success(), "{}", String::from_utf8_lossy(&plan.stderr));
    let roles: Vec<&Value> = optional.iter().filter(|manifest| manifest["kind"] == "Role").collect();
    assert_eq!(roles.len(), 2);
    assert_eq!(unused(&roles, &s.requests()?)?, BTreeSet::new(), "allowed, but not used");
    Ok(())
}

async fn the_right_to_create_pods_is_used_for_dry_runs_alone_and_nothing_more_is_needed_to_ask_admission(
    s: &Scenario,
) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let workloads = [
        Workload::deployment("a"),
        Workload::rollout("b"),
        Workload::stateful_set("c"),
        Workload::daemon_set("d"),
        Workload::replica_set("e"),
        Workload::replication_controller("f"),
    ];
    let workloads = s.create_all(&shop, workloads).await?;
    s.may_ask_admission().await?;
    let _operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    let mut spec = wanting(s, &[]);
    spec["DriftDetection"] = json!("Injection");
    let kinds = ["Deployment", "ArgoRollout", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController"];
    spec["RestartObjects"] = kinds.map(|kind| json!({"Type": kind, "StatusCheckConfig": waits(60)})).into();

    s.config(s.system(), MESH, spec).await?;

    ready_because(s, MESH, "AllFresh").await?;
    s.fresh(&workloads, NEW_IMAGE, LIMIT).await?;
    let all = s.requests()?;
    let created = all.verb("create").resource("pods");
    assert!(created.iter().all(Request::is_dry_run), "a pod was created:\n{}", created.table());
    // A template is read by listing one object, so that the right to get workloads is not needed.
    assert_eq!(all.verb("get").only(|request| !request.resource().is_empty()).count(), 0, "{}", all.table());
    let shipped = optional::manifests()?;
    let roles: Vec<&Value> = shipped.iter().filter(|manifest| manifest["kind"] == "ClusterRole").collect();
    assert_eq!(roles.len(), 1);
    assert_eq!(unused(&roles, &all)?, BTreeSet::new(), "allowed, but not used");
    Ok(())
}

/// What roles allow and these requests do not use, as (verb, resource).
fn unused(roles: &[&Value], requests: &Requests) -> Result<BTreeSet<(String, String)>> {
    let used = requests.by_verb_and_resource();
    let mut unused = BTreeSet::new();
    for role in roles {
        for rule in texts_of(role, "rules")? {
            for resource in texts_of(rule, "resources")? {
                for verb in texts_of(rule, "verbs")? {
                    let pair = (text(verb)?, text(resource)?);
                    if !used.contains_key(&pair) {
                        unused.insert(pair);
                    }
                }
            }
        }
    }
    Ok(unused)
}

fn texts_of<'a>(object: &'a Value, field: &str) -> Result<&'a Vec<Value>> {
    object[field].as_array().with_context(|| format!("a shipped role has no list {field}"))
}

fn text(value: &Value) -> Result<String> {
    Ok(value.as_str().context("a shipped role has something that is no text")?.to_owned())
}
