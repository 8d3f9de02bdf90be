//! Gates that ask Prometheus: which answers open them, for how long, and what follows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use flippy_core::{
    Claims, Comparison, ConditionStatus, Decision, GateFact, Hold, Policy, PrometheusQuery, QueryAnswer, QueryGate,
    QueryGateFact, QueryHistory, QueryState, Reading, SignedDuration, Snapshot, StatusFacts, Threshold, Waves,
    are_gates_asked, pace, plan, preconditions, query_gates, query_gates_as_told, status_facts,
};

use crate::common::{NEW, OLD, at, cluster, deployment, pod, policy, precondition};

const INTERVAL_SECONDS: i64 = 30;

fn gate(name: &str) -> QueryGate {
    QueryGate {
        name: name.into(),
        query: PrometheusQuery {
            url: "https://prometheus".into(),
            query: "up == 0".into(),
            timeout: SignedDuration::from_secs(10),
            token: None,
            ca_bundle: None,
        },
        threshold: None,
        open_for: SignedDuration::ZERO,
        interval: SignedDuration::from_secs(INTERVAL_SECONDS),
    }
}

fn with_threshold(comparison: Comparison, value: f64) -> QueryGate {
    QueryGate { threshold: Some(Threshold { comparison, value }), ..gate("slo") }
}

#[allow(clippy::unnecessary_wraps, reason = "it stands beside errors")]
fn series(samples: &[f64]) -> Result<Reading, String> {
    let example = if samples.is_empty() { String::new() } else { "{alertname=\"Down\"}".to_owned() };
    Ok(Reading::Series { samples: samples.to_vec(), example })
}

fn no_series() -> Result<Reading, String> {
    series(&[])
}

fn stale_cluster() -> Snapshot {
    cluster([deployment("shop/cart").pods(1, OLD)])
}

/// What was answered to each question, with the second at which it was asked.
type Answers = Vec<(i64, Result<Reading, String>)>;

struct Found {
    facts: Vec<QueryGateFact>,
    gate: GateFact,
    decision: Decision,
    status: StatusFacts,
}

fn find(policy: &Policy, snapshot: &Snapshot, answers: &[(&str, Answers)], seconds: i64) -> Found {
    let mut histories: BTreeMap<Arc<str>, QueryHistory> = BTreeMap::new();
    for (name, answers) in answers {
        let gate = policy.gates.iter().find(|gate| *gate.name == **name).expect("the policy has that gate");
        let history = histories.entry(gate.name.clone()).or_default();
        for (second, reading) in answers {
            history.learn(gate, QueryAnswer { asked_at: at(*second), reading: reading.clone() }, None, at(*second));
        }
    }
    let now = at(seconds);
    let plan = plan(policy, &Claims::new(&[policy], snapshot), snapshot, &snapshot.pods_by_workload(), now);
    let facts = query_gates(policy, &plan, &histories, now);
    let (gate, preconditions) = preconditions(policy, snapshot, &BTreeMap::new(), now);
    let gate = gate.with_queries(facts.clone());
    let decision = pace(policy, &plan, &gate, &Waves::default(), &BTreeSet::new(), now);
    let status = status_facts(policy, &plan, &gate, preconditions, &Waves::default(), &decision, now);
    Found { facts, gate, decision, status }
}

/// Where one gate stands after these answers, on a cluster where something is to be restarted.
fn state(gate: QueryGate, answers: Answers, seconds: i64) -> QueryGateFact {
    let name = gate.name.to_string();
    let policy = Policy { gates: vec![gate], ..policy() };
    find(&policy, &stale_cluster(), &[(&name, answers)], seconds).facts.remove(0)
}

fn is_open(gate: QueryGate, reading: Result<Reading, String>) -> bool {
    state(gate, vec![(0, reading)], 0).state == QueryState::Open
}

#[test]
fn without_a_threshold_no_series_open_it_and_any_series_shuts_it() {
    assert!(is_open(gate("alerts"), no_series()));
    for samples in [&[1.0][..], &[0.0], &[f64::NAN], &[1.0, 2.0]] {
        assert!(!is_open(gate("alerts"), series(samples)), "{samples:?}");
    }
}

#[test]
fn without_a_threshold_a_scalar_is_no_answer() {
    assert!(!is_open(gate("alerts"), Ok(Reading::Scalar(0.0))));
}

#[test]
fn with_a_threshold_every_sample_must_compare_true() {
    let below = || with_threshold(Comparison::Less, 0.01);
    assert!(is_open(below(), series(&[0.0, 0.009])));
    assert!(!is_open(below(), series(&[0.0, 0.01])));
    assert!(is_open(below(), Ok(Reading::Scalar(0.009))));
    assert!(!is_open(below(), Ok(Reading::Scalar(0.01))));
}

#[test]
fn each_comparison_is_what_it_is_called() {
    let admitted = |comparison| {
        [-1.0, 0.0, 1.0].map(|sample| is_open(with_threshold(comparison, 0.0), Ok(Reading::Scalar(sample))))
    };
    assert_eq!(admitted(Comparison::Less), [true, false, false]);
    assert_eq!(admitted(Comparison::LessOrEqual), [true, true, false]);
    assert_eq!(admitted(Comparison::Greater), [false, false, true]);
    assert_eq!(admitted(Comparison::GreaterOrEqual), [false, true, true]);
}

#[test]
fn with_a_threshold_no_data_does_not_open_it() {
    assert!(!is_open(with_threshold(Comparison::Less, 0.01), no_series()));
}

#[test]
fn not_a_number_never_compares_true() {
    for comparison in [Comparison::Less, Comparison::LessOrEqual, Comparison::Greater, Comparison::GreaterOrEqual] {
        assert!(!is_open(with_threshold(comparison, 0.0), series(&[f64::NAN])));
        assert!(!is_open(with_threshold(comparison, 0.0), Ok(Reading::Scalar(f64::NAN))));
    }
}

/// One gate over time: what it answers, and what the passes say of it.
struct Watched {
    policy: Policy,
    snapshot: Snapshot,
    histories: BTreeMap<Arc<str>, QueryHistory>,
    said: Option<QueryGateFact>,
}

impl Watched {
    fn new(gate: QueryGate) -> Self {
        let policy = Policy { gates: vec![gate], ..policy() };
        let mut watched = Self { policy, snapshot: stale_cluster(), histories: BTreeMap::new(), said: None };
        watched.pass(0);
        watched
    }

    fn pass(&mut self, second: i64) {
        let pods = self.snapshot.pods_by_workload();
        let claims = Claims::new(&[&self.policy], &self.snapshot);
        let plan = plan(&self.policy, &claims, &self.snapshot, &pods, at(second));
        self.said = query_gates(&self.policy, &plan, &self.histories, at(second)).pop();
    }

    /// Takes an answer. A pass is made whenever time alone changes what was said, and after news.
    fn is_news(&mut self, second: i64, reading: Result<Reading, String>) -> bool {
        if self.said.as_ref().and_then(|said| said.recheck_at).is_some_and(|recheck_at| recheck_at <= at(second)) {
            self.pass(second);
        }
        let gate = &self.policy.gates[0];
        let history = self.histories.entry(gate.name.clone()).or_default();
        let answer = QueryAnswer { asked_at: at(second), reading };
        let is_news = history.learn(gate, answer, self.said.as_ref(), at(second));
        if is_news {
            self.pass(second);
        }
        is_news
    }
}

#[test]
fn only_an_answer_after_which_it_stands_otherwise_than_was_said_is_news() {
    let gate = QueryGate { open_for: SignedDuration::from_secs(60), ..with_threshold(Comparison::Less, 1.0) };
    let mut watched = Watched::new(gate);
    let mut is_news = |second, reading| watched.is_news(second, reading);
    assert!(is_news(0, series(&[0.0])), "it counts down to being open");
    assert!(!is_news(30, series(&[0.5])), "it counts down still, and when it opens was known");
    assert!(!is_news(60, series(&[0.0])), "that it is open now is due to time alone");
    assert!(!is_news(90, series(&[0.0])));
    assert!(is_news(120, series(&[2.0])));
    assert!(!is_news(150, series(&[2.0])));
    assert!(is_news(180, series(&[3.0])), "people are told another number");
    assert!(is_news(210, Err("connection refused".to_owned())));
    assert!(is_news(240, series(&[0.0])));
    assert!(is_news(240 + 4 * INTERVAL_SECONDS, series(&[0.0])), "nobody answered for too long in between");
}

#[test]
fn an_answer_is_news_when_a_clock_that_was_ahead_made_the_last_one_look_too_old() {
    let mut watched = Watched::new(gate("alerts"));
    assert!(watched.is_news(0, no_series()));
    watched.pass(4 * INTERVAL_SECONDS);
    assert_eq!(watched.said.as_ref().map(|said| said.state), Some(QueryState::Shut));
    assert!(watched.is_news(INTERVAL_SECONDS, no_series()), "the clock was set back, and it is open");
    assert_eq!(watched.said.as_ref().map(|said| said.state), Some(QueryState::Open));
}

#[test]
fn a_clock_that_was_ahead_does_not_keep_a_gate_waiting_until_then() {
    let gate = QueryGate { open_for: SignedDuration::from_secs(60), ..gate("alerts") };
    let fact = state(gate, vec![(86_400, no_series()), (0, no_series()), (60, no_series())], 60);
    assert_eq!((fact.state, &*fact.message), (QueryState::Open, ""));
}

#[test]
fn no_answer_is_news_while_nobody_waits_for_it() {
    let mut watched = Watched::new(gate("alerts"));
    watched.policy.suspended = true;
    watched.pass(0);
    assert!(!watched.is_news(0, no_series()));
    assert!(!watched.is_news(INTERVAL_SECONDS, Err("connection refused".to_owned())));
}

#[test]
fn an_error_shuts_it_and_is_told() {
    let fact = state(gate("alerts"), vec![(0, no_series()), (30, Err("connection refused".to_owned()))], 30);
    assert_eq!((fact.state, &*fact.message), (QueryState::Shut, "connection refused"));
}

#[test]
fn until_the_first_answer_it_is_not_open() {
    let fact = state(gate("alerts"), Vec::new(), 0);
    assert_eq!((fact.state, &*fact.message), (QueryState::Pending, "no answer yet"));
}

#[test]
fn an_answer_counts_for_three_intervals_and_the_next_pass_is_due_right_after() {
    let answers = || vec![(0, no_series())];
    let fresh = state(gate("alerts"), answers(), 3 * INTERVAL_SECONDS);
    assert_eq!(fresh.state, QueryState::Open);
    let recheck_at = fresh.recheck_at.expect("time alone shuts it");
    assert!(at(90) < recheck_at && recheck_at < at(91));
    assert_eq!(state(gate("alerts"), answers(), 3 * INTERVAL_SECONDS + 1).state, QueryState::Shut);
}

#[test]
fn it_counts_as_open_once_it_was_open_for_long_enough() {
    let patient = || QueryGate { open_for: SignedDuration::from_secs(60), ..gate("alerts") };
    let good = |until: i64| (0..=until / INTERVAL_SECONDS).map(|n| (n * INTERVAL_SECONDS, no_series())).collect();
    let pending = state(patient(), good(30), 59);
    assert_eq!((pending.state, pending.recheck_at), (QueryState::Pending, Some(at(60))));
    assert_eq!(state(patient(), good(60), 60).state, QueryState::Open);
}

#[test]
fn a_bad_answer_or_an_error_in_between_begins_the_count_anew() {
    let patient = || QueryGate { open_for: SignedDuration::from_secs(60), ..gate("alerts") };
    for interruption in [series(&[1.0]), Err("timed out".to_owned())] {
        let answers = || {
            vec![(0, no_series()), (30, no_series()), (60, interruption.clone()), (90, no_series()), (150, no_series())]
        };
        assert_eq!(state(patient(), answers(), 149).state, QueryState::Pending);
        assert_eq!(state(patient(), answers(), 150).state, QueryState::Open);
    }
}

#[test]
fn a_gap_between_answers_begins_the_count_anew() {
    let patient = QueryGate { open_for: SignedDuration::from_secs(60), ..gate("alerts") };
    let fact = state(patient, vec![(0, no_series()), (91, no_series())], 91);
    assert_eq!((fact.state, fact.recheck_at), (QueryState::Pending, Some(at(151))));
}

#[test]
fn a_shut_gate_lets_nothing_start_and_revokes_what_is_not_sent() {
    let policy = Policy { gates: vec![gate("alerts")], ..policy() };
    let found = find(&policy, &stale_cluster(), &[("alerts", vec![(0, series(&[1.0]))])], 0);
    assert!(found.decision.starts.is_empty());
    let hold = found.decision.hold.expect("it holds");
    assert!(matches!(&hold, Hold::Gate { name, .. } if **name == *"alerts") && hold.forbids_all());
    let condition = found.status.conditions.iter().find(|one| one.kind == "RestartsAllowed").expect("it is told");
    assert_eq!((condition.status, condition.reason), (ConditionStatus::False, "GateShut"));
    assert!(condition.message.contains("gate alerts: the query returns 1 series"), "{}", condition.message);
    assert!(condition.message.contains("{alertname=\"Down\"}"), "{}", condition.message);
}

#[test]
fn all_gates_must_be_open_and_one_that_says_no_speaks_first() {
    let policy = Policy { gates: vec![gate("a"), gate("b"), gate("c")], ..policy() };
    let open = || vec![(0, no_series())];
    let found = find(&policy, &stale_cluster(), &[("a", open()), ("c", vec![(0, series(&[1.0]))])], 0);
    assert!(found.gate.message.starts_with("gate c: "), "{}", found.gate.message);
    let found = find(&policy, &stale_cluster(), &[("a", open()), ("c", open())], 0);
    assert_eq!(found.gate.message, "gate b: no answer yet");
    let found = find(&policy, &stale_cluster(), &[("a", open()), ("b", open()), ("c", open())], 0);
    assert_eq!(found.decision.starts.len(), 1);
}

#[test]
fn a_precondition_that_is_not_met_speaks_before_gates() {
    let istiod = deployment("mesh/istiod").unavailable();
    let policy = Policy { preconditions: vec![precondition(&istiod)], gates: vec![gate("a")], ..policy() };
    let snapshot = cluster([istiod.pod(pod(NEW)), deployment("shop/cart").pods(1, OLD)]);
    let found = find(&policy, &snapshot, &[], 0);
    assert!(matches!(found.decision.hold, Some(Hold::Preconditions(_))));
    assert_eq!(found.status.gates.len(), 1);
}

#[test]
fn nothing_is_asked_while_nothing_is_to_be_restarted_or_restarts_are_suspended() {
    let asked = |policy: &Policy, snapshot: &Snapshot| {
        let plan = plan(policy, &Claims::new(&[policy], snapshot), snapshot, &snapshot.pods_by_workload(), at(0));
        are_gates_asked(policy, &plan)
    };
    let fresh = cluster([deployment("shop/cart").pods(1, NEW)]);
    let gated = Policy { gates: vec![gate("a")], ..policy() };
    let suspended = Policy { suspended: true, ..gated.clone() };
    assert!(asked(&gated, &stale_cluster()));
    assert!(!asked(&gated, &fresh));
    assert!(!asked(&suspended, &stale_cluster()));
    assert!(!asked(&policy(), &stale_cluster()));
    let found = find(&gated, &fresh, &[], 0);
    assert_eq!(found.facts[0].state, QueryState::NotAsked);
    let condition = found.status.conditions.iter().find(|one| one.kind == "RestartsAllowed").expect("it is told");
    assert_eq!(condition.status, ConditionStatus::True);
}

#[test]
fn whoever_cannot_ask_believes_what_was_told_of_gates_that_exist() {
    let policy = Policy { gates: vec![gate("a"), gate("b")], ..policy() };
    let told = |name: &str| QueryGateFact {
        name: name.into(),
        state: QueryState::Shut,
        message: "said so".to_owned(),
        recheck_at: None,
    };
    let facts = query_gates_as_told(&policy, &[told("b"), told("gone")]);
    let states: Vec<_> = facts.iter().map(|fact| (&*fact.name, fact.state)).collect();
    assert_eq!(states, [("a", QueryState::NotAsked), ("b", QueryState::Shut)]);
}
