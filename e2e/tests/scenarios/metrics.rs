//! The metrics, as a real Prometheus finds them, and who may read them.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use flippy_e2e::dashboard::{self, Panel};
use flippy_e2e::install;
use flippy_e2e::prometheus::{ALERT, Prometheus};
use flippy_e2e::receiver::Receiver;
use flippy_e2e::scenario::{NEW_IMAGE, Scenario};
use flippy_e2e::workloads::Workload;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::config::{MESH, paced};
use crate::outcome::LIMIT;

flippy_e2e::scenarios! {
    // Embedded operators serve no metrics.
    real: [
        every_panel_and_every_alert_finds_its_metrics_while_a_prometheus_scrapes_a_campaign,
        metrics_over_tls_are_for_those_whom_rbac_allows,
    ],
}

/// Looks often, or the estimated end would be over before it is found.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// What the chart installs beside the operator.
fn chart(path: &str) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/flippy").join(path);
    std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// The panels of the dashboard.
fn panels() -> Result<Vec<Panel>> {
    dashboard::panels(&serde_json::from_str(&chart("dashboards/flippy.json")?)?)
}

/// What the alerts look at: their expressions without what makes them true, a threshold or a reason.
fn alerts() -> Result<BTreeSet<String>> {
    let rules: Value = serde_saphyr::from_str(&chart("rules/flippy.yaml")?)?;
    let rules = rules["groups"][0]["rules"].as_array().context("there are no rules")?.clone();
    let watched = rules.iter().map(|rule| {
        let expression = rule["expr"].as_str().context("an alert without expression")?;
        let threshold = expression.rfind([' ']).and_then(|end| expression[..end].rfind(' '));
        let mut watched = expression[..threshold.context("an alert without threshold")?].to_owned();
        // Which reason it is about, but not that it is told by reason.
        while let Some(start) = watched.find(", reason=").or_else(|| watched.find(", reason!")) {
            let end = watched[start..].find('}').context("a selector without end")? + start;
            watched.replace_range(start..end, "");
        }
        Ok(watched)
    });
    watched.collect()
}

async fn every_panel_and_every_alert_finds_its_metrics_while_a_prometheus_scrapes_a_campaign(
    s: &Scenario,
) -> Result<()> {
    let shop = s.namespace("shop").await?;
    s.create_all(&shop, (0..40).map(|number| Workload::deployment(&format!("w{number:02}")))).await?;
    let operator = s.operator().await?;
    let ops = Receiver::start(204).await?;
    let prometheus = Prometheus::scraping(s, &operator).await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    // Slow enough to be looked at.
    let mut spec = paced(s, &[NEW_IMAGE], &json!({"MinInterval": "1s"}));
    let gate = json!({"URL": prometheus.url(), "Query": ALERT, "For": "0s", "Interval": "5s"});
    spec["Gates"] = json!([{"Name": "alerts", "Prometheus": gate}]);
    spec["Notifications"] = json!([{"Name": "ops", "Webhook": {"URL": ops.url()}}]);
    s.config(s.system(), MESH, spec).await?;

    let (panels, begin) = (panels()?, Timestamp::now());
    let shown = panels.iter().flat_map(Panel::expressions).map(ToOwned::to_owned);
    let mut unseen: BTreeSet<String> = shown.chain(alerts()?).collect();
    ensure!(unseen.len() > 20, "these are all expressions: {unseen:?}");
    let deadline = Instant::now() + LIMIT;
    while !unseen.is_empty() {
        ensure!(Instant::now() < deadline, "found nothing for {unseen:#?} in {}", operator.metrics().await?);
        for expression in unseen.clone() {
            if !prometheus.query(&expression).await?.is_empty() {
                unseen.remove(&expression);
            }
        }
        sleep(LOOK_INTERVAL).await;
    }
    // To the end of the campaign, for whoever looks at it.
    let is_complete = async || {
        Ok::<_, anyhow::Error>(!prometheus.query("sum(flippy_workloads{verdict='Fresh'}) == 40").await?.is_empty())
    };
    while !is_complete().await? {
        ensure!(Instant::now() < deadline, "not complete: {}", operator.metrics().await?);
        sleep(LOOK_INTERVAL).await;
    }
    let page = dashboard::page(&panels, &prometheus, begin, Timestamp::now()).await?;
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dashboard.html");
    std::fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))
}

async fn metrics_over_tls_are_for_those_whom_rbac_allows(s: &Scenario) -> Result<()> {
    install::allow_metrics_authorization(&s.client(), &s.user(), s.id()).await?;
    let certificate = s.cluster()?.serving_certificate(&format!("metrics-{}", s.id()))?;
    let operator = s
        .operator_with(&[
            &format!("--metrics-tls-cert-file={}", certificate.certificate.display()),
            &format!("--metrics-tls-private-key-file={}", certificate.key.display()),
            "--metrics-authorization",
        ])
        .await?;
    let (reader, stranger) = ("reader", "stranger");
    for account in [reader, stranger] {
        install::service_account(&s.client(), s.system(), account).await?;
    }
    install::allow_to_read_metrics(&s.client(), s.system(), reader, s.id()).await?;

    let seen = scraped_by(s, operator.metrics_port()?, Some(reader)).await?;
    ensure!(seen.contains("flippy_build_info"), "{seen}");
    for (who, code) in [(Some(stranger), 403), (None, 401)] {
        match scraped_by(s, operator.metrics_port()?, who).await {
            Err(error) => {
                let refusal = error.downcast_ref::<kube::Error>();
                ensure!(
                    matches!(refusal, Some(kube::Error::Api(status)) if status.code == code),
                    "{who:?} was refused otherwise: {error:#}"
                );
            }
            Ok(_) => bail!("{who:?} may read them"),
        }
    }
    Ok(())
}

/// The metrics as a service account reads them, or nobody in particular.
async fn scraped_by(s: &Scenario, port: u16, account: Option<&str>) -> Result<String> {
    let token = match account {
        Some(account) => Some(install::token(&s.client(), s.system(), account).await?),
        None => None,
    };
    let client = s.cluster()?.client_of_server(port, token.as_deref()).await?;
    Ok(client.request_text(http::Request::get("/metrics").body(Vec::new())?).await?)
}
