//! A fingerprint of what is not kept: equal documents have equal ones, whatever the order of their fields.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// Made while a document is parsed, so that nothing of it is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fingerprint(pub(crate) u64);

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

impl Fingerprint {
    /// Whoever can write two objects with the same fingerprint misleads nobody but themselves.
    pub(crate) fn of(value: impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        Self(hasher.finish())
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Fingerprint;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Fingerprint, E> {
        Ok(Fingerprint::of(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Fingerprint, E> {
        Ok(Fingerprint::of(i128::from(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Fingerprint, E> {
        Ok(Fingerprint::of(i128::from(value)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Fingerprint, E> {
        Ok(Fingerprint::of(value.to_bits()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Fingerprint, E> {
        Ok(Fingerprint::of(value))
    }

    fn visit_unit<E>(self) -> Result<Fingerprint, E> {
        Ok(Fingerprint::of(()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Fingerprint, A::Error> {
        let mut hasher = DefaultHasher::new();
        while let Some(Fingerprint(item)) = items.next_element()? {
            item.hash(&mut hasher);
        }
        Ok(Fingerprint::of(("list", hasher.finish())))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Fingerprint, A::Error> {
        let mut sum = 0_u64;
        while let Some((Fingerprint(key), Fingerprint(value))) = fields.next_entry()? {
            sum = sum.wrapping_add(Fingerprint::of((key, value)).0);
        }
        Ok(Fingerprint::of(("fields", sum)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(json: &str) -> Fingerprint {
        serde_json::from_str(json).expect("it is JSON")
    }

    #[test]
    fn the_order_of_fields_does_not_matter_and_that_of_a_list_does() {
        assert_eq!(fingerprint(r#"{"a": 1, "b": [1, 2]}"#), fingerprint(r#"{"b": [1, 2], "a": 1}"#));
        assert_ne!(fingerprint(r#"{"a": 1, "b": [1, 2]}"#), fingerprint(r#"{"a": 1, "b": [2, 1]}"#));
    }

    #[test]
    fn every_change_shows() {
        let documents = [
            r"{}",
            r"[]",
            r"null",
            r#"{"a": null}"#,
            r#"{"a": {}}"#,
            r#"{"a": []}"#,
            r#"{"a": "1"}"#,
            r#"{"a": 1}"#,
            r#"{"a": -1}"#,
            r#"{"a": 1.5}"#,
            r#"{"a": true}"#,
            r#"{"b": true}"#,
            r#"{"a": [true]}"#,
            r#"{"a": {"a": 1}}"#,
        ];
        let all: std::collections::BTreeSet<u64> = documents.iter().map(|document| fingerprint(document).0).collect();
        assert_eq!(all.len(), documents.len());
    }

    #[test]
    fn a_document_has_the_same_one_as_text_and_as_a_value() {
        let text = r#"{"containers": [{"name": "app", "ports": [{"containerPort": 80}], "x": -1.5}], "y": null}"#;
        let value: serde_json::Value = serde_json::from_str(text).expect("it is JSON");
        assert_eq!(Fingerprint::deserialize(&value).expect("it is read"), fingerprint(text));
    }
}
