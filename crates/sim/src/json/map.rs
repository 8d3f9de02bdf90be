//! The fields of an object, in the order of their names.

use ecow::EcoVec;

use super::{Json, SmolStr};

/// A name and what it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    head: Head,
    name: SmolStr,
    value: Json,
}

/// The first eight bytes of a name, by which nearly all names of an object differ: a field is found without a look at any
/// name but its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Head(u64);

/// Fields by their names. A list in order: objects have few fields, and a list is copied, compared and written in one go.
#[derive(Debug, Clone, Default)]
pub struct Map(EcoVec<Field>);

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
        self.place(name).map(|place| &self.0[place].value)
    }

    /// The field with this name, to be changed. Copies the fields, not what is in them, if another value shares them.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Json> {
        let place = self.place(name)?;
        Some(self.value_at(place))
    }

    /// Sets a field; what it was before.
    pub fn insert(&mut self, name: impl Into<SmolStr>, value: Json) -> Option<Json> {
        let name = name.into();
        match self.place_to_be(&name) {
            Ok(place) => Some(std::mem::replace(self.value_at(place), value)),
            Err(place) => {
                self.0.insert(place, Field { head: Head::of(&name), name, value });
                None
            }
        }
    }

    /// Takes a field away; what it was.
    pub fn remove(&mut self, name: &str) -> Option<Json> {
        let place = self.place(name)?;
        Some(self.0.remove(place).value)
    }

    /// The field with this name, null if it was not there.
    pub(crate) fn get_or_null(&mut self, name: &str) -> &mut Json {
        // It mostly is, and then its name need not be made.
        let place = self.place(name).unwrap_or_else(|| {
            let (Ok(place) | Err(place)) = self.place_to_be(name);
            self.0.insert(place, Field { head: Head::of(name), name: name.into(), value: Json::Null });
            place
        });
        self.value_at(place)
    }

    /// Keeps the fields for which this holds.
    pub fn retain(&mut self, keep: impl Fn(&str, &Json) -> bool) {
        if self.0.iter().any(|field| !keep(&field.name, &field.value)) {
            self.0.retain(|field| keep(&field.name, &field.value));
        }
    }

    /// Names and values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&SmolStr, &Json)> + use<'_> {
        self.into_iter()
    }

    /// The names, in order.
    pub fn keys(&self) -> impl Iterator<Item = &SmolStr> + use<'_> {
        self.0.iter().map(|field| &field.name)
    }

    pub(super) fn is_copy_of(&self, other: &Self) -> bool {
        std::ptr::eq(self.0.as_slice(), other.0.as_slice())
    }

    fn value_at(&mut self, place: usize) -> &mut Json {
        &mut self.0.make_mut()[place].value
    }

    fn place(&self, name: &str) -> Option<usize> {
        let head = Head::of(name);
        self.0.iter().position(|field| field.head == head && field.name.as_str() == name)
    }

    /// Where it is, or where it would be.
    fn place_to_be(&self, name: &str) -> Result<usize, usize> {
        let head = Head::of(name);
        let compare = |field: &Field| field.head.cmp(&head).then_with(|| field.name.as_str().cmp(name));
        match self.0.last() {
            // Most come in order.
            Some(last) if compare(last).is_lt() => Err(self.0.len()),
            _ => self.0.binary_search_by(compare),
        }
    }
}

impl Head {
    /// Heads are in the order of their names, where they differ.
    fn of(name: &str) -> Self {
        let name = name.as_bytes();
        Self(match (name.first_chunk(), name.first_chunk(), name.last_chunk()) {
            (Some(eight), ..) => u64::from_be_bytes(*eight),
            (None, Some(first), Some(last)) => {
                // The last four overlap the first four, and what is in both comes to the same place.
                let last = u64::from(u32::from_be_bytes(*last)) << (8 * (8 - name.len()));
                u64::from(u32::from_be_bytes(*first)) << 32 | last
            }
            _ => name.iter().rev().fold(0, |head, byte| head >> 8 | u64::from(*byte) << 56),
        })
    }
}

/// Two copies of one list are found equal without a look.
impl PartialEq for Map {
    fn eq(&self, other: &Self) -> bool {
        self.is_copy_of(other) || self.0 == other.0
    }
}

impl Eq for Map {}

impl<'a> IntoIterator for &'a Map {
    type Item = (&'a SmolStr, &'a Json);
    type IntoIter = std::iter::Map<std::slice::Iter<'a, Field>, fn(&'a Field) -> Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter().map(|field| (&field.name, &field.value))
    }
}

impl<N: Into<SmolStr>> FromIterator<(N, Json)> for Map {
    fn from_iter<I: IntoIterator<Item = (N, Json)>>(fields: I) -> Self {
        let fields = fields.into_iter();
        let mut map = Self(EcoVec::with_capacity(fields.size_hint().0));
        for (name, value) in fields {
            map.insert(name, value);
        }
        map
    }
}
