//! Workloads of custom kinds: fields that most controllers of workloads have, `OpenKruise` above all. Whatever else they hold is
//! skipped while parsing.

use std::borrow::Cow;

use flippy_core::{CustomFacts, CustomKind, Kind, RolloutFacts, TemplateEffect, Workload};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::Resource;
use kube::core::{ApiResource, DynamicResourceScope};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use super::fingerprint::Fingerprint;
use super::meta::slim_meta;
use super::workload::{SlimTemplate, SlimTemplateMeta, record};
use crate::interner::Interner;

#[derive(Deserialize, Clone, Debug)]
pub(crate) struct SlimCustom {
    #[serde(deserialize_with = "slim_meta")]
    metadata: ObjectMeta,
    #[serde(default, deserialize_with = "or_none")]
    spec: Option<CustomSpec>,
    #[serde(default, deserialize_with = "or_none")]
    status: Option<CustomStatus>,
}

#[derive(Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
struct CustomSpec {
    #[serde(deserialize_with = "or_none")]
    replicas: Option<i64>,
    #[serde(deserialize_with = "or_none")]
    paused: Option<bool>,
    #[serde(deserialize_with = "or_none")]
    template: Option<Template>,
    #[serde(deserialize_with = "or_none")]
    update_strategy: Option<UpdateStrategy>,
}

/// Without metadata, there is no place for an annotation.
#[derive(Deserialize, Clone, Debug, Default)]
#[serde(default)]
struct Template {
    #[serde(deserialize_with = "or_none")]
    metadata: Option<SlimTemplateMeta>,
    spec: Fingerprint,
}

/// A `CloneSet` has all of it here, an Advanced `StatefulSet` or `DaemonSet` below `rollingUpdate`.
#[derive(Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
struct UpdateStrategy {
    #[serde(rename = "type", deserialize_with = "or_none")]
    kind: Option<String>,
    #[serde(deserialize_with = "or_none")]
    rolling_update: Option<Box<UpdateStrategy>>,
    #[serde(deserialize_with = "or_none")]
    pod_update_policy: Option<String>,
    #[serde(deserialize_with = "or_none")]
    rolling_update_type: Option<String>,
    #[serde(deserialize_with = "or_none")]
    paused: Option<bool>,
    #[serde(deserialize_with = "or_none")]
    partition: Option<IntOrString>,
    /// Of an Advanced `DaemonSet`: only pods on these nodes.
    #[serde(deserialize_with = "or_none")]
    selector: Option<Selector>,
}

#[derive(Deserialize, Clone, Debug)]
struct Selector {}

#[derive(Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
struct CustomStatus {
    #[serde(deserialize_with = "or_none")]
    observed_generation: Option<i64>,
    #[serde(deserialize_with = "or_none")]
    replicas: Option<i64>,
    #[serde(deserialize_with = "or_none")]
    desired_number_scheduled: Option<i64>,
    #[serde(deserialize_with = "or_none")]
    updated_replicas: Option<i64>,
    #[serde(deserialize_with = "or_none")]
    updated_number_scheduled: Option<i64>,
    #[serde(deserialize_with = "or_none")]
    updated_ready_replicas: Option<i64>,
    #[serde(deserialize_with = "or_none")]
    available_replicas: Option<i64>,
    #[serde(deserialize_with = "or_none")]
    ready_replicas: Option<i64>,
    #[serde(deserialize_with = "or_none")]
    number_available: Option<i64>,
    #[serde(deserialize_with = "or_none")]
    number_ready: Option<i64>,
}

/// A custom resource can hold anything: what is not of the usual type counts as absent instead of blinding the whole feed.
fn or_none<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).ok())
}

impl UpdateStrategy {
    /// It and what is below it.
    fn levels(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(self.rolling_update.as_deref())
    }

    fn effect(&self) -> TemplateEffect {
        let words =
            |level: &Self| [level.kind.clone(), level.pod_update_policy.clone(), level.rolling_update_type.clone()];
        let mut all = self.levels().flat_map(words).flatten();
        if self.kind.as_deref() == Some("OnDelete") {
            TemplateEffect::ReplacesNone
        } else if all.any(|word| word.starts_with("InPlace")) {
            TemplateEffect::InPlace
        } else if self.levels().any(|level| level.selector.is_some() || is_above_zero(level.partition.as_ref())) {
            TemplateEffect::ReplacesSome
        } else {
            TemplateEffect::ReplacesPods
        }
    }
}

/// A number, or a percentage. Text that is neither is for its controller to understand: some pods may be held back.
fn is_above_zero(partition: Option<&IntOrString>) -> bool {
    match partition {
        None => false,
        Some(IntOrString::Int(number)) => *number > 0,
        Some(IntOrString::String(text)) => text.trim_end_matches('%').trim().parse() != Ok(0.0),
    }
}

impl SlimCustom {
    pub(crate) fn record(self, kind: CustomKind, interner: &mut Interner) -> Workload {
        let spec = self.spec.unwrap_or_default();
        let status = self.status.unwrap_or_default();
        let strategy = spec.update_strategy.unwrap_or_default();
        let template = spec.template.unwrap_or_default();
        let facts = CustomFacts {
            replicas_wanted: spec.replicas.or(status.desired_number_scheduled).or(status.replicas).unwrap_or(1),
            paused: spec.paused == Some(true) || strategy.levels().any(|level| level.paused == Some(true)),
            effect: if template.metadata.is_some() { strategy.effect() } else { TemplateEffect::NoTemplate },
            observed_generation: status.observed_generation,
            replicas: status.replicas,
            updated: status.updated_replicas.or(status.updated_number_scheduled),
            ready: status
                .updated_ready_replicas
                .or(status.available_replicas)
                .or(status.ready_replicas)
                .or(status.number_available)
                .or(status.number_ready),
        };
        let template = SlimTemplate { metadata: template.metadata.unwrap_or_default(), spec: template.spec };
        record(Kind::Custom(kind), self.metadata, template, RolloutFacts::Custom(facts), interner)
    }
}

impl Resource for SlimCustom {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn kind(resource: &ApiResource) -> Cow<'_, str> {
        resource.kind.as_str().into()
    }
    fn group(resource: &ApiResource) -> Cow<'_, str> {
        resource.group.as_str().into()
    }
    fn version(resource: &ApiResource) -> Cow<'_, str> {
        resource.version.as_str().into()
    }
    fn api_version(resource: &ApiResource) -> Cow<'_, str> {
        resource.api_version.as_str().into()
    }
    fn plural(resource: &ApiResource) -> Cow<'_, str> {
        resource.plural.as_str().into()
    }
    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests;
