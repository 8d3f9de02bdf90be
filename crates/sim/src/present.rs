//! How objects look on the wire.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::{Value, json};

use crate::request::Show;
use crate::resources::Resource;

/// The form a client asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Form {
    pub(crate) resource: Resource,
    pub(crate) show: Show,
    /// Events the `events.k8s.io/v1` way.
    pub(crate) new_events: bool,
}

/// An object in that form. Borrows: large lists are written without copying any object.
pub(crate) struct Presented<'a> {
    pub(crate) object: &'a Value,
    pub(crate) form: Form,
    /// Items of lists of built-in kinds carry no type.
    pub(crate) typeless: bool,
}

impl Serialize for Presented<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.form.show == Show::Metadata {
            let mut map = serializer.serialize_map(Some(3))?;
            map.serialize_entry("kind", "PartialObjectMetadata")?;
            map.serialize_entry("apiVersion", "meta.k8s.io/v1")?;
            map.serialize_entry("metadata", &self.object["metadata"])?;
            return map.end();
        }
        if self.form.new_events {
            let mut event = to_new_event(self.object);
            if self.typeless
                && let Some(event) = event.as_object_mut()
            {
                event.remove("kind");
                event.remove("apiVersion");
            }
            return event.serialize(serializer);
        }
        let Some(fields) = self.object.as_object().filter(|_| self.typeless) else {
            return self.object.serialize(serializer);
        };
        serializer.collect_map(fields.iter().filter(|(field, _)| !matches!(field.as_str(), "kind" | "apiVersion")))
    }
}

/// `v1` fields of events and what `events.k8s.io/v1` calls them.
const EVENT_FIELDS: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("count", "deprecatedCount"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("reportingComponent", "reportingController"),
];

pub(crate) fn to_new_event(event: &Value) -> Value {
    rename(event, "events.k8s.io/v1", |field| EVENT_FIELDS.iter().find(|(old, _)| *old == field).map(|(_, new)| *new))
}

pub(crate) fn from_new_event(event: &Value) -> Value {
    rename(event, "v1", |field| EVENT_FIELDS.iter().find(|(_, new)| *new == field).map(|(old, _)| *old))
}

fn rename(event: &Value, api_version: &str, name: impl Fn(&str) -> Option<&'static str>) -> Value {
    let fields = event.as_object().into_iter().flatten();
    let mut renamed: Value =
        fields.map(|(field, value)| (name(field).unwrap_or(field).to_owned(), value.clone())).collect();
    renamed["apiVersion"] = json!(api_version);
    renamed
}
