//! The timeline: every restart where it was in time, as one picture in the page.

use std::collections::BTreeMap;

use flippy_core::Timestamp;
use maud::{Markup, html};

use super::model::{Campaign, Hold, Restart, RestartState};
use super::scale::Scale;
use super::{curves, text};
use crate::times::spoken_milliseconds;

/// Units of the picture.
pub(super) const WIDTH: f64 = 1_120.0;
pub(super) const LABELS: f64 = 236.0;
/// Room for the sign of a bar that ends with the campaign.
pub(super) const MARGIN: f64 = 22.0;
const TOP: f64 = 46.0;
const ROW: f64 = 17.0;
/// More restarts than this are drawn by namespace.
const SINGLE_ROWS: usize = 150;
/// Rows of one picture, at most.
const ROWS: usize = 42;
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

/// Draws it: in several pictures, one below the other, so that paper can break between them, and each with the times on top.
pub(super) fn timeline(campaign: &Campaign) -> Markup {
    let scale = Scale::of(campaign, WIDTH - LABELS - MARGIN);
    let is_dense = campaign.restarts.len() > SINGLE_ROWS;
    let rows = if is_dense { by_namespace(campaign) } else { one_each(campaign) };
    // Of about the same height.
    let pictures = rows.len().div_ceil(ROWS).max(1);
    let each = rows.len().div_ceil(pictures).max(1);
    html! {
        @for (number, rows) in rows.chunks(each).enumerate() {
            (picture(rows, campaign, &scale, number == 0, is_dense))
        }
    }
}

fn picture(rows: &[Row<'_>], campaign: &Campaign, scale: &Scale, is_first: bool, is_dense: bool) -> Markup {
    let body = TOP + if is_first && is_dense { curves::HEIGHT } else { 0.0 };
    let bottom = body + ROW * row_number(rows.len()) + 4.0;
    let describe = format!(
        "{} restarts from {} to {}. The table of restarts below has the same as text.",
        campaign.restarts.len(),
        campaign.begun_at,
        campaign.ended_at
    );
    html! {
        svg class="timeline" viewBox=(format!("0 0 {WIDTH} {bottom:.0}")) width=(WIDTH) height=(format!("{bottom:.0}")) role="img" {
            title { "Timeline of restarts" @if !is_first { ", continued" } }
            desc { (describe) }
            @if is_first { (patterns()) }
            @for number in (1..rows.len()).step_by(2) {
                rect class="stripe" x="0" y=(px(body + ROW * row_number(number))) width=(WIDTH) height=(ROW) {}
            }
            (gaps(scale, bottom))
            @for hold in &campaign.holds { (band(hold, scale, bottom)) }
            (axis(scale, bottom))
            (waves(campaign, scale, bottom))
            @if is_first && is_dense { (curves::curves(campaign, scale, TOP)) }
            @for (number, row) in rows.iter().enumerate() {
                @let y = body + ROW * row_number(number);
                text class="label" x=(LABELS - 10.0) y=(px(y + 12.0)) text-anchor="end" {
                    title { (text::shown(&row.label)) }
                    (shortened(&row.label))
                }
                @if is_dense { (merged_bars(row, campaign, scale, y)) } @else {
                    @for restart in &row.restarts { (bar(restart, campaign, scale, y)) }
                }
            }
        }
    }
}

/// Where each wave begins. Names that would lie on one another are left out: the table has them all.
fn waves(campaign: &Campaign, scale: &Scale, bottom: f64) -> Markup {
    let mut starts: Vec<(f64, &str)> = campaign
        .waves
        .iter()
        .filter_map(|wave| Some((LABELS + scale.x(wave.started_at?), wave.name.as_str())))
        .collect();
    starts.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut free = 0.0;
    let named = starts.into_iter().map(|(x, name)| {
        let name = shortened(name);
        let has_room = x >= free;
        if has_room {
            free = x + 50.0 + 6.5 * row_number(name.chars().count());
        }
        (x, name, has_room)
    });
    html! {
        @for (x, name, has_room) in named {
            line class="wave" x1=(px(x)) x2=(px(x)) y1="6" y2=(px(bottom)) {}
            @if has_room { text class="wave-name" x=(px(x + 4.0)) y="15" { "wave " (name) } }
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
        line class="axis" x1=(LABELS) x2=(WIDTH - MARGIN) y1="40" y2="40" {}
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
    html! { text class=(format!("sign {}", class_of(state))) x=(px(x.min(WIDTH - 14.0))) y=(px(y + 12.5)) { (sign) } }
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

#[cfg(test)]
mod tests {
    use super::super::model::tests::{campaign, restart};
    use super::*;

    fn drawn(count: i64) -> String {
        let one = |number: i64| restart(&format!("team-{:02}", number % 30), number / 20 * 30, 25);
        timeline(&campaign((0..count).map(one).collect())).into_string()
    }

    #[test]
    fn a_few_restarts_have_a_row_each() {
        for count in [5, 80] {
            assert_eq!(drawn(count).matches("class=\"ready\"").count(), usize::try_from(count).unwrap_or(0));
        }
    }

    #[test]
    fn many_restarts_have_a_row_for_each_namespace_and_curves() {
        let drawn = drawn(2_000);
        assert_eq!(drawn.matches("team-").count(), 2 * 30, "a label and its title for each namespace");
        assert!(drawn.contains("under way at once") && drawn.contains("at most 20"), "{drawn}");
        assert!(drawn.len() < 400_000, "{}", drawn.len());
    }

    #[test]
    fn a_picture_is_no_taller_than_a_sheet_of_paper() {
        assert_eq!(drawn(80).matches("<svg").count(), 2);
        assert_eq!(drawn(40).matches("<svg").count(), 1);
    }

    #[test]
    fn what_went_wrong_has_a_sign_of_its_own() {
        let mut failed = restart("a", 0, 10);
        failed.state = RestartState::Failed;
        assert!(timeline(&campaign(vec![failed])).into_string().contains('✕'));
    }
}
