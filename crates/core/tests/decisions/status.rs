//! Status facts: what people and machines are told.

use flippy_core::{Policy, SpecNote};

use crate::common::{
    Fixture, NEW, OLD, Pass, WINDOW_SECONDS, at, cluster, deployment, facts, first, images, pass, pod, policy,
    policy_not_waiting, precondition,
};

fn stale(path: &str) -> Fixture {
    deployment(path).pods(1, OLD)
}

fn fresh(path: &str) -> Fixture {
    deployment(path).pods(1, NEW)
}

fn paused(path: &str) -> Fixture {
    facts!(stale(path), Deployment, |facts| facts.paused = true)
}

fn failed(path: &str) -> Fixture {
    stale(path).restarted(&policy(), 1, -WINDOW_SECONDS).replacing()
}

fn conditions(pass: &Pass) -> [String; 4] {
    ["Ready", "Reconciling", "Stalled", "RestartsAllowed"].map(|kind| pass.condition(kind))
}

fn message(pass: &Pass, kind: &str) -> String {
    pass.status.conditions.iter().find(|condition| condition.kind == kind).unwrap().message.clone()
}

#[test]
fn everything_fresh_is_ready() {
    let pass = pass(&policy(), &cluster([fresh("a/a"), fresh("a/b"), deployment("a/idle")]), 0);
    assert_eq!(conditions(&pass), ["True AllFresh", "False Idle", "False NotStalled", "True Open"]);
    assert!(message(&pass, "Ready").contains('3'));
}

#[test]
fn an_empty_cluster_is_ready() {
    assert_eq!(pass(&policy(), &cluster([]), 0).condition("Ready"), "True AllFresh");
}

#[test]
fn a_campaign_is_not_ready_until_it_is_done_and_says_how_far_it_is() {
    let pass = pass(&policy(), &cluster([fresh("a/a"), stale("a/b")]), 0);
    assert_eq!(conditions(&pass), ["False CampaignUnderWay", "True Restarting", "False NotStalled", "True Open"]);
    assert!(message(&pass, "Ready").starts_with("1 of 2 "));
}

#[test]
fn the_last_restart_under_way_is_still_the_campaign() {
    let under_way = stale("a/b").restarted(&policy(), 1, 0).replacing();
    let pass = pass(&policy(), &cluster([under_way]), 10);
    assert_eq!(pass.condition("Ready"), "False CampaignUnderWay");
    assert_eq!(pass.condition("Reconciling"), "True Restarting");
}

#[test]
fn suspended_is_not_ready_and_not_stalled() {
    let pass = pass(&Policy { suspended: true, ..policy() }, &cluster([stale("a/b")]), 0);
    assert_eq!(conditions(&pass), ["False Suspended", "False Idle", "False NotStalled", "False Suspended"]);
}

#[test]
fn suspended_with_everything_fresh_is_ready() {
    let pass = pass(&Policy { suspended: true, ..policy() }, &cluster([fresh("a/b")]), 0);
    assert_eq!(pass.condition("Ready"), "True AllFresh");
    assert_eq!(pass.condition("RestartsAllowed"), "False Suspended");
}

#[test]
fn suspended_or_on_a_dry_run_a_blocked_workload_does_not_count_as_fresh() {
    let snapshot = cluster([fresh("a/a"), paused("a/b")]);
    assert_eq!(pass(&Policy { suspended: true, ..policy() }, &snapshot, 0).condition("Ready"), "False Suspended");
    assert_eq!(pass(&Policy { dry_run: true, ..policy() }, &snapshot, 0).condition("Ready"), "False DryRun");
}

#[test]
fn a_dry_run_says_so() {
    let pass = pass(&Policy { dry_run: true, ..policy() }, &cluster([stale("a/b")]), 0);
    assert_eq!(conditions(&pass), ["False DryRun", "False Idle", "False NotStalled", "False DryRun"]);
}

#[test]
fn a_policy_that_selects_nothing_is_ready_and_says_what_is_missing() {
    let pass = pass(&Policy { images: images(&[]), ..policy() }, &cluster([stale("a/b")]), 0);
    assert_eq!(pass.condition("Ready"), "True SelectsNothing");
    assert!(message(&pass, "Ready").contains("spec.ImageList"));
}

#[test]
fn what_was_odd_in_the_spec_is_said_where_everybody_looks_first() {
    let note = SpecNote { path: "spec.X".into(), message: "understood as 0".into() };
    for snapshot in [cluster([fresh("a/b")]), cluster([stale("a/b")])] {
        let pass = pass(&Policy { notes: vec![note.clone()], ..policy() }, &snapshot, 0);
        assert!(message(&pass, "Ready").ends_with("; spec.X: understood as 0"));
    }
}

#[test]
fn blocked_workloads_stall_the_policy_once_nothing_else_is_to_be_done() {
    let stalled = pass(&policy(), &cluster([fresh("a/a"), paused("a/b")]), 0);
    assert_eq!(conditions(&stalled), ["False WorkloadsBlocked", "False Idle", "True WorkloadsBlocked", "True Open"]);
    assert!(message(&stalled, "Stalled").contains("Deployment a/b: paused"));
    let going_on = pass(&policy(), &cluster([stale("a/a"), paused("a/b")]), 0);
    assert_eq!(going_on.condition("Stalled"), "False NotStalled");
}

#[test]
fn failed_restarts_stall_the_policy_once_nothing_else_is_to_be_done() {
    let pass = pass(&policy(), &cluster([failed("a/a"), failed("a/b"), paused("a/c")]), 0);
    assert_eq!(pass.condition("Stalled"), "True RestartsFailed");
    assert!(message(&pass, "Stalled").starts_with("2 failed, for example Deployment a/a"));
}

#[test]
fn a_failed_restart_of_one_that_goes_first_is_reported_even_when_all_in_scope_are_fresh() {
    let mut policy = policy();
    policy.scope.namespace_labels = crate::common::map(&[("mesh", "on")]);
    policy.restart_first = vec![first(&failed("mesh/gateway"))];
    let snapshot = cluster([failed("mesh/gateway"), fresh("a/b").namespace_label("mesh", "on")]);
    let pass = pass(&policy, &snapshot, 0);
    assert_eq!(pass.condition("Ready"), "False RestartsFailed");
    assert_eq!(pass.status.failed[0].workload, "Deployment mesh/gateway");
}

#[test]
fn a_failed_restart_is_counted_once_when_it_goes_first_and_is_in_scope() {
    let policy = Policy { restart_first: vec![first(&failed("a/b"))], ..policy() };
    let pass = pass(&policy, &cluster([failed("a/b")]), 0);
    assert!(message(&pass, "Stalled").starts_with("1 failed"));
    assert_eq!(pass.status.failed.len(), 1);
}

#[test]
fn a_workload_that_was_unhealthy_before_is_blocked_rather_than_failed() {
    let stuck = stale("a/b").restarted_unhealthy(&policy(), -WINDOW_SECONDS).replacing();
    assert_eq!(pass(&policy(), &cluster([stuck]), 0).condition("Stalled"), "True WorkloadsBlocked");
}

#[test]
fn a_shut_gate_is_said_at_once() {
    let policy = Policy { preconditions: vec![precondition(&deployment("mesh/istiod"))], ..policy() };
    let pass = pass(&policy, &cluster([stale("a/b")]), 0);
    assert_eq!(pass.condition("RestartsAllowed"), "False PreconditionsNotMet");
    assert_eq!(pass.condition("Ready"), "False CampaignUnderWay");
    assert_eq!(pass.status.preconditions, pass.preconditions);
}

#[test]
fn exactly_the_four_conditions_are_reported_each_with_a_message() {
    for snapshot in [cluster([]), cluster([stale("a/b")]), cluster([paused("a/b")]), cluster([failed("a/b")])] {
        let pass = pass(&policy(), &snapshot, 0);
        let kinds: Vec<&str> = pass.status.conditions.iter().map(|condition| condition.kind).collect();
        assert_eq!(kinds, ["Ready", "Reconciling", "Stalled", "RestartsAllowed"]);
        assert!(
            pass.status
                .conditions
                .iter()
                .all(|condition| !condition.message.is_empty() && !condition.message.contains('\n'))
        );
    }
}

#[test]
fn counters_count_each_verdict_and_add_up() {
    let policy = policy();
    let again = deployment("a/futile").restarted(&policy, 1, 0).pod(pod(OLD).created(1).made_by_restart(&policy, 1));
    let snapshot = cluster([
        fresh("a/fresh"),
        stale("a/restart"),
        stale("a/in-flight").restarted(&policy, 1, 0).replacing(),
        stale("a/converging").replacing(),
        paused("a/blocked"),
        again,
        deployment("a/idle"),
        failed("a/failed"),
    ]);
    let counters = pass(&policy, &snapshot, 10).status.counters;
    assert_eq!(
        [counters.fresh, counters.restart, counters.in_flight, counters.converging, counters.blocked, counters.futile],
        [1; 6]
    );
    assert_eq!([counters.idle, counters.failed], [1; 2]);
    assert_eq!((counters.total(), counters.done()), (8, 2));
}

#[test]
fn lists_hold_at_most_fifty_and_the_counters_tell_the_rest() {
    let policy = policy_not_waiting();
    let number = |number: usize| format!("a/w{number:03}");
    let in_flight = (0..60).map(|at| stale(&number(at)).restarted(&policy, 1, 0).replacing());
    let blocked = (60..120).map(|at| paused(&number(at)));
    let failed = (120..180).map(|at| stale(&number(at)).restarted(&policy, 1, -9000).replacing());
    let status = pass(&policy, &cluster(in_flight.chain(blocked).chain(failed)), 10).status;
    assert_eq!([status.in_flight.len(), status.blocked.len(), status.failed.len()], [50; 3]);
    assert_eq!([status.counters.in_flight, status.counters.blocked, status.counters.failed], [60; 3]);
}

#[test]
fn a_listed_workload_says_what_why_and_what_to_do() {
    let blocked = &pass(&policy(), &cluster([paused("a/b")]), 0).status.blocked[0];
    assert_eq!((blocked.workload.as_str(), blocked.reason.as_str()), ("Deployment a/b", "Paused"));
    assert_eq!(blocked.message, "paused: resume it to let it be restarted");
}

#[test]
fn one_that_is_restarted_first_is_listed_once_while_under_way() {
    let under_way = stale("a/b").restarted(&policy(), 1, 0).replacing();
    let policy = Policy { restart_first: vec![first(&under_way)], ..policy() };
    let in_flight = pass(&policy, &cluster([under_way]), 10).status.in_flight;
    assert_eq!(in_flight.len(), 1);
    assert_eq!(in_flight[0].reason, "RestartedFirst");
}

#[test]
fn a_campaign_started_with_its_first_restart() {
    let policy = policy();
    let snapshot =
        cluster([fresh("a/a").restarted(&policy, 1, 20), fresh("a/b").restarted(&policy, 1, 10), stale("a/c")]);
    assert_eq!(pass(&policy, &snapshot, 30).status.started_at, Some(at(10)));
    assert_eq!(pass(&policy, &cluster([stale("a/c")]), 30).status.started_at, None);
}
