//! `flippy pause` and `flippy resume`.

mod api_server;

use api_server::shop::{CONFIGS, NEW, config};
use api_server::{Answer, Outcome, flippy, list, serve_logging, status};
use serde_json::{Value, json};

const MESH: &str = "/apis/keikoproj.io/v1/namespaces/istio-system/flippyconfigs/mesh";

/// A verb on a config, and the changes that it asked for.
fn verb(config: Value, args: &[&str]) -> (Outcome, Vec<String>) {
    let changed = (MESH, 200, config.clone());
    with_answers(vec![(CONFIGS, 200, list(&[config])), changed], args)
}

fn with_answers(answers: Vec<Answer>, args: &[&str]) -> (Outcome, Vec<String>) {
    let (server, log) = serve_logging(answers);
    let outcome = flippy(&server, "", args);
    let changes =
        log.lock().expect("no holder panics").iter().filter(|line| !line.starts_with("GET")).cloned().collect();
    (outcome, changes)
}

fn mesh(suspended: bool) -> Value {
    let mut config = config(&[NEW]);
    config["metadata"]["resourceVersion"] = json!("7");
    config["spec"]["Suspend"] = json!(suspended);
    config
}

#[test]
fn pause_says_what_it_changed_and_changes_nothing_else() {
    let (outcome, changes) = verb(mesh(false), &["pause", "mesh"]);
    assert_eq!(
        outcome.stdout,
        "FlippyConfig istio-system/mesh: spec.Suspend is true now: no further restart starts; what is under way finishes\n",
        "{}",
        outcome.stderr
    );
    let patch = r#"{"metadata":{"resourceVersion":"7"},"spec":{"Suspend":true}}"#;
    assert_eq!(changes, [format!("PATCH {MESH}?&fieldManager=flippy-cli {patch}")]);
    assert_eq!(outcome.code, Some(0));
}

#[test]
fn a_dry_run_is_the_servers() {
    let (outcome, changes) = verb(mesh(true), &["resume", "mesh", "--dry-run"]);
    assert!(outcome.stdout.contains("(dry run: nothing changed)"), "{}{}", outcome.stdout, outcome.stderr);
    assert!(changes[0].contains("dryRun=All"), "{changes:?}");
}

/// With a wave that waits for its approval.
fn with_wave() -> Value {
    let mut config = mesh(false);
    config["metadata"]["generation"] = json!(1);
    config["spec"]["Strategy"] = json!({"Waves": [{"Name": "early", "Approval": "Manual"}]});
    let waves = json!([{"name": "early", "state": "AwaitingApproval"}]);
    config["status"] = json!({"observedGeneration": 1, "campaign": "abc.1", "conditions": [], "waves": waves});
    config
}

#[test]
fn a_wave_is_approved_wherever_the_config_is() {
    let (outcome, changes) = verb(with_wave(), &["approve", "mesh", "early"]);
    let said = "approved wave early of FlippyConfig istio-system/mesh (annotation flippy.keikoproj.io/approve-early: \
                \"abc.1\"); it starts now\n";
    assert_eq!(outcome.stdout, said, "{}", outcome.stderr);
    assert!(changes.iter().any(|change| change.starts_with(&format!("PATCH {MESH}?"))), "{changes:?}");
}

#[test]
fn without_the_resource_every_verb_says_so() {
    let status = status(404, "NotFound", "page not found");
    for args in [&["pause", "mesh"][..], &["approve", "mesh", "early"], &["retry", "mesh"]] {
        let (outcome, _) = with_answers(vec![(CONFIGS, 404, status.clone())], args);
        assert!(outcome.stderr.contains("the cluster does not know FlippyConfig"), "{args:?}: {}", outcome.stderr);
        assert_eq!(outcome.code, Some(1));
    }
}

#[test]
fn nothing_to_change_is_said_and_is_no_error() {
    for (config, args) in [(mesh(true), ["pause", "mesh"]), (mesh(false), ["resume", "mesh"])] {
        let (outcome, changes) = verb(config, &args);
        assert!(outcome.stdout.ends_with("nothing changed\n"), "{}", outcome.stdout);
        assert_eq!((outcome.code, changes), (Some(0), Vec::new()));
    }
}

#[test]
fn resume_of_a_halted_campaign_writes_the_annotation_too() {
    let mut halted = mesh(false);
    let condition =
        json!({"type": "Stalled", "status": "True", "reason": "Halted", "message": "", "lastTransitionTime": ""});
    halted["status"] = json!({"observedGeneration": 1, "conditions": [condition]});
    let (outcome, changes) = verb(halted, &["resume", "mesh"]);
    assert!(outcome.stdout.contains("flippy.keikoproj.io/resumed-at is 2"), "{}{}", outcome.stdout, outcome.stderr);
    assert!(changes[0].contains(r#"{"annotations":{"flippy.keikoproj.io/resumed-at":"2"#), "{changes:?}");
}

#[test]
fn somebody_elses_change_in_between_is_not_overwritten() {
    let conflict = (MESH, 409, status(409, "Conflict", "the object has been modified"));
    let (outcome, changes) = with_answers(vec![(CONFIGS, 200, list(&[mesh(false)])), conflict], &["pause", "mesh"]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.contains("was changed by somebody else each time"), "{}", outcome.stderr);
    assert_eq!(changes.len(), 5);
}

#[test]
fn the_right_that_is_missing_is_named() {
    let message = "flippyconfigs.keikoproj.io \"mesh\" is forbidden: User \"jane\" cannot patch resource \"flippyconfigs\" in API group \"keikoproj.io\" in the namespace \"istio-system\"";
    let denied = (MESH, 403, status(403, "Forbidden", message));
    let (outcome, _) = with_answers(vec![(CONFIGS, 200, list(&[mesh(false)])), denied], &["pause", "mesh"]);
    assert_eq!(outcome.code, Some(1));
    assert!(
        outcome.stderr.contains("jane may not patch flippyconfigs.keikoproj.io in namespace istio-system"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn retry_writes_the_time_and_who_is_meant_into_one_annotation() {
    let mut failed = mesh(false);
    failed["status"] = json!({"conditions": [], "workloads": {"total": 2, "failed": 1}});
    let (outcome, changes) = verb(failed.clone(), &["retry", "mesh"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(outcome.stdout.contains("1 failed and 0 futile are tried again at once"), "{}", outcome.stdout);
    assert!(changes[0].contains(r#""annotations":{"flippy.keikoproj.io/retry":"#), "{changes:?}");
    let home = "/apis/keikoproj.io/v1/namespaces/istio-system/flippyconfigs";
    let answers = vec![(home, 200, list(std::slice::from_ref(&failed))), (MESH, 200, failed)];
    let (outcome, changes) = with_answers(answers, &["retry", "istio-system/mesh", "deploy/cart", "-n", "shop"]);
    assert!(outcome.stdout.contains("Deployment shop/cart is, if its last restart"), "{}", outcome.stdout);
    assert!(changes[0].contains("Z Deployment/shop/cart\""), "{changes:?}");
}

#[test]
fn retry_of_what_has_not_failed_changes_nothing() {
    let (outcome, changes) = verb(mesh(false), &["retry", "mesh"]);
    assert!(outcome.stdout.ends_with("nothing changed\n"), "{}", outcome.stdout);
    assert_eq!((outcome.code, changes), (Some(0), Vec::new()));
}

#[test]
fn a_pod_cannot_be_tried_again() {
    let (outcome, _) = verb(mesh(false), &["retry", "mesh", "pod/cart-1"]);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.contains("name its workload"), "{}", outcome.stderr);
}
