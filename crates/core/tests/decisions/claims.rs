//! Several policies with a say in one workload.

use flippy_core::{Kind, Policy, Verdict};

use crate::common::model::{Behaviour, Model, run};
use crate::common::{NEW, OLD, Pass, SIDECAR, cluster, deployment, images, pod, policy_named};

fn wants(name: &str, image: &str) -> Policy {
    Policy { images: images(&[image]), ..policy_named(name) }
}

fn watches(name: &str, container: &str) -> Policy {
    let mut policy = policy_named(name);
    policy.scope.containers = [container.into()].into();
    policy
}

#[test]
fn two_that_agree_mark_a_restart_alike() {
    let (a, b) = (wants("a", NEW), wants("b", "istio/proxyv2:1.30.4"));
    let snapshot = cluster([deployment("a/b").pods(1, OLD)]);
    let (first, second) = (Pass::of(&[&a, &b], &snapshot, 0), Pass::of(&[&b, &a], &snapshot, 0));
    assert_eq!(first.only_start(), second.only_start());
    assert_eq!(first.entry("a/b").token.hash.as_ref(), a.images.hash());
}

#[test]
fn two_that_disagree_about_a_container_block_each_other_visibly() {
    let (a, b) = (wants("a", NEW), wants("b", "istio/proxyv2:1.28.0"));
    let snapshot = cluster([deployment("a/b").pods(1, OLD)]);
    for (policies, other) in [([&a, &b], "mesh/b"), ([&b, &a], "mesh/a")] {
        let pass = Pass::of(&policies, &snapshot, 0);
        assert!(pass.starts().is_empty());
        assert!(pass.only_verdict().to_string().contains(other));
        assert_eq!(pass.condition("Stalled"), "True WorkloadsBlocked");
    }
}

#[test]
fn disagreement_is_no_matter_to_the_one_that_has_what_it_wants() {
    let (a, b) = (wants("a", NEW), wants("b", OLD));
    let snapshot = cluster([deployment("a/b").pods(1, OLD)]);
    assert_eq!(*Pass::of(&[&b, &a], &snapshot, 0).only_verdict(), Verdict::Fresh);
    assert_eq!(Pass::of(&[&a, &b], &snapshot, 0).only_verdict().reason(), Some("Conflict"));
}

#[test]
fn those_that_look_at_different_containers_do_not_disagree() {
    let mut vault = watches("b", "vault-agent");
    vault.images = images(&["vault:1.5"]);
    let snapshot = cluster([deployment("a/b").pods(1, OLD)]);
    assert_eq!(Pass::of(&[&wants("a", NEW), &vault], &snapshot, 0).starts(), ["a/b"]);
}

#[test]
fn a_dry_run_has_no_say() {
    let a = wants("a", NEW);
    let b = Policy { dry_run: true, ..wants("b", "istio/proxyv2:1.28.0") };
    let snapshot = cluster([deployment("a/b").pods(1, OLD)]);
    let pass = Pass::of(&[&a, &b], &snapshot, 0);
    assert_eq!(pass.starts(), ["a/b"]);
    assert_eq!(pass.only_start().token.hash.as_ref(), a.images.hash());
}

#[test]
fn a_restart_for_one_serves_the_other_and_is_marked_for_both() {
    let (a, b) = (wants("a", NEW), Policy { images: images(&["vault:1.5"]), ..watches("b", "vault-agent") });
    let both_stale = pod(OLD).container("vault-agent", "vault:1.4");
    let snapshot = cluster([deployment("a/b").pod(both_stale)]);
    let (first, second) = (Pass::of(&[&a, &b], &snapshot, 0), Pass::of(&[&b, &a], &snapshot, 0));
    assert_eq!(first.only_start().token, second.only_start().token);
    assert_ne!(first.only_start().token.hash.as_ref(), a.images.hash());
}

#[test]
fn one_that_is_trusted_with_one_namespace_has_no_say_elsewhere() {
    let mut guest = wants("guest", "istio/proxyv2:1.28.0");
    guest.scope.only_namespace = Some("guest".into());
    guest.restart_first = vec![crate::common::first(&deployment("a/b"))];
    let a = wants("a", NEW);
    let snapshot = cluster([deployment("a/b").pods(1, OLD)]);
    assert_eq!(Pass::of(&[&a, &guest], &snapshot, 0).only_start().token.hash.as_ref(), a.images.hash());
}

#[test]
fn a_workload_that_one_restarts_first_and_another_has_in_scope_is_marked_for_both() {
    let mut scopeless = wants("b", "istio/proxyv2:1.28.0");
    scopeless.scope.namespace_labels = crate::common::map(&[("mesh", "b")]);
    scopeless.restart_first = vec![crate::common::first(&deployment("a/gateway"))];
    let a = wants("a", NEW);
    let snapshot = cluster([deployment("a/gateway").pods(1, OLD)]);
    let pass = Pass::of(&[&a, &scopeless], &snapshot, 0);
    assert_eq!(pass.starts(), ["a/gateway"], "to restart it first is not to want an image in it");
    assert_ne!(pass.only_start().token.hash.as_ref(), a.images.hash());
}

/// Restarts of one workload whose sidecar stays as it is, with both policies acting in turns for an hour.
fn restarts_in_an_hour(a: &Policy, b: &Policy, behaviour: Behaviour) -> usize {
    let mut model = Model::new([behaviour], OLD);
    model.injected = crate::common::image(OLD);
    run(&mut model, &[a, b], 3600);
    model.restarts_in_all()
}

#[test]
fn two_policies_do_not_restart_a_hopeless_workload_in_turns() {
    let cases = [
        ("agree", wants("a", NEW), wants("b", NEW), 2),
        ("disagree", wants("a", NEW), wants("b", "istio/proxyv2:1.28.0"), 0),
        (
            "share one of their images",
            Policy { images: images(&[NEW, "x:1"]), ..policy_named("a") },
            wants("b", NEW),
            2,
        ),
        (
            "differ in scope",
            wants("a", NEW),
            Policy { images: images(&["vault:1.5"]), ..watches("b", "vault-agent") },
            2,
        ),
    ];
    for (relation, a, b, expected) in cases {
        for kind in [Kind::Deployment, Kind::ArgoRollout] {
            let restarts = restarts_in_an_hour(&a, &b, Behaviour { kind, ..Behaviour::default() });
            assert_eq!(
                restarts, expected,
                "they {relation}: one restart, one probe after half an hour, unless they disagree"
            );
        }
    }
}

#[test]
fn two_policies_that_agree_restart_each_workload_once() {
    let (a, b) = (wants("a", NEW), watches("b", SIDECAR));
    let mut model = Model::new([Behaviour::default(); 20], OLD);
    run(&mut model, &[&a, &b], 24 * 3600);
    assert_eq!(model.restarts(), [1; 20]);
    assert_eq!(model.pods_on(OLD), 0);
}
