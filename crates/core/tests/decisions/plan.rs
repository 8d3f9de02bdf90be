//! The plan: one verdict for each workload, in the order of restarts.

use flippy_core::{Kind, Progress, RestartObject, Verdict, progress_of};

use crate::common::{
    Fixture, NEW, OLD, WINDOW_SECONDS, at, cluster, daemon_set, deployment, facts, pass, pod, policy,
    policy_not_waiting, rollout, stateful_set, waited,
};

/// The reason of the verdict on the only workload, or the verdict's name where there is no reason.
fn reason(fixture: Fixture, seconds: i64) -> String {
    let pass = pass(&policy(), &cluster([fixture]), seconds);
    pass.only_verdict().reason().unwrap_or(pass.only_verdict().as_str()).to_owned()
}

/// Restarted at 0 s, its new pods are there; the rollout's numbers are left to the test.
fn restarted(image: &str) -> Fixture {
    let policy = policy();
    deployment("a/b").restarted(&policy, 1, 0).pod(pod(image).created(2).made_by_restart(&policy, 1))
}

#[test]
fn healthy_ones_go_by_the_order_of_kinds_then_by_namespace_and_name_and_unhealthy_ones_last() {
    let mut policy = policy();
    policy.restart_objects =
        [Kind::ArgoRollout, Kind::Deployment].map(|kind| RestartObject { kind, waiting: waited() }).to_vec();
    let snapshot = cluster([
        deployment("b/a").pods(1, OLD),
        deployment("a/b").pods(1, OLD),
        deployment("a/a").pods(1, OLD).unavailable(),
        rollout("z/z").pods(1, OLD),
        rollout("a/sick").pods(1, OLD).unavailable(),
        deployment("a/a-fresh").pods(1, NEW),
    ]);
    assert_eq!(pass(&policy, &snapshot, 0).in_scope(), ["z/z", "a/a-fresh", "a/b", "b/a", "a/sick", "a/a"]);
}

#[test]
fn a_kind_named_twice_goes_by_its_first_mention() {
    let mut policy = policy();
    let objects = [Kind::Deployment, Kind::ArgoRollout, Kind::Deployment];
    policy.restart_objects = objects.map(|kind| RestartObject { kind, waiting: waited() }).to_vec();
    let snapshot = cluster([rollout("a/a").pods(1, OLD), deployment("b/b").pods(1, OLD)]);
    assert_eq!(pass(&policy, &snapshot, 0).in_scope(), ["b/b", "a/a"]);
}

#[test]
fn a_restart_is_marked_with_the_wanted_images_and_the_first_attempt() {
    let policy = policy();
    let pass = pass(&policy, &cluster([deployment("a/b").pods(1, OLD)]), 0);
    assert_eq!(pass.entry("a/b").token.to_string(), format!("{}-1", policy.images.hash()));
}

#[test]
fn a_mark_for_other_images_does_not_count_as_an_attempt() {
    let mut before = policy();
    before.images = crate::common::images(&["istio/proxyv2:1.28.0"]);
    let fixture = deployment("a/b").restarted(&before, 7, -5000).pod(pod(OLD).made_by_restart(&before, 7));
    let pass = pass(&policy(), &cluster([fixture]), 0);
    assert_eq!(pass.only_verdict().as_str(), "Restart");
    assert_eq!(pass.entry("a/b").token.attempt, 1);
    assert!(pass.entry("a/b").mark.is_none());
}

#[test]
fn a_rollout_of_somebody_else_that_replaces_stale_pods_is_left_to_converge() {
    for fixture in [deployment("a/b"), stateful_set("a/b"), daemon_set("a/b"), rollout("a/b")] {
        let named = fixture.named();
        assert_eq!(reason(fixture.pods(1, OLD).replacing(), 0), "Converging", "{named}");
    }
}

#[test]
fn a_spec_that_the_controller_has_not_seen_is_left_to_converge() {
    assert_eq!(reason(deployment("a/b").pods(1, OLD).change(|workload| workload.generation = 2), 0), "Converging");
}

#[test]
fn a_rollout_of_somebody_else_with_nothing_stale_is_fresh() {
    assert_eq!(reason(deployment("a/b").pods(1, NEW).replacing(), 0), "Fresh");
}

#[test]
fn an_unhealthy_stale_workload_is_to_be_restarted() {
    assert_eq!(reason(deployment("a/b").pods(1, OLD).unavailable(), 0), "StaleImage");
    let given_up = facts!(deployment("a/b").pods(1, OLD), Deployment, |facts| facts.progress_deadline_exceeded = true);
    assert_eq!(progress_of(&given_up.workload), Progress::DeadlineExceeded);
    assert_eq!(reason(given_up, 0), "StaleImage");
}

#[test]
fn a_stale_workload_that_cannot_be_restarted_is_blocked_with_the_reason() {
    let paused = facts!(deployment("a/b").pods(1, OLD), Deployment, |facts| facts.paused = true);
    let canary = facts!(rollout("a/b").pods(1, OLD), ArgoRollout, |facts| facts.phase = flippy_core::ArgoPhase::Paused);
    let frozen = facts!(rollout("a/b").pods(1, OLD), ArgoRollout, |facts| facts.paused = true);
    assert_eq!(reason(paused, 0), "Paused");
    assert_eq!(reason(canary, 0), "MidRollout");
    assert_eq!(reason(frozen, 0), "Paused");
}

#[test]
fn a_fresh_workload_is_never_blocked() {
    let paused = facts!(deployment("a/b").pods(1, NEW), Deployment, |facts| facts.paused = true);
    assert_eq!(reason(paused, 0), "Fresh");
}

#[test]
fn a_partition_of_zero_blocks_nothing() {
    assert_eq!(reason(stateful_set("a/b").pods(1, OLD), 0), "StaleImage");
}

#[test]
fn a_restart_is_under_way_until_the_rollout_is_complete() {
    assert_eq!(reason(restarted(NEW).replacing(), 10), "InFlight");
    assert_eq!(reason(restarted(NEW).unavailable(), 10), "InFlight");
    assert_eq!(reason(restarted(NEW), 10), "Fresh");
}

#[test]
fn a_complete_status_does_not_end_a_restart_while_a_pod_from_before_it_is_left() {
    assert_eq!(reason(restarted(NEW).pod(pod(OLD)), 10), "InFlight");
}

#[test]
fn a_pod_from_before_a_restart_that_is_on_its_way_out_does_not_prolong_it() {
    assert_eq!(reason(restarted(NEW).pod(pod(OLD).in_state(flippy_core::PodState::Terminating)), 10), "Fresh");
}

#[test]
fn a_restart_has_exactly_its_window() {
    let late = || restarted(NEW).pod(pod(OLD)).replacing();
    assert_eq!(reason(late(), WINDOW_SECONDS - 1), "InFlight");
    assert_eq!(reason(late(), WINDOW_SECONDS), "NotCompleteInTime");
}

#[test]
fn a_restart_under_way_is_looked_at_again_when_its_window_ends() {
    let pass = pass(&policy(), &cluster([restarted(NEW).replacing()]), 10);
    assert_eq!(pass.entry("a/b").recheck_at, Some(at(WINDOW_SECONDS)));
}

#[test]
fn a_restart_that_nobody_waits_for_is_observed_for_ten_minutes() {
    let policy = policy_not_waiting();
    let snapshot = cluster([restarted(NEW).pod(pod(OLD)).replacing()]);
    assert_eq!(*pass(&policy, &snapshot, 599).only_verdict(), Verdict::InFlight);
    assert_eq!(pass(&policy, &snapshot, 600).only_verdict().reason(), Some("NotCompleteInTime"));
}

#[test]
fn new_pods_that_never_became_ready_make_a_restart_fail() {
    let policy = policy();
    let unready = pod(NEW).created(2).unready().made_by_restart(&policy, 1);
    let fixture = deployment("a/b").restarted(&policy, 1, 0).pod(unready).unavailable();
    assert_eq!(reason(fixture, WINDOW_SECONDS), "NotCompleteInTime");
}

#[test]
fn a_failed_restart_recovers_by_itself_once_the_rollout_is_complete() {
    assert_eq!(reason(restarted(NEW), 100 * WINDOW_SECONDS), "Fresh");
}

#[test]
fn a_workload_that_was_unhealthy_before_does_not_count_as_a_failure() {
    let policy = policy();
    let stuck = deployment("a/b").restarted_unhealthy(&policy, 0).pod(pod(OLD)).replacing();
    assert_eq!(reason(stuck, WINDOW_SECONDS), "UnhealthyBefore");
    let fresh_but_still_sick = deployment("a/b")
        .restarted_unhealthy(&policy, 0)
        .pod(pod(NEW).created(2).unready().made_by_restart(&policy, 1))
        .unavailable();
    assert_eq!(reason(fresh_but_still_sick, WINDOW_SECONDS), "Fresh");
}

#[test]
fn a_later_rollout_of_somebody_else_is_not_held_against_our_restart() {
    let policy = policy();
    let later = deployment("a/b")
        .restarted(&policy, 1, 0)
        .pod(pod(NEW).created(2).made_by_restart(&policy, 1))
        .pod(pod(NEW).created(5000).unready().made_by_restart(&policy, 1))
        .replacing();
    assert_eq!(reason(later, 5010), "Fresh");
}

#[test]
fn a_restart_by_hand_after_ours_is_not_a_second_one_of_ours() {
    let policy = policy();
    let by_hand =
        deployment("a/b").restarted(&policy, 1, 0).pod(pod(OLD).created(5000).made_by_restart(&policy, 1)).replacing();
    assert_eq!(reason(by_hand, 5010), "Converging");
}

#[test]
fn changing_the_images_does_not_make_a_restart_under_way_invisible() {
    let mut before = policy();
    before.images = crate::common::images(&["istio/proxyv2:1.28.0"]);
    let under_way = || deployment("a/b").restarted(&before, 1, 0).pod(pod(OLD)).replacing();
    assert_eq!(reason(under_way(), 10), "InFlight");
    assert_eq!(reason(under_way(), WINDOW_SECONDS), "Converging");
}

#[test]
fn a_mark_from_next_year_holds_up_nothing() {
    let year_seconds = 365 * 24 * 3600;
    let fixture = deployment("a/b").restarted(&policy(), 1, year_seconds).pod(pod(OLD)).unavailable();
    let snapshot = cluster([fixture, deployment("c/d").pods(1, OLD)]);
    assert_eq!(pass(&policy(), &snapshot, 0).starts(), ["c/d"]);
}

#[test]
fn a_mark_a_little_ahead_of_our_clock_is_believed() {
    let fixture = deployment("a/b").restarted(&policy(), 1, 120).pod(pod(OLD)).replacing();
    assert_eq!(reason(fixture, 0), "InFlight");
}

#[test]
fn a_rollouts_pods_are_told_apart_by_time_not_by_token() {
    let policy = policy();
    let restarted = |created| {
        let fixture = rollout("a/b").restarted(&policy, 1, 100).pod(pod(OLD).created(created));
        facts!(fixture, ArgoRollout, |facts| (facts.restart_at, facts.restarted_at) = (Some(at(100)), Some(at(100))))
    };
    assert_eq!(reason(restarted(99), 110), "InFlight");
    assert_eq!(reason(restarted(100), 110), "SameImageAgain");
}

#[test]
fn a_refused_restart_is_blocked_until_it_is_tried_again() {
    let fixture = deployment("a/b").pods(1, OLD);
    let uid = fixture.workload.id.uid.clone();
    let mut snapshot = cluster([fixture]);
    let refusal =
        flippy_core::Refusal { generation: 1, message: "forbidden".into(), retry_at: at(60), unanswered: false };
    snapshot.note_refusal(uid, refusal);
    let refused = pass(&policy(), &snapshot, 59);
    assert_eq!(refused.only_verdict().reason(), Some("Refused"));
    assert_eq!(refused.decision.recheck_at, Some(at(60)));
    assert_eq!(pass(&policy(), &snapshot, 60).only_verdict().as_str(), "Restart");
}

#[test]
fn a_restart_without_an_answer_may_be_under_way_and_holds_up_the_others() {
    let fixture = deployment("a/b").pods(1, OLD);
    let uid = fixture.workload.id.uid.clone();
    let mut snapshot = cluster([fixture, deployment("c/d").pods(1, OLD)]);
    let refusal =
        flippy_core::Refusal { generation: 1, message: "time-out".into(), retry_at: at(60), unanswered: true };
    snapshot.note_refusal(uid.clone(), refusal.clone());
    assert!(pass(&policy(), &snapshot, 1).starts().is_empty());
    snapshot.note_refusal(uid, flippy_core::Refusal { unanswered: false, ..refusal });
    assert_eq!(pass(&policy(), &snapshot, 1).starts(), ["c/d"]);
}

#[test]
fn a_restart_that_its_owner_takes_back_is_not_made_again() {
    let policy = policy();
    let fixture = deployment("a/b").pods(1, OLD);
    let uid = fixture.workload.id.uid.clone();
    let mut snapshot = cluster([fixture]);
    let start = pass(&policy, &snapshot, 0).decision.starts.remove(0);
    snapshot.note_restart(uid, start.token);
    assert_eq!(pass(&policy, &snapshot, 10).only_verdict().reason(), Some("RevertedByOwner"));
    let mut other_images = policy.clone();
    other_images.images = crate::common::images(&["istio/proxyv2:1.31.0"]);
    assert_eq!(pass(&other_images, &snapshot, 10).only_verdict().as_str(), "Restart");
}

#[test]
fn a_controller_that_does_not_act_stops_further_restarts_instead_of_piling_them_up() {
    let policy = policy();
    let mut asleep = deployment("a/b").restarted(&policy, 1, 0).pod(pod(OLD));
    asleep.workload.generation += 1;
    let snapshot = cluster([asleep, deployment("c/d").pods(1, OLD)]);
    let pass = pass(&policy, &snapshot, WINDOW_SECONDS + 1);
    assert_eq!(pass.entry("a/b").verdict.reason(), Some("NotCompleteInTime"));
    assert!(pass.starts().is_empty());
    assert!(pass.status.conditions.iter().any(|one| one.kind == "Stalled" && one.reason == "ControllerSilent"));
}

#[test]
fn a_pod_that_came_up_and_failed_days_later_is_not_the_restarts_fault() {
    let policy = policy();
    let failed_at = 3 * 24 * 3600;
    let pod = pod(NEW).created(2).unready_since(failed_at).made_by_restart(&policy, 1);
    let fixture = deployment("a/b").restarted(&policy, 1, 0).pod(pod).unavailable();
    assert_eq!(reason(fixture, failed_at + 10), "Fresh");
}

#[test]
fn a_restart_without_an_answer_is_tried_again_before_any_other_starts() {
    let fixture = deployment("z/last").pods(1, OLD);
    let uid = fixture.workload.id.uid.clone();
    let mut snapshot = cluster([deployment("a/b").pods(1, OLD), fixture]);
    let refusal =
        flippy_core::Refusal { generation: 1, message: "time-out".into(), retry_at: at(60), unanswered: true };
    snapshot.note_refusal(uid, refusal);
    assert_eq!(pass(&policy(), &snapshot, 61).starts(), ["z/last"]);
}
