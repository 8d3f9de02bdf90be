//! Soak, failures, single replicas, and windows as they bear on a pass.

use flippy_core::{
    Hold, Limit, Policy, SignedDuration, SingleReplica, Strategy, TimeZone, Timestamp, Window, WindowKind,
};

use crate::common::{
    Fixture, NEW, OLD, Pass, WINDOW_SECONDS, at, cluster, deployment, facts, pass, pod, policy, rollout, stateful_set,
};

fn stale(path: &str) -> Fixture {
    deployment(path).pods(1, OLD)
}

fn with(change: impl FnOnce(&mut Strategy)) -> Policy {
    let mut policy = policy();
    change(&mut policy.strategy);
    policy
}

/// Restarted at 0 s, its only pod was ready at so many seconds.
fn ready_since(seconds: i64) -> Fixture {
    let made = pod(NEW).created(seconds).made_by_restart(&policy(), 1);
    one_replica(deployment("b/done").restarted(&policy(), 1, 0).pod(made))
}

fn one_replica(fixture: Fixture) -> Fixture {
    facts!(fixture, Deployment, |facts| {
        (facts.replicas_wanted, facts.replicas, facts.updated, facts.available) = (1, 1, 1, 1);
    })
}

fn soaking(seconds: i64) -> Policy {
    with(|strategy| strategy.min_ready = SignedDuration::from_secs(seconds))
}

fn starts_at(policy: &Policy, fixture: Fixture, seconds: i64) -> Vec<String> {
    pass(policy, &cluster([fixture, stale("a/a")]), seconds).starts()
}

#[test]
fn the_next_starts_when_the_last_has_stayed_complete_for_long_enough() {
    assert!(starts_at(&soaking(60), ready_since(20), 79).is_empty());
    assert_eq!(starts_at(&soaking(60), ready_since(20), 80), ["a/a"]);
    assert_eq!(starts_at(&policy(), ready_since(20), 21), ["a/a"]);
}

#[test]
fn a_clock_that_is_behind_keeps_nothing_under_way_that_is_complete_and_need_not_stay_so() {
    assert_eq!(starts_at(&policy(), ready_since(20), 10), ["a/a"]);
}

#[test]
fn a_restart_that_soaks_is_under_way_and_looked_at_again_when_it_is_over() {
    let pass = pass(&soaking(60), &cluster([ready_since(20)]), 30);
    assert_eq!(pass.only_verdict().as_str(), "InFlight");
    assert_eq!(pass.decision.recheck_at, Some(at(80)));
}

#[test]
fn the_soak_may_outlast_the_time_in_which_a_restart_must_be_complete() {
    let last_moment = WINDOW_SECONDS - 1;
    assert!(starts_at(&soaking(60), ready_since(last_moment), last_moment + 59).is_empty());
    assert_eq!(starts_at(&soaking(60), ready_since(last_moment), last_moment + 60), ["a/a"]);
}

#[test]
fn a_pod_replaced_later_is_no_new_soak() {
    let replaced = ready_since(5000);
    assert_eq!(starts_at(&soaking(60), replaced, 5010), ["a/a"]);
}

#[test]
fn a_pod_that_fails_while_the_workload_soaks_prolongs_it_and_then_is_a_failure() {
    let unstable = || {
        let made = pod(NEW).created(20).unready_since(WINDOW_SECONDS + 10).made_by_restart(&policy(), 1);
        deployment("b/done").restarted(&policy(), 1, 0).pod(made).unavailable()
    };
    let policy = soaking(60);
    assert!(starts_at(&policy, unstable(), WINDOW_SECONDS + 20).is_empty());
    let after = pass(&policy, &cluster([unstable()]), WINDOW_SECONDS + 60);
    assert_eq!(after.only_verdict().reason(), Some("NotCompleteInTime"));
}

#[test]
fn one_that_is_late_has_failed_and_does_not_come_back_to_soak() {
    assert_eq!(starts_at(&soaking(60), ready_since(WINDOW_SECONDS + 1), WINDOW_SECONDS + 2), ["a/a"]);
}

#[test]
fn a_pod_that_was_not_seen_yet_is_not_known_to_be_stable() {
    let unseen = facts!(ready_since(20), Deployment, |facts| {
        (facts.replicas_wanted, facts.replicas, facts.updated, facts.available) = (2, 2, 2, 2);
    });
    assert!(starts_at(&soaking(60), unseen.clone(), 100).is_empty());
    assert_eq!(starts_at(&policy(), unseen, 100), ["a/a"]);
}

#[test]
fn one_that_was_scaled_to_nothing_does_not_soak() {
    let gone = facts!(deployment("b/done").restarted(&policy(), 1, 0), Deployment, |facts| {
        (facts.replicas_wanted, facts.replicas, facts.updated, facts.available) = (0, 0, 0, 0);
    });
    assert_eq!(starts_at(&soaking(60), gone, 10), ["a/a"]);
}

/// Out of time now.
fn failed(path: &str) -> Fixture {
    stale(path).restarted(&policy(), 1, -WINDOW_SECONDS).replacing()
}

fn tolerating(limit: Limit) -> Policy {
    with(|strategy| strategy.max_failures = Some(limit))
}

fn with_failures(policy: &Policy, failures: usize, others: usize) -> Pass {
    let failed = (0..failures).map(|number| failed(&format!("b/failed-{number}")));
    let others = (0..others).map(|number| deployment(&format!("c/{number}")).pods(1, NEW));
    pass(policy, &cluster(failed.chain(others).chain([stale("a/a")])), 0)
}

#[test]
fn so_many_failures_are_tolerated_and_one_more_halts() {
    let policy = tolerating(Limit::Count(2));
    assert_eq!(with_failures(&policy, 2, 0).starts(), ["a/a"]);
    let halted = with_failures(&policy, 3, 0);
    assert!(halted.starts().is_empty());
    assert_eq!(halted.decision.hold, Some(Hold::Halted { failures: 3, tolerated: 2 }));
    for condition in ["Stalled", "RestartsAllowed", "Ready"] {
        assert!(halted.condition(condition).ends_with(" Halted"), "{}", halted.condition(condition));
    }
}

#[test]
fn by_default_no_number_of_failures_halts() {
    assert_eq!(with_failures(&policy(), 20, 0).starts(), ["a/a"]);
}

#[test]
fn none_tolerated_means_none() {
    assert!(with_failures(&tolerating(Limit::Count(0)), 1, 0).starts().is_empty());
    assert!(with_failures(&tolerating(Limit::Percent(0)), 1, 0).starts().is_empty());
    assert_eq!(with_failures(&tolerating(Limit::Count(0)), 0, 0).starts(), ["a/a"]);
}

#[test]
fn a_share_of_failures_is_of_what_is_in_scope() {
    let policy = tolerating(Limit::Percent(10));
    assert_eq!(with_failures(&policy, 2, 17).starts(), ["a/a"], "2 of 20");
    assert!(with_failures(&policy, 2, 16).starts().is_empty(), "2 of 19");
}

#[test]
fn what_was_unhealthy_before_is_no_failure() {
    let sick = stale("b/sick").restarted_unhealthy(&policy(), -WINDOW_SECONDS).replacing();
    assert_eq!(starts_at(&tolerating(Limit::Count(0)), sick, 0), ["a/a"]);
}

#[test]
fn one_that_goes_first_counts_once_also_when_it_is_in_scope() {
    let mut policy = tolerating(Limit::Count(1));
    policy.restart_first = vec![crate::common::first(&failed("b/both"))];
    assert_eq!(starts_at(&policy, failed("b/both"), 0), ["a/a"]);
    policy.strategy.max_failures = Some(Limit::Count(0));
    assert!(starts_at(&policy, failed("b/both"), 0).is_empty());
}

#[test]
fn a_campaign_goes_on_when_the_failed_ones_recover() {
    let recovered = deployment("b/done")
        .restarted(&policy(), 1, -WINDOW_SECONDS)
        .pod(pod(NEW).created(10).made_by_restart(&policy(), 1));
    assert_eq!(starts_at(&tolerating(Limit::Count(0)), recovered, 20), ["a/a"]);
}

#[test]
fn a_campaign_goes_on_for_other_images() {
    let mut policy = tolerating(Limit::Count(0));
    policy.images = crate::common::images(&["istio/proxyv2:1.31.0"]);
    assert_eq!(starts_at(&policy, failed("b/failed"), 0), ["a/a"]);
}

#[test]
fn a_person_who_says_to_go_on_forgives_what_had_failed_by_then_and_nothing_later() {
    let resumed = |seconds| Policy { resumed_at: Some(at(seconds)), ..tolerating(Limit::Count(0)) };
    assert_eq!(starts_at(&resumed(0), failed("b/failed"), 10), ["a/a"]);
    assert!(starts_at(&resumed(-1), failed("b/failed"), 10).is_empty());
}

#[test]
fn a_person_who_writes_next_year_forgives_nothing() {
    let policy = Policy { resumed_at: Some(at(365 * 24 * 3600)), ..tolerating(Limit::Count(0)) };
    assert!(starts_at(&policy, failed("b/failed"), 10).is_empty());
}

#[test]
fn a_single_replica_is_left_to_its_owner_if_so_wished_unless_its_successor_comes_up_first() {
    let hold = with(|strategy| strategy.single_replica = SingleReplica::Hold);
    let alone = one_replica(stale("a/b"));
    let surging = alone.clone().change(|workload| workload.disruption.takes_nothing_away = true);
    let set = facts!(stateful_set("a/b").pods(1, OLD), StatefulSet, |facts| {
        (facts.replicas_wanted, facts.ready, facts.updated) = (1, 1, 1);
    });
    let argo = facts!(rollout("a/b").pods(1, OLD), ArgoRollout, |facts| {
        (facts.replicas_wanted, facts.available, facts.updated) = (1, 1, 1);
    });
    for (fixture, reason) in
        [(surging, "StaleImage"), (alone.clone(), "SingleReplica"), (set, "SingleReplica"), (argo, "SingleReplica")]
    {
        let pass = pass(&hold, &cluster([fixture]), 0);
        assert_eq!(pass.only_verdict().reason(), Some(reason), "{}", pass.plan.entries[0].id);
    }
    assert_eq!(pass(&policy(), &cluster([alone]), 0).starts(), ["a/b"], "the default is to restart it");
}

#[test]
fn a_single_replica_that_was_restarted_in_vain_is_not_tried_again_once_it_is_held() {
    let hold = with(|strategy| strategy.single_replica = SingleReplica::Hold);
    let vain = one_replica(deployment("a/b").restarted(&policy(), 1, -24 * 3600))
        .pod(pod(OLD).created(-24 * 3600 + 2).made_by_restart(&policy(), 1));
    assert!(pass(&hold, &cluster([vain]), 0).starts().is_empty());
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Open from 22:00 for an hour, which is when tests begin.
fn with_window() -> Policy {
    let window = Window {
        kind: WindowKind::Allow,
        schedule: "0 22 * * *".parse().unwrap(),
        duration: SignedDuration::from_hours(1),
        time_zone: TimeZone::UTC,
    };
    Policy { windows: vec![window], ..policy() }
}

#[test]
fn outside_a_window_nothing_starts_and_the_next_look_is_when_it_opens() {
    let pass = pass(&with_window(), &cluster([stale("a/a")]), 3600);
    assert!(pass.starts().is_empty());
    let opens = time("2026-01-06T22:00:00Z");
    assert_eq!(pass.decision.hold, Some(Hold::Window(Some(opens))));
    assert_eq!(pass.decision.recheck_at, Some(opens));
    assert_eq!(pass.condition("RestartsAllowed"), "False OutsideWindow");
    assert_eq!(pass.condition("Stalled"), "False NotStalled");
}

#[test]
fn what_is_under_way_at_closing_time_is_left_to_finish() {
    let under_way = stale("b/b").restarted(&with_window(), 1, 3500).replacing();
    let pass = pass(&with_window(), &cluster([under_way, stale("a/a")]), 3600);
    assert_eq!(pass.verdict("b/b").as_str(), "InFlight");
}

#[test]
fn before_anything_is_learnt_a_restart_is_expected_to_take_a_minute() {
    let snapshot = cluster([stale("a/a")]);
    assert_eq!(pass(&with_window(), &snapshot, 3540).starts(), ["a/a"]);
    let late = pass(&with_window(), &snapshot, 3541);
    assert_eq!(late.decision.hold, Some(Hold::WindowEnds(at(3600))));
    assert_eq!(late.condition("RestartsAllowed"), "False WindowEnds");
}

#[test]
fn a_restart_is_expected_to_take_half_as_long_again_as_the_slowest_of_this_campaign() {
    // Took 200 s.
    let made = pod(NEW).created(200).made_by_restart(&policy(), 1);
    let snapshot = cluster([deployment("b/done").restarted(&policy(), 1, 0).pod(made), stale("a/a")]);
    assert_eq!(pass(&with_window(), &snapshot, 3300).starts(), ["a/a"]);
    assert!(pass(&with_window(), &snapshot, 3301).starts().is_empty());
}

#[test]
fn one_that_is_slow_already_is_learnt_from_before_it_is_done() {
    let mut policy = with_window();
    policy.strategy.max_concurrent = Some(Limit::Count(2));
    let slow = |seconds| cluster([stale("b/slow").restarted(&policy, 1, seconds).replacing(), stale("a/a")]);
    assert_eq!(pass(&policy, &slow(3390), 3400).starts(), ["a/a"]);
    assert!(pass(&policy, &slow(3200), 3400).starts().is_empty());
}

#[test]
fn the_soak_is_expected_to_fit_in_as_well() {
    let mut policy = with_window();
    policy.strategy.min_ready = SignedDuration::from_secs(100);
    let snapshot = cluster([stale("a/a")]);
    assert_eq!(pass(&policy, &snapshot, 3440).starts(), ["a/a"]);
    assert!(pass(&policy, &snapshot, 3441).starts().is_empty());
}

/// Opens at 22:00 for so many seconds.
fn lasting(seconds: i64) -> Policy {
    let mut policy = with_window();
    policy.windows[0].duration = SignedDuration::from_secs(seconds);
    policy
}

fn is_too_short(policy: &Policy, seconds: i64) -> bool {
    let pass = pass(policy, &cluster([stale("a/a")]), seconds);
    assert_eq!(
        pass.condition("Stalled") == "True WindowsTooShort",
        pass.condition("RestartsAllowed") == "False WindowsTooShort"
    );
    matches!(pass.decision.hold, Some(Hold::WindowsTooShort(_)))
}

#[test]
fn windows_that_are_never_long_enough_are_no_silent_wait_for_ever() {
    for (at_once_inside, later_outside) in [(1, 3600), (59, 80_000)] {
        assert!(is_too_short(&lasting(60), at_once_inside));
        assert!(is_too_short(&lasting(60), later_outside));
        assert!(!is_too_short(&lasting(61), at_once_inside));
        assert!(!is_too_short(&lasting(61), later_outside));
    }
}

#[test]
fn a_window_has_to_be_long_enough_for_the_soak_as_well() {
    let soaking = |seconds| {
        let mut policy = lasting(seconds);
        policy.strategy.min_ready = SignedDuration::from_secs(100);
        policy
    };
    assert!(is_too_short(&soaking(160), 5));
    assert!(!is_too_short(&soaking(161), 5));
}

#[test]
fn a_restart_that_was_quick_shows_that_a_short_window_is_long_enough() {
    let made = pod(NEW).created(10).made_by_restart(&policy(), 1);
    let done = one_replica(deployment("b/done").restarted(&policy(), 1, 0).pod(made));
    assert_eq!(pass(&lasting(60), &cluster([done, stale("a/a")]), 40).starts(), ["a/a"]);
}

#[test]
fn short_windows_without_a_gap_are_a_long_one_and_one_that_is_long_is_enough() {
    let mut joined = lasting(60);
    joined.windows.push(Window { schedule: "1 22 * * *".parse().unwrap(), ..joined.windows[0].clone() });
    assert_eq!(pass(&joined, &cluster([stale("a/a")]), 30).starts(), ["a/a"]);
    let mut one_is_long = lasting(60);
    one_is_long.windows.push(Window { schedule: "0 0 * * 0".parse().unwrap(), ..with_window().windows.remove(0) });
    assert!(!is_too_short(&one_is_long, 3600));
}

#[test]
fn what_is_left_between_denials_is_never_called_too_short() {
    let mut policy = lasting(60);
    policy.windows[0].kind = WindowKind::Deny;
    assert!(!is_too_short(&policy, 1));
}

#[test]
fn suspend_and_a_halt_go_before_windows() {
    let suspended = Policy { suspended: true, ..with_window() };
    assert_eq!(pass(&suspended, &cluster([stale("a/a")]), 4000).decision.hold, Some(Hold::Suspended));
    let mut halted = with_window();
    halted.strategy.max_failures = Some(Limit::Count(0));
    let pass = pass(&halted, &cluster([stale("a/a"), failed("b/failed")]), 4000);
    assert!(matches!(pass.decision.hold, Some(Hold::Halted { .. })));
}
