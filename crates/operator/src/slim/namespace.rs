//! Namespaces: only their labels count.

use std::sync::Arc;

use flippy_core::Labels;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;

use super::meta::{slim_meta, text};
use crate::interner::Interner;

#[derive(kube::Resource, Deserialize, Clone, Debug)]
#[resource(inherit = "Namespace")]
pub(crate) struct SlimNamespace {
    #[serde(deserialize_with = "slim_meta")]
    metadata: ObjectMeta,
}

impl SlimNamespace {
    pub(crate) fn record(self, interner: &mut Interner) -> (Arc<str>, Labels) {
        let name = text(self.metadata.name.as_ref(), interner);
        (name, interner.labels(self.metadata.labels.unwrap_or_default()))
    }
}
