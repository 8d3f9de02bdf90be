//! Nothing starts in a shut window.
//!
//! Whether a window is open is found out as a person with a calendar would: go back minute by minute, look at the clock
//! of that place, and see whether the schedule names that minute. Slow, and with nothing in common with the product.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::strategy::duration;
use super::{Case, Invariant, Objection};

const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// One of a config's `Windows`.
pub(crate) struct Window {
    allows: bool,
    schedule: String,
    zone: TimeZone,
    lasts: SignedDuration,
}

impl Window {
    pub(crate) fn read(spec: &Value) -> Self {
        let zone = spec["TimeZone"].as_str().unwrap_or("UTC");
        Self {
            allows: spec["Type"] == "Allow",
            schedule: spec["Schedule"].as_str().unwrap_or_default().to_owned(),
            zone: TimeZone::get(zone).expect("the zones drawn here exist"),
            lasts: duration(&spec["Duration"]),
        }
    }

    fn is_under_way(&self, at: Timestamp) -> bool {
        let mut minute = Timestamp::from_second(at.as_second().div_euclid(60) * 60).expect("a minute is no later");
        while at.duration_since(minute) < self.lasts {
            if self.begins_at(minute) {
                return true;
            }
            minute -= MINUTE;
        }
        false
    }

    fn begins_at(&self, minute: Timestamp) -> bool {
        let local = self.zone.to_datetime(minute);
        let fields: Vec<&str> = self.schedule.split(' ').collect();
        let day = DAYS[usize::try_from(local.weekday().to_sunday_zero_offset()).unwrap_or_default()];
        let shown = [
            local.minute().to_string(),
            local.hour().to_string(),
            local.day().to_string(),
            local.month().to_string(),
            day.to_owned(),
        ];
        // Those drawn here are lists of numbers, or one day by its name.
        shown.iter().zip(fields).all(|(shown, field)| field == "*" || field.split(',').any(|one| one == shown))
    }
}

/// Whether the windows of a config let restarts start.
pub(crate) fn is_open(windows: &[Window], at: Timestamp) -> bool {
    let any_of = |allows: bool| windows.iter().any(|window| window.allows == allows && window.is_under_way(at));
    let allowed = windows.iter().all(|window| !window.allows) || any_of(true);
    allowed && !any_of(false)
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
