//! What a person wants to be tried again.

use flippy_core::{Hold, Kind, NamedWorkload, Policy, Retries, Retry};

use crate::common::{Fixture, NEW, OLD, WINDOW_SECONDS, at, cluster, deployment, first, named, pass, pod, policy};

/// Restarted at 0 s; it did not get ready in time.
fn failed(path: &str) -> Fixture {
    deployment(path)
        .restarted(&policy(), 1, 0)
        .pod(pod(OLD).created(-60))
        .pod(pod(NEW).created(1).made_by_restart(&policy(), 1).unready())
        .replacing()
}

/// Restarted at 0 s for nothing.
fn futile(path: &str) -> Fixture {
    deployment(path).restarted(&policy(), 1, 0).pod(pod(OLD).created(1).made_by_restart(&policy(), 1))
}

/// A policy with a wish of this time, about everything or one workload.
fn asking(seconds: i64, only: Option<NamedWorkload>) -> Policy {
    Policy { retries: Retries::default().with(&Retry { at: at(seconds), only }), ..policy() }
}

const LATE: i64 = WINDOW_SECONDS + 60;

#[test]
fn a_failed_restart_is_made_again_at_once_under_the_next_number() {
    let snapshot = cluster([failed("a/b")]);
    assert_eq!(pass(&policy(), &snapshot, LATE).only_verdict().as_str(), "Failed");
    let pass = pass(&asking(LATE - 10, None), &snapshot, LATE);
    assert_eq!(pass.only_verdict().as_str(), "Restart");
    assert_eq!(pass.only_start().token.attempt, 2);
}

#[test]
fn a_futile_restart_is_made_again_at_once() {
    let snapshot = cluster([futile("a/b")]);
    assert_eq!(pass(&policy(), &snapshot, 30).only_verdict().as_str(), "Futile");
    assert_eq!(pass(&asking(20, None), &snapshot, 30).starts(), ["a/b"]);
}

#[test]
fn the_restart_itself_ends_the_wish() {
    let again = failed("a/b").restarted(&policy(), 2, 20).pod(pod(OLD).created(21).made_by_restart(&policy(), 2));
    assert_eq!(pass(&asking(20, None), &cluster([again]), 20 + LATE).only_verdict().as_str(), "Futile");
}

#[test]
fn a_wish_from_before_the_restart_is_not_about_it() {
    for seconds in [-1, 0] {
        assert!(pass(&asking(seconds, None), &cluster([futile("a/b")]), 30).starts().is_empty(), "{seconds}");
    }
}

#[test]
fn a_wish_that_is_dated_ahead_waits_for_its_time_so_that_the_restart_can_end_it() {
    let waiting = pass(&asking(40, None), &cluster([futile("a/b")]), 30);
    assert!(waiting.starts().is_empty());
    assert_eq!(waiting.decision.recheck_at, Some(at(40)));
    let waiting = pass(&asking(LATE + 10, None), &cluster([failed("a/b")]), LATE);
    assert_eq!((waiting.starts().len(), waiting.decision.recheck_at), (0, Some(at(LATE + 10))));
}

#[test]
fn a_wish_about_one_workload_is_about_no_other() {
    let snapshot = cluster([futile("a/b"), futile("a/c")]);
    let only = named(Kind::Deployment, "a/c");
    assert_eq!(pass(&asking(20, Some(only)), &snapshot, 30).starts(), ["a/c"]);
}

#[test]
fn what_is_not_restarted_for_other_reasons_is_not_restarted_on_a_wish() {
    let paused = crate::common::facts!(futile("a/b"), Deployment, |facts| facts.paused = true);
    let verdict = pass(&asking(LATE - 10, None), &cluster([paused]), LATE).only_verdict().clone();
    assert_eq!(verdict.reason(), Some("Paused"));
    let mut suspended = asking(20, None);
    suspended.suspended = true;
    assert_eq!(pass(&suspended, &cluster([futile("a/b")]), 30).decision.hold, Some(Hold::Suspended));
}

#[test]
fn one_whose_pods_all_run_wanted_images_is_not_restarted_on_a_wish() {
    let unready = deployment("a/b")
        .restarted(&policy(), 1, 0)
        .pod(pod(NEW).created(1).made_by_restart(&policy(), 1).unready())
        .replacing();
    let pass = pass(&asking(LATE - 10, None), &cluster([unready]), LATE);
    assert_eq!(pass.only_verdict().as_str(), "Failed");
}

#[test]
fn a_campaign_that_stopped_itself_goes_on_with_what_is_asked_for() {
    let stopped = cluster([futile("a/a"), futile("a/b"), futile("a/c"), deployment("a/d").pods(1, OLD)]);
    assert_eq!(pass(&policy(), &stopped, 30).decision.hold, Some(Hold::Futile));
    assert_eq!(pass(&asking(20, None), &stopped, 30).starts().len(), 1);
}

#[test]
fn failures_that_are_tried_again_halt_the_campaign_no_longer() {
    let mut policy = asking(LATE - 10, None);
    policy.strategy.max_failures = Some(flippy_core::Limit::Count(0));
    assert_eq!(pass(&policy, &cluster([failed("a/b")]), LATE).starts(), ["a/b"]);
    policy.retries = Retries::default();
    assert!(matches!(
        pass(&policy, &cluster([failed("a/b"), deployment("a/c").pods(1, OLD)]), LATE).decision.hold,
        Some(Hold::Halted { .. })
    ));
}

#[test]
fn what_goes_first_is_tried_again_too() {
    let gateway = failed("a/gateway");
    let stale = deployment("b/c").pods(1, OLD);
    let mut policy = asking(LATE - 10, None);
    policy.scope.only_namespace = None;
    policy.restart_first = vec![first(&gateway)];
    policy.scope.namespace_labels = crate::common::map(&[("mesh", "on")]);
    let stale = stale.namespace_label("mesh", "on");
    let pass = pass(&policy, &cluster([gateway, stale]), LATE);
    assert_eq!(pass.starts(), ["a/gateway"]);
    assert_eq!(pass.only_start().token.attempt, 2);
}

#[test]
fn wishes_are_written_as_they_are_read() {
    for text in [
        "2026-01-05T22:00:00Z",
        "2026-01-05T22:00:00Z Deployment/shop/cart",
        "2026-01-05T22:00:00Z ArgoRollout/shop/web, 2026-01-05T21:00:00Z",
    ] {
        assert_eq!(Retries::parse(text).expect("it is a list of wishes").to_string(), text);
    }
}

#[test]
fn text_that_is_no_wish_is_refused_with_what_to_write() {
    for text in
        ["now", "2026-01-05T22:00:00Z cart", "2026-01-05T22:00:00Z Job/a/b", "2026-01-05T22:00:00Z Deployment//b"]
    {
        let error = Retries::parse(text).expect_err("it is none").to_string();
        assert!(error.contains("write a time"), "{error}");
    }
}

#[test]
fn a_later_wish_replaces_those_that_it_includes_and_keeps_the_others() {
    let cart = named(Kind::Deployment, "shop/cart");
    let till = named(Kind::Deployment, "shop/till");
    let ask = |retries: Retries, seconds, only: &NamedWorkload| {
        retries.with(&Retry { at: at(seconds), only: Some(only.clone()) })
    };
    let both = ask(ask(Retries::default(), 1, &cart), 2, &till);
    assert_eq!(
        both.to_string(),
        "2026-01-05T22:00:02Z Deployment/shop/till, 2026-01-05T22:00:01Z Deployment/shop/cart"
    );
    let again = ask(both.clone(), 3, &cart);
    assert_eq!(
        again.to_string(),
        "2026-01-05T22:00:03Z Deployment/shop/cart, 2026-01-05T22:00:02Z Deployment/shop/till"
    );
    assert_eq!(both.with(&Retry { at: at(4), only: None }).to_string(), "2026-01-05T22:00:04Z");
    let many = (0..50).fold(Retries::default(), |retries, number| {
        ask(retries, number, &named(Kind::Deployment, &format!("shop/w{number}")))
    });
    assert_eq!(many.to_string().split(',').count(), Retries::MAX);
}
