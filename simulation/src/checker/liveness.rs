//! When trouble is over, everything in scope becomes fresh or is explained, and `Ready` tells the truth about it.

use flippy_sim::{Key, Resource};
use jiff::Timestamp;
use serde_json::Value;

use super::facts::{Rollout, is_held, name, rollout_of};
use super::wish::{Standing, Wish};
use super::{Finding, Invariant};
use crate::knowledge::View;

/// What is neither fresh nor explained now.
pub(crate) fn unexplained(view: &View, now: Timestamp) -> Vec<Finding> {
    let wishes: Vec<Wish> = view.configs.iter().filter_map(|(key, config)| Wish::read(key, config)).collect();
    let finding = |wish: &Wish, message: String| Finding {
        at: now,
        invariant: Invariant::Liveness,
        message: format!("FlippyConfig {}: {message}", wish.key),
        subject: wish.key.name.to_string(),
    };
    let mut findings = Vec::new();
    for wish in &wishes {
        let config = &view.configs[&wish.key];
        findings.extend(problems(wish, &wishes, view, config).into_iter().map(|message| finding(wish, message)));
    }
    findings
}

/// Restarts that wait because the server refused them, though it has not refused anything for a while.
pub(crate) fn still_refused(view: &View, now: Timestamp) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (key, config) in &view.configs {
        let blocked = config["status"]["blocked"].as_array().into_iter().flatten();
        findings.extend(blocked.filter(|one| one["reason"] == "Refused").map(|one| Finding {
            at: now,
            invariant: Invariant::Liveness,
            message: format!(
                "FlippyConfig {key}: {} still waits, though its last refusal is long ago",
                one["workload"]
            ),
            subject: key.name.to_string(),
        }));
    }
    findings
}

fn problems(wish: &Wish, wishes: &[Wish], view: &View, config: &Value) -> Vec<String> {
    let status = &config["status"];
    if status["observedGeneration"] != config["metadata"]["generation"] {
        return vec![format!("its status speaks of generation {}", status["observedGeneration"])];
    }
    let condition = |kind: &str| status["conditions"].as_array().into_iter().flatten().find(|one| one["type"] == kind);
    let (Some(ready), Some(stalled), Some(allowed), Some(moving)) =
        (condition("Ready"), condition("Stalled"), condition("RestartsAllowed"), condition("Reconciling"))
    else {
        return vec!["its status lacks conditions".to_owned()];
    };
    let mut problems = Vec::new();
    let all: Vec<(Resource, &Key, &Value, Standing)> = wish.in_scope(view).collect();
    let counters = &status["workloads"];
    let count = |field: &str| counters[field].as_u64().unwrap_or(0);
    // Which config's pods have no container of interest changes while they come and go; what is settled must agree.
    if count("total") != all.len() as u64 {
        problems.push(format!("{} workloads are in scope, but its status says {}", all.len(), counters["total"]));
    }
    let stale: Vec<_> = all.iter().filter(|(.., standing)| *standing == Standing::Stale).collect();
    let held_back = explanation_for_all(wish, view, allowed, stalled);
    for (resource, key, workload, _) in &stale {
        let name = name(*resource, key);
        let listed = is_listed(status, &name);
        let converging = count("converging") > 0 && rollout_of(*resource, workload) == Rollout::UnderWay;
        if !listed && !converging && held_back.is_none() {
            problems.push(format!("{name} is stale, and nothing says why it stays so"));
        }
        if let Some(lie) = untrue(status, &name, *resource, key, workload, wish, wishes, view) {
            problems.push(lie);
        }
    }
    let is_ready = ready["status"] == "True";
    if is_ready && !stale.is_empty() {
        problems.push(format!("Ready is True, but {} workloads are stale", stale.len()));
    }
    let all_done = all.iter().all(|(resource, _, workload, standing)| {
        *standing == Standing::Idle
            || (*standing == Standing::Fresh
                && (rollout_of(*resource, workload) == Rollout::Complete || is_held(*resource, workload)))
    });
    if all_done && !is_ready && stalled["status"] != "True" {
        problems.push(format!(
            "everything is done, but Ready is {} ({}: {})",
            ready["status"], ready["reason"], ready["message"]
        ));
    }
    if !is_ready && stalled["status"] != "True" && allowed["status"] == "True" && moving["status"] != "True" {
        problems.push("it is neither ready nor stalled, nor does anything move".to_owned());
    }
    // What moves is not quiet yet; but somebody else's rollout, or one that waits for a person, may never end.
    if moving["status"] == "True" && count("inFlight") + count("restart") > 0 && held_back.is_none() {
        problems.push(format!("{} are in flight and {} to be restarted", count("inFlight"), count("restart")));
    }
    problems
}

/// What holds up every restart of a config, when that is true.
fn explanation_for_all(wish: &Wish, view: &View, allowed: &Value, stalled: &Value) -> Option<&'static str> {
    if allowed["status"] == "False" {
        match allowed["reason"].as_str()? {
            "Suspended" if wish.suspended => return Some("suspended"),
            "DryRun" if wish.dry_run => return Some("dry run"),
            "PreconditionsNotMet" if any_unmet(wish, view) => return Some("preconditions"),
            "RestartsFutile" => return Some("futile"),
            _ => {}
        }
    }
    if stalled["status"] != "True" {
        return None;
    }
    match stalled["reason"].as_str()? {
        "RestartsFutile" => Some("futile"),
        "FirstBlocked" if !view.budgets.is_empty() => Some("what goes first"),
        _ => None,
    }
}

fn any_unmet(wish: &Wish, view: &View) -> bool {
    wish.preconditions.iter().any(|(resource, key, _)| {
        let workload = view.workloads.get(&(*resource, key.clone()));
        workload.is_none_or(|workload| rollout_of(*resource, workload) != Rollout::Complete)
    })
}

fn is_listed(status: &Value, name: &str) -> bool {
    let lists = ["blocked", "failed"].into_iter().filter_map(|list| status[list].as_array());
    // When trouble is over, nobody is refused any more: that is no explanation.
    lists.flatten().any(|one| one["workload"] == name && one["reason"] != "Refused")
}

/// What is said of a workload, when it is not true.
#[allow(clippy::too_many_arguments, reason = "all of it is read once, here")]
fn untrue(
    status: &Value,
    name: &str,
    resource: Resource,
    key: &Key,
    workload: &Value,
    wish: &Wish,
    wishes: &[Wish],
    view: &View,
) -> Option<String> {
    let listed = status["blocked"].as_array()?.iter().find(|one| one["workload"] == name)?;
    let reason = listed["reason"].as_str().unwrap_or_default();
    let true_ = match reason {
        "Paused" | "MidRollout" | "OnDelete" | "Partition" => is_held(resource, workload),
        "Conflict" => wish.conflicts(wishes, view, resource, key, workload),
        "SameImageAgain" => crate::record::mark(resource, workload).is_some(),
        _ => true,
    };
    (!true_).then(|| format!("{name} is said to be blocked ({reason}), but it is not"))
}
