//! Reading the parts of an object that the server and its controllers look at.

use crate::{Json, SmolStr};
use jiff::Timestamp;

use crate::resources::Resource;

/// A stored object. Whoever changes it changes a copy.
pub(crate) type Object = Json;

/// Where an object lives within its resource; the namespace is empty for cluster-scoped ones.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Namespace, or empty.
    pub namespace: SmolStr,
    /// Name.
    pub name: SmolStr,
}

impl Key {
    /// The key of this namespace (empty for cluster-scoped objects) and name.
    pub fn new(namespace: impl Into<SmolStr>, name: impl Into<SmolStr>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// The key of an object.
    pub fn of(object: &Json) -> Self {
        let metadata = &object["metadata"];
        Self::new(metadata["namespace"].to_text(), metadata["name"].to_text())
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.namespace.is_empty() { f.write_str(&self.name) } else { write!(f, "{}/{}", self.namespace, self.name) }
    }
}

pub(crate) fn name(object: &Json) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

pub(crate) fn namespace(object: &Json) -> &str {
    object["metadata"]["namespace"].as_str().unwrap_or_default()
}

pub(crate) fn uid(object: &Json) -> &str {
    object["metadata"]["uid"].as_str().unwrap_or_default()
}

pub(crate) fn generation(object: &Json) -> i64 {
    object["metadata"]["generation"].as_i64().unwrap_or_default()
}

pub(crate) fn annotation<'a>(object: &'a Json, key: &str) -> Option<&'a str> {
    object["metadata"]["annotations"][key].as_str()
}

pub(crate) fn label<'a>(object: &'a Json, key: &str) -> Option<&'a str> {
    object["metadata"]["labels"][key].as_str()
}

/// Whether it is being deleted.
pub fn is_terminating(object: &Json) -> bool {
    !object["metadata"]["deletionTimestamp"].is_null()
}

/// The owner that controls this object, when it is of a kind we know: (resource, name, uid).
pub(crate) fn controller_of(object: &Json) -> Option<(Resource, &str, &str)> {
    let owners = object["metadata"]["ownerReferences"].as_array()?;
    let owner = owners.iter().find(|owner| owner["controller"] == Json::Bool(true))?;
    let resource = Resource::of_kind(owner["kind"].as_str()?)?;
    Some((resource, owner["name"].as_str()?, owner["uid"].as_str()?))
}

/// A reference by which `owner` controls what it is put on.
pub(crate) fn owner_reference(resource: Resource, owner: &Json) -> Json {
    crate::json!({
        "apiVersion": resource.api_version(), "kind": resource.kind(), "name": name(owner), "uid": uid(owner),
        "controller": true, "blockOwnerDeletion": true,
    })
}

pub(crate) fn condition<'a>(object: &'a Json, kind: &str) -> Option<&'a Json> {
    object["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind)
}

pub(crate) fn timestamp(value: &Json) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

/// Neither finished nor being deleted: what controllers count as one of theirs.
pub(crate) fn is_active_pod(pod: &Json) -> bool {
    !is_terminating(pod) && !is_finished_pod(pod)
}

pub(crate) fn is_finished_pod(pod: &Json) -> bool {
    matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
}

/// Whether a pod says that it is ready.
pub fn is_ready_pod(pod: &Json) -> bool {
    condition(pod, "Ready").is_some_and(|ready| ready["status"] == "True")
}

/// When a ready pod becomes available under `minReadySeconds`; None when it is not ready.
pub(crate) fn available_at(pod: &Json, min_ready_seconds: i64) -> Option<Timestamp> {
    let ready = condition(pod, "Ready").filter(|ready| ready["status"] == "True")?;
    let since = timestamp(&ready["lastTransitionTime"])?;
    since.checked_add(jiff::SignedDuration::from_secs(min_ready_seconds)).ok()
}

/// An absolute number or a percentage of `total`, rounded as asked.
pub(crate) fn scaled(value: &Json, total: i64, round_up: bool) -> Option<i64> {
    if let Some(number) = value.as_i64() {
        return Some(number);
    }
    let percent: i64 = value.as_str()?.strip_suffix('%')?.parse().ok()?;
    let exact = percent * total;
    Some(if round_up { (exact + 99).div_euclid(100) } else { exact.div_euclid(100) })
}
