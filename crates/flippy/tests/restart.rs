//! `flippy restart` before anything begins: what it refuses, and in which words. Whole campaigns run on a real control
//! plane.

mod api_server;

use api_server::shop::{NEW, config, shop};
use api_server::{Answer, Outcome, flippy, list, serve, serve_logging, status};
use serde_json::{Value, json};

const REVIEWS: &str = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
const LEASES: &str = "/apis/coordination.k8s.io/v1/leases";
const NAMESPACED_LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/istio-system/leases/flippy";

/// Restarts by a file, as a pipeline does that only looks.
fn dry_run(answers: Vec<Answer>, file: &Value, args: &[&str]) -> Outcome {
    flippy(&serve(answers), &file.to_string(), &[&["restart", "-f", "-", "--dry-run"], args].concat())
}

/// Everybody may do everything.
fn granted() -> Answer {
    (REVIEWS, 201, json!({"spec": {}, "status": {"allowed": true}}))
}

/// The shop, whose config is not in the cluster.
fn unknown_to_the_cluster() -> Vec<Answer> {
    let mut answers = shop(&[]);
    answers.remove(0);
    answers.push(granted());
    answers
}

#[test]
fn without_a_terminal_it_wants_to_be_told_that_nobody_is_asked() {
    let (server, log) = serve_logging(unknown_to_the_cluster());
    let outcome = flippy(&server, &config(&[NEW]).to_string(), &["restart", "-f", "-"]);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.contains("add --yes, or --dry-run"), "{}", outcome.stderr);
    assert!(log.lock().expect("no holder panics").is_empty(), "it asked the cluster before");
}

#[test]
fn a_dry_run_shows_the_plan_in_brief_and_restarts_nothing() {
    let (server, log) = serve_logging(unknown_to_the_cluster());
    let outcome = flippy(&server, &config(&[NEW]).to_string(), &["restart", "-f", "-", "--dry-run"]);
    let expected = "\
FlippyConfig istio-system/mesh wants docker.io/istio/proxyv2:1.30.4
2 workloads in scope: 1 to restart, 1 fresh
starts at once: Deployment shop/cart
then: the rest waits until Deployment shop/cart is completely rolled out
";
    assert_eq!((outcome.stdout.as_str(), outcome.code), (expected, Some(0)), "{}", outcome.stderr);
    let asked = log.lock().expect("no holder panics").clone();
    assert!(asked.iter().all(|line| line.starts_with("GET ") || line.contains(REVIEWS)), "{asked:?}");
}

#[test]
fn a_dry_run_is_told_to_programs_as_one_object_a_line() {
    let outcome = dry_run(unknown_to_the_cluster(), &config(&[NEW]), &["-o", "json"]);
    let told: Vec<Value> =
        outcome.stdout.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
    assert_eq!(told.len(), 1, "{}", outcome.stdout);
    assert_eq!((&told[0]["event"], &told[0]["counters"]["restart"]), (&json!("Planned"), &json!(1)), "{}", told[0]);
}

#[test]
fn an_empty_cluster_has_nothing_to_restart() {
    let empty = ["/api/v1/namespaces", "/apis/apps/v1/deployments", "/apis/apps/v1/replicasets", "/api/v1/pods"];
    let mut answers: Vec<Answer> = empty.into_iter().map(|path| (path, 200, list(&[]))).collect();
    answers.extend([("/apis/policy/v1/poddisruptionbudgets", 200, list(&[])), granted()]);
    let outcome = dry_run(answers, &config(&[NEW]), &[]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(outcome.stdout.contains("no workload is in scope\nbecause: "), "{}", outcome.stdout);
}

#[test]
fn rights_that_are_missing_are_named_all_at_once() {
    let mut answers = unknown_to_the_cluster();
    answers.pop();
    answers.push((REVIEWS, 201, json!({"spec": {}, "status": {"allowed": false}})));
    let outcome = dry_run(answers, &config(&[NEW]), &[]);
    assert_eq!(outcome.code, Some(1), "{}", outcome.stdout);
    for right in
        ["watch pods in the whole cluster", "watch deployments.apps", "patch deployments.apps in namespace shop"]
    {
        assert!(outcome.stderr.contains(&format!("you may not {right}")), "{right}: {}", outcome.stderr);
    }
}

#[test]
fn who_wants_what_admission_gives_needs_the_right_to_create_pods_where_the_workloads_are() {
    let mut answers = unknown_to_the_cluster();
    answers.pop();
    answers.push((REVIEWS, 201, json!({"spec": {}, "status": {"allowed": false}})));
    let mut asking = config(&[]);
    asking["spec"]["DriftDetection"] = json!("Injection");
    let outcome = dry_run(answers, &asking, &[]);
    assert_eq!(outcome.code, Some(1), "{}", outcome.stdout);
    for right in ["create pods in namespace shop", "patch deployments.apps in namespace shop"] {
        assert!(outcome.stderr.contains(&format!("you may not {right}")), "{right}: {}", outcome.stderr);
    }
}

#[test]
fn a_list_that_is_refused_names_the_right() {
    let message =
        "pods is forbidden: User \"jane\" cannot list resource \"pods\" in API group \"\" at the cluster scope";
    let mut answers = unknown_to_the_cluster();
    answers.retain(|(path, ..)| *path != "/api/v1/pods");
    answers.push(("/api/v1/pods", 403, status(403, "Forbidden", message)));
    let outcome = dry_run(answers, &config(&[NEW]), &[]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.contains("jane may not list pods in the whole cluster"), "{}", outcome.stderr);
}

#[test]
fn a_config_that_is_paused_is_not_run() {
    let mut paused = config(&[NEW]);
    paused["spec"]["Suspend"] = json!(true);
    let outcome = dry_run(unknown_to_the_cluster(), &paused, &[]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.contains("FlippyConfig istio-system/mesh is paused"), "{}", outcome.stderr);
}

#[test]
fn a_server_that_cannot_be_reached_is_named() {
    let outcome = flippy("http://127.0.0.1:1", &config(&[NEW]).to_string(), &["restart", "-f", "-", "--yes"]);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.contains("cannot reach the cluster at http://127.0.0.1:1"), "{}", outcome.stderr);
}

#[test]
fn a_context_that_does_not_exist_is_answered_with_those_that_do() {
    let args = ["--context", "prod"];
    let outcome = dry_run(unknown_to_the_cluster(), &config(&[NEW]), &args);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.contains("there is no context prod") && outcome.stderr.contains("it has test"));
}

/// A lease as the operator holds it, of one second.
fn lease(holder: &str, version: &str) -> Value {
    json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": "flippy", "namespace": "istio-system", "uid": "lease", "resourceVersion": version},
        "spec": {"holderIdentity": holder, "leaseDurationSeconds": 1},
    })
}

fn with_overlapping(config: &Value, leases: Answer) -> Vec<Answer> {
    let mut answers = shop(std::slice::from_ref(config));
    answers.extend([granted(), leases]);
    answers
}

#[test]
fn a_lease_that_nobody_renews_is_no_operator_at_work() {
    let answers = with_overlapping(&config(&[NEW]), (LEASES, 200, list(&[lease("flippy-0", "7")])));
    let outcome = dry_run(answers, &config(&[NEW]), &[]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("looking whether an operator is at work"), "{}", outcome.stderr);
}

#[test]
fn a_lease_that_nobody_holds_is_no_operator_at_work() {
    let answers = with_overlapping(&config(&[NEW]), (LEASES, 200, list(&[lease("", "7")])));
    let outcome = dry_run(answers, &config(&[NEW]), &[]);
    assert_eq!((outcome.code, outcome.stderr.contains("looking whether")), (Some(0), false), "{}", outcome.stderr);
}

#[test]
fn without_any_lease_a_status_that_answers_the_present_spec_is_an_operator_at_work() {
    let mut answered = config(&[NEW]);
    answered["metadata"]["generation"] = json!(3);
    answered["status"] = json!({"observedGeneration": 3, "conditions": []});
    let leases = || (LEASES, 200, list(&[]));
    let outcome = dry_run(with_overlapping(&answered, leases()), &config(&[NEW]), &[]);
    assert_eq!(outcome.code, Some(1), "{}", outcome.stdout);
    for expected in ["without leader election may be at work", "--no-operator", "flippy pause mesh -n istio-system"] {
        assert!(outcome.stderr.contains(expected), "{expected} is missing in {}", outcome.stderr);
    }
    let knowing = dry_run(with_overlapping(&answered, leases()), &config(&[NEW]), &["--no-operator"]);
    assert_eq!(knowing.code, Some(0), "{}", knowing.stderr);
    // What the present spec asks for is done by nobody.
    answered["metadata"]["generation"] = json!(4);
    assert_eq!(dry_run(with_overlapping(&answered, leases()), &config(&[NEW]), &[]).code, Some(0));
}

#[test]
fn where_leases_may_not_be_seen_it_does_not_begin_beside_an_overlapping_config() {
    let message = "leases is forbidden: User \"jane\" cannot list resource \"leases\"";
    let answers = with_overlapping(&config(&[NEW]), (LEASES, 403, status(403, "Forbidden", message)));
    let mut closed = answers.clone();
    closed.push((NAMESPACED_LEASE, 403, status(403, "Forbidden", message)));
    let outcome = dry_run(closed, &config(&[NEW]), &[]);
    assert_eq!(outcome.code, Some(1), "{}", outcome.stdout);
    assert!(
        outcome.stderr.contains("cannot be told") && outcome.stderr.contains("flippy pause mesh -n istio-system"),
        "{}",
        outcome.stderr
    );
    // The one where the operator would be is enough.
    let mut open = answers;
    open.push((NAMESPACED_LEASE, 404, status(404, "NotFound", "leases \"flippy\" not found")));
    assert_eq!(dry_run(open, &config(&[NEW]), &[]).code, Some(0));
}

#[test]
fn a_config_of_the_cluster_that_is_about_other_workloads_or_paused_is_in_nobodys_way() {
    let mut paused = config(&[NEW]);
    paused["spec"]["Suspend"] = json!(true);
    let mut elsewhere = config(&[NEW]);
    elsewhere["spec"]["ProcessFilter"]["Labels"] = json!({"mesh": "another"});
    for other in [paused, elsewhere] {
        // There is no answer about leases, so asking for them would be an error.
        let mut answers = shop(&[other]);
        answers.push(granted());
        let outcome = dry_run(answers, &config(&[NEW]), &[]);
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    }
}

#[test]
fn an_unknown_config_of_the_cluster_is_answered_with_near_ones() {
    let outcome = flippy(&serve(shop(&[config(&[NEW])])), "", &["restart", "mash", "--dry-run"]);
    assert_eq!(outcome.stderr, "error: there is no FlippyConfig mash; there is istio-system/mesh\n");
}
