//! Who lives: one operator, or two that hold an election.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use flippy_operator::lease::{ElectionSettings, Timing};
use flippy_sim::{LinkState, SimClient};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::life::{self, Place};
use crate::scenario::{CONFIG_NAMESPACE, Cut, Scenario};

/// What the replicas' lease is called.
pub(crate) const LEASE: &str = "flippy";

/// The wire of the present life of a replica, for whoever cuts it.
#[derive(Clone, Default)]
pub(crate) struct Wire(Arc<Mutex<Option<SimClient>>>);

impl Wire {
    /// A life has begun, or ended.
    pub(crate) fn set(&self, wire: Option<SimClient>) {
        *self.0.lock().expect("nobody panics holding it") = wire;
    }

    fn set_link(&self, state: LinkState) {
        if let Some(wire) = &*self.0.lock().expect("nobody panics holding it") {
            wire.set_link(state);
        }
    }
}

/// Lets all of them live; none of the tasks ends by itself, except the one that cuts wires.
pub(crate) fn live(place: Place, scenario: &Scenario) -> Vec<JoinHandle<()>> {
    let began = Instant::now();
    let Some(replicas) = &scenario.replicas else { return vec![tokio::spawn(life::live(place))] };
    let other = Place::of(scenario, &place.cluster, &place.prometheus, place.calm_at);
    let places = [Place { replica: "a", ..place }, Place { replica: "b", endings: replicas.endings.clone(), ..other }];
    let wires = places.each_ref().map(|place| place.present.clone());
    let tasks = places.into_iter().map(|place| tokio::spawn(life::live(place))).collect();
    for cut in replicas.cuts.clone() {
        tokio::spawn(cut_off(wires[cut.replica].clone(), cut, began));
    }
    tasks
}

async fn cut_off(wire: Wire, cut: Cut, began: Instant) {
    let from = began + Duration::from_millis(cut.at_milliseconds);
    tokio::time::sleep_until(from).await;
    wire.set_link(LinkState::Silent);
    tokio::time::sleep_until(from + Duration::from_millis(cut.for_milliseconds)).await;
    wire.set_link(LinkState::Up);
}

/// What a life knows of the election: its user is its name there, too.
pub(crate) fn election(timing: Timing, user: &str) -> ElectionSettings {
    ElectionSettings {
        namespace: CONFIG_NAMESPACE.to_owned(),
        name: LEASE.to_owned(),
        identity: user.to_owned(),
        timing,
    }
}
