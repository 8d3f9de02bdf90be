//! Objects as a rehearsal needs them: everything else is skipped while it is read, and never held.
//!
//! A pod is ten kilobytes of JSON, of which a rollout depends on a few hundred bytes.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// What is kept of a value.
#[derive(Clone, Copy)]
pub(super) enum Keep {
    All,
    /// These fields of an object, or of every object in a list.
    Fields(&'static [(&'static str, Keep)]),
}

use Keep::{All, Fields};

const CONTAINERS: Keep = Fields(&[("name", All), ("image", All), ("restartPolicy", All)]);

const POD_SPEC: &[(&str, Keep)] = &[
    ("containers", CONTAINERS),
    ("initContainers", CONTAINERS),
    ("terminationGracePeriodSeconds", All),
    ("nodeName", All),
];

const TEMPLATE: Keep =
    Fields(&[("metadata", Fields(&[("labels", All), ("annotations", All)])), ("spec", Fields(POD_SPEC))]);

const METADATA: Keep = Fields(&[
    ("name", All),
    ("namespace", All),
    ("uid", All),
    ("generation", All),
    ("creationTimestamp", All),
    ("deletionTimestamp", All),
    ("labels", All),
    ("annotations", All),
    (
        "ownerReferences",
        Fields(&[("apiVersion", All), ("kind", All), ("name", All), ("uid", All), ("controller", All)]),
    ),
]);

const SPEC: Keep = Fields(&[
    // Workloads.
    ("replicas", All),
    ("paused", All),
    ("strategy", All),
    ("updateStrategy", All),
    ("podManagementPolicy", All),
    ("minReadySeconds", All),
    ("progressDeadlineSeconds", All),
    ("revisionHistoryLimit", All),
    ("selector", All),
    ("template", TEMPLATE),
    ("restartAt", All),
    ("workloadRef", All),
    // Disruption budgets.
    ("minAvailable", All),
    ("maxUnavailable", All),
    ("unhealthyPodEvictionPolicy", All),
    // Pods.
    ("containers", CONTAINERS),
    ("initContainers", CONTAINERS),
    ("terminationGracePeriodSeconds", All),
    ("nodeName", All),
]);

const CONTAINER_STATUSES: Keep = Fields(&[("name", All), ("image", All), ("imageID", All), ("restartCount", All)]);

const POD_STATUS: Keep = Fields(&[
    ("phase", All),
    ("startTime", All),
    ("conditions", Fields(&[("type", All), ("status", All), ("lastTransitionTime", All)])),
    ("containerStatuses", CONTAINER_STATUSES),
    ("initContainerStatuses", CONTAINER_STATUSES),
]);

/// What is kept of a field of an object of a kind.
pub(super) fn kept(kind: &str, field: &str) -> Option<Keep> {
    match (kind, field) {
        (_, "apiVersion" | "kind") | ("FlippyConfig", "spec" | "status") | ("ConfigMap", "data") => Some(All),
        (_, "metadata") => Some(METADATA),
        ("Pod", "status") => Some(POD_STATUS),
        ("ConfigMap", _) => None,
        (_, "spec") => Some(SPEC),
        (_, "status") => Some(All),
        _ => None,
    }
}

/// Reads a value, and keeps what is wanted of it.
pub(super) struct Trimmed(pub(super) Keep);

impl<'de> DeserializeSeed<'de> for Trimmed {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        match self.0 {
            All => serde::Deserialize::deserialize(deserializer),
            Fields(_) => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Trimmed {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let Fields(fields) = self.0 else { unreachable!("what is kept whole is not visited") };
        let mut kept = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            match fields.iter().find(|(field, _)| *field == key) {
                Some((_, keep)) => {
                    let value = map.next_value_seed(Self(*keep))?;
                    // Absent and null are the same in Kubernetes.
                    if !value.is_null() {
                        kept.insert(key, value);
                    }
                }
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Value::Object(kept))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let mut kept = Vec::new();
        while let Some(value) = sequence.next_element_seed(Self(self.0))? {
            kept.push(value);
        }
        Ok(Value::Array(kept))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }
}

/// Takes away from a value what would not have been kept while reading it.
pub(super) fn trim(value: &mut Value, keep: Keep) {
    let Fields(fields) = keep else { return };
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| trim(item, keep)),
        Value::Object(map) => map.retain(|key, value| {
            let found = fields.iter().find(|(field, _)| field == key);
            if let Some((_, keep)) = found {
                trim(value, *keep);
            }
            found.is_some() && !value.is_null()
        }),
        _ => {}
    }
}
