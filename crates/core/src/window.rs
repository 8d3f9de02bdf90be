//! Windows: when restarts may start, and when not.

use std::fmt;

use jiff::civil::Date;
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp, ToSpan};

use crate::cron::Schedule;

/// Days looked ahead for the next beginning. A leap day is at most eight years away.
const HORIZON_DAYS: i32 = 8 * 366;

/// Days before and after an instant in which nearly every question is answered. While a clock is not changed in them, no time
/// zone has to be asked about every single beginning.
const NEAR_DAYS: i32 = 2;

/// Edges passed in search of a change. Real windows need one or two; those that hide more from each other must not make
/// every pass pay for it.
const MAX_EDGES: usize = 16;

/// Openings looked at to see whether any is long enough. Where none is among so many, and no window lasts longer, there
/// will not be one for a long time.
const OPENINGS: usize = 8;

/// A span of time that begins again and again.
///
/// It is anchored to the day on which it begins: "Saturday 22:00 for 6 h" includes Sunday 02:00 and excludes Saturday
/// 02:00.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// Whether restarts may start inside it, or must not.
    pub kind: WindowKind,
    /// When it begins, by the wall clock of `time_zone`.
    pub schedule: Schedule,
    /// How long it lasts, in real time: a window of six hours lasts six hours also in the night in which clocks change.
    pub duration: SignedDuration,
    /// Whose wall clock.
    pub time_zone: TimeZone,
}

/// What a window is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowKind {
    /// Restarts may start only inside such windows, if there are any.
    Allow,
    /// Restarts must not start inside it, whatever else allows them.
    Deny,
}

/// What the windows of a policy say at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowState {
    /// Restarts may start.
    Open {
        /// At least until then. `None`: no end is in sight.
        until: Option<Timestamp>,
    },
    /// Restarts must not start.
    Shut {
        /// At least until then. `None`: no opening is in sight.
        until: Option<Timestamp>,
    },
}

/// Why windows will not let anything start, however long anybody waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooShort {
    /// The longest of the openings that come.
    pub longest: SignedDuration,
    /// What a restart is expected to take, with the time that it has to stay complete.
    pub needed: SignedDuration,
}

impl fmt::Display for TooShort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Rounded up: while a slow one is under way, every pass would have another answer.
        let needed = SignedDuration::from_mins(self.needed.as_secs().saturating_add(59).div_euclid(60));
        write!(
            f,
            "no window of spec.Windows is long enough: the longest that comes is open for {:#}, and a restart is expected to \
             take up to {needed:#}: make a window longer, or lower spec.Strategy.MinReadySeconds",
            self.longest
        )
    }
}

/// Asks all windows of a policy. Without any, it is always open.
///
/// The times are exact, unless the windows hide more than 16 edges from each other: then they are too early, which makes
/// whoever trusts them careful, and ask again.
pub fn window_state(windows: &[Window], now: Timestamp) -> WindowState {
    let of_kind = |kind| windows.iter().filter(move |window| window.kind == kind).collect::<Vec<_>>();
    let (allow, deny) = (of_kind(WindowKind::Allow), of_kind(WindowKind::Deny));
    if is_open(&allow, &deny, now) {
        let allowed_until = (!allow.is_empty()).then(|| covered_until(&allow, now));
        let denied_from = deny.iter().filter_map(|window| window.next_start(now)).min();
        return WindowState::Open { until: allowed_until.into_iter().chain(denied_from).min() };
    }
    let mut at = now;
    for _ in 0..MAX_EDGES {
        let next = if deny.iter().any(|window| window.contains(at)) {
            Some(covered_until(&deny, at))
        } else {
            allow.iter().filter_map(|window| window.next_start(at)).min()
        };
        let Some(next) = next else { return WindowState::Shut { until: None } };
        at = next;
        if is_open(&allow, &deny, at) {
            break;
        }
    }
    WindowState::Shut { until: Some(at) }
}

/// Whether none of the windows is ever open for longer than what is needed. `None` also while nobody can say.
pub(crate) fn too_short_for(needed: SignedDuration, windows: &[Window], now: Timestamp) -> Option<TooShort> {
    let mut allow = windows.iter().filter(|window| window.kind == WindowKind::Allow).peekable();
    allow.peek()?;
    // What is denied of it is denied by somebody who knows how much is left.
    if allow.any(|window| window.duration > needed) {
        return None;
    }
    let mut longest = None;
    let mut at = match window_state(windows, now) {
        WindowState::Open { until } => until?,
        WindowState::Shut { .. } => now,
    };
    for _ in 0..OPENINGS {
        let WindowState::Shut { until: Some(begin) } = window_state(windows, at) else { break };
        let WindowState::Open { until: Some(end) } = window_state(windows, begin) else { return None };
        longest = longest.max(Some(end.duration_since(begin)));
        at = end;
    }
    longest.filter(|longest| *longest <= needed).map(|longest| TooShort { longest, needed })
}

fn is_open(allow: &[&Window], deny: &[&Window], at: Timestamp) -> bool {
    let inside = |windows: &[&Window]| windows.iter().any(|window| window.contains(at));
    !inside(deny) && (allow.is_empty() || inside(allow))
}

/// Until when at least one of the windows is under way without a break, beginning at an instant at which one is.
fn covered_until(windows: &[&Window], at: Timestamp) -> Timestamp {
    let mut covered = at;
    for _ in 0..MAX_EDGES {
        let furthest = windows.iter().filter_map(|window| window.end_at(covered)).max();
        match furthest {
            Some(end) => covered = end,
            None => break,
        }
    }
    covered
}

impl Window {
    fn contains(&self, at: Timestamp) -> bool {
        self.end_at(at).is_some()
    }

    /// When the window under way at an instant ends, if one is. The next may have begun before that.
    fn end_at(&self, at: Timestamp) -> Option<Timestamp> {
        let end = self.last_start(at)?.saturating_add(self.duration).unwrap_or(Timestamp::MAX);
        (at < end).then_some(end)
    }

    /// The last beginning at or before an instant, as far back as the window lasts.
    fn last_start(&self, at: Timestamp) -> Option<Timestamp> {
        let near = self.steady_offset(at).and_then(|offset| {
            let local = offset.to_datetime(at);
            let last_on = |day: Date| {
                let times = self.times_on(day);
                let after = times.partition_point(|(hour, minute)| day.at(*hour, *minute, 0, 0) <= local);
                times[..after].last().map(|(hour, minute)| day.at(*hour, *minute, 0, 0))
            };
            let start = days_around(local.date(), (-NEAR_DAYS..=0).rev()).find_map(last_on)?;
            offset.to_timestamp(start).ok()
        });
        near.or_else(|| self.far_last_start(at))
    }

    fn far_last_start(&self, at: Timestamp) -> Option<Timestamp> {
        // One more for the part of a day that is left, one for a change of the clocks.
        let days_back = i32::try_from(self.duration.as_hours() / 24).unwrap_or(HORIZON_DAYS).min(HORIZON_DAYS) + 2;
        let last_on = |day| self.starts_on(day).filter(|start| *start <= at).max();
        let (day, start) = self.days_from(at, (-days_back..=1).rev()).find_map(|day| Some((day, last_on(day)?)))?;
        // Clocks that change at midnight can put the beginnings of two days out of order.
        day.yesterday().ok().and_then(last_on).max(Some(start))
    }

    /// The first beginning after an instant.
    fn next_start(&self, at: Timestamp) -> Option<Timestamp> {
        let near = self.steady_offset(at).and_then(|offset| {
            let local = offset.to_datetime(at);
            let next_on = |day: Date| {
                let times = self.times_on(day);
                let until = times.partition_point(|(hour, minute)| day.at(*hour, *minute, 0, 0) <= local);
                times.get(until).map(|(hour, minute)| day.at(*hour, *minute, 0, 0))
            };
            let start = days_around(local.date(), 0..=NEAR_DAYS).find_map(next_on)?;
            offset.to_timestamp(start).ok()
        });
        near.or_else(|| self.far_next_start(at))
    }

    /// How far the clock of the window is from UTC, if nobody changes it near an instant: then all that begins near it begins
    /// in the order of the wall clock. A day more on either side, for what a change outside can bring nearer.
    fn steady_offset(&self, at: Timestamp) -> Option<Offset> {
        let days = SignedDuration::from_hours(24 * i64::from(NEAR_DAYS + 2));
        let (from, to) = (at.checked_sub(days).ok()?, at.checked_add(days).ok()?);
        let changes = self.time_zone.following(from).next().is_some_and(|change| change.timestamp() <= to);
        (!changes).then(|| self.time_zone.to_offset(at))
    }

    fn times_on(&self, day: Date) -> &[(i8, i8)] {
        if self.schedule.fires_on(day) { self.schedule.times() } else { &[] }
    }

    fn far_next_start(&self, at: Timestamp) -> Option<Timestamp> {
        let next_on = |day| self.starts_on(day).filter(|start| *start > at).min();
        let (day, start) = self.days_from(at, -1..=HORIZON_DAYS).find_map(|day| Some((day, next_on(day)?)))?;
        Some(day.tomorrow().ok().and_then(next_on).map_or(start, |other| other.min(start)))
    }

    /// The days that are so many days from an instant, by the clock of the window.
    fn days_from(&self, at: Timestamp, offsets: impl Iterator<Item = i32>) -> impl Iterator<Item = Date> {
        days_around(self.time_zone.to_datetime(at).date(), offsets)
    }

    /// A time that clocks skip happens as long after midnight as it would have without; one that they show twice happens
    /// the first time (RFC 5545, as calendars do).
    fn starts_on(&self, day: Date) -> impl Iterator<Item = Timestamp> + '_ {
        self.times_on(day).iter().filter_map(move |(hour, minute)| {
            let zoned = self.time_zone.to_ambiguous_zoned(day.at(*hour, *minute, 0, 0)).compatible();
            zoned.ok().map(|zoned| zoned.timestamp())
        })
    }
}

fn days_around(today: Date, offsets: impl Iterator<Item = i32>) -> impl Iterator<Item = Date> {
    offsets.filter_map(move |offset| today.checked_add(offset.days()).ok())
}
