//! How fast cluster time passes.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

/// A wish to stop is heard at least this often, however slow the demo is.
const HEARING: Duration = Duration::from_millis(50);
/// Slower than this nothing would ever happen, faster nobody could tell.
const RANGE: std::ops::RangeInclusive<f64> = 0.1..=1_000_000.0;

/// Cluster seconds per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Speed {
    /// As many as this.
    Times(f64),
    /// As many as the machine can compute.
    Max,
}

/// Reads `60`, `2.5` or `max`.
pub(crate) fn parse(text: &str) -> Result<Speed, String> {
    if text.eq_ignore_ascii_case("max") {
        return Ok(Speed::Max);
    }
    let times = text.strip_suffix(['x', 'X']).unwrap_or(text).parse().ok().filter(|times| RANGE.contains(times));
    times.map(Speed::Times).ok_or_else(|| {
        format!("expected cluster seconds per second from {} to {}, for example 60, or max", RANGE.start(), RANGE.end())
    })
}

/// Holds cluster time back to its speed.
pub(super) struct Pace {
    speed: Speed,
    since: Instant,
}

impl Pace {
    pub(super) fn starting_now(speed: Speed) -> Self {
        Self { speed, since: Instant::now() }
    }

    /// Real time since the start.
    pub(super) fn real(&self) -> Duration {
        self.since.elapsed()
    }

    /// Blocks until so much cluster time may have passed, or somebody wants to stop.
    ///
    /// This blocks the thread, and is meant to: the operator and the cluster live on it, so that time stands still
    /// for both, and what they do is the same at every speed.
    pub(super) fn hold(&self, elapsed: Duration, stop: &CancellationToken) {
        let Speed::Times(times) = self.speed else { return };
        let due = elapsed.div_f64(times);
        while !stop.is_cancelled() {
            let left = due.saturating_sub(self.since.elapsed());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left.min(HEARING));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speed_is_a_number_or_max() {
        assert_eq!(parse("60"), Ok(Speed::Times(60.0)));
        assert_eq!(parse("2.5x"), Ok(Speed::Times(2.5)));
        assert_eq!(parse("MAX"), Ok(Speed::Max));
    }

    #[test]
    fn a_speed_that_is_none_is_answered_with_an_example() {
        for wrong in ["fast", "0", "-1", "nan", "inf", ""] {
            assert!(parse(wrong).is_err_and(|message| message.contains("for example 60")), "{wrong}");
        }
    }
}
