//! Windows found the slow way: a walk along the wall clock, a quarter of an hour a step, with the rules of each zone
//! written out. Shares nothing with what it is compared to, not even the time-zone database.

use std::collections::BTreeSet;

use flippy_core::Timestamp;

const QUARTER_MINUTES: i64 = 15;
const DAY_MINUTES: i64 = 24 * 60;
/// 2026-01-01T00:00:00Z, a Thursday.
const BEGIN_MINUTES: i64 = 1_767_225_600 / 60;
/// Windows that are under way at the beginning began before it.
const LEAD_QUARTERS: i64 = 40 * 96;

/// Until the clocks of all zones that have summer time were changed.
pub(crate) const SPRING_QUARTERS: usize = 120 * 96;
pub(crate) const TEN_YEARS_QUARTERS: usize = 3652 * 96;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Zone {
    Paris,
    NewYork,
    LordHowe,
    Kolkata,
}

/// One beginning a day, on some days.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    pub(crate) zone: Zone,
    pub(crate) allows: bool,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) quarters: i64,
    pub(crate) of_week: Option<BTreeSet<i64>>,
    pub(crate) of_month: Option<BTreeSet<i64>>,
}

/// A time by the wall clock, in minutes since 1970.
#[derive(Clone, Copy)]
struct Wall(i64);

impl Wall {
    /// Year, month and day (Howard Hinnant's `civil_from_days`).
    fn date(self) -> (i64, i64, i64) {
        let days = self.0.div_euclid(DAY_MINUTES) + 719_468;
        let era = days.div_euclid(146_097);
        let of_era = days.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * of_year + 2) / 153;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        (year_of_era + era * 400 + i64::from(month <= 2), month, of_year - (153 * shifted + 2) / 5 + 1)
    }

    /// Sunday is 0. The first day of 1970 was a Thursday.
    fn day_of_week(self) -> i64 {
        (self.0.div_euclid(DAY_MINUTES) + 4).rem_euclid(7)
    }

    fn minute_of_day(self) -> i64 {
        self.0.rem_euclid(DAY_MINUTES)
    }

    /// Where it stands to the n-th (or, with `None`, last) Sunday of a month at a time of day.
    fn is_past_sunday(self, month: i64, nth: Option<i64>, minute_of_day: i64) -> bool {
        let (_, this_month, day) = self.date();
        if this_month != month {
            return this_month > month;
        }
        let last_sunday = day - self.day_of_week();
        let days_in_month = if month == 4 || month == 11 { 30 } else { 31 };
        let rank = match nth {
            Some(nth) => (last_sunday + 6).div_euclid(7) - nth,
            None => last_sunday + 7 - days_in_month - 1,
        };
        let on_that_day = self.day_of_week() == 0 && if nth.is_some() { rank == 0 } else { rank >= 0 };
        if on_that_day { self.minute_of_day() >= minute_of_day } else { rank >= 0 }
    }
}

impl Zone {
    pub(crate) const ALL: [Self; 4] = [Self::Paris, Self::NewYork, Self::LordHowe, Self::Kolkata];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Paris => "Europe/Paris",
            Self::NewYork => "America/New_York",
            Self::LordHowe => "Australia/Lord_Howe",
            Self::Kolkata => "Asia/Kolkata",
        }
    }

    /// Minutes ahead of UTC at an instant.
    fn offset(self, utc: i64) -> i64 {
        // Each rule is written by a clock that does not jump: UTC, or the zone's standard time.
        match self {
            Self::Paris => {
                let clock = Wall(utc);
                let summer = clock.is_past_sunday(3, None, 60) && !clock.is_past_sunday(10, None, 60);
                if summer { 120 } else { 60 }
            }
            Self::NewYork => {
                let clock = Wall(utc - 300);
                let summer = clock.is_past_sunday(3, Some(2), 120) && !clock.is_past_sunday(11, Some(1), 60);
                if summer { -240 } else { -300 }
            }
            Self::LordHowe => {
                let clock = Wall(utc + 630);
                // Back at 02:00 of summer time, which is 01:30 of standard time.
                let winter = clock.is_past_sunday(4, Some(1), 90) && !clock.is_past_sunday(10, Some(1), 120);
                if winter { 630 } else { 660 }
            }
            Self::Kolkata => 330,
        }
    }
}

impl Window {
    /// As it is written in a config.
    pub(crate) fn schedule(&self) -> String {
        let list = |days: &Option<BTreeSet<i64>>| {
            days.as_ref().map_or_else(
                || "*".to_owned(),
                |days| days.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
            )
        };
        format!("{} {} {} * {}", self.minute, self.hour, list(&self.of_month), list(&self.of_week))
    }

    fn begins_at(&self, wall: Wall) -> bool {
        wall.minute_of_day() == self.hour * 60 + self.minute
            && self.of_week.as_ref().is_none_or(|days| days.contains(&wall.day_of_week()))
            && self.of_month.as_ref().is_none_or(|days| days.contains(&wall.date().2))
    }

    /// For each quarter of an hour whether it is inside.
    fn walk(&self, quarters: usize) -> Vec<bool> {
        let mut inside = vec![false; quarters];
        let mut latest_wall = i64::MIN;
        let mut offset = self.zone.offset(BEGIN_MINUTES - LEAD_QUARTERS * QUARTER_MINUTES);
        // While the wall clock would still be in what it skipped, the old offset tells what was skipped.
        let mut skipped: Option<(i64, i64)> = None;
        let mut left = 0;
        for step in -LEAD_QUARTERS..i64::try_from(quarters).unwrap() {
            let utc = BEGIN_MINUTES + step * QUARTER_MINUTES;
            let now_offset = self.zone.offset(utc);
            if now_offset > offset {
                skipped = Some((offset, utc + now_offset - offset));
            }
            offset = now_offset;
            let wall = utc + offset;
            let is_repeated = wall <= latest_wall;
            latest_wall = latest_wall.max(wall);
            let in_skipped = skipped.filter(|(_, end)| utc < *end).map(|(old, _)| Wall(utc + old));
            let begins =
                (!is_repeated && self.begins_at(Wall(wall))) || in_skipped.is_some_and(|wall| self.begins_at(wall));
            left = if begins { self.quarters } else { left - 1 };
            if let Ok(index) = usize::try_from(step) {
                inside[index] = left > 0;
            }
        }
        inside
    }
}

/// For each quarter of an hour from the beginning of 2026 whether restarts may start.
pub(crate) fn open_quarters(windows: &[Window], quarters: usize) -> Vec<bool> {
    let any = |allows: bool| {
        let mut any = vec![false; quarters];
        for window in windows.iter().filter(|window| window.allows == allows) {
            for (any, inside) in any.iter_mut().zip(window.walk(quarters)) {
                *any |= inside;
            }
        }
        any
    };
    let needs_allowing = windows.iter().any(|window| window.allows);
    any(true).into_iter().zip(any(false)).map(|(allowed, denied)| !denied && (allowed || !needs_allowing)).collect()
}

pub(crate) fn time_of(quarter: usize) -> Timestamp {
    Timestamp::from_second((BEGIN_MINUTES + i64::try_from(quarter).unwrap() * QUARTER_MINUTES) * 60).unwrap()
}
