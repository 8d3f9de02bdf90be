//! How long a feed waits after a failure.

use std::time::Duration;

use tokio::time::Instant;

const FIRST: Duration = Duration::from_secs(1);
const MAX: Duration = Duration::from_secs(30);
/// A feed that worked this long starts from the first delay again.
const HEALTHY: Duration = Duration::from_mins(2);
/// A feed that did not fail again so soon after it was tried again was connected in between.
const CONNECTED: Duration = Duration::from_secs(40);

/// Doubles from one second to half a minute.
///
/// It forgets earlier failures only after two minutes without one. Do not reset it on the first success: a watch that
/// always breaks right after its list would then list the whole cluster again every second.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
    /// When the last failure, and the wait after it, were over.
    tried_again_at: Option<Instant>,
    /// When the failures began that followed each other without a connection in between.
    outage_since: Option<Instant>,
}

impl Backoff {
    /// Notes a failure and tells how long to wait.
    pub(crate) fn after_failure(&mut self) -> Duration {
        let now = Instant::now();
        let worked = self.tried_again_at.map(|at| now.duration_since(at));
        if worked.is_some_and(|worked| worked > HEALTHY) {
            self.failures = 0;
        }
        if worked.is_none_or(|worked| worked > CONNECTED) {
            self.outage_since = None;
        }
        self.outage_since.get_or_insert(now);
        let delay = FIRST.saturating_mul(1 << self.failures.min(5)).min(MAX);
        self.failures += 1;
        self.tried_again_at = Some(now + delay);
        delay
    }

    /// How long it had failed without a connection in between when it failed last.
    pub(crate) fn outage(&self) -> Duration {
        self.outage_since.map_or(Duration::ZERO, |since| since.elapsed())
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

    #[tokio::test(start_paused = true)]
    async fn an_outage_lasts_as_long_as_failures_follow_each_other_closely() {
        let mut backoff = Backoff::default();
        for _ in 0..4 {
            let delay = backoff.after_failure();
            tokio::time::advance(delay).await;
        }
        backoff.after_failure();
        assert_eq!(backoff.outage().as_secs(), 15);
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_held_for_a_minute_ends_an_outage() {
        let mut backoff = Backoff::default();
        let delay = backoff.after_failure();
        tokio::time::advance(delay + Duration::from_mins(1)).await;
        backoff.after_failure();
        assert_eq!(backoff.outage(), Duration::ZERO);
    }
}
