//! The tables of the page. The script makes them sort and filter; without it they are tables.

use std::collections::BTreeMap;

use flippy_core::Timestamp;
use maud::{Markup, html};

use super::model::{Campaign, Named, RestartState, Workload};
use super::page::{grouped, moment};
use super::text::shown;
use super::timeline::class_of;
use crate::times::spoken_milliseconds;

/// A column: its title, and whether it holds numbers, or times that sort by theirs.
struct Column(&'static str, Holds);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    Words,
    Numbers,
    Times,
}

use Holds::{Numbers, Times, Words};

fn table(id: &str, title: &str, caption: &str, columns: &[Column], rows: &Markup) -> Markup {
    html! {
        section aria-labelledby=(id) {
            h2 id=(id) { (title) }
            div class="scroll" tabindex="0" role="region" aria-labelledby=(id) {
                table data-sorts="" {
                    caption { (caption) }
                    thead { tr {
                        @for Column(title, holds) in columns {
                            th scope="col" class=[(*holds == Numbers).then_some("number")] data-sort=[(*holds == Times).then_some("number")] { (title) }
                        }
                    } }
                    tbody { (rows) }
                }
            }
        }
    }
}

fn time(at: Option<Timestamp>) -> Markup {
    let sorts = at.map_or_else(String::new, |at| at.as_millisecond().to_string());
    html! { td class="time" data-v=(sorts) { (at.map_or_else(|| "–".to_owned(), moment)) } }
}

fn span(milliseconds: Option<i64>) -> Markup {
    let sorts = milliseconds.map_or_else(String::new, |span| span.to_string());
    html! { td class="number" data-v=(sorts) { (milliseconds.map_or_else(|| "–".to_owned(), spoken_milliseconds)) } }
}

fn number(value: usize) -> Markup {
    html! { td class="number" data-v=(value) { (grouped(value)) } }
}

fn name(workload: &Named) -> Markup {
    html! { th scope="row" class="name" { bdi { (shown(&workload.namespace)) "/" (shown(&workload.name)) } } }
}

fn why(message: &str) -> Markup {
    html! { td class="why" { bdi { (shown(message)) } } }
}

fn wave_cell(campaign: &Campaign, wave: Option<&String>) -> Markup {
    html! { @if !campaign.waves.is_empty() { td { bdi { (wave.map_or_else(|| "–".to_owned(), |wave| shown(wave))) } } } }
}

fn with_wave(campaign: &Campaign, mut columns: Vec<Column>, at: usize) -> Vec<Column> {
    if !campaign.waves.is_empty() {
        columns.insert(at, Column("Wave", Words));
    }
    columns
}

/// Every restart, in order.
pub(super) fn restarts(campaign: &Campaign) -> Markup {
    if campaign.restarts.is_empty() {
        return html! {};
    }
    let columns = vec![
        Column("#", Numbers),
        Column("Workload", Words),
        Column("Kind", Words),
        Column("Started", Times),
        Column("Took", Numbers),
        Column("Pods", Numbers),
        Column("Became", Words),
        Column("Why", Words),
    ];
    let sign = |state| match state {
        RestartState::Ready => "✓",
        RestartState::Failed => "✕",
        RestartState::Futile => "↺",
        RestartState::UnderWay => "…",
    };
    let rows = html! {
        @for (place, restart) in campaign.restarts.iter().enumerate() {
            tr {
                (number(place + 1))
                (name(&restart.workload))
                td { (shown(&restart.workload.kind)) }
                (wave_cell(campaign, restart.wave.as_ref()))
                (time(Some(restart.started_at)))
                (span(restart.over_at().map(|over| over.as_millisecond() - restart.started_at.as_millisecond())))
                (number(restart.pods))
                td class="state" { span class=(format!("badge {}", class_of(restart.state))) { span aria-hidden="true" { (sign(restart.state)) " " } (restart.state.as_str()) } }
                (why(&restart.message))
            }
        }
    };
    table(
        "restarts",
        "Restarts",
        "Every restart, in the order in which they started.",
        &with_wave(campaign, columns, 3),
        &rows,
    )
}

fn verdict(workload: &Workload) -> Markup {
    let (class, sign) = match &*workload.verdict {
        "Fresh" => ("good", "✓"),
        "Idle" => ("quiet", "–"),
        "Failed" => ("failed", "✕"),
        "Futile" => ("futile", "↺"),
        "Blocked" => ("futile", "!"),
        _ => ("under-way", "…"),
    };
    html! {
        td class="state" {
            span class=(format!("badge {class}")) { span aria-hidden="true" { (sign) " " } (shown(&workload.verdict)) }
            @if let Some(reason) = &workload.reason { " (" (shown(reason)) ")" }
        }
    }
}

fn of_workloads<'a>(
    campaign: &Campaign,
    id: &str,
    title: &str,
    caption: &str,
    workloads: impl Iterator<Item = &'a Workload>,
) -> Markup {
    let columns = vec![
        Column("Workload", Words),
        Column("Kind", Words),
        Column("Verdict", Words),
        Column("Stale", Numbers),
        Column("Pods", Numbers),
        Column("Why", Words),
    ];
    let rows = html! {
        @for workload in workloads {
            tr {
                (name(&workload.workload))
                td { (shown(&workload.workload.kind)) }
                (wave_cell(campaign, workload.wave.as_ref()))
                (verdict(workload))
                (number(workload.stale_pods))
                (number(workload.pods))
                (why(&workload.message))
            }
        }
    };
    table(id, title, caption, &with_wave(campaign, columns, 2), &rows)
}

fn is_left(workload: &Workload) -> bool {
    !matches!(&*workload.verdict, "Fresh" | "Idle")
}

/// What is of interest to whoever has to do something.
pub(super) fn left_behind(campaign: &Campaign) -> Markup {
    if !campaign.workloads.iter().any(is_left) {
        return html! {};
    }
    let left = campaign.workloads.iter().filter(|workload| is_left(workload));
    of_workloads(campaign, "left", "Left behind", "Workloads that do not run the wanted images, and why.", left)
}

/// Every workload in scope.
pub(super) fn workloads(campaign: &Campaign) -> Markup {
    if campaign.workloads.is_empty() {
        return html! { section aria-labelledby="workloads" { h2 id="workloads" { "Workloads" } p { "No workload is in scope." } } };
    }
    let all = campaign.workloads.iter();
    of_workloads(campaign, "workloads", "Workloads", "Every workload in scope, in the order of the plan.", all)
}

/// The waves, in order.
pub(super) fn waves(campaign: &Campaign) -> Markup {
    if campaign.waves.is_empty() {
        return html! {};
    }
    let columns = [
        Column("Wave", Words),
        Column("Workloads", Numbers),
        Column("First restart", Times),
        Column("Complete", Times),
        Column("Took", Numbers),
        Column("State", Words),
    ];
    let rows = html! {
        @for wave in &campaign.waves {
            tr {
                th scope="row" class="name" { bdi { (shown(&wave.name)) } }
                (number(usize::try_from(wave.total).unwrap_or(0)))
                (time(wave.started_at))
                (time(wave.completed_at))
                (span(wave.started_at.zip(wave.completed_at).map(|(from, to)| to.as_millisecond() - from.as_millisecond())))
                td { (shown(&wave.state)) }
            }
        }
    };
    table("waves", "Waves", "One group of workloads after the other.", &columns, &rows)
}

/// How many pods were away, by namespace.
pub(super) fn disruption(campaign: &Campaign) -> Markup {
    let Some(disruption) = campaign.disruption.as_ref().filter(|disruption| !disruption.namespaces.is_empty()) else {
        return html! {};
    };
    let mut restarts: BTreeMap<&str, usize> = BTreeMap::new();
    for restart in &campaign.restarts {
        *restarts.entry(&restart.workload.namespace).or_default() += 1;
    }
    let mut namespaces: Vec<_> = disruption.namespaces.iter().collect();
    namespaces.sort_by_key(|one| (std::cmp::Reverse(one.peak), &one.namespace));
    let columns = [
        Column("Namespace", Words),
        Column("Missing at once", Numbers),
        Column("Of pods", Numbers),
        Column("At", Times),
        Column("Restarts", Numbers),
    ];
    let rows = html! {
        @for one in namespaces {
            tr {
                th scope="row" class="name" { bdi { (shown(&one.namespace)) } }
                (number(one.peak))
                (number(one.pods))
                (time(Some(one.peak_at)))
                (number(restarts.get(&*one.namespace).copied().unwrap_or(0)))
            }
        }
    };
    let caption = "Ready pods that a workload had before and did not have for a while: the most at any one time.";
    table("disruption", "Pods missing", caption, &columns, &rows)
}

/// When nothing could start.
pub(super) fn holds(campaign: &Campaign) -> Markup {
    if campaign.holds.is_empty() {
        return html! {};
    }
    let columns = [
        Column("From", Times),
        Column("Until", Times),
        Column("For", Numbers),
        Column("Reason", Words),
        Column("Why", Words),
    ];
    let length = |from: Timestamp, until: Timestamp| until.as_millisecond() - from.as_millisecond();
    let rows = html! {
        @for hold in &campaign.holds {
            tr {
                th scope="row" class="time" data-v=(hold.from.as_millisecond()) { (moment(hold.from)) }
                (time(Some(hold.until)))
                (span(Some(length(hold.from, hold.until))))
                td { (shown(&hold.reason)) }
                (why(&hold.message))
            }
        }
    };
    table("holds", "When nothing could start", "Windows, gates, approvals and halts.", &columns, &rows)
}
