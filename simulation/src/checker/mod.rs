//! The judge. One file per invariant; all of them read what the server recorded.

mod budget;
mod crowding;
mod deadline;
mod disruption;
mod eviction;
mod facts;
mod fields;
mod gate;
mod guard;
mod halt;
mod leader;
mod liveness;
mod order;
mod query_gate;
mod requests;
mod scope;
mod selector;
mod serial;
mod single;
mod source;
mod standstill;
mod statuses;
mod strategy;
mod trouble;
mod twice;
mod under_way;
mod waves;
mod window;
mod wish;

use flippy_sim::History;
use jiff::{SignedDuration, Timestamp};

use crate::knowledge::{DECIDING, View, batch_began, moments, watches_of_sets};
use crate::prometheus::Asked;
use crate::record::{Record, Restart};
use crate::scenario::Scenario;
use wish::Wish;

pub(crate) use liveness::{next_turn, still_refused, unexplained};

/// What must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    /// Only workloads in scope of a config that is neither suspended nor on a dry run are restarted, and only stale ones.
    Scope,
    /// Nothing starts while a required precondition is not met, a gate is not known to be open, or pods of restarted
    /// workloads find no node.
    Gate,
    /// Nothing starts while a source of wanted images is missing or broken.
    Source,
    /// Nothing starts while a restart that is waited for is under way.
    Serial,
    /// Of what shares a disruption budget or a group, nothing starts beside another one, or against the budget.
    Disruption,
    /// Never more under way than `Strategy` allows, in all and in each namespace, and never sooner after the one before.
    Budget,
    /// Nothing starts in a shut window.
    Window,
    /// Nothing starts in a wave before its time, nor without approval where it needs one.
    Wave,
    /// Nothing starts once more has failed than is tolerated.
    Halt,
    /// A workload of a single replica is left alone where the config says so.
    Single,
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
    /// Only stale pods of marked workloads are evicted, and never a second one before the first is replaced.
    Eviction,
    /// Requests are few, and failures are not answered by more of them.
    Requests,
    /// When trouble is over, everything in scope becomes fresh or is explained, and `Ready` tells the truth.
    Liveness,
    /// Of two replicas only the one that holds the lease writes.
    Leader,
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
    /// Deadlines are judged by when the request arrived, and like all times by what the clock of that life showed then:
    /// with it they come early or late by as much as it is set ahead or back, and nothing else does.
    now: Timestamp,
    /// When the first request of its batch went out: what else was decided then is not known to it.
    began: Timestamp,
}

/// Holds a history against everything but liveness.
pub(crate) fn check(history: &History, asked: &[Asked], scenario: &Scenario, began_at: Timestamp) -> Vec<Finding> {
    let record = Record::new(history, asked, &scenario.clocks, began_at);
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
    findings.extend(eviction::check(&record));
    findings.extend(leader::check(&record, scenario));
    findings.extend(requests::check(&record, scenario));
    findings.extend(trouble::check(&record, scenario));
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

/// The finding that something is said to wait for a window or a soak for longer than any lasts.
pub(crate) fn waits_on(at: Timestamp) -> Finding {
    let message = "a status says day after day that a window or a soak is waited for, though one is open".to_owned();
    Finding { at, invariant: Invariant::Liveness, message, subject: String::new() }
}

fn objections_to(case: &Case<'_>) -> Vec<Objection> {
    let at_most_one = [
        scope::objection,
        source::objection,
        gate::objection,
        query_gate::objection,
        crowding::objection,
        serial::objection,
        window::objection,
        halt::objection,
        single::objection,
    ];
    let mut found: Vec<Objection> = at_most_one.into_iter().filter_map(|objection| objection(case)).collect();
    found.extend(waves::objection(case));
    found.extend(budget::objection(case));
    found.extend(disruption::objection(case));
    found.extend(order::objection(case));
    found
}

/// A restart is fine when there is a config and a moment for which nothing speaks against it. Otherwise: the objections
/// for the config and moment with the fewest.
fn objections(record: &Record<'_>, restart: &Restart<'_>) -> Vec<Objection> {
    let mut least: Option<Vec<Objection>> = None;
    let began = batch_began(record, restart);
    let shown = shown_times(record, restart, began);
    // An answer of the very instant in which the batch began may have come after it was decided on.
    let before = began.saturating_sub(SignedDuration::from_millis(1)).unwrap_or(began);
    for (answered_by, moment, sets_by) in [Timestamp::MAX, before]
        .into_iter()
        .flat_map(|answered_by| moments(record, restart, began).map(move |moment| (answered_by, moment)))
        .flat_map(|(answered_by, moment)| watches_of_sets(moment).into_iter().map(move |by| (answered_by, moment, by)))
    {
        let view = View::told(record, restart, moment, answered_by, sets_by);
        let wishes: Vec<Wish> =
            view.configs.iter().filter_map(|(key, config)| Wish::read(key, config, &view.config_maps)).collect();
        for (wish, now) in wishes.iter().flat_map(|wish| shown.iter().map(move |now| (wish, *now))) {
            let case = Case { record, view: &view, wish, wishes: &wishes, restart, now, began };
            let found = objections_to(&case);
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

/// What the clock of the operator showed when a request arrived, or would have shown if nobody had set it since it was
/// decided on.
fn shown_times(record: &Record<'_>, restart: &Restart<'_>, began: Timestamp) -> Vec<Timestamp> {
    let (request, at) = (restart.request, restart.request.at);
    let decided = began.saturating_sub(DECIDING).unwrap_or(began);
    let mut shown = vec![record.shown(request, at), record.shown(request, decided) + at.duration_since(decided)];
    shown.dedup();
    shown
}
