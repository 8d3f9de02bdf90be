//! `Gates`: what users write.
#![allow(
    clippy::doc_markdown,
    rustdoc::bare_urls,
    reason = "back ticks around every field name, and brackets around addresses, are noise in kubectl explain"
)]

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::spec::{is_default, null_is_default};

/// Something outside of the cluster's own objects that must be so for restarts to start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase", default)]
pub struct Gate {
    /// Its name in conditions and metrics: letters, digits, `-`, `_` and `.`, at most 63. Default: gate-1 for the first
    /// one, and so on.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What Prometheus must say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prometheus: Option<Prometheus>,
}

/// A query and what its answer must be. Without an answer that says so, restarts do not start: not when the server cannot
/// be reached, not when its certificate is not trusted, and not when it answers with an error.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase", default)]
pub struct Prometheus {
    /// Where Prometheus is, http or https, as far as /api/v1/query, for example https://prometheus.monitoring:9090. No
    /// credentials; redirects are not followed.
    #[serde(rename = "URL", deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// The query, in PromQL. Without Threshold, it must return no series, as of an alert that does not fire:
    /// ALERTS{alertstate="firing", severity="critical"}. At most 4096 characters.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub query: String,
    /// What every sample of the answer must be. An answer without samples does not open the gate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<Threshold>,
    /// How long the answers must have been good without interruption to count, at most 24h. Counted from
    /// the first answer of a campaign, and anew when Flippy is restarted. A Prometheus that was just started shows no alerts
    /// until it has evaluated its rules: write more than that takes. 0s: one good answer is enough. Default: 2m.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub r#for: String,
    /// How often to ask while there is something to restart; from 5s to 1h. An answer counts for three of these.
    /// Default: 30s.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub interval: String,
    /// How long an answer may take, from 1 to 30 seconds, and not longer than Interval. Default: 10, or Interval if that
    /// is shorter.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "is_default")]
    pub timeout_seconds: i64,
    /// A bearer token to send, in a Secret of the config's own namespace. Only with https. Flippy needs the right to get
    /// that Secret: see deploy/optional/secret-role.yaml.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bearer_token_secret: Option<SecretKey>,
    /// Certificate authorities to trust instead of the system's, in PEM.
    #[serde(rename = "CABundle", deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub ca_bundle: String,
}

/// What a sample must be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase", default)]
pub struct Threshold {
    /// One of <, <=, > and >=: how the sample must compare with Value.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub operator: String,
    /// A number, written as a text, for example "0.01".
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub value: String,
}

/// One key of a Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase", default)]
pub struct SecretKey {
    /// Name of the Secret.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The key in it.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub key: String,
}
