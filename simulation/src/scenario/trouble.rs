//! What goes wrong between the operator and the server.

use fastrand::Rng;
use flippy_sim::Faults;

use super::deeds::{Deed, Timed};
use super::length::Length;
use super::percent;

/// Draws the faults; returns when all of them are over, in seconds.
pub(crate) fn draw(rng: &mut Rng, calm_at_seconds: u64, length: Length, deeds: &mut Vec<Timed>) -> u64 {
    let mut trouble = |at_milliseconds: u64, faults: Faults| {
        deeds.push(Timed { at_milliseconds, deed: Deed::Trouble(Box::new(faults)) });
    };
    match rng.u8(..10) {
        0..=1 => calm_at_seconds,
        2..=3 => {
            // A normal day: answers take their time, connections break now and then.
            let faults = Faults { latency_milliseconds: 50, dropped_watch: 0.005, ..Faults::none() };
            trouble(0, faults);
            trouble(calm_at_seconds * 1_000, Faults::none());
            calm_at_seconds
        }
        4 => {
            // For up to an hour the server takes no change at all: whoever waits longer each time must come back. On short
            // days mostly less, but who waits too long shows only when that takes long.
            let from = rng.u64(1_000..calm_at_seconds * 500);
            let lasts = rng.u64(300..3_600);
            let until_seconds = from / 1_000 + if lasts.is_multiple_of(3) { lasts } else { length.hasty(lasts) };
            let refuses = if percent(rng, 50) {
                Faults { conflict: 1.0, ..Faults::none() }
            } else {
                Faults { unavailable: 0.9, too_many_requests: 0.9, ..Faults::none() }
            };
            trouble(from, refuses);
            trouble(until_seconds * 1_000, Faults::none());
            calm_at_seconds.max(until_seconds)
        }
        5 => {
            // Writes are carried out, but the answers are lost.
            let faults =
                Faults { timeout_after: 0.4, slow_milliseconds: 15_000, latency_milliseconds: 20, ..Faults::none() };
            trouble(0, Faults { delayed_event: 0.3, delay_milliseconds: 8_000, ..faults });
            trouble(calm_at_seconds * 1_000, Faults::none());
            calm_at_seconds
        }
        _ => {
            trouble(0, Faults::unlucky());
            trouble(calm_at_seconds * 1_000, Faults::none());
            calm_at_seconds
        }
    }
}
