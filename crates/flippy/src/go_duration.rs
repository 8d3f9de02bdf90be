//! Durations as Go writes them: `10h`, `1h30m`, `1.5h`, `300ms`.

use std::time::Duration;

const UNITS: [(&str, f64); 8] =
    [("ns", 1e-9), ("us", 1e-6), ("µs", 1e-6), ("μs", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];

/// Reads what Go's `time.ParseDuration` reads, except negative durations.
///
/// # Errors
/// One line that says what to write.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let usage = || format!("`{text}` is no duration: write numbers with units, for example 10h, 1h30m or 90s");
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest.is_empty() {
        return Err(usage());
    }
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(usage)?;
        let number: f64 = rest[..digits].parse().map_err(|_| usage())?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let unit = UNITS.iter().find(|(unit, _)| *unit == &rest[..letters]).ok_or_else(usage)?;
        seconds += number * unit.1;
        rest = &rest[letters..];
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| usage())
}

/// A period for doing something again: much less than a second would be a busy loop.
///
/// # Errors
/// One line that says what to write.
pub(crate) fn parse_period(text: &str) -> Result<Duration, String> {
    let period = parse(text)?;
    if period < Duration::from_secs(1) {
        return Err(format!("`{text}` is too short: write 1s or more"));
    }
    Ok(period)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_add_up() {
        assert_eq!(parse("1h30m"), Ok(Duration::from_mins(90)));
        assert_eq!(parse("10h"), Ok(Duration::from_hours(10)));
        assert_eq!(parse("1m0.5s"), Ok(Duration::from_millis(60_500)));
    }

    #[test]
    fn a_fraction_of_a_unit_is_understood() {
        assert_eq!(parse("1.5h"), Ok(Duration::from_mins(90)));
        assert_eq!(parse(".5s"), Ok(Duration::from_millis(500)));
    }

    #[test]
    fn zero_needs_no_unit() {
        assert_eq!(parse("0"), Ok(Duration::ZERO));
    }

    #[test]
    fn what_go_refuses_is_refused_with_an_example() {
        for text in ["", "10", "h", "10 h", "1d", "-1h", ".", "1h30", "1..5h", "inf", "1e9h"] {
            let error = parse(text).expect_err(text);
            assert!(error.contains("for example 10h"), "{text}: {error}");
        }
    }

    #[test]
    fn a_period_of_nothing_is_refused() {
        assert!(parse_period("0").is_err());
        assert!(parse_period("999ms").is_err());
        assert_eq!(parse_period("1s"), Ok(Duration::from_secs(1)));
    }
}
