//! Shares equal values, because a hundred thousand pods repeat the same few thousand strings and container lists.

use std::collections::BTreeMap;
use std::hash::Hash;
use std::sync::Arc;

use ahash::{HashMap, HashMapExt, HashSet, HashSetExt};
use flippy_core::{Container, ImageRef, Labels};

/// Entries after which values that nobody else holds are dropped; doubled when that frees little.
const FIRST_SWEEP_AT: usize = 4096;

/// Different images after which those read so far are forgotten. A cluster runs a few thousand; a tenant may make up others.
const MOST_IMAGES: usize = 8192;
/// Longer texts are read each time, in bytes: a pod may name an image of a megabyte, and thousands of those would be kept.
const LONGEST_KEPT: usize = 512;

/// One per feed: nothing is shared between tasks, so nothing is locked.
#[derive(Debug)]
pub(crate) struct Interner {
    texts: Pool<str>,
    labels: Pool<BTreeMap<Arc<str>, Arc<str>>>,
    containers: Pool<[Container]>,
    /// By their text; none where that breaks the grammar.
    images: HashMap<Box<str>, Option<ImageRef>>,
}

#[derive(Debug)]
struct Pool<T: ?Sized> {
    values: HashSet<Arc<T>>,
    sweep_at: usize,
}

impl Interner {
    pub(crate) fn new() -> Self {
        Self { texts: Pool::new(), labels: Pool::new(), containers: Pool::new(), images: HashMap::new() }
    }

    pub(crate) fn text(&mut self, text: &str) -> Arc<str> {
        self.texts.share(text, |text| Arc::from(text))
    }

    pub(crate) fn labels(&mut self, labels: BTreeMap<String, String>) -> Labels {
        let labels = labels.into_iter().map(|(key, value)| (self.text(&key), self.text(&value))).collect();
        self.labels.share_owned(Arc::new(labels))
    }

    /// An image as it is written in a pod, if it is one. Each text is read once: thousands of pods run the same few images.
    pub(crate) fn image(&mut self, text: &str) -> Option<ImageRef> {
        if text.len() > LONGEST_KEPT {
            return ImageRef::parse(text).ok();
        }
        if let Some(known) = self.images.get(text) {
            return known.clone();
        }
        if self.images.len() >= MOST_IMAGES {
            self.images.clear();
        }
        let image = ImageRef::parse(text).ok();
        self.images.insert(text.into(), image.clone());
        image
    }

    pub(crate) fn containers(&mut self, containers: Vec<Container>) -> Arc<[Container]> {
        self.containers.share_owned(containers.into())
    }
}

impl<T: ?Sized + Hash + Eq> Pool<T> {
    fn new() -> Self {
        Self { values: HashSet::new(), sweep_at: FIRST_SWEEP_AT }
    }

    fn share(&mut self, value: &T, own: impl FnOnce(&T) -> Arc<T>) -> Arc<T> {
        match self.values.get(value) {
            Some(held) => held.clone(),
            None => self.insert(own(value)),
        }
    }

    fn share_owned(&mut self, value: Arc<T>) -> Arc<T> {
        match self.values.get(&value) {
            Some(held) => held.clone(),
            None => self.insert(value),
        }
    }

    fn insert(&mut self, value: Arc<T>) -> Arc<T> {
        if self.values.len() >= self.sweep_at {
            self.values.retain(|held| Arc::strong_count(held) > 1);
            self.sweep_at = FIRST_SWEEP_AT.max(self.values.len() * 2);
        }
        self.values.insert(value.clone());
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_are_held_once() {
        let mut interner = Interner::new();
        assert!(Arc::ptr_eq(&interner.text("istio-proxy"), &interner.text("istio-proxy")));
    }

    #[test]
    fn an_image_is_the_same_whenever_it_is_read() {
        let mut interner = Interner::new();
        let first = interner.image("istio/proxyv2:1.30.4");
        assert_eq!(first, ImageRef::parse("docker.io/istio/proxyv2:1.30.4").ok());
        assert_eq!(interner.image("istio/proxyv2:1.30.4"), first);
        assert_eq!((interner.image("Not An Image"), interner.image("Not An Image")), (None, None));
    }

    #[test]
    fn images_that_somebody_makes_up_do_not_pile_up() {
        let mut interner = Interner::new();
        for number in 0..=MOST_IMAGES {
            assert!(interner.image(&format!("app:{number}")).is_some());
        }
        assert!(interner.images.len() <= MOST_IMAGES);
        interner.images.clear();
        let long = format!("app:{}", "1".repeat(LONGEST_KEPT));
        assert_eq!(interner.image(&long), None, "it is none, and who says so");
        assert!(interner.images.is_empty());
    }

    #[test]
    fn values_that_nobody_holds_do_not_pile_up() {
        let mut interner = Interner::new();
        for number in 0..10 * FIRST_SWEEP_AT {
            interner.text(&number.to_string());
        }
        assert!(interner.texts.values.len() <= FIRST_SWEEP_AT);
    }
}
