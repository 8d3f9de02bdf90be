//! From time to places on the timeline.
//!
//! A campaign may wait through three days for its window and then work for an hour. Long waits are drawn short, and marked, so
//! that the hour can be read.

use flippy_core::Timestamp;

use super::model::Campaign;

/// What a long wait gets.
const GAP_WIDTH: f64 = 44.0;
/// A wait is long from this share of the busy time on, and from so many milliseconds on.
const LONG_SHARE: f64 = 0.25;
const LONG: i64 = 120_000;
/// Between two ticks, at least.
const TICK_WIDTH: f64 = 96.0;
/// Seconds between ticks.
const STEPS: [i64; 21] = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800,
    2_592_000,
];

/// A timeline of some width.
pub(super) struct Scale {
    pieces: Vec<Piece>,
    width: f64,
}

/// A span, and where it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    from: i64,
    to: i64,
    pub(super) left: f64,
    pub(super) right: f64,
    /// Whether it is drawn much shorter than the others.
    pub(super) is_gap: bool,
}

impl Piece {
    pub(super) fn milliseconds(&self) -> i64 {
        self.to - self.from
    }
}

/// A moment with a name.
pub(super) struct Tick {
    pub(super) x: f64,
    pub(super) label: String,
}

impl Scale {
    /// For a campaign.
    pub(super) fn of(campaign: &Campaign, width: f64) -> Self {
        let begin = campaign.begun_at.as_millisecond();
        let mut spans: Vec<(i64, i64)> = campaign
            .restarts
            .iter()
            .map(|restart| (restart.started_at, restart.over_at().unwrap_or(campaign.ended_at)))
            .map(|(from, to)| (from.as_millisecond(), to.as_millisecond()))
            .collect();
        spans.sort_unstable();
        let last = spans.iter().map(|(_, to)| *to).max().unwrap_or(begin);
        let end = campaign.ended_at.as_millisecond().max(last).max(begin + 1_000);
        let busy = merged(&spans);
        let busy_time: i64 = busy.iter().map(|(from, to)| to - from).sum();
        #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)] // milliseconds of a campaign
        let long = LONG.max((busy_time as f64 * LONG_SHARE) as i64);
        let mut cuts = Vec::new();
        let mut at = begin.min(busy.first().map_or(begin, |(from, _)| *from));
        for (from, to) in &busy {
            if from - at > long {
                cuts.push((at, *from, true));
            } else if *from > at {
                cuts.push((at, *from, false));
            }
            cuts.push((*from, *to, false));
            at = *to;
        }
        if end > at {
            cuts.push((at, end, !busy.is_empty() && end - at > long));
        }
        Self { pieces: placed(&joined(cuts), width), width }
    }

    /// Where a moment is.
    pub(super) fn x(&self, at: Timestamp) -> f64 {
        let at = at.as_millisecond();
        let Some(piece) = self.pieces.iter().find(|piece| at <= piece.to) else { return self.width };
        #[allow(clippy::cast_precision_loss)] // milliseconds of a campaign
        let share = (at - piece.from).max(0) as f64 / (piece.to - piece.from).max(1) as f64;
        piece.left + share * (piece.right - piece.left)
    }

    /// The waits that are drawn short.
    pub(super) fn gaps(&self) -> impl Iterator<Item = &Piece> {
        self.pieces.iter().filter(|piece| piece.is_gap)
    }

    /// Moments to name: round ones, as far apart as their names need.
    pub(super) fn ticks(&self) -> Vec<Tick> {
        let drawn = || self.pieces.iter().filter(|piece| !piece.is_gap);
        let milliseconds: i64 = drawn().map(Piece::milliseconds).sum();
        let width: f64 = drawn().map(|piece| piece.right - piece.left).sum();
        #[allow(clippy::cast_precision_loss)] // milliseconds of a campaign
        let wanted = TICK_WIDTH * milliseconds as f64 / width.max(1.0) / 1_000.0;
        #[allow(clippy::cast_precision_loss)] // a few days
        let step = STEPS.into_iter().find(|step| *step as f64 >= wanted).unwrap_or(STEPS[STEPS.len() - 1]);
        let mut ticks: Vec<Tick> = Vec::new();
        let mut day = String::new();
        for piece in drawn() {
            let first = piece.from.div_euclid(1_000 * step) + i64::from(piece.from.rem_euclid(1_000 * step) != 0);
            let last = piece.to.div_euclid(1_000 * step);
            for number in first..=last {
                let Ok(at) = Timestamp::from_second(number * step) else { continue };
                let x = self.x(at);
                if ticks.last().is_some_and(|tick| x - tick.x < TICK_WIDTH * 0.6) {
                    continue;
                }
                let (date, time) = parts(at, step < 60);
                let label = if date == day { time } else { format!("{time} · {date}") };
                day = date;
                ticks.push(Tick { x, label });
            }
        }
        ticks
    }
}

/// Date and time of day, as in RFC 3339.
fn parts(at: Timestamp, seconds: bool) -> (String, String) {
    let text = at.to_string();
    let (date, time) = text.split_once('T').unwrap_or(("", ""));
    (date.to_owned(), time.get(..if seconds { 8 } else { 5 }).unwrap_or_default().to_owned())
}

fn merged(spans: &[(i64, i64)]) -> Vec<(i64, i64)> {
    let mut merged: Vec<(i64, i64)> = Vec::new();
    for (from, to) in spans {
        match merged.last_mut() {
            Some(last) if *from <= last.1 => last.1 = last.1.max(*to),
            _ => merged.push((*from, (*to).max(*from))),
        }
    }
    merged
}

/// Neighbours that are drawn alike are one.
fn joined(cuts: Vec<(i64, i64, bool)>) -> Vec<(i64, i64, bool)> {
    let mut joined: Vec<(i64, i64, bool)> = Vec::new();
    for (from, to, is_gap) in cuts {
        match joined.last_mut() {
            Some(last) if last.2 == is_gap => last.1 = to,
            _ => joined.push((from, to, is_gap)),
        }
    }
    joined
}

fn placed(cuts: &[(i64, i64, bool)], width: f64) -> Vec<Piece> {
    #[allow(clippy::cast_precision_loss)] // a few dozen gaps, milliseconds of a campaign
    let (gaps, drawn) = (
        cuts.iter().filter(|cut| cut.2).count() as f64,
        cuts.iter().filter(|cut| !cut.2).map(|cut| cut.1 - cut.0).sum::<i64>().max(1) as f64,
    );
    let gap_width = GAP_WIDTH.min(width * 0.5 / gaps.max(1.0));
    let left_for_drawn = width - gaps * gap_width;
    let mut left = 0.0;
    let place = |(from, to, is_gap): &(i64, i64, bool)| {
        #[allow(clippy::cast_precision_loss)] // milliseconds of a campaign
        let size = if *is_gap { gap_width } else { (to - from) as f64 / drawn * left_for_drawn };
        let piece = Piece { from: *from, to: *to, left, right: left + size, is_gap: *is_gap };
        left += size;
        piece
    };
    cuts.iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::super::model::tests::{campaign, restart};
    use super::*;

    const WIDTH: f64 = 800.0;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_767_600_000 + second).expect("it is a time")
    }

    #[test]
    fn a_long_wait_is_drawn_short_and_the_rest_to_scale() {
        let night = 36_000;
        let scale = Scale::of(&campaign(vec![restart("a", night, 600), restart("b", night + 600, 600)]), WIDTH);
        let gaps: Vec<i64> = scale.gaps().map(Piece::milliseconds).collect();
        assert_eq!(gaps, [night * 1_000]);
        let (first, half, end) = (scale.x(at(night)), scale.x(at(night + 600)), scale.x(at(night + 1_200)));
        assert!(first < WIDTH * 0.1, "{first}");
        assert!((half - first - (end - half)).abs() < 0.01, "{first} {half} {end}");
    }

    #[test]
    fn a_campaign_without_a_break_has_no_gap() {
        let restarts = (0..10).map(|number| restart("a", number * 60, 60)).collect();
        assert_eq!(Scale::of(&campaign(restarts), WIDTH).gaps().count(), 0);
    }

    #[test]
    fn ticks_stand_apart_and_in_order_however_long_it_takes() {
        for seconds in [1, 40, 4_000, 400_000, 40_000_000] {
            let scale = Scale::of(&campaign(vec![restart("a", 0, seconds)]), WIDTH);
            let ticks = scale.ticks();
            assert!(!ticks.is_empty() && ticks.len() <= 12, "{seconds}: {}", ticks.len());
            assert!(ticks.windows(2).all(|two| two[1].x - two[0].x >= 50.0), "{seconds}");
        }
    }

    #[test]
    fn nothing_is_drawn_beside_the_picture() {
        let scale = Scale::of(&campaign(vec![restart("a", 10, 100)]), WIDTH);
        for second in [-100, 0, 10, 60, 110, 100_000] {
            assert!((0.0..=WIDTH).contains(&scale.x(at(second))), "{second}");
        }
    }
}
