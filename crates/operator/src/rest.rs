//! How long the loop rests between two passes.

use std::time::Duration;

use tokio::time::Instant;

/// After a pass the loop rests ten times as long as that took, within bounds: most of what a cluster tells changes
/// nothing that matters, and must not keep a processor busy.
const REST_PER_PASS: u32 = 10;
const MIN_REST: Duration = Duration::from_millis(20);
const MAX_REST: Duration = Duration::from_millis(250);
/// Less if somebody waits for the next pass: when a rollout is complete, or a restart answered, another one may start.
/// There are only a few of these for each restart.
const SHORT_REST_PER_PASS: u32 = 2;
const MIN_SHORT_REST: Duration = Duration::from_millis(2);

/// The rest after one pass.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rest {
    until: Instant,
    at_least_until: Instant,
}

impl Rest {
    /// After a pass that took so long and has ended now.
    pub(crate) fn after(took: Duration) -> Self {
        let now = Instant::now();
        let at_least = (took * SHORT_REST_PER_PASS).clamp(MIN_SHORT_REST, MAX_REST);
        Self { until: now + (took * REST_PER_PASS).clamp(MIN_REST, MAX_REST), at_least_until: now + at_least }
    }

    /// When the next pass may begin, if one is due.
    pub(crate) fn is_over_at(&self, is_urgent: bool) -> Instant {
        if is_urgent { self.at_least_until } else { self.until }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn passes_take_a_small_part_of_the_time_and_a_larger_one_only_where_somebody_waits_for_them() {
        let rest = |took: u64, is_urgent| {
            let rest = Rest::after(Duration::from_millis(took));
            rest.is_over_at(is_urgent).duration_since(Instant::now()).as_millis()
        };
        assert_eq!([0, 1, 5, 100].map(|took| rest(took, false)), [20, 20, 50, 250]);
        assert_eq!([0, 1, 5, 100].map(|took| rest(took, true)), [2, 2, 10, 200]);
    }
}
