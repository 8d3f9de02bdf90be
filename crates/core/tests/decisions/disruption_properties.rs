//! Turns and budgets on any small cluster, compared with a slow reading of the rules.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use flippy_core::{
    DisruptionBudget, Kind, NamedWorkload, Requirement, Selector, Snapshot, Verdict, Workload, group_name,
};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::common::{
    Fixture, NEW, OLD, Pass, at, cluster, deployment, pod, policy_named, policy_not_waiting, stateful_set,
};

const KEYS: [&str; 3] = ["app", "tier", "app.kubernetes.io/name"];
const VALUES: [&str; 2] = ["x", "y"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Settled,
    /// By itself.
    Rolling,
    /// A restart of ours, a moment ago.
    Restarted,
    /// A restart of ours that never came to its end.
    Overdue,
    Crashing,
}

#[derive(Clone, Debug)]
struct Drawn {
    namespace: &'static str,
    kind: Kind,
    labels: BTreeMap<Arc<str>, Arc<str>>,
    group: Option<&'static str>,
    state: State,
    surges: bool,
    sending: bool,
}

fn map() -> impl Strategy<Value = BTreeMap<Arc<str>, Arc<str>>> {
    btree_map(select(&KEYS[..]).prop_map(Arc::from), select(&VALUES[..]).prop_map(Arc::from), 0..3)
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let states = [State::Settled, State::Settled, State::Rolling, State::Restarted, State::Overdue, State::Crashing];
    let place = (select(&["a", "b"][..]), select(&[Kind::Deployment, Kind::StatefulSet][..]));
    let more = (option::weighted(0.3, select(&["", "g", "h"][..])), select(states.to_vec()));
    (place, map(), more, any::<bool>(), prop::bool::weighted(0.1)).prop_map(
        |((namespace, kind), labels, (group, state), surges, sending)| Drawn {
            namespace,
            kind,
            labels,
            group,
            state,
            surges,
            sending,
        },
    )
}

fn requirement() -> impl Strategy<Value = Requirement> {
    let values = prop::collection::btree_set(select(&VALUES[..]).prop_map(Arc::from), 1..3);
    (select(&KEYS[..]), values, 0..4).prop_map(|(key, values, operator)| match operator {
        0 => Requirement::In(key.into(), values),
        1 => Requirement::NotIn(key.into(), values),
        2 => Requirement::Exists(key.into()),
        _ => Requirement::DoesNotExist(key.into()),
    })
}

fn budgets() -> impl Strategy<Value = Vec<DisruptionBudget>> {
    let selector = prop_oneof![
        1 => Just(Selector::Nothing),
        9 => vec(requirement(), 0..3).prop_map(Selector::Every),
    ];
    let budget = (select(&["a", "b"][..]), selector, 0..3i64, 1..3i64);
    vec(budget, 0..4).prop_map(|budgets| {
        let budget =
            |(number, (namespace, selector, allowed, observed_generation)): (usize, (&str, Selector, i64, i64))| {
                DisruptionBudget {
                    namespace: namespace.into(),
                    name: format!("b{number}").into(),
                    uid: format!("uid of b{number}").into(),
                    selector,
                    generation: 2,
                    observed_generation,
                    allowed,
                    healthy: 4 + allowed,
                    desired_healthy: 4,
                    expected_pods: 9,
                }
            };
        budgets.into_iter().enumerate().map(budget).collect()
    })
}

fn fixture(number: usize, drawn: &Drawn) -> Fixture {
    let path = format!("{}/w{number}", drawn.namespace);
    let fixture = match drawn.kind {
        Kind::StatefulSet => stateful_set(&path),
        _ => deployment(&path),
    };
    let policy = policy_not_waiting();
    let fixture = fixture.pods(2, OLD);
    let fixture = match drawn.state {
        State::Settled => fixture,
        State::Rolling => fixture.replacing(),
        State::Restarted => fixture.restarted(&policy, 1, -20).replacing(),
        State::Overdue => fixture.restarted(&policy, 1, -100_000).replacing(),
        State::Crashing => fixture.unavailable(),
    };
    let drawn = drawn.clone();
    fixture.change(move |workload: &mut Workload| {
        let mut labels = drawn.labels;
        if labels.contains_key("app.kubernetes.io/name") {
            labels.insert("app.kubernetes.io/instance".into(), "i".into());
        }
        workload.template_labels = Arc::new(labels);
        workload.disruption.group = drawn.group.map(group_name);
        workload.disruption.takes_nothing_away = drawn.surges;
    })
}

/// The slow reading: do two workloads share something?
fn share(one: &Workload, two: &Workload, budgets: &[DisruptionBudget]) -> bool {
    let namespace = &one.id.named.namespace;
    if *namespace != two.id.named.namespace {
        return false;
    }
    let covers = |budget: &DisruptionBudget, workload: &Workload| budget.selector.matches(&workload.template_labels);
    let by_budget =
        budgets.iter().any(|budget| budget.namespace == *namespace && covers(budget, one) && covers(budget, two));
    let group = |workload: &Workload| match workload.disruption.group.as_deref() {
        Some("") => None,
        Some(group) => Some(format!("named {group}")),
        None if workload.kind() == Kind::StatefulSet => {
            workload.template_labels.get("app.kubernetes.io/name").map(|name| format!("application {name}"))
        }
        None => None,
    };
    by_budget || (group(one).is_some() && group(one) == group(two))
}

fn forbids(budget: &DisruptionBudget, workload: &Workload) -> bool {
    let covers = budget.namespace == workload.id.named.namespace && budget.selector.matches(&workload.template_labels);
    let allows = budget.allowed > 0 && budget.observed_generation == budget.generation;
    covers && !allows && !workload.disruption.takes_nothing_away
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_two_policies_start_disturbs_nobody_and_nobody_waits_without_reason(
        drawn in vec(drawn(), 1..7),
        budgets in budgets(),
    ) {
        let fixtures = drawn.iter().enumerate().map(|(number, drawn)| fixture(number, drawn));
        let proof = deployment("zz/proof").pod(pod(NEW).created(-1));
        let mut snapshot: Snapshot = cluster(fixtures.chain([proof]));
        for budget in &budgets {
            snapshot.upsert_disruption_budget(budget.clone());
        }
        let state: BTreeMap<NamedWorkload, &Drawn> =
            drawn.iter().enumerate().map(|(number, drawn)| (fixture(number, drawn).named(), drawn)).collect();
        let is_moving = |workload: &Workload| state.get(&workload.id.named).is_some_and(|drawn| {
            drawn.sending || matches!(drawn.state, State::Rolling | State::Restarted | State::Overdue)
        });
        let mut sending: BTreeSet<Arc<str>> = snapshot.workloads()
            .filter(|workload| state.get(&workload.id.named).is_some_and(|drawn| drawn.sending))
            .map(|workload| workload.id.uid.clone())
            .collect();
        // Each sees what the other has decided to start a moment ago.
        let mut started: Vec<NamedWorkload> = Vec::new();
        let (one, two) = (policy_not_waiting(), {
            let mut two = policy_named("two");
            two.restart_objects = one_kind();
            two
        });
        let mut passes = Vec::new();
        for policies in [[&two, &one], [&one, &two]] {
            let pass = Pass::with(&policies, &snapshot, &sending, &BTreeMap::new(), at(0));
            for start in &pass.decision.starts {
                sending.insert(start.id.uid.clone());
                started.push(start.id.named.clone());
            }
            passes.push(pass);
        }
        let workload = |named: &NamedWorkload| snapshot.workload(named).expect("it is in the cluster");
        for named in &started {
            for other in snapshot.workloads().filter(|other| other.id.named != *named) {
                prop_assert!(
                    !share(workload(named), other, &budgets) || !(is_moving(other) || started.contains(&other.id.named)),
                    "{named} started although {} is under way", other.id,
                );
            }
            prop_assert!(!budgets.iter().any(|budget| forbids(budget, workload(named))), "{named} started against its budget");
        }
        // And whoever did not start had a reason.
        let last = passes.last().expect("there were two");
        for entry in last.plan.entries.iter().filter(|entry| !started.contains(&entry.id.named)) {
            let waits = matches!(entry.verdict, Verdict::Restart(_)) || entry.verdict.reason() == Some("DisruptionBudget")
                || entry.verdict.reason() == Some("Group");
            let this = workload(&entry.id.named);
            let others = || snapshot.workloads().filter(|other| other.id.named != this.id.named && share(this, other, &budgets));
            let has_reason = sending.contains(&this.id.uid)
                || others().any(|other| is_moving(other) || started.contains(&other.id.named))
                || budgets.iter().any(|budget| forbids(budget, this));
            prop_assert!(!waits || has_reason, "{} waits for nothing: {:?}", entry.id, entry.verdict);
        }
    }
}

/// Not waited for, and only one kind: not every member is in its scope.
fn one_kind() -> Vec<flippy_core::RestartObject> {
    vec![flippy_core::RestartObject { kind: Kind::StatefulSet, waiting: flippy_core::Waiting::NotWaited }]
}
