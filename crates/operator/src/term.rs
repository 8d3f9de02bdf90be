//! What begins and ends with the right to act.

use kube::Client;
use tokio::task::JoinHandle;

use crate::asking::Asking;
use crate::audience::Audience;
use crate::clock::Clock;
use crate::driver::Driver;
use crate::events::Events;
use crate::lease::Mandate;
use crate::metrics::Metrics;
use crate::notify::Notifier;
use crate::operator::Clients;
use crate::report::Reports;
use crate::webhook::Ways;

/// Everything that writes. It has a mandate for this term, and is made anew for the next one.
pub(crate) struct Term {
    pub(crate) mandate: Mandate,
    /// Never retries by itself: a mutation whose answer was lost is decided anew, not sent again.
    pub(crate) acting_client: Client,
    pub(crate) asking: Asking,
    pub(crate) events: Events,
    pub(crate) sending_events: JoinHandle<()>,
    pub(crate) reports: Reports,
    pub(crate) notifier: Notifier,
}

impl Term {
    /// Begins with this mandate. `instance` is who this is, in events.
    pub(crate) fn new(
        mandate: Mandate,
        clients: &Clients,
        instance: &str,
        audience: &Audience,
        clock: &Clock,
        metrics: &Metrics,
    ) -> Self {
        let watching = mandate.guard(&clients.watching);
        let (events, sending_events) = Events::start(
            clients.watching.clone(),
            instance.to_owned(),
            mandate.clone(),
            metrics.clone(),
            audience.clone(),
        );
        let ways = Ways { kubernetes: watching.clone(), elsewhere: clients.elsewhere.clone() };
        let acting_client = mandate.guard(&clients.acting);
        Self {
            asking: Asking::new(acting_client.clone(), clock.clone(), metrics.clone()),
            acting_client,
            notifier: Notifier::new(ways, clock.clone(), events.clone(), mandate.clone(), metrics.clone()),
            reports: Reports::new(watching, events.clone(), audience.clone()),
            events,
            sending_events,
            mandate,
        }
    }
}

impl Driver {
    /// Begins a term, or the time without one.
    ///
    /// Nothing of an earlier term is believed: what was written since is in the world, which the watches kept up to date.
    /// Its letters are dropped: this one's leader tells what is still due.
    pub(crate) fn begin_term(&mut self) {
        let mandate = self.leadership.borrow_and_update().clone();
        self.acting.end_term();
        self.unmet_since.clear();
        self.wave_memories.clear();
        self.gates.follow(&mut self.world, &[]);
        self.figures.retain(|_| false);
        self.metrics.leader.set(i64::from(mandate.is_held()));
        self.term = Term::new(mandate, &self.clients, &self.instance, &self.audience, &self.clock, &self.metrics);
    }
}
