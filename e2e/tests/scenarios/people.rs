//! What people ask the binary while the operator works, as users with the rights that people have.

use anyhow::Result;
use flippy_e2e::scenario::{NEW_IMAGE, Scenario};
use flippy_e2e::workloads::Workload;
use serde_json::{Value, json};

use crate::config::{MESH, waits, wanting};
use crate::outcome::condition_because;
use crate::person::Person;

flippy_e2e::scenarios! {
    // Only a real API server knows permissions, and only it can be reached by another process.
    real: [
        a_viewer_follows_and_understands_a_campaign_that_an_admin_pauses_and_resumes,
    ],
}

async fn a_viewer_follows_and_understands_a_campaign_that_an_admin_pauses_and_resumes(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let bank = s.namespace_with("bank", &json!({"istio-injection": "disabled"})).await?;
    s.create_all(&shop, ["cart", "till"].map(Workload::deployment)).await?;
    s.create_all(&bank, [Workload::deployment("ledger")]).await?;
    let _operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    let mut spec = wanting(s, &[NEW_IMAGE]);
    spec["RestartObjects"] = json!([{"Type": "Deployment", "StatusCheckConfig": waits(60)}]);
    spec["Suspend"] = json!(true);
    s.config(s.system(), MESH, spec).await?;
    condition_because(s, MESH, "RestartsAllowed", "Suspended").await?;
    let viewer = Person::with_role(s, "viewer", "view").await?;
    let admin = Person::admin(s)?;
    let explain = |workload: &'static str, namespace: &str| {
        ["explain", workload, "-n", namespace, "--config-namespace", s.system()].map(ToOwned::to_owned)
    };

    let cart = explain("deploy/cart", &shop);
    let cart: Vec<&str> = cart.iter().map(String::as_str).collect();
    let told = viewer.asks(&cart).await?;
    assert_eq!(told.code, Some(3), "{}{}", told.stdout, told.stderr);
    assert!(told.stdout.contains("spec.Suspend is true"), "{}", told.stdout);
    let ledger = explain("deploy/ledger", &bank);
    let ledger: Vec<&str> = ledger.iter().map(String::as_str).collect();
    let told = viewer.asks(&ledger).await?;
    assert_eq!(told.code, Some(0), "{}{}", told.stdout, told.stderr);
    assert!(told.stdout.contains("does not carry istio-injection=enabled (it says disabled)"), "{}", told.stdout);

    let refused = viewer.asks(&["resume", MESH, "-n", s.system()]).await?;
    assert_eq!(refused.code, Some(1), "{}", refused.stdout);
    assert!(refused.stderr.contains("may not patch flippyconfigs.keikoproj.io"), "{}", refused.stderr);
    let tried = admin.asks(&["resume", MESH, "-n", s.system(), "--dry-run"]).await?;
    assert!(tried.stdout.contains("dry run: nothing changed"), "{}{}", tried.stdout, tried.stderr);
    condition_because(s, MESH, "RestartsAllowed", "Suspended").await?;

    let resumed = admin.asks(&["resume", MESH, "-n", s.system()]).await?;
    assert!(resumed.stdout.contains("spec.Suspend is false now"), "{}{}", resumed.stdout, resumed.stderr);
    let followed = viewer.asks(&["status", MESH, "-n", s.system(), "--until", "done", "--timeout", "2m"]).await?;
    assert_eq!(followed.code, Some(0), "{}{}", followed.stdout, followed.stderr);
    let last = followed.stdout.lines().last().unwrap_or_default();
    assert!(last.contains("AllFresh 2/2 done"), "{}", followed.stdout);
    let told = viewer.asks(&cart).await?;
    assert_eq!(told.code, Some(0), "{}{}", told.stdout, told.stderr);

    let paused = admin.asks(&["pause", MESH, "-n", s.system()]).await?;
    assert!(paused.stdout.contains("spec.Suspend is true now"), "{}{}", paused.stdout, paused.stderr);
    let again = admin.asks(&["pause", MESH, "-n", s.system()]).await?;
    assert_eq!((again.code, again.stdout.ends_with("nothing changed\n")), (Some(0), true), "{}", again.stdout);
    condition_because(s, MESH, "RestartsAllowed", "Suspended").await?;
    let shown = viewer.asks(&["status", MESH, "-n", s.system(), "-o", "json"]).await?;
    let shown: Value = serde_json::from_str(&shown.stdout)?;
    assert_eq!(shown["configs"][0]["held"]["reason"], "Suspended", "{shown}");
    Ok(())
}
