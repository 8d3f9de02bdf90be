//! `Notifications`: from what users write to what core decides with.

use std::sync::Arc;

use flippy_core::{Notification, SecretKey, Webhook, WebhookAddress, WebhookFormat};
use http::Uri;

use crate::bounds::{MAX_GATE_NAME_LENGTH, MAX_NAME_LENGTH, MAX_NOTIFICATIONS, MAX_URL_LENGTH};
use crate::gate;
use crate::notification_spec as spec;
use crate::problem::Problem;

const SAY_URL: &str = "write http:// or https:// and a host, for example https://hooks.example.com/flippy";

/// Reads all notifications, or says everything that is wrong with them. `only_namespace` is where a config that is not
/// trusted may act.
pub(crate) fn notifications(
    list: &[spec::Notification],
    only_namespace: Option<&str>,
    problems: &mut Vec<Problem>,
) -> Vec<Notification> {
    if list.is_empty() {
        return Vec::new();
    }
    if let Some(namespace) = only_namespace {
        // As with gates: the operator would send requests, from where it stands in the network, to wherever a tenant says.
        let message = format!(
            "namespace {namespace} is not trusted to have notifications, because Flippy would send requests in its own \
             name; leave Notifications out, or move the config to a namespace that is trusted (--config-namespace)"
        );
        problems.push(Problem::new("spec.Notifications", &message));
        return Vec::new();
    }
    if list.len() > MAX_NOTIFICATIONS {
        let message = format!("has {} entries; write at most {MAX_NOTIFICATIONS}", list.len());
        problems.push(Problem::new("spec.Notifications", &message));
    }
    let mut notifications: Vec<Notification> = Vec::new();
    for (position, spec) in list.iter().take(MAX_NOTIFICATIONS).enumerate() {
        let path = format!("spec.Notifications[{position}]");
        let Some(notification) = notification(spec, position, &path, problems) else { continue };
        if notifications.iter().any(|other| other.name == notification.name) {
            let message = format!("`{}` is the name of another one too; write different ones", notification.name);
            problems.push(Problem::new(format!("{path}.Name"), &message));
        }
        notifications.push(notification);
    }
    notifications
}

fn notification(
    spec: &spec::Notification,
    position: usize,
    path: &str,
    problems: &mut Vec<Problem>,
) -> Option<Notification> {
    let mut wrong = |field: &str, message: String| problems.push(Problem::new(format!("{path}.{field}"), &message));
    let name = name(&spec.name, position).map_err(|message| wrong("Name", message));
    let Some(webhook) = &spec.webhook else {
        wrong("Webhook", "is missing; write URL or URLSecret".to_owned());
        return None;
    };
    let mut wrong = |field: &str, message: String| wrong(&format!("Webhook.{field}"), message);
    let address = address(webhook).map_err(|(field, message)| wrong(field, message));
    let format = format(&webhook.format).map_err(|message| wrong("Format", message));
    // What a Secret holds is https.
    let url = if webhook.url_secret.is_some() { "https://" } else { &webhook.url };
    let ca_bundle = gate::ca_bundle(&webhook.ca_bundle, url).map_err(|message| wrong("CABundle", message));
    Some(Notification {
        name: name.ok()?,
        webhook: Webhook { address: address.ok()?, format: format.ok()?, ca_bundle: ca_bundle.ok()? },
    })
}

fn name(text: &str, position: usize) -> Result<Arc<str>, String> {
    if text.is_empty() {
        return Ok(format!("notification-{}", position + 1).into());
    }
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if text.len() <= MAX_GATE_NAME_LENGTH && text.chars().all(is_allowed) {
        return Ok(text.into());
    }
    Err(format!("is `{text}`; write at most {MAX_GATE_NAME_LENGTH} letters, digits, `-`, `_` and `.`"))
}

fn address(webhook: &spec::Webhook) -> Result<WebhookAddress, (&'static str, String)> {
    match (&*webhook.url, &webhook.url_secret) {
        ("", None) => Err(("URL", format!("is missing; {SAY_URL}, or URLSecret"))),
        ("", Some(key)) => {
            let is_named = |text: &str| !text.trim().is_empty() && text.len() <= MAX_NAME_LENGTH;
            if !is_named(&key.name) || !is_named(&key.key) {
                return Err(("URLSecret", "names no key of a Secret; write Name and Key".to_owned()));
            }
            Ok(WebhookAddress::Secret(SecretKey { name: key.name.as_str().into(), key: key.key.as_str().into() }))
        }
        (url, None) => match webhook_url(url) {
            Ok(_) => Ok(WebhookAddress::Url(url.into())),
            Err(message) => Err(("URL", message)),
        },
        (_, Some(_)) => Err(("URL", "is there beside URLSecret; write one of them".to_owned())),
    }
}

/// Checks the address of a webhook, wherever it stands.
///
/// # Errors
/// With what is wrong. It is not quoted: it may be a secret.
pub fn webhook_url(text: &str) -> Result<Uri, String> {
    let is_http = text.starts_with("http://") || text.starts_with("https://");
    if text.len() > MAX_URL_LENGTH || !is_http || text.contains('#') {
        return Err(format!("is no address to post to; {SAY_URL}"));
    }
    let uri: Uri = text.parse().map_err(|_| format!("is no address to post to; {SAY_URL}"))?;
    let authority = uri.authority().filter(|authority| !authority.host().is_empty());
    let authority = authority.ok_or_else(|| format!("names no host; {SAY_URL}"))?;
    if authority.as_str().contains('@') {
        return Err("holds credentials, which anybody who may read the config can see; write URLSecret".to_owned());
    }
    if authority.as_str().contains(':') && authority.port_u16().is_none() && !authority.as_str().ends_with(']') {
        return Err(format!("has a port that is none; {SAY_URL}"));
    }
    Ok(uri)
}

fn format(text: &str) -> Result<WebhookFormat, String> {
    match text {
        "" | "JSON" => Ok(WebhookFormat::Json),
        "Slack" => Ok(WebhookFormat::Slack),
        other => Err(format!("is `{other}`; write JSON or Slack")),
    }
}
