//! What many restarts come to: how many were under way at each moment, and how many were over.

use maud::{Markup, html};

use super::model::Campaign;
use super::scale::Scale;
use super::timeline::{LABELS, MARGIN, WIDTH, px};

/// Of both, with what is between them.
pub(super) const HEIGHT: f64 = 172.0;
const ONE: f64 = 66.0;
const BETWEEN: f64 = 14.0;

/// Draws both.
pub(super) fn curves(campaign: &Campaign, scale: &Scale, top: f64) -> Markup {
    let (under_way, over) = counted(campaign, scale);
    let most = under_way.iter().copied().max().unwrap_or(0);
    let total = campaign.restarts.len();
    html! {
        (curve(&under_way, most, top, "under way at once", most))
        (curve(&over, total.max(1), top + ONE + BETWEEN, "over", over.last().copied().unwrap_or(0)))
    }
}

fn curve(values: &[usize], most: usize, top: f64, label: &str, at_most: usize) -> Markup {
    #[allow(clippy::cast_precision_loss)] // pixels and restarts
    let height = |value: usize| ONE * value as f64 / most.max(1) as f64;
    let bottom = top + ONE;
    let mut path = format!("M{LABELS} {}", px(bottom));
    for (at, value) in values.iter().enumerate() {
        #[allow(clippy::cast_precision_loss)] // pixels
        let x = LABELS + at as f64;
        path.push_str(&["L", &px(x), " ", &px(bottom - height(*value))].concat());
    }
    path.push_str(&["L", &px(WIDTH - MARGIN), " ", &px(bottom), "Z"].concat());
    html! {
        text class="label" x=(LABELS - 10.0) y=(px(top + 12.0)) text-anchor="end" { (label) }
        text class="label strong" x=(LABELS - 10.0) y=(px(top + 28.0)) text-anchor="end" { "at most " (at_most) }
        path class="area" d=(path) {}
        line class="axis" x1=(LABELS) x2=(WIDTH - MARGIN) y1=(px(bottom)) y2=(px(bottom)) {}
    }
}

/// For each unit of the picture: the most that were under way, and how many were over.
fn counted(campaign: &Campaign, scale: &Scale) -> (Vec<usize>, Vec<usize>) {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a width, and places on it
    let columns = (WIDTH - LABELS - MARGIN) as usize;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // places on the picture
    let column = |at| (scale.x(at).max(0.0) as usize).min(columns);
    let mut turns: Vec<(i64, i32, usize)> = Vec::new();
    let mut over = vec![0; columns + 1];
    for restart in &campaign.restarts {
        turns.push((restart.started_at.as_millisecond(), 1, column(restart.started_at)));
        if let Some(at) = restart.over_at() {
            turns.push((at.as_millisecond(), -1, column(at)));
            over[column(at)] += 1;
        }
    }
    // What ends makes room for what starts at the same moment.
    turns.sort_unstable();
    let mut under_way = vec![0; columns + 1];
    let (mut now, mut done_to) = (0_usize, 0);
    for (_, change, at) in turns {
        for between in &mut under_way[done_to..=at] {
            *between = (*between).max(now);
        }
        now = now.saturating_add_signed(change as isize);
        under_way[at] = under_way[at].max(now);
        done_to = at;
    }
    for between in &mut under_way[done_to..] {
        *between = (*between).max(now);
    }
    let mut sum = 0;
    for one in &mut over {
        sum += *one;
        *one = sum;
    }
    (under_way, over)
}
