//! What stands above and below the table.

use std::fmt::Write as _;

use anstyle::Style;

use super::Look;
use crate::plan::view::{ConfigView, NamedView, PlanView};

/// Which config, and what it wants.
pub(super) fn heading(view: &ConfigView, plan: &PlanView, look: Look) -> String {
    let bold = if look == Look::Terminal { Style::new().bold() } else { Style::new() };
    let wanted = match plan.desired_images.as_slice() {
        [] if plan.wants_what_admission_gives => "what admission gives new pods".to_owned(),
        [] => "nothing".to_owned(),
        images => images.join(", "),
    };
    format!("{bold}FlippyConfig {}/{}{bold:#} wants {wanted}", view.namespace, view.name)
}

/// Restarts that are told by name: more are in `-o json`.
const MAX_NAMED: usize = 3;

/// Owners of stale pods that are left alone: more are in `-o json`.
const MAX_LEFT_ALONE: usize = 10;

/// How many, what goes first, what holds, what was odd: one line each.
pub(super) fn below(plan: &PlanView) -> String {
    let mut text = counts(plan);
    text.push('\n');
    let mut line = |label: &str, words: &str| {
        let _ = writeln!(text, "{label}: {words}");
    };
    if let Some(why) = &plan.selects_nothing {
        line("because", why);
    }
    let needs_restart = plan.counters.restart > 0;
    for first in plan.restart_first.iter().filter(|first| needs_restart || first.state != "Due") {
        line("before all others", &format!("{}, {}", name(&first.workload), first.message));
    }
    for unmet in plan.preconditions.iter().filter(|precondition| !precondition.met) {
        line("precondition not met", &format!("{}: {}", name(&unmet.workload), unmet.message));
    }
    for gate in &plan.gates {
        line(&format!("gate {}", gate.name), &gate.message);
    }
    match plan.starts_now.as_slice() {
        [] => {}
        some if some.len() <= MAX_NAMED => {
            line("starts at once", &some.iter().map(name).collect::<Vec<_>>().join(", "));
        }
        [one, rest @ ..] => line("starts at once", &format!("{} and {} more", name(one), rest.len())),
    }
    if let Some(hold) = &plan.hold {
        line(if plan.starts_now.is_empty() { "nothing starts" } else { "then" }, &hold.message);
    }
    for alone in plan.left_alone.iter().take(MAX_LEFT_ALONE) {
        let pods = if alone.pods == 1 { "1 stale pod".to_owned() } else { format!("{} stale pods", alone.pods) };
        line("left alone", &format!("{}, {pods}: {}", alone.what, alone.message));
    }
    if plan.left_alone.len() > MAX_LEFT_ALONE {
        line("left alone", &format!("and {} more: all are in -o json", plan.left_alone.len() - MAX_LEFT_ALONE));
    }
    if let Some(end) = &plan.estimate.estimated_end {
        line("expected end", end);
    }
    if let Some(rate) = &plan.estimate.restarts_per_minute {
        line("restarts per minute so far", rate);
    }
    if let Some(namespace) = &plan.only_namespace {
        line(
            "limited to",
            &format!("namespace {namespace}, its own: configs act on the whole cluster only from a --config-namespace"),
        );
    }
    for note in &plan.notes {
        line("note", &format!("{}: {}", note.path, note.message));
    }
    text
}

fn counts(plan: &PlanView) -> String {
    let counters = plan.counters;
    if counters.total == 0 {
        return "no workload is in scope".to_owned();
    }
    let noun = if counters.total == 1 { "workload" } else { "workloads" };
    let mut text = format!("{} {noun} in scope", counters.total);
    let named = [
        (counters.restart, "to restart"),
        (counters.in_flight, "being restarted"),
        (counters.converging, "converging"),
        (counters.blocked, "blocked"),
        (counters.futile, "futile"),
        (counters.failed, "failed"),
        (counters.fresh, "fresh"),
        (counters.idle, "idle"),
    ];
    let mut separator = ": ";
    for (count, words) in named.into_iter().filter(|(count, _)| *count > 0) {
        let _ = write!(text, "{separator}{count} {words}");
        separator = ", ";
    }
    text
}

fn name(workload: &NamedView) -> String {
    format!("{} {}/{}", workload.kind, workload.namespace, workload.name)
}
