//! Durations as Go writes them: `10h`, `1h30m`, `1.5h`, `300ms`.

use std::time::Duration;

pub(crate) use flippy_api::parse_duration as parse;

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
