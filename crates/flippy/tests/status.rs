//! `flippy status`, as people and pipelines use it. What it follows is tested on a real control plane.

mod api_server;

use api_server::shop::{CONFIGS, NEW, config};
use api_server::{Answer, Outcome, flippy, list, serve, serve_logging, status};
use serde_json::{Value, json};

const IN_MESH: &str = "/apis/keikoproj.io/v1/namespaces/istio-system/flippyconfigs";

fn status_of(answers: Vec<Answer>, args: &[&str]) -> Outcome {
    flippy(&serve(answers), "", &[&["status"], args].concat())
}

fn all(configs: &[Value]) -> Vec<Answer> {
    vec![(CONFIGS, 200, list(configs))]
}

fn condition(kind: &str, holds: bool, reason: &str, message: &str) -> Value {
    json!({
        "type": kind, "status": if holds { "True" } else { "False" }, "reason": reason, "message": message,
        "lastTransitionTime": "2030-01-01T00:00:00Z", "observedGeneration": 1,
    })
}

/// A campaign under way, outside its window.
fn under_way() -> Value {
    let mut config = config(&[NEW]);
    config["status"] = json!({
        "observedGeneration": 1,
        "conditions": [
            condition("Ready", false, "CampaignUnderWay", "37 of 60 workloads are done"),
            condition("Stalled", false, "NotStalled", "nothing needs a person"),
            condition("RestartsAllowed", false, "OutsideWindow", "outside the windows of spec.Windows"),
        ],
        "desiredImages": [NEW],
        "workloads": {"total": 60, "done": "37/60", "fresh": 37, "restart": 21, "inFlight": 1, "blocked": 1},
        "startedAt": "2029-12-31T23:00:00Z",
        "inFlight": [{"workload": "Deployment shop/cart", "reason": "InFlight", "message": "being restarted"}],
        "blocked": [{"workload": "Deployment shop/search", "reason": "Paused", "message": "paused: resume it"}],
        "preconditions": [{"type": "Deployment", "namespace": "istio-system", "name": "istiod", "met": false,
                           "unmetSince": "2029-12-31T23:30:00Z", "message": "some of its pods are not available"}],
    });
    config
}

#[test]
fn one_config_is_told_in_full() {
    let outcome = status_of(all(&[under_way()]), &["mesh"]);
    let expected = format!(
        "\
FlippyConfig istio-system/mesh: CampaignUnderWay: 37 of 60 workloads are done
  wants         {NEW}
  done          37/60 workloads: 21 to restart, 1 being restarted, 1 blocked, 37 fresh
  since         2030-01-01T00:00:00Z
  campaign      began 2029-12-31T23:00:00Z
  held          OutsideWindow since 2030-01-01T00:00:00Z: outside the windows of spec.Windows
  precondition  Deployment istio-system/istiod: some of its pods are not available since 2029-12-31T23:30:00Z
  under way     Deployment shop/cart: InFlight: being restarted
  blocked       Deployment shop/search: Paused: paused: resume it
"
    );
    assert_eq!((outcome.stdout, outcome.code), (expected, Some(0)), "{}", outcome.stderr);
}

#[test]
fn several_are_a_table() {
    let mut other = config(&[NEW]);
    other["metadata"]["name"] = json!("other");
    let outcome = status_of(all(&[other, under_way()]), &[]);
    let lines: Vec<&str> = outcome.stdout.lines().map(str::trim_end).collect();
    assert_eq!(
        lines,
        [
            "NAMESPACE/NAME      STATE             DONE   UNDER WAY  BLOCKED  FAILED  SINCE                 HELD BY",
            "istio-system/mesh   CampaignUnderWay  37/60  1          1        0       2030-01-01T00:00:00Z  OutsideWindow",
            "istio-system/other  NoStatus          -      0          0        0       -                     -",
        ],
        "{}",
        outcome.stderr
    );
}

#[test]
fn without_a_status_it_says_that_no_operator_is_at_work() {
    let outcome = status_of(all(&[config(&[NEW])]), &["mesh"]);
    assert!(outcome.stdout.contains("NoStatus: no operator has looked at it yet"), "{}", outcome.stdout);
}

#[test]
fn a_status_of_an_older_spec_is_not_up_to_date() {
    let mut changed = under_way();
    changed["metadata"]["generation"] = json!(2);
    let outcome = status_of(all(&[changed.clone()]), &["mesh"]);
    assert!(
        outcome.stdout.contains("mesh: CampaignUnderWay (outdated): ")
            && outcome.stdout.contains("outdated      the operator has seen generation 1"),
        "{}",
        outcome.stdout
    );
    let outcome = status_of(all(&[changed]), &["-o", "json"]);
    let told: Value = serde_json::from_str(&outcome.stdout).expect("stdout is JSON and nothing else");
    assert_eq!(told["configs"][0]["progress"], "Unknown");
}

#[test]
fn json_has_the_lists_in_full() {
    let outcome = status_of(all(&[under_way()]), &["mesh", "-o", "json"]);
    let told: Value = serde_json::from_str(&outcome.stdout).expect("stdout is JSON and nothing else");
    let config = &told["configs"][0];
    assert_eq!((&config["progress"], &config["held"]["reason"]), (&json!("UnderWay"), &json!("OutsideWindow")));
    assert_eq!(config["blocked"][0]["workload"], "Deployment shop/search");
}

#[test]
fn an_unknown_name_is_answered_with_near_ones() {
    let outcome = status_of(all(&[under_way()]), &["mash"]);
    assert_eq!(outcome.stderr, "error: there is no FlippyConfig mash; there is istio-system/mesh\n");
    assert_eq!(outcome.code, Some(1));
}

#[test]
fn an_ambiguous_name_is_answered_with_the_candidates() {
    let mut other = under_way();
    other["metadata"]["namespace"] = json!("bank");
    let outcome = status_of(all(&[under_way(), other]), &["mesh"]);
    assert!(outcome.stderr.contains("choose one with --namespace; bank/mesh, istio-system/mesh"), "{}", outcome.stderr);
}

#[test]
fn without_the_definition_it_says_how_to_install_it() {
    let outcome = status_of(Vec::new(), &[]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.contains("flippy crd | kubectl apply -f -"), "{}", outcome.stderr);
}

#[test]
fn who_may_see_only_one_namespace_sees_that_and_is_told() {
    let message = "flippyconfigs.keikoproj.io is forbidden: User \"jane\" cannot list resource \"flippyconfigs\" in API group \"keikoproj.io\" at the cluster scope";
    let denied = (CONFIGS, 403, status(403, "Forbidden", message));
    let answers = vec![denied.clone(), (IN_MESH, 200, list(&[under_way()]))];
    let outcome = status_of(answers.clone(), &["mesh"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("only namespace istio-system is looked into"), "{}", outcome.stderr);
    // Who asks for all is told which right is missing.
    let outcome = status_of(answers, &["-A"]);
    assert!(outcome.stderr.contains("jane may not list flippyconfigs.keikoproj.io"), "{}", outcome.stderr);
    assert_eq!(outcome.code, Some(1));
}

#[test]
fn somebody_else_can_be_acted_as() {
    let (server, log) = serve_logging(all(&[under_way()]));
    flippy(&server, "", &["status", "--as", "jane"]);
    let asked = log.lock().expect("no holder panics").clone();
    assert!(asked[0].contains("as jane"), "{asked:?}");
}
