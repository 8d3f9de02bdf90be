//! Drift: whether pods run what is wanted, decided per workload.

use flippy_core::{PodState, Verdict};

use crate::common::{
    Fixture, NEW, OLD, PodFixture, SIDECAR, cluster, deployment, images, pass, pod, policy, rollout, stateful_set,
};

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// The word for the verdict on the only workload, `absent` when it is not in scope.
fn word(fixture: Fixture) -> String {
    let pass = pass(&policy(), &cluster([fixture]), 0);
    pass.plan.entries.first().map_or("absent", |entry| entry.verdict.as_str()).to_owned()
}

fn sidecar(image: &str) -> PodFixture {
    PodFixture::without_containers().container(SIDECAR, image)
}

#[test]
fn a_workload_on_the_wanted_image_is_fresh() {
    assert_eq!(word(deployment("a/b").pods(2, NEW)), "Fresh");
}

#[test]
fn another_spelling_of_the_wanted_image_is_fresh() {
    assert_eq!(word(deployment("a/b").pods(2, "istio/proxyv2:1.30.4")), "Fresh");
}

#[test]
fn one_stale_pod_makes_its_workload_stale() {
    assert_eq!(word(deployment("a/b").pods(9, NEW).pods(1, OLD)), "Restart");
}

#[test]
fn one_fresh_pod_does_not_hide_a_stale_workload() {
    let snapshot = cluster([deployment("a/fresh").pods(1, NEW), deployment("a/stale").pods(1, OLD)]);
    assert_eq!(pass(&policy(), &snapshot, 0).to_restart(), ["a/stale"]);
}

#[test]
fn the_reason_names_the_container_and_the_image() {
    let pass = pass(&policy(), &cluster([deployment("a/b").pods(1, OLD)]), 0);
    assert_eq!(pass.only_verdict().to_string(), format!("istio-proxy runs {OLD}"));
}

#[test]
fn pods_and_stale_pods_are_counted() {
    let fixture = deployment("a/b").pods(2, OLD).pods(1, NEW).pod(sidecar(OLD).in_state(PodState::Terminating));
    let pass = pass(&policy(), &cluster([fixture]), 0);
    assert_eq!((pass.entry("a/b").pods, pass.entry("a/b").stale_pods), (3, 2));
}

#[test]
fn only_the_named_containers_count() {
    assert_eq!(word(deployment("a/b").pod(sidecar(NEW).container("app", "example.com/app:7"))), "Fresh");
}

#[test]
fn a_native_sidecar_behind_the_ordinary_containers_counts() {
    let native = PodFixture::without_containers().container("app", "example.com/app:7").container(SIDECAR, OLD);
    assert_eq!(word(deployment("a/b").pod(native)), "Restart");
}

#[test]
fn of_several_named_containers_each_must_be_fresh() {
    let mut policy = policy();
    policy.scope.containers.insert("istio-init".into());
    let half = deployment("a/b").pod(sidecar(NEW).container("istio-init", OLD));
    let pass = pass(&policy, &cluster([half]), 0);
    assert_eq!(pass.only_verdict().to_string(), format!("istio-init runs {OLD}"));
}

#[test]
fn pods_without_the_sidecar_do_not_make_a_workload_stale() {
    let half_injected = deployment("a/b").pods(1, NEW).pod(PodFixture::without_containers().container("app", OLD));
    assert_eq!(word(half_injected), "Fresh");
}

#[test]
fn a_half_injected_workload_is_stale_through_its_injected_half() {
    let half_injected = deployment("a/b").pods(1, OLD).pod(PodFixture::without_containers().container("app", NEW));
    assert_eq!(word(half_injected), "Restart");
}

#[test]
fn pods_on_their_way_out_do_not_count() {
    for state in [PodState::Terminating, PodState::Finished] {
        assert_eq!(word(deployment("a/b").pods(1, NEW).pod(sidecar(OLD).in_state(state))), "Fresh", "{state:?}");
    }
}

#[test]
fn a_workload_whose_only_pods_are_on_their_way_out_is_idle() {
    assert_eq!(word(deployment("a/b").pod(sidecar(OLD).in_state(PodState::Terminating))), "Idle");
}

#[test]
fn a_pod_that_is_not_ready_counts_all_the_same() {
    assert_eq!(word(deployment("a/b").pod(pod(OLD).unready())), "Restart");
}

#[test]
fn an_image_that_is_no_reference_is_stale_and_says_so() {
    let pass = pass(&policy(), &cluster([deployment("a/b").pods(1, "Not An Image")]), 0);
    assert_eq!(pass.only_verdict().to_string(), "istio-proxy runs (not an image reference)");
}

#[test]
fn the_status_may_prove_another_name_equal() {
    assert_eq!(word(deployment("a/b").pod(sidecar("mirror.example.com/proxy:x").running(Some(NEW), None))), "Fresh");
}

#[test]
fn a_status_that_lags_behind_does_not_make_the_wanted_spec_stale() {
    assert_eq!(word(deployment("a/b").pod(sidecar(NEW).running(Some(OLD), None))), "Fresh");
}

#[test]
fn a_wanted_digest_is_recognised_in_the_image_id_under_any_name() {
    let mut policy = policy();
    policy.images = images(&[&format!("{NEW}@{DIGEST}")]);
    let running =
        |digest| cluster([deployment("a/b").pod(sidecar("mirror.example.com/proxy:x").running(None, digest))]);
    let another = DIGEST.replace('e', "f");
    assert_eq!(*pass(&policy, &running(Some(DIGEST)), 0).only_verdict(), Verdict::Fresh);
    assert_eq!(pass(&policy, &running(Some(&another)), 0).only_verdict().as_str(), "Restart");
    assert_eq!(pass(&policy, &running(None), 0).only_verdict().as_str(), "Restart");
}

#[test]
fn a_digest_nobody_asked_for_proves_nothing() {
    assert_eq!(word(deployment("a/b").pod(sidecar(OLD).running(None, Some(DIGEST)))), "Restart");
}

#[test]
fn any_of_several_wanted_images_will_do() {
    let mut policy = policy();
    policy.images = images(&[NEW, OLD]);
    assert_eq!(
        *pass(&policy, &cluster([deployment("a/b").pods(1, NEW).pods(1, OLD)]), 0).only_verdict(),
        Verdict::Fresh
    );
}

#[test]
fn pods_are_found_through_their_owners_for_each_kind() {
    for fixture in [deployment("a/b"), stateful_set("a/b"), rollout("a/b"), crate::common::daemon_set("a/b")] {
        assert_eq!(word(fixture.pods(1, OLD)), "Restart");
    }
}

#[test]
fn the_pods_of_an_object_that_was_deleted_do_not_count_for_its_successor() {
    let mut snapshot = cluster([deployment("a/b").pods(1, OLD)]);
    let successor = deployment("a/b").change(|workload| workload.id.uid = "another".into());
    snapshot.upsert_workload(successor.workload);
    assert_eq!(*pass(&policy(), &snapshot, 0).only_verdict(), Verdict::Idle);
}

#[test]
fn a_workload_without_pods_is_idle() {
    assert_eq!(word(deployment("a/b")), "Idle");
}

#[test]
fn a_workload_whose_pods_hold_no_sidecar_is_not_in_scope() {
    assert_eq!(word(deployment("a/b").pod(PodFixture::without_containers())), "absent");
}
