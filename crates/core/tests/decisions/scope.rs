//! Scope: which workloads a policy is about, and which ask to be left alone.

use std::collections::BTreeSet;

use flippy_core::{Kind, PodState, Policy, RestartObject};

use crate::common::{
    Fixture, OLD, PodFixture, cluster, daemon_set, deployment, map, pass, pod, policy, rollout, stateful_set, waited,
};

fn stale() -> Fixture {
    deployment("shop/cart").pods(1, OLD)
}

fn is_in_scope(policy: &Policy, fixture: Fixture) -> bool {
    !pass(policy, &cluster([fixture]), 0).plan.entries.is_empty()
}

#[test]
fn every_kind_named_is_in_scope() {
    let snapshot = cluster([
        deployment("a/a").pods(1, OLD),
        stateful_set("a/b").pods(1, OLD),
        daemon_set("a/c").pods(1, OLD),
        rollout("a/d").pods(1, OLD),
    ]);
    assert_eq!(pass(&policy(), &snapshot, 0).in_scope(), ["a/a", "a/b", "a/c", "a/d"]);
}

#[test]
fn a_kind_that_is_not_named_is_left_alone() {
    let mut policy = policy();
    policy.restart_objects = vec![RestartObject { kind: Kind::StatefulSet, waiting: waited() }];
    assert!(!is_in_scope(&policy, stale()));
}

#[test]
fn an_empty_filter_selects_nothing_and_says_which() {
    let without_images = Policy { images: crate::common::images(&[]), ..policy() };
    let without_kinds = Policy { restart_objects: Vec::new(), ..policy() };
    let mut without_containers = policy();
    without_containers.scope.containers = BTreeSet::new();
    let cases = [("ImageList", without_images), ("RestartObjects", without_kinds), ("Containers", without_containers)];
    for (field, policy) in cases {
        assert!(!is_in_scope(&policy, stale()), "{field}");
        assert!(policy.selects_nothing().unwrap().contains(field));
    }
}

#[test]
fn a_namespace_must_carry_every_label() {
    let mut policy = policy();
    policy.scope.namespace_labels = map(&[("istio-injection", "enabled"), ("tier", "gold")]);
    let labelled = stale().namespace_label("istio-injection", "enabled");
    assert!(!is_in_scope(&policy, stale()));
    assert!(!is_in_scope(&policy, labelled.clone()));
    assert!(!is_in_scope(&policy, labelled.clone().namespace_label("tier", "silver")));
    assert!(is_in_scope(&policy, labelled.namespace_label("tier", "gold")));
}

#[test]
fn a_workload_in_a_namespace_that_is_not_known_yet_waits() {
    let mut snapshot = cluster([stale()]);
    snapshot.remove_namespace("shop");
    assert!(pass(&policy(), &snapshot, 0).plan.entries.is_empty());
}

#[test]
fn a_template_must_carry_every_label_and_annotation() {
    let mut policy = policy();
    policy.scope.template_labels = map(&[("app", "cart")]);
    policy.scope.template_annotations = map(&[("team", "shop")]);
    let labelled =
        stale().change(|workload| workload.template_labels = crate::common::labels(&[("app", "cart"), ("x", "y")]));
    assert!(!is_in_scope(&policy, labelled.clone()));
    let both = labelled.change(|workload| workload.template_annotations = crate::common::labels(&[("team", "shop")]));
    assert!(is_in_scope(&policy, both));
}

#[test]
fn an_annotation_of_the_workload_itself_does_not_stand_in_for_one_of_the_template() {
    let mut policy = policy();
    policy.scope.template_annotations = map(&[("team", "shop")]);
    assert!(!is_in_scope(
        &policy,
        stale().change(|workload| workload.annotations = crate::common::labels(&[("team", "shop")]))
    ));
}

#[test]
fn each_of_three_places_may_ask_to_be_left_alone() {
    let key = crate::common::labels(&[("flippy-ignore", "true")]);
    assert!(is_in_scope(&policy(), stale()));
    assert!(!is_in_scope(&policy(), stale().namespace_label("flippy-ignore", "true")));
    assert!(!is_in_scope(&policy(), stale().change(|workload| workload.annotations = key.clone())));
    assert!(!is_in_scope(&policy(), stale().change(|workload| workload.template_annotations = key.clone())));
}

#[test]
fn only_true_in_any_case_asks_to_be_left_alone() {
    for (value, left_alone) in
        [("true", true), ("TRUE", true), ("True", true), ("false", false), ("", false), ("yes", false)]
    {
        assert_eq!(!is_in_scope(&policy(), stale().namespace_label("flippy-ignore", value)), left_alone, "{value:?}");
    }
}

#[test]
fn the_ignore_key_of_another_installation_means_nothing() {
    let mut policy = policy();
    policy.scope.ignore_key = "hands-off".into();
    assert!(is_in_scope(&policy, stale().namespace_label("flippy-ignore", "true")));
    assert!(!is_in_scope(&policy, stale().namespace_label("hands-off", "true")));
}

#[test]
fn a_workload_that_is_being_deleted_is_left_alone() {
    assert!(!is_in_scope(&policy(), stale().change(|workload| workload.deleting = true)));
}

#[test]
fn a_config_that_is_trusted_with_one_namespace_sees_no_other() {
    let mut policy = policy();
    policy.scope.only_namespace = Some("shop".into());
    let snapshot = cluster([stale(), deployment("bank/vault").pods(1, OLD)]);
    assert_eq!(pass(&policy, &snapshot, 0).in_scope(), ["shop/cart"]);
}

#[test]
fn a_workload_without_the_container_is_not_in_scope() {
    let plain = deployment("shop/cart").pod(PodFixture::without_containers().container("app", OLD));
    assert!(!is_in_scope(&policy(), plain));
}

#[test]
fn a_workload_without_live_pods_is_in_scope_because_nobody_knows_what_they_would_hold() {
    assert!(is_in_scope(&policy(), deployment("shop/cart")));
    assert!(is_in_scope(&policy(), deployment("shop/cart").pod(pod(OLD).in_state(PodState::Finished))));
}

#[test]
fn a_rollout_that_borrows_its_template_is_judged_by_the_lender() {
    let mut policy = policy();
    policy.scope.template_labels = map(&[("app", "cart")]);
    let lender = deployment("shop/lender")
        .change(|workload| workload.template_labels = crate::common::labels(&[("app", "cart")]));
    let borrower = rollout("shop/cart").pods(1, OLD).change(|workload| workload.template_from = Some(lender.named()));
    let snapshot = cluster([lender.clone(), borrower.clone()]);
    assert!(pass(&policy, &snapshot, 0).in_scope().contains(&"shop/cart".to_owned()));
    let ignored = lender.change(|workload| {
        workload.template_annotations = crate::common::labels(&[("flippy-ignore", "true")]);
    });
    assert!(pass(&policy, &cluster([ignored, borrower.clone()]), 0).plan.entries.is_empty());
    assert!(pass(&policy, &cluster([borrower]), 0).plan.entries.is_empty(), "the lender is not known yet");
}

#[test]
fn the_names_of_kinds_are_read_in_any_case() {
    assert_eq!(" argorollout ".parse(), Ok(Kind::ArgoRollout));
    assert!("Pod".parse::<Kind>().unwrap_err().to_string().contains("`Pod`"));
}

#[test]
fn every_kind_that_is_restarted_or_waited_for_is_watched() {
    let mut policy = policy();
    policy.restart_objects = vec![RestartObject { kind: Kind::Deployment, waiting: waited() }];
    policy.restart_first = vec![flippy_core::RestartFirst { target: rollout("a/b").named(), waiting: waited() }];
    policy.preconditions = vec![crate::common::precondition(&daemon_set("a/c"))];
    assert_eq!(policy.kinds(), BTreeSet::from([Kind::Deployment, Kind::DaemonSet, Kind::ArgoRollout]));
}
