//! Nothing starts while a gate that asks Prometheus is shut, by what that server says it was asked and answered; nor while
//! nobody has asked it, or not for long enough, or its last answer is old.

use flippy_sim::Json;
use jiff::{SignedDuration, Timestamp};

use super::strategy::duration;
use super::{Case, Invariant, Objection};
use crate::knowledge::DECIDING;
use crate::prometheus::Asked;

/// An answer counts for so many intervals.
const COUNTS_FOR: i32 = 3;
const INSTANT: SignedDuration = SignedDuration::from_millis(1);

/// One of a config's `Gates`.
pub(crate) struct QueryGate {
    host: String,
    open_for: SignedDuration,
    interval: SignedDuration,
    timeout: SignedDuration,
}

impl QueryGate {
    pub(crate) fn read(spec: &Json) -> Self {
        let prometheus = &spec["Prometheus"];
        let or =
            |text: &Json, seconds| if text.is_null() { SignedDuration::from_secs(seconds) } else { duration(text) };
        let url = prometheus["URL"].as_str().unwrap_or_default();
        let interval = or(&prometheus["Interval"], 30);
        let timeout = prometheus["TimeoutSeconds"].as_i64().map(SignedDuration::from_secs);
        let host = url.trim_start_matches("http://").split(':').next().unwrap_or_default();
        Self {
            host: host.to_owned(),
            open_for: or(&prometheus["For"], 120),
            interval,
            timeout: timeout.unwrap_or(SignedDuration::from_secs(10).min(interval)),
        }
    }

    /// Whether it will be shut for good, if the server says from now on what it says to a host.
    pub(crate) fn is_shut_by(&self, is_good: impl Fn(&str) -> bool) -> bool {
        !is_good(&self.host)
    }

    /// Whether it may merely be pending when it has let nothing start for so long: an answer may be lost on the way.
    pub(crate) fn may_open_after(&self, waited: SignedDuration) -> bool {
        waited <= self.open_for + self.interval * COUNTS_FOR
    }
}

pub(super) fn objection(case: &Case<'_>) -> Option<Objection> {
    let at = case.restart.request.at;
    // A restart that was decided on is called back as soon as a gate shuts, unless it is on its way.
    let decided = at.saturating_sub(DECIDING).unwrap_or(at);
    let shut = case.wish.gates.iter().find(|gate| {
        let meanwhile = answers(case, gate).map(|asked| asked.answered_at).filter(|answered| *answered > decided);
        let mut moments = meanwhile.chain([decided, at]).filter(|moment| *moment <= at);
        // What is answered in the very instant of a decision may come after it.
        !moments.any(|moment| [moment, moment - INSTANT].into_iter().any(|known| is_open(case, gate, known, moment)))
    })?;
    let last = answers(case, shut).take_while(|asked| asked.answered_at <= at).last();
    let said = last.map_or("nothing".to_owned(), |asked| {
        let ago = at.duration_since(asked.at);
        format!("{:?} ({}) when asked {:.3} s before", asked.mood, said(asked), ago.as_secs_f64())
    });
    let message = format!("gate {} of FlippyConfig {} was not open: it last said {said}", shut.host, case.wish.key);
    Some(Objection::new(Invariant::Gate, message))
}

fn said(asked: &Asked) -> &'static str {
    if asked.is_good { "good" } else { "not good" }
}

/// What the life that made a restart was ever answered, or waited for in vain. Questions that it took back, because its
/// config changed meanwhile, say nothing.
fn answers<'a>(case: &'a Case<'_>, gate: &'a QueryGate) -> impl Iterator<Item = &'a Asked> {
    let user = &case.restart.request.user;
    let ended = |asked: &Asked| asked.is_waited_for || asked.answered_at.duration_since(asked.at) >= gate.timeout;
    case.record.asked.iter().filter(move |asked| asked.user == *user && asked.host == gate.host && ended(asked))
}

/// By the clock of that life, and what it knew until then.
fn is_open(case: &Case<'_>, gate: &QueryGate, known: Timestamp, moment: Timestamp) -> bool {
    let shown = |at: Timestamp| case.record.shown(case.restart.request, at);
    let counts_until = |asked: Timestamp| asked + gate.interval * COUNTS_FOR;
    let (mut last, mut good_since): (Option<Timestamp>, Option<Timestamp>) = (None, None);
    for asked in answers(case, gate).take_while(|asked| asked.answered_at <= known) {
        let at = shown(asked.at);
        let is_unbroken = last.is_some_and(|last| at <= counts_until(last));
        // What began later than now is from before the clock was set back. Whether it counts is not known here: a gate that was
        // changed since begins anew.
        let began = good_since.filter(|since| is_unbroken && *since <= at);
        good_since = asked.is_good.then(|| began.unwrap_or(at));
        last = Some(at);
    }
    let now = shown(moment);
    let Some((last, since)) = last.zip(good_since) else { return false };
    now <= counts_until(last) && since + gate.open_for <= now
}
