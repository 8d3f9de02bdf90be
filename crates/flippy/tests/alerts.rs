//! The alerts and the dashboard, as far as they depend on what else is in the repository.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

const RUNBOOK: &str = "https://github.com/keikoproj/flippy/blob/main/docs/alerts.md#";

fn text(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn alerts() -> Vec<Value> {
    let rules: Value = serde_saphyr::from_str(&text("charts/flippy/rules/flippy.yaml")).expect("it is YAML");
    rules["groups"][0]["rules"].as_array().expect("there are rules").clone()
}

/// Words of a text that begin like a metric of ours.
fn metrics(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("flippy_")).map(str::to_owned).collect()
}

#[test]
fn every_alert_has_its_chapter_in_the_runbook_and_points_to_it() {
    let chapters: BTreeSet<String> =
        text("docs/alerts.md").lines().filter_map(|line| line.strip_prefix("## ").map(str::to_owned)).collect();
    let mut names = BTreeSet::new();
    for alert in alerts() {
        let name = alert["alert"].as_str().expect("it has a name").to_owned();
        assert_eq!(alert["annotations"]["runbook_url"], format!("{RUNBOOK}{}", name.to_lowercase()));
        names.insert(name);
    }
    assert_eq!(names, chapters);
}

#[test]
fn every_alert_is_tested() {
    let tests = text("e2e/rules/flippy.yaml");
    for alert in alerts() {
        let name = alert["alert"].as_str().expect("it has a name");
        assert!(tests.contains(&format!("alertname: {name}\n    exp_alerts:")), "{name} never fires in a test");
    }
}

#[test]
fn alerts_and_dashboard_ask_for_metrics_that_there_are() {
    let known = metrics(&text("docs/metrics.md"));
    for file in ["charts/flippy/rules/flippy.yaml", "charts/flippy/dashboards/flippy.json", "docs/alerts.md"] {
        for metric in metrics(&text(file)) {
            // The series of a histogram.
            let name = metric.trim_end_matches("_bucket").trim_end_matches("_count").trim_end_matches("_sum");
            assert!(known.contains(name), "{file}: there is no {metric}");
        }
    }
}

#[test]
fn alerts_name_reasons_that_there_are() {
    let known = text("docs/reasons.md");
    for alert in alerts() {
        let expression = alert["expr"].as_str().expect("it has an expression");
        let quoted = expression.split("reason=").skip(1).filter_map(|rest| rest.split('"').nth(1));
        for reason in quoted.flat_map(|alternatives| alternatives.split('|')) {
            assert!(known.contains(&format!("## {reason}\n")), "{expression}: there is no reason {reason}");
        }
    }
}
