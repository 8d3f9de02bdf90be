//! What begins and ends with the right to act.

use crate::driver::Driver;
use crate::events::Events;
use crate::notify::Notifier;
use crate::report::Reports;

impl Driver {
    /// Begins a term, or the time without one.
    ///
    /// Nothing of an earlier term is believed: what was written since is in the world, which the watches kept up to date.
    pub(crate) fn begin_term(&mut self) {
        self.mandate = self.leadership.borrow_and_update().clone();
        self.acting.end_term();
        self.unmet_since.clear();
        self.wave_memories.clear();
        self.gates.follow(&mut self.world, &[]);
        self.figures.retain(|_| false);
        self.acting_client = self.mandate.guard(&self.clients.acting);
        self.asking.begin_term(self.acting_client.clone());
        let watching = &self.clients.watching;
        (self.events, self.sending_events) =
            Events::start(watching.clone(), self.instance.clone(), self.mandate.clone(), self.metrics.clone());
        self.reports = Reports::new(self.mandate.guard(watching), self.events.clone());
        // Letters of an earlier term are dropped: this one's leader tells what is still due.
        self.notifier = Notifier::new(
            self.mandate.guard(watching),
            self.clock.clone(),
            self.events.clone(),
            self.mandate.clone(),
            self.metrics.clone(),
        );
        self.metrics.leader.set(i64::from(self.mandate.is_held()));
    }
}
