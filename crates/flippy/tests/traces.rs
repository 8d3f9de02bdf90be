//! What `flippy run` tells a collector of traces, and what that changes: nothing.

mod api_server;

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use api_server::{Log, kubeconfig, serve, serve_logging};
use serde_json::{Value, json};
use tempfile::TempDir;

/// What is logged of a server that knows nothing, after the first pass.
const AFTER_A_PASS: &str = "watch failed";
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// A collector, and what it was sent.
fn collector() -> (String, Log) {
    serve_logging(vec![("/v1/traces", 200, json!({}))])
}

/// Lets the operator work, with a few more variables, until a line of its log contains this; then stops it. Returns the log.
fn run_until(text: &str, variables: &[(&str, &str)]) -> Vec<Value> {
    let home = TempDir::new().expect("a temporary directory can be made");
    let server = serve(Vec::new());
    let mut operator = Command::new(env!("CARGO_BIN_EXE_flippy"))
        .env_clear()
        .env("KUBECONFIG", kubeconfig(home.path(), &server))
        .envs(variables.iter().copied())
        .args(["run", "--metrics-bind-address=0", "--health-probe-bind-address=0"])
        .stderr(Stdio::piped())
        .spawn()
        .expect("flippy starts");
    let mut lines = BufReader::new(operator.stderr.take().expect("stderr is piped")).lines().map_while(Result::ok);
    let mut log = Vec::new();
    let mut take = |line: String| log.push(serde_json::from_str(&line).expect("each line is JSON"));
    for line in lines.by_ref() {
        let is_it = line.contains(text);
        take(line);
        if is_it {
            break;
        }
    }
    let stopped = Command::new("kill").args(["-TERM", &operator.id().to_string()]).status().expect("there is a kill");
    assert!(stopped.success(), "it ended before: {log:#?}");
    lines.for_each(&mut take);
    assert_eq!(operator.wait().expect("it is our child").code(), Some(0), "{log:#?}");
    log
}

fn posts(log: &Log) -> String {
    log.lock().expect("no holder panics").join("\n")
}

#[test]
fn what_is_left_is_sent_at_a_clean_stop_under_the_name_that_the_environment_gives() {
    let (url, sent) = collector();
    run_until(AFTER_A_PASS, &[(ENDPOINT, &url), ("OTEL_SERVICE_NAME", "mesh-restarts")]);
    let sent = posts(&sent);
    assert!(sent.starts_with("POST /v1/traces"), "{sent}");
    assert!(sent.contains("mesh-restarts") && sent.contains("pass"), "{sent}");
}

#[test]
fn without_the_variable_nothing_is_sent() {
    let (url, sent) = collector();
    run_until(AFTER_A_PASS, &[("OTEL_SERVICE_NAME", "mesh-restarts"), ("UNRELATED", &url)]);
    assert_eq!(posts(&sent), "");
}

#[test]
fn a_collector_that_is_away_changes_neither_the_log_nor_the_stop() {
    let log = run_until(AFTER_A_PASS, &[(ENDPOINT, "http://127.0.0.1:1")]);
    for line in &log {
        assert!(line.get("span").is_none() && line.get("spans").is_none(), "{line}");
        let target = line["target"].as_str().expect("each line has one");
        assert!(target.starts_with("flippy"), "{line}");
    }
}
