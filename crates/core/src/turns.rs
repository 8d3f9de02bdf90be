//! Turns: of workloads that share a `PodDisruptionBudget` or a group, one at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::disruption::Turn;
use crate::pace::Hold;
use crate::plan::Plan;
use crate::workload::{NamedWorkload, WorkloadRef};

/// Who takes turns with what a plan would restart, and whose turn it is in the cluster.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turns {
    all: Vec<(Turn, Vec<NamedWorkload>)>,
    members: BTreeMap<NamedWorkload, (Arc<str>, Vec<usize>)>,
    /// Members that wait for no budget: their own policy ignores them. Others wait for these.
    ignoring: BTreeSet<NamedWorkload>,
}

impl Turns {
    /// Adds a turn. `under_way`: those of its members whose restart is under way, within its time. `ignoring`: those that
    /// wait for no budget.
    pub(crate) fn add(
        &mut self,
        turn: &Turn,
        members: &[WorkloadRef],
        under_way: Vec<NamedWorkload>,
        ignoring: impl Iterator<Item = NamedWorkload>,
    ) {
        let number = self.all.len();
        self.ignoring.extend(ignoring);
        self.all.push((turn.clone(), under_way));
        for id in members {
            self.members.entry(id.named.clone()).or_insert_with(|| (id.uid.clone(), Vec::new())).1.push(number);
        }
    }
}

/// Whose turn it is in one pass: also of those that are on their way to the API server, for whatever policy, and of those
/// that this pass starts.
pub(crate) struct Taken<'a> {
    turns: &'a Turns,
    by: Vec<Vec<&'a NamedWorkload>>,
}

impl<'a> Taken<'a> {
    pub(crate) fn new(plan: &'a Plan, sending: &BTreeSet<Arc<str>>) -> Self {
        let turns = &plan.turns;
        let by = turns.all.iter().map(|(_, under_way)| under_way.iter().collect()).collect();
        let mut taken = Self { turns, by };
        if !sending.is_empty() {
            for (named, _) in turns.members.iter().filter(|(_, (uid, _))| sending.contains(uid)) {
                taken.take(named);
            }
        }
        taken
    }

    /// Why a workload has to wait for its turn.
    pub(crate) fn wait(&self, named: &NamedWorkload) -> Option<Hold> {
        let (_, turns) = self.turns.members.get(named)?;
        let ignores_budgets = self.turns.ignoring.contains(named);
        let respected = |turn: &&usize| !ignores_budgets || !self.turns.all[**turn].0.is_budget();
        turns.iter().filter(respected).find_map(|turn| {
            let other = self.by[*turn].iter().find(|other| **other != named)?;
            Some(Hold::Turn { turn: self.turns.all[*turn].0.clone(), other: (*other).clone() })
        })
    }

    /// It is this one's turn now.
    pub(crate) fn take(&mut self, named: &'a NamedWorkload) {
        for turn in self.turns.members.get(named).into_iter().flat_map(|(_, turns)| turns) {
            self.by[*turn].push(named);
        }
    }
}
