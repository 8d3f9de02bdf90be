//! A cluster in a few lines: it carries out restarts, replaces pods with what the injector hands out, and lets time pass.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use flippy_core::{
    ArgoPhase, ArgoRolloutFacts, Claims, Container, Decision, DeploymentFacts, DisruptionFacts, ImageRef, Kind, Owner,
    Plan, Pod, PodState, Policy, RestartMark, RolloutFacts, Snapshot, Start, Timestamp, WaveMemory, Workload,
    WorkloadRef, pace, plan, preconditions, waves,
};

use super::{NEW, SIDECAR, at, image, labels, named};

/// How long a rollout takes from its new pods to their being ready.
pub(crate) const ROLLOUT_SECONDS: i64 = 20;

/// The cluster, as its API server knows it.
pub(crate) struct Model {
    pub(crate) now_seconds: i64,
    /// What the injector gives to new pods.
    pub(crate) injected: ImageRef,
    workloads: BTreeMap<Arc<str>, Modelled>,
    /// What watches have not delivered yet.
    events: VecDeque<Event>,
}

/// How a workload behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Behaviour {
    /// Deployment or Argo Rollout.
    pub(crate) kind: Kind,
    /// It names its own sidecar image: what it runs, it gets again.
    pub(crate) pinned: bool,
    /// Its new pods never become ready.
    pub(crate) never_ready: bool,
    /// One of its pods is missing from the beginning.
    pub(crate) unhealthy: bool,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self { kind: Kind::Deployment, pinned: false, never_ready: false, unhealthy: false }
    }
}

struct Modelled {
    id: WorkloadRef,
    behaviour: Behaviour,
    generation: i64,
    observed_generation: i64,
    mark: Option<RestartMark>,
    /// When the next step of its rollout is due: first the new pods, then their being ready.
    new_pods_at: Option<i64>,
    ready_at: Option<i64>,
    /// When its rollout was complete after a restart.
    complete_at: Option<i64>,
    pods: Vec<Pod>,
    restarts: usize,
    pods_made: usize,
}

enum Event {
    Workload(Box<Workload>),
    Pod(Box<Pod>),
    PodGone(Arc<str>),
}

impl Model {
    /// So many workloads of two pods each, named `shop/w000` and so on, all on `running`.
    pub(crate) fn new(behaviours: impl IntoIterator<Item = Behaviour>, running: &str) -> Self {
        Self::in_namespaces(behaviours, running, &["shop"])
    }

    /// The same, in these namespaces in turn.
    pub(crate) fn in_namespaces(
        behaviours: impl IntoIterator<Item = Behaviour>,
        running: &str,
        namespaces: &[&str],
    ) -> Self {
        let mut model =
            Self { now_seconds: 0, injected: image(NEW), workloads: BTreeMap::new(), events: VecDeque::new() };
        for (number, behaviour) in behaviours.into_iter().enumerate() {
            let uid: Arc<str> = format!("uid {number}").into();
            let path = format!("{}/w{number:03}", namespaces[number % namespaces.len()]);
            let id = WorkloadRef { named: named(behaviour.kind, &path), uid: uid.clone() };
            let mut workload = Modelled {
                id,
                behaviour,
                generation: 1,
                observed_generation: 1,
                mark: None,
                new_pods_at: None,
                ready_at: None,
                complete_at: None,
                pods: Vec::new(),
                restarts: 0,
                pods_made: 0,
            };
            for _ in 0..2 {
                let pod = workload.new_pod(image(running), -3600, true);
                workload.pods.push(pod);
            }
            model.workloads.insert(uid, workload);
        }
        model
    }

    pub(crate) fn now(&self) -> Timestamp {
        at(self.now_seconds)
    }

    /// What a fresh list of everything gives. Events from before it are moot.
    pub(crate) fn list(&mut self) -> Snapshot {
        self.events.clear();
        let mut snapshot = Snapshot::default();
        for workload in self.workloads.values() {
            let namespace = &workload.id.named.namespace;
            // As every namespace has.
            snapshot.upsert_namespace(namespace.clone(), labels(&[("kubernetes.io/metadata.name", namespace)]));
            snapshot.upsert_workload(workload.record());
            for pod in &workload.pods {
                snapshot.upsert_pod(pod.clone());
            }
        }
        snapshot
    }

    /// Delivers at most so many events, oldest first.
    pub(crate) fn deliver(&mut self, snapshot: &mut Snapshot, at_most: usize) {
        let count = at_most.min(self.events.len());
        for event in self.events.drain(..count) {
            match event {
                Event::Workload(workload) => {
                    snapshot.upsert_workload(*workload);
                }
                Event::Pod(pod) => {
                    snapshot.upsert_pod(*pod);
                }
                Event::PodGone(uid) => snapshot.remove_pod(&uid),
            }
        }
    }

    /// Carries out a patch, guarded by uid and generation. The answer is what the API server sends back.
    pub(crate) fn restart(&mut self, start: &Start) -> Option<Workload> {
        let now_seconds = self.now_seconds;
        let workload = self.workloads.get_mut(&start.id.uid)?;
        if workload.generation != start.generation {
            return None;
        }
        workload.generation += 1;
        workload.restarts += 1;
        workload.mark = Some(RestartMark {
            token: start.token.clone(),
            at: start.at,
            unhealthy_before: start.unhealthy_before,
            evicts_until: None,
        });
        workload.new_pods_at = Some(now_seconds.max(start.at.as_second() - at(0).as_second()) + 1);
        workload.ready_at = None;
        workload.complete_at = None;
        let record = workload.record();
        self.events.push_back(Event::Workload(Box::new(record.clone())));
        Some(record)
    }

    /// Moves on to the next moment at which anything happens by itself, or by so many seconds if that is sooner.
    pub(crate) fn advance(&mut self, at_most_seconds: i64) {
        let steps = self.workloads.values().filter_map(|workload| workload.new_pods_at.or(workload.ready_at));
        let next = steps.min().unwrap_or(i64::MAX).max(self.now_seconds + 1);
        self.now_seconds = next.min(self.now_seconds + at_most_seconds.max(1));
        let Self { now_seconds, injected, workloads, events } = self;
        for workload in workloads.values_mut() {
            workload.step(*now_seconds, injected, events);
        }
    }

    /// Whether any rollout is under way.
    pub(crate) fn is_moving(&self) -> bool {
        self.workloads.values().any(|workload| workload.new_pods_at.or(workload.ready_at).is_some())
    }

    /// Names of workloads whose restart is under way and that were healthy before it.
    pub(crate) fn under_way(&self) -> Vec<&str> {
        let under_way = self.workloads.values().filter(|workload| {
            let waited_for = workload.mark.as_ref().is_some_and(|mark| !mark.unhealthy_before);
            waited_for && workload.new_pods_at.or(workload.ready_at).is_some()
        });
        under_way.map(|workload| workload.id.named.name.as_ref()).collect()
    }

    /// How many workloads of each namespace a restart disturbs now: until it is complete and has stayed so, at most for
    /// its window.
    pub(crate) fn disturbed_in(&self, window_seconds: i64, soak_seconds: i64) -> BTreeMap<&str, usize> {
        let mut disturbed = BTreeMap::new();
        for workload in self.workloads.values() {
            let Some(mark) = &workload.mark else { continue };
            let until = match workload.complete_at {
                Some(complete) => complete + soak_seconds,
                None => mark.at.as_second() - at(0).as_second() + window_seconds,
            };
            if self.now_seconds < until {
                *disturbed.entry(workload.id.named.namespace.as_ref()).or_default() += 1;
            }
        }
        disturbed
    }

    pub(crate) fn workloads_in(&self, namespace: &str) -> usize {
        self.workloads.values().filter(|workload| workload.id.named.namespace.as_ref() == namespace).count()
    }

    pub(crate) fn never_restarted_in(&self, namespace: &str) -> usize {
        let of_namespace = self.workloads.values().filter(|workload| workload.id.named.namespace.as_ref() == namespace);
        of_namespace.filter(|workload| workload.restarts == 0).count()
    }

    /// When restarts were made, by the marks they left, in order.
    pub(crate) fn marks(&self) -> Vec<Timestamp> {
        let mut marks: Vec<_> =
            self.workloads.values().filter_map(|workload| Some(workload.mark.as_ref()?.at)).collect();
        marks.sort();
        marks
    }

    /// How often each workload was restarted, in the order of their names.
    pub(crate) fn restarts(&self) -> Vec<usize> {
        let by_name: BTreeMap<_, _> =
            self.workloads.values().map(|workload| (&workload.id.named.name, workload.restarts)).collect();
        by_name.into_values().collect()
    }

    pub(crate) fn restarts_in_all(&self) -> usize {
        self.restarts().iter().sum()
    }

    /// Pods that run this image.
    pub(crate) fn pods_on(&self, wanted: &str) -> usize {
        let wanted = image(wanted);
        let pods = self.workloads.values().flat_map(|workload| &workload.pods);
        pods.filter(|pod| pod.containers[0].image.as_ref() == Some(&wanted)).count()
    }
}

impl Modelled {
    fn new_pod(&mut self, image: ImageRef, created_seconds: i64, ready: bool) -> Pod {
        self.pods_made += 1;
        let name: Arc<str> = format!("{}-{}", self.id.named.name, self.pods_made).into();
        Pod {
            uid: name.clone(),
            namespace: self.id.named.namespace.clone(),
            name,
            owner: Some(Owner { kind: "ReplicaSet".into(), name: "any".into(), uid: self.id.uid.clone() }),
            revision: 0,
            created_at: at(created_seconds),
            state: PodState::Live,
            ready,
            ready_changed_at: at(created_seconds),
            unscheduled: false,
            stray: None,
            restart_token: self.mark.as_ref().map(|mark| mark.token.to_string().into()),
            containers: [Container {
                name: SIDECAR.into(),
                image: Some(image),
                running_image: None,
                running_digest: None,
            }]
            .into(),
        }
    }

    fn step(&mut self, now_seconds: i64, injected: &ImageRef, events: &mut VecDeque<Event>) {
        if self.new_pods_at.is_some_and(|due| due <= now_seconds) {
            self.new_pods_at = None;
            self.observed_generation = self.generation;
            let image = if self.behaviour.pinned { self.pods[0].containers[0].image.clone() } else { None };
            for _ in 0..2 {
                let pod = self.new_pod(image.clone().unwrap_or_else(|| injected.clone()), now_seconds, false);
                events.push_back(Event::Pod(Box::new(pod.clone())));
                self.pods.push(pod);
            }
            if !self.behaviour.never_ready {
                self.ready_at = Some(now_seconds + ROLLOUT_SECONDS);
            }
            events.push_back(Event::Workload(Box::new(self.record())));
        } else if self.ready_at.is_some_and(|due| due <= now_seconds) {
            self.ready_at = None;
            self.complete_at = Some(now_seconds);
            let old = self.pods.len() - 2;
            events.extend(self.pods.drain(..old).map(|pod| Event::PodGone(pod.uid)));
            for pod in &mut self.pods {
                (pod.ready, pod.ready_changed_at) = (true, at(now_seconds));
                events.push_back(Event::Pod(Box::new(pod.clone())));
            }
            events.push_back(Event::Workload(Box::new(self.record())));
        }
    }

    /// The object with its status, as the API server would send it now.
    fn record(&self) -> Workload {
        let old = i64::try_from(self.pods.iter().filter(|pod| pod.ready).count()).unwrap();
        let stuck = self.pods.len() > 2;
        let available = if self.behaviour.unhealthy { old - 1 } else { old };
        let rollout = if self.behaviour.kind == Kind::ArgoRollout {
            RolloutFacts::ArgoRollout(ArgoRolloutFacts {
                replicas_wanted: 2,
                paused: false,
                restart_at: self.mark.as_ref().map(|mark| mark.at),
                restarted_at: self.mark.as_ref().filter(|_| !stuck && self.new_pods_at.is_none()).map(|mark| mark.at),
                observed_generation: self.observed_generation,
                phase: if stuck { ArgoPhase::Progressing } else { ArgoPhase::Healthy },
                updated: 2,
                available,
                revision_in_progress: false,
            })
        } else {
            RolloutFacts::Deployment(DeploymentFacts {
                replicas_wanted: 2,
                paused: false,
                observed_generation: self.observed_generation,
                replicas: i64::try_from(self.pods.len()).unwrap(),
                updated: 2,
                available,
                progress_deadline_exceeded: false,
            })
        };
        Workload {
            id: self.id.clone(),
            generation: self.generation,
            revision: 0,
            deleting: false,
            owned: false,
            labels: labels(&[]),
            annotations: labels(&[]),
            template_labels: labels(&[]),
            template_annotations: labels(&[]),
            template_fingerprint: 0,
            template_from: None,
            mark: self.mark.clone(),
            disruption: DisruptionFacts::default(),
            rollout,
        }
    }
}

/// One pass of one policy on what was seen.
pub(crate) fn decide(
    policy: &Policy,
    policies: &[&Policy],
    seen: &Snapshot,
    sending: &BTreeSet<Arc<str>>,
    now: Timestamp,
) -> (Plan, Decision) {
    decide_remembering(&mut WaveMemory::default(), policy, policies, seen, sending, now)
}

/// The same, with what the last pass has left to remember.
pub(crate) fn decide_remembering(
    memory: &mut WaveMemory,
    policy: &Policy,
    policies: &[&Policy],
    seen: &Snapshot,
    sending: &BTreeSet<Arc<str>>,
    now: Timestamp,
) -> (Plan, Decision) {
    let plan = plan(policy, &Claims::new(policies, seen), seen, &seen.pods_by_workload(), now);
    let (gate, _) = preconditions(policy, seen, &BTreeMap::new(), now);
    let waves = waves(policy, &plan, memory, now);
    *memory = waves.memory();
    let decision = pace(policy, &plan, &gate, &waves, sending, now);
    (plan, decision)
}

/// Lets the policies act in turns, with nothing lost or late, until nothing more happens before `until_seconds`.
pub(crate) fn run(model: &mut Model, policies: &[&Policy], until_seconds: i64) {
    let mut seen = model.list();
    let mut memories = vec![WaveMemory::default(); policies.len()];
    while model.now_seconds < until_seconds {
        let mut recheck_at: Option<Timestamp> = None;
        for (policy, memory) in policies.iter().zip(&mut memories) {
            let (_, decision) = decide_remembering(memory, policy, policies, &seen, &BTreeSet::new(), model.now());
            recheck_at = [recheck_at, decision.recheck_at].into_iter().flatten().min();
            for start in &decision.starts {
                if let Some(answer) = model.restart(start) {
                    seen.upsert_workload(answer);
                }
            }
        }
        if !model.is_moving() && recheck_at.is_none() {
            return;
        }
        let wait = recheck_at.map_or(i64::MAX, |at| at.as_second() - model.now().as_second());
        model.advance(wait.min(until_seconds - model.now_seconds));
        model.deliver(&mut seen, usize::MAX);
    }
}
