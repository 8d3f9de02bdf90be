//! `FlippyConfig`s, as their users write and read them: as JSON, not by our own types.

use kube::api::{ApiResource, GroupVersionKind};
use serde_json::Value;

/// The resource of `FlippyConfig`s.
pub fn resource() -> ApiResource {
    let kind = GroupVersionKind::gvk("keikoproj.io", "v1", "FlippyConfig");
    ApiResource::from_gvk_with_plural(&kind, "flippyconfigs")
}

/// What a condition says, of a list of conditions as in `status["conditions"]`.
pub fn condition<'a>(status: &'a Value, type_: &str) -> Option<&'a Value> {
    let conditions = status["conditions"].as_array()?;
    conditions.iter().find(|condition| condition["type"] == type_)
}
