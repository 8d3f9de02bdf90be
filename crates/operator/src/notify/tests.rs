//! Who is told what, against a small receiver on the loopback interface.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use flippy_api::{ConversionOptions, FlippyConfig, FlippyConfigStatus};
use flippy_core::{Counters, StatusFacts};
use kube::Client;
use kube::core::DeserializeGuard;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::*;
use crate::audience::Audience;
use crate::decide::Findings;
use crate::dial::Dialer;

const CAMPAIGN: &str = "0123456789ab";

/// A receiver that answers with these statuses in turn, the last one again and again, and what it is sent.
async fn receiver(answers: &'static [u16]) -> (String, mpsc::Receiver<Value>) {
    let (tell, told) = mpsc::channel(64);
    let asked = Arc::new(AtomicUsize::new(0));
    let take = async move |body: String| {
        tell.send(serde_json::from_str(&body).expect("it is JSON")).await.expect("somebody listens");
        let turn = asked.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
        StatusCode::from_u16(answers[turn]).expect("it is a status")
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
    let url = format!("http://{}/", listener.local_addr().expect("it is bound"));
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/", post(take))).await });
    (url, told)
}

fn nowhere() -> Client {
    let service = tower::service_fn(|_| {
        std::future::ready(Err::<http::Response<kube::client::Body>, _>(std::io::Error::other("nobody is there")))
    });
    Client::new(service, "default")
}

fn notifier(metrics: &Metrics) -> Notifier {
    let (events, _) =
        Events::start(nowhere(), "flippy-0".to_owned(), Mandate::Unlimited, metrics.clone(), Audience::Cluster);
    Notifier::new(
        Ways { kubernetes: nowhere(), elsewhere: Dialer::tcp() },
        Clock::System,
        events,
        Mandate::Unlimited,
        metrics.clone(),
    )
}

fn config(urls: &[&str], status: &FlippyConfigStatus) -> ConfigRecord {
    let notifications: Vec<Value> = urls.iter().map(|url| json!({"Webhook": {"URL": url}})).collect();
    let config: FlippyConfig = serde_json::from_value(json!({
        "metadata": {"namespace": "mesh", "name": "sidecars", "uid": "uid"},
        "spec": {"Notifications": notifications}, "status": status,
    }))
    .expect("it decodes");
    let options = ConversionOptions { ignore_key: "ignore".into(), trusted_namespaces: ["mesh".into()].into() };
    ConfigRecord::new(DeserializeGuard(Ok(config)), &options)
}

fn started(config: &ConfigRecord) -> Decided {
    let facts = StatusFacts {
        counters: Counters { fresh: 1, restart: 2, ..Counters::default() },
        started_at: Some(Timestamp::UNIX_EPOCH),
        ..StatusFacts::default()
    };
    Decided {
        revoked: false,
        desired_images: Some((Vec::new(), CAMPAIGN.to_owned())),
        ..Decided::nothing(config.name.clone(), 1, Findings::Facts(Box::new(facts)))
    }
}

fn tell(notifier: &mut Notifier, config: &ConfigRecord) {
    notifier.tell(config, &started(config), Timestamp::UNIX_EPOCH);
}

/// What the status would remember.
fn remembered_by(notifier: &Notifier, config: &ConfigRecord) -> FlippyConfigStatus {
    let ledger = notifier.ledger(&config.name).expect("there is a ledger");
    FlippyConfigStatus {
        images_hash: Some(CAMPAIGN.to_owned()),
        notified: flippy_api::notified(ledger),
        ..FlippyConfigStatus::default()
    }
}

fn count(metrics: &Metrics, receiver: usize, outcome: &'static str) -> u64 {
    let name = PolicyName { namespace: "mesh".into(), name: "sidecars".into() };
    metrics.notifications.get_or_create(&labels(&name, &format!("notification-{receiver}"), outcome)).get()
}

#[tokio::test]
async fn what_was_told_is_not_told_again_nor_by_another_leader() {
    let (url, mut told) = receiver(&[200]).await;
    let (metrics, new) = (Metrics::new(), config(&[&url], &FlippyConfigStatus::default()));
    let mut first = notifier(&metrics);
    tell(&mut first, &new);
    first.ended().await;
    let letter = told.recv().await.expect("it is told");
    assert_eq!(letter["event"], "CampaignStarted");
    assert_eq!(letter["message"], "the campaign has started: 1 of 3 workloads run the wanted images");
    tell(&mut first, &new);

    let mut second = notifier(&metrics);
    let known = config(&[&url], &remembered_by(&first, &new));
    tell(&mut second, &known);

    assert!(first.on_their_way.is_empty() && second.on_their_way.is_empty(), "it is being told again");
    assert_eq!(count(&metrics, 1, "sent"), 1);
}

#[tokio::test]
async fn what_does_not_get_through_is_tried_again() {
    let (url, mut told) = receiver(&[503, 200]).await;
    let (metrics, config) = (Metrics::new(), config(&[&url], &FlippyConfigStatus::default()));
    let mut notifier = notifier(&metrics);
    tell(&mut notifier, &config);
    notifier.ended().await;
    assert_eq!(told.recv().await, told.recv().await, "the same letter");
    assert_eq!(["sent", "retried", "failed"].map(|outcome| count(&metrics, 1, outcome)), [1, 1, 0]);
}

#[tokio::test]
async fn what_is_not_welcome_is_given_up_and_stands_in_the_status() {
    let (url, _told) = receiver(&[404]).await;
    let (metrics, config) = (Metrics::new(), config(&[&url], &FlippyConfigStatus::default()));
    let mut notifier = notifier(&metrics);
    tell(&mut notifier, &config);
    notifier.ended().await;
    let status = remembered_by(&notifier, &config);
    assert_eq!(status.notified[0].failed, ["CampaignStarted"]);
    assert_eq!(["sent", "retried", "failed"].map(|outcome| count(&metrics, 1, outcome)), [0, 0, 1]);
}

#[tokio::test]
async fn a_receiver_that_is_not_there_holds_up_no_other() {
    let (url, mut told) = receiver(&[200]).await;
    let (metrics, config) = (Metrics::new(), config(&["http://127.0.0.1:1", &url], &FlippyConfigStatus::default()));
    let mut notifier = notifier(&metrics);
    tell(&mut notifier, &config);
    notifier.ended().await;
    assert!(told.recv().await.is_some());
    assert_eq!(count(&metrics, 2, "sent"), 1);
    assert_eq!(notifier.on_their_way.len(), 1, "the other is being tried");
}

#[tokio::test]
async fn a_letter_of_a_receiver_that_is_named_no_more_is_dropped() {
    let (metrics, named) = (Metrics::new(), config(&["http://127.0.0.1:1"], &FlippyConfigStatus::default()));
    let mut notifier = notifier(&metrics);
    tell(&mut notifier, &named);
    tell(&mut notifier, &config(&[], &FlippyConfigStatus::default()));
    assert!(notifier.on_their_way.is_empty());
    notifier.ended().await;
}
