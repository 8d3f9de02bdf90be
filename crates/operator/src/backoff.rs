//! How long a feed waits after a failure.

use std::time::Duration;

use tokio::time::Instant;

const FIRST: Duration = Duration::from_secs(1);
const MAX: Duration = Duration::from_secs(30);
/// A feed that worked this long starts from the first delay again.
const HEALTHY: Duration = Duration::from_mins(2);

/// Doubles from one second to half a minute.
///
/// It forgets earlier failures only after two minutes without one. Do not reset it on the first success: a watch that
/// always breaks right after its list would then list the whole cluster again every second.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
    last_failure: Option<Instant>,
}

impl Backoff {
    /// Notes a failure and tells how long to wait.
    pub(crate) fn after_failure(&mut self) -> Duration {
        let now = Instant::now();
        if self.last_failure.is_some_and(|at| now.duration_since(at) > HEALTHY) {
            self.failures = 0;
        }
        let delay = FIRST.saturating_mul(1 << self.failures.min(5)).min(MAX);
        self.failures += 1;
        self.last_failure = Some(now + delay);
        delay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn failures_that_follow_each_other_wait_longer_up_to_half_a_minute() {
        let mut backoff = Backoff::default();
        let delays: Vec<u64> = (0..7).map(|_| backoff.after_failure().as_secs()).collect();
        assert_eq!(delays, [1, 2, 4, 8, 16, 30, 30]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_success_does_not_reset_it_but_two_healthy_minutes_do() {
        let mut backoff = Backoff::default();
        backoff.after_failure();
        tokio::time::advance(Duration::from_mins(1)).await;
        assert_eq!(backoff.after_failure().as_secs(), 2);
        tokio::time::advance(Duration::from_secs(123)).await;
        assert_eq!(backoff.after_failure().as_secs(), 1);
    }
}
