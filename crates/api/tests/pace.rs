//! `Strategy`, `Windows` and the annotation that resumes: from a config to a policy.

use std::collections::BTreeSet;

use flippy_api::{ConversionOptions, FlippyConfig, InvalidSpec, parse_duration, policy};
use flippy_core::{
    DisruptionBudgets, Limit, MethodChoice, Policy, SignedDuration, SingleReplica, Strategy, TimeZone, Window,
    WindowKind,
};
use serde_json::{Value, json};

fn convert(spec: &Value, annotations: &Value) -> Result<Policy, InvalidSpec> {
    let object = json!({
        "apiVersion": "keikoproj.io/v1", "kind": "FlippyConfig",
        "metadata": {"name": "mesh", "namespace": "istio-system", "annotations": annotations}, "spec": spec,
    });
    let config: FlippyConfig = serde_json::from_value(object).expect("it decodes");
    let trusted_namespaces = BTreeSet::from(["istio-system".into()]);
    policy(&config, &ConversionOptions { ignore_key: "flippy-ignore".into(), trusted_namespaces })
}

fn strategy(strategy: &Value) -> Policy {
    convert(&json!({"Strategy": strategy}), &json!({})).expect("it is valid")
}

/// What is wrong, each with its path.
fn wrong(spec: &Value) -> Vec<String> {
    let invalid = convert(spec, &json!({})).expect_err("it is invalid");
    invalid.problems.iter().map(ToString::to_string).collect()
}

#[test]
fn without_a_strategy_and_windows_all_is_as_in_the_original() {
    let policy = convert(&json!({}), &json!({})).expect("it is valid");
    assert_eq!(policy.strategy, Strategy::default());
    assert_eq!(policy.windows, []);
    assert_eq!(policy.resumed_at, None);
    assert_eq!(strategy(&json!({})).strategy, Strategy::default());
}

#[test]
fn a_strategy_is_taken_over() {
    let policy = strategy(&json!({
        "MaxConcurrent": "5%", "MaxConcurrentPerNamespace": 2, "MinInterval": "1m30s", "MinReadySeconds": 60,
        "MaxFailures": 3, "OnFailure": "Halt", "SingleReplica": "Hold", "DisruptionBudgets": "Ignore",
        "Method": "Evict",
    }));
    let expected = Strategy {
        max_concurrent: Some(Limit::Percent(5)),
        max_concurrent_per_namespace: Some(Limit::Count(2)),
        min_interval: SignedDuration::from_secs(90),
        min_ready: SignedDuration::from_secs(60),
        max_failures: Some(Limit::Count(3)),
        single_replica: SingleReplica::Hold,
        disruption_budgets: DisruptionBudgets::Ignore,
        method: MethodChoice::Evict,
    };
    assert_eq!(policy.strategy, expected);
    assert_eq!(policy.notes, []);
}

#[test]
fn halting_without_a_number_tolerates_no_failure_and_continuing_any() {
    assert_eq!(strategy(&json!({"OnFailure": "Halt"})).strategy.max_failures, Some(Limit::Count(0)));
    assert_eq!(strategy(&json!({"MaxFailures": "10%"})).strategy.max_failures, Some(Limit::Percent(10)));
    let policy = strategy(&json!({"MaxFailures": 3, "OnFailure": "Continue"}));
    assert_eq!(policy.strategy.max_failures, None);
    assert!(policy.notes[0].to_string().contains("leave one of the two out"));
}

#[test]
fn a_limit_is_a_number_or_a_percentage_and_nothing_else() {
    for value in [
        json!(0),
        json!(-1),
        json!("0%"),
        json!("101%"),
        json!("5"),
        json!("05%"),
        json!("%"),
        json!("+5%"),
        json!("5 %"),
        json!("five"),
    ] {
        let problems = wrong(&json!({"Strategy": {"MaxConcurrent": value}}));
        let expected = "write a number of workloads from 1 on, or a percentage, for example \"5%\"";
        assert!(problems[0].starts_with("spec.Strategy.MaxConcurrent: is "), "{problems:?}");
        assert!(problems[0].ends_with(expected), "{problems:?}");
    }
    assert_eq!(strategy(&json!({"MaxFailures": 0})).strategy.max_failures, Some(Limit::Count(0)));
    assert_eq!(strategy(&json!({"MaxFailures": "0%"})).strategy.max_failures, Some(Limit::Percent(0)));
    assert_eq!(strategy(&json!({"MaxConcurrent": null})).strategy.max_concurrent, None);
}

#[test]
fn everything_wrong_with_a_strategy_is_told_with_what_to_write() {
    let problems = wrong(&json!({"Strategy": {
        "MinInterval": "30", "MinReadySeconds": -1, "OnFailure": "stop", "SingleReplica": "Skip",
        "DisruptionBudgets": "respect",
        "Method": "Delete",
    }}));
    assert_eq!(
        problems,
        [
            "spec.Strategy.MinInterval: `30` is no duration: write numbers with units, for example 10h, 1h30m or 90s",
            "spec.Strategy.MinReadySeconds: is -1; write seconds from 0 to 86400",
            "spec.Strategy.SingleReplica: is `Skip`; write Restart or Hold",
            "spec.Strategy.DisruptionBudgets: is `respect`; write Respect or Ignore",
            "spec.Strategy.Method: is `Delete`; write Auto, Patch or Evict",
            "spec.Strategy.OnFailure: is `stop`; write Halt or Continue",
        ]
    );
    assert_eq!(
        wrong(&json!({"Strategy": {"MinInterval": "25h"}})),
        ["spec.Strategy.MinInterval: is `25h`; write at most 24h"]
    );
    assert_eq!(wrong(&json!({"Strategy": {"MinReadySeconds": 86401}})).len(), 1);
}

#[test]
fn windows_are_taken_over() {
    let policy = convert(
        &json!({"Windows": [
            {"Type": "Allow", "Schedule": "0 22 * * 1-5", "Duration": "6h", "TimeZone": "Europe/Paris"},
            {"Type": "Deny", "Schedule": "0 0 24 12 *", "Duration": "48h"},
        ]}),
        &json!({}),
    );
    let window = |kind, schedule: &str, hours, time_zone| Window {
        kind,
        schedule: schedule.parse().expect("a schedule"),
        duration: SignedDuration::from_hours(hours),
        time_zone,
    };
    let paris = TimeZone::get("Europe/Paris").expect("it is bundled");
    let expected = [
        window(WindowKind::Allow, "0 22 * * 1-5", 6, paris),
        window(WindowKind::Deny, "0 0 24 12 *", 48, TimeZone::UTC),
    ];
    assert_eq!(policy.expect("it is valid").windows, expected);
}

#[test]
fn everything_wrong_with_a_window_is_told_with_what_to_write() {
    let problems = wrong(&json!({"Windows": [
        {"Type": "Allow", "Schedule": "0 22 * * 1-5", "Duration": "6h"},
        {"Type": "allow", "Schedule": "22:00", "Duration": "6", "TimeZone": "Paris"},
    ]}));
    let expected = [
        "spec.Windows[1].Type: is `allow`; write Allow or Deny",
        "spec.Windows[1].Schedule: `22:00` is no cron schedule: it has 1 fields; write five fields",
        "spec.Windows[1].Duration: `6` is no duration: write numbers with units",
        "spec.Windows[1].TimeZone: is `Paris`; write the IANA name of a time zone, for example Europe/Paris",
    ];
    assert_eq!(problems.len(), expected.len(), "{problems:?}");
    for (problem, expected) in problems.iter().zip(expected) {
        assert!(problem.starts_with(expected), "{problem}");
    }
    assert_eq!(wrong(&json!({"Windows": [{}]})).len(), 3);
}

#[test]
fn a_window_lasts_from_a_minute_to_thirty_days() {
    let windows = |duration| json!({"Windows": [{"Type": "Allow", "Schedule": "0 1 * * *", "Duration": duration}]});
    for duration in ["1m", "720h"] {
        assert!(convert(&windows(duration), &json!({})).is_ok(), "{duration}");
    }
    for duration in ["59s", "720h1s", "0", "-1h"] {
        assert_eq!(wrong(&windows(duration)).len(), 1, "{duration}");
    }
}

#[test]
fn ten_windows_are_enough() {
    let windows =
        |count| json!({"Windows": vec![json!({"Type": "Allow", "Schedule": "0 1 * * *", "Duration": "1h"}); count]});
    assert!(convert(&windows(10), &json!({})).is_ok());
    assert_eq!(wrong(&windows(11)), ["spec.Windows: has 11 entries; write at most 10"]);
}

#[test]
fn what_is_hostile_is_cut_short() {
    let long = "9".repeat(100_000);
    for spec in [
        json!({"Strategy": {"MinInterval": long}}),
        json!({"Strategy": {"OnFailure": long}}),
        json!({"Strategy": {"MaxConcurrent": long}}),
        json!({"Windows": [{"Type": long, "Schedule": long, "Duration": long, "TimeZone": long}]}),
    ] {
        assert!(wrong(&spec).iter().all(|problem| problem.chars().count() < 400));
    }
}

#[test]
fn a_person_resumes_with_an_annotation_that_is_a_time() {
    let resumed =
        |text: &str| convert(&json!({}), &json!({"flippy.keikoproj.io/resumed-at": text})).expect("it is valid");
    assert_eq!(resumed("2026-01-05T22:00:00Z").resumed_at, Some("2026-01-05T22:00:00Z".parse().expect("a time")));
    let odd = resumed("now");
    assert_eq!(odd.resumed_at, None);
    assert!(odd.notes[0].to_string().contains("`now` is no time; write for example 2026-01-05T22:00:00Z"));
}

#[test]
fn durations_are_as_go_writes_them() {
    use std::time::Duration;
    assert_eq!(parse_duration("1m0.5s"), Ok(Duration::from_millis(60_500)));
    assert!(parse_duration("1d").is_err());
}

/// The schema of a field of `spec.Strategy`.
fn schema_of(field: &str) -> Value {
    let definition = serde_json::to_value(flippy_api::crd()).expect("a definition is JSON");
    definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["Strategy"]
        ["properties"][field]
        .clone()
}

#[test]
fn the_api_server_takes_a_number_or_a_percentage() {
    for field in ["MaxConcurrent", "MaxConcurrentPerNamespace", "MaxFailures"] {
        let schema = schema_of(field);
        assert_eq!(schema["x-kubernetes-int-or-string"], true, "{field}");
        assert_eq!(schema["anyOf"], json!([{"type": "integer"}, {"type": "string"}]), "{field}");
        assert_eq!(schema["type"], Value::Null, "{field}: a type beside int-or-string is refused");
        assert!(schema["pattern"].is_string() && schema["description"].is_string(), "{field}");
    }
}

#[test]
fn a_person_asks_for_another_try_with_an_annotation_of_times_and_workloads() {
    let asking = |text: &str| convert(&json!({}), &json!({"flippy.keikoproj.io/retry": text})).expect("it is valid");
    let text = "2026-01-05T22:00:00Z Deployment/shop/cart, 2026-01-05T21:00:00Z";
    assert_eq!(asking(text).retries.to_string(), text);
    let odd = asking("now");
    assert_eq!(odd.retries, flippy_core::Retries::default());
    assert!(odd.notes[0].to_string().contains("`now` is nothing to try again: write a time"), "{}", odd.notes[0]);
}
