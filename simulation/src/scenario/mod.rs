//! What happens on one unlucky day, all drawn from one seed before it begins.

mod clocks;
mod configs;
mod crashes;
mod custom;
mod deeds;
mod disruption;
mod gates;
mod kinds;
mod length;
mod pace;
mod replicas;
mod sources;
mod trouble;
mod waves;
mod webhook;
mod workloads;

use fastrand::Rng;
use flippy_sim::Json;

pub(crate) use clocks::Clocks;
pub(crate) use configs::{CONFIG_NAMESPACE, IGNORE_KEY};
pub(crate) use crashes::{Ending, How};
pub(crate) use deeds::{Deed, Timed};
pub(crate) use gates::{Mood, Moods};
use length::Length;
pub(crate) use replicas::{Cut, Replicas};
pub(crate) use sources::{MIRROR, SOURCE};

/// What pods run before the mesh is upgraded.
pub(crate) const OLD: &str = "docker.io/istio/proxyv2:1.30.3";
/// What is wanted.
pub(crate) const NEW: &str = "docker.io/istio/proxyv2:1.30.4";
/// What a config that disagrees wants.
pub(crate) const OTHER: &str = "docker.io/istio/proxyv2:1.31.0";
/// What pinned workloads run, whatever the mesh says.
pub(crate) const PINNED: &str = "docker.io/istio/proxyv2:1.29.0";

/// A day: a cluster, and everything that will be done to it.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// What all of it was drawn from.
    pub seed: u64,
    /// What is there from the beginning, settled.
    pub(crate) objects: Vec<Json>,
    /// Whether Argo Rollouts is installed.
    pub(crate) has_rollouts: bool,
    /// Whether `OpenKruise` is.
    pub(crate) has_clone_sets: bool,
    /// What others do, in order of time.
    pub(crate) deeds: Vec<Timed>,
    /// How the lives of the operator end, one after the other. The last life goes on.
    pub(crate) endings: Vec<Ending>,
    /// What the operator's clock shows.
    pub(crate) clocks: Clocks,
    /// What there is besides that operator: on most days nothing.
    pub(crate) replicas: Option<Replicas>,
    /// How the Prometheus server feels that gates ask.
    pub(crate) moods: Moods,
    /// From then on nothing goes wrong and nobody does anything, in seconds.
    pub(crate) calm_at_seconds: u64,
    /// How long to look on after everything is explained, in seconds.
    pub(crate) linger_seconds: u64,
}

impl Scenario {
    /// How many workloads there are from the beginning.
    pub fn workloads(&self) -> usize {
        self.objects.iter().filter(|object| !object["spec"]["template"].is_null()).count()
    }

    /// Draws the day of a seed.
    pub fn draw(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed ^ 0x00f1_1bb7);
        let has_rollouts = rng.u8(..10) > 0;
        let length = Length::of(seed);
        let mut workloads = workloads::draw(&mut rng, length, has_rollouts);
        let calm_at_seconds = length.hasty(rng.u64(600..2400));
        let mut deeds = std::mem::take(&mut workloads.deeds);
        configs::draw(&mut rng, &workloads, &mut deeds);
        length.compress(&mut deeds);
        deeds::draw(&mut rng, &workloads, calm_at_seconds, length.most_deeds(), &mut deeds);
        let calm_at_seconds = trouble::draw(&mut rng, calm_at_seconds, length, &mut deeds);
        pace::draw(&mut Rng::with_seed(seed ^ 0x5eed_0f01), &mut deeds);
        let replicas = replicas::draw(seed, length, calm_at_seconds, &mut deeds);
        let mut endings = crashes::draw(&mut rng);
        // What depends on the time is judged by one clock: two replicas have the server's.
        let clocks = match replicas {
            Some(_) => Clocks::default(),
            None => clocks::draw(seed, endings.len() + 1, calm_at_seconds),
        };
        disruption::draw(seed, calm_at_seconds, &mut workloads.objects, &mut deeds);
        webhook::draw(seed, calm_at_seconds, &workloads, &mut deeds);
        waves::draw(seed, calm_at_seconds, &mut workloads.objects, &mut deeds);
        kinds::draw(seed, &mut workloads.objects, &mut deeds);
        sources::draw(seed, calm_at_seconds, &mut workloads.objects, &mut deeds);
        let moods = gates::draw(seed, calm_at_seconds, &mut workloads.objects, &mut deeds);
        let has_clone_sets = custom::draw(seed, &mut workloads.objects, &mut deeds);
        length.hasten(seed, &mut deeds, &mut endings, calm_at_seconds);
        deeds.sort_by_key(|timed| timed.at_milliseconds);
        let linger_seconds = if rng.u8(..16) == 0 && length == Length::Long { 5400 } else { 60 };
        Self {
            seed,
            objects: workloads.objects,
            has_rollouts,
            has_clone_sets,
            deeds,
            endings,
            clocks,
            replicas,
            moods,
            calm_at_seconds,
            linger_seconds,
        }
    }
}

/// Whether something happens that happens in so many of a hundred cases.
fn percent(rng: &mut Rng, chance: u8) -> bool {
    rng.u8(..100) < chance
}
