//! The one place where the operator learns the time.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tokio::time::{Duration, Instant};

/// Tells the time that decisions are taken at.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// Runs with tokio's timer, which a simulation may pause: a night passes in milliseconds.
    Virtual {
        /// What it showed when it was started.
        epoch: Timestamp,
        /// When it was started.
        started: Instant,
        /// When it is set, as clocks of machines are.
        jumps: Arc<[Jump]>,
    },
}

/// A clock is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jump {
    /// So long after it was started.
    pub after: Duration,
    /// So far ahead, or back where this is negative.
    pub by: SignedDuration,
}

impl Clock {
    /// A clock that shows `epoch` now and runs with tokio's timer.
    pub fn starting_at(epoch: Timestamp) -> Self {
        Self::jumping(epoch, [])
    }

    /// The same, but it is set now and then.
    pub fn jumping(epoch: Timestamp, jumps: impl IntoIterator<Item = Jump>) -> Self {
        Self::Virtual { epoch, started: Instant::now(), jumps: jumps.into_iter().collect() }
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => Timestamp::now(),
            Self::Virtual { epoch, started, jumps } => {
                let elapsed = started.elapsed();
                let passed = SignedDuration::try_from(elapsed).unwrap_or(SignedDuration::MAX);
                let jumps = jumps.iter().filter(|jump| jump.after <= elapsed).map(|jump| jump.by);
                let shown = epoch.saturating_add(passed).unwrap_or(Timestamp::MAX);
                jumps.fold(shown, |shown, by| shown.saturating_add(by).unwrap_or(shown))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_virtual_clock_runs_with_the_timer_and_is_set_when_its_time_comes() {
        let epoch: Timestamp = "2026-01-05T00:00:00Z".parse().expect("the constant is a time");
        let jump = |after, by| Jump { after: Duration::from_secs(after), by: SignedDuration::from_secs(by) };
        let clock = Clock::jumping(epoch, [jump(10, 3_600), jump(20, -1_800)]);
        let mut shown = Vec::new();
        for _ in 0..3 {
            shown.push(clock.now().duration_since(epoch).as_secs());
            tokio::time::advance(Duration::from_secs(10)).await;
        }
        assert_eq!(shown, [0, 3_610, 1_820]);
    }
}
