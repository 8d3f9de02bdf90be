//! `Gates`: from a config to a policy.

use std::collections::BTreeSet;

use flippy_api::{ConversionOptions, FlippyConfig, InvalidSpec, policy};
use flippy_core::{Comparison, Policy, PrometheusQuery, QueryGate, SecretKey, SignedDuration, Threshold};
use serde_json::{Value, json};

const PEM: &str = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";

fn convert_in(namespace: &str, gates: &Value) -> Result<Policy, InvalidSpec> {
    let object = json!({
        "apiVersion": "keikoproj.io/v1", "kind": "FlippyConfig",
        "metadata": {"name": "mesh", "namespace": namespace}, "spec": {"Gates": gates},
    });
    let config: FlippyConfig = serde_json::from_value(object).expect("it decodes");
    let trusted_namespaces = BTreeSet::from(["istio-system".into()]);
    policy(&config, &ConversionOptions { ignore_key: "flippy-ignore".into(), trusted_namespaces })
}

fn valid(gates: &Value) -> Vec<QueryGate> {
    convert_in("istio-system", gates).expect("it is valid").gates
}

/// What is wrong, each with its path.
fn wrong(gates: &Value) -> Vec<String> {
    let invalid = convert_in("istio-system", gates).expect_err("it is invalid");
    invalid.problems.iter().map(ToString::to_string).collect()
}

/// A valid gate with some fields of `Prometheus` changed.
fn changed(changes: &Value) -> Value {
    let mut prometheus = json!({"URL": "https://prometheus:9090", "Query": "up == 0"});
    for (field, value) in changes.as_object().expect("changes are fields") {
        prometheus[field] = value.clone();
    }
    json!([{"Prometheus": prometheus}])
}

/// The only problem with a changed gate.
fn problem(changes: &Value) -> String {
    let problems = wrong(&changed(changes));
    assert_eq!(problems.len(), 1, "{changes}: {problems:?}");
    problems[0].strip_prefix("spec.Gates[0].Prometheus.").expect("it is about Prometheus").to_owned()
}

#[test]
fn a_gate_needs_no_more_than_an_address_and_a_query() {
    let expected = QueryGate {
        name: "gate-1".into(),
        query: PrometheusQuery {
            url: "https://prometheus:9090".into(),
            query: "up == 0".into(),
            timeout: SignedDuration::from_secs(10),
            token: None,
            ca_bundle: None,
        },
        threshold: None,
        open_for: SignedDuration::from_mins(2),
        interval: SignedDuration::from_secs(30),
    };
    assert_eq!(valid(&changed(&json!({}))), [expected]);
}

#[test]
fn every_field_is_taken_over() {
    let gates = json!([{"Name": "slo", "Prometheus": {
        "URL": "https://prometheus:9090/tenant/", "Query": "errors", "Threshold": {"Operator": "<=", "Value": "1e-2"},
        "For": "0s", "Interval": "1m", "TimeoutSeconds": 5, "BearerTokenSecret": {"Name": "prometheus", "Key": "token"},
        "CABundle": PEM,
    }}]);
    let expected = QueryGate {
        name: "slo".into(),
        query: PrometheusQuery {
            url: "https://prometheus:9090/tenant".into(),
            query: "errors".into(),
            timeout: SignedDuration::from_secs(5),
            token: Some(SecretKey { name: "prometheus".into(), key: "token".into() }),
            ca_bundle: Some(PEM.into()),
        },
        threshold: Some(Threshold { comparison: Comparison::LessOrEqual, value: 0.01 }),
        open_for: SignedDuration::ZERO,
        interval: SignedDuration::from_mins(1),
    };
    assert_eq!(valid(&gates), [expected]);
}

#[test]
fn a_namespace_that_is_not_trusted_may_have_no_gates() {
    let invalid = convert_in("shop", &changed(&json!({}))).expect_err("shop is not trusted");
    let message = invalid.to_string();
    assert!(message.starts_with("spec.Gates: namespace shop is not trusted"), "{message}");
    assert!(message.contains("--config-namespace"), "{message}");
    assert!(convert_in("shop", &json!([])).is_ok());
}

#[test]
fn an_address_is_http_or_https_and_a_host() {
    for url in
        ["http://prometheus", "https://prometheus.monitoring.svc:9090", "http://10.0.0.1:9090/a/b", "http://[::1]:9090"]
    {
        assert_eq!(valid(&changed(&json!({"URL": url}))).len(), 1, "{url}");
    }
    for url in [
        "",
        "prometheus:9090",
        "ftp://prometheus",
        "file:///etc/passwd",
        "https://",
        "https:///path",
        "https://a b",
        "https://prometheus?x=1",
        "https://prometheus/#x",
        "https://prometheus:99999",
        "HTTPS://prometheus",
        "https://a\nb",
    ] {
        assert!(problem(&json!({"URL": url})).starts_with("URL: "), "{url}");
    }
}

#[test]
fn credentials_in_an_address_are_refused_and_not_repeated() {
    let problem = problem(&json!({"URL": "https://me:hunter2@prometheus"}));
    assert!(problem.contains("write BearerTokenSecret") && !problem.contains("hunter2"), "{problem}");
}

#[test]
fn a_token_goes_over_https_only() {
    let key = json!({"Name": "prometheus", "Key": "token"});
    let problem = problem(&json!({"URL": "http://prometheus", "BearerTokenSecret": key}));
    assert!(problem.starts_with("BearerTokenSecret: is for https only"), "{problem}");
}

#[test]
fn what_is_no_key_of_a_secret_is_refused() {
    for key in [json!({}), json!({"Name": "a"}), json!({"Key": "a"}), json!({"Name": " ", "Key": "a"})] {
        assert!(problem(&json!({"BearerTokenSecret": key})).starts_with("BearerTokenSecret: names no key"));
    }
}

#[test]
fn a_threshold_is_a_comparison_and_a_finite_number() {
    for operator in ["", "==", "=<", "less"] {
        let found = problem(&json!({"Threshold": {"Operator": operator, "Value": "1"}}));
        assert_eq!(found, format!("Threshold.Operator: is `{operator}`; write <, <=, > or >="));
    }
    for value in ["", "one", "NaN", "inf", "-Inf", "1e999", "1 "] {
        let found = problem(&json!({"Threshold": {"Operator": "<", "Value": value}}));
        assert!(found.starts_with(&format!("Threshold.Value: is `{value}`; write a number")), "{found}");
    }
}

#[test]
fn times_are_bounded() {
    for (field, value) in [
        ("For", json!("25h")),
        ("For", json!("soon")),
        ("Interval", json!("4s")),
        ("Interval", json!("61m")),
        ("Interval", json!("-1m")),
        ("TimeoutSeconds", json!(-1)),
        ("TimeoutSeconds", json!(31)),
    ] {
        assert!(problem(&json!({field: value})).starts_with(field), "{field} {value}");
    }
}

#[test]
fn an_answer_may_not_take_longer_than_the_interval() {
    let gates = valid(&changed(&json!({"Interval": "5s"})));
    assert_eq!(gates[0].query.timeout, SignedDuration::from_secs(5));
    let problem = problem(&json!({"Interval": "5s", "TimeoutSeconds": 6}));
    assert!(problem.contains("longer than Interval"), "{problem}");
}

#[test]
fn certificate_authorities_are_pem_and_for_https() {
    assert!(problem(&json!({"CABundle": "MIIB"})).starts_with("CABundle: holds no certificate"));
    assert!(problem(&json!({"URL": "http://a", "CABundle": PEM})).starts_with("CABundle: is for https only"));
    assert!(problem(&json!({"CABundle": PEM.repeat(1000)})).starts_with("CABundle: is longer than"));
}

#[test]
fn a_query_is_bounded_and_not_empty() {
    assert!(problem(&json!({"Query": " "})).starts_with("Query: is missing"));
    assert!(problem(&json!({"Query": "a".repeat(4097)})).starts_with("Query: has 4097 characters"));
}

#[test]
fn names_are_labels_and_differ() {
    let named = |names: &[&str]| -> Value {
        let prometheus = json!({"URL": "https://prometheus", "Query": "up == 0"});
        names.iter().map(|name| json!({"Name": name, "Prometheus": prometheus})).collect()
    };
    assert_eq!(valid(&named(&["a.b-c_1", ""])).len(), 2);
    assert_eq!(
        wrong(&named(&["a", "a"])),
        ["spec.Gates[1].Name: `a` is the name of another gate too; write different ones"]
    );
    assert_eq!(wrong(&named(&["gate-2", ""])).len(), 1);
    for name in ["two words", "ü", "a\"b", &"a".repeat(64)] {
        assert!(wrong(&named(&[name]))[0].starts_with("spec.Gates[0].Name: "), "{name}");
    }
}

#[test]
fn ten_gates_are_enough() {
    let gates = |count: usize| -> Value {
        let prometheus = json!({"URL": "https://prometheus", "Query": "up == 0"});
        (0..count).map(|_| json!({"Prometheus": prometheus})).collect()
    };
    assert_eq!(valid(&gates(10)).len(), 10);
    assert_eq!(wrong(&gates(11)), ["spec.Gates: has 11 entries; write at most 10"]);
}

#[test]
fn a_gate_without_prometheus_is_refused() {
    assert_eq!(wrong(&json!([{}])), ["spec.Gates[0].Prometheus: is missing; write URL and Query"]);
    assert_eq!(wrong(&json!([{"Name": "a", "Prometheus": null}])).len(), 1);
}
