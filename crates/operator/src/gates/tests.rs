//! Which gates are asked, and when, against a small Prometheus on the loopback interface.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::routing::get;
use flippy_api::{ConversionOptions, FlippyConfig};
use flippy_core::{Policy, SignedDuration};
use serde_json::json;

use super::*;
use crate::configs::ConfigRecord;

/// A Prometheus, and how often it was asked.
async fn prometheus() -> (String, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    let answer = async move || {
        counter.fetch_add(1, Ordering::SeqCst);
        r#"{"status": "success", "data": {"resultType": "vector", "result": []}}"#
    };
    let router = Router::new().route("/api/v1/query", get(answer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, asked)
}

fn gates() -> Gates {
    let nowhere = tower::service_fn(|_| {
        std::future::ready(Err::<http::Response<kube::client::Body>, _>(std::io::Error::other("nobody is there")))
    });
    Gates::new(Client::new(nowhere, "default"), Dialer::tcp(), Clock::System, Metrics::new())
}

fn policy(url: &str, query: &str) -> Policy {
    let config: FlippyConfig = serde_json::from_value(json!({
        "apiVersion": "keikoproj.io/v1", "kind": "FlippyConfig", "metadata": {"namespace": "mesh", "name": "sidecars"},
        "spec": {"Gates": [{"Name": "alerts", "Prometheus": {"URL": url, "Query": query}}]},
    }))
    .expect("it decodes");
    let options = ConversionOptions { ignore_key: "ignore".into(), trusted_namespaces: ["mesh".into()].into() };
    let mut policy = flippy_api::policy(&config, &options).expect("it is valid");
    // No config may ask so often; a test need not wait.
    policy.gates[0].interval = SignedDuration::from_millis(1);
    policy.gates[0].open_for = SignedDuration::ZERO;
    policy
}

fn install(world: &mut World, policy: Policy) {
    let record = ConfigRecord {
        name: policy.name.clone(),
        uid: "uid".into(),
        generation: 1,
        version: None,
        status: None,
        policy: Ok(Arc::new(policy)),
    };
    world.configs.upsert(record, &world.sources);
}

fn decided(policy: &Policy, asks_gates: bool) -> [Decided; 1] {
    let nothing = Decided::nothing(policy.name.clone(), 1, Findings::NotWatched(String::new()));
    [Decided { revoked: false, asks_gates, ..nothing }]
}

/// The same, where a pass says this of the gate.
fn saying(mut decided: [Decided; 1], state: QueryState) -> [Decided; 1] {
    let fact = QueryGateFact { name: "alerts".into(), state, message: String::new(), recheck_at: None };
    let facts = flippy_core::StatusFacts { gates: vec![fact], ..flippy_core::StatusFacts::default() };
    decided[0].findings = Findings::Facts(Box::new(facts));
    decided
}

/// How many tasks there are that could ask.
fn tasks(gates: &Gates) -> usize {
    gates.tell.strong_count() - 1
}

async fn until_no_task_is_left(gates: &Gates) {
    while tasks(gates) > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_config_with_nothing_to_restart_is_not_asked_about() {
    let (url, asked) = prometheus().await;
    let (mut gates, mut world, policy) = (gates(), World::default(), policy(&url, "up == 0"));
    install(&mut world, policy.clone());
    gates.follow(&mut world, &decided(&policy, false));
    assert_eq!((tasks(&gates), asked.load(Ordering::SeqCst)), (0, 0));
}

#[tokio::test]
async fn it_is_asked_again_and_again_while_something_is_to_be_restarted_and_then_no_more() {
    let (url, asked) = prometheus().await;
    let (mut gates, mut world, policy) = (gates(), World::default(), policy(&url, "up == 0"));
    install(&mut world, policy.clone());
    for _ in 0..3 {
        gates.follow(&mut world, &decided(&policy, true));
        let answered = gates.answered().await;
        assert!(answered.answer.reading.is_ok());
        world.answers.note(answered, Timestamp::UNIX_EPOCH);
    }
    assert_eq!(tasks(&gates), 1);
    assert!(asked.load(Ordering::SeqCst) >= 3);
    gates.follow(&mut world, &decided(&policy, false));
    until_no_task_is_left(&gates).await;
    assert_eq!(world.answers.of(&policy.name).len(), 1, "what it answered is remembered for a while");
}

#[tokio::test(start_paused = true)]
async fn it_is_asked_on_for_as_long_as_it_must_stay_open_once_nobody_waits_any_more() {
    let minutes = Duration::from_mins;
    let (mut gates, mut world, mut policy) = (gates(), World::default(), policy("http://127.0.0.1:9", "up == 0"));
    (policy.gates[0].open_for, policy.gates[0].interval) =
        (SignedDuration::from_mins(5), SignedDuration::from_hours(9));
    install(&mut world, policy.clone());
    let mut rests_in = |is_waited_for: bool| {
        let rests_at = gates.follow(&mut world, &decided(&policy, is_waited_for));
        (tasks(&gates), rests_at.map(|at| at.duration_since(Instant::now())))
    };
    assert_eq!(rests_in(true), (1, None));
    tokio::time::advance(minutes(60)).await;
    assert_eq!(rests_in(false), (1, Some(minutes(5))), "however long ago somebody looked last");
    tokio::time::advance(minutes(4)).await;
    assert_eq!(rests_in(false), (1, Some(minutes(1))));
    assert_eq!(rests_in(true), (1, None), "a restart that waits now and then does not begin the count anew each time");
    assert_eq!(rests_in(false), (1, Some(minutes(5))));
    tokio::time::advance(minutes(5)).await;
    assert_eq!(rests_in(false).1, None);
    until_no_task_is_left(&gates).await;
}

#[tokio::test]
async fn it_is_not_asked_on_for_a_config_of_which_nothing_is_known() {
    let (url, _) = prometheus().await;
    let (mut gates, mut world, mut policy) = (gates(), World::default(), policy(&url, "up == 0"));
    policy.gates[0].open_for = SignedDuration::from_mins(5);
    install(&mut world, policy.clone());
    gates.follow(&mut world, &decided(&policy, true));
    gates.follow(&mut world, &[]);
    until_no_task_is_left(&gates).await;
}

#[tokio::test]
async fn a_gate_that_asks_something_else_begins_anew() {
    let (url, _) = prometheus().await;
    let (mut gates, mut world) = (gates(), World::default());
    let (before, after) = (policy(&url, "up == 0"), policy(&url, "up == 1"));
    install(&mut world, before.clone());
    gates.follow(&mut world, &saying(decided(&before, true), QueryState::Shut));
    let stale = gates.answered().await;
    let known = gates.answered().await;
    assert!(world.answers.note(known, Timestamp::UNIX_EPOCH));
    install(&mut world, after.clone());
    world.answers.forget_edited(&world.configs);
    assert!(world.answers.of(&after.name).is_empty(), "an answer to the old question says nothing about the new one");
    gates.follow(&mut world, &decided(&after, true));
    assert!(!world.answers.note(stale, Timestamp::UNIX_EPOCH));
    assert!(world.answers.of(&after.name).is_empty(), "nor does one that comes late");
}

#[tokio::test]
async fn an_answer_is_news_when_it_says_otherwise_than_the_last_pass() {
    let (url, _) = prometheus().await;
    let (mut gates, mut world, policy) = (gates(), World::default(), policy(&url, "up == 0"));
    install(&mut world, policy.clone());
    for (said, is_news) in [(QueryState::Open, false), (QueryState::Shut, true), (QueryState::Open, false)] {
        gates.follow(&mut world, &saying(decided(&policy, true), said));
        let mut answered = gates.answered().await;
        answered.answer.asked_at = Timestamp::UNIX_EPOCH;
        assert_eq!(world.answers.note(answered, Timestamp::UNIX_EPOCH), is_news, "a pass said {said:?}");
    }
}

#[tokio::test]
async fn a_config_that_is_deleted_is_forgotten_and_not_asked_about() {
    let (url, _) = prometheus().await;
    let (mut gates, mut world, policy) = (gates(), World::default(), policy(&url, "up == 0"));
    install(&mut world, policy.clone());
    gates.follow(&mut world, &decided(&policy, true));
    let answered = gates.answered().await;
    world.answers.note(answered, Timestamp::UNIX_EPOCH);
    world.configs.remove(&policy.name, "uid");
    world.answers.forget_edited(&world.configs);
    gates.follow(&mut world, &[]);
    until_no_task_is_left(&gates).await;
    assert!(world.answers.of(&policy.name).is_empty());
}

#[tokio::test]
async fn the_metric_shows_gates_while_they_are_asked_and_no_longer() {
    let (url, _) = prometheus().await;
    let (mut gates, mut world, policy) = (gates(), World::default(), policy(&url, "up == 0"));
    install(&mut world, policy.clone());
    let mut shown = |state| {
        let one = saying(decided(&policy, false), state);
        gates.follow(&mut world, &one);
        let text = gates.metrics.render();
        text.lines().find(|line| line.starts_with("flippy_gate_open{")).map(ToOwned::to_owned)
    };
    let series = "flippy_gate_open{config_namespace=\"mesh\",config=\"sidecars\",gate=\"alerts\"}";
    assert_eq!(shown(QueryState::Open), Some(format!("{series} 1")));
    assert_eq!(shown(QueryState::Shut), Some(format!("{series} 0")));
    assert_eq!(shown(QueryState::NotAsked), None);
}
