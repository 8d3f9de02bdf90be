//! Writing values: the macro `json!`, and what can stand in it.

use std::sync::Arc;

use serde_json::Value;

use super::{Json, Map, Number, SmolStr};

/// What can stand in [`json!`](crate::json!).
pub trait ToJson {
    /// The value; what is one already is copied, and shares all its parts.
    fn to_json(&self) -> Json;
}

impl<T: ToJson + ?Sized> ToJson for &T {
    fn to_json(&self) -> Json {
        (**self).to_json()
    }
}

impl ToJson for Json {
    fn to_json(&self) -> Json {
        self.clone()
    }
}

impl ToJson for Map {
    fn to_json(&self) -> Json {
        Json::Object(self.clone())
    }
}

impl ToJson for str {
    fn to_json(&self) -> Json {
        Json::String(self.into())
    }
}

impl ToJson for String {
    fn to_json(&self) -> Json {
        Json::String(self.into())
    }
}

impl ToJson for SmolStr {
    fn to_json(&self) -> Json {
        Json::String(self.clone())
    }
}

impl ToJson for Arc<str> {
    fn to_json(&self) -> Json {
        (**self).to_json()
    }
}

impl ToJson for bool {
    fn to_json(&self) -> Json {
        Json::Bool(*self)
    }
}

macro_rules! numbers {
    ($($number:ty)*) => {
        $(impl ToJson for $number {
            fn to_json(&self) -> Json {
                Json::Number((*self).into())
            }
        })*
    };
}

impl ToJson for f64 {
    fn to_json(&self) -> Json {
        Number::from_f64(*self).map_or(Json::Null, Json::Number)
    }
}

numbers! { i32 i64 u16 u32 u64 usize }

impl<T: ToJson> ToJson for Option<T> {
    fn to_json(&self) -> Json {
        self.as_ref().map_or(Json::Null, ToJson::to_json)
    }
}

impl<T: ToJson> ToJson for [T] {
    fn to_json(&self) -> Json {
        Json::Array(self.iter().map(ToJson::to_json).collect())
    }
}

impl<T: ToJson, const N: usize> ToJson for [T; N] {
    fn to_json(&self) -> Json {
        self.as_slice().to_json()
    }
}

impl<T: ToJson> ToJson for Vec<T> {
    fn to_json(&self) -> Json {
        self.as_slice().to_json()
    }
}

impl ToJson for Value {
    fn to_json(&self) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Bool(value) => Json::Bool(*value),
            Self::Number(number) => Json::Number(number.clone()),
            Self::String(text) => text.to_json(),
            Self::Array(items) => items.to_json(),
            Self::Object(fields) => {
                Json::Object(fields.iter().map(|(name, value)| (name.as_str(), value.to_json())).collect())
            }
        }
    }
}

impl From<Value> for Json {
    fn from(value: Value) -> Self {
        value.to_json()
    }
}

impl From<&Value> for Json {
    fn from(value: &Value) -> Self {
        value.to_json()
    }
}

impl From<&Json> for Value {
    fn from(json: &Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(number) => Self::Number(number.clone()),
            Json::String(text) => Self::String(text.to_string()),
            Json::Array(items) => Self::Array(items.iter().map(Self::from).collect()),
            Json::Object(map) => {
                Self::Object(map.iter().map(|(name, value)| (name.to_string(), Self::from(value))).collect())
            }
        }
    }
}

impl From<Json> for Value {
    fn from(json: Json) -> Self {
        Self::from(&json)
    }
}

impl From<Map> for Json {
    fn from(map: Map) -> Self {
        Self::Object(map)
    }
}

impl From<Vec<Json>> for Json {
    fn from(items: Vec<Json>) -> Self {
        Self::Array(items.into())
    }
}

/// A [`Json`] as one would write it. Names of fields are literals, or expressions in parentheses; what is named is not moved.
#[macro_export]
macro_rules! json {
    // What is made so far, and what is still to be read.
    (@fields [$($made:expr),*]) => { [$($made),*] };
    (@fields [$($made:expr),*] $name:tt : null $(, $($rest:tt)*)?) => {
        $crate::json!(@fields [$($made,)* ($crate::json!(@name $name), $crate::Json::Null)] $($($rest)*)?)
    };
    (@fields [$($made:expr),*] $name:tt : [$($item:tt)*] $(, $($rest:tt)*)?) => {
        $crate::json!(@fields [$($made,)* ($crate::json!(@name $name), $crate::json!([$($item)*]))] $($($rest)*)?)
    };
    (@fields [$($made:expr),*] $name:tt : {$($field:tt)*} $(, $($rest:tt)*)?) => {
        $crate::json!(@fields [$($made,)* ($crate::json!(@name $name), $crate::json!({$($field)*}))] $($($rest)*)?)
    };
    (@fields [$($made:expr),*] $name:tt : $value:expr $(, $($rest:tt)*)?) => {
        $crate::json!(@fields [$($made,)* ($crate::json!(@name $name), $crate::ToJson::to_json(&$value))] $($($rest)*)?)
    };
    (@name $name:literal) => { $crate::SmolStr::new_static($name) };
    (@name $name:expr) => { $crate::SmolStr::from($name) };
    (@items [$($made:expr),*]) => { ::std::vec![$($made),*] };
    (@items [$($made:expr),*] null $(, $($rest:tt)*)?) => {
        $crate::json!(@items [$($made,)* $crate::Json::Null] $($($rest)*)?)
    };
    (@items [$($made:expr),*] [$($item:tt)*] $(, $($rest:tt)*)?) => {
        $crate::json!(@items [$($made,)* $crate::json!([$($item)*])] $($($rest)*)?)
    };
    (@items [$($made:expr),*] {$($field:tt)*} $(, $($rest:tt)*)?) => {
        $crate::json!(@items [$($made,)* $crate::json!({$($field)*})] $($($rest)*)?)
    };
    (@items [$($made:expr),*] $value:expr $(, $($rest:tt)*)?) => {
        $crate::json!(@items [$($made,)* $crate::ToJson::to_json(&$value)] $($($rest)*)?)
    };
    (null) => { $crate::Json::Null };
    ([]) => { $crate::Json::Array(::std::default::Default::default()) };
    ([$($item:tt)*]) => { $crate::Json::from($crate::json!(@items [] $($item)*)) };
    ({}) => { $crate::Json::Object($crate::Map::new()) };
    ({$($field:tt)*}) => { $crate::Json::Object($crate::Map::from_iter($crate::json!(@fields [] $($field)*))) };
    ($value:expr) => { $crate::ToJson::to_json(&$value) };
}
