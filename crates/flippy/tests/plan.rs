//! `flippy plan`, as people and pipelines use it.

mod api_server;

use api_server::shop::{CONFIGS, NEW, OLD, config, shop};
use api_server::{Answer, Outcome, flippy, list, serve, status};
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
fn a_disruption_budget_that_allows_none_is_shown() {
    let mut answers = shop(&[config(&[NEW])]);
    answers.retain(|(path, ..)| !path.ends_with("poddisruptionbudgets"));
    for (_, _, deployments) in answers.iter_mut().filter(|(path, ..)| path.ends_with("deployments")) {
        deployments["items"][1]["spec"]["strategy"] = json!({"type": "Recreate"});
    }
    let budget = json!({
        "metadata": {"namespace": "shop", "name": "all", "uid": "all", "generation": 1},
        "spec": {"selector": {}},
        "status": {"observedGeneration": 1, "expectedPods": 2, "currentHealthy": 2, "desiredHealthy": 1},
    });
    answers.push(("/apis/policy/v1/poddisruptionbudgets", 200, list(&[budget])));
    let outcome = plan(answers, &[]);
    assert!(outcome.stdout.contains("PodDisruptionBudget shop/all allows no disruption now"), "{}", outcome.stdout);
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

/// A Manual wave for everything in the shop.
fn config_in_waves(status: &Value) -> Value {
    let mut config = config(&[NEW]);
    let shop = json!({"matchLabels": {"istio-injection": "enabled"}});
    let wave = json!({"Name": "shop", "NamespaceSelector": shop, "Approval": "Manual"});
    config["spec"]["Strategy"] = json!({"Waves": [wave]});
    config["status"] = status.clone();
    config
}

/// With a gate, and what the operator said of it when the spec was of this generation.
fn gated(state: &str, message: &str, generation: i64) -> Value {
    let mut config = config(&[NEW]);
    // Nobody listens there: a plan that asked would not end well.
    config["spec"]["Gates"] =
        json!([{"Name": "alerts", "Prometheus": {"URL": "http://127.0.0.1:1", "Query": "ALERTS"}}]);
    config["status"] = json!({
        "observedGeneration": generation, "conditions": [],
        "gates": [{"name": "alerts", "state": state, "message": message}],
    });
    config
}

#[test]
fn a_workload_that_waits_says_for_what_and_in_which_wave_it_is() {
    let outcome = plan(shop(&[config_in_waves(&Value::Null)]), &["-o", "json"]);
    let plan: Value = serde_json::from_str(&outcome.stdout).expect("stdout is JSON and nothing else");
    let plan = &plan["configs"][0];
    let cart = &plan["workloads"][0];
    assert_eq!((&cart["name"], &cart["wave"]), (&json!("cart"), &json!("shop")));
    assert_eq!(cart["waitsFor"]["reason"], "AwaitingApproval");
    assert_eq!(plan["startsNow"], json!([]));
    assert_eq!(plan["waves"][0]["state"], "AwaitingApproval");
    assert_eq!(plan["waves"][1]["name"], "rest");
    assert!(plan["campaign"].as_str().is_some_and(|campaign| campaign.ends_with(".1")));
}

#[test]
fn what_the_operator_remembers_of_waves_counts_for_the_plan() {
    let first = plan(shop(&[config_in_waves(&Value::Null)]), &["-o", "json"]);
    let first: Value = serde_json::from_str(&first.stdout).expect("stdout is JSON and nothing else");
    let approved = json!({"name": "shop", "approvedAt": "2026-01-01T00:00:00Z", "approvedBy": "jane"});
    let status = json!({"conditions": [], "campaign": first["configs"][0]["campaign"], "waves": [approved]});
    let outcome = plan(shop(&[config_in_waves(&status)]), &[]);
    assert!(outcome.stdout.contains("starts at once: Deployment shop/cart\n"), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("approved by jane"), "{}", outcome.stdout);
}

#[test]
fn a_gate_is_shown_as_the_operator_last_found_it() {
    let outcome = plan(shop(&[gated("Shut", "connection refused", 1)]), &[]);
    let expected = "\
gate alerts: shut, says the operator: connection refused
nothing starts: gate alerts: connection refused
";
    assert!(outcome.stdout.ends_with(expected), "{}{}", outcome.stdout, outcome.stderr);
    let outcome = plan(shop(&[gated("Open", "", 1)]), &[]);
    let expected = "\
gate alerts: open when the operator last asked
starts at once: Deployment shop/cart
";
    assert!(outcome.stdout.contains(expected), "{}{}", outcome.stdout, outcome.stderr);
}

#[test]
fn what_the_operator_said_of_an_earlier_spec_is_not_believed() {
    let outcome = plan(shop(&[gated("Shut", "connection refused", 0)]), &[]);
    let expected = "gate alerts: the operator asks it, and only while something is to be restarted\nstarts at once: ";
    assert!(outcome.stdout.contains(expected), "{}{}", outcome.stdout, outcome.stderr);
}

/// A config whose image is named in a `ConfigMap`.
fn with_source() -> Value {
    let mut config = config(&[]);
    config["spec"]["ImageSources"] =
        json!([{"ConfigMap": {"Name": "injector", "Key": "values", "Template": "istio/proxyv2:{.global.tag}"}}]);
    config
}

const INJECTOR: &str = "/api/v1/namespaces/istio-system/configmaps/injector";

#[test]
fn images_that_are_named_in_a_config_map_are_wanted() {
    let mut answers = shop(&[with_source()]);
    let found = json!({"metadata": {"name": "injector"}, "data": {"values": "{\"global\": {\"tag\": \"1.30.4\"}}"}});
    answers.push((INJECTOR, 200, found));
    let outcome = plan(answers, &[]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(outcome.stdout.contains(&format!("FlippyConfig istio-system/mesh wants {NEW}")), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("1 to restart"), "{}", outcome.stdout);
}

#[test]
fn a_config_map_that_is_missing_is_a_problem_and_no_empty_plan() {
    let outcome = plan(shop(&[with_source()]), &[]);
    assert_eq!(outcome.code, Some(1));
    let expected = "spec.ImageSources: ConfigMap istio-system/injector, key values: does not exist";
    assert!(outcome.stderr.contains(expected), "{}", outcome.stderr);
}

#[test]
fn a_config_map_that_may_not_be_read_is_named_with_the_right_that_is_missing() {
    let mut answers = shop(&[with_source()]);
    let message = "configmaps \"injector\" is forbidden: User \"jane\" cannot get resource \"configmaps\"";
    answers.push((INJECTOR, 403, status(403, "Forbidden", message)));
    let outcome = plan(answers, &[]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.contains("allow get, list and watch on ConfigMap injector"), "{}", outcome.stderr);
}

#[test]
fn admission_is_not_asked_and_the_plan_says_so() {
    let mut listed = config(&[NEW]);
    listed["spec"]["DriftDetection"] = json!("Injection");
    let outcome = plan(shop(&[listed.clone()]), &[]);
    assert!(outcome.stdout.contains("Deployment  shop/cart       1/1   Restart"), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("spec.DriftDetection: admission is not asked for a plan"), "{}", outcome.stdout);

    listed["spec"]["ImageList"] = json!([]);
    let outcome = plan(shop(&[listed]), &[]);
    assert!(outcome.stdout.contains("wants what admission gives new pods"), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("asked before anything is restarted, and not for a plan"), "{}", outcome.stdout);
}
