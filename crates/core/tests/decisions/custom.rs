//! Workloads of kinds that Flippy does not know.

use flippy_core::{
    Method, MethodChoice, Owner, Policy, Progress, RestartFirst, RestartObject, Snapshot, StrayFacts, TemplateEffect,
    progress_of,
};

use crate::common::{
    Fixture, NEW, OLD, WINDOW_SECONDS, at, clone_set, clone_set_kind, cluster, deployment, facts, pass, pod, policy,
    waited,
};

/// Wants [`NEW`] in the custom kind too.
fn naming() -> Policy {
    let mut policy = policy();
    policy.restart_objects.push(RestartObject { kind: clone_set_kind(), waiting: waited() });
    policy
}

fn verdict(fixture: Fixture, seconds: i64) -> String {
    pass(&naming(), &cluster([fixture]), seconds).only_verdict().as_str().to_owned()
}

fn reason(policy: &Policy, fixture: Fixture) -> Option<&'static str> {
    pass(policy, &cluster([fixture]), 0).only_verdict().reason()
}

fn with(effect: TemplateEffect) -> Fixture {
    facts!(clone_set("a/b").pods(2, OLD), Custom, |facts| facts.effect = effect)
}

/// With nothing in its status that would tell how far a rollout is.
fn without_status(fixture: Fixture) -> Fixture {
    facts!(fixture, Custom, |facts| {
        (facts.observed_generation, facts.replicas, facts.updated, facts.ready) = (None, None, None, None);
    })
}

/// The same, restarted at 0 s.
fn silent() -> Fixture {
    without_status(clone_set("a/b").restarted(&naming(), 1, 0))
}

#[test]
fn it_is_restarted_through_its_template_where_a_policy_names_its_kind() {
    let pass = pass(&naming(), &cluster([clone_set("a/b").pods(2, OLD)]), 0);
    assert_eq!(pass.only_start().method, Method::Patch);
    assert_eq!(pass.only_start().id.to_string(), "CloneSet.apps.kruise.io a/b");
}

#[test]
fn it_is_not_in_scope_where_no_policy_does() {
    assert!(pass(&policy(), &cluster([clone_set("a/b").pods(2, OLD)]), 0).in_scope().is_empty());
}

#[test]
fn it_goes_in_the_order_of_the_policy_like_any_kind() {
    let mut custom_first = naming();
    custom_first.restart_objects.rotate_right(1);
    let snapshot = || cluster([deployment("a/d").pods(1, OLD), clone_set("a/c").pods(1, OLD)]);
    assert_eq!(pass(&naming(), &snapshot(), 0).to_restart(), ["a/d", "a/c"]);
    assert_eq!(pass(&custom_first, &snapshot(), 0).to_restart(), ["a/c", "a/d"]);
}

#[test]
fn its_rollout_is_judged_by_its_status() {
    let progress = |change: fn(&mut flippy_core::CustomFacts)| {
        progress_of(&facts!(clone_set("a/b"), Custom, |facts| change(facts)).workload)
    };
    assert_eq!(progress(|_| {}), Progress::Complete);
    assert_eq!(progress(|facts| facts.paused = true), Progress::Paused);
    assert_eq!(progress(|facts| facts.observed_generation = Some(0)), Progress::NotObserved);
    assert_eq!(progress(|facts| facts.updated = Some(1)), Progress::Replacing);
    assert_eq!(progress(|facts| facts.replicas = Some(3)), Progress::Replacing);
    assert_eq!(progress(|facts| facts.ready = Some(1)), Progress::Unavailable);
}

#[test]
fn what_its_status_does_not_tell_holds_nothing_up() {
    let progress = |change: fn(&mut flippy_core::CustomFacts)| {
        progress_of(&facts!(clone_set("a/b"), Custom, |facts| change(facts)).workload)
    };
    assert_eq!(progress(|facts| facts.observed_generation = None), Progress::Complete);
    assert_eq!(progress(|facts| facts.updated = None), Progress::Complete);
    assert_eq!(progress(|facts| facts.ready = None), Progress::Complete);
}

#[test]
fn without_a_status_a_restart_is_under_way_until_every_pod_is_new_and_ready() {
    let old = || pod(OLD);
    let new = || pod(NEW).created(5).made_by_restart(&naming(), 1);
    assert_eq!(verdict(silent().pod(old()).pod(old()), 1), "InFlight");
    assert_eq!(verdict(silent().pod(new()).pod(old()), 10), "InFlight");
    assert_eq!(verdict(silent().pod(new()), 10), "InFlight", "one is missing");
    assert_eq!(verdict(silent().pod(new()).pod(new().unready()), 10), "InFlight");
    assert_eq!(verdict(silent().pod(new()).pod(new()), 10), "Fresh");
}

#[test]
fn without_a_status_it_is_unhealthy_and_goes_last_unless_every_pod_is_there_and_ready() {
    let two_pods = |name: &str| without_status(clone_set(name)).pod(pod(OLD)).pod(pod(OLD));
    let sick = || without_status(clone_set("a/a")).pod(pod(OLD));
    for sick in [sick(), sick().pod(pod(OLD).unready())] {
        let pass = pass(&naming(), &cluster([sick, two_pods("a/b")]), 0);
        assert_eq!(pass.to_restart(), ["a/b", "a/a"]);
        assert_eq!(["a/b", "a/a"].map(|path| pass.entry(path).healthy), [true, false]);
    }
    let mut first = naming();
    first.restart_first.push(RestartFirst { target: sick().named(), waiting: waited() });
    assert!(pass(&first, &cluster([sick(), two_pods("a/b")]), 0).only_start().unhealthy_before);
}

#[test]
fn without_a_status_it_fails_in_time_like_any_other() {
    let fixture = silent().pod(pod(OLD)).pod(pod(OLD));
    assert_eq!(verdict(fixture, WINDOW_SECONDS), "Failed");
}

#[test]
fn pods_that_do_not_get_the_annotations_of_their_template_are_told_by_their_age() {
    let new = || pod(NEW).created(0);
    assert_eq!(verdict(silent().pod(new()).pod(pod(OLD)), 10), "InFlight");
    assert_eq!(verdict(silent().pod(new()).pod(pod(NEW).created(-1)), 10), "InFlight", "it was fresh before");
    assert_eq!(verdict(silent().pod(new()).pod(new()), 10), "Fresh");
}

#[test]
fn age_does_not_count_where_a_pod_got_the_token() {
    let with_token = pod(NEW).created(5).made_by_restart(&naming(), 1);
    let from_the_old_template = pod(NEW).created(2);
    assert_eq!(verdict(silent().pod(with_token).pod(from_the_old_template), 10), "InFlight");
}

#[test]
fn age_tells_nothing_of_known_kinds() {
    let restarted = deployment("a/b").restarted(&policy(), 1, 0).pod(pod(NEW).created(5)).pod(pod(NEW).created(5));
    assert_eq!(pass(&policy(), &cluster([restarted]), 10).only_verdict().as_str(), "InFlight");
}

#[test]
fn it_is_blocked_where_a_changed_template_would_not_replace_its_pods() {
    for (effect, expected) in [
        (TemplateEffect::InPlace, "InPlaceUpdate"),
        (TemplateEffect::NoTemplate, "NoTemplate"),
        (TemplateEffect::ReplacesNone, "OnDelete"),
        (TemplateEffect::ReplacesSome, "Partition"),
    ] {
        for method in [MethodChoice::Auto, MethodChoice::Patch] {
            let mut policy = naming();
            policy.strategy.method = method;
            assert_eq!(reason(&policy, with(effect)), Some(expected), "{method:?}");
        }
    }
}

#[test]
fn its_pods_are_evicted_only_where_the_policy_says_so_and_there_is_a_template() {
    let mut policy = naming();
    policy.strategy.method = MethodChoice::Evict;
    let method = |effect| pass(&policy, &cluster([with(effect)]), 0).only_start().method;
    for effect in [TemplateEffect::ReplacesPods, TemplateEffect::InPlace, TemplateEffect::ReplacesSome] {
        assert_eq!(method(effect), Method::Evict, "{effect:?}");
    }
    assert_eq!(reason(&policy, with(TemplateEffect::NoTemplate)), Some("NoTemplate"));
}

#[test]
fn one_that_is_paused_is_blocked() {
    let paused = facts!(clone_set("a/b").pods(2, OLD), Custom, |facts| facts.paused = true);
    assert_eq!(reason(&naming(), paused), Some("Paused"));
}

#[test]
fn a_restart_from_before_it_was_updated_in_place_is_nobodys_any_more() {
    let fixture = with(TemplateEffect::InPlace).restarted(&naming(), 1, 0);
    assert_eq!(reason(&naming(), fixture), Some("InPlaceUpdate"));
}

#[test]
fn a_rollout_of_somebody_else_that_stands_still_is_given_up() {
    let mut snapshot = cluster([clone_set("a/b").pods(2, OLD).replacing()]);
    snapshot.note_progress(at(0));
    assert_eq!(pass(&naming(), &snapshot, 599).only_verdict().as_str(), "Converging");
    snapshot.note_progress(at(600));
    assert_eq!(pass(&naming(), &snapshot, 600).only_verdict().reason(), Some("NoProgress"));
}

/// A stale pod of a `CloneSet`, as the watch of pods shows it.
fn stray(snapshot: &mut Snapshot) {
    clone_set("shop/cart").pods(1, OLD).add_to(snapshot);
    let mut pod = snapshot.pods().next().expect("it was added").clone();
    pod.stray = Some(Box::new(StrayFacts {
        owner_api_version: Some("apps.kruise.io/v1alpha1".into()),
        ..StrayFacts::default()
    }));
    pod.owner = pod.owner.map(|owner| Owner { kind: "CloneSet".into(), ..owner });
    snapshot.upsert_pod(pod);
}

#[test]
fn its_stale_pods_are_left_alone_where_no_policy_names_it_and_it_is_said_what_to_write() {
    let mut snapshot = Snapshot::default();
    stray(&mut snapshot);
    let alone = pass(&policy(), &snapshot, 0).plan.left_alone;
    assert_eq!(alone.len(), 1);
    let what_to_write = "add {Type: CloneSet, ApiVersion: apps.kruise.io/v1alpha1} to spec.RestartObjects";
    assert!(alone[0].to_string().contains(what_to_write), "{}", alone[0]);
    let named = pass(&naming(), &snapshot, 0);
    assert_eq!(named.plan.left_alone, []);
    assert_eq!(named.to_restart(), ["shop/cart"]);
}
