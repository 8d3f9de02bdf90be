//! `Notifications`: from a config to a policy, and from a ledger to a status and back.

use std::collections::BTreeSet;

use flippy_api::{
    ConversionOptions, FlippyConfig, FlippyConfigStatus, InvalidSpec, ledger, notified, policy, problem_status,
};
use flippy_core::{
    Happening, Ledger, Notification, Policy, SecretKey, Timestamp, Told, Webhook, WebhookAddress, WebhookFormat,
};
use serde_json::{Value, json};

fn convert_in(namespace: &str, notifications: &Value) -> Result<Policy, InvalidSpec> {
    let object = json!({
        "apiVersion": "keikoproj.io/v1", "kind": "FlippyConfig",
        "metadata": {"name": "mesh", "namespace": namespace}, "spec": {"Notifications": notifications},
    });
    let config: FlippyConfig = serde_json::from_value(object).expect("it decodes");
    let trusted_namespaces = BTreeSet::from(["istio-system".into()]);
    policy(&config, &ConversionOptions { ignore_key: "flippy-ignore".into(), trusted_namespaces })
}

/// What is wrong with one webhook.
fn problem(webhook: &Value) -> String {
    let invalid = convert_in("istio-system", &json!([{"Webhook": webhook}])).expect_err("it is invalid");
    invalid.problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_notification_needs_no_more_than_an_address() {
    let url = "https://hooks.example.com/flippy?token=1";
    let policy = convert_in("istio-system", &json!([{"Webhook": {"URL": url}}])).expect("it is valid");
    let webhook = Webhook { address: WebhookAddress::Url(url.into()), format: WebhookFormat::Json, ca_bundle: None };
    assert_eq!(policy.notifications, [Notification { name: "notification-1".into(), webhook }]);
}

#[test]
fn an_address_may_be_a_secret() {
    let webhook = json!({"URLSecret": {"Name": "slack", "Key": "url"}, "Format": "Slack"});
    let policy = convert_in("istio-system", &json!([{"Name": "ops", "Webhook": webhook}])).expect("it is valid");
    let address = WebhookAddress::Secret(SecretKey { name: "slack".into(), key: "url".into() });
    let webhook = Webhook { address, format: WebhookFormat::Slack, ca_bundle: None };
    assert_eq!(policy.notifications, [Notification { name: "ops".into(), webhook }]);
}

#[test]
fn a_namespace_that_is_not_trusted_may_not_send_flippy_anywhere() {
    let invalid = convert_in("shop", &json!([{"Webhook": {"URL": "http://169.254.169.254/"}}])).expect_err("it is");
    let problem = invalid.to_string();
    assert!(problem.starts_with("spec.Notifications: namespace shop is not trusted"), "{problem}");
}

#[test]
fn what_is_no_webhook_is_refused_with_its_field_and_without_quoting_what_may_be_secret() {
    let secret = json!({"Name": "slack", "Key": "url"});
    for (field, expected, webhook) in [
        ("URL", "is missing", json!({})),
        ("URL", "is no address", json!({"URL": "ftp://hush"})),
        ("URL", "is no address", json!({"URL": "https://hush/#there"})),
        ("URL", "names no host", json!({"URL": "https://:443"})),
        ("URL", "holds credentials", json!({"URL": "https://me:hush@example.com"})),
        ("URL", "beside URLSecret", json!({"URL": "https://hush", "URLSecret": secret})),
        ("URLSecret", "names no key", json!({"URLSecret": {"Name": "slack"}})),
        ("Format", "write JSON or Slack", json!({"URL": "https://a", "Format": "Teams"})),
        ("CABundle", "is for https only", json!({"URL": "http://a", "CABundle": "x"})),
    ] {
        let problem = problem(&webhook);
        assert!(problem.starts_with(&format!("spec.Notifications[0].Webhook.{field}: ")), "{webhook}: {problem}");
        assert!(problem.contains(expected) && !problem.contains("hush"), "{webhook}: {problem}");
    }
}

#[test]
fn two_notifications_of_one_name_are_refused() {
    let one = json!({"Name": "ops", "Webhook": {"URL": "https://a"}});
    let invalid = convert_in("istio-system", &json!([one, one])).expect_err("it is invalid");
    assert!(invalid.to_string().starts_with("spec.Notifications[1].Name: `ops`"), "{invalid}");
}

fn known() -> Ledger {
    let told = Told {
        told: BTreeSet::from([Happening::CampaignStarted, Happening::AwaitingApproval("early".into())]),
        failed: BTreeSet::from([Happening::CampaignHalted]),
    };
    Ledger {
        campaign: "0123456789ab".into(),
        held: BTreeSet::from([Happening::CampaignStarted]),
        receivers: [("ops".into(), told)].into(),
    }
}

fn status() -> FlippyConfigStatus {
    FlippyConfigStatus {
        images_hash: Some("0123456789ab".to_owned()),
        started_at: Some("2026-01-05T10:00:00Z".to_owned()),
        notified: notified(&known()),
        ..FlippyConfigStatus::default()
    }
}

#[test]
fn another_leader_reads_from_the_status_who_was_told_what() {
    assert_eq!(ledger(&status()), known());
}

#[test]
fn a_slip_in_the_spec_does_not_make_anybody_forget_who_was_told() {
    let broken = problem_status(Some(&status()), "InvalidSpec", "a slip", 2, Timestamp::UNIX_EPOCH);
    assert_eq!(ledger(&broken), known());
}
