//! A plan as a few numbers and words below a bar.

use std::collections::BTreeMap;

use crate::plan::view::{PlanView, WorkloadView};

/// Restarts under way that are named, at most.
const NAMED: usize = 3;

/// How the workloads of one kind are.
#[derive(Default)]
pub(super) struct Tally {
    /// Nothing more is to be done for these.
    pub(super) done: u64,
    pub(super) total: u64,
    by_verdict: BTreeMap<&'static str, usize>,
}

impl Tally {
    pub(super) fn of(plans: &[&PlanView], kind: &str) -> Self {
        let mut tally = Self::default();
        let workloads = plans.iter().flat_map(|plan| &plan.workloads);
        for workload in workloads.filter(|workload| workload.workload.kind == kind) {
            tally.total += 1;
            tally.done += u64::from(matches!(workload.verdict, "Fresh" | "Idle"));
            *tally.by_verdict.entry(workload.verdict).or_default() += 1;
        }
        tally
    }

    /// How many are not done, and how they are.
    pub(super) fn rest(&self) -> String {
        let named = [
            ("InFlight", "under way"),
            ("Restart", "to go"),
            ("Converging", "converging"),
            ("Blocked", "blocked"),
            ("Futile", "futile"),
            ("Failed", "failed"),
        ];
        let counted = named.into_iter().filter_map(|(verdict, words)| Some((self.by_verdict.get(verdict)?, words)));
        counted.map(|(count, words)| format!("{count} {words}")).collect::<Vec<_>>().join(", ")
    }
}

/// The kinds in the order of the plan.
pub(super) fn kinds(plans: &[&PlanView]) -> Vec<&'static str> {
    let mut kinds: Vec<&'static str> = Vec::new();
    for workload in plans.iter().flat_map(|plan| &plan.workloads) {
        if !kinds.contains(&workload.workload.kind) {
            kinds.push(workload.workload.kind);
        }
    }
    kinds
}

/// What is being restarted now, or why nothing is.
pub(super) fn under_way(plans: &[&PlanView]) -> String {
    let first = plans.iter().flat_map(|plan| &plan.restart_first).filter(|first| first.state == "InFlight");
    let first = first.map(|first| {
        format!("{} {}/{}, before all others", first.workload.kind, first.workload.namespace, first.workload.name)
    });
    let workloads = plans.iter().flat_map(|plan| &plan.workloads).filter(|workload| workload.verdict == "InFlight");
    let mut all: Vec<String> = first.chain(workloads.map(renewed)).collect();
    if all.is_empty() {
        let held = plans.iter().find_map(|plan| plan.hold.as_ref()).map(|hold| hold.message.as_str());
        return held.map_or_else(|| "nothing is under way".to_owned(), |why| format!("waiting: {why}"));
    }
    let more = all.len().saturating_sub(NAMED);
    all.truncate(NAMED);
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    format!("under way: {}{more}", all.join("; "))
}

fn renewed(view: &WorkloadView) -> String {
    let named = &view.workload;
    let state = match view.stale_pods {
        0 => "waiting for its new pods to be ready".to_owned(),
        stale => format!("{stale} of {} pods still old", view.pods),
    };
    format!("{} {}/{}, {state}", named.kind, named.namespace, named.name)
}
