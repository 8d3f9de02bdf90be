//! Two replicas, on some days: how the second one's lives end, and who is cut off from the server when.

use std::time::Duration;

use fastrand::Rng;
use flippy_operator::lease::Timing;
use flippy_sim::Faults;

use super::crashes::{self, Ending};
use super::deeds::{Deed, Timed};
use super::length::Length;
use super::percent;

/// What there is besides the first replica.
#[derive(Debug, Clone)]
pub(crate) struct Replicas {
    /// How the lives of the second one end.
    pub(crate) endings: Vec<Ending>,
    /// When which of them hears nothing from the server, in order of time.
    pub(crate) cuts: Vec<Cut>,
    /// How long their lease is valid, and how often it is renewed.
    pub(crate) timing: Timing,
}

/// A time in which no request of one replica gets through, and nobody says so.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    pub(crate) at_milliseconds: u64,
    /// 0 or 1.
    pub(crate) replica: usize,
    pub(crate) for_milliseconds: u64,
}

/// Draws from numbers of its own, so that all else on the day of a seed stays as it was.
pub(crate) fn draw(seed: u64, length: Length, calm_at_seconds: u64, deeds: &mut Vec<Timed>) -> Option<Replicas> {
    let mut rng = Rng::with_seed(seed ^ 0x1ea5_e000);
    // A second replica and its lease treble what a short day takes: everything is told twice, and most requests are renewals.
    let is_spared = length == Length::Short && percent(&mut Rng::with_seed(seed ^ 0x5ba2_ed00), 70);
    if percent(&mut rng, 80) || is_spared {
        return None;
    }
    let endings = crashes::draw(&mut rng);
    let calm_at = calm_at_seconds * 1_000;
    let mut cuts: Vec<Cut> = Vec::new();
    if percent(&mut rng, 60) {
        for _ in 0..rng.u8(1..6) {
            let at_milliseconds = rng.u64(..calm_at);
            // Shorter than a renewal, about as long as a lease, or long.
            let longest = [3_000, 25_000, 120_000][rng.usize(..3)];
            let for_milliseconds = rng.u64(100..longest).min(calm_at - at_milliseconds);
            cuts.push(Cut { at_milliseconds, replica: rng.usize(..2), for_milliseconds });
        }
        cuts.sort_by_key(|cut| cut.at_milliseconds);
    }
    if percent(&mut rng, 20) {
        // Answers take longer than a lease lasts: nobody, or now this one and now that one, can renew.
        let from = rng.u64(..calm_at / 2);
        let slow = Faults { slow: 0.7, slow_milliseconds: 30_000, ..Faults::none() };
        deeds.push(Timed { at_milliseconds: from, deed: Deed::Trouble(Box::new(slow)) });
        let until = from + rng.u64(20_000..calm_at / 2);
        deeds.push(Timed { at_milliseconds: until, deed: Deed::Trouble(Box::new(Faults::none())) });
    }
    Some(Replicas { endings, cuts, timing: timing(seed) })
}

/// That of Kubernetes' own components, or a longer one: nothing takes as many requests of a day as renewals do.
fn timing(seed: u64) -> Timing {
    let long = || Timing::new(Duration::from_mins(1), Duration::from_secs(40), Duration::from_secs(10));
    let is_long = percent(&mut Rng::with_seed(seed ^ 0x71_3e55), 60);
    if is_long { long().expect("they fit together") } else { Timing::default() }
}
