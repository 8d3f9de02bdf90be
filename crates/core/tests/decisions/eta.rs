//! How fast a campaign goes, and when it is expected to end.

use std::collections::{BTreeMap, BTreeSet};

use flippy_core::{
    Approval, Estimate, Limit, Policy, RememberedWave, Selector, SignedDuration, TimeZone, Wave, WaveMemory, Window,
    WindowKind,
};

use crate::common::{Fixture, NEW, OLD, Pass, at, cluster, deployment, pod, policy};

fn estimate(policy: &Policy, fixtures: impl IntoIterator<Item = Fixture>, seconds: i64) -> Estimate {
    estimate_remembering(&WaveMemory::default(), policy, fixtures, seconds)
}

fn estimate_remembering(
    memory: &WaveMemory,
    policy: &Policy,
    fixtures: impl IntoIterator<Item = Fixture>,
    seconds: i64,
) -> Estimate {
    let snapshot = cluster(fixtures);
    let pass = Pass::remembering(memory, &[policy], &snapshot, &BTreeSet::new(), &BTreeMap::new(), at(seconds));
    pass.status.estimate
}

fn stale(count: usize) -> impl Iterator<Item = Fixture> {
    (0..count).map(|number| deployment(&format!("shop/w{number:03}")).pods(1, OLD))
}

/// Restarted at so many seconds, and ready so many later.
fn done(path: &str, seconds: i64, took_seconds: i64) -> Fixture {
    let made = pod(NEW).created(seconds + took_seconds).made_by_restart(&policy(), 1);
    deployment(path).restarted(&policy(), 1, seconds).pod(made)
}

/// One after the other, a minute each, the last done at 0.
fn three_done() -> Vec<Fixture> {
    vec![done("done/a", -180, 60), done("done/b", -120, 60), done("done/c", -60, 60)]
}

fn minutes(estimate: Estimate) -> Option<i64> {
    estimate.end.map(|end| end.duration_since(at(0)).as_mins())
}

#[test]
fn before_the_first_restart_is_done_nothing_is_known() {
    assert_eq!(estimate(&policy(), stale(5), 0), Estimate::default());
}

#[test]
fn when_nothing_is_left_nothing_is_said() {
    assert_eq!(estimate(&policy(), three_done(), 0), Estimate::default());
}

#[test]
fn what_is_left_takes_as_long_as_what_is_done_took() {
    let estimate = estimate(&policy(), three_done().into_iter().chain(stale(10)), 0);
    assert_eq!(estimate.rate.map(|rate| rate.to_string()).as_deref(), Some("1.0"));
    assert_eq!(minutes(estimate), Some(10));
}

#[test]
fn restarts_that_are_done_within_their_second_count() {
    // Readiness is told by the second, the mark more exactly.
    let quick = |path: &str, seconds| {
        let mut quick = done(path, seconds, 0);
        quick.workload.mark.as_mut().unwrap().at = at(seconds) + SignedDuration::from_millis(600);
        quick
    };
    let done = [quick("done/a", -60), quick("done/b", -30), quick("done/c", 0)];
    let estimate = estimate(&policy(), done.into_iter().chain(stale(3)), 1);
    assert_eq!(estimate.rate.map(|rate| rate.restarts), Some(3));
    assert_eq!(minutes(estimate), Some(2));
}

#[test]
fn restarts_beside_each_other_count_for_their_common_time() {
    let done = (0..10).map(|number| done(&format!("done/{number}"), -30, 30));
    let estimate = estimate(&policy(), done.chain(stale(40)), 0);
    assert_eq!(estimate.rate.map(|rate| rate.to_string()).as_deref(), Some("20.0"));
    assert_eq!(minutes(estimate), Some(2));
}

#[test]
fn the_soak_of_the_last_restart_is_part_of_it() {
    let mut policy = policy();
    policy.strategy.min_ready = SignedDuration::from_mins(5);
    let soaked = done("done/a", -3600, 60);
    assert_eq!(minutes(estimate(&policy, [soaked].into_iter().chain(stale(1)), 0)), Some(6));
}

/// Open for the first ten minutes of each hour.
fn with_window() -> Policy {
    let window = Window {
        kind: WindowKind::Allow,
        schedule: "0 * * * *".parse().unwrap(),
        duration: SignedDuration::from_mins(10),
        time_zone: TimeZone::UTC,
    };
    Policy { windows: vec![window], ..policy() }
}

#[test]
fn only_open_time_counts_ahead() {
    let done = || [done("done/a", 0, 60)];
    assert_eq!(minutes(estimate(&with_window(), done().into_iter().chain(stale(9)), 60)), Some(10));
    assert_eq!(minutes(estimate(&with_window(), done().into_iter().chain(stale(12)), 60)), Some(63));
    assert_eq!(minutes(estimate(&with_window(), done().into_iter().chain(stale(12)), 1800)), Some(122));
}

#[test]
fn only_open_time_counts_behind() {
    let done = [done("done/a", 540, 60), done("done/b", 3600, 60)];
    let estimate = estimate(&with_window(), done.into_iter().chain(stale(3)), 3660);
    assert_eq!(estimate.rate.map(|rate| rate.to_string()).as_deref(), Some("1.0"));
    assert_eq!(minutes(estimate), Some(64));
}

#[test]
fn without_an_opening_in_sight_there_is_no_end() {
    let mut policy = with_window();
    policy.windows[0] = Window {
        kind: WindowKind::Deny,
        schedule: "0 0 * * *".parse().unwrap(),
        duration: SignedDuration::from_hours(25),
        time_zone: TimeZone::UTC,
    };
    let estimate = estimate(&policy, three_done().into_iter().chain(stale(1)), 0);
    assert!(estimate.rate.is_some() && estimate.end.is_none());
}

#[test]
fn a_campaign_that_somebody_holds_up_has_no_end() {
    let suspended = Policy { suspended: true, ..policy() };
    let mut halted = policy();
    halted.strategy.max_failures = Some(Limit::Count(0));
    let failed = deployment("done/failed").pods(1, OLD).restarted(&policy(), 1, -3600).replacing();
    for policy in [suspended, Policy { dry_run: true, ..policy() }, halted] {
        let fixtures = three_done().into_iter().chain(stale(1)).chain([failed.clone()]);
        let estimate = estimate(&policy, fixtures, 0);
        assert!(estimate.end.is_none() && estimate.rate.is_some());
    }
}

#[test]
fn a_campaign_that_waits_for_a_controller_to_wake_up_has_no_end() {
    let mut asleep = deployment("done/asleep").pods(1, OLD).restarted(&policy(), 1, -3600);
    asleep.workload.generation += 1;
    let estimate = estimate(&policy(), three_done().into_iter().chain(stale(1)).chain([asleep]), 0);
    assert!(estimate.end.is_none() && estimate.rate.is_some());
}

/// The namespace `done`, which soaks for an hour; then the rest.
fn in_waves() -> Policy {
    let wave = Wave {
        name: "canary".into(),
        namespaces: Selector::default(),
        workloads: Selector::default(),
        percent: None,
        max_concurrent: None,
        max_concurrent_per_namespace: None,
        max_failures: None,
        soak: SignedDuration::from_hours(1),
        approval: Approval::Automatic,
    };
    let is_done = flippy_core::Requirement::Exists("done".into());
    Policy { waves: vec![Wave { namespaces: Selector::Every(vec![is_done]), ..wave }], ..policy() }
}

fn canary_completed(policy: &Policy, seconds: i64) -> WaveMemory {
    let campaign = flippy_core::Campaign { hash: policy.images.hash().into(), number: 1 };
    let canary = RememberedWave {
        name: "canary".into(),
        started_at: None,
        completed_at: Some(at(seconds)),
        left_all_behind: false,
        approved: None,
    };
    WaveMemory { campaign: Some(campaign), waves: vec![canary] }
}

fn labelled(fixtures: Vec<Fixture>) -> impl Iterator<Item = Fixture> {
    fixtures.into_iter().map(|fixture| fixture.namespace_label("done", "yes"))
}

#[test]
fn soaks_ahead_are_part_of_it() {
    let canary = labelled(three_done()).chain([deployment("done/x").pods(1, OLD)]);
    assert_eq!(minutes(estimate(&in_waves(), canary.chain(stale(10)), 0)), Some(1 + 60 + 10));
}

#[test]
fn a_soak_that_is_under_way_ends_when_it_ends() {
    let policy = in_waves();
    let memory = canary_completed(&policy, -1800);
    let estimate = estimate_remembering(&memory, &policy, labelled(three_done()).chain(stale(10)), 0);
    assert_eq!(minutes(estimate), Some(30 + 10));
}

#[test]
fn a_later_wave_of_which_more_may_be_under_way_is_expected_to_be_faster() {
    let mut policy = in_waves();
    policy.waves[0].max_concurrent = Some(Limit::Count(1));
    policy.strategy.max_concurrent = Some(Limit::Count(5));
    let memory = canary_completed(&policy, -1800);
    let estimate = estimate_remembering(&memory, &policy, labelled(three_done()).chain(stale(10)), 0);
    assert_eq!(minutes(estimate), Some(30 + 2));
}

#[test]
fn while_a_wave_ahead_is_not_approved_no_end_is_known() {
    let mut policy = in_waves();
    policy.waves.push(Wave {
        name: "all".into(),
        namespaces: Selector::default(),
        soak: SignedDuration::ZERO,
        approval: Approval::Manual,
        ..policy.waves[0].clone()
    });
    let canary = || labelled(three_done()).chain([deployment("done/x").pods(1, OLD)]);
    assert_eq!(estimate(&policy, canary().chain(stale(10)), 0).end, None);
    let approved = flippy_core::ClaimedApproval { campaign: format!("{}.1", policy.images.hash()), by: None };
    policy.approvals.insert("all".into(), approved);
    assert_eq!(minutes(estimate(&policy, canary().chain(stale(10)), 0)), Some(1 + 60 + 10));
}

#[test]
fn the_answer_stays_the_same_within_a_minute() {
    let at_second = |seconds| estimate(&policy(), three_done().into_iter().chain(stale(10)), seconds).end;
    assert_eq!(at_second(1), at_second(59));
}

#[test]
fn hostile_marks_and_numbers_do_no_harm() {
    for seconds in [i64::from(i32::MIN), -1_000_000_000, 3000] {
        let odd = done("done/odd", seconds, 200);
        let estimate = estimate(&in_waves(), [odd].into_iter().chain(stale(3)), 0);
        assert!(estimate.end.is_none_or(|end| end >= at(0)));
    }
}
