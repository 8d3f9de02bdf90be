//! Nothing starts in a shut window.
//!
//! Whether a window is open is found out as a person with a calendar would: go back minute by minute, look at the clock
//! of that place, and see whether the schedule names that minute. Slow, and with nothing in common with the product.

use flippy_sim::Json;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::strategy::duration;
use super::{Case, Invariant, Objection};

const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// One of a config's `Windows`.
pub(crate) struct Window {
    allows: bool,
    /// What a clock shows when it begins: minute, hour, day, month, day of the week. None: anything.
    schedule: [Option<Vec<i8>>; 5],
    zone: TimeZone,
    lasts: SignedDuration,
}

impl Window {
    pub(crate) fn read(spec: &Json) -> Self {
        let zone = spec["TimeZone"].as_str().unwrap_or("UTC");
        Self {
            allows: spec["Type"] == "Allow",
            schedule: read_schedule(spec["Schedule"].as_str().unwrap_or_default()),
            zone: TimeZone::get(zone).expect("the zones drawn here exist"),
            lasts: duration(&spec["Duration"]),
        }
    }

    fn is_under_way(&self, at: Timestamp) -> bool {
        self.last_beginning(at).is_some()
    }

    /// The beginning of the one that is under way.
    fn last_beginning(&self, at: Timestamp) -> Option<Timestamp> {
        let mut minute = whole_minute(at);
        while at.duration_since(minute) < self.lasts {
            if self.begins_at(minute) {
                return Some(minute);
            }
            minute -= MINUTE;
        }
        None
    }

    fn begins_at(&self, minute: Timestamp) -> bool {
        let local = self.zone.to_datetime(minute);
        let day = local.weekday().to_sunday_zero_offset();
        let shown = [local.minute(), local.hour(), local.day(), local.month(), day];
        shown.iter().zip(&self.schedule).all(|(shown, wanted)| wanted.as_ref().is_none_or(|list| list.contains(shown)))
    }
}

/// Those drawn here are lists of numbers, or one day by its name.
fn read_schedule(text: &str) -> [Option<Vec<i8>>; 5] {
    let day = |name: &str| DAYS.iter().zip(0..).find(|(day, _)| **day == name).map(|(_, number)| number);
    let value = |one: &str| one.parse().ok().or_else(|| day(one)).expect("schedules drawn here are such ones");
    let mut fields = text.split(' ');
    std::array::from_fn(|_| {
        fields.next().filter(|field| *field != "*").map(|list| list.split(',').map(value).collect())
    })
}

/// Whether the windows of a config let restarts start.
pub(crate) fn is_open(windows: &[Window], at: Timestamp) -> bool {
    let any_of = |allows: bool| windows.iter().any(|window| window.allows == allows && window.is_under_way(at));
    let allowed = windows.iter().all(|window| !window.allows) || any_of(true);
    allowed && !any_of(false)
}

/// When they let restarts start from an instant on, if they do until another one.
pub(crate) fn next_open(windows: &[Window], from: Timestamp, until: Timestamp) -> Option<Timestamp> {
    if is_open(windows, from) {
        return Some(from);
    }
    let mut began: Vec<Option<Timestamp>> = windows.iter().map(|window| window.last_beginning(from)).collect();
    let mut minute = whole_minute(from) + MINUTE;
    while minute < until {
        let (mut allowed, mut denied) = (windows.iter().all(|window| !window.allows), false);
        for (window, began) in windows.iter().zip(&mut began) {
            if window.begins_at(minute) {
                *began = Some(minute);
            }
            let is_under_way = began.is_some_and(|began| minute.duration_since(began) < window.lasts);
            allowed |= is_under_way && window.allows;
            denied |= is_under_way && !window.allows;
        }
        if allowed && !denied {
            return Some(minute);
        }
        minute += MINUTE;
    }
    None
}

fn whole_minute(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second().div_euclid(60) * 60).expect("a minute is no later")
}

/// Whether they shut within so long after an instant.
pub(crate) fn shuts_within(windows: &[Window], at: Timestamp, within: SignedDuration) -> bool {
    let mut minute = at;
    while minute.duration_since(at) < within {
        minute += MINUTE;
        if !is_open(windows, minute) {
            return true;
        }
    }
    false
}

/// Whether none that lets restarts start lasts longer than they may take.
pub(crate) fn are_too_short(windows: &[Window], may_take: SignedDuration) -> bool {
    windows.iter().filter(|window| window.allows).all(|window| window.lasts <= may_take)
}

pub(super) fn objection(case: &Case<'_>) -> Option<Objection> {
    let windows = &case.wish.windows;
    let config = &case.wish.key;
    if !is_open(windows, case.now) {
        let message = format!("the windows of FlippyConfig {config} were shut at {}", case.now);
        return Some(Objection::new(Invariant::Window, message));
    }
    // Whatever else is expected of it, it has to stay complete for so long.
    let least = case.wish.strategy.min_ready;
    let done = case.now.saturating_add(least).unwrap_or(case.now);
    (!is_open(windows, done)).then(|| {
        let message = format!("the windows of FlippyConfig {config} shut before it can be done, at {done}");
        Objection::new(Invariant::Window, message)
    })
}
