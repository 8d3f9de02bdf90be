//! `object["metadata"]["name"]`: null where there is nothing, and written where there was nothing.

use std::ops::{Index, IndexMut};

use super::{Json, Map, NULL, SmolStr};

/// A step into a value: the name of a field, or a place in a list.
pub trait Step {
    /// What is there.
    fn find_in<'a>(&self, value: &'a Json) -> Option<&'a Json>;
    /// What is there, to be changed.
    fn find_in_mut<'a>(&self, value: &'a mut Json) -> Option<&'a mut Json>;
    /// What is there, made if there was nothing.
    fn make_in<'a>(&self, value: &'a mut Json) -> &'a mut Json;
}

impl Step for str {
    fn find_in<'a>(&self, value: &'a Json) -> Option<&'a Json> {
        value.as_object()?.get(self)
    }

    fn find_in_mut<'a>(&self, value: &'a mut Json) -> Option<&'a mut Json> {
        value.as_object_mut()?.get_mut(self)
    }

    fn make_in<'a>(&self, value: &'a mut Json) -> &'a mut Json {
        if value.is_null() {
            *value = Json::Object(Map::new());
        }
        let Json::Object(map) = value else { panic!("`{self}` of something that is no object") };
        map.get_or_null(self)
    }
}

impl Step for usize {
    fn find_in<'a>(&self, value: &'a Json) -> Option<&'a Json> {
        value.as_array()?.get(*self)
    }

    fn find_in_mut<'a>(&self, value: &'a mut Json) -> Option<&'a mut Json> {
        value.as_array_mut()?.make_mut().get_mut(*self)
    }

    fn make_in<'a>(&self, value: &'a mut Json) -> &'a mut Json {
        let Json::Array(items) = value else { panic!("item {self} of something that is no list") };
        &mut items.make_mut()[*self]
    }
}

macro_rules! texts {
    ($($text:ty)*) => {
        $(impl Step for $text {
            fn find_in<'a>(&self, value: &'a Json) -> Option<&'a Json> {
                self.as_str().find_in(value)
            }

            fn find_in_mut<'a>(&self, value: &'a mut Json) -> Option<&'a mut Json> {
                self.as_str().find_in_mut(value)
            }

            fn make_in<'a>(&self, value: &'a mut Json) -> &'a mut Json {
                self.as_str().make_in(value)
            }
        })*
    };
}

texts! { String SmolStr }

impl<S: Step + ?Sized> Step for &S {
    fn find_in<'a>(&self, value: &'a Json) -> Option<&'a Json> {
        (**self).find_in(value)
    }

    fn find_in_mut<'a>(&self, value: &'a mut Json) -> Option<&'a mut Json> {
        (**self).find_in_mut(value)
    }

    fn make_in<'a>(&self, value: &'a mut Json) -> &'a mut Json {
        (**self).make_in(value)
    }
}

impl Json {
    /// What is one step further in.
    pub fn get(&self, step: impl Step) -> Option<&Json> {
        step.find_in(self)
    }

    /// What is one step further in, to be changed.
    pub fn get_mut(&mut self, step: impl Step) -> Option<&mut Json> {
        step.find_in_mut(self)
    }
}

impl<S: Step> Index<S> for Json {
    type Output = Json;

    fn index(&self, step: S) -> &Json {
        step.find_in(self).unwrap_or(&NULL)
    }
}

impl<S: Step> IndexMut<S> for Json {
    fn index_mut(&mut self, step: S) -> &mut Json {
        step.make_in(self)
    }
}
