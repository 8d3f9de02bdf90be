//! Statuses for people.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use flippy_api::{Listed, WorkloadCounts};

use super::view::{Progress, StatusView};
use crate::render::{Look, printable};

/// Entries of each list: more are in `-o json`.
const MAX_LISTED: usize = 10;

/// One config in full, several as a table.
pub(crate) fn text(views: &[StatusView], look: Look) -> String {
    match views {
        [] => "no FlippyConfig: apply one, or look elsewhere with -n or -A\n".to_owned(),
        [one] => full(one, look),
        several => table(several),
    }
}

/// One change in one line.
pub(crate) fn line(view: &StatusView) -> String {
    let mut text = format!("{} {}", view.path(), view.word());
    if let Some(counts) = &view.workloads {
        let _ = write!(text, " {} done", counts.done);
        for (count, words) in counted(counts).filter(|(count, words)| *count > 0 && *words != "fresh") {
            let _ = write!(text, ", {count} {words}");
        }
    }
    let message =
        view.not_up_to_date.as_ref().or(view.held.as_ref().map(|held| &held.message)).unwrap_or(&view.message);
    printable(&format!("{text}: {message}"))
}

fn full(view: &StatusView, look: Look) -> String {
    let mut text = String::new();
    let (colour, bold) = match (look, view.progress) {
        (Look::Plain, _) => (Style::new(), Style::new()),
        (_, Progress::Ready) => (AnsiColor::Green.on_default(), Style::new().bold()),
        (_, Progress::UnderWay) => (AnsiColor::Blue.on_default(), Style::new().bold()),
        (_, Progress::Stalled) => (AnsiColor::Red.on_default(), Style::new().bold()),
        (_, Progress::Unknown) => (AnsiColor::Yellow.on_default(), Style::new().bold()),
    };
    let word = printable(&view.word());
    let _ = writeln!(
        text,
        "{bold}FlippyConfig {}{bold:#}: {colour}{word}{colour:#}: {}",
        printable(&view.path()),
        printable(&view.message)
    );
    let mut fact = |name: &str, said: &str| {
        let _ = writeln!(text, "  {name:<13} {}", printable(said));
    };
    if let Some(why) = view.not_up_to_date.as_ref().filter(|why| **why != view.message) {
        fact("outdated", why);
    }
    if !view.desired_images.is_empty() {
        fact("wants", &view.desired_images.join(", "));
    }
    if let Some(counts) = &view.workloads {
        let counted: Vec<String> =
            counted(counts).filter(|(count, _)| *count > 0).map(|(count, words)| format!("{count} {words}")).collect();
        fact("done", &format!("{} workloads: {}", counts.done, counted.join(", ")));
    }
    if let Some(since) = &view.since {
        fact("since", since);
    }
    match (&view.started_at, &view.completed_at) {
        (Some(started), Some(completed)) => fact("campaign", &format!("from {started} to {completed}")),
        (Some(started), None) => fact("campaign", &format!("began {started}")),
        _ => {}
    }
    for wave in &view.waves {
        let left = if wave.left_behind > 0 { format!(", {} left behind", wave.left_behind) } else { String::new() };
        fact("wave", &format!("{}: {} {}/{}{left}", wave.name, wave.state, wave.fresh, wave.total));
    }
    if let Some(end) = &view.estimated_end {
        let rate = view.restarts_per_minute.as_ref().map_or_else(String::new, |rate| format!(", {rate} per minute"));
        fact("expected end", &format!("{end}{rate}"));
    }
    if let Some(held) = &view.held {
        fact("held", &format!("{} since {}: {}", held.reason, held.since, held.message));
    }
    for unmet in view.preconditions.iter().filter(|precondition| !precondition.met) {
        let since = unmet.unmet_since.as_ref().map_or_else(String::new, |since| format!(" since {since}"));
        fact("precondition", &format!("{} {}/{}: {}{since}", unmet.r#type, unmet.namespace, unmet.name, unmet.message));
    }
    let counts = view.workloads.clone().unwrap_or_default();
    list(&mut fact, "under way", &view.in_flight, counts.in_flight);
    list(&mut fact, "blocked", &view.blocked, counts.blocked + counts.futile);
    list(&mut fact, "failed", &view.failed, counts.failed);
    list(&mut fact, "left alone", &view.left_alone, 0);
    text
}

fn list(fact: &mut impl FnMut(&str, &str), name: &str, listed: &[Listed], total: i64) {
    for one in listed.iter().take(MAX_LISTED) {
        fact(name, &format!("{}: {}: {}", one.workload, one.reason, one.message));
    }
    let shown = listed.len().min(MAX_LISTED);
    let total = usize::try_from(total).unwrap_or_default().max(listed.len());
    if total > shown {
        fact(name, &format!("and {} more: `flippy plan` lists all", total - shown));
    }
}

fn counted(counts: &WorkloadCounts) -> impl Iterator<Item = (i64, &'static str)> {
    not_done(counts).into_iter().chain([(counts.fresh, "fresh"), (counts.idle, "idle")])
}

/// How many workloads are not as they should be, in words.
pub(crate) fn not_done(counts: &WorkloadCounts) -> [(i64, &'static str); 6] {
    [
        (counts.restart, "to restart"),
        (counts.in_flight, "being restarted"),
        (counts.converging, "converging"),
        (counts.blocked, "blocked"),
        (counts.futile, "futile"),
        (counts.failed, "failed"),
    ]
}

fn table(views: &[StatusView]) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled).force_no_tty();
    table.set_header(["NAMESPACE/NAME", "STATE", "DONE", "UNDER WAY", "BLOCKED", "FAILED", "SINCE", "HELD BY"]);
    for view in views {
        let held = view.held.as_ref().map_or("-", |held| &held.reason);
        let done = view.workloads.as_ref().map_or("-", |counts| &counts.done);
        let since = view.since.as_deref().unwrap_or("-");
        let row = [
            view.path(),
            view.word(),
            done.to_owned(),
            view.count(|counts| counts.in_flight).to_string(),
            view.count(|counts| counts.blocked + counts.futile).to_string(),
            view.count(|counts| counts.failed).to_string(),
            since.to_owned(),
            held.to_owned(),
        ];
        table.add_row(row.map(|cell| printable(&cell)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt() + "\n"
}
