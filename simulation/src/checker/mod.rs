//! The judge. One file per invariant; all of them read what the server recorded.

mod deadline;
mod disruption;
mod facts;
mod fields;
mod gate;
mod guard;
mod liveness;
mod order;
mod requests;
mod scope;
mod serial;
mod statuses;
mod twice;
mod wish;

use flippy_sim::History;
use jiff::Timestamp;

use crate::knowledge::{View, batch_began, moments};
use crate::record::{Record, Restart};
use crate::scenario::Scenario;
use wish::Wish;

pub(crate) use liveness::{still_refused, unexplained};

/// What must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    /// Only workloads in scope of a config that is neither suspended nor on a dry run are restarted, and only stale ones.
    Scope,
    /// Nothing starts while a required precondition is not met.
    Gate,
    /// Nothing starts while a restart that is waited for is under way.
    Serial,
    /// Of what shares a disruption budget or a group, nothing starts beside another one, or against the budget.
    Disruption,
    /// What goes first goes first, healthy workloads before others, kind by kind.
    Order,
    /// No workload is restarted twice for the same images without a reason.
    Twice,
    /// Every restart is guarded by the uid and the generation that it was decided on.
    Guard,
    /// A restart changes nothing but its marks.
    Fields,
    /// Statuses and nothing else of a config are written.
    Statuses,
    /// A restart that does not complete counts as under way for no longer than its window, whoever made it.
    Deadline,
    /// Requests are few, and failures are not answered by more of them.
    Requests,
    /// When trouble is over, everything in scope becomes fresh or is explained, and `Ready` tells the truth.
    Liveness,
    /// The operator lives until it is told to stop.
    Alive,
}

/// Something that did not hold.
#[derive(Debug, Clone)]
pub struct Finding {
    /// When, in virtual time.
    pub at: Timestamp,
    /// What did not hold.
    pub invariant: Invariant,
    /// What happened and what was expected, in one line.
    pub message: String,
    /// The name of the object it is about, to find it in the history.
    pub subject: String,
}

/// Why a restart should not have been made.
pub(crate) struct Objection {
    invariant: Invariant,
    message: String,
}

impl Objection {
    fn new(invariant: Invariant, message: String) -> Self {
        Self { invariant, message }
    }
}

/// One restart, decided at one moment, on behalf of one config.
pub(crate) struct Case<'a> {
    record: &'a Record<'a>,
    view: &'a View,
    wish: &'a Wish,
    wishes: &'a [Wish],
    restart: &'a Restart<'a>,
    /// Deadlines are judged by when the request arrived.
    now: Timestamp,
    /// When the first request of its batch went out: what else was decided then is not known to it.
    began: Timestamp,
}

/// Holds a history against everything but liveness.
pub(crate) fn check(history: &History, scenario: &Scenario) -> Vec<Finding> {
    let record = Record::new(history);
    let mut findings = Vec::new();
    for restart in &record.restarts {
        let objections = objections(&record, restart);
        findings.extend(objections.into_iter().map(|objection| Finding {
            at: restart.request.at,
            invariant: objection.invariant,
            message: format!("{} was restarted ({}): {}", restart.name(), restart.token(), objection.message),
            subject: restart.mutation.key.name.to_string(),
        }));
    }
    findings.extend(twice::check(&record));
    findings.extend(guard::check(&record));
    findings.extend(fields::check(&record));
    findings.extend(statuses::check(&record));
    findings.extend(deadline::check(&record));
    findings.extend(requests::check(&record, scenario));
    if history.dropped > 0 {
        let message = format!("{} entries of the history were lost, so nobody can judge it", history.dropped);
        findings.push(Finding { at: Timestamp::MAX, invariant: Invariant::Requests, message, subject: String::new() });
    }
    findings
}

/// The finding that the operator ended by itself.
pub(crate) fn died(at: Timestamp) -> Finding {
    let message = "the operator ended, or panicked, though nobody had told it to stop".to_owned();
    Finding { at, invariant: Invariant::Alive, message, subject: String::new() }
}

/// A restart is fine when there is a config and a moment for which nothing speaks against it. Otherwise: the objections
/// for the config and moment with the fewest.
fn objections(record: &Record<'_>, restart: &Restart<'_>) -> Vec<Objection> {
    let mut least: Option<Vec<Objection>> = None;
    let began = batch_began(record, restart);
    for moment in moments(record, restart, began) {
        let view = View::told(record, restart, moment);
        let wishes: Vec<Wish> = view.configs.iter().filter_map(|(key, config)| Wish::read(key, config)).collect();
        for wish in &wishes {
            let case = Case { record, view: &view, wish, wishes: &wishes, restart, now: restart.request.at, began };
            let found: Vec<Objection> = [scope::objection(&case), gate::objection(&case), serial::objection(&case)]
                .into_iter()
                .flatten()
                .chain(disruption::objection(&case))
                .chain(order::objection(&case))
                .collect();
            if found.is_empty() {
                return found;
            }
            if least.as_ref().is_none_or(|least| found.len() < least.len()) {
                least = Some(found);
            }
        }
    }
    least.unwrap_or_else(|| {
        vec![Objection::new(Invariant::Scope, "the operator had not been told of any config".to_owned())]
    })
}
