//! `flippy plan`, as people and pipelines use it.

mod api_server;

use api_server::shop::{CONFIGS, NEW, OLD, config, shop};
use api_server::{Answer, Outcome, flippy, serve, status};
use serde_json::{Value, json};

fn plan_at(server: &str, stdin: &str, args: &[&str]) -> Outcome {
    flippy(server, stdin, &[&["plan"], args].concat())
}

fn plan(answers: Vec<Answer>, args: &[&str]) -> Outcome {
    plan_at(&serve(answers), "", args)
}

#[test]
fn every_workload_in_scope_is_listed_with_its_verdict() {
    let outcome = plan(shop(&[config(&[NEW])]), &[]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let expected = format!(
        "\
FlippyConfig istio-system/mesh wants {NEW}

KIND        NAMESPACE/NAME  PODS  VERDICT  REASON
Deployment  shop/cart       1/1   Restart  istio-proxy runs {OLD}
Deployment  shop/till       0/1   Fresh    every pod runs a wanted image

2 workloads in scope: 1 to restart, 1 fresh
starts at once: Deployment shop/cart
"
    );
    let shown: Vec<&str> = outcome.stdout.lines().take(8).collect();
    assert_eq!(shown, expected.lines().collect::<Vec<_>>());
}

#[test]
fn the_exit_code_tells_of_stale_workloads_only_when_asked() {
    assert_eq!(plan(shop(&[config(&[NEW])]), &["--exit-code"]).code, Some(3));
    assert_eq!(plan(shop(&[config(&[NEW])]), &[]).code, Some(0));
    assert_eq!(plan(shop(&[config(&[NEW, OLD])]), &["--exit-code"]).code, Some(0));
}

#[test]
fn json_is_for_programs() {
    let outcome = plan(shop(&[config(&[NEW])]), &["-o", "json"]);
    let plan: Value = serde_json::from_str(&outcome.stdout).expect("stdout is JSON and nothing else");
    let cart = &plan["configs"][0]["workloads"][0];
    assert_eq!((&cart["name"], &cart["verdict"], &cart["image"]), (&json!("cart"), &json!("Restart"), &json!(OLD)));
}

#[test]
fn a_file_is_planned_before_anything_is_installed() {
    let mut answers = shop(&[]);
    answers.retain(|(path, ..)| *path != CONFIGS);
    let outcome = plan_at(&serve(answers), &config(&[NEW]).to_string(), &["-f", "-"]);
    assert!(
        outcome.stdout.contains("Deployment  shop/cart       1/1   Restart"),
        "{}{}",
        outcome.stdout,
        outcome.stderr
    );
}

#[test]
fn a_config_that_wants_another_image_blocks_a_file() {
    let mut other = config(&["docker.io/istio/proxyv2:1.29.0"]);
    other["metadata"]["name"] = json!("other");
    let outcome = plan_at(&serve(shop(&[other])), &config(&[NEW]).to_string(), &["-f", "-"]);
    assert!(
        outcome.stdout.contains("FlippyConfig istio-system/other wants another image"),
        "{}{}",
        outcome.stdout,
        outcome.stderr
    );
    assert!(!outcome.stdout.contains("FlippyConfig istio-system/other wants docker.io"), "{}", outcome.stdout);
}

#[test]
fn without_the_definition_it_says_how_to_install_it() {
    let outcome = plan(Vec::new(), &[]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.contains("flippy crd | kubectl apply -f -"), "{}", outcome.stderr);
}

#[test]
fn without_configs_it_says_so_kindly() {
    let outcome = plan(shop(&[]), &["--exit-code"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(outcome.stdout.starts_with("no FlippyConfig in the cluster"), "{}", outcome.stdout);
}

#[test]
fn a_missing_right_is_named() {
    let mut answers = shop(&[config(&[NEW])]);
    answers.retain(|(path, ..)| *path != "/api/v1/pods");
    let message =
        "pods is forbidden: User \"jane\" cannot list resource \"pods\" in API group \"\" at the cluster scope";
    answers.push(("/api/v1/pods", 403, status(403, "Forbidden", message)));
    let outcome = plan(answers, &[]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.contains("jane may not list pods in the whole cluster"), "{}", outcome.stderr);
}

#[test]
fn credentials_that_are_not_accepted_are_no_way_to_the_cluster() {
    let outcome = plan(vec![(CONFIGS, 401, status(401, "Unauthorized", "Unauthorized"))], &[]);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.contains("log in again"), "{}", outcome.stderr);
}

#[test]
fn an_invalid_config_is_reported_beside_the_plan_of_a_valid_one() {
    let mut broken = config(&["not an image"]);
    broken["metadata"]["name"] = json!("broken");
    let outcome = plan(shop(&[config(&[NEW]), broken]), &[]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stdout.contains("shop/cart"), "{}", outcome.stdout);
    assert!(outcome.stderr.contains("FlippyConfig istio-system/broken: spec.ImageList[0]: "), "{}", outcome.stderr);
}

#[test]
fn all_mistakes_of_a_file_are_told_without_a_cluster() {
    let outcome = plan_at("http://127.0.0.1:1", &config(&["not an image", "nor this"]).to_string(), &["-f", "-"]);
    assert_eq!(outcome.code, Some(1));
    assert_eq!(outcome.stderr.lines().count(), 2, "{}", outcome.stderr);
    assert!(outcome.stderr.starts_with("error: <stdin>:1: spec.ImageList[0]: "), "{}", outcome.stderr);
}

#[test]
fn an_unreachable_cluster_is_one_clear_line() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let server = format!("http://{}", closed.expect("the system has a free port"));
    let outcome = plan_at(&server, "", &[]);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.starts_with(&format!("error: cannot reach the cluster at {server}")), "{}", outcome.stderr);
    assert!(outcome.stderr.to_lowercase().contains("connection refused"), "{}", outcome.stderr);
    assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
}

#[test]
fn an_empty_scope_says_which_filter_nothing_passes() {
    let mut elsewhere = config(&[NEW]);
    elsewhere["spec"]["ProcessFilter"]["Labels"] = json!({"mesh": "other"});
    let outcome = plan(shop(&[elsewhere]), &[]);
    assert!(
        outcome.stdout.contains("because: no namespace with a Deployment has the labels mesh=other"),
        "{}",
        outcome.stdout
    );
}
