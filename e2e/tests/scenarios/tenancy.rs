//! What somebody can do to others who may write `FlippyConfig`s and workloads in a namespace of their own, and nothing else.

use std::time::Duration;

use anyhow::Result;
use flippy_e2e::config::condition;
use flippy_e2e::scenario::{NEW_IMAGE, OLD_IMAGE, Scenario};
use flippy_e2e::workloads::Workload;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::config::{MESH, named, waits, wanting};
use crate::outcome::{LIMIT, condition_because, listed, restarted_once};

flippy_e2e::scenarios! {
    both: [
        a_tenants_config_that_is_about_everybody_restarts_only_what_is_the_tenants,
        what_a_tenants_config_names_elsewhere_is_refused_field_by_field_and_never_asked_for,
        a_tenant_who_forges_the_marks_of_restarts_and_groups_does_not_keep_others_from_becoming_fresh,
        forged_marks_that_stop_the_campaign_are_named_and_cost_nothing_once_their_namespace_is_ignored,
        a_namespace_that_is_trusted_by_name_may_act_on_others,
    ],
}

async fn a_tenants_config_that_is_about_everybody_restarts_only_what_is_the_tenants(s: &Scenario) -> Result<()> {
    let tenant = s.namespace("tenant").await?;
    let shop = s.namespace("shop").await?;
    let own = s.create_all(&tenant, ["a", "b"].map(Workload::deployment)).await?;
    let others = s.create_all(&shop, [Workload::deployment("cart"), Workload::rollout("search")]).await?;
    let _operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    let mut spec = wanting(s, &[NEW_IMAGE]);
    // Every namespace, and in them every workload.
    spec["ProcessFilter"]["Labels"] = json!({});

    s.config(&tenant, "greedy", spec).await?;

    because(s, &tenant, "greedy", "AllFresh").await?;
    restarted_once(s, &own).await?;
    for other in &others {
        assert_eq!(s.sidecar_images(other).await?, [OLD_IMAGE]);
    }
    Ok(())
}

async fn what_a_tenants_config_names_elsewhere_is_refused_field_by_field_and_never_asked_for(
    s: &Scenario,
) -> Result<()> {
    let tenant = s.namespace("tenant").await?;
    let shop = s.namespace("shop").await?;
    let workloads = s.create_all(&tenant, [Workload::deployment("a")]).await?;
    s.create_all(&shop, [Workload::deployment("cart")]).await?;
    let _operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    let elsewhere = named("Deployment", &shop, "cart", &waits(5));
    let secret = json!({"Name": "prometheus-token", "Key": "token"});
    let prometheus = json!({"URL": "https://prometheus.monitoring:9090", "Query": "up", "BearerTokenSecret": secret});
    let source = json!([{"ConfigMap": {"Namespace": s.system(), "Name": "sidecar", "Key": "image"}}]);
    let attempts = [
        ("conditions", "/Preconditions", json!([elsewhere.clone()]), "spec.Preconditions[0].K8S.Namespace"),
        ("first", "/PostFilterRestarts", json!([elsewhere.clone()]), "spec.PostFilterRestarts[0].K8S.Namespace"),
        (
            "before",
            "/ProcessFilter/PreProcessRestart",
            elsewhere["K8S"].clone(),
            "spec.ProcessFilter.PreProcessRestart.Namespace",
        ),
        ("sources", "/ImageSources", source, "spec.ImageSources[0].ConfigMap.Namespace"),
        ("gates", "/Gates", json!([{"Prometheus": prometheus}]), "spec.Gates"),
    ];

    for (name, field, value, _) in &attempts {
        let mut spec = wanting(s, &[NEW_IMAGE]);
        let (parent, field) = field.rsplit_once('/').expect("it begins with one");
        let parent = spec.pointer_mut(parent).expect("every spec has it");
        parent[field] = value.clone();
        s.config(&tenant, name, spec).await?;
    }

    for (name, _, _, path) in &attempts {
        let status = because(s, &tenant, name, "InvalidSpec").await?;
        let message = condition(&status, "Ready").expect("it was just read")["message"].as_str().unwrap_or_default();
        assert!(message.contains(path), "{name}: {message}");
    }
    let asked_for = s.requests()?.only(|request| matches!(request.resource().as_str(), "configmaps" | "secrets"));
    assert_eq!(asked_for.count(), 0, "{}", asked_for.table());
    assert_eq!(s.requests()?.restarts().names(), Vec::<String>::new());
    assert_eq!(s.sidecar_images(&workloads[0]).await?, [OLD_IMAGE]);
    Ok(())
}

async fn a_tenant_who_forges_the_marks_of_restarts_and_groups_does_not_keep_others_from_becoming_fresh(
    s: &Scenario,
) -> Result<()> {
    let group = |workload: Workload| workload.annotation("flippy.keikoproj.io/group", "all");
    let shop = s.namespace("shop").await?;
    let others = s.create_all(&shop, ["b", "c"].map(|name| group(Workload::deployment(name)))).await?;
    let _operator = s.operator().await?;
    let (spec, hash) = suspended(s).await?;
    // What is made now is older than that, and so looks as if its restart were under way.
    let soon = (s.now() + Duration::from_secs(10)).to_string();
    let marks = [
        ("ahead", format!("{hash}-4294967295"), soon.as_str()),
        ("forever", format!("{hash}-1"), "2999-12-31T23:59:59Z"),
        ("garbage", "flippy".repeat(1000), "yesterday"),
        ("soon", format!("{hash}-1"), soon.as_str()),
    ];
    // Its namespace comes first: what holds it up would hold up everything after it.
    let tenant = s.namespace("a-tenant").await?;
    s.create_all(&tenant, marks.map(|(name, token, at)| group(forged(name, &token, at)))).await?;
    s.mesh().upgrade(NEW_IMAGE).await?;

    s.config(s.system(), MESH, spec).await?;

    s.fresh(&others, NEW_IMAGE, LIMIT).await?;
    let restarted = s.requests()?.restarts().only(|request| request.namespace() == shop).names();
    assert_eq!(restarted, [others[0].path(), others[1].path()]);
    Ok(())
}

/// The known price of having no other ledger than the workloads: who pretends that restarts were in vain can stop a campaign
/// for a while. It is visible, and whoever may label the namespace ends it.
async fn forged_marks_that_stop_the_campaign_are_named_and_cost_nothing_once_their_namespace_is_ignored(
    s: &Scenario,
) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let others = s.create_all(&shop, [Workload::deployment("cart")]).await?;
    let _operator = s.operator().await?;
    let (spec, hash) = suspended(s).await?;
    let tenant = s.namespace("tenant").await?;
    let just_now = (s.now() - Duration::from_secs(5)).to_string();
    let marks = ["x", "y", "z"].map(|name| forged(name, &format!("{hash}-1"), &just_now));
    let forged = s.create_all(&tenant, marks).await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    s.config(s.system(), MESH, spec).await?;
    let status = condition_because(s, MESH, "RestartsAllowed", "RestartsFutile").await?;
    assert!(listed(&status, "blocked", &forged[0]).is_some(), "{status}");

    let namespaces: Api<Namespace> = Api::all(s.client());
    let ignored = Patch::Merge(json!({"metadata": {"labels": {"flippy-ignore": "true"}}}));
    namespaces.patch(&tenant, &PatchParams::default(), &ignored).await?;

    s.fresh(&others, NEW_IMAGE, LIMIT).await?;
    restarted_once(s, &others).await
}

/// Applies a suspended config. Returns its spec without that, and the hash of what it wants.
async fn suspended(s: &Scenario) -> Result<(Value, String)> {
    let mut spec = wanting(s, &[NEW_IMAGE]);
    spec["RestartObjects"] = json!([{"Type": "Deployment", "StatusCheckConfig": waits(5)}]);
    spec["Suspend"] = json!(true);
    s.config(s.system(), MESH, spec.clone()).await?;
    let status = condition_because(s, MESH, "RestartsAllowed", "Suspended").await?;
    spec["Suspend"] = json!(false);
    Ok((spec, status["imagesHash"].as_str().unwrap_or_default().to_owned()))
}

/// A workload that says of itself that it was restarted.
fn forged(name: &str, token: &str, at: &str) -> Workload {
    let workload = Workload::deployment(name).pod_annotation("flippy.keikoproj.io/restarted-for", token);
    workload.pod_annotation("flippy.keikoproj.io/restarted-at", at)
}

async fn a_namespace_that_is_trusted_by_name_may_act_on_others(s: &Scenario) -> Result<()> {
    let platform = s.namespace("platform").await?;
    let shop = s.namespace("shop").await?;
    let workloads = s.create_all(&shop, [Workload::deployment("cart")]).await?;
    let _operator = s.operator_with(&[&format!("--config-namespace={platform}")]).await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    // Named instead of the operator's own, which is not trusted then.
    s.config(s.system(), "former", wanting(s, &[NEW_IMAGE])).await?;
    because(s, s.system(), "former", "AllFresh").await?;
    assert_eq!(s.requests()?.restarts().names(), Vec::<String>::new());

    s.config(&platform, MESH, wanting(s, &[NEW_IMAGE])).await?;

    because(s, &platform, MESH, "AllFresh").await?;
    restarted_once(s, &workloads).await
}

/// Waits until a config in any namespace says why it is `Ready`, or not.
async fn because(s: &Scenario, namespace: &str, config: &str, reason: &str) -> Result<Value> {
    s.config_status(namespace, config, &format!("it to say {reason}"), LIMIT, |status| {
        let ready = condition(status, "Ready").ok_or("it says nothing")?;
        if ready["reason"] == reason { Ok(status.clone()) } else { Err(ready.to_string()) }
    })
    .await
}
