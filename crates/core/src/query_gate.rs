//! Gates that ask Prometheus: what an answer says, and for how long.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::gate::{Gate, GateFact, ShutBy};
use crate::plan::Plan;
use crate::policy::Policy;
use crate::query::{PrometheusQuery, QueryAnswer, Reading, Threshold};

/// Answers count for so many intervals: two may be lost. After that nothing is known any more, and the gate shuts.
const ANSWERS_COUNT_FOR_INTERVALS: i32 = 3;

/// A gate whose answer is found by asking a Prometheus server.
#[derive(Clone, Debug, PartialEq)]
pub struct QueryGate {
    /// Its name, different from those of all others of the policy.
    pub name: Arc<str>,
    /// What to ask, and whom.
    pub query: PrometheusQuery,
    /// What every sample of the answer must be. `None`: there must be none at all.
    pub threshold: Option<Threshold>,
    /// How long it must have been open without interruption to count as open.
    pub open_for: SignedDuration,
    /// How often to ask.
    pub interval: SignedDuration,
}

/// What is remembered of the answers to one gate.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QueryHistory {
    last: Option<QueryAnswer>,
    /// Since when every answer was that it is open.
    open_since: Option<Timestamp>,
}

/// Where a gate that asks Prometheus stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryState {
    /// Restarts may start.
    Open,
    /// Nothing speaks against it, but not for long enough: there is no answer yet, or it has to stay open for a while.
    Pending,
    /// They may not.
    Shut,
    /// Nobody asks, because nothing waits for it.
    NotAsked,
}

/// What is known of one gate that asks Prometheus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryGateFact {
    /// Its name.
    pub name: Arc<str>,
    /// Where it stands.
    pub state: QueryState,
    /// Why, one line; empty when open.
    pub message: String,
    /// When time alone changes that.
    pub recheck_at: Option<Timestamp>,
}

impl QueryHistory {
    /// Takes an answer. A gap between answers, an error or a shut gate begin the count of `open_for` anew. Says whether the gate
    /// stands otherwise than was `said` of it last, so that everything is to be decided anew: one that is answered the same time
    /// and again is no reason for that, nor one that nobody waits for, or of which nothing was said. When time alone changes that
    /// is left out: it only comes later, and whoever looks too early learns that.
    ///
    /// It must not be compared with where the gate stood a moment ago, judged by the clock of now: a clock that was ahead may
    /// have made an answer look too old, and once it is set back both look open, and what was said would never be taken back.
    pub fn learn(
        &mut self,
        gate: &QueryGate,
        answer: QueryAnswer,
        said: Option<&QueryGateFact>,
        now: Timestamp,
    ) -> bool {
        let is_open = gate.judge(&answer.reading).is_ok();
        let is_unbroken = self.last.as_ref().is_some_and(|last| answer.asked_at <= gate.counts_until(last));
        // An answer from the time to come is of a clock that was set back since: it would keep the gate waiting until then.
        let counts = |since: &Timestamp| is_unbroken && *since <= answer.asked_at;
        let since = self.open_since.filter(counts).unwrap_or(answer.asked_at);
        self.open_since = is_open.then_some(since);
        self.last = Some(answer);
        let stands = gate.fact(Some(self), now);
        said.is_some_and(|said| {
            said.state != QueryState::NotAsked && (said.state, &said.message) != (stands.state, &stands.message)
        })
    }
}

impl QueryGate {
    /// Until when an answer counts.
    fn counts_until(&self, answer: &QueryAnswer) -> Timestamp {
        answer
            .asked_at
            .saturating_add(self.interval.saturating_mul(ANSWERS_COUNT_FOR_INTERVALS))
            .unwrap_or(Timestamp::MAX)
    }

    /// Whether an answer, taken alone, opens the gate; if not, why. Whatever is not understood does not.
    fn judge(&self, reading: &Result<Reading, String>) -> Result<(), String> {
        match (reading.as_ref().map_err(Clone::clone)?, self.threshold) {
            (Reading::Series { samples, .. }, None) if samples.is_empty() => Ok(()),
            (Reading::Series { samples, example }, None) => {
                Err(format!("the query returns {} series, for example {example}; it must return none", samples.len()))
            }
            (Reading::Scalar(_), None) => {
                Err("the query returns a scalar: write a Threshold, or a query that returns series".to_owned())
            }
            (Reading::Series { samples, .. }, Some(_)) if samples.is_empty() => {
                Err("the query returns no series, so there is nothing to compare with the Threshold".to_owned())
            }
            (Reading::Series { samples, example }, Some(threshold)) => {
                match samples.iter().position(|sample| !threshold.admits(*sample)) {
                    None => Ok(()),
                    // The labels are those of the first series only.
                    Some(0) => Err(format!("{} is not {threshold}: {example}", samples[0])),
                    Some(at) => {
                        Err(format!("{} is not {threshold}: series {} of {}", samples[at], at + 1, samples.len()))
                    }
                }
            }
            (Reading::Scalar(sample), Some(threshold)) if threshold.admits(*sample) => Ok(()),
            (Reading::Scalar(sample), Some(threshold)) => Err(format!("{sample} is not {threshold}")),
        }
    }

    fn not_asked(&self) -> QueryGateFact {
        QueryGateFact {
            name: self.name.clone(),
            state: QueryState::NotAsked,
            message: "it is asked only while something is to be restarted".to_owned(),
            recheck_at: None,
        }
    }

    fn fact(&self, history: Option<&QueryHistory>, now: Timestamp) -> QueryGateFact {
        let fact = |state, message: &str, recheck_at| QueryGateFact {
            name: self.name.clone(),
            state,
            message: message.to_owned(),
            recheck_at,
        };
        let Some((last, history)) = history.and_then(|history| Some((history.last.as_ref()?, history))) else {
            return fact(QueryState::Pending, "no answer yet", None);
        };
        if let Err(why) = self.judge(&last.reading) {
            return fact(QueryState::Shut, &why, None);
        }
        let counts_until = self.counts_until(last);
        if now > counts_until {
            return fact(QueryState::Shut, &format!("no answer since {}", last.asked_at), None);
        }
        let opens_at = history.open_since.and_then(|since| since.saturating_add(self.open_for).ok());
        match opens_at {
            Some(opens_at) if opens_at <= now => fact(QueryState::Open, "", Some(just_after(counts_until))),
            _ => {
                let opens_at = opens_at.unwrap_or(Timestamp::MAX);
                let why = format!("it must stay open until {opens_at:.0} to count as open");
                fact(QueryState::Pending, &why, Some(opens_at.min(just_after(counts_until))))
            }
        }
    }
}

/// Whether the gates of a policy are to be asked now. An idle operator sends nothing.
pub fn are_gates_asked(policy: &Policy, plan: &Plan) -> bool {
    !policy.gates.is_empty() && !policy.suspended && plan.has_work()
}

/// Judges every gate of a policy that asks Prometheus. Without an answer, with an old one, or with one that is not
/// understood, a gate is not open.
pub fn query_gates(
    policy: &Policy,
    plan: &Plan,
    histories: &BTreeMap<Arc<str>, QueryHistory>,
    now: Timestamp,
) -> Vec<QueryGateFact> {
    let are_asked = are_gates_asked(policy, plan);
    let judge = |gate: &QueryGate| {
        if are_asked { gate.fact(histories.get(&gate.name), now) } else { gate.not_asked() }
    };
    policy.gates.iter().map(judge).collect()
}

/// The gates of a policy for whoever cannot ask them, and only knows what the operator last said.
pub fn query_gates_as_told(policy: &Policy, told: &[QueryGateFact]) -> Vec<QueryGateFact> {
    let as_told = |gate: &QueryGate| {
        let told = told.iter().find(|fact| fact.name == gate.name).cloned();
        told.unwrap_or_else(|| gate.not_asked())
    };
    policy.gates.iter().map(as_told).collect()
}

impl GateFact {
    /// Adds what is known of gates that ask Prometheus: all must be open.
    #[must_use]
    pub fn with_queries(self, facts: Vec<QueryGateFact>) -> Self {
        // A gate that says no is of more interest than one that has not said anything yet.
        let find = |state| facts.iter().find(|fact| fact.state == state);
        let shut = find(QueryState::Shut).or_else(|| find(QueryState::Pending)).map(|fact| Self {
            gate: Gate::Shut,
            message: format!("gate {}: {}", fact.name, fact.message),
            by: ShutBy::Query {
                name: fact.name.clone(),
                why: fact.message.as_str().into(),
                pending: fact.state == QueryState::Pending,
            },
            ..Self::open()
        });
        let recheck_at = facts.iter().filter_map(|fact| fact.recheck_at).min();
        let queries = Self { recheck_at, ..shut.unwrap_or_else(Self::open) };
        Self { queries: facts, ..self.and(queries) }
    }
}

fn just_after(at: Timestamp) -> Timestamp {
    at.saturating_add(SignedDuration::from_millis(1)).unwrap_or(Timestamp::MAX)
}
