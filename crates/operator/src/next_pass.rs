//! When the loop makes its next pass.

use std::time::Duration;

use tokio::time::Instant;

/// Changes come in bursts: one restarted pod is a dozen events within a few milliseconds. One pass looks at all of it, unless
/// somebody waits: a restart may start when a rollout is complete or another restart is answered, or must not when a gate
/// shuts; and a person has just edited a config.
const SETTLE: Duration = Duration::from_millis(50);
/// After a pass the loop rests so long: most of what a cluster tells changes nothing that matters, and nobody notices when it
/// is looked at four times a second. What time alone brings about waits for it, too.
const REST: Duration = Duration::from_millis(250);
/// If somebody waits, it rests twice as long as the pass took, within bounds. There are only a few of these passes for each
/// restart.
const SHORT_REST_PER_PASS: u32 = 2;
const MIN_SHORT_REST: Duration = Duration::from_millis(2);

/// When the next pass is due, and when the loop has rested from the last one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NextPass {
    /// For what has changed.
    due: Option<Instant>,
    /// Whether somebody waits for it.
    is_urgent: bool,
    /// Although nothing changes.
    recheck_at: Instant,
    rested_at: Instant,
    rested_a_little_at: Instant,
}

impl NextPass {
    /// The first one, at once.
    pub(crate) fn first() -> Self {
        let now = Instant::now();
        Self { due: Some(now), is_urgent: true, recheck_at: now, rested_at: now, rested_a_little_at: now }
    }

    /// Something has changed: soon, together with what changes until then.
    pub(crate) fn soon(&mut self) {
        self.due.get_or_insert_with(|| Instant::now() + SETTLE);
    }

    /// Somebody waits for it.
    pub(crate) fn at_once(&mut self) {
        let now = Instant::now();
        self.due = Some(self.due.map_or(now, |due| due.min(now)));
        self.is_urgent = true;
    }

    /// When it is to be made.
    pub(crate) fn at(&self) -> Instant {
        let rested = if self.is_urgent { self.rested_a_little_at } else { self.rested_at };
        self.due.map_or(self.recheck_at, |due| due.min(self.recheck_at)).max(rested)
    }

    /// The one after a pass that took so long and has ended now.
    pub(crate) fn after(took: Duration, recheck_at: Instant) -> Self {
        let now = Instant::now();
        Self {
            due: None,
            is_urgent: false,
            recheck_at,
            rested_at: now + REST,
            rested_a_little_at: now + (took * SHORT_REST_PER_PASS).clamp(MIN_SHORT_REST, REST),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    /// After a pass that took so many milliseconds, and with nothing to come back for.
    fn after(took: u64) -> NextPass {
        NextPass::after(Duration::from_millis(took), Instant::now() + HOUR)
    }

    fn in_milliseconds(next: NextPass) -> u128 {
        next.at().duration_since(Instant::now()).as_millis()
    }

    #[tokio::test(start_paused = true)]
    async fn what_changes_together_is_looked_at_together_and_a_stream_of_changes_does_not_put_it_off() {
        let mut next = after(0);
        tokio::time::advance(REST).await;
        next.soon();
        tokio::time::advance(Duration::from_millis(30)).await;
        next.soon();
        assert_eq!(in_milliseconds(next), 20);
    }

    #[tokio::test(start_paused = true)]
    async fn what_somebody_waits_for_does_not_wait_for_what_else_may_change() {
        let mut next = after(0);
        next.soon();
        tokio::time::advance(Duration::from_millis(10)).await;
        next.at_once();
        assert_eq!(in_milliseconds(next), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn there_are_four_passes_a_second_at_most_and_more_only_where_somebody_waits_for_them() {
        let changed = |took: u64, ask: fn(&mut NextPass)| {
            let mut next = after(took);
            ask(&mut next);
            in_milliseconds(next)
        };
        assert_eq!([0, 1, 10, 100].map(|took| changed(took, NextPass::soon)), [250; 4]);
        assert_eq!([0, 1, 10, 100].map(|took| changed(took, NextPass::at_once)), [2, 2, 20, 200]);
    }

    #[tokio::test(start_paused = true)]
    async fn without_changes_it_comes_when_time_alone_brings_something_about() {
        assert_eq!(in_milliseconds(after(0)), HOUR.as_millis());
        let mut next = NextPass::after(Duration::ZERO, Instant::now() + REST + Duration::from_millis(10));
        tokio::time::advance(REST).await;
        next.soon();
        assert_eq!(in_milliseconds(next), 10);
    }
}
