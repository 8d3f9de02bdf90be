//! What the API server refuses of `Gates`.

use serde_json::{Value, json};

use crate::bounds::{
    MAX_CA_BUNDLE_LENGTH, MAX_ENTRY_NAME_LENGTH, MAX_GATES, MAX_NAME_LENGTH, MAX_QUERY_LENGTH, MAX_TIME_LENGTH,
    MAX_URL_LENGTH,
};
use crate::rules::{DURATION, at, rule};

/// Adds bounds and rules to the schema of `spec`.
pub(crate) fn add(spec: &mut Value) {
    at(spec, "Gates").insert("maxItems".to_owned(), json!(MAX_GATES));
    for (path, max_length, pattern) in [
        ("Gates[].Name", MAX_ENTRY_NAME_LENGTH, Some("^[-._a-zA-Z0-9]*$")),
        ("Gates[].Prometheus.URL", MAX_URL_LENGTH, Some(r"^https?://[^/?#@\s]+(/[^?#\s]*)?$")),
        ("Gates[].Prometheus.Query", MAX_QUERY_LENGTH, None),
        (
            "Gates[].Prometheus.Threshold.Value",
            MAX_TIME_LENGTH,
            Some(r"^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$"),
        ),
        ("Gates[].Prometheus.For", MAX_TIME_LENGTH, Some(&*format!("^$|{DURATION}"))),
        ("Gates[].Prometheus.Interval", MAX_TIME_LENGTH, Some(&*format!("^$|{DURATION}"))),
        ("Gates[].Prometheus.BearerTokenSecret.Name", MAX_NAME_LENGTH, None),
        ("Gates[].Prometheus.BearerTokenSecret.Key", MAX_NAME_LENGTH, None),
        ("Gates[].Prometheus.CABundle", MAX_CA_BUNDLE_LENGTH, None),
    ] {
        let schema = at(spec, path);
        schema.insert("maxLength".to_owned(), json!(max_length));
        schema.extend(pattern.map(|pattern| ("pattern".to_owned(), json!(pattern))));
    }
    at(spec, "Gates[].Prometheus.Threshold.Operator").insert("enum".to_owned(), json!(["<", "<=", ">", ">="]));
    let timeout = at(spec, "Gates[].Prometheus.TimeoutSeconds");
    timeout.insert("minimum".to_owned(), json!(0));
    timeout.insert("maximum".to_owned(), json!(30));
    rule(spec, "Gates[]", "has(self.Prometheus)", "a gate needs Prometheus, with URL and Query");
    let needs_both = "has(self.URL) && has(self.Query) && self.Query.trim() != ''";
    rule(spec, "Gates[].Prometheus", needs_both, "Prometheus needs URL and Query");
    let is_safe = "!has(self.BearerTokenSecret) || (has(self.URL) && self.URL.startsWith('https://'))";
    rule(spec, "Gates[].Prometheus", is_safe, "BearerTokenSecret is for https only: write an https URL");
    let is_whole = "has(self.Operator) && has(self.Value)";
    rule(spec, "Gates[].Prometheus.Threshold", is_whole, "Threshold needs Operator and Value");
    let is_named = "has(self.Name) && has(self.Key) && self.Name != '' && self.Key != ''";
    rule(spec, "Gates[].Prometheus.BearerTokenSecret", is_named, "BearerTokenSecret needs Name and Key");
}
