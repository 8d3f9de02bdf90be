//! How many events one object may have, as client-go's recorder limits them: something that turns to and fro must not bury
//! all other events of its namespace.

use ahash::HashMap;
use tokio::time::{Duration, Instant};

/// At once.
const BURST: u32 = 25;
/// After that, one each.
const ONE_PER: Duration = Duration::from_mins(1);
/// Objects that are remembered. Beyond, those that have been quiet are forgotten.
const MAX_OBJECTS: usize = 1000;

/// Counts events by object.
#[derive(Default)]
pub(crate) struct EventLimit {
    /// How many were sent, and since when one of them is forgotten each minute.
    sent: HashMap<String, (u32, Instant)>,
}

impl EventLimit {
    /// Whether one more event on this object may be sent.
    pub(crate) fn admits(&mut self, uid: &str) -> bool {
        let now = Instant::now();
        if self.sent.len() >= MAX_OBJECTS {
            self.sent.retain(|_, (sent, since)| forgotten(*since, now) < *sent);
        }
        if self.sent.len() >= MAX_OBJECTS && !self.sent.contains_key(uid) {
            // Of so many objects at once, each has few.
            return true;
        }
        let (sent, since) = self.sent.entry(uid.to_owned()).or_insert((0, now));
        let gone = forgotten(*since, now);
        *sent = sent.saturating_sub(gone);
        *since = if *sent == 0 { now } else { *since + ONE_PER * gone };
        let admits = *sent < BURST;
        *sent += u32::from(admits);
        admits
    }
}

fn forgotten(since: Instant, now: Instant) -> u32 {
    u32::try_from(now.duration_since(since).as_secs() / ONE_PER.as_secs()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(limit: &mut EventLimit, uid: &str, tries: usize) -> usize {
        (0..tries).filter(|_| limit.admits(uid)).count()
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_turns_to_and_fro_is_told_of_less_and_less_and_others_as_ever() {
        let mut limit = EventLimit::default();
        assert_eq!(admitted(&mut limit, "flapping", 100), 25);
        assert_eq!(admitted(&mut limit, "another", 3), 3);
        tokio::time::advance(Duration::from_secs(150)).await;
        assert_eq!(admitted(&mut limit, "flapping", 100), 2);
        tokio::time::advance(Duration::from_hours(1)).await;
        assert_eq!(admitted(&mut limit, "flapping", 100), 25);
    }

    #[tokio::test(start_paused = true)]
    async fn objects_that_were_quiet_are_forgotten() {
        let mut limit = EventLimit::default();
        for number in 0..MAX_OBJECTS {
            limit.admits(&number.to_string());
        }
        tokio::time::advance(ONE_PER).await;
        limit.admits("one more");
        assert_eq!(limit.sent.len(), 1);
    }
}
