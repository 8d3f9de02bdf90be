//! When trouble is over, everything in scope becomes fresh or is explained, and `Ready` tells the truth about it.

use flippy_sim::{Json, Key, Resource};
use jiff::{SignedDuration, Timestamp};

use super::facts::{Rollout, is_held, name, predates, rollout_of};
use super::single::is_single;
use super::wish::{Standing, Wish};
use super::{Finding, Invariant, halt, waves, window};
use crate::knowledge::View;

/// What is neither fresh nor explained now.
pub(crate) fn unexplained(view: &View, now: Timestamp) -> Vec<Finding> {
    let wishes: Vec<Wish> =
        view.configs.iter().filter_map(|(key, config)| Wish::read(key, config, &view.config_maps)).collect();
    let finding = |wish: &Wish, message: String| Finding {
        at: now,
        invariant: Invariant::Liveness,
        message: format!("FlippyConfig {}: {message}", wish.key),
        subject: wish.key.name.to_string(),
    };
    let mut findings = Vec::new();
    for wish in &wishes {
        let config = &view.configs[&wish.key];
        findings.extend(problems(wish, &wishes, view, config, now).into_iter().map(|message| finding(wish, message)));
    }
    findings
}

/// When time alone will bring something about, if it does until an instant: a window opens, or a soak ends.
pub(crate) fn next_turn(view: &View, now: Timestamp, until: Timestamp) -> Option<Timestamp> {
    let turns = view.configs.iter().filter_map(|(key, config)| {
        let wish = Wish::read(key, config, &view.config_maps).filter(|wish| !wish.suspended && !wish.dry_run)?;
        wish.in_scope(view).find(|(.., standing)| *standing == Standing::Stale)?;
        let conditions = config["status"]["conditions"].as_array();
        let mut allowed = conditions.into_iter().flatten().filter(|one| one["type"] == "RestartsAllowed");
        let waits = allowed.any(|one| one["reason"] == "WindowEnds" || one["reason"] == "WaveSoaks");
        // One that is open says when it does not let anything start all the same.
        let opens = window::next_open(&wish.windows, now, until)?;
        (waits || opens > now).then_some(opens)
    });
    turns.min()
}

/// Restarts that wait because the server refused them, though it has not refused anything for a while.
pub(crate) fn still_refused(view: &View, now: Timestamp) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (key, config) in &view.configs {
        let blocked = config["status"]["blocked"].as_array().into_iter().flatten();
        let by_webhook = view.refused.as_ref().map(|(resource, key)| name(*resource, key));
        let wrongly = |one: &&Json| one["reason"] == "Refused" && one["workload"].as_str() != by_webhook.as_deref();
        findings.extend(blocked.filter(wrongly).map(|one| Finding {
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

fn problems(wish: &Wish, wishes: &[Wish], view: &View, config: &Json, now: Timestamp) -> Vec<String> {
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
    let is_said = ready["reason"] == "ImageSourceUnavailable";
    if wish.lacks_a_source && !wish.suspended && !wish.dry_run {
        let problem = format!("a source of images is missing, but Ready is {} ({})", ready["status"], ready["reason"]);
        return if is_said && stalled["status"] == "True" { Vec::new() } else { vec![problem] };
    }
    if wish.lacks_a_source {
        return Vec::new();
    }
    let mut problems = Vec::new();
    if is_said {
        problems.push("a source of images is said to be missing, but is there".to_owned());
    }
    let all: Vec<(Resource, &Key, &Json, Standing)> = wish.in_scope(view).collect();
    let counters = &status["workloads"];
    let count = |field: &str| counters[field].as_u64().unwrap_or(0);
    // Which config's pods have no container of interest changes while they come and go; what is settled must agree.
    if count("total") != all.len() as u64 {
        problems.push(format!("{} workloads are in scope, but its status says {}", all.len(), counters["total"]));
    }
    let stale: Vec<_> = all.iter().filter(|(.., standing)| *standing == Standing::Stale).collect();
    let held_back = explanation_for_all(wish, view, allowed, stalled, now);
    for (resource, key, workload, _) in &stale {
        let name = name(*resource, key);
        let is_refused = view.refused.as_ref().is_some_and(|(kind, place)| kind == resource && place == *key);
        let listed = is_listed(status, &name, is_refused);
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
                && (rollout_of(*resource, workload) == Rollout::Complete || is_held(wish, *resource, workload)))
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
fn explanation_for_all(
    wish: &Wish,
    view: &View,
    allowed: &Json,
    stalled: &Json,
    now: Timestamp,
) -> Option<&'static str> {
    if allowed["status"] == "False" {
        match allowed["reason"].as_str()? {
            "Suspended" if wish.suspended => return Some("suspended"),
            "DryRun" if wish.dry_run => return Some("dry run"),
            "PreconditionsNotMet" if any_unmet(wish, view) => return Some("preconditions"),
            "RestartsFutile" if was_futile(wish, view) => return Some("futile"),
            "OutsideWindow" if !window::is_open(&wish.windows, now) => return Some("windows"),
            "GateShut" if wish.gates.iter().any(|gate| gate.is_shut_by(|host| view.mood.is_good(host))) => {
                return Some("gates");
            }
            "GatePending" if is_pending(wish, allowed, now) => return Some("gates"),
            "PendingPods" if view.has_pods_without_node() => return Some("no room"),
            "WindowsTooShort" if window::are_too_short(&wish.windows, longest(wish)) => return Some("windows"),
            "WindowEnds" if window::shuts_within(&wish.windows, now, longest(wish)) => return Some("windows"),
            "AwaitingApproval" if waves::waits_for_approval(wish, &view.configs[&wish.key]) => {
                return Some("approval");
            }
            "EarlierWave" if waves::waits_for_earlier(wish, view, &view.configs[&wish.key]) => return Some("waves"),
            "WaveSoaks" if wish.waves.iter().any(|wave| !wave.soak.is_zero()) => return Some("waves"),
            "Halted" if halt::may_be_halted(wish, view, now) => return Some("halted"),
            _ => {}
        }
    }
    if stalled["status"] != "True" {
        return None;
    }
    match stalled["reason"].as_str()? {
        "RestartsFutile" if was_futile(wish, view) => Some("futile"),
        "FirstRefused" if view.refused.as_ref().is_some_and(|(resource, key)| wish.goes_first(*resource, key)) => {
            Some("what goes first")
        }
        "FirstBlocked" if !view.budgets.is_empty() || wish.asks_admission => Some("what goes first"),
        _ => None,
    }
}

/// Whether a gate was not asked before, and is given the time that it has to stay open. It is asked when something becomes due,
/// such as another try, which may be a moment before the end.
fn is_pending(wish: &Wish, allowed: &Json, now: Timestamp) -> bool {
    let since: Option<Timestamp> = allowed["lastTransitionTime"].as_str().and_then(|at| at.parse().ok());
    since.is_some_and(|since| wish.gates.iter().any(|gate| gate.may_open_after(now.duration_since(since))))
}

/// So many restarts that bring stale pods again stop a campaign.
const FUTILE: usize = 3;

/// Whether restarts have brought stale images again, and nothing else, so often that it is pointless to go on.
fn was_futile(wish: &Wish, view: &View) -> bool {
    let in_vain = wish.in_scope(view).filter(|(resource, _, workload, standing)| {
        let Some(mark) = crate::record::mark(*resource, workload) else { return false };
        let mut since = view.pods(workload).iter().filter(|pod| !predates(*resource, pod, &mark)).peekable();
        *standing == Standing::Stale && since.peek().is_some() && since.all(|pod| wish.is_fresh(pod) != Some(true))
    });
    in_vain.count() >= FUTILE
}

/// More than this a restart cannot be expected to take: half as much again as the longest that counts.
fn longest(wish: &Wish) -> SignedDuration {
    let longest = wish.kinds.iter().map(|(_, check)| check.window()).max().unwrap_or_default();
    longest * 3 / 2 + wish.strategy.min_ready
}

fn any_unmet(wish: &Wish, view: &View) -> bool {
    wish.preconditions.iter().any(|(resource, key, _)| {
        let workload = view.workloads.get(&(*resource, key.clone()));
        workload.is_none_or(|workload| rollout_of(*resource, workload) != Rollout::Complete)
    })
}

fn is_listed(status: &Json, name: &str, is_refused: bool) -> bool {
    let lists = ["blocked", "failed"].into_iter().filter_map(|list| status[list].as_array());
    // When trouble is over, only a webhook still refuses anything: of all others that is no explanation.
    lists.flatten().any(|one| one["workload"] == name && (is_refused || one["reason"] != "Refused"))
}

/// What is said of a workload, when it is not true.
#[allow(clippy::too_many_arguments, reason = "all of it is read once, here")]
fn untrue(
    status: &Json,
    name: &str,
    resource: Resource,
    key: &Key,
    workload: &Json,
    wish: &Wish,
    wishes: &[Wish],
    view: &View,
) -> Option<String> {
    let listed = status["blocked"].as_array()?.iter().find(|one| one["workload"] == name)?;
    let reason = listed["reason"].as_str().unwrap_or_default();
    let true_ = match reason {
        "Paused" | "MidRollout" | "OnDelete" | "Partition" | "NoRollout" => is_held(wish, resource, workload),
        // Admission was asked long ago, or ought to have been.
        "AskingAdmission" => false,
        "SameImageForeseen" => !wish.wants(&view.image_of_a_new_pod(workload)),
        "NoProgress" => rollout_of(resource, workload) == Rollout::UnderWay,
        "Conflict" => wish.may_conflict(wishes, view, resource, key, workload),
        "SingleReplica" => wish.strategy.holds_single && is_single(wish, resource, workload),
        "SameImageAgain" => crate::record::mark(resource, workload).is_some(),
        _ => true,
    };
    (!true_).then(|| format!("{name} is said to be blocked ({reason}), but it is not"))
}
