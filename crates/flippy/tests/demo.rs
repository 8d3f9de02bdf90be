//! `flippy demo`, as somebody sees it who has nothing but the binary.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use assert_cmd::cargo::cargo_bin_cmd;
use serde_json::Value;

const NEW: &str = "docker.io/istio/proxyv2:1.30.4";

struct Outcome {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn demo_with(stdin: &str, args: &[&str]) -> Outcome {
    let output = cargo_bin_cmd!("flippy").env_clear().arg("demo").args(args).write_stdin(stdin).output();
    let output = output.expect("flippy starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("flippy writes text");
    Outcome { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn demo(args: &[&str]) -> Outcome {
    demo_with("", args)
}

/// What most tests look at.
fn plain() -> &'static Outcome {
    static OUTCOME: OnceLock<Outcome> = OnceLock::new();
    OUTCOME.get_or_init(|| demo(&[]))
}

/// The same for programs.
fn json() -> &'static Outcome {
    static OUTCOME: OnceLock<Outcome> = OnceLock::new();
    OUTCOME.get_or_init(|| demo(&["-o", "json"]))
}

/// The demo's own config with something else in it.
fn config(from: &str, to: &str) -> String {
    let own = demo(&["--print-config"]).stdout;
    assert!(own.contains(from), "{from} is not in {own}");
    own.replace(from, to)
}

fn result(outcome: &Outcome) -> Value {
    let last = outcome.stdout.lines().last().unwrap_or_else(|| panic!("no output: {}", outcome.stderr));
    serde_json::from_str(last).expect("the last line is JSON")
}

#[test]
fn every_awkward_workload_is_told_of_with_its_reason() {
    let outcome = plain();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    for expected in [
        "skipped    Deployment billing/ledger (Paused): ",
        "skipped    ArgoRollout checkout/web (MidRollout): ",
        "futile     Deployment identity/legacy-sso (SameImageAgain): ",
        "failed     Deployment delivery/route-planner (NotCompleteInTime): ",
        "skipped    ArgoRollout payments/card-gateway (DisruptionBudget): ",
        "failed     Deployment catalogue/thumbnails (UnhealthyBefore): ",
        "waiting    FlippyConfig istio-system/mesh (PreconditionsNotMet): precondition Deployment istio-system/istiod: ",
        "left alone (flippy-ignore): Deployment payments/hsm-bridge, Deployment sandbox/playground",
    ] {
        assert!(outcome.stdout.contains(expected), "{expected} is missing in {}", outcome.stdout);
    }
}

#[test]
fn what_a_status_repeats_is_told_once() {
    let found: Vec<&str> = plain()
        .stdout
        .lines()
        .filter(|line| line.contains("skipped  ") || line.contains("failed  "))
        .map(|line| &line[10..])
        .collect();
    let mut once = found.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(found.len(), once.len(), "{found:?}");
    assert!(!found.is_empty());
}

#[test]
fn every_workload_of_the_mesh_has_a_verdict_and_the_well_ones_are_fresh() {
    let plan = &result(json())["configs"][0];
    assert_eq!((&plan["counters"]["total"], &plan["counters"]["fresh"]), (&79.into(), &73.into()), "{plan}");
    let of_kind = |kind: &str| {
        let workloads = plan["workloads"].as_array().expect("there are workloads");
        workloads.iter().filter(|workload| workload["kind"] == kind).count()
    };
    assert!(["Deployment", "ArgoRollout", "StatefulSet", "DaemonSet"].into_iter().all(|kind| of_kind(kind) > 0));
}

#[test]
fn the_gateway_goes_first_and_what_is_unhealthy_goes_last() {
    let restarted: Vec<&str> =
        plain().stdout.lines().filter_map(|line| Some(line.split_once("restarted  ")?.1.split_once(": ")?.0)).collect();
    assert_eq!(restarted.first(), Some(&"Deployment istio-system/istio-ingressgateway"));
    assert_eq!(restarted.last(), Some(&"Deployment catalogue/thumbnails"));
}

#[test]
fn what_asks_to_be_left_alone_is() {
    let restarted: Vec<&str> = plain().stdout.lines().filter(|line| line.contains("restarted  ")).collect();
    assert!(!restarted.is_empty());
    for alone in ["payments/hsm-bridge", "sandbox/playground", "kube-system/coredns", "billing/ledger"] {
        assert!(restarted.iter().all(|line| !line.contains(alone)), "{alone}");
    }
}

#[test]
fn the_campaign_is_over_within_half_a_minute_of_a_terminal() {
    let result = result(json());
    assert_eq!(result["outcome"], "Settled");
    // A terminal shows 60 cluster seconds a second.
    let seconds = result["clusterSeconds"].as_f64().expect("it is a number");
    assert!(seconds > 300.0 && seconds < 28.0 * 60.0, "{seconds}");
}

#[test]
fn the_same_seed_is_the_same_campaign_at_any_speed() {
    assert_eq!(plain().stdout, demo(&[]).stdout);
    assert_eq!(plain().stdout, demo(&["--speed", "5000", "--seed", "1"]).stdout);
}

#[test]
fn another_seed_is_another_campaign() {
    assert_ne!(plain().stdout, demo(&["--seed", "2"]).stdout);
}

#[test]
fn piped_output_is_plain_text() {
    assert!(!plain().stdout.contains('\u{1b}'));
    assert_eq!(plain().stderr, "");
}

#[test]
fn json_is_one_object_a_line_and_nothing_else() {
    let outcome = json();
    let types: Vec<String> = outcome
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("every line is JSON"))
        .map(|object| object["type"].as_str().expect("every object has a type").to_owned())
        .collect();
    assert_eq!(types.iter().filter(|kind| *kind == "result").count(), 1);
    assert_eq!(types.last().map(String::as_str), Some("result"));
    for kind in ["started", "turn", "waiting", "restarted", "skipped", "futile", "failed"] {
        assert!(types.iter().any(|other| other == kind), "{kind}");
    }
}

#[test]
fn the_config_that_it_prints_can_be_tried() {
    let own = demo(&["--print-config"]).stdout;
    let outcome = demo_with(&own, &["--config", "-", "-o", "json"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert_eq!(outcome.stdout, json().stdout);
}

#[test]
fn the_mesh_is_upgraded_to_what_a_config_of_ones_own_wants() {
    let outcome = demo_with(&config(NEW, "registry.example/mesh/proxy:2"), &["--config", "-", "-o", "json"]);
    let result = result(&outcome);
    assert_eq!(result["configs"][0]["counters"]["fresh"], 73, "{}", outcome.stderr);
}

#[test]
fn every_mistake_in_a_config_is_told_before_anything_starts() {
    let outcome = demo_with(&config(NEW, "not an image"), &["--config", "-"]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(1), ""));
    assert!(outcome.stderr.starts_with("error: <stdin>:1: spec.ImageList[0]: "), "{}", outcome.stderr);
}

#[test]
fn a_file_that_does_not_exist_is_named() {
    let outcome = demo(&["--config", "missing.yaml"]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.starts_with("error: cannot read missing.yaml: "), "{}", outcome.stderr);
}

#[test]
fn a_namespace_that_the_mesh_does_not_have_is_answered_with_those_it_has() {
    let config = "{apiVersion: keikoproj.io/v1, kind: FlippyConfig, metadata: {name: mine, namespace: shop}, spec: {}}";
    let outcome = demo_with(config, &["--config", "-"]);
    assert_eq!(outcome.code, Some(1));
    assert!(
        outcome.stderr.contains("has no namespace shop: put the FlippyConfig into istio-system"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn a_container_that_no_pod_has_is_explained() {
    let outcome = demo_with(&config("[istio-proxy]", "[linkerd-proxy]"), &["--config", "-"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(outcome.stdout.contains("none of their pods has a container linkerd-proxy"), "{}", outcome.stdout);
}

#[test]
fn a_suspended_config_restarts_nothing_and_says_why() {
    let outcome = demo_with(&config("spec:\n", "spec:\n  Suspend: true\n"), &["--config", "-"]);
    assert!(outcome.stdout.contains("0 restarts in "), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("nothing starts: spec.Suspend is true"), "{}", outcome.stdout);
}

#[test]
fn a_config_of_ones_own_reaches_nobody_outside() {
    let outside = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    outside.set_nonblocking(true).expect("it can be asked without waiting");
    let url = format!("http://{}", outside.local_addr().expect("it has an address"));
    let named = format!(
        "spec:\n  Gates: [{{Name: alerts, Prometheus: {{URL: '{url}', Query: ALERTS}}}}]\n  \
         Notifications: [{{Name: ops, Webhook: {{URL: '{url}'}}}}]\n"
    );
    let outcome = demo_with(&config("spec:\n", &named), &["--config", "-"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    for expected in ["its 1 gates that ask Prometheus are open all the time", "its 1 notifications are not sent"] {
        assert!(outcome.stdout.contains(expected), "{expected} is missing in {}", outcome.stdout);
    }
    assert!(outside.accept().is_err(), "somebody was reached");
}

#[test]
fn a_speed_that_is_none_is_wrong_usage() {
    let outcome = demo(&["--speed", "fast"]);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.contains("for example 60, or max"), "{}", outcome.stderr);
}

#[test]
fn help_says_what_the_exit_codes_mean_and_fits() {
    let help = demo(&["--help"]).stdout;
    assert!(help.contains("Exit codes: 0 the campaign is over"), "{help}");
    assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
}

#[test]
fn an_interrupt_ends_it_with_what_there_is_to_show() {
    let mut child = Command::new(assert_cmd::cargo::cargo_bin!("flippy"))
        .args(["demo", "--speed", "1"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("flippy starts");
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let mut next = move || lines.next().map(|line| line.expect("flippy writes text"));
    while !next().expect("it goes on for twenty minutes").contains("skipped") {}
    let interrupted = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill starts");
    assert!(interrupted.success());
    let rest: Vec<String> = std::iter::from_fn(next).collect();
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert!(rest.iter().any(|line| line.starts_with("Interrupted: ")), "{rest:?}");
}

#[test]
fn a_reader_that_has_seen_enough_ends_it_without_complaint() {
    let mut child = Command::new(assert_cmd::cargo::cargo_bin!("flippy"))
        .args(["demo", "--speed", "30"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("flippy starts");
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let first = lines.next().expect("there is a first line").expect("flippy writes text");
    assert!(first.contains("cluster"), "{first}");
    drop(lines);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), b"".as_slice()));
}
