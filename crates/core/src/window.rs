//! Windows: when restarts may start, and when not.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

use crate::cron::Schedule;

/// Days looked ahead for the next opening. Every schedule that ever fires does so within this: a leap day is at most
/// eight years away.
const HORIZON_DAYS: i32 = 8 * 366;

/// A span of time that begins again and again.
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
    /// Restarts may start until then. `None`: no end is in sight.
    Open {
        /// When they no longer may.
        until: Option<Timestamp>,
    },
    /// Restarts must not start before then. `None`: no opening is in sight.
    Shut {
        /// When they may again.
        until: Option<Timestamp>,
    },
}

/// Asks all windows of a policy. Without any, it is always open.
///
/// A window is anchored to the day on which it begins: "Saturday 22:00 for 6 h" includes Sunday 02:00 and excludes
/// Saturday 02:00.
pub fn window_state(windows: &[Window], now: Timestamp) -> WindowState {
    if windows.is_empty() {
        return WindowState::Open { until: None };
    }
    if is_open(windows, now) {
        return WindowState::Open { until: next_change(windows, now, false) };
    }
    WindowState::Shut { until: next_change(windows, now, true) }
}

fn is_open(windows: &[Window], at: Timestamp) -> bool {
    let inside = |kind| windows.iter().any(move |window| window.kind == kind && window.contains(at));
    let needs_allowing = windows.iter().any(|window| window.kind == WindowKind::Allow);
    !inside(WindowKind::Deny) && (!needs_allowing || inside(WindowKind::Allow))
}

/// The first instant after `now` at which restarts may (or may not) start. It is an edge of some window.
fn next_change(windows: &[Window], now: Timestamp, open: bool) -> Option<Timestamp> {
    let mut at = now;
    // Each step goes to the next edge of any window. Windows that touch or overlap hide edges from each other, so
    // several may have to be passed.
    for _ in 0..MAX_EDGES {
        at = windows.iter().filter_map(|window| window.next_edge(at)).min()?;
        if is_open(windows, at) == open {
            return Some(at);
        }
    }
    // Not the answer, but soon enough to ask again.
    open.then_some(at)
}

/// Edges passed in search of a change. A schedule of every minute hides any number; a pass must not pay for that.
const MAX_EDGES: usize = 16;

impl Window {
    fn contains(&self, at: Timestamp) -> bool {
        self.last_start(at).is_some_and(|start| at < end_of(start, self.duration))
    }

    /// The next beginning or end after `at`.
    fn next_edge(&self, at: Timestamp) -> Option<Timestamp> {
        let end = self.last_start(at).map(|start| end_of(start, self.duration)).filter(|end| *end > at);
        // A start inside the window prolongs it; its end comes from a later last_start.
        [end, self.next_start(at)].into_iter().flatten().min()
    }

    /// The last beginning at or before `at`, as far back as the window lasts.
    fn last_start(&self, at: Timestamp) -> Option<Timestamp> {
        let today = self.date_of(at);
        // One more for the part of a day that is left, one for time zones that change their offset.
        let days_back = i32::try_from(self.duration.as_hours() / 24).unwrap_or(HORIZON_DAYS).min(HORIZON_DAYS) + 2;
        (0..=days_back)
            .filter_map(|back| today.checked_sub(back.days()).ok())
            .filter(|day| self.schedule.fires_on(*day))
            .find_map(|day| self.starts_on(day).filter(|start| *start <= at).max())
    }

    /// The first beginning after `at`.
    fn next_start(&self, at: Timestamp) -> Option<Timestamp> {
        let today = self.date_of(at);
        (0..=HORIZON_DAYS)
            .filter_map(|ahead| today.checked_add(ahead.days()).ok())
            .filter(|day| self.schedule.fires_on(*day))
            .find_map(|day| self.starts_on(day).filter(|start| *start > at).min())
    }

    fn date_of(&self, at: Timestamp) -> Date {
        at.to_zoned(self.time_zone.clone()).date()
    }

    /// A time that clocks skip happens when they have been put forward; one that they show twice happens the first
    /// time (RFC 5545, as calendars do).
    fn starts_on(&self, day: Date) -> impl Iterator<Item = Timestamp> + '_ {
        self.schedule.times().filter_map(move |(hour, minute)| {
            let zoned = self.time_zone.to_ambiguous_zoned(day.at(hour, minute, 0, 0)).compatible();
            zoned.ok().map(|zoned| zoned.timestamp())
        })
    }
}

fn end_of(start: Timestamp, duration: SignedDuration) -> Timestamp {
    start.saturating_add(duration).unwrap_or(Timestamp::MAX)
}
