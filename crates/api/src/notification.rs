//! `Notifications`: from what users write to what core decides with.

use flippy_core::{Notification, Webhook, WebhookAddress, WebhookFormat};
use http::Uri;

use crate::bounds::MAX_NOTIFICATIONS;
use crate::elsewhere::{self, ListElsewhere};
use crate::gate;
use crate::notification_spec as spec;
use crate::problem::Problem;

const SAY_URL: &str = "write http:// or https:// and a host, for example https://hooks.example.com/flippy";

const LIST: ListElsewhere =
    ListElsewhere { field: "Notifications", entries: "notifications", another: "another one", most: MAX_NOTIFICATIONS };

/// Reads all notifications, or says everything that is wrong with them. `only_namespace` is where a config that is not
/// trusted may act.
pub(crate) fn notifications(
    list: &[spec::Notification],
    only_namespace: Option<&str>,
    problems: &mut Vec<Problem>,
) -> Vec<Notification> {
    LIST.read(list, only_namespace, problems, notification, |notification| &notification.name)
}

fn notification(
    spec: &spec::Notification,
    position: usize,
    path: &str,
    problems: &mut Vec<Problem>,
) -> Option<Notification> {
    let mut wrong = |field: &str, message: String| problems.push(Problem::new(format!("{path}.{field}"), &message));
    let name = elsewhere::name(&spec.name, "notification", position).map_err(|message| wrong("Name", message));
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

fn address(webhook: &spec::Webhook) -> Result<WebhookAddress, (&'static str, String)> {
    match (&*webhook.url, &webhook.url_secret) {
        ("", None) => Err(("URL", format!("is missing; {SAY_URL}, or URLSecret"))),
        ("", Some(key)) => {
            elsewhere::secret_key(key).map(WebhookAddress::Secret).map_err(|message| ("URLSecret", message))
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
    let what = "to post to";
    if text.contains('#') {
        return Err(format!("is no address {what}; {SAY_URL}"));
    }
    elsewhere::address(text, what, SAY_URL, "URLSecret")
}

fn format(text: &str) -> Result<WebhookFormat, String> {
    match text {
        "" | "JSON" => Ok(WebhookFormat::Json),
        "Slack" => Ok(WebhookFormat::Slack),
        other => Err(format!("is `{other}`; write JSON or Slack")),
    }
}
