//! What is restarted before the rest: first, once, only if anything needs a restart.

use flippy_core::{FirstState, Hold, Policy, RestartFirst, Waiting};

use crate::common::{
    Fixture, NEW, OLD, WINDOW_SECONDS, at, cluster, deployment, facts, first, pass, pod, policy, policy_not_waiting,
    rollout,
};

fn gateway() -> Fixture {
    deployment("istio-system/gateway").pod(pod(OLD))
}

fn stale() -> Fixture {
    deployment("shop/cart").pods(1, OLD)
}

/// Restarts the gateway first. It is itself out of scope.
fn gateway_first() -> Policy {
    let mut policy = policy();
    policy.scope.namespace_labels = crate::common::map(&[("mesh", "on")]);
    policy.restart_first = vec![first(&gateway())];
    policy
}

fn cluster_with(gateway: Fixture) -> flippy_core::Snapshot {
    cluster([gateway, stale().namespace_label("mesh", "on")])
}

#[test]
fn it_goes_before_everything_in_scope() {
    let pass = pass(&gateway_first(), &cluster_with(gateway()), 0);
    assert_eq!(pass.starts(), ["istio-system/gateway"]);
    assert_eq!(pass.decision.hold, Some(Hold::Waiting("Deployment istio-system/gateway".into())));
}

#[test]
fn it_is_left_alone_while_nothing_needs_a_restart() {
    let snapshot = cluster([gateway(), deployment("shop/cart").pods(1, NEW).namespace_label("mesh", "on")]);
    assert!(pass(&gateway_first(), &snapshot, 0).starts().is_empty());
}

#[test]
fn the_rest_waits_until_it_is_rolled_out() {
    let policy = gateway_first();
    let under_way = gateway().restarted(&policy, 1, 0).replacing();
    assert!(pass(&policy, &cluster_with(under_way), 10).starts().is_empty());
}

#[test]
fn once_it_is_rolled_out_the_rest_goes_on_and_it_is_not_restarted_again() {
    let policy = gateway_first();
    let done = deployment("istio-system/gateway")
        .restarted(&policy, 1, 0)
        .pod(pod(OLD).created(2).made_by_restart(&policy, 1));
    assert_eq!(pass(&policy, &cluster_with(done), 10).starts(), ["shop/cart"]);
}

#[test]
fn once_it_has_failed_the_rest_goes_on() {
    let policy = gateway_first();
    let failed = gateway().restarted(&policy, 1, 0).replacing();
    let pass = pass(&policy, &cluster_with(failed), WINDOW_SECONDS);
    assert_eq!(pass.plan.first[0].state, FirstState::Failed);
    assert_eq!(pass.starts(), ["shop/cart"]);
}

#[test]
fn a_new_campaign_restarts_it_again() {
    let mut before = gateway_first();
    before.images = crate::common::images(&["istio/proxyv2:1.28.0"]);
    let done =
        deployment("istio-system/gateway").restarted(&before, 1, -9000).pod(pod(OLD).made_by_restart(&before, 1));
    assert_eq!(pass(&gateway_first(), &cluster_with(done), 0).starts(), ["istio-system/gateway"]);
}

#[test]
fn one_that_is_not_waited_for_lets_the_rest_start_beside_it() {
    let mut policy = gateway_first();
    policy.restart_first[0].waiting = Waiting::NotWaited;
    assert_eq!(pass(&policy, &cluster_with(gateway()), 0).starts(), ["istio-system/gateway", "shop/cart"]);
}

#[test]
fn one_that_was_unhealthy_before_is_waited_for_all_the_same() {
    let pass = pass(&gateway_first(), &cluster_with(gateway().unavailable()), 0);
    assert_eq!(pass.starts(), ["istio-system/gateway"]);
    assert!(pass.only_start().unhealthy_before);
}

#[test]
fn several_go_in_the_order_of_the_list() {
    let mut policy = gateway_first();
    policy
        .restart_first
        .insert(0, RestartFirst { target: rollout("istio-system/z").named(), waiting: Waiting::NotWaited });
    let snapshot = cluster([rollout("istio-system/z"), gateway(), stale().namespace_label("mesh", "on")]);
    assert_eq!(pass(&policy, &snapshot, 0).starts(), ["istio-system/z", "istio-system/gateway"]);
}

#[test]
fn one_that_is_named_twice_is_restarted_once() {
    let mut policy = gateway_first();
    policy.restart_first[0].waiting = Waiting::NotWaited;
    policy.restart_first.push(policy.restart_first[0].clone());
    assert_eq!(pass(&policy, &cluster_with(gateway()), 0).starts(), ["istio-system/gateway", "shop/cart"]);
}

#[test]
fn one_in_scope_is_restarted_once() {
    let mut policy = policy_not_waiting();
    policy.restart_first = vec![RestartFirst { target: stale().named(), waiting: Waiting::NotWaited }];
    assert_eq!(pass(&policy, &cluster([stale()]), 0).starts(), ["shop/cart"]);
}

#[test]
fn one_that_does_not_exist_holds_up_nothing_and_is_reported() {
    let snapshot = cluster([stale().namespace_label("mesh", "on")]);
    let pass = pass(&gateway_first(), &snapshot, 0);
    assert_eq!(pass.starts(), ["shop/cart"]);
    assert_eq!(pass.status.blocked[0].reason, "NotFound");
    assert_eq!(pass.status.blocked[0].workload, "Deployment istio-system/gateway");
}

#[test]
fn one_that_is_being_deleted_counts_as_missing() {
    let snapshot = cluster_with(gateway().change(|workload| workload.deleting = true));
    assert_eq!(pass(&gateway_first(), &snapshot, 0).starts(), ["shop/cart"]);
}

#[test]
fn one_that_is_paused_holds_up_nothing_and_is_reported() {
    let paused = facts!(gateway(), Deployment, |facts| facts.paused = true);
    let pass = pass(&gateway_first(), &cluster_with(paused), 0);
    assert_eq!(pass.starts(), ["shop/cart"]);
    assert_eq!(pass.status.blocked[0].reason, "Paused");
}

#[test]
fn a_config_that_is_trusted_with_one_namespace_restarts_nothing_elsewhere() {
    let mut policy = gateway_first();
    policy.scope.only_namespace = Some("shop".into());
    let pass = pass(&policy, &cluster_with(gateway()), 0);
    assert_eq!(pass.plan.first[0].state, FirstState::Missing);
    assert_eq!(pass.starts(), ["shop/cart"]);
}

#[test]
fn its_restart_is_as_exact_as_any() {
    let pass = pass(&gateway_first(), &cluster_with(gateway().change(|workload| workload.generation = 1)), 7);
    let start = pass.only_start();
    assert_eq!((start.generation, start.at, start.unhealthy_before), (1, at(7), false));
    assert_eq!(start.token.to_string(), format!("{}-1", gateway_first().images.hash()));
}

#[test]
fn no_pass_starts_more_of_them_than_any_pass_may() {
    let mut policy = gateway_first();
    let gateways: Vec<Fixture> = (0..120).map(|number| deployment(&format!("istio-system/g{number:03}"))).collect();
    policy.restart_first =
        gateways.iter().map(|gateway| RestartFirst { target: gateway.named(), waiting: Waiting::NotWaited }).collect();
    let snapshot = cluster(gateways.into_iter().chain([stale().namespace_label("mesh", "on")]));
    let pass = pass(&policy, &snapshot, 0);
    assert_eq!(pass.starts().len(), flippy_core::MAX_STARTS_PER_PASS);
    assert_eq!(pass.decision.recheck_at, Some(at(0)));
}

#[test]
fn one_that_was_refused_is_tried_again_before_anything_else_goes() {
    let mut snapshot = cluster_with(gateway());
    let refusal =
        flippy_core::Refusal { generation: 1, message: "webhook down".into(), retry_at: at(60), unanswered: false };
    snapshot.note_refusal(gateway().workload.id.uid, refusal);
    assert!(pass(&gateway_first(), &snapshot, 59).starts().is_empty());
    assert_eq!(pass(&gateway_first(), &snapshot, 60).starts(), ["istio-system/gateway"]);
}

#[test]
fn one_in_scope_whose_restart_got_no_answer_is_tried_again_although_it_is_fresh_by_now() {
    let mut policy = policy();
    let gateway = deployment("istio-system/gateway").pods(1, NEW);
    policy.restart_first = vec![first(&gateway)];
    let uid = gateway.workload.id.uid.clone();
    let mut snapshot = cluster([gateway, deployment("shop/cart").pods(1, OLD)]);
    let lost = flippy_core::Refusal { generation: 1, message: "time-out".into(), retry_at: at(60), unanswered: true };
    snapshot.note_refusal(uid, lost);
    assert!(pass(&policy, &snapshot, 59).starts().is_empty());
    assert_eq!(pass(&policy, &snapshot, 60).starts(), ["istio-system/gateway"]);
}

#[test]
fn one_that_is_refused_is_reported_while_everything_waits_for_it() {
    let mut snapshot = cluster_with(gateway());
    let refusal = flippy_core::Refusal { generation: 1, message: "denied".into(), retry_at: at(60), unanswered: false };
    snapshot.note_refusal(gateway().workload.id.uid, refusal);
    let pass = pass(&gateway_first(), &snapshot, 1);
    assert!(pass.status.conditions.iter().any(|one| one.kind == "Stalled" && one.reason == "FirstRefused"));
}

#[test]
fn deployments_are_watched_for_rollouts_that_borrow_their_template() {
    let mut policy = policy();
    policy.restart_objects.retain(|object| object.kind == flippy_core::Kind::ArgoRollout);
    assert!(policy.kinds().contains(&flippy_core::Kind::Deployment));
}
