//! From what was found to the next status.

use std::collections::BTreeMap;

use flippy_api::{FlippyConfigStatus, StatusPatch, gate_facts, next_status, problem_status, unmet_since};
use flippy_core::{
    Condition, ConditionStatus, Counters, Kind, ListedWorkload, NamedWorkload, PolicyName, PreconditionFact,
    QueryGateFact, QueryState, StatusFacts, Timestamp,
};
use serde_json::{Value, json};

fn at(time: &str) -> Timestamp {
    format!("2026-01-01T{time}Z").parse().expect("a time")
}

fn ready(status: ConditionStatus, reason: &'static str) -> Condition {
    Condition { kind: "Ready", status, reason, message: "as it is".to_owned() }
}

fn facts(ready: Condition) -> StatusFacts {
    StatusFacts {
        conditions: vec![ready],
        counters: Counters { fresh: 37, restart: 20, idle: 3, ..Counters::default() },
        ..StatusFacts::default()
    }
}

fn under_way(started_at: Option<&str>) -> StatusFacts {
    let facts = facts(ready(ConditionStatus::False, "CampaignUnderWay"));
    StatusFacts { started_at: started_at.map(at), ..facts }
}

fn complete(started_at: Option<&str>) -> StatusFacts {
    StatusFacts { started_at: started_at.map(at), ..facts(ready(ConditionStatus::True, "AllFresh")) }
}

fn next(prior: Option<&FlippyConfigStatus>, facts: &StatusFacts, hash: &str, now: &str) -> FlippyConfigStatus {
    next_status(prior, facts, vec!["docker.io/a/b:1".to_owned()], hash, 7, at(now))
}

fn transition(status: &FlippyConfigStatus) -> &str {
    &status.conditions[0].last_transition_time
}

#[test]
fn the_first_status_says_what_was_found_in_camel_case_and_leaves_out_what_is_not_known() {
    let status = next(None, &under_way(None), "abc", "10:00:00.75");
    let expected = json!({
        "observedGeneration": 7,
        "conditions": [{
            "type": "Ready", "status": "False", "reason": "CampaignUnderWay", "message": "as it is",
            "lastTransitionTime": "2026-01-01T10:00:00Z", "observedGeneration": 7,
        }],
        "desiredImages": ["docker.io/a/b:1"],
        "imagesHash": "abc",
        "workloads": {
            "total": 60, "done": "40/60", "fresh": 37, "restart": 20, "inFlight": 0, "converging": 0, "blocked": 0,
            "futile": 0, "idle": 3, "failed": 0,
        },
    });
    assert_eq!(serde_json::to_value(status).expect("JSON"), expected);
}

#[test]
fn a_status_survives_being_written_and_read() {
    let mut facts = complete(Some("09:00:00"));
    facts.blocked =
        vec![ListedWorkload { workload: "w".to_owned(), reason: "Paused".to_owned(), message: "m".to_owned() }];
    let status = next(None, &facts, "abc", "10:00:00");
    let read: FlippyConfigStatus =
        serde_json::from_value(serde_json::to_value(&status).expect("JSON")).expect("decodes");
    assert_eq!(read, status);
}

#[test]
fn the_same_facts_later_are_the_same_status() {
    let first = next(None, &complete(Some("09:00:00")), "abc", "10:00:00");
    assert_eq!(next(Some(&first), &complete(Some("09:00:00")), "abc", "11:00:00"), first);
}

#[test]
fn another_reason_leaves_the_time_of_transition_alone() {
    let first = next(None, &under_way(None), "abc", "10:00:00");
    let suspended = facts(ready(ConditionStatus::False, "Suspended"));
    let second = next(Some(&first), &suspended, "abc", "11:00:00");
    assert_eq!((second.conditions[0].reason.as_str(), transition(&second)), ("Suspended", "2026-01-01T10:00:00Z"));
}

#[test]
fn another_status_moves_the_time_of_transition() {
    let first = next(None, &under_way(None), "abc", "10:00:00");
    let second = next(Some(&first), &complete(None), "abc", "11:00:00");
    assert_eq!(transition(&second), "2026-01-01T11:00:00Z");
}

#[test]
fn a_campaign_keeps_its_start_though_the_marks_of_it_are_gone() {
    let first = next(None, &under_way(Some("09:00:00")), "abc", "10:00:00");
    let second = next(Some(&first), &under_way(None), "abc", "11:00:00");
    assert_eq!(second.started_at.as_deref(), Some("2026-01-01T09:00:00Z"));
}

#[test]
fn other_images_are_another_campaign() {
    let first = next(None, &complete(Some("09:00:00")), "abc", "10:00:00");
    let second = next(Some(&first), &under_way(None), "def", "11:00:00");
    assert_eq!((second.started_at, second.completed_at), (None, None));
}

#[test]
fn a_campaign_is_completed_when_everything_is_fresh_for_the_first_time() {
    let first = next(None, &under_way(Some("09:00:00")), "abc", "10:00:00");
    assert_eq!(first.completed_at, None);
    let second = next(Some(&first), &complete(Some("09:00:00")), "abc", "11:00:00");
    let third = next(Some(&second), &complete(Some("09:00:00")), "abc", "12:00:00");
    assert_eq!(third.completed_at.as_deref(), Some("2026-01-01T11:00:00Z"));
}

#[test]
fn where_nothing_was_restarted_nothing_was_completed() {
    assert_eq!(next(None, &complete(None), "abc", "10:00:00").completed_at, None);
}

#[test]
fn to_select_nothing_is_not_to_complete_a_campaign() {
    let first = next(None, &under_way(Some("09:00:00")), "abc", "10:00:00");
    let nothing = facts(ready(ConditionStatus::True, "SelectsNothing"));
    assert_eq!(next(Some(&first), &nothing, "abc", "11:00:00").completed_at, None);
}

#[test]
fn lists_and_messages_are_bounded() {
    let listed =
        ListedWorkload { workload: "w".to_owned(), reason: "Refused".to_owned(), message: "é\n".repeat(9000) };
    let mut facts = under_way(None);
    facts.conditions[0].message = "x".repeat(100_000);
    facts.in_flight = vec![listed.clone(); 60];
    facts.blocked = vec![listed.clone(); 60];
    facts.failed = vec![listed; 60];
    let status = next_status(None, &facts, vec!["a".to_owned(); 60], "abc", 1, at("10:00:00"));
    let lengths = [&status.in_flight, &status.blocked, &status.failed].map(Vec::len);
    assert_eq!((lengths, status.desired_images.len()), ([50; 3], 50));
    assert_eq!(status.conditions[0].message.chars().count(), 1024);
    assert_eq!(status.blocked[0].message.chars().count(), 1024);
    assert!(!status.blocked[0].message.contains('\n'));
}

#[test]
fn the_next_operator_remembers_since_when_preconditions_are_not_met() {
    let target = |name: &str| NamedWorkload { kind: Kind::Deployment, namespace: "mesh".into(), name: name.into() };
    let unmet = PreconditionFact {
        target: target("istiod"),
        met: false,
        unmet_since: Some(at("08:00:00.5")),
        message: "not found".to_owned(),
    };
    let met = PreconditionFact { target: target("other"), met: true, unmet_since: None, message: String::new() };
    let facts = StatusFacts { preconditions: vec![unmet, met], ..under_way(None) };
    let status = next(None, &facts, "abc", "10:00:00");
    assert_eq!(unmet_since(&status), BTreeMap::from([(target("istiod"), at("08:00:00"))]));
}

#[test]
fn an_invalid_spec_is_not_ready_and_stalled_and_says_why() {
    let status = problem_status(None, "InvalidSpec", "spec.ImageList[0]: empty", 3, at("10:00:00"));
    let conditions: Vec<(&str, &str, &str)> = status
        .conditions
        .iter()
        .map(|condition| (condition.r#type.as_str(), condition.status.as_str(), condition.reason.as_str()))
        .collect();
    assert_eq!(
        conditions,
        [
            ("Ready", "False", "InvalidSpec"),
            ("Reconciling", "False", "Idle"),
            ("Stalled", "True", "InvalidSpec"),
            ("RestartsAllowed", "False", "InvalidSpec"),
        ]
    );
    assert_eq!(status.conditions[0].message, "spec.ImageList[0]: empty");
    assert_eq!(status.observed_generation, Some(3));
}

#[test]
fn a_passing_problem_does_not_make_a_completed_campaign_complete_anew() {
    let completed = next(None, &complete(Some("09:00:00")), "abc", "10:00:00");
    let problem = problem_status(Some(&completed), "NotWatched", "may not list pods", 7, at("11:00:00"));
    let recovered = next(Some(&problem), &complete(None), "abc", "12:00:00");
    assert_eq!(recovered.completed_at, completed.completed_at);
}

#[test]
fn a_problem_says_nothing_of_workloads() {
    let before = next(None, &under_way(None), "abc", "10:00:00");
    assert_eq!(problem_status(Some(&before), "InvalidSpec", "m", 8, at("11:00:00")).workloads, None);
}

#[test]
fn a_status_patch_holds_the_identity_and_the_status_and_nothing_else() {
    let name = PolicyName { namespace: "istio-system".into(), name: "mesh".into() };
    let status = next(None, &under_way(None), "abc", "10:00:00");
    let patch = serde_json::to_value(StatusPatch::new(&name, &status)).expect("it serialises");
    assert_eq!(patch["status"], serde_json::to_value(&status).expect("JSON"));
    let mut identity = patch;
    identity.as_object_mut().map(|fields| fields.remove("status"));
    let expected: Value = json!({
        "apiVersion": "keikoproj.io/v1", "kind": "FlippyConfig",
        "metadata": {"name": "mesh", "namespace": "istio-system"},
    });
    assert_eq!(identity, expected);
}

#[test]
fn a_merge_patch_takes_away_what_is_absent_now() {
    let status =
        flippy_api::problem_status(None, "InvalidSpec", "spec: a text where a list is expected", 3, at("10:00:00"));
    let patch = flippy_api::status_merge_patch(&status);
    assert_eq!(patch["status"]["observedGeneration"], 3);
    assert_eq!(patch["status"].get("inFlight"), Some(&serde_json::Value::Null));
    assert_eq!(patch["status"]["conditions"].as_array().map(Vec::len), Some(4));
}

#[test]
fn gates_are_read_back_from_a_status_as_they_were_written() {
    let gate = |name: &str, state, message: &str| QueryGateFact {
        name: name.into(),
        state,
        message: message.to_owned(),
        recheck_at: None,
    };
    let gates = vec![
        gate("a", QueryState::Open, ""),
        gate("b", QueryState::Shut, "connection refused"),
        gate("c", QueryState::Pending, "no answer yet"),
        gate("d", QueryState::NotAsked, "nothing to do"),
    ];
    let status = next(None, &StatusFacts { gates: gates.clone(), ..under_way(None) }, "abc", "10:00:00");
    assert_eq!(json!(status)["gates"][1], json!({"name": "b", "state": "Shut", "message": "connection refused"}));
    assert_eq!(gate_facts(&status), gates);
}

#[test]
fn a_state_of_a_gate_that_nobody_knows_is_not_believed() {
    let status = serde_json::from_value(json!({"conditions": [], "gates": [{"name": "a", "state": "Ajar"}]}));
    assert_eq!(gate_facts(&status.expect("it decodes")), []);
}
