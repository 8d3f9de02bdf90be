//! What holds for every policy and every cluster, also hostile ones.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use flippy_core::{
    FirstState, Gate, Kind, MAX_STARTS_PER_PASS, MethodChoice, PodState, Policy, RestartFirst, RestartObject,
    RolloutFacts, ScopeQuestion, SignedDuration, Snapshot, TemplateEffect, Timestamp, UpdateStrategy, Verdict, Waiting,
    explain,
};
use proptest::prelude::*;
use proptest::sample::select;

use crate::common::{
    Fixture, NEW, OLD, Pass, PodFixture, SIDECAR, at, clone_set, clone_set_kind, cluster, daemon_set, deployment,
    images, labels, map, policy, precondition, replica_set, replication_controller, rollout, stateful_set,
};

const NAMESPACES: [&str; 3] = ["bank", "mesh", "shop"];

fn number() -> impl Strategy<Value = i64> {
    prop_oneof![6 => 0..4_i64, 1 => select(vec![i64::MIN, -1, i64::MAX])]
}

fn time() -> impl Strategy<Value = Timestamp> {
    prop_oneof![6 => (-4000..700_i64).prop_map(at), 1 => select(vec![Timestamp::MIN, Timestamp::MAX])]
}

fn waiting() -> impl Strategy<Value = Waiting> {
    let durations =
        vec![SignedDuration::MIN, SignedDuration::ZERO, SignedDuration::from_secs(300), SignedDuration::MAX];
    prop_oneof![Just(Waiting::NotWaited), select(durations).prop_map(Waiting::AtMost)]
}

fn pod() -> impl Strategy<Value = PodFixture> {
    let container = (select(vec![SIDECAR, "app", ""]), select(vec![NEW, OLD, "Not An Image", ""]));
    let containers = prop::collection::vec(container, 0..3);
    let state = select(vec![PodState::Live, PodState::Live, PodState::Live, PodState::Terminating, PodState::Finished]);
    (containers, state, any::<bool>(), -4000..700_i64, 0..3_u32).prop_map(
        |(containers, state, ready, created, attempt)| {
            let pod = PodFixture::without_containers().in_state(state).created(created);
            let pod = containers.into_iter().fold(pod, |pod, (name, image)| pod.container(name, image));
            let pod = if ready { pod } else { pod.unready() };
            if attempt > 0 { pod.made_by_restart(&policy(), attempt) } else { pod }
        },
    )
}

fn kinds() -> Vec<Kind> {
    Kind::ALL.into_iter().chain([clone_set_kind()]).collect()
}

fn fixture(index: usize) -> impl Strategy<Value = Fixture> {
    let kind = select(kinds());
    let numbers = prop::array::uniform6(number());
    let mark = prop::option::of((1..4_u32, time(), any::<bool>(), any::<bool>(), prop::option::of(time())));
    let oddities = (prop::bool::weighted(0.1), prop::bool::weighted(0.1), any::<bool>(), any::<bool>());
    let pods = prop::collection::vec(pod(), 0..4);
    (kind, select(NAMESPACES.to_vec()), numbers, mark, oddities, pods).prop_map(
        move |(kind, namespace, numbers, mark, (deleting, ignored, flag, on_delete), pods)| {
            let path = format!("{namespace}/w{index}");
            let mut fixture = match kind {
                Kind::Deployment => deployment(&path),
                Kind::StatefulSet => stateful_set(&path),
                Kind::DaemonSet => daemon_set(&path),
                Kind::ArgoRollout => rollout(&path),
                Kind::ReplicaSet => replica_set(&path),
                Kind::ReplicationController => replication_controller(&path),
                Kind::Custom(_) => clone_set(&path),
            };
            scramble(&mut fixture.workload.rollout, numbers, flag, on_delete);
            fixture.workload.generation = numbers[5];
            fixture.workload.deleting = deleting;
            if ignored {
                fixture.workload.annotations = labels(&[("flippy-ignore", "true")]);
            }
            if let Some((attempt, time, ours, unhealthy_before, evicts_until)) = mark {
                let made_for = if ours { policy() } else { Policy { images: images(&["other:1"]), ..policy() } };
                fixture = fixture.restarted(&made_for, attempt, 0).change(|workload| {
                    let mark = workload.mark.as_mut().expect("just set");
                    (mark.at, mark.unhealthy_before, mark.evicts_until) = (time, unhealthy_before, evicts_until);
                });
            }
            pods.into_iter().fold(fixture, Fixture::pod)
        },
    )
}

/// Half of the workloads keep the numbers of a settled one.
fn scramble(
    facts: &mut RolloutFacts,
    [wanted, updated, available, replicas, observed, _]: [i64; 6],
    flag: bool,
    on_delete: bool,
) {
    let strategy = if on_delete { UpdateStrategy::OnDelete } else { UpdateStrategy::Rolling };
    if flag {
        return;
    }
    match facts {
        RolloutFacts::Deployment(facts) => {
            (facts.replicas_wanted, facts.replicas, facts.updated, facts.available) =
                (wanted, replicas, updated, available);
            facts.observed_generation = observed;
            facts.paused = on_delete;
        }
        RolloutFacts::StatefulSet(facts) => {
            (facts.replicas_wanted, facts.ready, facts.updated, facts.strategy) =
                (wanted, available, updated, strategy);
            (facts.partition, facts.observed_generation) = (Some(replicas), observed);
        }
        RolloutFacts::DaemonSet(facts) => {
            (facts.scheduled_wanted, facts.available, facts.updated, facts.strategy) =
                (wanted, available, updated, strategy);
            facts.observed_generation = observed;
        }
        RolloutFacts::Replicas(facts) => {
            (facts.replicas_wanted, facts.available, facts.observed_generation) = (wanted, available, observed);
        }
        RolloutFacts::Custom(facts) => {
            let told = |number: i64| (number % 2 == 0).then_some(number);
            (facts.replicas_wanted, facts.paused, facts.observed_generation) = (wanted, on_delete, told(observed));
            (facts.replicas, facts.updated, facts.ready) = (told(replicas), told(updated), told(available));
            facts.effect = match replicas {
                1 => TemplateEffect::InPlace,
                2 => TemplateEffect::ReplacesSome,
                3 => TemplateEffect::NoTemplate,
                _ => TemplateEffect::ReplacesPods,
            };
        }
        RolloutFacts::ArgoRollout(facts) => {
            (facts.replicas_wanted, facts.available, facts.paused) = (wanted, available, on_delete);
            facts.observed_generation = observed;
            facts.restart_at = Some(at(replicas.clamp(0, 9)));
        }
    }
}

pub(crate) fn fixtures() -> impl Strategy<Value = Vec<Fixture>> {
    (0..10_usize).prop_flat_map(|count| (0..count).map(fixture).collect::<Vec<_>>())
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let objects = prop::collection::vec((select(kinds()), waiting()), 0..5);
    let first = prop::collection::vec((select(NAMESPACES.to_vec()), 0..10_usize, waiting()), 0..3);
    let gates = prop::collection::vec((0..10_usize, any::<bool>()), 0..2);
    let flags = (prop::bool::weighted(0.1), prop::bool::weighted(0.1), prop::bool::weighted(0.1));
    let only = prop::option::weighted(0.2, select(NAMESPACES.to_vec()));
    let method = select(vec![MethodChoice::Auto, MethodChoice::Patch, MethodChoice::Evict]);
    (objects, first, gates, flags, only, method).prop_map(|(objects, first, gates, flags, only, method)| {
        let (suspended, dry_run, empty) = flags;
        let mut policy = Policy { suspended, dry_run, ..policy() };
        policy.strategy.method = method;
        policy.restart_objects = objects.into_iter().map(|(kind, waiting)| RestartObject { kind, waiting }).collect();
        let target = |namespace: &str, index: usize| deployment(&format!("{namespace}/w{index}"));
        policy.restart_first = first
            .into_iter()
            .map(|(namespace, index, waiting)| RestartFirst { target: target(namespace, index).named(), waiting })
            .collect();
        policy.preconditions = gates
            .into_iter()
            .map(|(index, required)| {
                let mut precondition = precondition(&target("mesh", index));
                precondition.required = required;
                precondition
            })
            .collect();
        if empty {
            policy.images = images(&[]);
        }
        policy.scope.only_namespace = only.map(Arc::from);
        policy
    })
}

/// One that asks for labels and annotations, which [`labelled_as`] gives to some workloads.
fn filtering_policy() -> impl Strategy<Value = Policy> {
    (any_policy(), any::<[bool; 3]>()).prop_map(|(mut policy, [namespace, template, annotations])| {
        let wanted = |asked: bool| if asked { map(&[("a", "b")]) } else { map(&[]) };
        policy.scope.namespace_labels = wanted(namespace);
        policy.scope.template_labels = wanted(template);
        policy.scope.template_annotations = wanted(annotations);
        policy
    })
}

fn labelled_as(fixture: Fixture, [namespace, template, annotations, ignored]: [bool; 4]) -> Fixture {
    let fixture = if namespace { fixture.namespace_label("a", "b") } else { fixture };
    fixture.change(|workload| {
        workload.template_labels = labels(&[("a", if template { "b" } else { "c" })]);
        let annotation = if annotations { ("a", "b") } else { ("flippy-ignore", if ignored { "True" } else { "no" }) };
        workload.template_annotations = labels(&[annotation]);
    })
}

fn asks_for_labels(question: ScopeQuestion) -> bool {
    use ScopeQuestion::{NamespaceLabels, TemplateAnnotations, TemplateLabels};
    matches!(question, NamespaceLabels | TemplateLabels | TemplateAnnotations)
}

fn pass(policy: &Policy, snapshot: &Snapshot) -> Pass {
    Pass::with(&[policy], snapshot, &BTreeSet::new(), &BTreeMap::new(), at(0))
}

/// Which workloads a plan must hold, computed the slow way.
fn expected_in_scope(policy: &Policy, snapshot: &Snapshot) -> BTreeSet<String> {
    let index = snapshot.pods_by_workload();
    let matches = |uid: &str| {
        let pods = index.of(uid);
        pods.is_empty()
            || pods
                .iter()
                .any(|pod| pod.containers.iter().any(|container| policy.scope.containers.contains(&container.name)))
    };
    snapshot
        .workloads()
        .filter(|workload| {
            policy.selects_nothing().is_none() && policy.admits(workload, snapshot) && matches(&workload.id.uid)
        })
        .map(|workload| workload.id.to_string())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_workload_in_scope_is_in_the_plan_exactly_once(policy in any_policy(), fixtures in fixtures()) {
        let snapshot = cluster(fixtures);
        let pass = pass(&policy, &snapshot);
        let planned: Vec<String> = pass.plan.entries.iter().map(|entry| entry.id.to_string()).collect();
        let once: BTreeSet<String> = planned.iter().cloned().collect();
        prop_assert_eq!(planned.len(), once.len());
        prop_assert_eq!(once, expected_in_scope(&policy, &snapshot));
        prop_assert_eq!(pass.status.counters.total(), planned.len());
    }

    #[test]
    fn an_explanation_says_in_scope_if_and_only_if_the_plan_has_the_workload(
        policy in filtering_policy(), fixtures in prop::collection::vec(any::<[bool; 4]>(), 10), workloads in fixtures()
    ) {
        let workloads = workloads.into_iter().zip(fixtures).map(|(workload, labelled)| labelled_as(workload, labelled));
        let snapshot = cluster(workloads);
        let pods = snapshot.pods_by_workload();
        let pass = pass(&policy, &snapshot);
        for workload in snapshot.workloads() {
            let explanation = explain(&policy, &pass.plan, &pass.waves, &pass.decision, workload, &snapshot, &pods);
            let planned = pass.plan.entries.iter().find(|entry| entry.id == workload.id);
            prop_assert_eq!(explanation.is_in_scope(), planned.is_some());
            prop_assert_eq!(explanation.entry().map(|entry| &entry.verdict), planned.map(|entry| &entry.verdict));
            // Whoever is told "no" is told why.
            prop_assert!(explanation.scope().all(|link| link.met || link.lacking.is_empty() != asks_for_labels(link.question)));
        }
    }

    #[test]
    fn the_plan_does_not_depend_on_the_order_in_which_things_were_seen(policy in any_policy(), fixtures in fixtures()) {
        let forwards = pass(&policy, &cluster(fixtures.clone()));
        let backwards = pass(&policy, &cluster(fixtures.into_iter().rev()));
        prop_assert_eq!(format!("{:?}", forwards.plan), format!("{:?}", backwards.plan));
        prop_assert_eq!(forwards.decision, backwards.decision);
        prop_assert_eq!(forwards.status, backwards.status);
    }

    #[test]
    fn only_what_the_plan_says_starts_and_each_at_most_once(policy in any_policy(), fixtures in fixtures()) {
        let snapshot = cluster(fixtures);
        let pass = pass(&policy, &snapshot);
        let starts = &pass.decision.starts;
        prop_assert!(starts.len() <= MAX_STARTS_PER_PASS);
        let uids: BTreeSet<&Arc<str>> = starts.iter().map(|start| &start.id.uid).collect();
        prop_assert_eq!(uids.len(), starts.len());
        let due: BTreeSet<_> = pass.plan.first.iter().filter_map(|first| match &first.state {
            FirstState::Due { id, .. } => Some(id.clone()),
            _ => None,
        }).collect();
        for start in starts {
            let workload = snapshot.workload(&start.id.named).unwrap();
            let planned = pass.plan.entries.iter().any(|entry| entry.id == start.id && matches!(entry.verdict, Verdict::Restart(_)));
            prop_assert!(planned || due.contains(&start.id));
            prop_assert!(!workload.deleting && workload.generation == start.generation);
            prop_assert!(policy.scope.only_namespace.as_ref().is_none_or(|only| *only == start.id.named.namespace));
            prop_assert!(start.token.attempt > 0 && !start.because.is_empty());
        }
    }

    #[test]
    fn nothing_starts_when_suspended_or_on_a_dry_run_or_behind_a_shut_gate(policy in any_policy(), fixtures in fixtures()) {
        let snapshot = cluster(fixtures);
        for policy in [Policy { suspended: true, ..policy.clone() }, Policy { dry_run: true, ..policy.clone() }, policy] {
            let pass = pass(&policy, &snapshot);
            if policy.suspended || policy.dry_run || pass.gate.gate == Gate::Shut {
                prop_assert!(pass.decision.starts.is_empty());
                prop_assert!(pass.decision.evictions.is_empty());
                prop_assert!(pass.decision.hold.is_some() || !pass.plan.needs_restart());
                prop_assert!(pass.decision.hold.is_none() || pass.plan.has_work());
            }
        }
    }

    #[test]
    fn of_those_that_are_waited_for_one_starts_and_only_when_none_is_under_way(fixtures in fixtures(), sent in any::<prop::sample::Index>()) {
        let snapshot = cluster(fixtures);
        let healthy = |pass: &Pass| pass.decision.starts.iter().filter(|start| !start.unhealthy_before).count();
        let pass = pass(&policy(), &snapshot);
        prop_assert!(healthy(&pass) <= 1);
        let under_way = pass.plan.entries.iter().any(|entry| {
            entry.verdict == Verdict::InFlight && snapshot.workload(&entry.id.named).unwrap().mark.as_ref().is_some_and(|mark| !mark.unhealthy_before)
        });
        prop_assert!(!under_way || pass.decision.starts.is_empty());
        if let Some(start) = pass.decision.starts.get(sent.index(pass.decision.starts.len().max(1))) {
            let sending = BTreeSet::from([start.id.uid.clone()]);
            let next = Pass::with(&[&policy()], &snapshot, &sending, &BTreeMap::new(), at(0));
            prop_assert!(next.decision.starts.iter().all(|again| again.id != start.id));
            prop_assert!(start.unhealthy_before || next.decision.starts.is_empty());
        }
    }

    #[test]
    fn without_stale_pods_nothing_starts(policy in any_policy(), fixtures in fixtures()) {
        let mut snapshot = cluster(fixtures);
        let stale: BTreeSet<Arc<str>> = snapshot.pods()
            .filter(|pod| pod.containers.iter().any(|container| *container.name == *SIDECAR && !policy.images.accepts(container)))
            .map(|pod| pod.uid.clone())
            .collect();
        snapshot.retain_pods(|uid| !stale.contains(uid));
        prop_assert!(pass(&policy, &snapshot).decision.starts.is_empty());
    }

    #[test]
    fn what_waits_says_why_and_time_is_never_asked_for_in_the_past(policy in any_policy(), fixtures in fixtures()) {
        let pass = pass(&policy, &cluster(fixtures));
        let to_restart = pass.to_restart().len();
        let all_started = pass.decision.starts.len() >= to_restart;
        let full = pass.decision.starts.len() == MAX_STARTS_PER_PASS;
        prop_assert!(all_started || full || pass.decision.hold.is_some());
        prop_assert!(pass.decision.recheck_at.is_none_or(|recheck| recheck > at(0) || full));
    }

    #[test]
    fn status_is_bounded_and_ready_means_done(policy in any_policy(), fixtures in fixtures()) {
        let pass = pass(&policy, &cluster(fixtures));
        let status = &pass.status;
        prop_assert!([&status.in_flight, &status.blocked, &status.failed].iter().all(|list| list.len() <= 50));
        if pass.condition("Ready").starts_with("True") {
            prop_assert_eq!(status.counters.done(), status.counters.total());
        }
        if pass.condition("Stalled").starts_with("True") {
            prop_assert!(pass.condition("Ready").starts_with("False"));
        }
    }
}
