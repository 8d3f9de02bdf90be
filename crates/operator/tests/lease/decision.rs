//! The decision alone: a lease as seen, an identity and the time.

use std::time::Duration;

use flippy_operator::lease::{Decision, Election, Timing, released, taken};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

fn election() -> Election {
    Election::new("me".to_owned(), Timing::default())
}

/// A lease of somebody, renewed at a time that is of no importance.
fn held_by(holder: &str, renewed_second: i64) -> Lease {
    let at = Timestamp::from_second(renewed_second).expect("it is near the epoch");
    taken(None, "flippy", holder, &Timing::default(), at)
}

#[test]
fn nothing_is_done_before_the_lease_has_been_looked_at() {
    assert_eq!(election().decide(Instant::now()), Decision::Look);
}

#[test]
fn a_lease_that_does_not_exist_is_taken() {
    let (mut election, now) = (election(), Instant::now());
    election.saw(None, now);
    assert_eq!(election.decide(now), Decision::Acquire);
}

#[test]
fn a_lease_that_was_given_up_is_taken_at_once() {
    let (mut election, now) = (election(), Instant::now());
    election.saw(Some(held_by("other", 1)), now);
    election.saw(Some(released(held_by("other", 1), Timestamp::UNIX_EPOCH)), now);
    assert_eq!(election.decide(now), Decision::Acquire);
}

#[test]
fn a_lease_of_somebody_else_is_waited_for_from_when_it_was_seen_whatever_it_says_of_times() {
    // By their own words, one was renewed decades ago and the other will be in decades.
    for renewed in [0, 4_000_000_000] {
        let (mut election, now) = (election(), Instant::now());
        election.saw(Some(held_by("other", renewed)), now);
        assert_eq!(election.decide(now + 14 * SECOND), Decision::Wait { until: now + 15 * SECOND }, "{renewed}");
        assert_eq!(election.decide(now + 15 * SECOND), Decision::Acquire, "{renewed}");
    }
}

#[test]
fn a_renewal_that_is_seen_begins_the_wait_anew_and_the_same_lease_seen_again_does_not() {
    let (mut election, now) = (election(), Instant::now());
    election.saw(Some(held_by("other", 1)), now);
    election.saw(Some(held_by("other", 1)), now + 9 * SECOND);
    assert_eq!(election.decide(now + 9 * SECOND), Decision::Wait { until: now + 15 * SECOND });
    election.saw(Some(held_by("other", 2)), now + 10 * SECOND);
    assert_eq!(election.decide(now + 15 * SECOND), Decision::Wait { until: now + 25 * SECOND });
}

#[test]
fn a_label_on_the_lease_renews_nothing() {
    let (mut election, now) = (election(), Instant::now());
    election.saw(Some(held_by("other", 1)), now);
    let mut labelled = held_by("other", 1);
    labelled.metadata.labels = Some([("team".to_owned(), "mesh".to_owned())].into());
    labelled.metadata.resource_version = Some("7".to_owned());
    election.saw(Some(labelled), now + 9 * SECOND);
    assert_eq!(election.decide(now + 15 * SECOND), Decision::Acquire);
}

#[test]
fn a_lease_that_says_nonsense_of_its_duration_is_taken_all_the_same() {
    for (said, waited_seconds) in [(None, 15), (Some(0), 15), (Some(-7), 15), (Some(i32::MAX), 3600)] {
        let (mut election, now) = (election(), Instant::now());
        let mut lease = held_by("other", 1);
        lease.spec.get_or_insert_default().lease_duration_seconds = said;
        election.saw(Some(lease), now);
        assert_eq!(election.decide(now + waited_seconds * SECOND), Decision::Acquire, "{said:?}");
        assert!(matches!(election.decide(now + (waited_seconds - 1) * SECOND), Decision::Wait { .. }), "{said:?}");
    }
}

#[test]
fn a_lease_without_a_spec_is_taken() {
    let (mut election, now) = (election(), Instant::now());
    election.saw(Some(Lease::default()), now);
    assert_eq!(election.decide(now), Decision::Acquire);
}

#[test]
fn the_lease_of_a_predecessor_with_the_same_pod_name_is_somebody_elses() {
    let (mut election, now) = (Election::new("flippy-0_b".to_owned(), Timing::default()), Instant::now());
    election.saw(Some(held_by("flippy-0_a", 1)), now);
    assert_eq!(election.decide(now), Decision::Wait { until: now + 15 * SECOND });
}

#[test]
fn a_leader_renews_and_acts_for_the_renew_deadline_from_before_the_request_was_sent() {
    let (mut election, sent) = (election(), Instant::now());
    election.confirmed(held_by("me", 1), sent, sent + 4 * SECOND);
    assert_eq!(election.acts_until(), Some(sent + 10 * SECOND));
    assert_eq!(election.decide(sent + 9 * SECOND), Decision::Renew);
    assert_eq!(election.decide(sent + 10 * SECOND), Decision::StepDown);
}

#[test]
fn seeing_ones_own_lease_is_no_renewal() {
    let (mut election, sent) = (election(), Instant::now());
    election.confirmed(held_by("me", 1), sent, sent);
    election.saw(Some(held_by("me", 2)), sent + 9 * SECOND);
    assert_eq!(election.acts_until(), Some(sent + 10 * SECOND));
}

#[test]
fn an_acquisition_whose_answer_was_lost_gives_no_right_to_act_before_it_is_renewed() {
    let (mut election, now) = (election(), Instant::now());
    election.saw(None, now);
    election.outdate();
    election.saw(Some(held_by("me", 1)), now);
    assert_eq!(election.acts_until(), None);
    assert_eq!(election.decide(now), Decision::Renew);
}

#[test]
fn a_leader_that_sees_another_ones_name_stops_at_once() {
    let (mut election, now) = (election(), Instant::now());
    election.confirmed(held_by("me", 1), now, now);
    election.outdate();
    election.saw(Some(held_by("other", 2)), now + SECOND);
    assert_eq!(election.decide(now + SECOND), Decision::StepDown);
    election.stepped_down();
    assert_eq!(election.decide(now + SECOND), Decision::Wait { until: now + 16 * SECOND });
}

#[test]
fn a_leader_whose_lease_was_deleted_stops_and_takes_it_again() {
    let (mut election, now) = (election(), Instant::now());
    election.confirmed(held_by("me", 1), now, now);
    election.outdate();
    election.saw(None, now + SECOND);
    assert_eq!(election.decide(now + SECOND), Decision::StepDown);
    election.stepped_down();
    assert_eq!(election.decide(now + SECOND), Decision::Acquire);
}

#[test]
fn only_another_holder_is_a_transition() {
    let at = Timestamp::UNIX_EPOCH;
    let transitions = |lease: &Lease| lease.spec.as_ref().and_then(|spec| spec.lease_transitions);
    let first = taken(None, "flippy", "a", &Timing::default(), at);
    let renewed = taken(Some(&first), "flippy", "a", &Timing::default(), at);
    let second = taken(Some(&released(renewed.clone(), at)), "flippy", "b", &Timing::default(), at);
    assert_eq!([transitions(&first), transitions(&renewed), transitions(&second)], [Some(0), Some(0), Some(1)]);
}
