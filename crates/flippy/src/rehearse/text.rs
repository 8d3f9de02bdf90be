//! A rehearsal for people at a terminal.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use comfy_table::presets::NOTHING;
use comfy_table::{Attribute, Cell, CellAlignment, ContentArrangement, Table};
use flippy_core::Timestamp;

use crate::render::{Look, printable};
use crate::report::model::{Campaign, Outcome, Restart, RestartState};
use crate::times::{clock, spoken, spoken_milliseconds};

/// Lines of a list, unless all are asked for.
const SHOWN: usize = 10;

/// Everything that would happen, in short.
pub(super) fn of(campaign: &Campaign, wide: bool, look: Look) -> String {
    let limit = if wide { usize::MAX } else { SHOWN };
    let mut text = headline(campaign, look);
    summary(&mut text, campaign);
    waves(&mut text, campaign, look);
    section(&mut text, "PODS MISSING AT ONCE", namespaces(campaign, look, limit), look);
    section(&mut text, "ORDER", order(campaign, look, limit), look);
    section(&mut text, "LEFT BEHIND", left_behind(campaign, look, limit), look);
    section(&mut text, "NOTHING STARTS", holds(campaign, look, limit), look);
    lines(&mut text, "ASSUMED", &campaign.assumptions, look);
    lines(&mut text, "NOTE", &campaign.notes, look);
    text
}

fn headline(campaign: &Campaign, look: Look) -> String {
    let configs: Vec<String> =
        campaign.configs.iter().map(|config| format!("{}/{}", config.namespace, config.name)).collect();
    let took = spoken(Duration::from_secs(campaign.seconds().unsigned_abs()));
    let (colour, would) = match campaign.outcome {
        Outcome::Finished => (AnsiColor::Green, format!("It would finish after {took}")),
        Outcome::Blocked => (AnsiColor::Yellow, format!("It would end after {took}")),
        Outcome::Halted => (AnsiColor::Red, format!("It would halt after {took}")),
        Outcome::UnderWay => (AnsiColor::Red, "It would not come to an end".to_owned()),
    };
    let would = styled(&would, colour.on_default().bold(), look);
    format!(
        "Rehearsal of FlippyConfig {}, from {}\n{would}: {}.\n\n",
        configs.join(", "),
        campaign.begun_at,
        printable(&campaign.message)
    )
}

fn styled(text: &str, style: Style, look: Look) -> String {
    if look == Look::Terminal { format!("{style}{text}{style:#}") } else { text.to_owned() }
}

fn summary(text: &mut String, campaign: &Campaign) {
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "  {name:<14} {value}");
    };
    let counted = [
        (RestartState::Ready, "ready"),
        (RestartState::Failed, "failed"),
        (RestartState::Futile, "in vain"),
        (RestartState::UnderWay, "under way"),
    ];
    let parts: Vec<String> = counted
        .iter()
        .map(|(state, words)| (campaign.restarted(*state), words))
        .filter(|(count, _)| *count > 0)
        .map(|(count, words)| format!("{count} {words}"))
        .collect();
    line(
        "restarts",
        format!("{}: {}", campaign.restarts.len(), if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }),
    );
    let images: Vec<&str> =
        campaign.configs.iter().flat_map(|config| &config.desired_images).map(String::as_str).collect();
    line("wanted", printable(&images.join(", ")));
    if let Some(disruption) = &campaign.disruption {
        let at = disruption.peak_at.map_or_else(String::new, |at| format!(", at {}", after(campaign, at)));
        line("pods missing", format!("{} of {} at once{at}", disruption.peak, disruption.pods));
    }
    for budget in &campaign.deadlocks {
        line("deadlock", format!("{budget} can never allow a disruption"));
    }
}

fn waves(text: &mut String, campaign: &Campaign, look: Look) {
    if campaign.waves.is_empty() {
        return;
    }
    let mut table = table(&["WAVE", "WORKLOADS", "STARTS", "COMPLETE", "STATE"], look);
    let at = |time: Option<Timestamp>| time.map_or_else(|| "-".to_owned(), |at| after(campaign, at));
    for wave in &campaign.waves {
        table.add_row([
            Cell::new(printable(&wave.name)),
            number(wave.total),
            Cell::new(at(wave.started_at)),
            Cell::new(at(wave.completed_at)),
            Cell::new(&wave.state),
        ]);
    }
    section(text, "WAVES", Some((table, 0)), look);
}

type Shown = Option<(Table, usize)>;

fn namespaces(campaign: &Campaign, look: Look, limit: usize) -> Shown {
    let disruption = campaign.disruption.as_ref()?;
    let mut restarts: BTreeMap<&str, usize> = BTreeMap::new();
    for restart in &campaign.restarts {
        *restarts.entry(&restart.workload.namespace).or_default() += 1;
    }
    let mut rows: Vec<_> = disruption.namespaces.iter().collect();
    rows.sort_by_key(|one| (std::cmp::Reverse(one.peak), one.namespace.clone()));
    if rows.is_empty() {
        return None;
    }
    let mut table = table(&["NAMESPACE", "MISSING", "OF PODS", "AT", "RESTARTS"], look);
    for one in rows.iter().take(limit) {
        table.add_row([
            Cell::new(&one.namespace),
            number(one.peak),
            number(one.pods),
            Cell::new(after(campaign, one.peak_at)),
            number(restarts.get(&*one.namespace).copied().unwrap_or(0)),
        ]);
    }
    Some((table, rows.len().saturating_sub(limit)))
}

fn order(campaign: &Campaign, look: Look, limit: usize) -> Shown {
    if campaign.restarts.is_empty() {
        return None;
    }
    let has_waves = !campaign.waves.is_empty();
    let mut titles = vec!["#", "STARTS", "TOOK", "WORKLOAD", "BECOMES"];
    if has_waves {
        titles.insert(3, "WAVE");
    }
    let mut table = table(&titles, look);
    for (place, restart) in campaign.restarts.iter().enumerate().take(limit) {
        let mut row = vec![
            number(place + 1),
            Cell::new(after(campaign, restart.started_at)),
            Cell::new(took(restart)).set_alignment(CellAlignment::Right),
            Cell::new(restart.workload.to_string()),
            Cell::new(restart.state.as_str()),
        ];
        if has_waves {
            row.insert(3, Cell::new(printable(restart.wave.as_deref().unwrap_or("-"))));
        }
        table.add_row(row);
    }
    Some((table, campaign.restarts.len().saturating_sub(limit)))
}

fn took(restart: &Restart) -> String {
    let Some(over) = restart.over_at() else { return "-".to_owned() };
    spoken_milliseconds(over.as_millisecond() - restart.started_at.as_millisecond())
}

fn left_behind(campaign: &Campaign, look: Look, limit: usize) -> Shown {
    let is_left = |verdict: &str| !matches!(verdict, "Fresh" | "Idle");
    let rows: Vec<_> = campaign.workloads.iter().filter(|workload| is_left(&workload.verdict)).collect();
    if rows.is_empty() {
        return None;
    }
    let mut table = table(&["WORKLOAD", "VERDICT", "WHY"], look);
    for one in rows.iter().take(limit) {
        let verdict = one.reason.as_ref().map_or_else(|| one.verdict.clone(), |why| format!("{} ({why})", one.verdict));
        table.add_row([one.workload.to_string(), verdict, printable(&one.message)]);
    }
    Some((table, rows.len().saturating_sub(limit)))
}

fn holds(campaign: &Campaign, look: Look, limit: usize) -> Shown {
    if campaign.holds.is_empty() {
        return None;
    }
    let mut table = table(&["FROM", "FOR", "REASON", "WHY"], look);
    for hold in campaign.holds.iter().take(limit) {
        let span = Duration::try_from(hold.from.duration_until(hold.until)).unwrap_or_default();
        table.add_row([after(campaign, hold.from), spoken(span), hold.reason.clone(), printable(&hold.message)]);
    }
    Some((table, campaign.holds.len().saturating_sub(limit)))
}

fn section(text: &mut String, title: &str, shown: Shown, look: Look) {
    let Some((table, more)) = shown else { return };
    let _ = writeln!(text, "\n{}", styled(title, Style::new().bold(), look));
    for line in table.trim_fmt().lines() {
        let _ = writeln!(text, "  {line}");
    }
    if more > 0 {
        let _ = writeln!(text, "  and {more} more: -o wide shows all");
    }
}

fn lines(text: &mut String, title: &str, lines: &[String], look: Look) {
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{}", styled(title, Style::new().bold(), look));
    for line in lines {
        let _ = writeln!(text, "  {}", printable(line));
    }
}

fn table(titles: &[&str], look: Look) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING);
    match look {
        Look::Terminal => table.set_content_arrangement(ContentArrangement::Dynamic).enforce_styling(),
        Look::Plain => table.set_content_arrangement(ContentArrangement::Disabled).force_no_tty(),
    };
    table.set_header(titles.iter().map(|title| match look {
        Look::Terminal => Cell::new(title).add_attribute(Attribute::Dim),
        Look::Plain => Cell::new(title),
    }));
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
}

fn number(value: impl ToString) -> Cell {
    Cell::new(value).set_alignment(CellAlignment::Right)
}

/// Since the beginning.
fn after(campaign: &Campaign, at: Timestamp) -> String {
    clock(Duration::try_from(campaign.begun_at.duration_until(at)).unwrap_or_default())
}
