//! Posts one notice: one bounded request, no redirects, and whatever goes wrong is said in one line.

use std::time::Duration;

use bytes::Bytes;
use flippy_core::{Happening, PolicyName, Timestamp, Webhook, WebhookAddress, WebhookFormat};
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{Request, StatusCode, Uri};
use http_body_util::Full;
use kube::Client;
use serde_json::json;

use crate::ask::{AGENT, causes};
use crate::dial::Dialer;
use crate::{secret, trust};

const TIME_OUT: Duration = Duration::from_secs(10);

/// What is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Letter {
    pub(crate) config: PolicyName,
    pub(crate) uid: String,
    /// The hash of the wanted images.
    pub(crate) campaign: String,
    pub(crate) happening: Happening,
    pub(crate) message: String,
    pub(crate) at: Timestamp,
}

/// Why a letter did not arrive, in one line that holds no secret.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Undelivered {
    /// It may be another time.
    ForNow(String),
    /// It is not welcome there.
    ForGood(String),
}

/// What it takes to deliver letters.
#[derive(Clone)]
pub(crate) struct Ways {
    /// For Secrets that hold addresses.
    pub(crate) kubernetes: Client,
    pub(crate) elsewhere: Dialer,
}

/// Posts a letter once.
pub(crate) async fn post(ways: &Ways, webhook: &Webhook, letter: &Letter) -> Result<(), Undelivered> {
    match tokio::time::timeout(TIME_OUT, post_without_limit(ways, webhook, letter)).await {
        Ok(posted) => posted,
        Err(_) => Err(Undelivered::ForNow(format!("no answer within {} s", TIME_OUT.as_secs()))),
    }
}

async fn post_without_limit(ways: &Ways, webhook: &Webhook, letter: &Letter) -> Result<(), Undelivered> {
    let uri =
        address(&ways.kubernetes, &letter.config.namespace, &webhook.address).await.map_err(Undelivered::ForNow)?;
    let tls =
        trust::tls(uri.scheme_str().unwrap_or_default(), webhook.ca_bundle.as_deref()).map_err(Undelivered::ForNow)?;
    let http = ways.elsewhere.http(tls);
    let request = Request::post(uri).header(CONTENT_TYPE, "application/json").header(USER_AGENT, AGENT);
    let request = request
        .body(Full::new(body(webhook.format, letter)))
        .map_err(|error| Undelivered::ForGood(format!("cannot post: {error}")))?;
    let answer = http.request(request).await;
    let answer = answer.map_err(|error| Undelivered::ForNow(format!("cannot post: {}", causes(&error))))?;
    // What else is answered is not read: it may be of any length, and means nothing here.
    match answer.status() {
        status if status.is_success() => Ok(()),
        status if status.is_redirection() => {
            Err(Undelivered::ForGood(format!("answers {status}; redirects are not followed: write the last URL")))
        }
        status @ (StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS) => {
            Err(Undelivered::ForNow(format!("answers {status}")))
        }
        status if status.is_server_error() => Err(Undelivered::ForNow(format!("answers {status}"))),
        status => Err(Undelivered::ForGood(format!("answers {status}"))),
    }
}

async fn address(kubernetes: &Client, namespace: &str, address: &WebhookAddress) -> Result<Uri, String> {
    let key = match address {
        WebhookAddress::Url(url) => return flippy_api::webhook_url(url).map_err(|why| format!("URL {why}")),
        WebhookAddress::Secret(key) => key,
    };
    let value = secret::value(kubernetes, namespace, key).await?;
    let place = format!("key {} of Secret {namespace}/{}", key.key, key.name);
    let text = std::str::from_utf8(value.trim_ascii()).map_err(|_| format!("{place} is no text"))?;
    if !text.starts_with("https://") {
        return Err(format!("{place} holds no https address, and anybody on the way could read what is secret"));
    }
    flippy_api::webhook_url(text).map_err(|why| format!("{place} {why}"))
}

fn body(format: WebhookFormat, letter: &Letter) -> Bytes {
    let Letter { config, uid, campaign, happening, message, at } = letter;
    let value = match format {
        WebhookFormat::Json => {
            let mut value = json!({
                "event": happening.word(),
                "config": {"namespace": config.namespace, "name": config.name, "uid": uid},
                "campaign": campaign,
                "message": message,
                "at": at.to_string(),
            });
            if let Happening::AwaitingApproval(wave) = happening {
                value["wave"] = json!(wave);
            }
            value
        }
        // https://api.slack.com/reference/surfaces/formatting#escaping
        WebhookFormat::Slack => {
            let message = message.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            json!({"text": format!("*FlippyConfig {config}*: {message}")})
        }
    };
    value.to_string().into()
}

#[cfg(test)]
mod tests;
