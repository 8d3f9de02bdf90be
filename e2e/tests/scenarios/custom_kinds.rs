//! Workloads of kinds that Flippy does not know, for which `OpenKruise`'s `CloneSet` stands. The real control plane has no
//! `OpenKruise`: there an actor of the harness plays its controller (`flippy_e2e::clone_sets`).

use anyhow::Result;
use flippy_e2e::operator;
use flippy_e2e::scenario::{NEW_IMAGE, OLD_IMAGE, Scenario};
use flippy_e2e::workloads::Workload;
use serde_json::{Value, json};

use crate::config::{MESH, waits, wanting};
use crate::outcome::{LIMIT, listed, ready_because, restarted_once};

flippy_e2e::scenarios! {
    both: [
        a_custom_kind_that_a_config_names_with_its_version_is_restarted_through_its_template,
        a_custom_kind_that_no_config_names_is_told_and_left_alone,
        a_custom_kind_whose_pods_are_updated_in_place_is_blocked_and_not_touched,
        a_custom_kind_that_is_not_served_is_told_and_the_rest_goes_on,
        a_custom_kind_whose_definition_comes_late_is_restarted,
    ],
    real: [
        // Only a real API server knows permissions.
        without_the_right_to_watch_a_custom_kind_the_config_says_which_rule_is_missing,
        // The commands are run as programs of their own.
        plan_and_explain_know_a_custom_kind,
    ],
}

const CLONE_SETS: &str = "apps.kruise.io/v1alpha1";

/// Wants the new image in Deployments, then in kinds of this type and version.
fn naming(s: &Scenario, kind: &str, api_version: &str) -> Value {
    let mut spec = wanting(s, &[NEW_IMAGE]);
    spec["RestartObjects"] = json!([
        {"Type": "Deployment", "StatusCheckConfig": waits(60)},
        {"Type": kind, "ApiVersion": api_version, "StatusCheckConfig": waits(60)},
    ]);
    spec
}

async fn a_custom_kind_that_a_config_names_with_its_version_is_restarted_through_its_template(
    s: &Scenario,
) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let _controller = s.install_clone_sets(&shop).await?;
    let workloads = s.create_all(&shop, [Workload::deployment("web"), Workload::clone_set("cart").replicas(3)]).await?;
    s.may_restart_clone_sets().await?;
    let _operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;

    s.config(s.system(), MESH, naming(s, "CloneSet", CLONE_SETS)).await?;

    let status = ready_because(s, MESH, "AllFresh").await?;
    assert_eq!(status["workloads"]["done"], "2/2", "{status}");
    s.fresh(&workloads, NEW_IMAGE, LIMIT).await?;
    let used = s.requests()?.by_verb_and_resource();
    for verb in ["list", "watch", "patch"] {
        assert!(used.contains_key(&(verb.to_owned(), "clonesets".to_owned())), "{verb}: {used:?}");
    }
    restarted_once(s, &workloads).await
}

async fn a_custom_kind_that_no_config_names_is_told_and_left_alone(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let _controller = s.install_clone_sets(&shop).await?;
    let workloads = s.create_all(&shop, [Workload::clone_set("cart").replicas(2)]).await?;
    let _operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;

    s.config(s.system(), MESH, wanting(s, &[NEW_IMAGE])).await?;

    let what = format!("CloneSet {shop}/cart");
    let told = s
        .config_status(s.system(), MESH, &format!("{what} to be told"), LIMIT, |status| {
            let all = status["leftAlone"].as_array().into_iter().flatten();
            all.into_iter().find(|one| one["workload"] == *what).cloned().ok_or_else(|| status.to_string())
        })
        .await?;
    assert_eq!(told["reason"], "UnknownOwner");
    let advice = "{Type: CloneSet, ApiVersion: apps.kruise.io/v1alpha1}";
    assert!(told["message"].as_str().is_some_and(|message| message.contains(advice)), "{told}");
    assert_eq!(s.sidecar_images(&workloads[0]).await?, [OLD_IMAGE, OLD_IMAGE]);
    restarted_once(s, []).await
}

async fn a_custom_kind_whose_pods_are_updated_in_place_is_blocked_and_not_touched(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let _controller = s.install_clone_sets(&shop).await?;
    let in_place = Workload::clone_set("cart").spec("updateStrategy", json!({"type": "InPlaceIfPossible"}));
    let workloads = s.create_all(&shop, [in_place]).await?;
    s.may_restart_clone_sets().await?;
    let _operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;

    s.config(s.system(), MESH, naming(s, "CloneSet", CLONE_SETS)).await?;

    let status = ready_because(s, MESH, "WorkloadsBlocked").await?;
    let blocked = listed(&status, "blocked", &workloads[0]);
    assert_eq!(blocked.map(|blocked| &blocked["reason"]), Some(&json!("InPlaceUpdate")), "{status}");
    assert_eq!(s.get(&workloads[0]).await?.metadata.generation, Some(1), "it was changed");
    restarted_once(s, []).await
}

async fn a_custom_kind_that_is_not_served_is_told_and_the_rest_goes_on(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let workloads = s.create_all(&shop, [Workload::deployment("web")]).await?;
    let _operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;

    s.config(s.system(), MESH, naming(s, "CloneSet", "absent.example.com/v1")).await?;

    let status = ready_because(s, MESH, "AllFresh").await?;
    let ready = flippy_e2e::config::condition(&status, "Ready");
    let message = ready.and_then(|ready| ready["message"].as_str()).unwrap_or_default();
    assert!(message.contains("the API server does not serve absent.example.com/v1"), "{message}");
    restarted_once(s, &workloads).await
}

async fn a_custom_kind_whose_definition_comes_late_is_restarted(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    s.may_restart_clone_sets().await?;
    let _operator = s.operator().await?;
    let mut spec = naming(s, "CloneSet", CLONE_SETS);
    spec["ImageList"] = json!([OLD_IMAGE]);
    s.config(s.system(), MESH, spec).await?;
    ready_because(s, MESH, "AllFresh").await?;

    let _controller = s.install_clone_sets(&shop).await?;
    let workloads = s.create_all(&shop, [Workload::clone_set("cart")]).await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    s.config(s.system(), MESH, naming(s, "CloneSet", CLONE_SETS)).await?;

    s.fresh(&workloads, NEW_IMAGE, LIMIT).await?;
    restarted_once(s, &workloads).await
}

async fn without_the_right_to_watch_a_custom_kind_the_config_says_which_rule_is_missing(s: &Scenario) -> Result<()> {
    s.denials_are_expected();
    let shop = s.namespace("shop").await?;
    let _controller = s.install_clone_sets(&shop).await?;
    s.create_all(&shop, [Workload::clone_set("cart")]).await?;
    let _operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;

    s.config(s.system(), MESH, naming(s, "CloneSet", CLONE_SETS)).await?;

    let status = ready_because(s, MESH, "NotWatched").await?;
    let ready = flippy_e2e::config::condition(&status, "Ready");
    let message = ready.and_then(|ready| ready["message"].as_str()).unwrap_or_default();
    let rule = "{apiGroups: [apps.kruise.io], resources: [clonesets], verbs: [list, watch, patch]}";
    assert!(message.contains(rule), "{message}");
    Ok(())
}

async fn plan_and_explain_know_a_custom_kind(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let _controller = s.install_clone_sets(&shop).await?;
    s.create_all(&shop, [Workload::clone_set("cart").replicas(2)]).await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    let mut spec = naming(s, "CloneSet", CLONE_SETS);
    spec["Suspend"] = json!(true);
    s.config(s.system(), MESH, spec).await?;
    let kubeconfig = s.cluster()?.admin_kubeconfig();
    let trusted = format!("--config-namespace={}", s.system());
    let run = async |arguments: &[&str]| -> Result<String> {
        let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
        let kubeconfig = kubeconfig.clone();
        let output = tokio::task::spawn_blocking(move || {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            operator::run_command(&kubeconfig, &arguments)
        })
        .await??;
        Ok(format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
    };

    let plan = run(&["plan", &trusted, "-n", s.system()]).await?;
    let explained = run(&["explain", "cloneset.apps.kruise.io/cart", "-n", &shop, &trusted]).await?;

    assert!(plan.contains("CloneSet.apps.kruise.io"), "{plan}");
    assert!(explained.contains("StaleImage") || explained.contains("Restart"), "{explained}");
    assert!(explained.contains(&format!("CloneSet.apps.kruise.io {shop}/cart")), "{explained}");
    Ok(())
}
