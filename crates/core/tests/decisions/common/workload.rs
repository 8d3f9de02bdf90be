//! Workloads with their pods.

use std::sync::Arc;

use flippy_core::{
    ArgoPhase, ArgoRolloutFacts, Container, CustomFacts, DaemonSetFacts, DeploymentFacts, DisruptionFacts, ImageRef,
    Kind, NamedWorkload, Owner, Pod, PodState, Policy, ReplicaSet, ReplicasFacts, RestartMark, RestartToken,
    RolloutFacts, Snapshot, StatefulSetFacts, TemplateEffect, Timestamp, UpdateStrategy, Workload, WorkloadRef,
};

use super::{SIDECAR, at, labels, named};

/// A workload and its pods. Completely rolled out, unless said otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Fixture {
    pub(crate) workload: Workload,
    pods: Vec<PodFixture>,
    namespace_labels: Vec<(String, String)>,
}

/// A pod of a [`Fixture`]: live, ready and an hour old, unless said otherwise.
#[derive(Clone, Debug)]
pub(crate) struct PodFixture {
    containers: Vec<Container>,
    created_at: Timestamp,
    state: PodState,
    ready: bool,
    ready_changed_at: Timestamp,
    unscheduled: bool,
    token: Option<Arc<str>>,
}

pub(crate) fn deployment(path: &str) -> Fixture {
    let facts = DeploymentFacts {
        replicas_wanted: 2,
        replicas: 2,
        updated: 2,
        available: 2,
        observed_generation: 1,
        ..DeploymentFacts::default()
    };
    Fixture::new(named(Kind::Deployment, path), RolloutFacts::Deployment(facts))
}

/// One that nobody owns.
pub(crate) fn replica_set(path: &str) -> Fixture {
    let facts = ReplicasFacts { replicas_wanted: 2, observed_generation: 1, available: 2 };
    Fixture::new(named(Kind::ReplicaSet, path), RolloutFacts::Replicas(facts))
}

/// One that nobody owns.
pub(crate) fn replication_controller(path: &str) -> Fixture {
    let facts = ReplicasFacts { replicas_wanted: 2, observed_generation: 1, available: 2 };
    Fixture::new(named(Kind::ReplicationController, path), RolloutFacts::Replicas(facts))
}

pub(crate) fn stateful_set(path: &str) -> Fixture {
    let facts = StatefulSetFacts {
        replicas_wanted: 2,
        strategy: UpdateStrategy::Rolling,
        partition: Some(0),
        observed_generation: 1,
        ready: 2,
        updated: 2,
        revisions_equal: true,
    };
    Fixture::new(named(Kind::StatefulSet, path), RolloutFacts::StatefulSet(facts))
}

pub(crate) fn daemon_set(path: &str) -> Fixture {
    let facts = DaemonSetFacts {
        strategy: UpdateStrategy::Rolling,
        observed_generation: 1,
        scheduled_wanted: 2,
        updated: 2,
        available: 2,
    };
    Fixture::new(named(Kind::DaemonSet, path), RolloutFacts::DaemonSet(facts))
}

pub(crate) fn rollout(path: &str) -> Fixture {
    let facts = ArgoRolloutFacts {
        replicas_wanted: 2,
        paused: false,
        restart_at: None,
        restarted_at: None,
        observed_generation: 1,
        phase: ArgoPhase::Healthy,
        updated: 2,
        available: 2,
        revision_in_progress: false,
    };
    Fixture::new(named(Kind::ArgoRollout, path), RolloutFacts::ArgoRollout(facts))
}

/// The kind that stands for all that Flippy does not know.
pub(crate) fn clone_set_kind() -> Kind {
    Kind::named("CloneSet", "apps.kruise.io/v1alpha1").expect("it is a custom kind")
}

/// A workload of a kind that Flippy does not know.
pub(crate) fn clone_set(path: &str) -> Fixture {
    let facts = CustomFacts {
        replicas_wanted: 2,
        paused: false,
        effect: TemplateEffect::ReplacesPods,
        observed_generation: Some(1),
        replicas: Some(2),
        updated: Some(2),
        ready: Some(2),
    };
    Fixture::new(named(clone_set_kind(), path), RolloutFacts::Custom(facts))
}

/// Changes the facts of one kind: `facts!(deployment("a/b"), Deployment, |facts| facts.paused = true)`.
macro_rules! facts {
    ($fixture:expr, $kind:ident, |$facts:ident| $change:expr) => {{
        let mut fixture = $fixture;
        let flippy_core::RolloutFacts::$kind($facts) = &mut fixture.workload.rollout else {
            panic!("the fixture is no {}", stringify!($kind))
        };
        $change;
        fixture
    }};
}
pub(crate) use facts;

pub(crate) fn pod(image: &str) -> PodFixture {
    PodFixture {
        containers: Vec::new(),
        created_at: at(-3600),
        state: PodState::Live,
        ready: true,
        ready_changed_at: at(-3600),
        unscheduled: false,
        token: None,
    }
    .container(SIDECAR, image)
}

impl PodFixture {
    pub(crate) fn without_containers() -> Self {
        Self { containers: Vec::new(), ..pod("none") }
    }

    pub(crate) fn container(mut self, name: &str, image: &str) -> Self {
        let image = ImageRef::parse(image).ok();
        self.containers.push(Container { name: name.into(), image, running_image: None, running_digest: None });
        self
    }

    /// What the status says of the container that was added last.
    pub(crate) fn running(mut self, image: Option<&str>, digest: Option<&str>) -> Self {
        let container = self.containers.last_mut().expect("a container was added");
        container.running_image = image.map(|image| ImageRef::parse(image).unwrap());
        container.running_digest = digest.map(Arc::from);
        self
    }

    pub(crate) fn created(self, seconds: i64) -> Self {
        Self { created_at: at(seconds), ready_changed_at: at(seconds), ..self }
    }

    pub(crate) fn in_state(self, state: PodState) -> Self {
        Self { state, ..self }
    }

    /// Not ready since it was created.
    pub(crate) fn unready(self) -> Self {
        Self { ready: false, ready_changed_at: self.created_at, ..self }
    }

    /// Not ready, because no node was found for it.
    pub(crate) fn unscheduled(self) -> Self {
        Self { unscheduled: true, ..self.unready() }
    }

    /// It was ready, until then.
    pub(crate) fn unready_since(self, seconds: i64) -> Self {
        Self { ready: false, ready_changed_at: at(seconds), ..self }
    }

    /// Made from a template that was marked by a restart.
    pub(crate) fn made_by_restart(self, policy: &Policy, attempt: u32) -> Self {
        Self { token: Some(token(policy, attempt).to_string().into()), ..self }
    }
}

fn token(policy: &Policy, attempt: u32) -> RestartToken {
    RestartToken { hash: policy.images.hash().into(), attempt }
}

impl Fixture {
    fn new(named: NamedWorkload, rollout: RolloutFacts) -> Self {
        let uid = format!("uid of {named}").into();
        let workload = Workload {
            id: WorkloadRef { named, uid },
            generation: 1,
            revision: 0,
            deleting: false,
            owned: false,
            labels: labels(&[]),
            annotations: labels(&[]),
            template_labels: labels(&[]),
            template_annotations: labels(&[]),
            template_fingerprint: 0,
            template_from: None,
            mark: None,
            disruption: DisruptionFacts::default(),
            rollout,
        };
        Self { workload, pods: Vec::new(), namespace_labels: Vec::new() }
    }

    /// Adds as many pods with this sidecar.
    pub(crate) fn pods(mut self, count: usize, image: &str) -> Self {
        self.pods.extend(std::iter::repeat_n(pod(image), count));
        self
    }

    pub(crate) fn pod(mut self, pod: PodFixture) -> Self {
        self.pods.push(pod);
        self
    }

    /// Restarted by Flippy for what a policy wants.
    pub(crate) fn restarted(mut self, policy: &Policy, attempt: u32, seconds: i64) -> Self {
        self.workload.mark = Some(RestartMark {
            token: token(policy, attempt),
            at: at(seconds),
            unhealthy_before: false,
            evicts_until: None,
        });
        self
    }

    /// Restarted by Flippy although it was unhealthy.
    pub(crate) fn restarted_unhealthy(mut self, policy: &Policy, seconds: i64) -> Self {
        self = self.restarted(policy, 1, seconds);
        self.workload.mark.as_mut().expect("just set").unhealthy_before = true;
        self
    }

    /// Restarted by Flippy by eviction: pods created until then are to go.
    pub(crate) fn evicted(mut self, policy: &Policy, seconds: i64, until_seconds: i64) -> Self {
        self = self.restarted(policy, 1, seconds);
        self.workload.mark.as_mut().expect("just set").evicts_until = Some(at(until_seconds));
        self
    }

    /// Its rollout is under way: nothing is updated yet.
    pub(crate) fn replacing(self) -> Self {
        self.with_progress(0, 2)
    }

    /// Its pods are updated, none is available.
    pub(crate) fn unavailable(self) -> Self {
        self.with_progress(2, 0)
    }

    fn with_progress(mut self, updated_now: i64, available_now: i64) -> Self {
        match &mut self.workload.rollout {
            RolloutFacts::Deployment(facts) => (facts.updated, facts.available) = (updated_now, available_now),
            RolloutFacts::StatefulSet(facts) => (facts.updated, facts.ready) = (updated_now, available_now),
            RolloutFacts::DaemonSet(facts) => (facts.updated, facts.available) = (updated_now, available_now),
            RolloutFacts::Replicas(facts) => facts.available = available_now,
            RolloutFacts::Custom(facts) => (facts.updated, facts.ready) = (Some(updated_now), Some(available_now)),
            RolloutFacts::ArgoRollout(facts) => {
                (facts.available, facts.phase) = (available_now, ArgoPhase::Progressing);
                facts.revision_in_progress = updated_now == 0;
            }
        }
        self
    }

    pub(crate) fn change(mut self, change: impl FnOnce(&mut Workload)) -> Self {
        change(&mut self.workload);
        self
    }

    pub(crate) fn namespace_label(mut self, key: &str, value: &str) -> Self {
        self.namespace_labels.push((key.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn named(&self) -> NamedWorkload {
        self.workload.id.named.clone()
    }

    /// Adds it to a cluster, in a namespace that exists.
    pub(crate) fn add_to(self, snapshot: &mut Snapshot) {
        let id = &self.workload.id;
        let namespace = id.named.namespace.clone();
        if snapshot.namespace(&namespace).is_none() || !self.namespace_labels.is_empty() {
            let pairs: Vec<(&str, &str)> =
                self.namespace_labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            snapshot.upsert_namespace(namespace.clone(), labels(&pairs));
        }
        let through_replica_set = matches!(id.named.kind, Kind::Deployment | Kind::ArgoRollout);
        let owner_uid: Arc<str> =
            if through_replica_set { format!("replica set of {}", id.uid).into() } else { id.uid.clone() };
        if through_replica_set {
            snapshot.upsert_replica_set(ReplicaSet { uid: owner_uid.clone(), owner_uid: Some(id.uid.clone()) });
        }
        let owner = Owner { kind: "ignored".into(), name: "ignored".into(), uid: owner_uid };
        for (number, pod) in self.pods.into_iter().enumerate() {
            snapshot.upsert_pod(Pod {
                uid: format!("pod {number} of {}", id.uid).into(),
                namespace: namespace.clone(),
                name: format!("{}-{number}", id.named.name).into(),
                owner: Some(owner.clone()),
                revision: 0,
                created_at: pod.created_at,
                state: pod.state,
                ready: pod.ready,
                ready_changed_at: pod.ready_changed_at,
                unscheduled: pod.unscheduled,
                restart_token: pod.token,
                stray: None,
                containers: pod.containers.into(),
            });
        }
        snapshot.upsert_workload(self.workload);
    }
}
