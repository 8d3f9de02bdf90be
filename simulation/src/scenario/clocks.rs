//! The operator's clock, which is not the server's: the one of each node differs, and all of them are set now and then.

use std::time::Duration;

use fastrand::Rng;
use flippy_operator::Jump;
use jiff::{SignedDuration, Timestamp};

use super::percent;

/// So far the clock of a node, and so far what all of them are set to, may be off: together half an hour, so that no two
/// differ by more than the hour for which marks from the future are believed.
const MOST_SECONDS: i64 = 900;

/// How far the operator's clocks are ahead of the server's, or behind it where that is negative.
#[derive(Debug, Clone, Default)]
pub(crate) struct Clocks {
    /// On the node of each life.
    nodes: Vec<SignedDuration>,
    /// What all of them are set to, and when, in milliseconds since the beginning.
    settings: Vec<(u64, SignedDuration)>,
}

/// Of a source of its own, so that what else is drawn from a seed stays what it was.
pub(crate) fn draw(seed: u64, lives: usize, until_seconds: u64) -> Clocks {
    let mut rng = Rng::with_seed(seed ^ 0x00c1_0cc5);
    if percent(&mut rng, 65) {
        return Clocks::default();
    }
    let nodes = if percent(&mut rng, 50) { lives } else { 0 };
    let nodes = (0..nodes).map(|_| off(&mut rng)).collect();
    let mut settings: Vec<(u64, SignedDuration)> =
        (0..rng.u8(0..=3)).map(|_| (rng.u64(0..until_seconds * 1_000), off(&mut rng))).collect();
    settings.sort_by_key(|(at, _)| *at);
    Clocks { nodes, settings }
}

fn off(rng: &mut Rng) -> SignedDuration {
    let most = if percent(rng, 50) { 60 } else { MOST_SECONDS };
    SignedDuration::from_secs(rng.i64(-most..=most))
}

impl Clocks {
    /// How far the clock of a life (from 1 on) is ahead, so long after the beginning.
    pub(crate) fn ahead(&self, life: usize, since_beginning: SignedDuration) -> SignedDuration {
        let node = life.checked_sub(1).and_then(|position| self.nodes.get(position)).copied().unwrap_or_default();
        node + self.set_to(since_beginning)
    }

    fn set_to(&self, since_beginning: SignedDuration) -> SignedDuration {
        let made = self.settings.iter().take_while(|(at, _)| since(*at) <= since_beginning);
        made.last().map_or(SignedDuration::ZERO, |(_, ahead)| *ahead)
    }

    /// What happens to a clock that is started so long after the beginning.
    pub(crate) fn jumps(&self, since_beginning: SignedDuration) -> impl Iterator<Item = Jump> {
        let mut ahead = self.set_to(since_beginning);
        let later = self.settings.iter().filter(move |(at, _)| since(*at) > since_beginning);
        later.map(move |(at, set_to)| {
            let by = *set_to - std::mem::replace(&mut ahead, *set_to);
            Jump { after: Duration::try_from(since(*at) - since_beginning).unwrap_or_default(), by }
        })
    }

    /// How often a clock is set while the operator runs.
    pub(crate) fn jumps_in_all(&self) -> usize {
        self.settings.len()
    }

    /// How far two times that the operator was shown at one instant may be apart.
    pub(crate) fn spread(&self) -> SignedDuration {
        if self.nodes.is_empty() && self.settings.is_empty() {
            return SignedDuration::ZERO;
        }
        SignedDuration::from_secs(4 * MOST_SECONDS)
    }

    /// What the clock of a life shows.
    pub(crate) fn shown(&self, life: usize, began_at: Timestamp, at: Timestamp) -> Timestamp {
        at + self.ahead(life, at.duration_since(began_at))
    }
}

fn since(milliseconds: u64) -> SignedDuration {
    SignedDuration::from_millis(i64::try_from(milliseconds).unwrap_or(i64::MAX))
}
