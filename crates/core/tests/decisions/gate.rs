//! Preconditions: gates that open, shut, and shut again.

use std::collections::{BTreeMap, BTreeSet};

use flippy_core::{Gate, NamedWorkload, Policy, Snapshot, Timestamp, UpdateStrategy};

use crate::common::{
    Fixture, NEW, OLD, PATIENCE_SECONDS, Pass, at, cluster, daemon_set, deployment, facts, pass, pod, policy,
    precondition, rollout, stateful_set,
};

fn istiod() -> Fixture {
    deployment("mesh/istiod")
}

fn guarded(required: bool) -> Policy {
    let mut precondition = precondition(&istiod());
    precondition.required = required;
    Policy { preconditions: vec![precondition], ..policy() }
}

fn cluster_with(istiod: Fixture) -> Snapshot {
    cluster([istiod.pod(pod(NEW)), deployment("shop/cart").pods(1, OLD)])
}

/// One pass, with the target known to be unmet since 0 s.
fn pass_since(policy: &Policy, snapshot: &Snapshot, seconds: i64) -> Pass {
    let since: BTreeMap<NamedWorkload, Timestamp> = [(istiod().named(), at(0))].into();
    Pass::with(&[policy], snapshot, &BTreeSet::new(), &since, at(seconds))
}

#[test]
fn a_target_that_is_rolled_out_opens_the_gate() {
    let pass = pass(&guarded(true), &cluster_with(istiod()), 0);
    assert_eq!(pass.gate.gate, Gate::Open);
    assert!(pass.preconditions[0].met && pass.preconditions[0].unmet_since.is_none());
    assert_eq!(pass.starts(), ["shop/cart"]);
}

#[test]
fn a_target_that_is_not_rolled_out_shuts_it_and_is_remembered_since_when() {
    let pass = pass(&guarded(true), &cluster_with(istiod().unavailable()), 5);
    assert_eq!(pass.gate.gate, Gate::Shut);
    assert_eq!(pass.preconditions[0].unmet_since, Some(at(5)));
    assert_eq!(pass.condition("RestartsAllowed"), "False PreconditionsNotMet");
    assert!(pass.starts().is_empty());
}

#[test]
fn it_shuts_again_in_the_middle_of_a_campaign() {
    let policy = guarded(true);
    let done = deployment("shop/a").restarted(&policy, 1, 0).pod(pod(NEW).created(1).made_by_restart(&policy, 1));
    let with = |istiod: Fixture| cluster([istiod.pod(pod(NEW)), done.clone(), deployment("shop/b").pods(1, OLD)]);
    assert_eq!(pass(&policy, &with(istiod()), 10).starts(), ["shop/b"]);
    assert!(pass(&policy, &with(istiod().unavailable()), 10).starts().is_empty());
    assert_eq!(pass(&policy, &with(istiod()), 20).starts(), ["shop/b"]);
}

#[test]
fn what_is_under_way_when_it_shuts_is_still_observed() {
    let policy = guarded(true);
    let under_way = deployment("shop/cart").restarted(&policy, 1, 0).pods(1, OLD).replacing();
    let pass = pass(&policy, &cluster([istiod().unavailable().pod(pod(NEW)), under_way]), 10);
    assert_eq!(pass.verdict("shop/cart").as_str(), "InFlight");
}

#[test]
fn the_message_says_which_workload_and_what_is_missing() {
    let message = |istiod: Fixture| pass(&guarded(true), &cluster_with(istiod), 0).gate.message;
    assert_eq!(message(istiod().replacing()), "precondition Deployment mesh/istiod: its rollout is under way");
    assert!(message(istiod().unavailable()).ends_with("some of its pods are not available"));
    assert!(message(istiod().change(|workload| workload.deleting = true)).ends_with("it is being deleted"));
    assert!(message(facts!(istiod(), Deployment, |facts| facts.paused = true)).ends_with("its rollout is paused"));
    let given_up = facts!(istiod(), Deployment, |facts| facts.progress_deadline_exceeded = true);
    assert!(message(given_up).ends_with("its rollout exceeded its progress deadline"));
}

#[test]
fn a_target_that_does_not_exist_shuts_it() {
    let pass = pass(&guarded(true), &cluster([deployment("shop/cart").pods(1, OLD)]), 0);
    assert_eq!(pass.gate.message, "precondition Deployment mesh/istiod: not found");
    assert!(pass.starts().is_empty());
}

#[test]
fn a_target_of_any_kind_is_judged_by_the_rules_of_its_kind() {
    for target in [stateful_set("mesh/x"), daemon_set("mesh/x"), rollout("mesh/x")] {
        let policy = Policy { preconditions: vec![precondition(&target)], ..policy() };
        assert_eq!(pass(&policy, &cluster([target.clone()]), 0).gate.gate, Gate::Open);
        assert_eq!(pass(&policy, &cluster([target.unavailable()]), 0).gate.gate, Gate::Shut);
    }
}

#[test]
fn a_target_with_on_delete_cannot_be_judged_and_never_opens_it() {
    let target = facts!(daemon_set("mesh/x"), DaemonSet, |facts| facts.strategy = UpdateStrategy::OnDelete);
    let policy = Policy { preconditions: vec![precondition(&target)], ..policy() };
    assert!(pass(&policy, &cluster([target]), 0).gate.message.contains("OnDelete"));
}

#[test]
fn a_required_one_stays_shut_when_patience_ends_and_is_reported_as_stalled() {
    let snapshot = cluster_with(istiod().unavailable());
    let patient = pass_since(&guarded(true), &snapshot, PATIENCE_SECONDS - 1);
    assert_eq!((patient.gate.overdue, patient.gate.recheck_at), (false, Some(at(PATIENCE_SECONDS))));
    assert_eq!(patient.condition("Stalled"), "False NotStalled");
    let overdue = pass_since(&guarded(true), &snapshot, PATIENCE_SECONDS);
    assert_eq!((overdue.gate.overdue, overdue.gate.recheck_at), (true, None));
    assert_eq!(overdue.condition("Stalled"), "True PreconditionsNotMet");
    assert!(overdue.starts().is_empty());
}

#[test]
fn one_that_is_not_required_is_waited_for_only_as_long_as_patience_lasts() {
    let snapshot = cluster_with(istiod().unavailable());
    let patient = pass_since(&guarded(false), &snapshot, PATIENCE_SECONDS - 1);
    assert!(patient.starts().is_empty());
    assert_eq!(patient.decision.recheck_at, Some(at(PATIENCE_SECONDS)));
    let impatient = pass_since(&guarded(false), &snapshot, PATIENCE_SECONDS);
    assert_eq!(impatient.starts(), ["shop/cart"]);
    assert!(!impatient.preconditions[0].met);
}

#[test]
fn patience_starts_anew_once_it_was_met() {
    let (gone, back) = (cluster_with(istiod().unavailable()), cluster_with(istiod()));
    assert!(pass_since(&guarded(true), &back, 9000).preconditions[0].unmet_since.is_none());
    assert!(!pass(&guarded(true), &gone, 9001).gate.overdue);
}

#[test]
fn every_one_of_several_must_be_met() {
    let mut policy = guarded(true);
    policy.preconditions.push(precondition(&rollout("mesh/cni")));
    let with = |cni: Fixture| cluster([istiod().pod(pod(NEW)), cni, deployment("shop/cart").pods(1, OLD)]);
    assert_eq!(pass(&policy, &with(rollout("mesh/cni").pod(pod(NEW))), 0).gate.gate, Gate::Open);
    let shut = pass(&policy, &with(rollout("mesh/cni").unavailable()), 0);
    assert_eq!(shut.gate.gate, Gate::Shut);
    assert_eq!(shut.preconditions.iter().map(|fact| fact.met).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn no_preconditions_are_an_open_gate() {
    assert_eq!(pass(&policy(), &cluster_with(istiod()), 0).gate.gate, Gate::Open);
}

#[test]
fn a_shut_gate_with_nothing_to_restart_is_no_stall() {
    let snapshot = cluster([istiod().pod(pod(NEW)).unavailable()]);
    assert_eq!(pass_since(&guarded(true), &snapshot, 9000).condition("Stalled"), "False NotStalled");
}
