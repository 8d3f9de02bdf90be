//! The timeline: every restart where it was in time, as one picture in the page.

use std::collections::BTreeMap;

use flippy_core::Timestamp;
use maud::{Markup, html};

use super::model::{Campaign, Hold, Restart, RestartState};
use super::scale::Scale;
use super::words::spoken_milliseconds;
use super::{curves, text};

/// Units of the picture.
pub(super) const WIDTH: f64 = 1_120.0;
pub(super) const LABELS: f64 = 236.0;
const TOP: f64 = 46.0;
const ROW: f64 = 17.0;
/// More restarts than this are drawn by namespace.
const SINGLE_ROWS: usize = 150;
/// Namespaces with a row of their own.
const NAMESPACES: usize = 60;
/// Letters that a label has room for.
const LETTERS: usize = 37;
/// A bar that short would not be seen.
const SHORTEST: f64 = 2.0;

/// Bars, and what they belong to.
struct Row<'a> {
    label: String,
    restarts: Vec<&'a Restart>,
}

/// Draws it.
pub(super) fn timeline(campaign: &Campaign) -> Markup {
    let scale = Scale::of(campaign, WIDTH - LABELS - 8.0);
    let is_dense = campaign.restarts.len() > SINGLE_ROWS;
    let rows = if is_dense { by_namespace(campaign) } else { one_each(campaign) };
    let curves_height = if is_dense { curves::HEIGHT } else { 0.0 };
    let body = TOP + curves_height;
    #[allow(clippy::cast_precision_loss)] // at most a few hundred rows
    let bottom = body + ROW * rows.len() as f64 + 6.0;
    let describe = format!(
        "{} restarts from {} to {}. The table of restarts below has the same as text.",
        campaign.restarts.len(),
        campaign.begun_at,
        campaign.ended_at
    );
    html! {
        svg class="timeline" viewBox=(format!("0 0 {WIDTH} {bottom:.0}")) width=(WIDTH) height=(format!("{bottom:.0}"))
            role="img" aria-labelledby="timeline-title timeline-desc" {
            title id="timeline-title" { "Timeline of restarts" }
            desc id="timeline-desc" { (describe) }
            (patterns())
            (gaps(&scale, bottom))
            @for hold in &campaign.holds { (band(hold, &scale, bottom)) }
            (axis(&scale, bottom))
            @for wave in &campaign.waves {
                @if let Some(at) = wave.started_at {
                    @let x = LABELS + scale.x(at);
                    line class="wave" x1=(px(x)) x2=(px(x)) y1="24" y2=(px(bottom)) {}
                    text class="wave-name" x=(px(x + 4.0)) y="14" { "wave " (text::shown(&wave.name)) }
                }
            }
            @if is_dense { (curves::curves(campaign, &scale, TOP)) }
            @for (number, row) in rows.iter().enumerate() {
                @let y = body + ROW * row_number(number);
                @if number % 2 == 1 {
                    rect class="stripe" x="0" y=(px(y)) width=(WIDTH) height=(ROW) {}
                }
                text class="label" x=(LABELS - 10.0) y=(px(y + 12.0)) text-anchor="end" {
                    title { (text::shown(&row.label)) }
                    (shortened(&row.label))
                }
                @if is_dense { (merged_bars(row, campaign, &scale, y)) } @else {
                    @for restart in &row.restarts { (bar(restart, campaign, &scale, y)) }
                }
            }
        }
    }
}

#[allow(clippy::cast_precision_loss)] // at most a few hundred rows
fn row_number(number: usize) -> f64 {
    number as f64
}

/// A coordinate as text: a tenth is finer than anybody sees.
pub(super) fn px(value: f64) -> String {
    format!("{value:.1}")
}

/// What tells the states apart without colour.
fn patterns() -> Markup {
    html! {
        defs {
            pattern id="failed" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" {
                rect class="fill-failed" width="5" height="5" {}
                rect class="fill-paper" width="1.6" height="5" {}
            }
            pattern id="under-way" width="7" height="7" patternUnits="userSpaceOnUse" {
                rect class="fill-under-way" width="7" height="7" {}
                rect class="fill-paper" width="2" height="7" {}
            }
            pattern id="hold" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" {
                rect class="fill-hold" width="1" height="6" {}
            }
        }
    }
}

fn axis(scale: &Scale, bottom: f64) -> Markup {
    html! {
        @for tick in scale.ticks() {
            @let x = LABELS + tick.x;
            line class="grid" x1=(px(x)) x2=(px(x)) y1="40" y2=(px(bottom)) {}
            text class="tick" x=(px(x + 3.0)) y="34" { (tick.label) }
        }
        line class="axis" x1=(LABELS) x2=(WIDTH - 8.0) y1="40" y2="40" {}
    }
}

fn gaps(scale: &Scale, bottom: f64) -> Markup {
    html! {
        @for gap in scale.gaps() {
            @let middle = LABELS + f64::midpoint(gap.left, gap.right);
            rect class="gap" x=(px(LABELS + gap.left)) y="40" width=(px(gap.right - gap.left)) height=(px(bottom - 40.0)) {
                title { "nothing for " (spoken_milliseconds(gap.milliseconds())) ", drawn short" }
            }
            text class="tick" x=(px(middle)) y=(px(bottom - 4.0)) text-anchor="middle" { (spoken_milliseconds(gap.milliseconds())) }
        }
    }
}

fn band(hold: &Hold, scale: &Scale, bottom: f64) -> Markup {
    let (left, right) = (scale.x(hold.from), scale.x(hold.until));
    html! {
        rect class="hold" x=(px(LABELS + left)) y="40" width=(px((right - left).max(1.0))) height=(px(bottom - 40.0)) {
            title { (hold.reason) ": " (text::shown(&hold.message)) }
        }
    }
}

fn one_each(campaign: &Campaign) -> Vec<Row<'_>> {
    let label = |restart: &Restart| format!("{}/{}", restart.workload.namespace, restart.workload.name);
    campaign.restarts.iter().map(|restart| Row { label: label(restart), restarts: vec![restart] }).collect()
}

fn by_namespace(campaign: &Campaign) -> Vec<Row<'_>> {
    let mut namespaces: BTreeMap<&str, Vec<&Restart>> = BTreeMap::new();
    for restart in &campaign.restarts {
        namespaces.entry(&restart.workload.namespace).or_default().push(restart);
    }
    let mut largest: Vec<(&str, Vec<&Restart>)> = namespaces.into_iter().collect();
    largest.sort_by_key(|(name, restarts)| (std::cmp::Reverse(restarts.len()), *name));
    let rest = largest.split_off(largest.len().min(NAMESPACES));
    largest.sort_by_key(|(name, _)| *name);
    let mut rows: Vec<Row<'_>> = Vec::with_capacity(largest.len() + 1);
    for (name, restarts) in largest {
        rows.push(Row { label: format!("{name} ({})", restarts.len()), restarts });
    }
    if !rest.is_empty() {
        let label = format!("{} more namespaces", rest.len());
        rows.push(Row { label, restarts: rest.into_iter().flat_map(|(_, restarts)| restarts).collect() });
    }
    rows
}

fn end_of(restart: &Restart, campaign: &Campaign) -> Timestamp {
    // Ready, but nobody knows since when.
    let unknown = if restart.state == RestartState::Ready { restart.started_at } else { campaign.ended_at };
    restart.over_at().unwrap_or(unknown).max(restart.started_at)
}

fn bar(restart: &Restart, campaign: &Campaign, scale: &Scale, y: f64) -> Markup {
    let (left, right) = (scale.x(restart.started_at), scale.x(end_of(restart, campaign)));
    let width = (right - left).max(SHORTEST);
    let end = LABELS + left + width;
    html! {
        rect class=(class_of(restart.state)) x=(px(LABELS + left)) y=(px(y + 3.5)) width=(px(width)) height="10" rx="2" {
            title { (told(restart, campaign)) }
        }
        (sign(restart.state, end + 3.0, y))
    }
}

fn sign(state: RestartState, x: f64, y: f64) -> Markup {
    let sign = match state {
        RestartState::Ready => return html! {},
        RestartState::Failed => "✕",
        RestartState::Futile => "↺",
        RestartState::UnderWay => "…",
    };
    html! { text class=(format!("sign {}", class_of(state))) x=(px(x.min(WIDTH - 12.0))) y=(px(y + 12.5)) { (sign) } }
}

/// Bars of one state that touch are one: nobody can tell a hundred of them apart.
fn merged_bars(row: &Row<'_>, campaign: &Campaign, scale: &Scale, y: f64) -> Markup {
    let mut bars: Vec<(RestartState, f64, f64, usize)> = Vec::new();
    for restart in &row.restarts {
        let (left, right) = (scale.x(restart.started_at), scale.x(end_of(restart, campaign)));
        let right = right.max(left + SHORTEST);
        match bars.iter_mut().rfind(|bar| bar.0 == restart.state) {
            Some(bar) if left <= bar.2 + 0.5 => {
                bar.2 = bar.2.max(right);
                bar.3 += 1;
            }
            _ => bars.push((restart.state, left, right, 1)),
        }
    }
    // What went wrong is drawn last, on top.
    bars.sort_by_key(|bar| bar.0);
    html! {
        @for (state, left, right, count) in bars {
            rect class=(class_of(state)) x=(px(LABELS + left)) y=(px(y + 3.5)) width=(px(right - left)) height="10" rx="2" {
                title { (count) " " (state.as_str()) }
            }
            (sign(state, LABELS + right + 3.0, y))
        }
    }
}

fn told(restart: &Restart, campaign: &Campaign) -> String {
    let took = end_of(restart, campaign).as_millisecond() - restart.started_at.as_millisecond();
    format!("{}: {} after {}", restart.workload, restart.state.as_str(), spoken_milliseconds(took))
}

pub(super) fn class_of(state: RestartState) -> &'static str {
    match state {
        RestartState::Ready => "ready",
        RestartState::Failed => "failed",
        RestartState::Futile => "futile",
        RestartState::UnderWay => "under-way",
    }
}

/// The end of a name tells more than its beginning.
fn shortened(label: &str) -> String {
    let label = text::shown(label);
    let count = label.chars().count();
    if count <= LETTERS {
        return label;
    }
    let end: String = label.chars().skip(count - LETTERS + 1).collect();
    format!("…{end}")
}
