//! How objects look on the wire.

use crate::{Json, Map, json};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::request::Show;
use crate::resources::Resource;
use crate::text::Text;

/// The form a client asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Form {
    pub(crate) resource: Resource,
    pub(crate) show: Show,
    /// Events the `events.k8s.io/v1` way.
    pub(crate) new_events: bool,
}

impl Form {
    fn is_as_stored(self) -> bool {
        self.show == Show::Whole && !self.new_events
    }
}

/// An object in that form. Borrows: large lists are written without copying any object.
pub(crate) struct Presented<'a> {
    pub(crate) object: &'a Json,
    pub(crate) form: Form,
    /// Items of lists of built-in kinds carry no type.
    pub(crate) typeless: bool,
}

impl Presented<'_> {
    /// Writes it, using the text of the object if there is one and it looks the same.
    pub(crate) fn write(&self, out: &mut Vec<u8>, text: Option<&Text>) {
        let text = text.filter(|_| self.form.is_as_stored()).map(|text| text.of(self.object));
        let known = if self.typeless { text.and_then(|text| self.without_type(text)) } else { text };
        match known {
            Some(known) => {
                if self.typeless {
                    out.push(b'{');
                }
                out.extend_from_slice(known);
            }
            None => serde_json::to_writer(out, self).expect("JSON values always serialise into memory"),
        }
    }

    /// What follows the type in a text that begins with it, as those do that have no field between the two.
    fn without_type<'a>(&self, text: &'a [u8]) -> Option<&'a [u8]> {
        let (version, kind) = (self.form.resource.api_version(), self.form.resource.kind());
        text.strip_prefix(format!("{{\"apiVersion\":\"{version}\",\"kind\":\"{kind}\",").as_bytes())
    }
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

pub(crate) fn to_new_event(event: &Json) -> Json {
    rename(event, "events.k8s.io/v1", |field| EVENT_FIELDS.iter().find(|(old, _)| *old == field).map(|(_, new)| *new))
}

pub(crate) fn from_new_event(event: &Json) -> Json {
    rename(event, "v1", |field| EVENT_FIELDS.iter().find(|(_, new)| *new == field).map(|(old, _)| *old))
}

fn rename(event: &Json, api_version: &str, name: impl Fn(&str) -> Option<&'static str>) -> Json {
    let fields = event.as_object().into_iter().flatten();
    let renamed: Map = fields.map(|(field, value)| (name(field).unwrap_or(field), value.clone())).collect();
    let mut renamed = Json::Object(renamed);
    renamed["apiVersion"] = json!(api_version);
    renamed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_looks_the_same_with_and_without_a_text_at_hand() {
        let typed = |resource: Resource, fields: &Json| {
            let mut object = json!({"apiVersion": resource.api_version(), "kind": resource.kind()});
            for (field, value) in fields.as_object().into_iter().flatten() {
                object[field] = value.clone();
            }
            object
        };
        let metadata = json!({"name": "a", "namespace": "shop", "annotations": {"said": "\"{\u{fc}}\""}});
        let objects = [
            (Resource::Pods, typed(Resource::Pods, &json!({"metadata": metadata, "spec": {"containers": []}}))),
            // One of its fields comes between the two that are the type.
            (Resource::ConfigMaps, typed(Resource::ConfigMaps, &json!({"metadata": metadata, "data": {"key": "1"}}))),
            (Resource::Events, typed(Resource::Events, &json!({"metadata": metadata, "count": 3, "message": "so"}))),
            (Resource::Pods, json!({"metadata": metadata})),
        ];
        for (resource, object) in &objects {
            for (show, new_events, typeless) in [
                (Show::Whole, false, false),
                (Show::Whole, false, true),
                (Show::Whole, true, true),
                (Show::Metadata, false, true),
            ] {
                let form = Form { resource: *resource, show, new_events };
                let written = |text: Option<&Text>| {
                    let mut out = Vec::new();
                    Presented { object, form, typeless }.write(&mut out, text);
                    String::from_utf8(out).expect("JSON is UTF-8")
                };
                assert_eq!(written(Some(&Text::default())), written(None), "{form:?}, typeless: {typeless}");
            }
        }
    }
}
