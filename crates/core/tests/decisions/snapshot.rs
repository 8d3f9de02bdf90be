//! The snapshot: idempotent, and never fooled by late news of another object.

use flippy_core::{PodState, ReplicaSet};

use crate::common::{Fixture, NEW, OLD, cluster, deployment, pass, pod, policy, stateful_set};

fn uids_of_pods(snapshot: &flippy_core::Snapshot, fixture: &Fixture) -> usize {
    snapshot.pods_by_workload().of(&fixture.workload.id.uid).len()
}

#[test]
fn adding_the_same_things_twice_changes_nothing() {
    let fixture = deployment("a/b").pods(2, OLD);
    let mut snapshot = cluster([fixture.clone()]);
    fixture.clone().add_to(&mut snapshot);
    assert_eq!(snapshot.workloads().count(), 1);
    assert_eq!(uids_of_pods(&snapshot, &fixture), 2);
}

#[test]
fn news_that_decide_nothing_are_no_change() {
    let fixture = deployment("a/b").pods(1, OLD);
    let mut snapshot = cluster([fixture.clone()]);
    let pod = snapshot.pods().next().unwrap().clone();
    assert!(!snapshot.upsert_workload(fixture.workload.clone()));
    assert!(!snapshot.upsert_pod(pod.clone()));
    assert!(snapshot.upsert_workload(fixture.change(|workload| workload.generation += 1).workload));
    assert!(snapshot.upsert_pod(flippy_core::Pod { ready: !pod.ready, ..pod }));
}

#[test]
fn late_news_of_an_objects_end_does_not_remove_its_successor() {
    let mut snapshot = cluster([deployment("a/b").change(|workload| workload.id.uid = "new".into())]);
    let named = deployment("a/b").named();
    snapshot.remove_workload(&named, "old");
    assert!(snapshot.workload(&named).is_some());
    snapshot.remove_workload(&named, "new");
    assert!(snapshot.workload(&named).is_none());
}

#[test]
fn news_older_than_the_answer_to_our_own_patch_is_dropped() {
    let named = deployment("a/b").named();
    let patched = deployment("a/b").change(|workload| workload.generation = 2);
    let mut snapshot = cluster([patched]);
    snapshot.upsert_workload(deployment("a/b").workload);
    assert_eq!(snapshot.workload(&named).unwrap().generation, 2);
}

#[test]
fn a_successor_of_the_same_name_starts_at_its_own_generation() {
    let named = deployment("a/b").named();
    let mut snapshot = cluster([deployment("a/b").change(|workload| workload.generation = 9)]);
    snapshot.upsert_workload(deployment("a/b").change(|workload| workload.id.uid = "new".into()).workload);
    assert_eq!(snapshot.workload(&named).unwrap().generation, 1);
}

#[test]
fn pods_whose_replica_set_is_not_known_yet_belong_to_nobody() {
    let fixture = deployment("a/b").pods(1, OLD);
    let mut snapshot = cluster([fixture.clone()]);
    let replica_set = format!("replica set of {}", fixture.workload.id.uid);
    snapshot.remove_replica_set(&replica_set);
    assert_eq!(uids_of_pods(&snapshot, &fixture), 0);
    snapshot
        .upsert_replica_set(ReplicaSet { uid: replica_set.into(), owner_uid: Some(fixture.workload.id.uid.clone()) });
    assert_eq!(uids_of_pods(&snapshot, &fixture), 1);
}

#[test]
fn pods_of_a_replica_set_without_an_owner_are_no_workloads() {
    let mut snapshot = cluster([deployment("a/b").pods(1, OLD)]);
    let replica_set = format!("replica set of {}", deployment("a/b").workload.id.uid);
    snapshot.upsert_replica_set(ReplicaSet { uid: replica_set.into(), owner_uid: None });
    assert_eq!(pass(&policy(), &snapshot, 0).only_verdict().as_str(), "Idle");
}

#[test]
fn only_live_pods_are_grouped() {
    let fixture = stateful_set("a/b")
        .pods(1, OLD)
        .pod(pod(OLD).in_state(PodState::Terminating))
        .pod(pod(OLD).in_state(PodState::Finished));
    assert_eq!(uids_of_pods(&cluster([fixture.clone()]), &fixture), 1);
}

#[test]
fn a_pod_that_is_gone_no_longer_counts() {
    let fixture = deployment("a/b").pods(1, NEW).pods(1, OLD);
    let mut snapshot = cluster([fixture.clone()]);
    snapshot.remove_pod(&format!("pod 1 of {}", fixture.workload.id.uid));
    assert_eq!(pass(&policy(), &snapshot, 0).only_verdict().as_str(), "Fresh");
}

#[test]
fn a_refusal_is_about_one_generation_of_one_object_until_its_time() {
    let fixture = deployment("a/b");
    let mut snapshot = cluster([fixture.clone()]);
    let refusal = flippy_core::Refusal {
        generation: 1,
        message: "no".into(),
        retry_at: crate::common::at(60),
        unanswered: false,
    };
    snapshot.note_refusal(fixture.workload.id.uid.clone(), refusal);
    let is_refused = |snapshot: &flippy_core::Snapshot, workload: &flippy_core::Workload, seconds| {
        snapshot.refusal(workload, crate::common::at(seconds)).is_some()
    };
    assert!(is_refused(&snapshot, &fixture.workload, 59));
    assert!(!is_refused(&snapshot, &fixture.workload, 60));
    let changed = fixture.clone().change(|workload| workload.generation = 2).workload;
    assert!(!is_refused(&snapshot, &changed, 0));
    snapshot.forget_refusal(&fixture.workload.id.uid);
    assert!(!is_refused(&snapshot, &fixture.workload, 0));
}

#[test]
fn what_is_not_kept_is_forgotten() {
    let mut snapshot = cluster([deployment("a/b").pods(1, OLD), deployment("c/d").pods(1, OLD)]);
    snapshot.retain_workloads(|workload| workload.id.named.namespace.as_ref() == "a");
    snapshot.retain_namespaces(|name| name == "a");
    snapshot.retain_pods(|_| false);
    snapshot.retain_replica_sets(|_| false);
    assert_eq!((snapshot.workloads().count(), snapshot.pods().count()), (1, 0));
    assert!(snapshot.namespace("a").is_some() && snapshot.namespace("c").is_none());
}
