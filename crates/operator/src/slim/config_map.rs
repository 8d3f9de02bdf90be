//! `ConfigMap`s that configs name as sources of images: what they say, never their text.

use std::collections::{BTreeMap, BTreeSet};

use flippy_core::{ImageRef, SourcePart};
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;

use super::meta::slim_meta;

/// What each part of a `ConfigMap` says, or why it says nothing.
pub(crate) type Said = BTreeMap<SourcePart, Result<Vec<ImageRef>, String>>;

#[derive(kube::Resource, Deserialize, Clone, Debug)]
#[resource(inherit = "ConfigMap")]
pub(crate) struct SlimConfigMap {
    #[serde(deserialize_with = "slim_meta")]
    metadata: ObjectMeta,
    #[serde(default)]
    data: Option<BTreeMap<String, String>>,
}

impl SlimConfigMap {
    /// Reads these parts of it. The text, which may be a megabyte of anybody's, is dropped.
    pub(crate) fn read(self, parts: &BTreeSet<SourcePart>) -> Said {
        let data = self.data.unwrap_or_default();
        let read = |part: &SourcePart| match data.get(&*part.key) {
            None => Err("is not among its keys".to_owned()),
            Some(text) => flippy_api::images_in(text, part),
        };
        parts.iter().map(|part| (part.clone(), read(part))).collect()
    }
}
