//! Budgets: how many restarts are under way at once, in all and in each namespace, and how soon one follows another.

use std::collections::{BTreeMap, BTreeSet};

use flippy_core::{
    Hold, Limit, Policy, Refusal, RestartFirst, SignedDuration, SingleReplica, Snapshot, Strategy as Careful, Verdict,
    Waiting, Window, WindowKind,
};
use proptest::prelude::*;
use proptest::sample::select;

use crate::common::model::{Behaviour, Model};
use crate::common::{
    Fixture, NEW, OLD, Pass, WINDOW_SECONDS, at, cluster, deployment, facts, pass, pod, policy, policy_not_waiting,
    stateful_set,
};
use crate::crash::{Operator, Step, behaviour, step};

fn stale(path: &str) -> Fixture {
    deployment(path).pods(1, OLD)
}

fn under_way(path: &str) -> Fixture {
    stale(path).restarted(&policy(), 1, -20).replacing()
}

/// The injector is known to hand out the wanted image.
fn proof() -> Fixture {
    deployment("zz/proof").pod(pod(NEW).created(-1))
}

fn stale_many(namespace: &str, count: usize) -> impl Iterator<Item = Fixture> {
    let namespace = namespace.to_owned();
    (0..count).map(move |number| stale(&format!("{namespace}/w{number:03}")))
}

fn with(change: impl FnOnce(&mut Careful)) -> Policy {
    let mut policy = policy();
    change(&mut policy.strategy);
    policy
}

fn at_once(limit: Limit) -> Policy {
    with(|strategy| strategy.max_concurrent = Some(limit))
}

#[test]
fn as_many_as_allowed_start_at_once_although_each_is_waited_for() {
    let pass = pass(&at_once(Limit::Count(3)), &cluster(stale_many("a", 5).chain([proof()])), 0);
    assert_eq!(pass.starts(), ["a/w000", "a/w001", "a/w002"]);
    assert_eq!(pass.decision.hold, Some(Hold::MaxConcurrent));
}

#[test]
fn a_limit_holds_for_those_that_nobody_waits_for_too() {
    let mut policy = policy_not_waiting();
    policy.strategy.max_concurrent = Some(Limit::Count(2));
    assert_eq!(pass(&policy, &cluster(stale_many("a", 5).chain([proof()])), 0).starts().len(), 2);
}

#[test]
fn what_is_under_way_takes_room() {
    let snapshot = cluster(stale_many("a", 5).chain([under_way("b/a"), under_way("b/b"), proof()]));
    assert_eq!(pass(&at_once(Limit::Count(3)), &snapshot, 0).starts(), ["a/w000"]);
    assert!(pass(&at_once(Limit::Count(2)), &snapshot, 0).starts().is_empty());
    assert!(pass(&at_once(Limit::Count(1)), &snapshot, 0).starts().is_empty());
}

#[test]
fn a_share_is_of_what_is_in_scope_and_has_pods_rounded_down_but_at_least_one() {
    let idle = (0..50).map(|number| deployment(&format!("idle/{number}")));
    let snapshot = cluster(stale_many("a", 39).chain(idle).chain([proof()]));
    for (percent, starts) in [(5, 2), (9, 3), (10, 4), (1, 1), (100, 40)] {
        let expected = starts.min(39);
        assert_eq!(pass(&at_once(Limit::Percent(percent)), &snapshot, 0).starts().len(), expected, "{percent}%");
    }
}

#[test]
fn what_was_unhealthy_before_takes_room_where_there_is_a_limit() {
    let sick = stale("b/sick").restarted_unhealthy(&policy(), -20).replacing();
    let snapshot = cluster([stale("a/a"), sick, proof()]);
    assert!(pass(&at_once(Limit::Count(1)), &snapshot, 0).starts().is_empty());
    assert_eq!(pass(&policy(), &snapshot, 0).starts(), ["a/a"]);
}

#[test]
fn each_namespace_has_a_limit_of_its_own() {
    let mut policy = at_once(Limit::Count(10));
    policy.strategy.max_concurrent_per_namespace = Some(Limit::Count(1));
    let many = stale_many("a", 3).chain(stale_many("b", 3)).chain(stale_many("c", 3));
    let pass = pass(&policy, &cluster(many.chain([under_way("b/x"), proof()])), 0);
    assert_eq!(pass.starts(), ["a/w000", "c/w000"]);
    assert_eq!(pass.decision.hold, Some(Hold::MaxConcurrentPerNamespace));
}

#[test]
fn a_share_of_a_namespace_is_of_what_is_in_it() {
    let mut policy = at_once(Limit::Count(30));
    policy.strategy.max_concurrent_per_namespace = Some(Limit::Percent(20));
    let pass = pass(&policy, &cluster(stale_many("a", 10).chain(stale_many("b", 3)).chain([proof()])), 0);
    assert_eq!(pass.starts(), ["a/w000", "a/w001", "b/w000"]);
}

#[test]
fn a_limit_per_namespace_alone_leaves_one_after_the_other() {
    let policy = with(|strategy| strategy.max_concurrent_per_namespace = Some(Limit::Count(5)));
    assert_eq!(pass(&policy, &cluster(stale_many("a", 3).chain([proof()])), 0).starts(), ["a/w000"]);
}

#[test]
fn what_goes_first_takes_room_and_needs_it() {
    let gateways = ["mesh/a", "mesh/b", "mesh/c"].map(|path| deployment(path).pods(1, NEW));
    let mut policy = at_once(Limit::Count(2));
    policy.restart_first =
        gateways.iter().map(|gateway| RestartFirst { target: gateway.named(), waiting: Waiting::NotWaited }).collect();
    let pass = pass(&policy, &cluster(gateways.into_iter().chain([stale("shop/a"), proof()])), 0);
    assert_eq!(pass.starts(), ["mesh/a", "mesh/b"]);
    assert_eq!(pass.decision.hold, Some(Hold::MaxConcurrent));
}

#[test]
fn what_is_on_its_way_to_the_server_takes_room() {
    let (a, b) = (stale("a/a"), stale("a/b"));
    let sending = BTreeSet::from([a.workload.id.uid.clone()]);
    let snapshot = cluster([a, b, stale("a/c"), proof()]);
    let pass = Pass::with(&[&at_once(Limit::Count(2))], &snapshot, &sending, &BTreeMap::new(), at(0));
    assert_eq!(pass.starts(), ["a/b"]);
}

#[test]
fn a_silent_controller_takes_room_for_as_long_as_it_is_silent() {
    let mut asleep = stale("b/asleep").restarted(&policy(), 1, -2 * WINDOW_SECONDS);
    asleep.workload.generation += 1;
    let pass = pass(&at_once(Limit::Count(1)), &cluster([asleep, stale("a/a"), proof()]), 0);
    assert!(pass.starts().is_empty());
    assert!(pass.condition("Stalled").ends_with("ControllerSilent"));
}

fn interval(seconds: i64) -> Policy {
    let mut policy = at_once(Limit::Count(10));
    policy.strategy.min_interval = SignedDuration::from_secs(seconds);
    policy
}

#[test]
fn with_an_interval_one_starts_and_the_next_look_is_when_it_is_over() {
    let pass = pass(&interval(30), &cluster(stale_many("a", 3).chain([proof()])), 0);
    assert_eq!(pass.starts(), ["a/w000"]);
    assert_eq!(pass.decision.hold, Some(Hold::MinInterval(at(30))));
    assert_eq!(pass.decision.recheck_at, Some(at(30)));
}

#[test]
fn the_interval_is_counted_from_the_last_mark_whatever_became_of_it() {
    let done = |seconds| {
        let made = pod(NEW).created(seconds).made_by_restart(&policy(), 1);
        deployment("b/done").restarted(&policy(), 1, seconds).pod(made)
    };
    let snapshot = |seconds| cluster([done(seconds), stale("a/a"), proof()]);
    assert!(pass(&interval(30), &snapshot(-29), 0).starts().is_empty());
    assert_eq!(pass(&interval(30), &snapshot(-30), 0).starts(), ["a/a"]);
}

#[test]
fn the_interval_is_counted_from_restarts_for_other_images_too() {
    let mut before = policy();
    before.images = crate::common::images(&["istio/proxyv2:1.28.0"]);
    let made = pod(OLD).created(-10).made_by_restart(&before, 1);
    let done = deployment("b/done").restarted(&before, 1, -10).pod(made);
    assert!(pass(&interval(30), &cluster([done, stale("a/a"), proof()]), 0).starts().is_empty());
}

#[test]
fn a_mark_from_next_year_does_not_stretch_the_interval() {
    let far = deployment("b/far").restarted(&policy(), 1, 365 * 24 * 3600).pods(1, NEW);
    assert_eq!(pass(&interval(30), &cluster([far, stale("a/a"), proof()]), 0).starts(), ["a/a"]);
}

/// A cluster in which the answer to the restart of one workload was lost; it is to be tried again at that second.
fn with_lost_answer(lost: Fixture, retry_seconds: i64, others: impl IntoIterator<Item = Fixture>) -> Snapshot {
    let uid = lost.workload.id.uid.clone();
    let mut snapshot = cluster(others.into_iter().chain([lost, proof()]));
    let refusal = Refusal { generation: 1, message: "time-out".into(), retry_at: at(retry_seconds), unanswered: true };
    snapshot.note_refusal(uid, refusal);
    snapshot
}

#[test]
fn a_restart_without_an_answer_may_have_begun_the_interval_anew() {
    let snapshot = with_lost_answer(stale("z/lost"), 2, [stale("a/a")]);
    assert!(pass(&interval(30), &snapshot, 1).starts().is_empty());
    assert_eq!(pass(&interval(30), &snapshot, 2).starts(), ["z/lost"]);
}

#[test]
fn a_restart_without_an_answer_is_not_tried_again_within_the_interval_after_another_one() {
    let made = pod(NEW).created(-9).made_by_restart(&policy(), 1);
    let other = deployment("a/a").restarted(&policy(), 1, -10).pod(made);
    let snapshot = with_lost_answer(stale("z/lost"), 2, [other]);
    assert!(pass(&interval(30), &snapshot, 19).starts().is_empty());
    assert_eq!(pass(&interval(30), &snapshot, 20).starts(), ["z/lost"]);
}

#[test]
fn a_restart_without_an_answer_is_not_tried_again_beside_as_many_as_are_allowed() {
    let snapshot = with_lost_answer(stale("z/lost"), 2, [under_way("a/a")]);
    assert!(pass(&at_once(Limit::Count(1)), &snapshot, 2).starts().is_empty());
    assert_eq!(pass(&at_once(Limit::Count(2)), &snapshot, 2).starts(), ["z/lost"]);
}

#[test]
fn a_restart_without_an_answer_is_not_tried_again_in_a_namespace_that_is_full_by_now() {
    let snapshot = with_lost_answer(stale("a/lost"), 2, [under_way("a/a")]);
    let mut policy = at_once(Limit::Count(5));
    policy.strategy.max_concurrent_per_namespace = Some(Limit::Count(1));
    assert!(pass(&policy, &snapshot, 2).starts().is_empty());
    policy.strategy.max_concurrent_per_namespace = Some(Limit::Count(2));
    assert_eq!(pass(&policy, &snapshot, 2).starts(), ["a/lost"]);
}

/// Its answer was lost; then somebody said that workloads of one replica are to be left alone.
fn lost_and_held(seconds: i64) -> Pass {
    let single = facts!(stale("a/lost"), Deployment, |facts| {
        (facts.replicas_wanted, facts.replicas, facts.updated, facts.available) = (1, 1, 1, 1);
    });
    let mut policy = at_once(Limit::Count(1));
    policy.strategy.single_replica = SingleReplica::Hold;
    pass(&policy, &with_lost_answer(single, 2, [stale("b/b")]), seconds)
}

#[test]
fn a_restart_without_an_answer_that_is_not_tried_again_takes_up_room_for_a_minute_and_not_for_ever() {
    assert!(lost_and_held(61).starts().is_empty());
    assert_eq!(lost_and_held(61).decision.recheck_at, Some(at(62)));
    assert_eq!(lost_and_held(62).starts(), ["b/b"]);
}

fn limit() -> impl Strategy<Value = Limit> {
    prop_oneof![(1..4_usize).prop_map(Limit::Count), select(vec![1_u8, 30, 60, 100]).prop_map(Limit::Percent)]
}

fn number_of(limit: Limit, total: usize) -> usize {
    match limit {
        Limit::Count(count) => count,
        Limit::Percent(percent) => (total * usize::from(percent) / 100).max(1),
    }
}

fn careful() -> impl Strategy<Value = Careful> {
    let seconds = |values: Vec<i64>| select(values).prop_map(SignedDuration::from_secs);
    (
        prop::option::weighted(0.8, limit()),
        prop::option::of(limit()),
        seconds(vec![0, 0, 5, 45]),
        seconds(vec![0, 0, 10, 60]),
    )
        .prop_map(|(max_concurrent, max_concurrent_per_namespace, min_interval, min_ready)| Careful {
            max_concurrent,
            max_concurrent_per_namespace,
            min_interval,
            min_ready,
            ..Careful::default()
        })
}

#[test]
fn when_a_window_closes_it_is_decided_anew_whatever_holds_everything_up() {
    let policy = Policy { windows: windows(), ..policy() };
    let under_way = stale("a/a").restarted(&policy, 1, 0).replacing();
    let pass = pass(&policy, &cluster([under_way, stale("a/b")]), 60);
    assert!(matches!(pass.decision.hold, Some(Hold::Waiting(_))), "{:?}", pass.decision.hold);
    assert_eq!(pass.decision.recheck_at, Some(at(180)));
}

/// Open for the first three of every five minutes, by two windows that touch.
fn windows() -> Vec<Window> {
    let window = |minutes, schedule: &str| Window {
        kind: WindowKind::Allow,
        schedule: schedule.parse().unwrap(),
        duration: SignedDuration::from_mins(minutes),
        time_zone: flippy_core::TimeZone::UTC,
    };
    vec![
        window(2, "0,5,10,15,20,25,30,35,40,45,50,55 22 * * *"),
        window(1, "2,7,12,17,22,27,32,37,42,47,52,57 22 * * *"),
    ]
}

fn is_open(seconds: i64) -> bool {
    let minute = seconds.div_euclid(60);
    minute < 60 && minute % 5 <= 2
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn at_no_instant_are_more_under_way_than_any_limit_allows_crashes_or_not(
        behaviours in prop::collection::vec(behaviour(), 1..12),
        steps in prop::collection::vec(step(), 0..250),
        strategy in careful(),
        waits in any::<bool>(),
        has_windows in any::<bool>(),
    ) {
        let mut policy = if waits { policy() } else { policy_not_waiting() };
        policy.strategy = strategy.clone();
        if has_windows {
            policy.windows = windows();
        }
        let window_seconds = if waits { WINDOW_SECONDS } else { 600 };
        let mut model = Model::in_namespaces(behaviours.iter().copied(), OLD, &["shop", "bank", "till"]);
        let mut operator = Operator::started(&mut model);
        for step in steps {
            let decided_before = operator.decided();
            operator.step(step, &policy, &mut model);
            if operator.decided() > decided_before && has_windows {
                prop_assert!(is_open(model.now_seconds), "decided at {}", model.now_seconds);
            }
            let under_way = model.disturbed_in(window_seconds, strategy.min_ready.as_secs());
            let total: usize = under_way.values().sum();
            if let Some(limit) = strategy.max_concurrent {
                prop_assert!(total <= number_of(limit, behaviours.len()), "{step:?}: {under_way:?}");
            }
            if let Some(limit) = strategy.max_concurrent_per_namespace {
                for (namespace, count) in under_way {
                    prop_assert!(count <= number_of(limit, model.workloads_in(namespace)), "{step:?}: {namespace} {count}");
                }
            }
            let marks = model.marks();
            let apart = marks.windows(2).all(|pair| pair[1].duration_since(pair[0]) >= strategy.min_interval);
            prop_assert!(apart, "{marks:?}");
        }
    }

    #[test]
    fn whatever_the_cluster_looks_like_what_starts_fits_in_beside_what_is_under_way(
        fixtures in crate::properties::fixtures(),
        strategy in careful(),
    ) {
        let mut policy = policy();
        policy.strategy = strategy;
        let pass = pass(&policy, &cluster(fixtures), 0);
        let in_flight = pass.plan.entries.iter().filter(|entry| entry.verdict == Verdict::InFlight).count();
        let total = pass.plan.entries.iter().filter(|entry| entry.verdict != Verdict::Idle).count();
        if let (Some(limit), false) = (policy.strategy.max_concurrent, pass.starts().is_empty()) {
            prop_assert!(in_flight + pass.starts().len() <= number_of(limit, total));
        }
        prop_assert!(pass.starts().len() <= 1 || policy.strategy.min_interval.is_zero());
    }
}

#[test]
fn a_campaign_with_every_limit_comes_to_its_end() {
    let mut policy = interval(5);
    policy.strategy.max_concurrent_per_namespace = Some(Limit::Count(2));
    policy.strategy.min_ready = SignedDuration::from_secs(30);
    policy.windows = windows();
    let mut model = Model::in_namespaces([Behaviour::default(); 9], OLD, &["shop", "bank", "till"]);
    crate::common::model::run(&mut model, &[&policy], 55 * 60);
    assert_eq!((model.pods_on(OLD), model.restarts_in_all()), (0, 9));
}

#[test]
fn memory_is_not_needed() {
    let policy = interval(30);
    let mut model = Model::new([Behaviour::default(); 3], OLD);
    let mut operator = Operator::started(&mut model);
    for step in [Step::Pass, Step::CrashAfter, Step::Pass] {
        operator.step(step, &policy, &mut model);
    }
    assert_eq!(model.restarts_in_all(), 1);
    let _: Snapshot = model.list();
}

#[test]
fn a_silent_controller_holds_up_its_own_kind_and_no_other() {
    for policy in [policy(), at_once(Limit::Count(1))] {
        let mut asleep = stateful_set("b/asleep").pods(1, OLD).restarted(&policy, 1, -2 * WINDOW_SECONDS);
        asleep.workload.generation += 1;
        let also_asleep = stateful_set("a/also").pods(1, OLD);
        let pass = pass(&policy, &cluster([asleep, also_asleep, stale("c/other-kind"), proof()]), 0);
        assert_eq!(pass.starts(), ["c/other-kind"]);
        assert!(pass.condition("Stalled").ends_with("ControllerSilent"));
    }
}
