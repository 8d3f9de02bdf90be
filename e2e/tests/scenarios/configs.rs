//! Several configs at once, and such as make no sense.

use anyhow::Result;
use flippy_e2e::config::condition;
use flippy_e2e::scenario::{NEW_IMAGE, Scenario};
use flippy_e2e::workloads::Workload;
use serde_json::json;

use crate::config::{MESH, named, waits, wanting};
use crate::outcome::{listed, ready_because, restarted_once};

flippy_e2e::scenarios! {
    both: [
        an_invalid_config_says_what_is_wrong_and_a_valid_one_beside_it_completes,
        two_configs_that_want_the_same_restart_each_workload_once,
        two_configs_that_disagree_block_each_other_visibly_until_one_of_them_gives_way,
    ],
    // The simulation does not validate custom resources.
    real: [the_api_server_refuses_a_precondition_of_an_unknown_kind_and_says_what_to_write],
}

async fn an_invalid_config_says_what_is_wrong_and_a_valid_one_beside_it_completes(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let workloads = s.create_all(&shop, [Workload::deployment("cart")]).await?;
    let _operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;

    s.config(s.system(), "invalid", wanting(s, &[NEW_IMAGE, "istio/proxyv2:two words"])).await?;
    s.config(s.system(), MESH, wanting(s, &[NEW_IMAGE])).await?;

    ready_because(s, MESH, "AllFresh").await?;
    let status = ready_because(s, "invalid", "InvalidSpec").await?;
    let ready = condition(&status, "Ready").expect("it was just read");
    assert_eq!(ready["status"], "False");
    let message = ready["message"].as_str().unwrap_or_default();
    assert!(message.contains("spec.ImageList[1]") && message.contains("two words"), "{message}");
    restarted_once(s, &workloads).await
}

async fn the_api_server_refuses_a_precondition_of_an_unknown_kind_and_says_what_to_write(s: &Scenario) -> Result<()> {
    let _operator = s.operator().await?;
    let mut spec = wanting(s, &[NEW_IMAGE]);
    spec["Preconditions"] = json!([named("Service", "istio-system", "istiod", &waits(10))]);

    let refused = s.config(s.system(), MESH, spec).await;

    let message = format!("{:#}", refused.expect_err("it is refused"));
    let advice = "Type must be Deployment, StatefulSet, DaemonSet, ArgoRollout, ReplicaSet or ReplicationController";
    assert!(message.contains("Preconditions[0]") && message.contains(advice), "{message}");
    Ok(())
}

async fn two_configs_that_want_the_same_restart_each_workload_once(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let workloads = ["a", "b", "c"].map(Workload::deployment).into_iter().chain([Workload::rollout("d")]);
    let workloads = s.create_all(&shop, workloads).await?;
    let _operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;

    for name in [MESH, "twin"] {
        s.config(s.system(), name, wanting(s, &[NEW_IMAGE])).await?;
    }

    for name in [MESH, "twin"] {
        let status = ready_because(s, name, "AllFresh").await?;
        assert_eq!(status["workloads"]["done"], "4/4", "{status}");
    }
    restarted_once(s, &workloads).await
}

async fn two_configs_that_disagree_block_each_other_visibly_until_one_of_them_gives_way(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let workloads = s.create_all(&shop, [Workload::deployment("cart")]).await?;
    let _operator = s.operator().await?;
    for (name, image) in [(MESH, NEW_IMAGE), ("rival", "docker.io/istio/proxyv2:1.29.0")] {
        // Together: alone, the first would rightly begin.
        let mut spec = wanting(s, &[image]);
        spec["Suspend"] = json!(true);
        s.config(s.system(), name, spec).await?;
    }
    s.mesh().upgrade(NEW_IMAGE).await?;
    for (name, image) in [(MESH, NEW_IMAGE), ("rival", "docker.io/istio/proxyv2:1.29.0")] {
        s.config(s.system(), name, wanting(s, &[image])).await?;
    }

    for (name, other) in [(MESH, "rival"), ("rival", MESH)] {
        let status = ready_because(s, name, "WorkloadsBlocked").await?;
        let blocked = listed(&status, "blocked", &workloads[0]).unwrap_or_else(|| panic!("not reported: {status}"));
        assert_eq!(blocked["reason"], "Conflict");
        let message = blocked["message"].as_str().unwrap_or_default();
        assert!(message.contains(&format!("{}/{other}", s.system())), "{message}");
    }
    restarted_none(s)?;

    s.delete_config(s.system(), "rival").await?;
    ready_because(s, MESH, "AllFresh").await?;
    restarted_once(s, &workloads).await
}

fn restarted_none(s: &flippy_e2e::scenario::Scenario) -> anyhow::Result<()> {
    let restarted = s.requests()?.restarts().names();
    anyhow::ensure!(restarted.is_empty(), "restarted: {restarted:?}");
    Ok(())
}
