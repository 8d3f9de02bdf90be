//! Builders: a cluster and a policy in a few words each.

pub(crate) mod brute;
pub(crate) mod model;
mod workload;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use flippy_core::{
    Claims, Decision, DesiredImages, DriftDetection, GateFact, ImageRef, Kind, Labels, NamedWorkload, Plan, PlanEntry,
    Policy, PolicyName, Precondition, PreconditionFact, RestartFirst, RestartObject, Scope, SignedDuration, Snapshot,
    Start, StatusFacts, Strategy, Timestamp, Verdict, Waiting, WaveMemory, Waves, pace, plan, preconditions,
    status_facts, waves,
};

pub(crate) use workload::{
    Fixture, PodFixture, clone_set, clone_set_kind, daemon_set, deployment, facts, pod, replica_set,
    replication_controller, rollout, stateful_set,
};

/// What a mesh that was not upgraded injects.
pub(crate) const OLD: &str = "docker.io/istio/proxyv2:1.29.0";
/// What [`policy`] wants.
pub(crate) const NEW: &str = "docker.io/istio/proxyv2:1.30.4";
/// What [`policy`] looks at.
pub(crate) const SIDECAR: &str = "istio-proxy";
/// How long [`policy`] waits for one restart.
pub(crate) const WINDOW_SECONDS: i64 = 300;

/// So many seconds after the beginning of every test.
pub(crate) fn at(seconds: i64) -> Timestamp {
    "2026-01-05T22:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds)
}

pub(crate) fn image(text: &str) -> ImageRef {
    ImageRef::parse(text).unwrap()
}

pub(crate) fn images(texts: &[&str]) -> DesiredImages {
    DesiredImages::new(texts.iter().map(|text| image(text)))
}

pub(crate) fn labels(pairs: &[(&str, &str)]) -> Labels {
    Arc::new(map(pairs))
}

pub(crate) fn map(pairs: &[(&str, &str)]) -> BTreeMap<Arc<str>, Arc<str>> {
    pairs.iter().map(|(key, value)| (Arc::from(*key), Arc::from(*value))).collect()
}

pub(crate) fn named(kind: Kind, path: &str) -> NamedWorkload {
    let (namespace, name) = path.split_once('/').unwrap();
    NamedWorkload { kind, namespace: namespace.into(), name: name.into() }
}

/// Wants [`NEW`] in [`SIDECAR`] of every kind everywhere, waits for each restart, has no other wishes.
pub(crate) fn policy() -> Policy {
    let restart_object = |kind| RestartObject { kind, waiting: waited() };
    Policy {
        name: PolicyName { namespace: "mesh".into(), name: "sidecars".into() },
        images: images(&[NEW]),
        image_sources: Vec::new(),
        source_unavailable: None,
        drift_detection: DriftDetection::Images,
        scope: Scope {
            containers: BTreeSet::from([SIDECAR.into()]),
            ignore_key: "flippy-ignore".into(),
            ..Scope::default()
        },
        restart_objects: Kind::ALL.into_iter().map(restart_object).collect(),
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

/// As [`policy`], under another name.
pub(crate) fn policy_named(name: &str) -> Policy {
    Policy { name: PolicyName { namespace: "mesh".into(), name: name.into() }, ..policy() }
}

/// As [`policy`], but no restart waits for another.
pub(crate) fn policy_not_waiting() -> Policy {
    let mut policy = policy();
    for object in &mut policy.restart_objects {
        object.waiting = Waiting::NotWaited;
    }
    policy
}

pub(crate) fn waited() -> Waiting {
    Waiting::AtMost(SignedDuration::from_secs(WINDOW_SECONDS))
}

/// A cluster of these workloads; each is in a namespace that exists.
pub(crate) fn cluster(workloads: impl IntoIterator<Item = Fixture>) -> Snapshot {
    let mut snapshot = Snapshot::default();
    for workload in workloads {
        workload.add_to(&mut snapshot);
    }
    snapshot
}

/// Everything that one pass finds out.
pub(crate) struct Pass {
    pub(crate) plan: Plan,
    pub(crate) gate: GateFact,
    pub(crate) preconditions: Vec<PreconditionFact>,
    pub(crate) waves: Waves,
    pub(crate) decision: Decision,
    pub(crate) status: StatusFacts,
}

impl Pass {
    /// One pass of the first policy; the others have their say too.
    pub(crate) fn of(policies: &[&Policy], snapshot: &Snapshot, seconds: i64) -> Self {
        Self::with(policies, snapshot, &BTreeSet::new(), &BTreeMap::new(), at(seconds))
    }

    pub(crate) fn with(
        policies: &[&Policy],
        snapshot: &Snapshot,
        sending: &BTreeSet<Arc<str>>,
        unmet_since: &BTreeMap<NamedWorkload, Timestamp>,
        now: Timestamp,
    ) -> Self {
        Self::remembering(&WaveMemory::default(), policies, snapshot, sending, unmet_since, now)
    }

    pub(crate) fn remembering(
        memory: &WaveMemory,
        policies: &[&Policy],
        snapshot: &Snapshot,
        sending: &BTreeSet<Arc<str>>,
        unmet_since: &BTreeMap<NamedWorkload, Timestamp>,
        now: Timestamp,
    ) -> Self {
        let policy = policies[0];
        let claims = Claims::new(policies, snapshot);
        let plan = plan(policy, &claims, snapshot, &snapshot.pods_by_workload(), now);
        let (gate, preconditions) = preconditions(policy, snapshot, unmet_since, now);
        let waves = waves(policy, &plan, memory, now);
        let decision = pace(policy, &plan, &gate, &waves, sending, now);
        let status = status_facts(policy, &plan, &gate, preconditions.clone(), &waves, &decision, now);
        Self { plan, gate, preconditions, waves, decision, status }
    }

    /// The entry of a workload given as `namespace/name`.
    pub(crate) fn entry(&self, path: &str) -> &PlanEntry {
        self.plan.entries.iter().find(|entry| path_of(&entry.id.named) == path).expect("it is in the plan")
    }

    pub(crate) fn verdict(&self, path: &str) -> &Verdict {
        &self.entry(path).verdict
    }

    /// The word for the verdict of the only workload in scope.
    pub(crate) fn only_verdict(&self) -> &Verdict {
        assert_eq!(self.plan.entries.len(), 1, "exactly one workload is in scope");
        &self.plan.entries[0].verdict
    }

    /// What would be restarted, as `namespace/name`, in the order of the plan.
    pub(crate) fn to_restart(&self) -> Vec<String> {
        let entries = self.plan.entries.iter().filter(|entry| matches!(entry.verdict, Verdict::Restart(_)));
        entries.map(|entry| path_of(&entry.id.named)).collect()
    }

    /// What starts now, as `namespace/name`.
    pub(crate) fn starts(&self) -> Vec<String> {
        self.decision.starts.iter().map(|start| path_of(&start.id.named)).collect()
    }

    pub(crate) fn only_start(&self) -> &Start {
        assert_eq!(self.decision.starts.len(), 1, "exactly one restart starts");
        &self.decision.starts[0]
    }

    pub(crate) fn in_scope(&self) -> Vec<String> {
        self.plan.entries.iter().map(|entry| path_of(&entry.id.named)).collect()
    }

    /// `status reason` of a condition.
    pub(crate) fn condition(&self, kind: &str) -> String {
        let condition = self.status.conditions.iter().find(|condition| condition.kind == kind).expect("it is reported");
        format!("{:?} {}", condition.status, condition.reason)
    }
}

/// One pass of one policy alone.
pub(crate) fn pass(policy: &Policy, snapshot: &Snapshot, seconds: i64) -> Pass {
    Pass::of(&[policy], snapshot, seconds)
}

pub(crate) fn path_of(named: &NamedWorkload) -> String {
    format!("{}/{}", named.namespace, named.name)
}

/// How long [`precondition`] is patient.
pub(crate) const PATIENCE_SECONDS: i64 = 60;

/// A required precondition.
pub(crate) fn precondition(fixture: &Fixture) -> Precondition {
    Precondition { target: fixture.named(), patience: SignedDuration::from_secs(PATIENCE_SECONDS), required: true }
}

/// Restarted before the rest, and waited for.
pub(crate) fn first(fixture: &Fixture) -> RestartFirst {
    RestartFirst { target: fixture.named(), waiting: waited() }
}
