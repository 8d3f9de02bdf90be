//! Asks the gates of `spec.Gates`: one task for each, and only while its config has something to restart.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use flippy_core::{PolicyName, QueryAnswer, QueryGate, QueryGateFact, QueryHistory, QueryState, Timestamp};
use kube::Client;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::task::AbortOnDropHandle;

use crate::ask::Asker;
use crate::clock::Clock;
use crate::configs::Configs;
use crate::decide::{Decided, Findings};
use crate::dial::Dialer;
use crate::metrics::{GateLabels, Metrics};
use crate::world::World;

/// Answers that wait for the loop.
const ANSWERS: usize = 64;
/// A gate is asked for as long as its `For` after the last restart that waited for it, and for at most so long. A workload that
/// is to be restarted now and then, because its pods come and go, would otherwise begin the count anew each time, for ever.
const MAX_LINGER: Duration = Duration::from_mins(10);

/// An answer, to which gate, and by which task.
pub(crate) struct Answered {
    policy: PolicyName,
    gate: Arc<str>,
    task: u64,
    answer: QueryAnswer,
}

/// What the gates of all configs answered.
#[derive(Default)]
pub(crate) struct Histories {
    by_config: BTreeMap<PolicyName, BTreeMap<Arc<str>, QueryHistory>>,
    none: BTreeMap<Arc<str>, QueryHistory>,
    asked: BTreeMap<(PolicyName, Arc<str>), Asked>,
}

/// A gate as it is asked.
struct Asked {
    gate: QueryGate,
    /// By which task.
    task: u64,
    /// What the last pass said of it, if it said anything.
    said: Option<QueryGateFact>,
}

impl Histories {
    pub(crate) fn of(&self, policy: &PolicyName) -> &BTreeMap<Arc<str>, QueryHistory> {
        self.by_config.get(policy).unwrap_or(&self.none)
    }

    /// Notes an answer, unless its gate has changed since it was asked. Says whether that gate stands otherwise now
    /// than the last pass said.
    pub(crate) fn note(&mut self, answered: Answered, now: Timestamp) -> bool {
        let key = (answered.policy, answered.gate);
        let Some(asked) = self.asked.get(&key).filter(|asked| asked.task == answered.task) else { return false };
        let (policy, name) = key;
        let history = self.by_config.entry(policy).or_default().entry(name).or_default();
        history.learn(&asked.gate, answered.answer, asked.said.as_ref(), now)
    }

    /// Remembers what a pass says of the gates: an answer is news when it says otherwise.
    fn note_said(&mut self, decided: &[Decided]) {
        for asked in self.asked.values_mut() {
            asked.said = None;
        }
        for one in decided {
            let Findings::Facts(facts) = &one.findings else { continue };
            for fact in &facts.gates {
                if let Some(asked) = self.asked.get_mut(&(one.name.clone(), fact.name.clone())) {
                    asked.said = Some(fact.clone());
                }
            }
        }
    }

    /// Forgets gates that do not exist any more, or ask something else now. To be called before anything is decided, or a gate
    /// that was edited would be judged by what was answered to another question.
    pub(crate) fn forget_edited(&mut self, configs: &Configs) {
        let by_config = &mut self.by_config;
        self.asked.retain(|(policy, name), asked| {
            let keep = gates_of(configs, policy).contains(&asked.gate);
            if !keep && let Some(histories) = by_config.get_mut(policy) {
                histories.remove(name);
            }
            keep
        });
        by_config.retain(|_, histories| !histories.is_empty());
    }
}

fn gates_of<'a>(configs: &'a Configs, policy: &PolicyName) -> &'a [QueryGate] {
    let policy = configs.get(policy).and_then(|config| config.policy.as_ref().ok());
    policy.map_or(&[], |policy| policy.gates.as_slice())
}

/// The tasks.
pub(crate) struct Gates {
    client: Client,
    dialer: Dialer,
    clock: Clock,
    metrics: Metrics,
    tell: mpsc::Sender<Answered>,
    told: mpsc::Receiver<Answered>,
    running: BTreeMap<(PolicyName, Arc<str>), Running>,
    tasks: u64,
    /// Gates that are in the metrics.
    counted: BTreeSet<GateLabels>,
}

/// A task that asks a gate.
struct Running {
    /// It ends when this is dropped.
    _task: AbortOnDropHandle<()>,
    /// When it has lingered for long enough; `None` while somebody waits for it.
    ends_at: Option<Instant>,
}

impl Gates {
    pub(crate) fn new(client: Client, dialer: Dialer, clock: Clock, metrics: Metrics) -> Self {
        let (tell, told) = mpsc::channel(ANSWERS);
        Self {
            client,
            dialer,
            clock,
            metrics,
            tell,
            told,
            running: BTreeMap::new(),
            tasks: 0,
            counted: BTreeSet::new(),
        }
    }

    /// Waits for the next answer; for ever while nothing is asked.
    pub(crate) async fn answered(&mut self) -> Answered {
        match self.told.recv().await {
            Some(answered) => answered,
            // It cannot be: we hold a sender.
            None => std::future::pending().await,
        }
    }

    /// Asks exactly the gates that are to be asked. What a gate answered is remembered after it is asked no more, for as
    /// long as it asks the same. Returns when to come again although nobody is waited for: to let the first of them rest.
    pub(crate) fn follow(&mut self, world: &mut World, decided: &[Decided]) -> Option<Instant> {
        let (configs, answers) = (&world.configs, &mut world.answers);
        let asking = decided.iter().filter(|one| one.asks_gates);
        let wanted: BTreeMap<(PolicyName, Arc<str>), &QueryGate> = asking
            .flat_map(|one| {
                gates_of(configs, &one.name).iter().map(|gate| ((one.name.clone(), gate.name.clone()), gate))
            })
            .collect();
        let now = Instant::now();
        let is_judged = |policy: &PolicyName| decided.iter().any(|one| one.name == *policy);
        self.running.retain(|key, running| {
            let Some(Asked { gate, .. }) = answers.asked.get(key) else { return false };
            running.ends_at = match running.ends_at {
                _ if wanted.contains_key(key) => None,
                None => Some(now + Duration::try_from(gate.open_for).unwrap_or_default().min(MAX_LINGER)),
                ends_at => ends_at,
            };
            running.ends_at.is_none_or(|at| now < at && is_judged(&key.0))
        });
        for (key, gate) in wanted {
            if self.running.contains_key(&key) {
                continue;
            }
            self.tasks += 1;
            let running = Running { _task: self.start(&key.0, gate.clone()), ends_at: None };
            self.running.insert(key.clone(), running);
            answers.asked.insert(key, Asked { gate: gate.clone(), task: self.tasks, said: None });
        }
        answers.note_said(decided);
        self.count(decided);
        self.running.values().filter_map(|running| running.ends_at).min()
    }

    fn start(&self, policy: &PolicyName, gate: QueryGate) -> AbortOnDropHandle<()> {
        let task = Task {
            client: self.client.clone(),
            dialer: self.dialer.clone(),
            clock: self.clock.clone(),
            policy: policy.clone(),
            number: self.tasks,
            tell: self.tell.clone(),
        };
        AbortOnDropHandle::new(tokio::spawn(task.run(gate)))
    }

    fn count(&mut self, decided: &[Decided]) {
        let mut shown = BTreeSet::new();
        for one in decided {
            let Findings::Facts(facts) = &one.findings else { continue };
            for fact in facts.gates.iter().filter(|fact| fact.state != QueryState::NotAsked) {
                let labels = labels(&one.name, fact);
                self.metrics.gate_open.get_or_create(&labels).set(i64::from(fact.state == QueryState::Open));
                shown.insert(labels);
            }
        }
        for gone in self.counted.difference(&shown) {
            self.metrics.gate_open.remove(gone);
        }
        self.counted = shown;
    }
}

fn labels(policy: &PolicyName, fact: &QueryGateFact) -> GateLabels {
    GateLabels {
        config_namespace: policy.namespace.to_string(),
        config: policy.name.to_string(),
        gate: fact.name.to_string(),
    }
}

/// Whoever asks one gate.
struct Task {
    client: Client,
    dialer: Dialer,
    clock: Clock,
    policy: PolicyName,
    number: u64,
    tell: mpsc::Sender<Answered>,
}

impl Task {
    async fn run(self, gate: QueryGate) {
        tracing::debug!(config = %self.policy, gate = %gate.name, "asking");
        let asker = Asker::new(self.client.clone(), &self.dialer, self.policy.namespace.clone(), gate.query);
        let mut due = interval(Duration::try_from(gate.interval).unwrap_or(Duration::from_mins(1)));
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            due.tick().await;
            let asked_at = self.clock.now();
            let reading = match &asker {
                Ok(asker) => asker.ask().await,
                Err(why) => Err(why.clone()),
            };
            let answered = Answered {
                policy: self.policy.clone(),
                gate: gate.name.clone(),
                task: self.number,
                answer: QueryAnswer { asked_at, reading },
            };
            if self.tell.send(answered).await.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests;
