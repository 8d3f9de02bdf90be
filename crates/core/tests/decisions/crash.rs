//! A crash between any two steps loses nothing and repeats nothing.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use flippy_core::{Kind, Policy, Snapshot, Start, WaveMemory};
use proptest::prelude::*;

use crate::common::model::{Behaviour, Model, decide, decide_remembering, run};
use crate::common::{NEW, OLD, policy, policy_not_waiting};

/// A patch that is not answered by then is given up by whoever sends it.
const PATCH_TIMEOUT_SECONDS: i64 = 30;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Pass,
    /// One patch reaches the server.
    Land,
    /// One patch reaches the server, and its answer never comes back.
    LandUnanswered,
    Deliver(usize),
    Advance(i64),
    /// The process ends; patches on their way are lost.
    CrashBefore,
    /// The process ends; patches on their way arrive.
    CrashAfter,
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Pass),
        5 => Just(Step::Land),
        1 => Just(Step::LandUnanswered),
        4 => (0..6_usize).prop_map(Step::Deliver),
        4 => (1..30_i64).prop_map(Step::Advance),
        1 => Just(Step::CrashBefore),
        1 => Just(Step::CrashAfter),
    ]
}

pub(crate) fn behaviour() -> impl Strategy<Value = Behaviour> {
    let kind = prop::sample::select(vec![Kind::Deployment, Kind::ArgoRollout]);
    (kind, prop::bool::weighted(0.15), prop::bool::weighted(0.15))
        .prop_map(|(kind, never_ready, unhealthy)| Behaviour { kind, never_ready, unhealthy, pinned: false })
}

/// The operator's memory: all of it is lost in a crash.
pub(crate) struct Operator {
    seen: Snapshot,
    sending: BTreeSet<Arc<str>>,
    patches: VecDeque<(i64, Start)>,
    decided: usize,
    /// What stands in the status: it survives crashes.
    memory: WaveMemory,
}

impl Operator {
    pub(crate) fn started(model: &mut Model) -> Self {
        Self {
            seen: model.list(),
            sending: BTreeSet::new(),
            patches: VecDeque::new(),
            decided: 0,
            memory: WaveMemory::default(),
        }
    }

    fn restarted(&self, model: &mut Model) -> Self {
        Self { memory: self.memory.clone(), ..Self::started(model) }
    }

    /// Patches that were not sent yet, oldest first.
    pub(crate) fn on_their_way(&self) -> &VecDeque<(i64, Start)> {
        &self.patches
    }

    /// Restarts decided since it was started.
    pub(crate) fn decided(&self) -> usize {
        self.decided
    }

    pub(crate) fn step(&mut self, step: Step, policy: &Policy, model: &mut Model) {
        match step {
            Step::Pass => {
                let (_, decision) =
                    decide_remembering(&mut self.memory, policy, &[policy], &self.seen, &self.sending, model.now());
                self.decided += decision.starts.len();
                for start in decision.starts {
                    assert!(self.sending.insert(start.id.uid.clone()), "{} is decided twice at once", start.id);
                    self.patches.push_back((model.now_seconds, start));
                }
            }
            Step::Land | Step::LandUnanswered => {
                let Some((_, start)) = self.patches.pop_front() else { return };
                let answer = model.restart(&start);
                if let (Step::Land, Some(workload)) = (step, answer) {
                    self.seen.upsert_workload(workload);
                } else {
                    // Whoever does not know what became of a patch waits until the watch has caught up.
                    model.deliver(&mut self.seen, usize::MAX);
                }
                self.sending.remove(&start.id.uid);
            }
            Step::Deliver(count) => model.deliver(&mut self.seen, count),
            Step::Advance(seconds) => {
                model.advance(seconds);
                let sending = &mut self.sending;
                self.patches.retain(|(since, start)| {
                    let in_time = model.now_seconds - since < PATCH_TIMEOUT_SECONDS;
                    if !in_time {
                        sending.remove(&start.id.uid);
                    }
                    in_time
                });
            }
            Step::CrashBefore => *self = self.restarted(model),
            Step::CrashAfter => {
                for (_, start) in self.patches.drain(..) {
                    model.restart(&start);
                }
                *self = self.restarted(model);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn nothing_is_restarted_twice_nor_forgotten_nor_beside_another(
        behaviours in prop::collection::vec(behaviour(), 1..8),
        steps in prop::collection::vec(step(), 0..250),
        waits in any::<bool>(),
    ) {
        let policy = if waits { policy() } else { policy_not_waiting() };
        let mut model = Model::new(behaviours.iter().copied(), OLD);
        let mut operator = Operator::started(&mut model);
        for step in steps {
            operator.step(step, &policy, &mut model);
            prop_assert!(model.restarts().iter().all(|restarts| *restarts <= 1), "{step:?}: {:?}", model.restarts());
            if waits && behaviours.iter().all(|behaviour| !behaviour.never_ready) {
                prop_assert!(model.under_way().len() <= 1, "{step:?}: {:?}", model.under_way());
            }
        }
        operator.step(Step::CrashBefore, &policy, &mut model);
        run(&mut model, &[&policy], 24 * 3600);
        prop_assert_eq!(model.restarts(), vec![1; behaviours.len()]);
        let never_ready = behaviours.iter().filter(|behaviour| behaviour.never_ready).count();
        prop_assert_eq!(model.pods_on(OLD), 2 * never_ready);
        prop_assert_eq!(model.pods_on(NEW), 2 * behaviours.len());
    }
}

#[test]
fn a_patch_decided_before_a_crash_and_carried_out_after_it_is_not_decided_again() {
    let mut model = Model::new([Behaviour::default()], OLD);
    let mut operator = Operator::started(&mut model);
    operator.step(Step::Pass, &policy(), &mut model);
    operator.step(Step::CrashAfter, &policy(), &mut model);
    operator.step(Step::Pass, &policy(), &mut model);
    assert!(operator.patches.is_empty());
}

#[test]
fn the_same_decision_is_taken_again_after_a_crash_that_lost_it() {
    let mut model = Model::new([Behaviour::default(); 3], OLD);
    let mut operator = Operator::started(&mut model);
    operator.step(Step::Pass, &policy(), &mut model);
    let before = operator.patches.clone();
    operator.step(Step::CrashBefore, &policy(), &mut model);
    operator.step(Step::Pass, &policy(), &mut model);
    assert_eq!(operator.patches, before);
}

#[test]
fn a_decision_on_a_generation_that_is_gone_fails_cleanly_and_is_taken_again() {
    let mut model = Model::new([Behaviour::default()], OLD);
    let snapshot = model.list();
    let (_, mut decision) = decide(&policy(), &[&policy()], &snapshot, &BTreeSet::new(), model.now());
    decision.starts[0].generation = 0;
    assert!(model.restart(&decision.starts[0]).is_none());
    assert_eq!(decide(&policy(), &[&policy()], &model.list(), &BTreeSet::new(), model.now()).1.starts.len(), 1);
}
