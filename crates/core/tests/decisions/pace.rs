//! Pace: how many restarts start now, and why no more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use flippy_core::{Hold, Kind, Limit, MAX_STARTS_PER_PASS, Policy, RestartFirst, SignedDuration, Snapshot, Waiting};

use crate::common::{
    Fixture, NEW, OLD, Pass, at, cluster, deployment, first, pass, pod, policy, policy_not_waiting, precondition,
    rollout,
};

fn stale(path: &str) -> Fixture {
    deployment(path).pods(1, OLD)
}

/// Has a pod that was made a moment ago with the wanted image: the injector is known to hand it out.
fn proof() -> Fixture {
    deployment("zz/proof").pod(pod(NEW).created(-1))
}

fn stale_many(count: usize) -> Snapshot {
    let many = (0..count).map(|number| stale(&format!("shop/w{number:03}")));
    cluster(many.chain([proof()]))
}

fn pass_sending(policy: &Policy, snapshot: &Snapshot, sending: &[&Fixture]) -> Pass {
    let sending: BTreeSet<Arc<str>> = sending.iter().map(|fixture| fixture.workload.id.uid.clone()).collect();
    Pass::with(&[policy], snapshot, &sending, &BTreeMap::new(), at(0))
}

#[test]
fn one_restart_starts_and_the_next_waits_for_it() {
    let pass = pass(&policy(), &cluster([stale("a/a"), stale("a/b")]), 0);
    assert_eq!(pass.starts(), ["a/a"]);
    assert_eq!(pass.decision.hold, Some(Hold::Waiting("Deployment a/a".into())));
}

#[test]
fn nothing_starts_while_a_restart_is_under_way() {
    let under_way = stale("a/z").restarted(&policy(), 1, 0).replacing();
    let pass = pass(&policy(), &cluster([stale("a/a"), under_way]), 10);
    assert!(pass.starts().is_empty());
    assert_eq!(pass.decision.hold, Some(Hold::Waiting("Deployment a/z".into())));
}

#[test]
fn a_restart_made_for_an_earlier_image_list_is_waited_for_too() {
    let mut before = policy();
    before.images = crate::common::images(&["istio/proxyv2:1.28.0"]);
    let under_way = stale("a/z").restarted(&before, 1, 0).replacing();
    assert!(pass(&policy(), &cluster([stale("a/a"), under_way]), 10).starts().is_empty());
}

#[test]
fn the_next_starts_when_the_last_is_rolled_out() {
    let done = deployment("a/a").restarted(&policy(), 1, 0).pod(pod(NEW).created(1).made_by_restart(&policy(), 1));
    assert_eq!(pass(&policy(), &cluster([done, stale("a/b")]), 10).starts(), ["a/b"]);
}

#[test]
fn the_next_starts_when_the_last_has_failed() {
    let failed = stale("a/a").restarted(&policy(), 1, 0).replacing();
    assert_eq!(pass(&policy(), &cluster([failed, stale("a/b")]), 300).starts(), ["a/b"]);
}

#[test]
fn the_rollout_of_somebody_else_is_not_waited_for() {
    assert_eq!(pass(&policy(), &cluster([stale("a/a").replacing(), stale("a/b")]), 0).starts(), ["a/b"]);
}

#[test]
fn unhealthy_ones_start_after_the_healthy_without_waiting_for_each_other() {
    let snapshot = cluster([stale("a/a").unavailable(), stale("a/b").unavailable(), proof()]);
    let pass = pass(&policy(), &snapshot, 0);
    assert_eq!(pass.starts(), ["a/a", "a/b"]);
    assert!(pass.decision.starts.iter().all(|start| start.unhealthy_before));
}

#[test]
fn one_that_was_unhealthy_before_its_restart_holds_up_nobody() {
    let under_way = stale("a/a").restarted_unhealthy(&policy(), 0).replacing();
    assert_eq!(pass(&policy(), &cluster([under_way, stale("a/b")]), 10).starts(), ["a/b"]);
}

#[test]
fn a_kind_that_is_not_waited_for_starts_together() {
    assert_eq!(pass(&policy_not_waiting(), &stale_many(5), 0).starts().len(), 5);
}

#[test]
fn a_window_of_nothing_is_no_waiting() {
    let mut policy = policy();
    for object in &mut policy.restart_objects {
        object.waiting = Waiting::AtMost(SignedDuration::ZERO);
    }
    assert_eq!(pass(&policy, &stale_many(5), 0).starts().len(), 5);
}

#[test]
fn a_kind_that_is_waited_for_ends_the_pass_where_it_comes_up() {
    let mut policy = policy();
    policy.restart_objects.retain(|object| matches!(object.kind, Kind::Deployment | Kind::ArgoRollout));
    policy.restart_objects[0].waiting = Waiting::NotWaited;
    let snapshot =
        cluster([stale("a/a"), stale("a/b"), rollout("a/c").pods(1, OLD), rollout("a/d").pods(1, OLD), proof()]);
    assert_eq!(pass(&policy, &snapshot, 0).starts(), ["a/a", "a/b", "a/c"]);
}

#[test]
fn a_pass_starts_a_bounded_number_and_the_next_goes_on_at_once() {
    let full = pass(&policy_not_waiting(), &stale_many(MAX_STARTS_PER_PASS + 1), 0);
    assert_eq!(full.starts().len(), MAX_STARTS_PER_PASS);
    assert_eq!(full.decision.recheck_at, Some(at(0)));
    let just_enough = pass(&policy_not_waiting(), &stale_many(MAX_STARTS_PER_PASS), 0);
    assert_eq!(just_enough.starts().len(), MAX_STARTS_PER_PASS);
    assert_eq!(just_enough.decision.recheck_at, None);
}

#[test]
fn nothing_starts_while_suspended_or_on_a_dry_run_or_behind_a_shut_gate() {
    let snapshot = cluster([stale("a/a")]);
    let suspended = Policy { suspended: true, ..policy() };
    let dry_run = Policy { dry_run: true, ..policy() };
    let shut = Policy { preconditions: vec![precondition(&deployment("mesh/istiod"))], ..policy() };
    let because = "precondition Deployment mesh/istiod: not found";
    for (policy, hold) in
        [(suspended, Hold::Suspended), (dry_run, Hold::DryRun), (shut, Hold::Preconditions(because.into()))]
    {
        let pass = pass(&policy, &snapshot, 0);
        assert!(pass.starts().is_empty());
        assert_eq!(pass.decision.hold, Some(hold));
        assert_eq!(pass.to_restart(), ["a/a"], "the plan is made all the same");
    }
}

#[test]
fn nothing_is_held_when_nothing_needs_a_restart() {
    let suspended = Policy { suspended: true, ..policy() };
    assert_eq!(pass(&suspended, &cluster([proof()]), 0).decision.hold, None);
}

#[test]
fn a_restart_on_its_way_to_the_server_counts_as_under_way() {
    let (a, b) = (stale("a/a"), stale("a/b"));
    let pass = pass_sending(&policy(), &cluster([a.clone(), b]), &[&a]);
    assert!(pass.starts().is_empty());
    assert_eq!(pass.decision.hold, Some(Hold::Waiting("Deployment a/a".into())));
}

#[test]
fn a_restart_on_its_way_to_the_server_is_not_sent_again() {
    let (a, b) = (stale("a/a"), stale("a/b"));
    let snapshot = cluster([a.clone(), b, proof()]);
    assert_eq!(pass_sending(&policy_not_waiting(), &snapshot, &[&a]).starts(), ["a/b"]);
}

#[test]
fn a_first_restart_on_its_way_to_the_server_holds_up_the_rest() {
    let gateway = deployment("mesh/gateway");
    let policy = Policy { restart_first: vec![crate::common::first(&gateway)], ..policy() };
    assert!(pass_sending(&policy, &cluster([gateway.clone(), stale("a/a")]), &[&gateway]).starts().is_empty());
}

#[test]
fn before_any_proof_only_three_start_together() {
    let many: Vec<Fixture> = (0..9).map(|number| stale(&format!("a/{number}"))).collect();
    let pass = pass(&policy_not_waiting(), &cluster(many), 0);
    assert_eq!(pass.starts().len(), 3);
    assert_eq!(pass.decision.hold, Some(Hold::Unproven));
}

#[test]
fn those_on_their_way_to_the_server_count_as_unproven() {
    let many: Vec<Fixture> = (0..9).map(|number| stale(&format!("a/{number}"))).collect();
    let snapshot = cluster(many.clone());
    let pass = pass_sending(&policy_not_waiting(), &snapshot, &[&many[0], &many[1], &many[2]]);
    assert!(pass.starts().is_empty());
}

#[test]
fn a_fresh_pod_from_long_ago_proves_nothing_about_now() {
    let many = (0..9).map(|number| stale(&format!("a/{number}")));
    let snapshot = cluster(many.chain([deployment("zz/old-proof").pods(1, NEW)]));
    assert_eq!(pass(&policy_not_waiting(), &snapshot, 0).starts().len(), 3);
}

#[test]
fn a_restart_is_exact() {
    let fixture = stale("a/a").change(|workload| workload.generation = 1);
    let pass = pass(&policy(), &cluster([fixture.clone()]), 42);
    let start = pass.only_start();
    assert_eq!((&start.id, start.generation, start.at), (&fixture.workload.id, 1, at(42)));
    assert_eq!(start.because, format!("istio-proxy runs {OLD}"));
    assert!(!start.unhealthy_before);
}

#[test]
fn a_rollout_is_restarted_at_a_whole_second() {
    let now = at(10) + SignedDuration::from_millis(900);
    let snapshot = cluster([rollout("a/a").pods(1, OLD)]);
    let pass = Pass::with(&[&policy()], &snapshot, &BTreeSet::new(), &BTreeMap::new(), now);
    assert_eq!(pass.only_start().at, at(10));
}

#[test]
fn a_rollout_with_a_pod_made_in_this_very_second_is_restarted_after_it() {
    for (created, restart_at) in [(9, 10), (10, 11), (13, 14)] {
        let snapshot = cluster([rollout("a/a").pod(pod(OLD).created(created))]);
        assert_eq!(pass(&policy(), &snapshot, 10).only_start().at, at(restart_at), "created at {created}");
    }
}

#[test]
fn the_next_look_is_when_the_first_window_ends() {
    let first = stale("a/a").restarted(&policy(), 1, 0).replacing();
    let second = stale("a/b").restarted(&policy(), 1, 50).replacing();
    assert_eq!(pass(&policy(), &cluster([second, first]), 60).decision.recheck_at, Some(at(300)));
}

#[test]
fn those_that_may_be_under_way_at_once_need_not_wait_for_each_others_answers() {
    let mut policy = policy();
    assert_eq!(pass(&policy, &stale_many(9), 0).decision.sent_at_once, 1, "as in the original, one after the other");
    policy.strategy.max_concurrent = Some(Limit::Count(5));
    assert!(pass(&policy, &stale_many(9), 0).decision.sent_at_once > 1);
}

#[test]
fn what_goes_first_is_sent_before_the_rest() {
    let gateway = stale("mesh/gateway");
    let mut policy = policy();
    policy.strategy.max_concurrent = Some(Limit::Count(5));
    policy.restart_first = vec![RestartFirst { waiting: Waiting::NotWaited, ..first(&gateway) }];
    let pass = pass(&policy, &cluster([gateway, stale("a/a"), proof()]), 0);
    assert_eq!(pass.starts(), ["mesh/gateway", "a/a"]);
    assert_eq!(pass.decision.sent_at_once, 1);
}
