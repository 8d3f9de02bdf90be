//! JSON as `kubectl get -o json` prints it, or as an API server answers: object by object, as they come.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::trim::{Keep, Trimmed, kept, trim};

/// Takes one object. What it says against it ends the reading.
pub(super) trait Take: FnMut(Value) -> Result<(), String> {}
impl<T: FnMut(Value) -> Result<(), String>> Take for T {}

/// One document: a list, whose items are taken one by one, or an object. Returns the token that the list goes on with.
pub(super) struct Document<'a, T>(pub(super) &'a mut T);

impl<'de, T: Take> DeserializeSeed<'de> for Document<'_, T> {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, T: Take> Visitor<'de> for Document<'_, T> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a Kubernetes object or a list of them")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut object = Object::default();
        let mut is_list = false;
        let mut goes_on = None;
        while let Some(key) = map.next_key::<String>()? {
            if key == "items" {
                is_list = true;
                // `PodList` has `Pod`s in it that do not say so when an API server sends them.
                let kind = object.kind.strip_suffix("List").filter(|kind| !kind.is_empty()).map(str::to_owned);
                map.next_value_seed(Items { take: &mut *self.0, kind })?;
            } else if key == "metadata" && object.kind.ends_with("List") {
                let metadata: Value = map.next_value()?;
                goes_on = metadata["continue"].as_str().filter(|token| !token.is_empty()).map(str::to_owned);
            } else {
                object.field(key, &mut map)?;
            }
        }
        if !is_list && !object.kind.ends_with("List") {
            (self.0)(object.finish()).map_err(A::Error::custom)?;
        }
        Ok(goes_on)
    }
}

struct Items<'a, T> {
    take: &'a mut T,
    kind: Option<String>,
}

impl<'de, T: Take> DeserializeSeed<'de> for Items<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Take> Visitor<'de> for Items<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of Kubernetes objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        while let Some(object) = sequence.next_element_seed(Item { kind: self.kind.as_deref() })? {
            (self.take)(object).map_err(A::Error::custom)?;
        }
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

struct Item<'a> {
    kind: Option<&'a str>,
}

impl<'de> DeserializeSeed<'de> for Item<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Item<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a Kubernetes object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut object = Object { kind: self.kind.unwrap_or_default().to_owned(), ..Object::default() };
        while let Some(key) = map.next_key::<String>()? {
            object.field(key, &mut map)?;
        }
        Ok(object.finish())
    }
}

/// An object on its way in.
#[derive(Default)]
struct Object {
    kind: String,
    fields: Map<String, Value>,
}

impl Object {
    fn field<'de, A: MapAccess<'de>>(&mut self, key: String, map: &mut A) -> Result<(), A::Error> {
        let keep = match &*self.kind {
            // kubectl and API servers say the kind before all that depends on it; others may not.
            "" => Some(Keep::All),
            kind => kept(kind, &key),
        };
        let Some(keep) = keep else { return map.next_value::<IgnoredAny>().map(drop) };
        let value = map.next_value_seed(Trimmed(keep))?;
        if let ("kind", Some(kind)) = (&*key, value.as_str()) {
            kind.clone_into(&mut self.kind);
        }
        self.fields.insert(key, value);
        Ok(())
    }

    fn finish(mut self) -> Value {
        let kind = std::mem::take(&mut self.kind);
        self.fields.retain(|key, value| {
            let keep = kept(&kind, key);
            if let Some(keep) = keep {
                trim(value, keep);
            }
            keep.is_some() && !value.is_null()
        });
        self.fields.insert("kind".to_owned(), kind.into());
        Value::Object(self.fields)
    }
}
