//! How the operator's lives end.

use fastrand::Rng;
use flippy_sim::CutPoint;

use super::percent;

/// The end of one life, and how long it takes until the next one begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ending {
    pub(crate) how: How,
    pub(crate) down_milliseconds: u64,
}

/// How a life ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum How {
    /// Right at a request, which the server sees or not.
    Crash { after_requests: u64, point: CutPoint },
    /// It is told to stop, as on an upgrade of Flippy itself.
    Stop { after_milliseconds: u64 },
    /// It vanishes between two requests.
    Kill { after_milliseconds: u64 },
}

pub(crate) fn draw(rng: &mut Rng) -> Vec<Ending> {
    if percent(rng, 40) {
        return Vec::new();
    }
    let lives = rng.u64(1..=8);
    (0..lives)
        .map(|_| {
            let how = match rng.u8(..10) {
                0..=5 => How::Crash {
                    after_requests: rng.u64(12..60),
                    point: if rng.bool() { CutPoint::BeforeEffect } else { CutPoint::AfterEffect },
                },
                6..=7 => How::Stop { after_milliseconds: rng.u64(100..300_000) },
                _ => How::Kill { after_milliseconds: rng.u64(100..300_000) },
            };
            Ending { how, down_milliseconds: rng.u64(0..30_000) }
        })
        .collect()
}
