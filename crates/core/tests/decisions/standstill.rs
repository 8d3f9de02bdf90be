//! Rollouts that never end: how long others wait for them.

use flippy_core::{Policy, RolloutFacts, Snapshot, Verdict, group_name};

use crate::common::{
    Fixture, NEW, OLD, Pass, at, cluster, daemon_set, deployment, facts, pass, pod, policy, rollout, stateful_set,
};

const DEADLINE: i64 = 600;

/// Somebody else's rollout of it has just begun.
fn rolling(fixture: Fixture) -> Fixture {
    fixture.pods(2, OLD).replacing()
}

fn wedged() -> Fixture {
    rolling(stateful_set("a/wedged"))
}

/// The same, with so many pods updated and ready.
fn moved_on(updated: i64, ready: i64) -> Fixture {
    wedged().change(|workload| {
        let RolloutFacts::StatefulSet(facts) = &mut workload.rollout else { panic!("it is a StatefulSet") };
        (facts.updated, facts.ready) = (updated, ready);
    })
}

/// Looks at what is there at each of these times.
fn looked_at(fixture: Fixture, seconds: &[i64]) -> Snapshot {
    let mut snapshot = cluster([fixture]);
    for seconds in seconds {
        snapshot.note_progress(at(*seconds));
    }
    snapshot
}

fn see(snapshot: &mut Snapshot, fixture: Fixture, seconds: i64) {
    fixture.add_to(snapshot);
    snapshot.note_progress(at(seconds));
}

fn verdict(snapshot: &Snapshot, seconds: i64) -> Verdict {
    pass(&policy(), snapshot, seconds).only_verdict().clone()
}

fn reason(snapshot: &Snapshot, seconds: i64) -> Option<&'static str> {
    verdict(snapshot, seconds).reason()
}

#[test]
fn a_rollout_without_progress_is_waited_for_no_longer_than_its_controller_would_if_it_knew_a_deadline() {
    for fixture in [wedged(), rolling(daemon_set("a/wedged"))] {
        let snapshot = looked_at(fixture, &[0, 300]);
        assert_eq!(verdict(&snapshot, DEADLINE - 1), Verdict::Converging);
        assert_eq!(reason(&snapshot, DEADLINE), Some("NoProgress"));
    }
}

#[test]
fn the_next_look_is_when_that_time_is_over() {
    let snapshot = looked_at(wedged(), &[7]);
    assert_eq!(snapshot.next_standstill(at(8)), Some(at(7 + DEADLINE)));
    assert_eq!(snapshot.next_standstill(at(7 + DEADLINE)), None);
}

#[test]
fn every_pod_that_is_updated_or_becomes_ready_begins_the_time_anew() {
    let mut snapshot = looked_at(wedged(), &[0]);
    see(&mut snapshot, moved_on(1, 1), 500);
    assert_eq!(verdict(&snapshot, DEADLINE), Verdict::Converging);
    see(&mut snapshot, moved_on(1, 2), 1_000);
    assert_eq!(reason(&snapshot, 500 + DEADLINE), Some("NoProgress"), "as many were ready before");
}

#[test]
fn a_pod_that_comes_and_goes_is_no_progress() {
    let mut snapshot = looked_at(moved_on(1, 2), &[0]);
    for seconds in 1..=10 {
        see(&mut snapshot, moved_on(1, 1 + seconds % 2), seconds * 50);
    }
    assert_eq!(reason(&snapshot, DEADLINE), Some("NoProgress"));
}

#[test]
fn another_change_of_the_workload_begins_the_time_anew() {
    let mut snapshot = looked_at(wedged(), &[0]);
    see(&mut snapshot, wedged().change(|workload| workload.generation += 1), 500);
    assert_eq!(verdict(&snapshot, DEADLINE), Verdict::Converging);
}

#[test]
fn what_moves_again_is_converging_again() {
    let mut snapshot = looked_at(wedged(), &[0]);
    assert_eq!(reason(&snapshot, DEADLINE), Some("NoProgress"));
    see(&mut snapshot, moved_on(1, 1), 700);
    assert_eq!(verdict(&snapshot, 701), Verdict::Converging);
}

#[test]
fn nothing_stands_still_before_somebody_has_looked_for_that_long() {
    assert_eq!(verdict(&cluster([wedged()]), 100_000), Verdict::Converging);
}

#[test]
fn a_clock_that_is_set_back_does_not_prolong_the_wait() {
    let snapshot = looked_at(wedged(), &[5_000, 0]);
    assert_eq!(reason(&snapshot, DEADLINE), Some("NoProgress"));
}

#[test]
fn a_deployment_has_a_deadline_of_its_own() {
    let snapshot = looked_at(rolling(deployment("a/rolling")), &[0]);
    assert_eq!(verdict(&snapshot, DEADLINE), Verdict::Converging);
}

#[test]
fn a_change_that_no_controller_looks_at_is_not_waited_for_either() {
    let unseen = deployment("a/unseen").pods(1, OLD).change(|workload| workload.generation += 1);
    assert_eq!(reason(&looked_at(unseen, &[0]), DEADLINE), Some("NoProgress"));
}

#[test]
fn a_restart_by_argo_has_as_much_time_for_each_of_its_pods_because_it_takes_them_one_after_the_other() {
    let restarting = facts!(rollout("a/restarting").pods(2, OLD), ArgoRollout, |facts| facts.restart_at = Some(at(0)));
    let snapshot = looked_at(restarting, &[0, 300]);
    assert_eq!(verdict(&snapshot, 2 * DEADLINE - 1), Verdict::Converging);
    assert_eq!(reason(&snapshot, 2 * DEADLINE), Some("NoProgress"));
}

fn in_one_group(fixture: Fixture) -> Fixture {
    fixture.change(|workload| workload.disruption.group = Some(group_name("ring")))
}

#[test]
fn others_of_its_group_wait_for_it_no_more() {
    let starts = |policy: &Policy, seconds| {
        let waiting = in_one_group(stateful_set("a/waiting").pods(1, OLD));
        let mut snapshot = cluster([in_one_group(wedged()), waiting, deployment("z/proof").pod(pod(NEW).created(-1))]);
        snapshot.note_progress(at(0));
        Pass::of(&[policy], &snapshot, seconds).starts()
    };
    assert!(starts(&policy(), DEADLINE - 1).is_empty());
    assert_eq!(starts(&policy(), DEADLINE), ["a/waiting"]);
}
