//! The fields of an object, in the order of their names.

use std::sync::Arc;

use super::{Json, SmolStr};

type Field = (SmolStr, Json);

/// Fields by their names. A list in order: objects have few fields, and a list is copied, compared and written in one go.
// Two copies of one list are found equal without a look: so `Arc` compares what is `Eq`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Map(Arc<Vec<Field>>);

impl Map {
    /// Without any field.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The field with this name.
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.place(name).map(|place| &self.0[place].1)
    }

    /// The field with this name, to be changed. Copies the fields, not what is in them, if another value shares them.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Json> {
        let place = self.place(name)?;
        Some(&mut self.fields()[place].1)
    }

    /// Sets a field; what it was before.
    pub fn insert(&mut self, name: impl Into<SmolStr>, value: Json) -> Option<Json> {
        let name = name.into();
        match self.place_to_be(&name) {
            Ok(place) => Some(std::mem::replace(&mut self.fields()[place].1, value)),
            Err(place) => {
                self.fields().insert(place, (name, value));
                None
            }
        }
    }

    /// Takes a field away; what it was.
    pub fn remove(&mut self, name: &str) -> Option<Json> {
        let place = self.place(name)?;
        Some(self.fields().remove(place).1)
    }

    /// The field with this name, null if it was not there.
    pub(crate) fn get_or_null(&mut self, name: &str) -> &mut Json {
        // It mostly is, and then its name need not be made.
        let place = self.place(name).unwrap_or_else(|| {
            let (Ok(place) | Err(place)) = self.place_to_be(name);
            self.fields().insert(place, (name.into(), Json::Null));
            place
        });
        &mut self.fields()[place].1
    }

    /// Keeps the fields for which this holds.
    pub fn retain(&mut self, keep: impl Fn(&str, &Json) -> bool) {
        if self.0.iter().any(|(name, value)| !keep(name, value)) {
            self.fields().retain(|(name, value)| keep(name, value));
        }
    }

    /// Names and values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&SmolStr, &Json)> + use<'_> {
        self.into_iter()
    }

    /// The names, in order.
    pub fn keys(&self) -> impl Iterator<Item = &SmolStr> + use<'_> {
        self.0.iter().map(|(name, _)| name)
    }

    pub(super) fn is_copy_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn fields(&mut self) -> &mut Vec<Field> {
        Arc::make_mut(&mut self.0)
    }

    /// One after the other: of a few names nearly all differ in length already.
    fn place(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|(known, _)| known.as_str() == name)
    }

    /// Where it is, or where it would be.
    fn place_to_be(&self, name: &str) -> Result<usize, usize> {
        match self.0.last() {
            // Most come in order.
            Some((last, _)) if last.as_str() < name => Err(self.0.len()),
            _ => self.0.binary_search_by(|(known, _)| known.as_str().cmp(name)),
        }
    }
}

impl<'a> IntoIterator for &'a Map {
    type Item = (&'a SmolStr, &'a Json);
    type IntoIter = std::iter::Map<std::slice::Iter<'a, Field>, fn(&'a Field) -> Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter().map(|(name, value)| (name, value))
    }
}

impl<N: Into<SmolStr>> FromIterator<(N, Json)> for Map {
    fn from_iter<I: IntoIterator<Item = (N, Json)>>(fields: I) -> Self {
        let fields = fields.into_iter();
        let mut map = Self(Arc::new(Vec::with_capacity(fields.size_hint().0)));
        for (name, value) in fields {
            map.insert(name, value);
        }
        map
    }
}
