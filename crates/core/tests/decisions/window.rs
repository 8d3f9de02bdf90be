//! Windows: when restarts may start, right also when clocks change.

use flippy_core::{SignedDuration, TimeZone, Timestamp, Window, WindowKind, WindowState, window_state};
use proptest::prelude::*;
use proptest::sample::select;

use crate::common::brute::{self, Zone};

fn window(kind: WindowKind, schedule: &str, hours: i64, zone: &str) -> Window {
    Window {
        kind,
        schedule: schedule.parse().unwrap(),
        duration: SignedDuration::from_hours(hours),
        time_zone: TimeZone::get(zone).unwrap(),
    }
}

fn allow(schedule: &str, hours: i64, zone: &str) -> Window {
    window(WindowKind::Allow, schedule, hours, zone)
}

fn deny(schedule: &str, hours: i64, zone: &str) -> Window {
    window(WindowKind::Deny, schedule, hours, zone)
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// `open until …` or `shut until …`, in UTC.
fn state(windows: &[Window], now: &str) -> String {
    let (word, until) = match window_state(windows, time(now)) {
        WindowState::Open { until } => ("open", until),
        WindowState::Shut { until } => ("shut", until),
    };
    until.map_or_else(|| word.to_owned(), |until| format!("{word} until {until}"))
}

#[test]
fn without_windows_it_is_always_open() {
    assert_eq!(state(&[], "2026-01-05T22:00:00Z"), "open");
}

#[test]
fn a_window_belongs_to_the_day_on_which_it_begins() {
    // 2026-01-03 is a Saturday.
    let windows = [allow("0 22 * * 6", 6, "UTC")];
    assert_eq!(state(&windows, "2026-01-03T02:00:00Z"), "shut until 2026-01-03T22:00:00Z", "Saturday 02:00");
    assert_eq!(state(&windows, "2026-01-04T02:00:00Z"), "open until 2026-01-04T04:00:00Z", "Sunday 02:00");
}

#[test]
fn a_window_has_its_first_instant_and_not_its_last() {
    let windows = [allow("0 22 * * 6", 6, "UTC")];
    assert_eq!(state(&windows, "2026-01-03T21:59:59Z"), "shut until 2026-01-03T22:00:00Z");
    assert_eq!(state(&windows, "2026-01-03T22:00:00Z"), "open until 2026-01-04T04:00:00Z");
    assert_eq!(state(&windows, "2026-01-04T03:59:59Z"), "open until 2026-01-04T04:00:00Z");
    assert_eq!(state(&windows, "2026-01-04T04:00:00Z"), "shut until 2026-01-10T22:00:00Z");
}

#[test]
fn a_window_goes_by_its_own_clock() {
    let windows = [allow("0 22 * * *", 2, "Asia/Kolkata")];
    assert_eq!(state(&windows, "2026-01-03T16:29:00Z"), "shut until 2026-01-03T16:30:00Z");
}

#[test]
fn deny_beats_allow() {
    let windows = [allow("0 20 * * *", 8, "UTC"), deny("0 22 * * *", 1, "UTC")];
    assert_eq!(state(&windows, "2026-01-03T20:00:00Z"), "open until 2026-01-03T22:00:00Z");
    assert_eq!(state(&windows, "2026-01-03T22:30:00Z"), "shut until 2026-01-03T23:00:00Z");
    assert_eq!(state(&windows, "2026-01-03T23:00:00Z"), "open until 2026-01-04T04:00:00Z");
}

#[test]
fn with_nothing_but_denials_the_rest_is_open() {
    let windows = [deny("0 8 * * 1-5", 10, "UTC")];
    assert_eq!(state(&windows, "2026-01-03T12:00:00Z"), "open until 2026-01-05T08:00:00Z");
    assert_eq!(state(&windows, "2026-01-05T12:00:00Z"), "shut until 2026-01-05T18:00:00Z");
}

#[test]
fn one_of_several_is_enough_and_what_touches_is_one() {
    let windows = [allow("0 20 * * *", 2, "UTC"), allow("0 22 * * *", 2, "UTC"), allow("0 9 * * *", 1, "UTC")];
    assert_eq!(state(&windows, "2026-01-03T09:30:00Z"), "open until 2026-01-03T10:00:00Z");
    assert_eq!(state(&windows, "2026-01-03T20:30:00Z"), "open until 2026-01-04T00:00:00Z");
}

#[test]
fn an_opening_that_is_denied_is_none() {
    let windows = [allow("0 20 * * *", 2, "UTC"), deny("0 0 3 1 *", 24, "UTC")];
    assert_eq!(state(&windows, "2026-01-03T10:00:00Z"), "shut until 2026-01-04T20:00:00Z");
}

#[test]
fn a_window_longer_than_its_period_never_ends() {
    let WindowState::Open { until } = window_state(&[allow("0 0 * * *", 30, "UTC")], time("2026-01-03T10:00:00Z"))
    else {
        panic!("it is open");
    };
    assert!(until.is_none_or(|until| until > time("2026-01-15T00:00:00Z")), "{until:?}");
}

#[test]
fn allowed_and_denied_at_once_for_ever_opens_never() {
    let windows = [allow("0 20 * * *", 2, "UTC"), deny("0 0 * * *", 24, "UTC")];
    let WindowState::Shut { until } = window_state(&windows, time("2026-01-03T20:30:00Z")) else {
        panic!("it is shut");
    };
    assert!(until.is_none_or(|until| until > time("2026-01-15T00:00:00Z")), "{until:?}");
}

#[test]
fn when_clocks_go_forward_a_skipped_beginning_happens_as_long_after_midnight_as_without() {
    // 02:30 does not happen: 02:00 is 03:00.
    let paris = [allow("30 2 * * *", 1, "Europe/Paris")];
    assert_eq!(state(&paris, "2026-03-29T00:45:00Z"), "shut until 2026-03-29T01:30:00Z");
    let new_york = [allow("30 2 * * *", 1, "America/New_York")];
    assert_eq!(state(&new_york, "2026-03-08T06:45:00Z"), "shut until 2026-03-08T07:30:00Z");
    // Half an hour: 02:00 is 02:30.
    let lord_howe = [allow("15 2 * * *", 1, "Australia/Lord_Howe")];
    assert_eq!(state(&lord_howe, "2026-10-03T15:15:00Z"), "shut until 2026-10-03T15:45:00Z");
}

#[test]
fn when_clocks_go_back_a_repeated_beginning_happens_once() {
    // 02:30 happens at 00:30Z and again at 01:30Z.
    let paris = [allow("30 2 * * *", 1, "Europe/Paris")];
    assert_eq!(state(&paris, "2026-10-25T00:30:00Z"), "open until 2026-10-25T01:30:00Z");
    assert_eq!(state(&paris, "2026-10-25T01:30:00Z"), "shut until 2026-10-26T01:30:00Z");
    let lord_howe = [allow("45 1 * * *", 1, "Australia/Lord_Howe")];
    assert_eq!(state(&lord_howe, "2026-04-04T14:45:00Z"), "open until 2026-04-04T15:45:00Z");
    assert_eq!(state(&lord_howe, "2026-04-04T15:45:00Z"), "shut until 2026-04-05T15:15:00Z");
}

#[test]
fn six_hours_are_six_hours_also_in_the_night_in_which_clocks_change() {
    let windows = [allow("0 22 * * 6", 6, "Europe/Paris")];
    assert_eq!(state(&windows, "2026-03-28T21:00:00Z"), "open until 2026-03-29T03:00:00Z");
    assert_eq!(state(&windows, "2026-10-24T20:00:00Z"), "open until 2026-10-25T02:00:00Z");
}

#[test]
fn a_day_that_a_place_skipped_does_not_lose_its_window() {
    // Samoa went from Thursday 29 to Saturday 31 December 2011.
    let windows = [allow("0 10 * * 5", 1, "Pacific/Apia")];
    assert_eq!(state(&windows, "2011-12-30T12:00:00Z"), "shut until 2011-12-30T20:00:00Z");
}

#[test]
fn hostile_windows_are_answered_with_bounded_work() {
    // Ten windows that hide each other's edges as long as they can, and a leap day.
    let every_half_hour = |minute: usize, kind| Window {
        duration: SignedDuration::from_secs(300),
        ..window(kind, &format!("{minute},{} * * * *", minute + 30), 1, "Europe/Paris")
    };
    let mut chain: Vec<Window> = (0..6).map(|number| every_half_hour(number * 5, WindowKind::Allow)).collect();
    chain.extend([deny("0 0 29 2 *", 720, "Asia/Kolkata"), allow("0 0 29 2 *", 720, "America/New_York")]);
    let shut: Vec<Window> = chain.iter().cloned().map(|window| Window { kind: WindowKind::Deny, ..window }).collect();
    for hour in 0..10 {
        let now = time("2096-03-01T00:00:00Z") + SignedDuration::from_hours(hour);
        for windows in [&chain, &shut] {
            let (WindowState::Open { until } | WindowState::Shut { until }) = window_state(windows, now);
            assert!(until.is_some_and(|until| until > now));
        }
    }
}

fn zone() -> impl Strategy<Value = Zone> {
    select(Zone::ALL.to_vec())
}

fn brute_window() -> impl Strategy<Value = brute::Window> {
    let days = prop_oneof![
        Just((None, None)),
        prop::collection::btree_set(0..7_i64, 1..3).prop_map(|days| (Some(days), None)),
        prop::collection::btree_set(1..=31_i64, 1..3).prop_map(|days| (None, Some(days))),
    ];
    (zone(), any::<bool>(), 0..24_i64, select(vec![0_i64, 15, 30, 45]), 1..200_i64, days).prop_map(
        |(zone, allows, hour, minute, quarters, (of_week, of_month))| brute::Window {
            zone,
            allows,
            hour,
            minute,
            quarters,
            of_week,
            of_month,
        },
    )
}

fn of_brute(brute: &brute::Window) -> Window {
    Window {
        kind: if brute.allows { WindowKind::Allow } else { WindowKind::Deny },
        schedule: brute.schedule().parse().unwrap(),
        duration: SignedDuration::from_mins(15 * brute.quarters),
        time_zone: TimeZone::get(brute.zone.name()).unwrap(),
    }
}

#[test]
fn for_ten_years_every_hour_is_as_a_walk_along_the_wall_clock_finds_it() {
    for zone in Zone::ALL {
        // From before the hour that is skipped or repeated until after it.
        let brute =
            brute::Window { zone, allows: true, hour: 22, minute: 0, quarters: 24, of_week: None, of_month: None };
        let windows = [of_brute(&brute)];
        let open = brute::open_quarters(&[brute], brute::TEN_YEARS_QUARTERS);
        for hour in 0..brute::TEN_YEARS_QUARTERS / 4 {
            let now = brute::time_of(hour * 4);
            let is_open = matches!(window_state(&windows, now), WindowState::Open { .. });
            assert_eq!(is_open, open[hour * 4], "{} {now}", zone.name());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10))]

    #[test]
    fn several_windows_in_several_zones_are_as_a_walk_along_the_wall_clock_finds_them(
        brute in prop::collection::vec(brute_window(), 1..5),
    ) {
        let windows: Vec<Window> = brute.iter().map(of_brute).collect();
        let open = brute::open_quarters(&brute, brute::SPRING_QUARTERS);
        for quarter in (0..open.len()).step_by(31) {
            let now = brute::time_of(quarter);
            let state = window_state(&windows, now);
            let (is_open, until) = match state {
                WindowState::Open { until } => (true, until),
                WindowState::Shut { until } => (false, until),
            };
            prop_assert_eq!(is_open, open[quarter], "{}", now);
            let change = (quarter..open.len()).find(|later| open[*later] != is_open);
            if let Some(change) = change {
                // Early is allowed to those that hide many edges; late is not.
                let until = until.expect("a change is in sight");
                prop_assert!(until <= brute::time_of(change), "{} {:?}", now, state);
                prop_assert!(until == brute::time_of(change) || change - quarter > 24 * 4, "{} {:?}", now, state);
            }
        }
    }
}
