//! Durations as Go writes them: `10h`, `1h30m`, `1.5h`, `300ms`.

use std::time::Duration;

const UNITS: [(&str, f64); 8] =
    [("ns", 1e-9), ("us", 1e-6), ("µs", 1e-6), ("μs", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];

/// Reads what Go's `time.ParseDuration` reads, except negative durations.
///
/// # Errors
/// One line that says what to write.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
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
