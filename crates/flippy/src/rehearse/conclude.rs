//! From what happened on a cluster in memory to the record of a campaign.

use std::collections::HashMap;

use flippy_core::Timestamp;
use flippy_sim::{Json, Resource, SimCluster};

use super::recorder::{Recorder, name_of, shown_kind};
use crate::plan::view::{ConfigView, NamedView, PlanView, WorkloadView};
use crate::report::model::{Campaign, Config, Named, Outcome, RestartState, Source, Workload};

/// How a campaign on a cluster in memory was left.
pub(crate) struct Left<'a> {
    pub(crate) source: Source,
    pub(crate) cluster: &'a SimCluster,
    pub(crate) views: &'a [ConfigView],
    pub(crate) begun_at: Timestamp,
    /// Whether nothing more happens by itself.
    pub(crate) settled: bool,
    pub(crate) assumptions: Vec<String>,
    pub(crate) notes: Vec<String>,
}

/// Makes the record.
pub(crate) fn campaign(left: Left<'_>, recorder: Recorder) -> Campaign {
    let plans: Vec<&PlanView> = left.views.iter().filter_map(|view| view.plan.as_ref()).collect();
    let workloads: Vec<Workload> = plans.iter().flat_map(|plan| &plan.workloads).map(workload).collect();
    let (outcome, message) = outcome(&plans, left.settled);
    let by_name: HashMap<&Named, &Workload> = workloads.iter().map(|one| (&one.workload, one)).collect();
    let mut restarts = recorder.restarts;
    for restart in &mut restarts {
        let Some(found) = by_name.get(&restart.workload) else { continue };
        restart.wave.clone_from(&found.wave);
        match &*found.verdict {
            "Futile" => restart.state = RestartState::Futile,
            "Failed" if restart.ready_at.is_none() => restart.state = RestartState::Failed,
            _ => {}
        }
        if restart.state != RestartState::Ready {
            restart.message.clone_from(&found.message);
        }
    }
    let ends = restarts.iter().filter_map(super::super::report::model::Restart::over_at);
    let ended_at = ends.chain([recorder.moved_at]).max().unwrap_or(recorder.moved_at);
    Campaign {
        source: left.source,
        configs: left.views.iter().map(|view| config(view, left.cluster)).collect(),
        begun_at: left.begun_at,
        ended_at,
        outcome,
        message,
        deadlocks: deadlocks(left.cluster, &workloads),
        restarts,
        waves: recorder.waves,
        holds: recorder.holds,
        workloads,
        disruption: Some(recorder.missing.told()),
        assumptions: left.assumptions,
        notes: left.notes,
    }
}

fn outcome(plans: &[&PlanView], settled: bool) -> (Outcome, String) {
    let sum = |count: fn(&PlanView) -> usize| plans.iter().map(|plan| count(plan)).sum::<usize>();
    let to_do = sum(|plan| plan.counters.restart);
    let moving = sum(|plan| plan.counters.in_flight + plan.counters.converging);
    let behind = sum(|plan| plan.counters.blocked + plan.counters.futile + plan.counters.failed);
    let total = sum(|plan| plan.counters.total);
    let hold = plans.iter().find_map(|plan| plan.hold.as_ref());
    let unmet = || plans.iter().flat_map(|plan| &plan.preconditions).find(|precondition| !precondition.met);
    if to_do > 0 || (moving > 0 && !settled) {
        let why = hold.map(|hold| format!("{}: {}", hold.reason, hold.message)).or_else(|| {
            let unmet = unmet()?;
            Some(format!(
                "PreconditionsNotMet: {} {}/{}: {}",
                unmet.workload.kind, unmet.workload.namespace, unmet.workload.name, unmet.message
            ))
        });
        let why = why.unwrap_or_else(|| "it was not over in the time that was given".to_owned());
        let outcome = if settled || hold.is_some() { Outcome::Halted } else { Outcome::UnderWay };
        return (outcome, format!("{to_do} of {total} workloads are still to be restarted; {why}"));
    }
    if behind > 0 {
        let plural = if behind == 1 { "workload is" } else { "workloads are" };
        return (Outcome::Blocked, format!("{behind} {plural} left behind, each for its own reason"));
    }
    if total == 0 {
        let hint = plans.iter().find_map(|plan| plan.selects_nothing.clone());
        return (Outcome::Finished, format!("no workload is in scope: {}", hint.unwrap_or_default()));
    }
    if moving > 0 {
        return (Outcome::Blocked, format!("{moving} workloads are being rolled out, and do not get any further"));
    }
    (Outcome::Finished, format!("all {total} workloads in scope run the wanted images"))
}

fn config(view: &ConfigView, cluster: &SimCluster) -> Config {
    let object = cluster.get(Resource::FlippyConfigs, &view.namespace, &view.name);
    let conditions = object.as_ref().and_then(|object| object["status"]["conditions"].as_array());
    let ready = conditions.and_then(|all| all.iter().find(|one| one["type"] == "Ready"));
    let text = |field: &str| ready.and_then(|ready| ready[field].as_str()).unwrap_or_default().to_owned();
    Config {
        namespace: view.namespace.clone(),
        name: view.name.clone(),
        desired_images: view.plan.as_ref().map(|plan| plan.desired_images.clone()).unwrap_or_default(),
        reason: text("reason"),
        message: text("message"),
    }
}

pub(crate) fn named(view: &NamedView) -> Named {
    Named { kind: view.kind.to_owned(), namespace: view.namespace.clone(), name: view.name.clone() }
}

pub(crate) fn workload(view: &WorkloadView) -> Workload {
    Workload {
        workload: named(&view.workload),
        wave: view.wave.clone(),
        verdict: view.verdict.to_owned(),
        reason: view.reason.map(str::to_owned),
        message: view.message.clone(),
        pods: view.pods,
        stale_pods: view.stale_pods,
    }
}

/// Budgets that hold a workload back and that allow nothing even when all their pods are well.
fn deadlocks(cluster: &SimCluster, workloads: &[Workload]) -> Vec<Named> {
    let never = |budget: &Json| {
        let count = |field: &str| budget["status"][field].as_i64().unwrap_or(0);
        count("disruptionsAllowed") == 0
            && count("expectedPods") > 0
            && count("desiredHealthy") >= count("expectedPods")
    };
    let holds_back = |budget: &Named| {
        let said = budget.to_string();
        workloads.iter().any(|one| one.reason.as_deref() == Some("DisruptionBudget") && one.message.contains(&said))
    };
    let budgets = cluster.list(Resource::PodDisruptionBudgets);
    let names = budgets
        .iter()
        .filter(|budget| never(budget))
        .map(|budget| Named { kind: shown_kind("PodDisruptionBudget"), ..name_of(budget) });
    names.filter(holds_back).collect()
}
