//! Rollout progress: one test for each rule of `kubectl rollout status` and of Argo Rollouts.

use flippy_core::{ArgoPhase, Progress, UpdateStrategy, progress_of};

use crate::common::{Fixture, at, daemon_set, deployment, facts, rollout, stateful_set};

fn progress(fixture: &Fixture) -> Progress {
    progress_of(&fixture.workload)
}

/// The spec is one generation ahead of what the controller has seen.
fn behind(fixture: Fixture) -> Fixture {
    fixture.change(|workload| workload.generation = 2)
}

#[test]
fn a_settled_workload_of_every_kind_is_complete() {
    for fixture in [deployment("a/b"), stateful_set("a/b"), daemon_set("a/b"), rollout("a/b")] {
        assert_eq!(progress(&fixture), Progress::Complete, "{}", fixture.named());
    }
}

#[test]
fn a_status_from_before_the_latest_spec_says_nothing() {
    for fixture in [deployment("a/b"), stateful_set("a/b"), daemon_set("a/b"), rollout("a/b")] {
        assert_eq!(progress(&behind(fixture.clone())), Progress::NotObserved, "{}", fixture.named());
    }
}

#[test]
fn a_deployment_that_was_never_observed_is_not_complete_even_with_no_replicas() {
    let fixture = facts!(deployment("a/b"), Deployment, |facts| *facts = flippy_core::DeploymentFacts::default());
    assert_eq!(progress(&fixture), Progress::NotObserved);
}

#[test]
fn a_deployment_scaled_to_zero_is_complete() {
    let none = flippy_core::DeploymentFacts { observed_generation: 1, ..flippy_core::DeploymentFacts::default() };
    assert_eq!(progress(&facts!(deployment("a/b"), Deployment, |facts| *facts = none)), Progress::Complete);
}

#[test]
fn a_deployment_is_replacing_until_every_replica_is_updated() {
    assert_eq!(progress(&facts!(deployment("a/b"), Deployment, |facts| facts.updated = 1)), Progress::Replacing);
}

#[test]
fn a_deployment_is_replacing_while_an_old_replica_is_left() {
    assert_eq!(progress(&facts!(deployment("a/b"), Deployment, |facts| facts.replicas = 3)), Progress::Replacing);
}

#[test]
fn a_deployment_is_unavailable_until_every_updated_replica_is_available() {
    assert_eq!(progress(&facts!(deployment("a/b"), Deployment, |facts| facts.available = 1)), Progress::Unavailable);
}

#[test]
fn a_deployment_past_its_progress_deadline_says_so() {
    let fixture = facts!(deployment("a/b").replacing(), Deployment, |facts| facts.progress_deadline_exceeded = true);
    assert_eq!(progress(&fixture), Progress::DeadlineExceeded);
}

#[test]
fn a_deadline_that_an_earlier_spec_exceeded_does_not_count() {
    let fixture = facts!(deployment("a/b"), Deployment, |facts| facts.progress_deadline_exceeded = true);
    assert_eq!(progress(&behind(fixture)), Progress::NotObserved);
}

#[test]
fn a_paused_deployment_is_paused_whatever_its_numbers() {
    let paused = facts!(deployment("a/b"), Deployment, |facts| facts.paused = true);
    assert_eq!(progress(&paused), Progress::Paused);
    assert_eq!(progress(&behind(paused)), Progress::Paused);
}

#[test]
fn a_stateful_set_is_unavailable_until_every_replica_is_ready() {
    assert_eq!(progress(&facts!(stateful_set("a/b"), StatefulSet, |facts| facts.ready = 1)), Progress::Unavailable);
}

#[test]
fn a_stateful_set_without_a_partition_is_replacing_until_every_replica_is_updated() {
    assert_eq!(progress(&facts!(stateful_set("a/b"), StatefulSet, |facts| facts.updated = 1)), Progress::Replacing);
}

#[test]
fn a_stateful_set_with_a_partition_is_complete_when_the_ordinals_above_it_are_updated() {
    let fixture = facts!(stateful_set("a/b"), StatefulSet, |facts| {
        (facts.partition, facts.updated, facts.revisions_equal) = (Some(1), 1, false);
    });
    assert_eq!(progress(&fixture), Progress::Complete);
    assert_eq!(progress(&facts!(fixture, StatefulSet, |facts| facts.updated = 0)), Progress::Replacing);
}

#[test]
fn a_stateful_set_with_a_partition_above_its_size_has_nothing_to_update() {
    let fixture = facts!(stateful_set("a/b"), StatefulSet, |facts| (facts.partition, facts.updated) = (Some(9), 0));
    assert_eq!(progress(&fixture), Progress::Complete);
}

#[test]
fn a_stateful_set_without_a_rolling_update_block_goes_by_its_revisions() {
    let fixture = facts!(stateful_set("a/b"), StatefulSet, |facts| (facts.partition, facts.updated) = (None, 0));
    assert_eq!(progress(&fixture), Progress::Complete);
    assert_eq!(progress(&facts!(fixture, StatefulSet, |facts| facts.revisions_equal = false)), Progress::Replacing);
}

#[test]
fn a_stateful_set_with_a_rolling_update_block_does_not_go_by_its_revisions() {
    assert_eq!(
        progress(&facts!(stateful_set("a/b"), StatefulSet, |facts| facts.revisions_equal = false)),
        Progress::Complete
    );
}

#[test]
fn a_stateful_set_that_was_never_observed_is_not_complete_at_generation_zero() {
    let fixture = facts!(stateful_set("a/b"), StatefulSet, |facts| facts.observed_generation = 0);
    assert_eq!(progress(&fixture.change(|workload| workload.generation = 0)), Progress::NotObserved);
}

#[test]
fn hostile_numbers_of_a_stateful_set_do_not_overflow() {
    for (wanted, partition) in [(i64::MAX, -1), (i64::MIN, 1), (i64::MIN, i64::MAX)] {
        let fixture = facts!(stateful_set("a/b"), StatefulSet, |facts| {
            (facts.replicas_wanted, facts.partition, facts.updated) = (wanted, Some(partition), 0);
        });
        assert_eq!(progress(&fixture) == Progress::Replacing, wanted == i64::MAX);
    }
}

#[test]
fn nothing_is_said_of_the_progress_of_on_delete() {
    let set = facts!(stateful_set("a/b"), StatefulSet, |facts| facts.strategy = UpdateStrategy::OnDelete);
    let daemons = facts!(daemon_set("a/b"), DaemonSet, |facts| facts.strategy = UpdateStrategy::OnDelete);
    assert_eq!(progress(&set), Progress::OnDelete);
    assert_eq!(progress(&daemons), Progress::OnDelete);
}

#[test]
fn a_daemon_set_is_replacing_until_every_node_is_updated() {
    assert_eq!(progress(&facts!(daemon_set("a/b"), DaemonSet, |facts| facts.updated = 1)), Progress::Replacing);
}

#[test]
fn a_daemon_set_is_unavailable_until_every_node_is_available() {
    assert_eq!(progress(&facts!(daemon_set("a/b"), DaemonSet, |facts| facts.available = 1)), Progress::Unavailable);
}

#[test]
fn a_daemon_set_without_nodes_is_complete() {
    let fixture = facts!(daemon_set("a/b"), DaemonSet, |facts| {
        (facts.scheduled_wanted, facts.updated, facts.available) = (0, 0, 0);
    });
    assert_eq!(progress(&fixture), Progress::Complete);
}

#[test]
fn a_rollout_that_reads_healthy_between_two_pods_is_not_complete() {
    assert_eq!(progress(&facts!(rollout("a/b"), ArgoRollout, |facts| facts.available = 1)), Progress::Unavailable);
}

#[test]
fn a_rollout_is_replacing_until_argo_confirms_the_restart() {
    let asked = facts!(rollout("a/b"), ArgoRollout, |facts| facts.restart_at = Some(at(10)));
    assert_eq!(progress(&asked), Progress::Replacing);
    let an_earlier_one = facts!(asked.clone(), ArgoRollout, |facts| facts.restarted_at = Some(at(9)));
    assert_eq!(progress(&an_earlier_one), Progress::Replacing);
    assert_eq!(progress(&facts!(asked, ArgoRollout, |facts| facts.restarted_at = Some(at(10)))), Progress::Complete);
}

#[test]
fn a_rollout_that_brings_out_a_revision_is_replacing_even_when_it_reads_healthy() {
    assert_eq!(
        progress(&facts!(rollout("a/b"), ArgoRollout, |facts| facts.revision_in_progress = true)),
        Progress::Replacing
    );
}

#[test]
fn a_rollout_at_a_canary_step_is_paused() {
    assert_eq!(
        progress(&facts!(rollout("a/b"), ArgoRollout, |facts| facts.phase = ArgoPhase::Paused)),
        Progress::Paused
    );
}

#[test]
fn a_rollout_paused_by_its_spec_is_paused_before_its_status_says_so() {
    assert_eq!(progress(&facts!(rollout("a/b"), ArgoRollout, |facts| facts.paused = true)), Progress::Paused);
}

#[test]
fn an_aborted_rollout_is_degraded() {
    let fixture = facts!(rollout("a/b"), ArgoRollout, |facts| {
        (facts.phase, facts.revision_in_progress) = (ArgoPhase::Degraded, true);
    });
    assert_eq!(progress(&fixture), Progress::Degraded);
}

#[test]
fn a_rollout_with_a_phase_that_nobody_knows_is_not_complete() {
    assert_eq!(
        progress(&facts!(rollout("a/b"), ArgoRollout, |facts| facts.phase = ArgoPhase::Unknown)),
        Progress::Unavailable
    );
}
