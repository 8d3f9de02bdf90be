//! A webhook that takes no change of one workload: for a while, or for good.

use fastrand::Rng;
use flippy_sim::Webhook;

use super::deeds::{Deed, Timed};
use super::percent;
use super::workloads::Workloads;

/// Of a source of its own, so that what else is drawn from a seed stays what it was.
pub(crate) fn draw(seed: u64, until_seconds: u64, workloads: &Workloads, deeds: &mut Vec<Timed>) {
    let mut rng = Rng::with_seed(seed ^ 0x0eb4_0014);
    if percent(&mut rng, 80) || workloads.meshed.is_empty() {
        return;
    }
    let (resource, key) = workloads.meshed[rng.usize(..workloads.meshed.len())].clone();
    let webhook = Webhook { resource, key, fails: rng.bool() };
    let at_milliseconds = if rng.bool() { 0 } else { rng.u64(0..until_seconds * 500) };
    deeds.push(Timed { at_milliseconds, deed: Deed::Webhook(Some(webhook)) });
    if percent(&mut rng, 40) {
        let at_milliseconds = rng.u64(at_milliseconds..until_seconds * 1_000);
        deeds.push(Timed { at_milliseconds, deed: Deed::Webhook(None) });
    }
}
