//! The resource itself.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::NamespaceResourceScope;
use serde::{Deserialize, Deserializer, Serialize};

use crate::spec::{FlippyConfigSpec, null_is_default};
use crate::status::{FlippyConfigStatus, UNSEEN_GENERATION};

/// `keikoproj.io/v1` `FlippyConfig`.
///
/// Written by hand, because a derived one would refuse objects without a spec, which the original stored happily:
/// one of them would then be an error for ever instead of a config that says what it lacks.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FlippyConfig {
    /// `keikoproj.io/v1`
    #[serde(default)]
    pub api_version: String,
    /// `FlippyConfig`
    #[serde(default)]
    pub kind: String,
    /// Name, namespace and the rest.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// What is wanted.
    #[serde(default, deserialize_with = "null_is_default")]
    pub spec: FlippyConfigSpec,
    /// What was found. Absent until Flippy has looked at it.
    #[serde(default, deserialize_with = "status_or_none", skip_serializing_if = "Option::is_none")]
    pub status: Option<FlippyConfigStatus>,
}

/// A status that somebody else wrote into the object is not ours, and the one that the API server wrote says nothing: it is
/// written anew.
fn status_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<FlippyConfigStatus>, D::Error> {
    let status = serde_json::Value::deserialize(deserializer)?;
    let status: Option<FlippyConfigStatus> = serde_json::from_value(status).ok();
    Ok(status.filter(|status| status.observed_generation != Some(UNSEEN_GENERATION)))
}

impl FlippyConfig {
    /// Group and version.
    pub const API_VERSION: &str = "keikoproj.io/v1";
    /// Kind.
    pub const KIND: &str = "FlippyConfig";
}

impl Resource for FlippyConfig {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        Self::KIND.into()
    }
    fn group((): &()) -> Cow<'_, str> {
        "keikoproj.io".into()
    }
    fn version((): &()) -> Cow<'_, str> {
        "v1".into()
    }
    fn plural((): &()) -> Cow<'_, str> {
        "flippyconfigs".into()
    }
    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
