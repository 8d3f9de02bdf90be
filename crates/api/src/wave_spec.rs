//! Waves, as users write them. Every description here is what `kubectl explain` shows.
#![allow(clippy::doc_markdown, reason = "back ticks around every field name are noise in kubectl explain")]

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::spec::{NumberOrPercent, is_default, null_is_default, nulls_are_absent};

/// A group of workloads that is restarted before the next one. A workload belongs to the first wave that takes it; what
/// no wave takes goes last, as wave rest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase", default)]
pub struct Wave {
    /// Its name: at most 40 lower-case letters, digits and dashes. Not rest, which is the name of what no wave takes.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Which namespaces, by their labels. Default: all.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "is_default")]
    pub namespace_selector: LabelSelector,
    /// Which workloads, by their own labels (not those of their pods). Default: all.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "is_default")]
    pub workload_selector: LabelSelector,
    /// How many of a hundred of those, from 1 to 100: always the same ones, chosen by their uid, and for a larger number
    /// these and more. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent: Option<i64>,
    /// In place of Strategy.MaxConcurrent. A percentage is one of the workloads of this wave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_concurrent: Option<NumberOrPercent>,
    /// In place of Strategy.MaxConcurrentPerNamespace. A percentage is one of the workloads of this wave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_concurrent_per_namespace: Option<NumberOrPercent>,
    /// In place of Strategy.MaxFailures. Each wave has its own count. A percentage is one of the workloads of this wave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_failures: Option<NumberOrPercent>,
    /// How long the next wave waits once this one is complete, for example 30m; at most 168h. Default: not at all.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub soak: String,
    /// Manual: this wave starts only once somebody has approved it with flippy approve. Default: Automatic.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub approval: String,
}

/// A label selector as everywhere in Kubernetes. Everything in it must match; an empty one matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LabelSelector {
    /// Labels that must be there with these values.
    #[serde(deserialize_with = "nulls_are_absent", skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,
    /// Further requirements.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub match_expressions: Vec<LabelRequirement>,
}

/// A requirement on one label.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct LabelRequirement {
    /// Key of the label.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// In, NotIn, Exists or DoesNotExist.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub operator: String,
    /// The values of In and NotIn.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}
