//! `Notifications`: what users write.
#![allow(
    clippy::doc_markdown,
    rustdoc::bare_urls,
    reason = "back ticks around every field name, and brackets around addresses, are noise in kubectl explain"
)]

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::gate_spec::SecretKey;
use crate::spec::null_is_default;

/// Somebody who is told when a campaign has started, waits for an approval, has halted, and is completed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase", default)]
pub struct Notification {
    /// Its name in the status and in metrics: letters, digits, `-`, `_` and `.`, at most 63. Default: notification-1 for
    /// the first one, and so on.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Where to post.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
}

/// An address that takes a POST with a JSON body for each notice, and answers with a status from 200 to 299. What fails is
/// tried again for about forty minutes, and holds up nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase", default)]
pub struct Webhook {
    /// Where to post, http or https, for example https://hooks.example.com/flippy. No credentials: who may read the config
    /// can see it. Either this or URLSecret.
    #[serde(rename = "URL", deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// A Secret of the config's own namespace that holds the address, https only, for example that of an incoming webhook of
    /// Slack. Flippy needs the right to get that Secret: see deploy/optional/secret-role.yaml.
    #[serde(rename = "URLSecret", skip_serializing_if = "Option::is_none")]
    pub url_secret: Option<SecretKey>,
    /// JSON or Slack: an object for programs, or a text as Slack's incoming webhooks take it. Default: JSON.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub format: String,
    /// Certificate authorities to trust instead of the system's, in PEM.
    #[serde(rename = "CABundle", deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub ca_bundle: String,
}
