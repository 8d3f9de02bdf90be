//! Times and spans as people say them.

use std::time::Duration;

use flippy_core::Timestamp;

/// Kubernetes and people know no fractions of a second.
pub(crate) fn whole_second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// `+01:02:03` since the beginning; with days where there are any.
pub(crate) fn clock(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
    let days = if days > 0 { format!("{days}d ") } else { String::new() };
    format!("+{days}{hours:02}:{:02}:{:02}", seconds / 60 % 60, seconds % 60)
}

/// `19 min 32 s`: the two largest units.
pub(crate) fn spoken(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

/// The same for milliseconds, to the nearest second.
pub(crate) fn spoken_milliseconds(milliseconds: i64) -> String {
    spoken(Duration::from_secs((milliseconds.max(0).unsigned_abs() + 500) / 1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_told_in_its_two_largest_units() {
        let told = [59, 61, 3_661, 90_000].map(|seconds| spoken(Duration::from_secs(seconds)));
        assert_eq!(told, ["59 s", "1 min 1 s", "1 h 1 min", "1 d 1 h"]);
    }

    #[test]
    fn a_moment_is_told_by_the_clock() {
        assert_eq!(clock(Duration::from_secs(3_723)), "+01:02:03");
        assert_eq!(clock(Duration::from_hours(25)), "+1d 01:00:00");
    }
}
