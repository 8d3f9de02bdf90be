//! What users write about images beyond a list: mirrors, and sources outside of the config.
#![allow(clippy::doc_markdown, reason = "back ticks around every field name are noise in kubectl explain")]

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::spec::{is_default, null_is_default};

/// A registry, or a part of one, that holds copies of another one's images.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImageMirror {
    /// Where the images come from: a registry with or without a path, for example docker.io or docker.io/istio.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub from: String,
    /// The mirror: an image pulled from there counts as one pulled from From, with the same rest of its path.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub to: String,
}

/// A place where wanted images are named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImageSource {
    /// A key of a ConfigMap.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "is_default")]
    pub config_map: ConfigMapKey,
}

/// A key of a ConfigMap, and how it is read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase", default)]
pub struct ConfigMapKey {
    /// Namespace of the ConfigMap. From a namespace that Flippy does not trust with the whole cluster, only that one.
    /// Default: the namespace of this FlippyConfig.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Name of the ConfigMap, for example istio-sidecar-injector.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The key in its data.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// Makes one image of the key's text, which is then a YAML or JSON document: text, and fields of the document between
    /// braces, for example {.global.hub}/{.global.proxy.image}:{.global.tag}. A field is a path of `.name` and `['any name']`,
    /// nothing else. Without it, the key's text is a list of images: one a line, or separated by commas; what follows # is
    /// a comment.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub template: String,
}
