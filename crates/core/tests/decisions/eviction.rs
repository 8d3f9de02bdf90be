//! Restarts by eviction: pod by pod, each once the one before is replaced and ready.

use flippy_core::{
    DisruptionBudget, DisruptionBudgets, Eviction, EvictionWait, Hold, Method, MethodChoice, NextEviction, Policy,
    Refusal, Selector, SingleReplica, UpdateStrategy, Window, WindowKind,
};

use crate::common::{
    Fixture, NEW, OLD, Pass, WINDOW_SECONDS, at, cluster, daemon_set, deployment, facts, first, pass, pod, policy,
    replica_set, replication_controller, rollout, stateful_set,
};

fn on_delete(path: &str) -> Fixture {
    facts!(stateful_set(path), StatefulSet, |facts| facts.strategy = UpdateStrategy::OnDelete)
}

fn on_delete_daemons(path: &str) -> Fixture {
    facts!(daemon_set(path), DaemonSet, |facts| facts.strategy = UpdateStrategy::OnDelete)
}

fn parted(path: &str) -> Fixture {
    facts!(stateful_set(path), StatefulSet, |facts| facts.partition = Some(1))
}

fn with(method: MethodChoice) -> Policy {
    let mut policy = policy();
    policy.strategy.method = method;
    policy
}

/// Names of the pods that are evicted now.
fn evicted(pass: &Pass) -> Vec<&str> {
    pass.decision.evictions.iter().map(|Eviction { pod_name, .. }| &**pod_name).collect()
}

/// Why the only workload's next pod has to wait.
fn wait(pass: &Pass) -> &EvictionWait {
    assert_eq!(pass.decision.evictions, []);
    match &pass.entry("a/db").evicting.as_ref().expect("it is evicted").next {
        NextEviction::Waits(why) => why,
        NextEviction::Pod(eviction) => panic!("{eviction:?}"),
    }
}

fn verdict(pass: &Pass) -> String {
    let entry = pass.entry("a/db");
    entry.verdict.reason().unwrap_or(entry.verdict.as_str()).to_owned()
}

/// Its eviction began a minute ago.
fn under_way(policy: &Policy) -> Fixture {
    on_delete("a/db").evicted(policy, -60, -61)
}

#[test]
fn each_workload_is_restarted_by_the_method_that_replaces_every_pod() {
    let method = |fixture: Fixture| {
        let pass = pass(&policy(), &cluster([fixture.pods(2, OLD)]), 0);
        let start = pass.only_start();
        assert_eq!(start.evicts_until.is_some(), start.method == Method::Evict);
        start.method
    };
    assert_eq!(method(deployment("a/db")), Method::Patch);
    assert_eq!(method(stateful_set("a/db")), Method::Patch);
    assert_eq!(method(daemon_set("a/db")), Method::Patch);
    assert_eq!(method(rollout("a/db")), Method::RestartAt);
    assert_eq!(method(on_delete("a/db")), Method::Evict);
    assert_eq!(method(on_delete_daemons("a/db")), Method::Evict);
    assert_eq!(method(parted("a/db")), Method::Evict);
    assert_eq!(method(replica_set("a/db")), Method::Evict);
    assert_eq!(method(replication_controller("a/db")), Method::Evict);
}

#[test]
fn a_policy_may_evict_everything_but_rollouts_which_do_so_by_themselves() {
    let method = |fixture: Fixture| {
        let pass = pass(&with(MethodChoice::Evict), &cluster([fixture.pods(2, OLD)]), 0);
        pass.only_start().method
    };
    assert_eq!(method(deployment("a/db")), Method::Evict);
    assert_eq!(method(stateful_set("a/db")), Method::Evict);
    assert_eq!(method(daemon_set("a/db")), Method::Evict);
    assert_eq!(method(rollout("a/db")), Method::RestartAt);
}

#[test]
fn what_must_not_be_evicted_and_cannot_be_patched_is_blocked_with_the_reason() {
    let reason = |fixture: Fixture| verdict(&pass(&with(MethodChoice::Patch), &cluster([fixture.pods(2, OLD)]), 0));
    assert_eq!(reason(on_delete("a/db")), "OnDelete");
    assert_eq!(reason(on_delete_daemons("a/db")), "OnDelete");
    assert_eq!(reason(parted("a/db")), "Partition");
    assert_eq!(reason(replica_set("a/db")), "NoRollout");
    assert_eq!(reason(replication_controller("a/db")), "NoRollout");
    assert_eq!(reason(stateful_set("a/db")), "StaleImage");
}

#[test]
fn the_pods_that_are_there_when_it_is_decided_are_the_ones_to_go() {
    let set = on_delete("a/db").pod(pod(OLD).created(-50)).pod(pod(OLD).created(-40));
    assert_eq!(pass(&policy(), &cluster([set]), 0).only_start().evicts_until, Some(at(-40)));
}

#[test]
fn the_highest_ordinal_goes_first() {
    let policy = policy();
    let mut set = under_way(&policy).pods(12, OLD);
    set = facts!(set, StatefulSet, |facts| facts.replicas_wanted = 12);
    assert_eq!(evicted(&pass(&policy, &cluster([set]), 0)), ["db-11"]);
}

#[test]
fn only_stale_pods_go() {
    let policy = policy();
    let set = under_way(&policy).pods(1, OLD).pods(1, NEW);
    assert_eq!(evicted(&pass(&policy, &cluster([set]), 0)), ["db-0"]);
}

#[test]
fn a_replacement_is_never_of_the_same_second_as_an_old_pod() {
    let policy = policy();
    let snapshot = cluster([on_delete("a/db").evicted(&policy, 0, -1).pods(2, OLD)]);
    let begun = pass(&policy, &snapshot, 0);
    assert_eq!(*wait(&begun), EvictionWait::JustBegun(at(1)));
    assert_eq!(begun.decision.recheck_at, Some(at(1)));
    assert_eq!(evicted(&pass(&policy, &snapshot, 1)), ["db-1"]);
}

#[test]
fn nothing_is_evicted_before_the_restart_is_marked() {
    let pass = pass(&policy(), &cluster([on_delete("a/db").pods(2, OLD)]), 0);
    assert_eq!(pass.starts(), ["a/db"]);
    assert_eq!(pass.decision.evictions, []);
}

#[test]
fn the_next_one_waits_until_the_replacement_is_ready() {
    let policy = policy();
    let set = |replacement| under_way(&policy).pods(1, OLD).pod(replacement);
    let waiting = pass(&policy, &cluster([set(pod(NEW).created(-10).unready())]), 0);
    assert_eq!(*wait(&waiting), EvictionWait::NotReady("db-1".into()));
    assert_eq!(evicted(&pass(&policy, &cluster([set(pod(NEW).created(-10))]), 0)), ["db-0"]);
}

#[test]
fn the_next_one_waits_until_there_is_a_replacement() {
    let policy = policy();
    let waiting = pass(&policy, &cluster([under_way(&policy).pods(1, OLD)]), 0);
    assert_eq!(*wait(&waiting), EvictionWait::Missing);
}

#[test]
fn a_pod_that_was_evicted_does_not_count_although_the_watch_still_shows_it() {
    let policy = policy();
    let mut snapshot = cluster([under_way(&policy).pods(2, OLD)]);
    let first = pass(&policy, &snapshot, 0).decision.evictions.remove(0);
    snapshot.note_eviction(&first.pod_uid);
    assert_eq!(*wait(&pass(&policy, &snapshot, 0)), EvictionWait::Missing);
}

#[test]
fn a_stale_pod_that_is_not_ready_goes_before_those_that_are() {
    let policy = policy();
    let set = under_way(&policy).pod(pod(OLD).unready()).pods(1, OLD);
    assert_eq!(evicted(&pass(&policy, &cluster([set]), 0)), ["db-0"]);
}

#[test]
fn beside_a_pod_that_is_not_ready_and_is_not_to_go_none_goes() {
    let policy = policy();
    let set = under_way(&policy).pods(1, OLD).pod(pod(NEW).unready());
    assert_eq!(*wait(&pass(&policy, &cluster([set]), 0)), EvictionWait::NotReady("db-1".into()));
}

#[test]
fn while_somebody_elses_rollout_is_under_way_none_goes() {
    let policy = with(MethodChoice::Evict);
    let set = stateful_set("a/db").evicted(&policy, -60, -61).pods(2, OLD).replacing();
    assert_eq!(*wait(&pass(&policy, &cluster([set]), 0)), EvictionWait::Rollout);
}

#[test]
fn a_pod_that_a_budget_protects_is_waited_for_and_is_no_failure() {
    let policy = policy();
    let set = under_way(&policy).pods(2, OLD);
    let uid = set.workload.id.uid.clone();
    let mut snapshot = cluster([set]);
    let refusal = Refusal { generation: 1, message: "not now".into(), retry_at: at(10), unanswered: false };
    snapshot.note_refusal(uid, refusal);
    let waiting = pass(&policy, &snapshot, 0);
    assert_eq!(verdict(&waiting), "InFlight");
    assert_eq!(*wait(&waiting), EvictionWait::Refused { message: "not now".into(), retry_at: at(10) });
    assert_eq!(waiting.decision.recheck_at, Some(at(10)));
    assert_eq!(evicted(&pass(&policy, &snapshot, 10)), ["db-1"]);
}

#[test]
fn one_that_is_seen_under_way_is_waited_for_although_its_answer_was_lost() {
    let policy = policy();
    let mut snapshot = cluster([under_way(&policy).pods(2, OLD), deployment("a/web").pods(2, OLD)]);
    let lost = Refusal { generation: 1, message: "no answer".into(), retry_at: at(-1), unanswered: true };
    let uids: Vec<_> = snapshot.workloads().map(|workload| workload.id.uid.clone()).collect();
    for uid in uids {
        snapshot.note_refusal(uid, lost.clone());
    }
    assert!(pass(&policy, &snapshot, 0).starts().is_empty());
}

#[test]
fn a_budget_that_forbids_evictions_cannot_be_ignored() {
    let mut policy = policy();
    policy.strategy.disruption_budgets = DisruptionBudgets::Ignore;
    let blocked = |fixture: Fixture| {
        let mut snapshot = cluster([fixture.pods(2, OLD)]);
        snapshot.upsert_disruption_budget(DisruptionBudget {
            namespace: "a".into(),
            name: "all".into(),
            uid: "budget".into(),
            selector: Selector::Every(Vec::new()),
            generation: 1,
            observed_generation: 1,
            allowed: 0,
            healthy: 2,
            desired_healthy: 2,
            expected_pods: 2,
        });
        verdict(&pass(&policy, &snapshot, 0))
    };
    assert_eq!(blocked(on_delete("a/db")), "DisruptionBudget");
    assert_eq!(blocked(stateful_set("a/db")), "StaleImage");
}

#[test]
fn it_is_done_once_every_pod_is_fresh_and_ready() {
    let policy = policy();
    assert_eq!(verdict(&pass(&policy, &cluster([under_way(&policy).pods(2, NEW)]), 0)), "Fresh");
}

#[test]
fn a_status_from_before_an_eviction_does_not_make_it_done() {
    let policy = policy();
    let missing = pass(&policy, &cluster([under_way(&policy).pods(1, NEW)]), 0);
    assert_eq!(verdict(&missing), "InFlight");
}

#[test]
fn each_pod_has_the_time_that_a_restart_has() {
    let policy = policy();
    let set = on_delete("a/db").evicted(&policy, -2 * WINDOW_SECONDS, -3000);
    let set = set.pods(1, OLD).pod(pod(NEW).created(-WINDOW_SECONDS + 1).unready());
    let snapshot = cluster([set]);
    assert_eq!(verdict(&pass(&policy, &snapshot, 0)), "InFlight");
    assert_eq!(verdict(&pass(&policy, &snapshot, 1)), "NotCompleteInTime");
}

#[test]
fn no_further_pod_goes_after_a_failure() {
    let policy = policy();
    let set = on_delete("a/db").evicted(&policy, -WINDOW_SECONDS, -400);
    let failed = pass(&policy, &cluster([set.pods(1, OLD).pod(pod(NEW).created(-WINDOW_SECONDS).unready())]), 0);
    assert_eq!(verdict(&failed), "NotCompleteInTime");
    assert_eq!(failed.decision.evictions, []);
}

#[test]
fn one_that_something_kept_from_going_on_is_begun_again_as_the_same_attempt() {
    let policy = policy();
    let set = on_delete("a/db").evicted(&policy, -WINDOW_SECONDS, -3000).pods(2, OLD);
    let again = pass(&policy, &cluster([set]), 0);
    assert_eq!(verdict(&again), "StaleImage");
    assert_eq!(again.only_start().token.attempt, 1);
    assert_eq!(again.decision.evictions, []);
}

#[test]
fn the_first_replacement_that_is_stale_again_ends_it() {
    let policy = policy();
    let futile = pass(&policy, &cluster([under_way(&policy).pods(1, OLD).pod(pod(OLD).created(-10))]), 0);
    assert_eq!(verdict(&futile), "SameImageAgain");
    assert_eq!(futile.decision.evictions, []);
}

#[test]
fn a_replacement_that_is_stale_again_is_waited_for_all_the_same() {
    let policy = policy();
    let starting = pass(&policy, &cluster([under_way(&policy).pods(1, OLD).pod(pod(OLD).created(-10).unready())]), 0);
    assert_eq!(verdict(&starting), "InFlight");
    assert_eq!(starting.decision.evictions, []);
}

#[test]
fn a_clock_that_is_ahead_does_not_take_a_replacement_for_an_old_pod() {
    let policy = policy();
    // Marked at a time at which the API server's clock will be in ten minutes.
    let set = on_delete("a/db").evicted(&policy, 600, -61);
    let ahead = pass(&policy, &cluster([set.pods(1, OLD).pod(pod(OLD).created(-10))]), 610);
    assert_eq!(verdict(&ahead), "SameImageAgain");
}

#[test]
fn suspending_stops_the_next_eviction_at_once() {
    let mut policy = policy();
    let snapshot = cluster([under_way(&policy).pods(2, OLD)]);
    policy.suspended = true;
    let suspended = pass(&policy, &snapshot, 0);
    assert_eq!(suspended.decision.evictions, []);
    assert_eq!(suspended.decision.hold, Some(Hold::Suspended));
}

#[test]
fn a_gate_that_shuts_stops_the_next_eviction() {
    let mut policy = policy();
    let istiod = deployment("mesh/istiod").unavailable();
    policy.preconditions = vec![crate::common::precondition(&istiod)];
    let shut = pass(&policy, &cluster([under_way(&policy).pods(2, OLD), istiod]), 0);
    assert_eq!(shut.decision.evictions, []);
    assert!(matches!(shut.decision.hold, Some(Hold::Preconditions(_))), "{:?}", shut.decision.hold);
}

/// Open from 21:00 to 22:00, when the tests begin.
fn until_ten() -> Window {
    Window {
        kind: WindowKind::Allow,
        schedule: "0 21 * * *".parse().expect("it is a schedule"),
        duration: flippy_core::SignedDuration::from_hours(1),
        time_zone: flippy_core::TimeZone::UTC,
    }
}

#[test]
fn a_window_that_closes_lets_it_go_on_for_as_long_as_a_restart_may_take() {
    let mut policy = policy();
    policy.windows = vec![until_ten()];
    // The first replacement came late: the time of the second pod goes on after that of the restart.
    let set = under_way(&policy).pods(1, OLD).pod(pod(NEW).created(WINDOW_SECONDS - 70));
    let snapshot = cluster([set]);
    assert_eq!(evicted(&pass(&policy, &snapshot, WINDOW_SECONDS - 61)), ["db-0"]);
    let closed = pass(&policy, &snapshot, WINDOW_SECONDS - 60);
    assert_eq!(verdict(&closed), "InFlight");
    assert_eq!(closed.decision.evictions, []);
    assert!(matches!(closed.decision.hold, Some(Hold::Window(_))), "{:?}", closed.decision.hold);
}

#[test]
fn it_counts_as_under_way() {
    let policy = policy();
    let waiting = pass(&policy, &cluster([under_way(&policy).pods(2, OLD), deployment("b/web").pods(2, OLD)]), 0);
    assert_eq!(waiting.starts(), <[String; 0]>::default());
    assert_eq!(evicted(&waiting), ["db-1"]);
}

#[test]
fn two_workloads_are_evicted_beside_each_other_one_pod_of_each() {
    let policy = policy();
    let other = on_delete("b/db").evicted(&policy, -60, -61).pods(2, OLD);
    let both = pass(&policy, &cluster([under_way(&policy).pods(2, OLD), other]), 0);
    let workloads: Vec<&str> = both.decision.evictions.iter().map(|one| &*one.workload.named.namespace).collect();
    assert_eq!(workloads, ["a", "b"]);
}

#[test]
fn a_single_replica_is_held_although_its_deployment_would_surge() {
    let mut policy = with(MethodChoice::Evict);
    policy.strategy.single_replica = SingleReplica::Hold;
    let surging = deployment("a/db").pods(1, OLD).change(|workload| workload.disruption.takes_nothing_away = true);
    let single = facts!(surging, Deployment, |facts| {
        (facts.replicas_wanted, facts.replicas, facts.updated, facts.available) = (1, 1, 1, 1);
    });
    assert_eq!(verdict(&pass(&policy, &cluster([single]), 0)), "SingleReplica");
}

#[test]
fn one_that_goes_first_loses_its_pods_whatever_they_run() {
    let mut policy = policy();
    let gateway = on_delete("mesh/gateway").evicted(&policy, -60, -61).pods(2, NEW);
    policy.restart_first = vec![first(&gateway)];
    let going = pass(&policy, &cluster([gateway, deployment("b/web").pods(2, OLD)]), 0);
    assert_eq!(evicted(&going), ["gateway-1"]);
    assert_eq!(going.starts(), <[String; 0]>::default());
}

#[test]
fn a_mark_that_is_taken_away_ends_it() {
    let policy = policy();
    let set = on_delete("a/db").pods(2, OLD);
    let (uid, token) =
        (set.workload.id.uid.clone(), pass(&policy, &cluster([set.clone()]), 0).only_start().token.clone());
    let mut snapshot = cluster([set]);
    snapshot.note_restart(uid, token);
    let reverted = pass(&policy, &snapshot, 0);
    assert_eq!(verdict(&reverted), "RevertedByOwner");
    assert_eq!(reverted.decision.evictions, []);
}

#[test]
fn a_patch_that_nobody_will_ever_roll_out_does_not_count() {
    let policy = policy();
    let changed_since = on_delete("a/db").restarted(&policy, 1, -60).pods(2, OLD);
    assert_eq!(verdict(&pass(&policy, &cluster([changed_since]), 0)), "StaleImage");
}

#[test]
fn what_is_left_is_said() {
    let policy = policy();
    let pass = pass(&policy, &cluster([under_way(&policy).pods(2, OLD)]), 0);
    let listed = &pass.status.in_flight[0];
    assert_eq!(listed.message, "being restarted: its pods are evicted one by one; 2 pods are still to go, db-1 first");
}
