//! What a person wants to be tried again.

use anyhow::Result;
use flippy_e2e::scenario::{NEW_IMAGE, Scenario};
use flippy_e2e::workloads::Workload;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::config::{MESH, waits, wanting};
use crate::outcome::ready_because;

flippy_e2e::scenarios! {
    both: [what_has_failed_is_restarted_once_more_when_a_person_says_so],
}

/// Pods with this sidecar never become ready.
const BROKEN_IMAGE: &str = "docker.io/istio/proxyv2:bad-ready";

async fn what_has_failed_is_restarted_once_more_when_a_person_says_so(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let workloads = s.create_all(&shop, [Workload::deployment("cart")]).await?;
    let _operator = s.operator().await?;
    s.mesh().upgrade(BROKEN_IMAGE).await?;
    let mut spec = wanting(s, &[NEW_IMAGE, BROKEN_IMAGE]);
    spec["RestartObjects"][0]["StatusCheckConfig"] = waits(4);
    s.config(s.system(), MESH, spec).await?;
    ready_because(s, MESH, "RestartsFailed").await?;
    s.mesh().upgrade(NEW_IMAGE).await?;

    let annotations = json!({"flippy.keikoproj.io/retry": s.now().to_string()});
    let wish = Patch::Merge(json!({"metadata": {"annotations": annotations}}));
    s.configs(s.system()).patch(MESH, &PatchParams::default(), &wish).await?;

    ready_because(s, MESH, "AllFresh").await?;
    let cart = s.get(&workloads[0]).await?;
    let token = cart.data["spec"]["template"]["metadata"]["annotations"]["flippy.keikoproj.io/restarted-for"].clone();
    assert!(token.as_str().is_some_and(|token| token.ends_with("-2")), "{token}");
    assert_eq!(s.revisions(&workloads[0]).await?, 3, "it was restarted more often than it was asked for");
    Ok(())
}
