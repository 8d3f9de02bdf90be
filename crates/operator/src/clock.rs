//! The one place where the operator learns the time.

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// Tells the time that decisions are taken at.
#[derive(Clone, Copy, Debug)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// Runs with tokio's timer, which a simulation may pause: a night passes in milliseconds.
    Virtual {
        /// What it showed when it was started.
        epoch: Timestamp,
        /// When it was started.
        started: Instant,
    },
}

impl Clock {
    /// A clock that shows `epoch` now and runs with tokio's timer.
    pub fn starting_at(epoch: Timestamp) -> Self {
        Self::Virtual { epoch, started: Instant::now() }
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => Timestamp::now(),
            Self::Virtual { epoch, started } => {
                let passed = SignedDuration::try_from(started.elapsed()).unwrap_or(SignedDuration::MAX);
                epoch.saturating_add(passed).unwrap_or(Timestamp::MAX)
            }
        }
    }
}
