//! A JSON value whose copies share what they have in common.
//!
//! Every version of every object is kept, for watches, for stale lists and for the history, and most versions differ from the
//! one before in a few fields. A copy costs nothing until it is changed, and then only along the path to the change; two values
//! that share a part are equal in it without a look. Otherwise it reads like `serde_json::Value`.

mod compare;
mod index;
mod map;
mod text;
mod to_json;

use ecow::EcoVec;
pub use map::Map;
use serde_json::Number;
pub use smol_str::SmolStr;
pub use to_json::ToJson;

/// A JSON value.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "named as in JSON")]
pub enum Json {
    #[default]
    Null,
    Bool(bool),
    Number(Number),
    String(SmolStr),
    Array(EcoVec<Json>),
    Object(Map),
}

/// What is read where there is nothing.
pub(crate) static NULL: Json = Json::Null;

impl Json {
    /// Whether there is nothing.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Whether it has fields, or could have some.
    pub fn is_object(&self) -> bool {
        matches!(self, Self::Object(_))
    }

    /// Whether it is a list.
    pub fn is_array(&self) -> bool {
        matches!(self, Self::Array(_))
    }

    /// Whether it is a text.
    pub fn is_string(&self) -> bool {
        matches!(self, Self::String(_))
    }

    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    /// A copy of the text, or an empty one.
    pub fn to_text(&self) -> SmolStr {
        if let Self::String(text) = self { text.clone() } else { SmolStr::default() }
    }

    /// The truth value, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(value) = self { Some(*value) } else { None }
    }

    /// The number, if it is a whole one that fits.
    pub fn as_i64(&self) -> Option<i64> {
        if let Self::Number(number) = self { number.as_i64() } else { None }
    }

    /// The number, if it is a whole one, not negative.
    pub fn as_u64(&self) -> Option<u64> {
        if let Self::Number(number) = self { number.as_u64() } else { None }
    }

    /// The items, if it is a list.
    pub fn as_array(&self) -> Option<&[Json]> {
        if let Self::Array(items) = self { Some(items) } else { None }
    }

    /// The items, each to be changed; none if it is no list. Copies the list, not the items, if another value shares it.
    pub fn items_mut(&mut self) -> &mut [Json] {
        if let Self::Array(items) = self { items.make_mut() } else { &mut [] }
    }

    /// The list, to be changed.
    pub fn as_array_mut(&mut self) -> Option<&mut EcoVec<Json>> {
        if let Self::Array(items) = self { Some(items) } else { None }
    }

    /// The fields, if it has some.
    pub fn as_object(&self) -> Option<&Map> {
        if let Self::Object(map) = self { Some(map) } else { None }
    }

    /// The fields, to be changed.
    pub fn as_object_mut(&mut self) -> Option<&mut Map> {
        if let Self::Object(map) = self { Some(map) } else { None }
    }

    /// Leaves null behind.
    #[must_use]
    pub fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    /// Whether both are lists or objects that share their memory: copies that neither side has changed. Equal ones need not;
    /// empty ones mostly do, having none.
    pub fn is_copy_of(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Object(one), Self::Object(other)) => one.is_copy_of(other),
            (Self::Array(one), Self::Array(other)) => std::ptr::eq(one.as_slice(), other.as_slice()),
            _ => false,
        }
    }
}

impl AsRef<Json> for Json {
    fn as_ref(&self) -> &Json {
        self
    }
}
