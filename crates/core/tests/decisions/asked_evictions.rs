//! Evictions where admission is asked: before the first one, and as long as pods are left.

use flippy_core::{
    AdmissionHold, EvictionWait, MissingSidecar, NewPod, NextEviction, Policy, Snapshot, UpdateStrategy,
};

use crate::common::{
    Fixture, NEW, OLD, Pass, PodFixture, SIDECAR, WINDOW_SECONDS, at, cluster, facts, first, images, pass, pod,
    replica_set, replication_controller, stateful_set,
};
use crate::injection::{admitted, answer, answered, gets, injected, named_and_asked};

fn on_delete(path: &str) -> Fixture {
    facts!(stateful_set(path), StatefulSet, |facts| facts.strategy = UpdateStrategy::OnDelete)
}

/// What a restart for [`NEW`] is marked with, whoever says that it is wanted.
fn wanting_new(policy: &Policy) -> Policy {
    Policy { images: images(&[NEW]), ..policy.clone() }
}

/// Begun a minute ago, with both pods left.
fn under_way(path: &str, policy: &Policy) -> Fixture {
    on_delete(path).evicted(&wanting_new(policy), -60, -61).pods(2, OLD)
}

/// What admission may have against it, and the word for that.
fn objections() -> [(NewPod, &'static str); 3] {
    [
        (admitted(&[("app", "shop:1")]), "NotInjected"),
        (NewPod::Refused("exceeded quota".into()), "PodsRefused"),
        (NewPod::Unknown("does not support dry run".into()), "AdmissionUnknown"),
    ]
}

fn evicted(pass: &Pass) -> Vec<&str> {
    pass.decision.evictions.iter().map(|eviction| &*eviction.pod_name).collect()
}

/// What its next pod waits for.
fn wait(policy: &Policy, snapshot: &Snapshot) -> EvictionWait {
    let pass = pass(policy, snapshot, 0);
    assert_eq!(pass.decision.evictions, []);
    assert_eq!(pass.entry("a/b").verdict.as_str(), "InFlight");
    match &pass.entry("a/b").evicting.as_ref().expect("it is evicted").next {
        NextEviction::Waits(why) => why.clone(),
        NextEviction::Pod(eviction) => panic!("{eviction:?}"),
    }
}

#[test]
fn what_admission_speaks_against_is_not_begun() {
    for kind in [on_delete, replica_set, replication_controller] {
        for policy in [injected(MissingSidecar::Ignore), named_and_asked()] {
            let reason = |snapshot: &Snapshot| {
                let pass = pass(&policy, snapshot, 1);
                assert!(pass.starts().is_empty());
                pass.only_verdict().reason()
            };
            assert_eq!(reason(&cluster([kind("a/b").pods(2, OLD)])), Some("AskingAdmission"));
            for (new_pod, word) in objections() {
                assert_eq!(reason(&answered(kind("a/b").pods(2, OLD), new_pod)), Some(word));
            }
        }
        let foreseen = pass(&named_and_asked(), &answered(kind("a/b").pods(2, OLD), gets(OLD)), 1);
        assert_eq!(foreseen.only_verdict().reason(), Some("SameImageForeseen"));
        assert!(foreseen.starts().is_empty());
    }
}

#[test]
fn as_long_as_admission_gives_what_is_wanted_one_pod_goes_after_the_other() {
    for policy in [injected(MissingSidecar::Ignore), named_and_asked()] {
        let snapshot = answered(under_way("a/b", &policy), gets(NEW));
        assert_eq!(evicted(&pass(&policy, &snapshot, 0)), ["b-1"]);
    }
}

#[test]
fn once_admission_speaks_against_it_no_further_pod_goes() {
    for policy in [injected(MissingSidecar::Ignore), named_and_asked()] {
        for (new_pod, word) in objections() {
            let mut snapshot = answered(under_way("a/b", &policy), new_pod.clone());
            let waits_for = match new_pod {
                NewPod::Admitted(_) => AdmissionHold::NotInjected(SIDECAR.into()),
                NewPod::Refused(why) => AdmissionHold::Refused(why),
                NewPod::Unknown(why) => AdmissionHold::Unknown(why),
            };
            assert_eq!(wait(&policy, &snapshot), EvictionWait::Admission(waits_for), "{word}");
            answer(&mut snapshot, "a/b", 10, gets(NEW));
            assert_eq!(evicted(&pass(&policy, &snapshot, 10)), ["b-1"], "{word}");
        }
    }
}

#[test]
fn one_that_would_come_back_with_the_same_image_stays() {
    let policy = named_and_asked();
    let snapshot = answered(under_way("a/b", &policy), gets(OLD));
    assert!(matches!(wait(&policy, &snapshot), EvictionWait::SameImage(reason) if reason.image == OLD));
}

#[test]
fn what_admission_kept_from_going_on_until_its_time_was_over_is_said_like_what_never_began() {
    for policy in [injected(MissingSidecar::Ignore), named_and_asked()] {
        for (new_pod, word) in objections() {
            let mut snapshot = answered(under_way("a/b", &policy), gets(NEW));
            answer(&mut snapshot, "a/b", 1, new_pod);
            let late = pass(&policy, &snapshot, WINDOW_SECONDS);
            assert_eq!(late.only_verdict().reason(), Some(word));
            assert!(late.starts().is_empty());
        }
    }
    let mut snapshot = answered(under_way("a/b", &named_and_asked()), gets(NEW));
    answer(&mut snapshot, "a/b", 1, gets(OLD));
    let late = pass(&named_and_asked(), &snapshot, WINDOW_SECONDS);
    assert_eq!(late.only_verdict().reason(), Some("SameImageForeseen"));
}

/// A new leader has asked nobody yet.
#[test]
fn while_nobody_knows_what_is_wanted_one_that_was_begun_is_under_way_and_no_other_starts_beside_it() {
    let policy = injected(MissingSidecar::Ignore);
    let mut snapshot = cluster([under_way("a/b", &policy), on_delete("a/c").pods(2, OLD)]);
    answer(&mut snapshot, "a/c", 0, gets(NEW));
    assert_eq!(wait(&policy, &snapshot), EvictionWait::Admission(AdmissionHold::NotAsked));
    assert!(pass(&policy, &snapshot, 0).starts().is_empty());
    answer(&mut snapshot, "a/b", 1, admitted(&[("app", "shop:1")]));
    assert_eq!(pass(&policy, &snapshot, 1).entry("a/b").verdict.as_str(), "InFlight", "the injector is down");
    assert!(pass(&policy, &snapshot, 1).starts().is_empty());
}

#[test]
fn what_admission_gives_decides_which_pods_stay() {
    let policy = injected(MissingSidecar::Ignore);
    let set = on_delete("a/b").evicted(&wanting_new(&policy), -60, -61).pods(1, OLD).pods(1, NEW);
    assert_eq!(evicted(&pass(&policy, &answered(set, gets(NEW)), 0)), ["b-0"]);
}

#[test]
fn a_replacement_that_admission_had_announced_otherwise_ends_it() {
    for policy in [injected(MissingSidecar::Ignore), named_and_asked()] {
        let set = on_delete("a/b").evicted(&wanting_new(&policy), -60, -61).pods(1, OLD).pod(pod(OLD).created(-30));
        let mut snapshot = cluster([set]);
        answer(&mut snapshot, "a/b", -120, gets(NEW));
        let ended = pass(&policy, &snapshot, 0);
        assert_eq!(ended.only_verdict().reason(), Some("SameImageAgain"));
        assert_eq!(ended.decision.recheck_at.map(|next| next > at(0)), Some(true));
    }
}

#[test]
fn what_goes_first_and_is_in_scope_is_not_taken_away_either_while_admission_speaks_against_it() {
    let policy = Policy { restart_first: vec![first(&on_delete("a/b"))], ..named_and_asked() };
    let due = || cluster([on_delete("a/b").pods(2, OLD), on_delete("a/c").pods(2, OLD)]);

    let mut snapshot = due();
    answer(&mut snapshot, "a/c", 0, gets(NEW));
    assert!(pass(&policy, &snapshot, 1).starts().is_empty(), "nobody overtakes it while it is asked about");
    answer(&mut snapshot, "a/b", 1, gets(OLD));
    assert_eq!(pass(&policy, &snapshot, 2).starts(), ["a/b"], "it is restarted whatever it gets");

    for (new_pod, word) in objections() {
        let mut snapshot = due();
        answer(&mut snapshot, "a/c", 0, gets(NEW));
        answer(&mut snapshot, "a/b", 0, new_pod.clone());
        let waiting = pass(&policy, &snapshot, 1);
        assert!(waiting.starts().is_empty(), "{word}: what goes first goes first");
        assert_eq!(waiting.condition("Stalled"), "True FirstBlocked", "{word}");
        let snapshot = answered(under_way("a/b", &policy), new_pod);
        assert_eq!(pass(&policy, &snapshot, 0).decision.evictions, [], "{word}");
    }
}

#[test]
fn what_goes_first_and_is_in_nobodys_scope_is_not_asked_about() {
    let gateway = on_delete("mesh/gateway").pod(PodFixture::without_containers().container("app", "gateway:1"));
    let policy = Policy { restart_first: vec![first(&gateway)], ..named_and_asked() };
    let mut snapshot = cluster([gateway, on_delete("a/b").pods(2, OLD)]);
    answer(&mut snapshot, "a/b", 0, gets(NEW));
    assert_eq!(pass(&policy, &snapshot, 1).starts(), ["mesh/gateway"]);
}
