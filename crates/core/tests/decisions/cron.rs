//! Cron schedules: what is understood, and what is said of the rest.

use flippy_core::{Schedule, SignedDuration, TimeZone, Timestamp, Window, WindowKind, WindowState, window_state};

/// The first beginnings of a schedule after the first instant of 2026, a Thursday, as `MM-DD HH:MM`.
fn beginnings(schedule: &str, count: usize) -> Vec<String> {
    let windows = [Window {
        kind: WindowKind::Allow,
        schedule: schedule.parse().unwrap(),
        duration: SignedDuration::from_secs(60),
        time_zone: TimeZone::UTC,
    }];
    let mut now: Timestamp = "2025-12-31T23:59:00Z".parse().unwrap();
    let mut found = Vec::new();
    while found.len() < count {
        now = match window_state(&windows, now) {
            WindowState::Open { until } => until.unwrap(),
            WindowState::Shut { until } => {
                let start = until.unwrap();
                found.push(start.strftime("%m-%d %H:%M").to_string());
                start
            }
        };
    }
    found
}

fn error(text: &str) -> String {
    text.parse::<Schedule>().expect_err(text).to_string()
}

#[test]
fn schedules_begin_when_crontab_says() {
    for (schedule, expected) in [
        ("0 22 * * *", ["01-01 22:00", "01-02 22:00", "01-03 22:00"]),
        ("30 9 1 * *", ["01-01 09:30", "02-01 09:30", "03-01 09:30"]),
        ("0 22 * * 1-5", ["01-01 22:00", "01-02 22:00", "01-05 22:00"]),
        ("0 22 * * mon-fri", ["01-01 22:00", "01-02 22:00", "01-05 22:00"]),
        ("0 22 * * 6,7", ["01-03 22:00", "01-04 22:00", "01-10 22:00"]),
        ("0 22 * * 0", ["01-04 22:00", "01-11 22:00", "01-18 22:00"]),
        ("0 22 * * SUN", ["01-04 22:00", "01-11 22:00", "01-18 22:00"]),
        ("0 22 * * 5-7", ["01-02 22:00", "01-03 22:00", "01-04 22:00"]),
        ("0 */12 * * *", ["01-01 00:00", "01-01 12:00", "01-02 00:00"]),
        ("*/30 8 * * *", ["01-01 08:00", "01-01 08:30", "01-02 08:00"]),
        ("10-30/10 8 * * *", ["01-01 08:10", "01-01 08:20", "01-01 08:30"]),
        ("15/20 8 * * *", ["01-01 08:15", "01-01 08:35", "01-01 08:55"]),
        ("0 0 1 jan,jul *", ["01-01 00:00", "07-01 00:00", "01-01 00:00"]),
        ("0 0 31 * *", ["01-31 00:00", "03-31 00:00", "05-31 00:00"]),
        ("0 0 29 2 *", ["02-29 00:00", "02-29 00:00", "02-29 00:00"]),
        ("  5   4  *  *  *  ", ["01-01 04:05", "01-02 04:05", "01-03 04:05"]),
        // Both days restricted: either will do. A field that begins with `*` restricts with the other.
        ("0 0 13 * 5", ["01-02 00:00", "01-09 00:00", "01-13 00:00"]),
        ("0 0 */2 * 5", ["01-09 00:00", "01-23 00:00", "02-13 00:00"]),
    ] {
        assert_eq!(beginnings(schedule, 3), expected, "{schedule}");
    }
}

#[test]
fn what_is_no_schedule_is_answered_with_why_and_an_example() {
    for (text, why) in [
        ("", "it has 0 fields"),
        ("@daily", "it has 1 fields"),
        ("0 0 22 * * *", "it has 6 fields"),
        ("60 * * * *", "`60` is no minute"),
        ("0 24 * * *", "`24` is no hour"),
        ("0 0 0 * *", "`0` is no day of the month"),
        ("0 0 32 * *", "`32` is no day of the month"),
        ("0 0 * 13 *", "`13` is no month"),
        ("0 0 * * 8", "`8` is no day of the week"),
        ("0 0 * * funday", "`funday` is no day of the week"),
        ("0 0 * mon *", "`mon` is no month"),
        ("-1 0 * * *", "`-1` is no minute"),
        ("+1 0 * * *", "`+1` is no minute"),
        ("0 22-6 * * *", "`22-6` is no hour"),
        ("*/0 0 * * *", "`*/0` is no minute"),
        ("1,,2 0 * * *", "`1,,2` is no minute"),
        ("0 0 ? * *", "`?` is no day of the month"),
        ("0 0 L * *", "`L` is no day of the month"),
        ("0 0 30 2 *", "no month has such a day"),
        ("0 0 31 4,6,9,11 *", "no month has such a day"),
        ("999999999999999999999 0 * * *", "is no minute"),
    ] {
        let error = error(text);
        assert!(error.contains(why), "{text}: {error}");
        assert!(error.contains("for example 0 22 * * 1-5 for 22:00 on working days"), "{text}: {error}");
    }
}

#[test]
fn one_that_begins_too_often_is_refused_because_a_longer_window_is_meant() {
    assert!("*/30 * * * *".parse::<Schedule>().is_ok());
    for text in ["* * * * *", "* 22 * * *", "*/29 * * * *"] {
        assert!(error(text).contains("write one beginning and a longer Duration"), "{}", error(text));
    }
}
