//! Futility: restarts that bring the same stale image again are few, far between, and end by themselves.

use flippy_core::{Hold, Kind, Verdict};

use crate::common::model::{Behaviour, Model, run};
use crate::common::{
    Fixture, NEW, OLD, WINDOW_SECONDS, at, cluster, deployment, facts, image, pass, pod, policy, policy_not_waiting,
};

const HALF_AN_HOUR: i64 = 1800;

/// Restarted at 0 s for nothing.
fn futile(path: &str, attempt: u32) -> Fixture {
    deployment(path).restarted(&policy(), attempt, 0).pod(pod(OLD).created(1).made_by_restart(&policy(), attempt))
}

fn stale(path: &str) -> Fixture {
    deployment(path).pods(1, OLD)
}

#[test]
fn a_restart_that_brings_the_same_image_again_is_futile() {
    let pass = pass(&policy(), &cluster([futile("a/b", 1)]), 30);
    assert_eq!(pass.only_verdict().reason(), Some("SameImageAgain"));
    assert!(pass.only_verdict().to_string().contains(OLD));
}

#[test]
fn it_is_tried_again_after_half_an_hour_then_after_twice_that_each_time_and_at_least_daily() {
    let hours = [(1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0), (5, 8.0), (6, 16.0), (7, 24.0), (8, 24.0), (u32::MAX, 24.0)];
    for (attempt, hours) in hours {
        #[expect(clippy::cast_possible_truncation, reason = "small whole numbers")]
        let retry_seconds = (hours * 3600.0) as i64;
        let snapshot = cluster([futile("a/b", attempt)]);
        let waiting = pass(&policy(), &snapshot, retry_seconds - 1);
        assert_eq!(waiting.only_verdict().as_str(), "Futile", "attempt {attempt}");
        assert_eq!(waiting.decision.recheck_at, Some(at(retry_seconds)), "attempt {attempt}");
        let due = pass(&policy(), &snapshot, retry_seconds);
        assert_eq!(due.only_verdict().as_str(), "Restart", "attempt {attempt}");
        assert_eq!(due.only_start().token.attempt, attempt.saturating_add(1));
    }
}

#[test]
fn its_first_futile_restart_is_repeated_at_once_when_a_new_pod_is_fresh() {
    let evidence = |created| deployment("a/c").pod(pod(NEW).created(created));
    let verdict = |fixture, created| pass(&policy(), &cluster([fixture, evidence(created)]), 40).verdict("a/b").clone();
    assert_eq!(verdict(futile("a/b", 1), 30).as_str(), "Restart");
    assert_eq!(verdict(futile("a/b", 1), -30).as_str(), "Futile", "a pod from before the restart is no news");
    assert_eq!(verdict(futile("a/b", 1), 0).as_str(), "Futile", "within one second nobody knows which came first");
    assert_eq!(verdict(futile("a/b", 2), 30).as_str(), "Futile", "once is enough");
}

#[test]
fn a_futile_workload_that_loses_a_pod_is_not_restarted_out_of_turn() {
    let rescheduled = pod(OLD).created(900).unready().made_by_restart(&policy(), 1);
    let fixture = futile("a/b", 1).pod(rescheduled).unavailable();
    assert_eq!(pass(&policy(), &cluster([fixture]), 910).only_verdict().as_str(), "Futile");
}

#[test]
fn a_futile_workload_that_cannot_complete_is_not_restarted_each_time_its_window_ends() {
    let stuck = facts!(futile("a/b", 1), Deployment, |facts| {
        (facts.updated, facts.progress_deadline_exceeded) = (1, true);
    });
    assert_eq!(pass(&policy(), &cluster([stuck]), WINDOW_SECONDS).only_verdict().as_str(), "Futile");
}

#[test]
fn a_restart_that_never_completes_with_stale_pods_again_is_futile_rather_than_failed() {
    let fixture = futile("a/b", 1).pod(pod(OLD)).replacing();
    assert_eq!(*pass(&policy(), &cluster([fixture.clone()]), 30).only_verdict(), Verdict::InFlight);
    assert_eq!(pass(&policy(), &cluster([fixture]), WINDOW_SECONDS).only_verdict().as_str(), "Futile");
}

#[test]
fn a_paused_futile_workload_is_not_probed() {
    let paused = facts!(futile("a/b", 1), Deployment, |facts| facts.paused = true);
    assert_eq!(pass(&policy(), &cluster([paused]), HALF_AN_HOUR).only_verdict().reason(), Some("Paused"));
}

#[test]
fn three_futile_restarts_stop_the_campaign_visibly() {
    let snapshot = cluster([futile("a/a", 1), futile("a/b", 1), futile("a/c", 1), stale("a/d")]);
    let pass = pass(&policy(), &snapshot, 30);
    assert!(pass.starts().is_empty());
    assert_eq!(pass.decision.hold, Some(Hold::Futile));
    assert_eq!(pass.condition("Stalled"), "True RestartsFutile");
    assert_eq!(pass.condition("RestartsAllowed"), "False RestartsFutile");
}

#[test]
fn two_futile_restarts_do_not() {
    let snapshot = cluster([futile("a/a", 1), futile("a/b", 1), stale("a/d")]);
    assert_eq!(pass(&policy(), &snapshot, 30).starts(), ["a/d"]);
}

#[test]
fn a_fresh_pod_made_after_them_lets_the_campaign_go_on() {
    let proof = deployment("a/z").pod(pod(NEW).created(25));
    let snapshot = cluster([futile("a/a", 2), futile("a/b", 2), futile("a/c", 2), stale("a/d"), proof]);
    assert_eq!(pass(&policy(), &snapshot, 30).starts(), ["a/d"]);
}

fn stopped() -> [Fixture; 4] {
    [futile("a/a", 1), futile("a/b", 1), futile("a/c", 1), stale("a/d")]
}

#[test]
fn a_stopped_campaign_is_looked_at_again_when_its_probe_is_due() {
    let waiting = pass(&policy(), &cluster(stopped()), HALF_AN_HOUR - 1);
    assert!(waiting.starts().is_empty());
    assert_eq!(waiting.decision.recheck_at, Some(at(HALF_AN_HOUR)));
}

#[test]
fn a_stopped_campaign_probes_with_one_that_was_not_tried_yet() {
    let pass = pass(&policy_not_waiting(), &cluster(stopped()), HALF_AN_HOUR);
    assert_eq!(pass.starts(), ["a/d"]);
    assert_eq!(pass.decision.hold, Some(Hold::Futile));
}

#[test]
fn a_stopped_campaign_probes_far_from_those_that_pin_their_image() {
    let snapshot = cluster(stopped().into_iter().chain([stale("b/e"), stale("c/f")]));
    assert_eq!(pass(&policy(), &snapshot, HALF_AN_HOUR).starts(), ["b/e"]);
}

#[test]
fn a_stopped_campaign_with_nothing_untried_left_probes_with_one_that_is_due_again() {
    let [a, b, c, _] = stopped();
    assert_eq!(pass(&policy_not_waiting(), &cluster([a, b, c]), HALF_AN_HOUR).starts(), ["a/a"]);
}

#[test]
fn a_stopped_campaign_probes_one_at_a_time() {
    let probing = stale("a/d").restarted(&policy(), 1, HALF_AN_HOUR).replacing();
    let [a, b, c, _] = stopped();
    let pass = pass(&policy_not_waiting(), &cluster([a, b, c, probing, stale("a/e")]), HALF_AN_HOUR + 1);
    assert!(pass.starts().is_empty());
    assert_eq!(pass.decision.hold, Some(Hold::Futile));
}

#[test]
fn retries_go_one_at_a_time() {
    let [a, b, _, _] = stopped();
    let snapshot = || cluster([a.clone(), b.clone()]);
    assert_eq!(pass(&policy_not_waiting(), &snapshot(), HALF_AN_HOUR).starts(), ["a/a"]);
    let mut retrying = snapshot();
    stale("a/a").restarted(&policy(), 2, HALF_AN_HOUR).replacing().add_to(&mut retrying);
    let pass = pass(&policy_not_waiting(), &retrying, HALF_AN_HOUR + 1);
    assert!(pass.starts().is_empty());
    assert_eq!(pass.decision.hold, Some(Hold::Waiting("Deployment a/a".into())));
}

/// Restarts of 500 workloads, with the list changed ahead of the mesh by `upgraded_after` seconds.
fn list_ahead_of_the_mesh(policy: &flippy_core::Policy, behaviour: Behaviour, upgraded_after: i64) -> Model {
    let mut model = Model::new([behaviour; 500], OLD);
    model.injected = image(OLD);
    run(&mut model, &[policy], upgraded_after);
    model
}

#[test]
fn a_list_ahead_of_the_mesh_costs_three_restarts_of_five_hundred_workloads() {
    for policy in [policy(), policy_not_waiting()] {
        for behaviour in [
            Behaviour::default(),
            Behaviour { kind: Kind::ArgoRollout, ..Behaviour::default() },
            Behaviour { unhealthy: true, ..Behaviour::default() },
            Behaviour { never_ready: true, ..Behaviour::default() },
        ] {
            let model = list_ahead_of_the_mesh(&policy, behaviour, HALF_AN_HOUR - 1);
            assert_eq!(model.restarts_in_all(), 3, "{behaviour:?} {:?}", policy.restart_objects[0].waiting);
        }
    }
}

#[test]
fn probes_of_a_stopped_campaign_become_rare() {
    let model = list_ahead_of_the_mesh(&policy(), Behaviour::default(), 24 * 3600);
    // After 0.5, 1, 2, 4 and 8 hours.
    assert_eq!(model.restarts_in_all(), 3 + 5);
}

#[test]
fn once_the_mesh_is_upgraded_the_campaign_finishes_by_itself() {
    for policy in [policy(), policy_not_waiting()] {
        let mut model = list_ahead_of_the_mesh(&policy, Behaviour::default(), 3600);
        let spent = model.restarts_in_all();
        model.injected = image(NEW);
        run(&mut model, &[&policy], 24 * 3600);
        assert_eq!(model.pods_on(OLD), 0);
        let necessary = model.restarts_in_all() - spent;
        assert_eq!(necessary, 500);
    }
}

#[test]
fn a_workload_that_pins_its_image_is_not_restarted_with_every_neighbour() {
    let mut behaviours = [Behaviour::default(); 60];
    behaviours[0].pinned = true;
    behaviours[30].pinned = true;
    let mut model = Model::new(behaviours, OLD);
    run(&mut model, &[&policy()], HALF_AN_HOUR);
    for (number, restarts) in model.restarts().into_iter().enumerate() {
        let expected = if behaviours[number].pinned { 2 } else { 1 };
        assert_eq!(restarts, expected, "w{number:03}: a pinned one is tried once more when a neighbour comes up fresh");
    }
}

#[test]
fn workloads_that_pin_their_image_do_not_stop_the_others() {
    let mut behaviours = [Behaviour { pinned: true, ..Behaviour::default() }; 8];
    behaviours[7].pinned = false;
    behaviours[2].pinned = false;
    let mut model = Model::new(behaviours, OLD);
    run(&mut model, &[&policy()], 24 * 3600);
    assert_eq!(model.pods_on(NEW), 4);
}

#[test]
fn one_futile_restart_after_the_last_fresh_pod_is_reason_for_care() {
    let last_fresh = deployment("a/z").pod(pod(NEW).created(-1));
    let many = (0..9).map(|number| stale(&format!("b/{number}")));
    let snapshot = cluster(many.chain([futile("a/a", 1), last_fresh]));
    assert_eq!(pass(&policy_not_waiting(), &snapshot, 30).starts().len(), 2);
}

#[test]
fn marks_dated_far_ahead_do_not_stop_the_campaign_of_others() {
    let policy = crate::common::policy();
    let year_seconds = 365 * 24 * 3600;
    let forged = |path: &str| {
        let pod = crate::common::pod(crate::common::OLD).made_by_restart(&policy, 1);
        crate::common::deployment(path).restarted(&policy, 1, year_seconds).pod(pod)
    };
    let honest = crate::common::deployment("z/honest").pods(1, crate::common::OLD);
    let snapshot = crate::common::cluster([forged("a/a"), forged("a/b"), forged("a/c"), honest]);
    assert_eq!(crate::common::pass(&policy, &snapshot, 0).starts(), ["z/honest"]);
}
