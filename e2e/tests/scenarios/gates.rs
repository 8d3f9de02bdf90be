//! `spec.Gates`, against a real Prometheus.

use anyhow::{Result, ensure};
use flippy_e2e::config::condition;
use flippy_e2e::prometheus::{ALERT, Prometheus};
use flippy_e2e::scenario::{NEW_IMAGE, Scenario};
use flippy_e2e::workloads::Workload;
use serde_json::{Value, json};

use crate::config::{MESH, paced};
use crate::outcome::{LIMIT, condition_because, ready_because, restarted_once};

flippy_e2e::scenarios! {
    // The simulation knows no network but its own, and the operator asks over a real one.
    real: [
        a_campaign_waits_for_an_alert_to_end_and_for_prometheus_to_be_back,
        the_api_server_refuses_what_is_no_gate_and_names_the_field,
    ],
}

fn gated(s: &Scenario, url: &str, min_interval: &str) -> Value {
    let mut spec = paced(s, &[NEW_IMAGE], &json!({"MinInterval": min_interval}));
    let prometheus = json!({"URL": url, "Query": ALERT, "For": "0s", "Interval": "5s"});
    spec["Gates"] = json!([{"Name": "alerts", "Prometheus": prometheus}]);
    spec
}

/// Waits until the gate is shut, and checks that this is told and that so many workloads were restarted before.
async fn shut(s: &Scenario, why: &str, restarted: usize) -> Result<()> {
    let what = format!("gate alerts to be shut: {why}");
    let message = s
        .config_status(s.system(), MESH, &what, LIMIT, |status| {
            let allowed = condition(status, "RestartsAllowed").unwrap_or(&Value::Null);
            let message = allowed["message"].as_str().unwrap_or_default();
            let is_shut = allowed["reason"] == "GateShut" && message.contains(why);
            if is_shut { Ok(message.to_owned()) } else { Err(allowed.to_string()) }
        })
        .await?;
    ensure!(message.starts_with("gate alerts: "), "{message}");
    let names = s.requests()?.restarts().names();
    ensure!(names.len() == restarted, "restarted: {names:?}");
    Ok(())
}

async fn a_campaign_waits_for_an_alert_to_end_and_for_prometheus_to_be_back(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let workloads = s.create_all(&shop, ["a", "b", "c"].map(Workload::deployment)).await?;
    let prometheus = Prometheus::start(s, true).await?;
    let url = prometheus.url();
    let operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    // After the first, the next would be due tomorrow.
    s.config(s.system(), MESH, gated(s, &url, "24h")).await?;
    shut(s, "the query returns 1 series", 0).await?;
    let metrics = operator.metrics().await?;
    let series = format!("flippy_gate_open{{config_namespace=\"{}\",config=\"{MESH}\",gate=\"alerts\"}} 0", s.system());
    ensure!(metrics.contains(&series), "{series} is not in {metrics}");

    prometheus.set_alert(false)?;
    s.fresh(&workloads[..1], NEW_IMAGE, LIMIT).await?;
    condition_because(s, MESH, "RestartsAllowed", "Open").await?;

    let down = prometheus.kill();
    shut(s, "Connection refused", 1).await?;
    s.config(s.system(), MESH, gated(s, &url, "0s")).await?;
    condition_because(s, MESH, "RestartsAllowed", "GateShut").await?;
    shut(s, "Connection refused", 1).await?;

    let _prometheus = down.start().await?;
    ready_because(s, MESH, "AllFresh").await?;
    restarted_once(s, &workloads).await
}

async fn the_api_server_refuses_what_is_no_gate_and_names_the_field(s: &Scenario) -> Result<()> {
    let with = |field: &str, value: Value| {
        let mut prometheus = json!({"URL": "https://prometheus", "Query": "up == 0"});
        prometheus[field] = value;
        json!([{"Prometheus": prometheus}])
    };
    let token = json!({"Name": "prometheus", "Key": "token"});
    let mut token_in_the_clear = with("URL", json!("http://prometheus"));
    token_in_the_clear[0]["Prometheus"]["BearerTokenSecret"] = token;
    let bad = [
        ("spec.Gates[0]", "a gate needs Prometheus", json!([{"Name": "a"}])),
        (
            "spec.Gates[0].Name",
            "two words",
            json!([{"Name": "two words", "Prometheus": {"URL": "http://a", "Query": "b"}}]),
        ),
        ("spec.Gates[0].Prometheus", "needs URL and Query", json!([{"Prometheus": {"URL": "http://a"}}])),
        ("spec.Gates[0].Prometheus.URL", "ftp://a", with("URL", json!("ftp://a"))),
        ("spec.Gates[0].Prometheus.URL", "me:secret@a", with("URL", json!("http://me:secret@a"))),
        ("spec.Gates[0].Prometheus", "https only", token_in_the_clear),
        ("spec.Gates[0].Prometheus.BearerTokenSecret", "needs Name and Key", with("BearerTokenSecret", json!({}))),
        ("spec.Gates[0].Prometheus.Threshold", "needs Operator and Value", with("Threshold", json!({"Operator": "<"}))),
        (
            "spec.Gates[0].Prometheus.Threshold.Operator",
            "==",
            with("Threshold", json!({"Operator": "==", "Value": "1"})),
        ),
        (
            "spec.Gates[0].Prometheus.Threshold.Value",
            "NaN",
            with("Threshold", json!({"Operator": "<", "Value": "NaN"})),
        ),
        ("spec.Gates[0].Prometheus.Interval", "soon", with("Interval", json!("soon"))),
        ("spec.Gates[0].Prometheus.TimeoutSeconds", "31", with("TimeoutSeconds", json!(31))),
    ];
    for (path, value, gates) in bad {
        let mut spec = paced(s, &[NEW_IMAGE], &json!({}));
        spec["Gates"] = gates.clone();
        let Err(refused) = s.config(s.system(), MESH, spec).await else { panic!("{gates} was accepted") };
        let message = format!("{refused:#}");
        assert!(message.contains(&format!("{path}: ")) && message.contains(value), "{gates}: {message}");
    }
    Ok(())
}
