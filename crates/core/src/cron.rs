//! Cron schedules: minute, hour, day of month, month, day of week.

use std::str::FromStr;

use jiff::civil::Date;
use thiserror::Error;

/// A cron schedule of five fields, as `crontab(5)` has them: numbers, ranges, lists, steps, names of months and days;
/// Sunday is 0 or 7. When both days are restricted, either will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Hours and minutes, in order.
    times: Box<[(i8, i8)]>,
    days_of_month: Bits,
    months: Bits,
    days_of_week: Bits,
    /// Whether a day field begins with `*`, which is what decides between "and" and "or".
    any_day_of_month: bool,
    any_day_of_week: bool,
}

/// The values of one field, as the bits of a number.
type Bits = u64;

/// Why a text is no schedule.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{text}` is no cron schedule: {why}; write five fields, for example 0 22 * * 1-5 for 22:00 on working days")]
pub struct ScheduleParseError {
    text: String,
    why: String,
}

/// Beginnings on one day. More is a misunderstanding (`* 22 * * *` for "from 22:00 on"), and every pass would pay for it.
const MAX_PER_DAY: u32 = 48;

/// Days of the longest month of each number: 29 in February, in some years.
const LONGEST: [u8; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

impl FromStr for Schedule {
    type Err = ScheduleParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = |why: String| ScheduleParseError { text: text.to_owned(), why };
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days_of_month, months, days_of_week] = fields[..] else {
            return Err(wrong(format!("it has {} fields", fields.len())));
        };
        let parse = |field: &str, what: &str, lowest: u8, highest: u8, names: &[&str]| {
            let mut bits = field.split(',').map(|part| bits_of(part, lowest, highest, names));
            let bits = bits.try_fold(0, |all, one| one.map(|one| all | one));
            bits.ok_or_else(|| wrong(format!("`{field}` is no {what}")))
        };
        let days_of_week_bits = parse(days_of_week, "day of the week", 0, 7, &DAYS)?;
        let minutes = parse(minutes, "minute", 0, 59, &[])?;
        let hours = parse(hours, "hour", 0, 23, &[])?;
        let per_day = hours.count_ones() * minutes.count_ones();
        if per_day > MAX_PER_DAY {
            let why = format!(
                "it begins {per_day} times a day, which is more than {MAX_PER_DAY}: for a longer window, write one \
                 beginning and a longer Duration"
            );
            return Err(wrong(why));
        }
        let schedule = Self {
            times: times_of(hours, minutes),
            days_of_month: parse(days_of_month, "day of the month", 1, 31, &[])?,
            months: parse(months, "month", 1, 12, &MONTHS)?,
            // Sunday may be written 7.
            days_of_week: (days_of_week_bits | days_of_week_bits >> 7) & 0b111_1111,
            any_day_of_month: days_of_month.starts_with('*'),
            any_day_of_week: days_of_week.starts_with('*'),
        };
        if !schedule.ever_fires() {
            return Err(wrong("no month has such a day".to_owned()));
        }
        Ok(schedule)
    }
}

/// The bits of `*`, `5`, `1-5`, `*/15`, `10-30/5`, `mon` or `mon-fri`.
fn bits_of(part: &str, lowest: u8, highest: u8, names: &[&str]) -> Option<Bits> {
    let (range, step) = match part.split_once('/') {
        Some((range, step)) => (range, step.parse::<u8>().ok().filter(|step| *step > 0)?),
        None => (part, 1),
    };
    let value = |text: &str| {
        let position = names.iter().position(|name| name.eq_ignore_ascii_case(text));
        // The first name stands for the lowest value: January is 1, Sunday is 0.
        let value = match position {
            Some(position) => u8::try_from(position).ok()? + lowest,
            None => text.parse::<u8>().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()))?,
        };
        (lowest..=highest).contains(&value).then_some(value)
    };
    let (first, last) = match (range, range.split_once('-')) {
        ("*", _) => (lowest, highest),
        (_, Some((first, last))) => (value(first)?, value(last)?),
        // As in Vixie cron, `5/15` means from 5 on.
        (_, None) if part.contains('/') => (value(range)?, highest),
        (_, None) => (value(range)?, value(range)?),
    };
    if first > last {
        return None;
    }
    Some((first..=last).step_by(usize::from(step)).fold(0, |bits, value| bits | 1 << value))
}

fn times_of(hours: Bits, minutes: Bits) -> Box<[(i8, i8)]> {
    let hours = (0..24).filter(|hour| contains(hours, *hour));
    hours
        .flat_map(|hour| (0..60).filter(|minute| contains(minutes, *minute)).map(move |minute| (hour, minute)))
        .collect()
}

fn contains(bits: Bits, value: i8) -> bool {
    u32::try_from(value).is_ok_and(|value| bits >> value & 1 == 1)
}

impl Schedule {
    /// Whether there is such a day in any year. Where the day of the week decides too, there is.
    fn ever_fires(&self) -> bool {
        let mut months = (1..).zip(LONGEST).filter(|(month, _)| contains(self.months, *month));
        let has_day = |longest: u8| (1..=longest).any(|day| self.days_of_month >> day & 1 == 1);
        (!self.any_day_of_month && !self.any_day_of_week) || months.any(|(_, longest)| has_day(longest))
    }

    /// Whether it fires on a day at all.
    pub(crate) fn fires_on(&self, day: Date) -> bool {
        let of_month = contains(self.days_of_month, day.day());
        let of_week = contains(self.days_of_week, day.weekday().to_sunday_zero_offset());
        let day_fits = match (self.any_day_of_month, self.any_day_of_week) {
            (false, false) => of_month || of_week,
            _ => of_month && of_week,
        };
        contains(self.months, day.month()) && day_fits
    }

    /// The hours and minutes at which it fires on such a day, in order.
    pub(crate) fn times(&self) -> &[(i8, i8)] {
        &self.times
    }
}
