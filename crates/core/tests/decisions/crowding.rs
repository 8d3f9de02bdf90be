//! The cluster's own say: pods without a node, and an API server in trouble.

use std::collections::{BTreeMap, BTreeSet};

use flippy_core::{
    Claims, Decision, Gate, GateFact, Hold, MAX_STARTS_PER_PASS, Policy, Snapshot, StatusFacts, Throttle, Waves, pace,
    plan, preconditions, room_for_pods, status_facts,
};

use crate::common::{
    Fixture, NEW, OLD, WINDOW_SECONDS, at, cluster, deployment, first, pod, policy, policy_not_waiting,
};

struct Found {
    gate: GateFact,
    decision: Decision,
    status: StatusFacts,
}

fn find(policy: &Policy, snapshot: &Snapshot, throttle: &Throttle, seconds: i64) -> Found {
    let now = at(seconds);
    let pods = snapshot.pods_by_workload();
    let plan = plan(policy, &Claims::new(&[policy], snapshot), snapshot, &pods, now);
    let (gate, facts) = preconditions(policy, snapshot, &BTreeMap::new(), now);
    let gate = gate.and(room_for_pods(&plan, snapshot, &pods, now)).and(throttle.gate(now));
    let decision = pace(policy, &plan, &gate, &Waves::default(), &BTreeSet::new(), now);
    let status = status_facts(policy, &plan, &gate, facts, &Waves::default(), &decision, now);
    Found { gate, decision, status }
}

/// Restarted at 0 s by `policy`, with one new pod that finds no node since then.
fn crowded(policy: &Policy, path: &str) -> Fixture {
    let waiting = pod(NEW).created(0).made_by_restart(policy, 1).unscheduled();
    deployment(path).replacing().restarted(policy, 1, 0).pod(pod(OLD)).pod(waiting)
}

fn starts(found: &Found) -> usize {
    found.decision.starts.len()
}

#[test]
fn a_pod_that_waits_for_a_node_for_a_minute_holds_up_every_further_restart() {
    let policy = policy_not_waiting();
    let snapshot = cluster([crowded(&policy, "shop/cart"), deployment("shop/till").pods(1, OLD)]);
    let early = find(&policy, &snapshot, &Throttle::default(), 59);
    assert_eq!((starts(&early), early.gate.recheck_at), (1, Some(at(60))));
    let late = find(&policy, &snapshot, &Throttle::default(), 60);
    assert_eq!(starts(&late), 0);
    let hold = late.decision.hold.expect("it holds");
    assert!(hold.forbids_all());
    let Hold::PendingPods(message) = hold else { panic!("{hold:?}") };
    assert!(message.contains("pod shop/cart-1 "), "{message}");
    let condition = late.status.conditions.iter().find(|one| one.kind == "RestartsAllowed").expect("it is told");
    assert_eq!((condition.reason, &condition.message), ("PendingPods", &message));
}

#[test]
fn it_is_over_once_the_pod_has_a_node() {
    let policy = policy_not_waiting();
    let placed = pod(NEW).created(0).made_by_restart(&policy, 1).unready();
    let cart = deployment("shop/cart").replacing().restarted(&policy, 1, 0).pod(pod(OLD)).pod(placed);
    let snapshot = cluster([cart, deployment("shop/till").pods(1, OLD)]);
    assert_eq!(starts(&find(&policy, &snapshot, &Throttle::default(), 60)), 1);
}

#[test]
fn pods_of_workloads_that_were_not_restarted_hold_up_nothing() {
    let policy = policy_not_waiting();
    let others = deployment("shop/cart").replacing().pod(pod(NEW).created(0).unscheduled());
    let snapshot = cluster([others, deployment("shop/till").pods(1, OLD)]);
    assert_eq!(starts(&find(&policy, &snapshot, &Throttle::default(), 60)), 1);
}

#[test]
fn one_that_was_unhealthy_before_its_restart_holds_up_nothing() {
    let policy = policy_not_waiting();
    let unhealthy = crowded(&policy, "shop/cart").restarted_unhealthy(&policy, 0);
    let snapshot = cluster([unhealthy, deployment("shop/till").pods(1, OLD)]);
    assert_eq!(starts(&find(&policy, &snapshot, &Throttle::default(), 60)), 1);
}

#[test]
fn a_restart_out_of_time_is_a_failure_and_no_longer_holds_up_the_others() {
    let policy = policy();
    let snapshot = cluster([crowded(&policy, "shop/cart"), deployment("shop/till").pods(1, OLD)]);
    assert_eq!(find(&policy, &snapshot, &Throttle::default(), WINDOW_SECONDS - 1).gate.gate, Gate::Shut);
    let found = find(&policy, &snapshot, &Throttle::default(), WINDOW_SECONDS);
    assert_eq!((found.gate.gate, found.status.counters.failed), (Gate::Open, 1));
}

#[test]
fn pods_of_what_goes_first_count_too() {
    let plain = policy_not_waiting();
    let policy = Policy { restart_first: vec![first(&crowded(&plain, "mesh/gateway"))], ..plain };
    let snapshot = cluster([crowded(&policy, "mesh/gateway"), deployment("shop/till").pods(1, OLD)]);
    let found = find(&policy, &snapshot, &Throttle::default(), 60);
    assert!(matches!(found.decision.hold, Some(Hold::PendingPods(_))), "{:?}", found.decision.hold);
}

#[test]
fn each_trouble_halves_what_one_pass_may_start_down_to_one() {
    let mut throttle = Throttle::default();
    let mut allowed = Vec::new();
    for _ in 0..7 {
        throttle.note_trouble("too many requests", at(0));
        allowed.push(throttle.max_starts(at(0)));
    }
    assert_eq!(allowed, [25, 12, 6, 3, 1, 1, 1]);
}

#[test]
fn time_gives_back_one_after_the_other() {
    let mut throttle = Throttle::default();
    throttle.note_trouble("too many requests", at(0));
    let allowed = [0, 4, 5, 10, 124, 125, 10_000].map(|seconds| throttle.max_starts(at(seconds)));
    assert_eq!(allowed, [25, 25, 26, 27, 49, 50, MAX_STARTS_PER_PASS]);
    assert_eq!(throttle.gate(at(0)).recheck_at, Some(at(125)));
    assert_eq!(throttle.gate(at(125)), GateFact::open());
}

#[test]
fn a_clock_that_goes_back_gives_back_nothing() {
    let mut throttle = Throttle::default();
    throttle.note_trouble("too many requests", at(1000));
    assert_eq!(throttle.max_starts(at(0)), 25);
}

#[test]
fn while_the_api_server_is_in_trouble_only_the_first_of_what_could_start_do_and_that_is_told() {
    let policy = policy_not_waiting();
    let names: Vec<String> = (0..40).map(|number| format!("shop/{number:02}")).collect();
    let done =
        deployment("shop/done").restarted(&policy, 1, -60).pod(pod(NEW).created(-59).made_by_restart(&policy, 1));
    let stale = names.iter().map(|name| deployment(name).pods(1, OLD));
    let snapshot = cluster(stale.chain([done]));
    assert_eq!(starts(&find(&policy, &snapshot, &Throttle::default(), 0)), 40);
    let mut throttle = Throttle::default();
    throttle.note_trouble("too many requests", at(0));
    let found = find(&policy, &snapshot, &throttle, 0);
    let started: Vec<&str> = found.decision.starts.iter().map(|start| &*start.id.named.name).collect();
    assert_eq!(started.first(), Some(&"00"));
    assert_eq!((started.len(), found.decision.hold), (25, Some(Hold::Throttled)));
    assert_eq!(found.decision.recheck_at, Some(at(0)));
    let condition = found.status.conditions.iter().find(|one| one.kind == "RestartsAllowed").expect("it is told");
    assert_eq!(condition.reason, "Throttled");
    assert!(condition.message.contains("too many requests"), "{}", condition.message);
}
