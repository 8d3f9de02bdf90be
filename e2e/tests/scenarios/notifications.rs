//! `spec.Notifications`: who is told what, through crashes of the operator.

use anyhow::{Result, ensure};
use flippy_e2e::receiver::Receiver;
use flippy_e2e::scenario::{NEW_IMAGE, Scenario};
use flippy_e2e::wait;
use flippy_e2e::workloads::Workload;
use k8s_openapi::api::events::v1::Event;
use kube::api::Api;
use kube::runtime::watcher;
use serde_json::{Value, json};

use crate::config::{MESH, paced};
use crate::outcome::{LIMIT, condition_because, ready_because, restarted_once};
use crate::waves::approve;

flippy_e2e::scenarios! {
    // The simulation knows no network but its own, and the operator posts over a real one.
    real: [
        each_turn_is_told_once_though_the_operator_is_killed_and_one_receiver_is_gone,
        the_api_server_refuses_what_is_no_notification_and_names_the_field,
    ],
}

/// Waits until the status says that a receiver was told these, and of those what was given up.
async fn noted(s: &Scenario, receiver: &str, told: &[&str], failed: &[&str]) -> Result<()> {
    let what = format!("{receiver} to be told {told:?}, and not {failed:?}");
    s.config_status(s.system(), MESH, &what, LIMIT, |status| {
        let all = status["notified"].as_array().into_iter().flatten();
        let known = all.clone().find(|known| known["name"] == receiver).unwrap_or(&Value::Null);
        let is = |field: &str, expected: &[&str]| match known[field].as_array() {
            Some(list) => list == expected,
            None => expected.is_empty(),
        };
        if is("told", told) && is("failed", failed) { Ok(()) } else { Err(status["notified"].to_string()) }
    })
    .await
}

async fn each_turn_is_told_once_though_the_operator_is_killed_and_one_receiver_is_gone(s: &Scenario) -> Result<()> {
    let (canary, shop) = (s.namespace_with("canary", &json!({"stage": "canary"})).await?, s.namespace("shop").await?);
    let mut workloads = s.create_all(&canary, [Workload::deployment("a")]).await?;
    workloads.extend(s.create_all(&shop, ["a", "b", "c"].map(Workload::deployment)).await?);
    let (ops, gone) = (Receiver::start(204).await?, Receiver::start(410).await?);
    let operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    let waves = json!({"Waves": [
        {"Name": "canary", "NamespaceSelector": {"matchLabels": {"stage": "canary"}}},
        {"Name": "early", "NamespaceSelector": {"matchLabels": {"istio-injection": "enabled"}}, "Approval": "Manual"},
    ]});
    let mut spec = paced(s, &[NEW_IMAGE], &waves);
    spec["Notifications"] = json!([
        {"Name": "gone", "Webhook": {"URL": gone.url()}},
        {"Name": "ops", "Webhook": {"URL": ops.url()}},
    ]);
    s.config(s.system(), MESH, spec).await?;

    condition_because(s, MESH, "RestartsAllowed", "AwaitingApproval").await?;
    ops.told(&["CampaignStarted", "AwaitingApproval"], LIMIT).await?;
    noted(s, "ops", &["CampaignStarted", "AwaitingApproval/early"], &[]).await?;
    noted(s, "gone", &[], &["CampaignStarted", "AwaitingApproval/early"]).await?;

    operator.kill();
    let operator = s.operator().await?;
    approve(s, "early").await?;
    ready_because(s, MESH, "AllFresh").await?;
    restarted_once(s, &workloads).await?;
    noted(s, "ops", &["CampaignStarted", "CampaignCompleted"], &[]).await?;
    operator.kill();
    let operator = s.operator().await?;
    // Time to be told again, if anybody were: it has asked for its first lists, and made a pass.
    wait_for_a_pass(&operator).await?;

    ops.told(&["CampaignStarted", "AwaitingApproval", "CampaignCompleted"], LIMIT).await?;
    gone.told(&["CampaignStarted", "AwaitingApproval", "CampaignCompleted"], LIMIT).await?;
    an_event_tells_that_nobody_is_there(s).await
}

async fn wait_for_a_pass(operator: &flippy_e2e::operator::Operator) -> Result<()> {
    for _ in 0..100 {
        if operator.metrics().await?.contains("flippy_config_condition{") {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    anyhow::bail!("the operator makes no pass")
}

async fn an_event_tells_that_nobody_is_there(s: &Scenario) -> Result<()> {
    let events: Api<Event> = Api::namespaced(s.client(), s.system());
    wait::until_all(events, watcher::Config::default(), "an event about the receiver", LIMIT, |events: &[&Event]| {
        let expected = "CampaignStarted was not told to gone: answers 410 Gone";
        let is_it = |event: &&&Event| {
            event.reason.as_deref() == Some("NotificationFailed") && event.note.as_deref() == Some(expected)
        };
        events.iter().find(is_it).map(|_| ()).ok_or(format!("there are {} others", events.len()))
    })
    .await
}

async fn the_api_server_refuses_what_is_no_notification_and_names_the_field(s: &Scenario) -> Result<()> {
    let webhook = |webhook: Value| json!([{"Webhook": webhook}]);
    let secret = json!({"Name": "slack", "Key": "url"});
    let path = "spec.Notifications[0]";
    for (field, value, notifications) in [
        ("", "a notification needs a Webhook", json!([{"Name": "a"}])),
        (".Name", "two words", json!([{"Name": "two words", "Webhook": {"URL": "http://a"}}])),
        (".Webhook", "either URL or URLSecret", webhook(json!({}))),
        (".Webhook", "either URL or URLSecret", webhook(json!({"URL": "http://a", "URLSecret": secret}))),
        (".Webhook.URL", "ftp://a", webhook(json!({"URL": "ftp://a"}))),
        (".Webhook.URL", "me:secret@a", webhook(json!({"URL": "http://me:secret@a"}))),
        (".Webhook.URLSecret", "needs Name and Key", webhook(json!({"URLSecret": {"Name": "slack"}}))),
        (".Webhook.Format", "Teams", webhook(json!({"URL": "http://a", "Format": "Teams"}))),
    ] {
        let mut spec = paced(s, &[NEW_IMAGE], &json!({}));
        spec["Notifications"] = notifications.clone();
        let Err(refused) = s.config(s.system(), MESH, spec).await else { panic!("{notifications} was accepted") };
        let message = format!("{refused:#}");
        ensure!(message.contains(&format!("{path}{field}: ")) && message.contains(value), "{notifications}: {message}");
    }
    Ok(())
}
