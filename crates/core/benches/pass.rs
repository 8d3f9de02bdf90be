//! One whole pass over a big cluster in the middle of a campaign: 100,000 pods of 10,000 workloads in 200 namespaces.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use divan::Bencher;
use flippy_core::{
    Claims, Container, DeploymentFacts, DesiredImages, DisruptionBudget, DisruptionFacts, ImageRef, Kind,
    NamedWorkload, Owner, Pod, PodState, Policy, PolicyName, ReplicaSet, Requirement, RestartMark, RestartObject,
    RestartToken, RolloutFacts, Scope, Selector, SignedDuration, Snapshot, StatusFacts, Strategy, Timestamp, Waiting,
    WaveMemory, Workload, WorkloadRef, pace, plan, preconditions, status_facts, waves,
};

const NAMESPACES: usize = 200;
const WORKLOADS: usize = 10_000;
const PODS_PER_WORKLOAD: usize = 10;

fn main() {
    divan::main();
}

#[divan::bench(args = [1, 5])]
fn pass(bencher: Bencher<'_, '_>, policies: usize) {
    let policies: Vec<Policy> = (0..policies).map(policy).collect();
    let snapshot = snapshot(&policies);
    bencher.bench_local(|| whole_pass(&policies, &snapshot));
}

/// A budget for each workload, and one for each namespace: everything takes turns.
#[divan::bench]
fn pass_with_disruption_budgets(bencher: Bencher<'_, '_>) {
    let policies = [policy(0)];
    let mut snapshot = snapshot(&policies);
    let workloads: Vec<Workload> = snapshot.workloads().cloned().collect();
    for workload in workloads {
        let NamedWorkload { namespace, name, .. } = workload.id.named.clone();
        let app: Arc<str> = "app".into();
        snapshot.upsert_workload(Workload {
            template_labels: Arc::new([(app.clone(), name.clone()), ("tier".into(), "web".into())].into()),
            ..workload
        });
        let own = Selector::Every(vec![Requirement::In(app, [name.clone()].into())]);
        snapshot.upsert_disruption_budget(budget(namespace.clone(), name, own));
        snapshot.upsert_disruption_budget(budget(namespace, "all".into(), Selector::Every(Vec::new())));
    }
    bencher.bench_local(|| whole_pass(&policies, &snapshot));
}

fn budget(namespace: Arc<str>, name: Arc<str>, selector: Selector) -> DisruptionBudget {
    let uid = format!("{namespace}/{name}").into();
    DisruptionBudget {
        namespace,
        name,
        uid,
        selector,
        generation: 1,
        observed_generation: 1,
        allowed: 1,
        healthy: 10,
        desired_healthy: 9,
        expected_pods: 10,
    }
}

/// What the driver does on each wake-up, without the acting and reporting.
fn whole_pass(policies: &[Policy], snapshot: &Snapshot) -> Vec<StatusFacts> {
    let policies: Vec<&Policy> = policies.iter().collect();
    let claims = Claims::new(&policies, snapshot);
    let pods = snapshot.pods_by_workload();
    let status_of = |policy: &&Policy| {
        let plan = plan(policy, &claims, snapshot, &pods, now());
        let (gate, facts) = preconditions(policy, snapshot, &BTreeMap::new(), now());
        let waves = waves(policy, &plan, &WaveMemory::default(), now());
        let decision = pace(policy, &plan, &gate, &waves, &BTreeSet::new(), now());
        status_facts(policy, &plan, &gate, facts, &waves, &decision, now())
    };
    policies.iter().map(status_of).collect()
}

fn now() -> Timestamp {
    "2026-01-05T22:00:00Z".parse().expect("it is a time")
}

fn image(text: &str) -> ImageRef {
    ImageRef::parse(text).expect("it is a reference")
}

/// Every policy is about every workload: the worst case.
fn policy(number: usize) -> Policy {
    let window = Waiting::AtMost(SignedDuration::from_secs(300));
    Policy {
        name: PolicyName { namespace: "mesh".into(), name: format!("sidecars-{number}").into() },
        images: DesiredImages::new([image("istio/proxyv2:1.30.4"), image("istio/proxyv2:1.30.4-distroless")]),
        image_sources: Vec::new(),
        source_unavailable: None,
        drift_detection: flippy_core::DriftDetection::Images,
        scope: Scope {
            namespace_labels: [("istio-injection".into(), "enabled".into())].into(),
            containers: ["istio-proxy".into(), "istio-init".into()].into(),
            ignore_key: "flippy-ignore".into(),
            ..Scope::default()
        },
        restart_objects: [Kind::Deployment, Kind::ArgoRollout]
            .map(|kind| RestartObject { kind, waiting: window })
            .to_vec(),
        preconditions: Vec::new(),
        gates: Vec::new(),
        notifications: Vec::new(),
        restart_first: Vec::new(),
        strategy: Strategy::default(),
        waves: Vec::new(),
        approvals: BTreeMap::new(),
        windows: Vec::new(),
        resumed_at: None,
        retries: flippy_core::Retries::default(),
        suspended: false,
        dry_run: false,
        notes: Vec::new(),
    }
}

/// The first half is done, the rest is stale.
fn snapshot(policies: &[Policy]) -> Snapshot {
    let mut snapshot = Snapshot::default();
    let namespaces: Vec<Arc<str>> = (0..NAMESPACES).map(|number| format!("team-{number:03}").into()).collect();
    for namespace in &namespaces {
        snapshot.upsert_namespace(namespace.clone(), Arc::new([("istio-injection".into(), "enabled".into())].into()));
    }
    let nothing = Arc::new(BTreeMap::new());
    let token = RestartToken { hash: policies[0].images.hash().into(), attempt: 1 };
    let token_text: Arc<str> = token.to_string().into();
    for number in 0..WORKLOADS {
        let is_done = number < WORKLOADS / 2;
        let namespace = &namespaces[number * NAMESPACES / WORKLOADS];
        let uid: Arc<str> = format!("7d0a6b52-0000-4000-8000-{number:012}").into();
        let named = NamedWorkload {
            kind: Kind::Deployment,
            namespace: namespace.clone(),
            name: format!("service-{number:05}").into(),
        };
        let replica_set: Arc<str> = format!("9e1b7c63-0000-4000-8000-{number:012}").into();
        snapshot.upsert_replica_set(ReplicaSet { uid: replica_set.clone(), owner_uid: Some(uid.clone()) });
        // As the operator holds them: one record for all pods of a template.
        let containers = containers(number, if is_done { "istio/proxyv2:1.30.4" } else { "istio/proxyv2:1.29.0" });
        for pod in 0..PODS_PER_WORKLOAD {
            snapshot.upsert_pod(Pod {
                uid: format!("5c3f8d74-{pod:04}-4000-8000-{number:012}").into(),
                namespace: namespace.clone(),
                name: format!("service-{number:05}-6d4cf56db6-{pod:05}").into(),
                owner: Some(Owner { kind: "ReplicaSet".into(), name: named.name.clone(), uid: replica_set.clone() }),
                revision: 1,
                created_at: now() - SignedDuration::from_secs(3600),
                state: PodState::Live,
                ready: true,
                ready_changed_at: now() - SignedDuration::from_secs(3600),
                unscheduled: false,
                stray: None,
                restart_token: is_done.then(|| token_text.clone()),
                containers: containers.clone(),
            });
        }
        let mark = RestartMark {
            token: token.clone(),
            at: now() - SignedDuration::from_secs(3700),
            unhealthy_before: false,
            evicts_until: None,
        };
        snapshot.upsert_workload(Workload {
            id: WorkloadRef { named, uid },
            generation: 1,
            revision: 1,
            deleting: false,
            owned: false,
            labels: nothing.clone(),
            annotations: nothing.clone(),
            template_labels: nothing.clone(),
            template_annotations: nothing.clone(),
            template_fingerprint: 0,
            template_from: None,
            mark: is_done.then_some(mark),
            disruption: DisruptionFacts::default(),
            rollout: RolloutFacts::Deployment(settled()),
        });
    }
    snapshot
}

fn containers(number: usize, sidecar: &str) -> Arc<[Container]> {
    let container = |name: &str, text: &str| Container {
        name: name.into(),
        image: Some(image(text)),
        running_image: Some(image(text)),
        running_digest: None,
    };
    [
        container("app", &format!("registry.example.com/service-{number}:1.4.2")),
        container("istio-proxy", sidecar),
        container("istio-init", sidecar),
    ]
    .into()
}

fn settled() -> DeploymentFacts {
    let replicas = i64::try_from(PODS_PER_WORKLOAD).expect("it is small");
    DeploymentFacts {
        replicas_wanted: replicas,
        paused: false,
        observed_generation: 1,
        replicas,
        updated: replicas,
        available: replicas,
        progress_deadline_exceeded: false,
    }
}
