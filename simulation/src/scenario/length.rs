//! Short days, which find the most for their time, and long ones, for what only shows when much happens.

use fastrand::Rng;
use flippy_sim::{Json, json};

use super::crashes::{Ending, How};
use super::deeds::{Timed, created_configs};
use super::percent;
use super::workloads::MESHED;
use crate::seeds::failed_on_a_long_day;

/// On short days everything comes so many times as fast, but for the cluster and the operator themselves.
const HASTE: u64 = 6;
/// So many of a hundred days are long. Each takes as much time as seven short ones, and hardly ever finds what those do not.
const LONG_DAYS_PERCENT: u8 = 1;

/// How long a day is, and how much happens on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    /// One or two kinds are restarted, the operator dies at most once, few people meddle, and everybody is in a hurry.
    Short,
    /// Everything that can be drawn.
    Long,
}

impl Length {
    /// Of a source of its own, so that long days stay what they were.
    pub(crate) fn of(seed: u64) -> Self {
        let is_long = failed_on_a_long_day(seed) || percent(&mut Rng::with_seed(seed ^ 0x001e_9674), LONG_DAYS_PERCENT);
        if is_long { Self::Long } else { Self::Short }
    }

    /// How long something takes that would take so long on a long day.
    pub(crate) fn hasty(self, on_a_long_day: u64) -> u64 {
        match self {
            Self::Short => on_a_long_day / HASTE,
            Self::Long => on_a_long_day,
        }
    }

    /// Lets what was drawn for a long day come sooner.
    pub(crate) fn compress(self, deeds: &mut [Timed]) {
        for timed in deeds {
            timed.at_milliseconds = self.hasty(timed.at_milliseconds);
        }
    }

    /// How many workloads are drawn, besides those that every day has: with them, twenty or so.
    pub(crate) fn workloads(self, rng: &mut Rng) -> u64 {
        match self {
            Self::Short => rng.u64(10..=18),
            Self::Long => rng.u64(12..=20),
        }
    }

    /// How many deeds of others there are at most.
    pub(crate) fn most_deeds(self) -> u64 {
        match self {
            Self::Short => 4,
            Self::Long => 12,
        }
    }

    /// Lets what was drawn without regard to the length come sooner, and makes less of it.
    pub(crate) fn hasten(self, seed: u64, deeds: &mut [Timed], endings: &mut Vec<Ending>, calm_at_seconds: u64) {
        if self == Self::Long {
            return;
        }
        let mut rng = Rng::with_seed(seed ^ 0x5407_7e57);
        endings.truncate(1);
        for ending in endings {
            ending.down_milliseconds /= HASTE;
            if let How::Stop { after_milliseconds } | How::Kill { after_milliseconds } = &mut ending.how {
                *after_milliseconds /= HASTE;
            }
        }
        for timed in deeds.iter_mut() {
            timed.at_milliseconds = timed.at_milliseconds.min(calm_at_seconds * 1_000);
        }
        for config in created_configs(deeds) {
            narrow(&mut rng, &mut config["spec"]);
        }
    }
}

/// Fewer kinds, at times in one namespace only, and nothing that waits for hours.
fn narrow(rng: &mut Rng, spec: &mut Json) {
    if let Some(kinds) = spec["RestartObjects"].as_array_mut() {
        rng.shuffle(kinds.make_mut());
        kinds.truncate(rng.usize(1..=2));
    }
    if percent(rng, 50) {
        spec["ProcessFilter"]["Labels"]["team"] = json!(MESHED[rng.usize(..MESHED.len())]);
    }
    if let Some(spec) = spec.as_object_mut().filter(|_| percent(rng, 90)) {
        spec.remove("Windows");
    }
    let waves = spec.get_mut("Strategy").and_then(|strategy| strategy.get_mut("Waves")).map(Json::items_mut);
    for wave in waves.into_iter().flatten() {
        if wave["Soak"] == "20m" || wave["Soak"] == "5m" {
            wave["Soak"] = json!("40s");
        }
    }
}
