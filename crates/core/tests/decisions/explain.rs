//! Why a workload was, or was not, restarted.

use flippy_core::{
    Drift, Explanation, Hold, Kind, LastRestart, Link, PodState, Policy, RestartObject, ScopeQuestion, Snapshot, Wait,
    explain, rollouts_made_from,
};

use crate::common::{
    Fixture, NEW, OLD, Pass, SIDECAR, WINDOW_SECONDS, at, cluster, deployment, first, images, labels, map, named, pod,
    policy, precondition, rollout, waited,
};

fn explained(policies: &[&Policy], snapshot: &Snapshot, fixture: &Fixture) -> Explanation {
    let pass = Pass::of(policies, snapshot, 0);
    let workload = snapshot.workload(&fixture.named()).unwrap();
    explain(policies[0], &pass.plan, &pass.waves, &pass.decision, workload, snapshot, &snapshot.pods_by_workload())
}

fn of(policy: &Policy, fixture: &Fixture) -> Explanation {
    explained(&[policy], &cluster([fixture.clone()]), fixture)
}

fn unmet(explanation: &Explanation) -> Vec<ScopeQuestion> {
    explanation.scope().filter(|link| !link.met).map(|link| link.question).collect()
}

fn wait(explanation: &Explanation) -> Option<&Wait> {
    explanation.links.iter().find_map(|link| if let Link::Waits(wait) = link { Some(wait) } else { None })
}

fn last_restart(explanation: &Explanation) -> Option<&LastRestart> {
    explanation.links.iter().find_map(|link| if let Link::LastRestart(last) = link { Some(last) } else { None })
}

fn stale() -> Fixture {
    deployment("shop/cart").pods(2, OLD)
}

type Case = (ScopeQuestion, fn(&mut Policy), fn(Fixture) -> Fixture);

#[test]
fn every_filter_that_a_workload_does_not_pass_is_named() {
    let cases: [Case; 11] = [
        (ScopeQuestion::SelectsAnything, |policy| policy.images = images(&[]), |fixture| fixture),
        (ScopeQuestion::Stays, |_| {}, |fixture| fixture.change(|workload| workload.deleting = true)),
        (ScopeQuestion::Kind, |policy| policy.restart_objects = vec![daemon_sets()], |fixture| fixture),
        (ScopeQuestion::Trust, |policy| policy.scope.only_namespace = Some("bank".into()), |fixture| fixture),
        (
            ScopeQuestion::NamespaceLabels,
            |policy| policy.scope.namespace_labels = map(&[("a", "b")]),
            |fixture| fixture,
        ),
        (ScopeQuestion::TemplateLabels, |policy| policy.scope.template_labels = map(&[("a", "b")]), |fixture| fixture),
        (
            ScopeQuestion::TemplateAnnotations,
            |policy| policy.scope.template_annotations = map(&[("a", "b")]),
            |fixture| fixture,
        ),
        (ScopeQuestion::NamespaceNotIgnored, |_| {}, |fixture| fixture.namespace_label("flippy-ignore", "true")),
        (
            ScopeQuestion::WorkloadNotIgnored,
            |_| {},
            |fixture| fixture.change(|workload| workload.annotations = labels(&[("flippy-ignore", "TRUE")])),
        ),
        (
            ScopeQuestion::TemplateNotIgnored,
            |_| {},
            |fixture| fixture.change(|workload| workload.template_annotations = labels(&[("flippy-ignore", "true")])),
        ),
        (
            ScopeQuestion::Container,
            |policy| policy.scope.containers = ["linkerd-proxy".into()].into(),
            |fixture| fixture,
        ),
    ];
    for (question, change_policy, change_fixture) in cases {
        let mut policy = policy();
        change_policy(&mut policy);
        let explanation = of(&policy, &change_fixture(stale()));
        assert_eq!(unmet(&explanation), [question]);
        assert!(explanation.entry().is_none() && wait(&explanation).is_none(), "{question:?}");
    }
}

fn daemon_sets() -> RestartObject {
    RestartObject { kind: Kind::DaemonSet, waiting: waited() }
}

#[test]
fn all_filters_are_answered_not_only_the_first_that_fails() {
    let mut policy = policy();
    policy.restart_objects = vec![daemon_sets()];
    policy.scope.namespace_labels = map(&[("a", "b")]);
    assert_eq!(unmet(&of(&policy, &stale())), [ScopeQuestion::Kind, ScopeQuestion::NamespaceLabels]);
}

#[test]
fn a_label_with_another_value_is_told_with_that_value() {
    let mut policy = policy();
    policy.scope.namespace_labels = map(&[("istio-injection", "enabled"), ("tier", "gold")]);
    let fixture = stale().namespace_label("istio-injection", "enabled").namespace_label("tier", "silver");
    let explanation = of(&policy, &fixture);
    let link = explanation.scope().find(|link| !link.met).unwrap();
    let lacking: Vec<(&str, &str, Option<&str>)> =
        link.lacking.iter().map(|one| (&*one.key, &*one.wanted, one.found.as_deref())).collect();
    assert_eq!(lacking, [("tier", "gold", Some("silver"))]);
}

#[test]
fn pods_are_told_by_name_with_what_is_stale_and_those_that_do_not_count() {
    let fixture = deployment("shop/cart")
        .pod(pod(OLD).container("app", "app:1"))
        .pod(pod(NEW))
        .pod(pod(OLD).in_state(PodState::Terminating));
    let explanation = of(&policy(), &fixture);
    let Some(Link::Pods(pods)) = explanation.links.iter().find(|link| matches!(link, Link::Pods(_))) else {
        panic!("its pods are told")
    };
    let told: Vec<(&str, bool, PodState)> =
        pods.iter().map(|pod| (&*pod.name, matches!(pod.drift, Drift::Stale(_)), pod.state)).collect();
    assert_eq!(
        told,
        [("cart-0", true, PodState::Live), ("cart-1", false, PodState::Live), ("cart-2", true, PodState::Terminating)]
    );
    let containers: Vec<(&str, Option<bool>)> =
        pods[0].containers.iter().map(|container| (&*container.name, container.wanted)).collect();
    assert_eq!(containers, [(SIDECAR, Some(false)), ("app", None)]);
}

#[test]
fn the_next_to_be_restarted_waits_for_nothing() {
    assert_eq!(wait(&of(&policy(), &stale())), Some(&Wait::Nothing));
}

#[test]
fn one_behind_others_waits_for_what_holds_them() {
    let snapshot = cluster([deployment("shop/a").pods(1, OLD), stale()]);
    let explanation = explained(&[&policy()], &snapshot, &stale());
    assert_eq!(wait(&explanation), Some(&Wait::Hold(Hold::Waiting("Deployment shop/a".to_owned()))));
}

#[test]
fn a_shut_gate_is_what_it_waits_for() {
    let gate = deployment("mesh/istiod").unavailable();
    let policy = Policy { preconditions: vec![precondition(&gate)], ..policy() };
    let explanation = explained(&[&policy], &cluster([gate, stale()]), &stale());
    assert!(matches!(wait(&explanation), Some(Wait::Hold(Hold::Preconditions(_)))), "{:?}", wait(&explanation));
}

#[test]
fn what_is_under_way_waits_until_its_time_is_over() {
    let fixture = stale().restarted(&policy(), 1, -10).replacing();
    let explanation = of(&policy(), &fixture);
    assert_eq!(wait(&explanation), Some(&Wait::CompleteBy(at(WINDOW_SECONDS - 10))));
    assert!(matches!(last_restart(&explanation), Some(LastRestart::ForTheseImages(_))));
}

#[test]
fn a_futile_restart_says_when_it_is_tried_again() {
    let fixture = deployment("shop/cart").pod(pod(OLD).created(-50).made_by_restart(&policy(), 1));
    let fixture = fixture.restarted(&policy(), 1, -60);
    assert_eq!(wait(&of(&policy(), &fixture)), Some(&Wait::NextTry(at(30 * 60 - 60))));
}

#[test]
fn a_restart_made_for_other_images_is_told_apart() {
    let others = Policy { images: images(&["other:1"]), ..policy() };
    let explanation = of(&policy(), &stale().restarted(&others, 1, -4000));
    assert!(matches!(last_restart(&explanation), Some(LastRestart::ForOthers(_))));
    assert_eq!(last_restart(&of(&policy(), &stale())), Some(&LastRestart::None));
}

#[test]
fn what_is_restarted_first_is_explained_although_it_is_not_in_scope() {
    let gateway = deployment("mesh/gateway").pod(pod(OLD));
    let mut policy = Policy { restart_first: vec![first(&gateway)], ..policy() };
    policy.scope.namespace_labels = map(&[("a", "b")]);
    let snapshot = cluster([gateway.clone(), stale().namespace_label("a", "b")]);
    let explanation = explained(&[&policy], &snapshot, &gateway);
    assert!(!explanation.is_in_scope() && explanation.first().is_some());
    assert_eq!(wait(&explanation), Some(&Wait::Nothing));
}

#[test]
fn a_fresh_workload_waits_for_nothing_and_nobody() {
    let explanation = of(&policy(), &deployment("shop/cart").pods(2, NEW));
    assert!(explanation.is_in_scope());
    assert_eq!(wait(&explanation), None);
}

#[test]
fn a_deployment_that_only_holds_a_template_leads_to_its_rollout() {
    let holder = deployment("shop/cart");
    let rollout = rollout("shop/cart-rollout").change(|workload| {
        workload.template_from = Some(named(Kind::Deployment, "shop/cart"));
    });
    let snapshot = cluster([holder.clone(), rollout.clone()]);
    assert_eq!(rollouts_made_from(&holder.named(), &snapshot).collect::<Vec<_>>(), [&rollout.named()]);
}
