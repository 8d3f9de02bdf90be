//! Stale pods that no workload of a known kind owns: said, and never taken away.

use std::sync::Arc;

use flippy_core::{
    Container, ImageRef, LeftAlone, MissingSidecar, Owner, Pod, PodState, Policy, Snapshot, StrayFacts, WhyLeftAlone,
};

use crate::common::{NEW, OLD, SIDECAR, at, deployment, labels, map, pass, policy};
use crate::injection::{answer, gets, injected};

/// A stale bare pod that never ends.
fn bare(name: &str) -> Pod {
    Pod {
        uid: name.into(),
        namespace: "shop".into(),
        name: name.into(),
        owner: None,
        revision: 0,
        created_at: at(-3600),
        state: PodState::Live,
        ready: true,
        ready_changed_at: at(-3600),
        unscheduled: false,
        restart_token: None,
        stray: Some(Box::new(StrayFacts { restarts: true, ..StrayFacts::default() })),
        containers: sidecar(OLD),
    }
}

fn sidecar(image: &str) -> Arc<[Container]> {
    let image = ImageRef::parse(image).ok();
    [Container { name: SIDECAR.into(), image, running_image: None, running_digest: None }].into()
}

fn owned(name: &str, api_version: &str, kind: &str, owner: &str) -> Pod {
    let mut pod = bare(name);
    pod.owner = Some(Owner { kind: kind.into(), name: owner.into(), uid: format!("uid of {owner}").into() });
    pod.stray = Some(Box::new(StrayFacts { owner_api_version: Some(api_version.into()), ..StrayFacts::default() }));
    pod
}

fn ending(mut pod: Pod, seconds: i64) -> Pod {
    pod.stray.as_mut().expect("it is one").ends_by = Some(at(seconds));
    pod
}

fn left_alone(policy: &Policy, pods: impl IntoIterator<Item = Pod>) -> Vec<LeftAlone> {
    let mut snapshot = Snapshot::default();
    snapshot.upsert_namespace("shop".into(), labels(&[("team", "shop")]));
    for pod in pods {
        snapshot.upsert_pod(pod);
    }
    pass(policy, &snapshot, 0).plan.left_alone
}

fn only(pods: impl IntoIterator<Item = Pod>) -> LeftAlone {
    let mut found = left_alone(&policy(), pods);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

#[test]
fn a_bare_pod_is_told_with_when_it_ends() {
    let alone = only([bare("debug")]);
    assert_eq!((&*alone.what, alone.reason()), ("Pod shop/debug", "BarePod"));
    assert_eq!(alone.why, WhyLeftAlone::Bare { restarts: true, ends_by: None });
    assert!(alone.to_string().ends_with("it stays until somebody deletes it"));
    let mut once = bare("import");
    once.stray = Some(Box::default());
    assert!(only([once]).to_string().ends_with("it ends by itself"));
}

#[test]
fn the_pods_of_a_job_are_told_once_with_when_the_last_of_them_ends() {
    let pods = [("a", 60), ("b", 90)].map(|(name, at)| ending(owned(name, "batch/v1", "Job", "report"), at));
    let alone = only(pods);
    assert_eq!((&*alone.what, alone.pods, alone.reason()), ("Job shop/report", 2, "JobPod"));
    assert_eq!(alone.why, WhyLeftAlone::Job { ends_by: Some(at(90)) });
    let pods = [ending(owned("a", "batch/v1", "Job", "report"), 60), owned("b", "batch/v1", "Job", "report")];
    assert_eq!(only(pods).why, WhyLeftAlone::Job { ends_by: None });
}

#[test]
fn a_controller_of_a_foreign_kind_is_told_by_its_version_and_kind() {
    let alone = only([owned("cart-x", "apps.kruise.io/v1alpha1", "CloneSet", "cart")]);
    assert_eq!((&*alone.what, alone.reason()), ("CloneSet shop/cart", "UnknownOwner"));
    let (api_version, kind) = ("apps.kruise.io/v1alpha1".to_owned(), "CloneSet".to_owned());
    assert_eq!(alone.why, WhyLeftAlone::UnknownOwner { api_version, kind });
}

#[test]
fn static_pods_are_told_one_by_one() {
    let found = left_alone(&policy(), ["a", "b"].map(|name| owned(name, "v1", "Node", "node-1")));
    let found: Vec<(&str, &str)> = found.iter().map(|alone| (&*alone.what, alone.reason())).collect();
    assert_eq!(found, [("Pod shop/a", "StaticPod"), ("Pod shop/b", "StaticPod")]);
}

#[test]
fn what_is_fresh_finished_or_out_of_scope_is_not_told() {
    let fresh = Pod { containers: sidecar(NEW), ..bare("fresh") };
    let finished = Pod { state: PodState::Finished, ..bare("finished") };
    let elsewhere = Pod { namespace: "unknown".into(), ..bare("elsewhere") };
    let mut ignored = bare("ignored");
    ignored.stray.as_mut().expect("it is one").annotations = labels(&[("flippy-ignore", "true")]);
    assert_eq!(left_alone(&policy(), [fresh, finished, elsewhere, ignored]), []);
}

#[test]
fn its_own_labels_and_annotations_stand_in_for_those_of_a_template() {
    let mut asking = policy();
    asking.scope.template_labels = map(&[("a", "b")]);
    assert_eq!(left_alone(&asking, [bare("debug")]), []);
    let mut labelled = bare("debug");
    labelled.stray.as_mut().expect("it is one").labels = labels(&[("a", "b")]);
    assert_eq!(left_alone(&asking, [labelled.clone()]).len(), 1);
    asking.scope.namespace_labels = map(&[("team", "bank")]);
    assert_eq!(left_alone(&asking, [labelled]), []);
}

#[test]
fn it_is_reported_and_nothing_else_comes_of_it() {
    let policy = policy();
    let mut snapshot = Snapshot::default();
    deployment("shop/cart").pods(2, NEW).add_to(&mut snapshot);
    snapshot.upsert_pod(bare("debug"));
    let pass = pass(&policy, &snapshot, 0);
    assert_eq!(pass.condition("Ready"), "True AllFresh");
    assert_eq!(pass.status.left_alone_pods, 1);
    assert_eq!(pass.status.left_alone[0].workload, "Pod shop/debug");
    assert_eq!(pass.decision.starts, []);
    assert_eq!(pass.decision.evictions, []);
}

#[test]
fn without_a_list_it_is_compared_with_what_workloads_would_get_once_all_of_them_were_asked_about() {
    let policy = injected(MissingSidecar::Ignore);
    let mut snapshot = Snapshot::default();
    for path in ["shop/cart", "shop/till"] {
        deployment(path).pods(2, NEW).add_to(&mut snapshot);
    }
    snapshot.upsert_pod(bare("debug"));
    snapshot.upsert_pod(Pod { containers: sidecar(NEW), ..bare("fresh") });
    let mut told = |answers: &[(&str, &str)]| {
        for (path, image) in answers {
            answer(&mut snapshot, path, 0, gets(image));
        }
        let alone = pass(&policy, &snapshot, 1).plan.left_alone;
        alone.into_iter().map(|alone| alone.what).collect::<Vec<_>>()
    };
    assert!(told(&[]).is_empty());
    assert!(told(&[("shop/cart", NEW)]).is_empty(), "the other one may get what it runs");
    assert_eq!(told(&[("shop/till", NEW)]), ["Pod shop/debug"]);
    assert!(told(&[("shop/till", OLD)]).is_empty());
}
