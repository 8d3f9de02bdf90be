//! The images that a policy wants, as one set with a stable hash.

use std::collections::BTreeSet;

use ahash::{HashSet, HashSetExt};
use sha2::{Digest, Sha256};

use crate::image::ImageRef;
use crate::mirror::Mirrors;
use crate::pod::Container;

/// Enough of a SHA-256 to tell image sets apart, short enough for people to compare by eye.
const HASH_LENGTH: usize = 12;

/// The images a policy wants. Order and spelling do not matter: two sets that accept the same images
/// have the same [`hash`](DesiredImages::hash).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredImages {
    images: BTreeSet<ImageRef>,
    digests: HashSet<Box<str>>,
    hash: Box<str>,
    mirrors: Mirrors,
    /// The images by the name that they have where they come from.
    origins: BTreeSet<ImageRef>,
}

impl DesiredImages {
    /// Collects references into a set.
    pub fn new(images: impl IntoIterator<Item = ImageRef>) -> Self {
        let images: BTreeSet<ImageRef> = images.into_iter().collect();
        let mut digests = HashSet::new();
        for image in &images {
            digests.extend(image.digest().map(Box::from));
        }
        let hash = hash_of(images.iter().map(ToString::to_string));
        Self { origins: images.clone(), images, digests, hash, mirrors: Mirrors::default() }
    }

    /// The same images, compared with mirrors in mind. The hash stays: whatever is pulled from where, the same is wanted.
    #[must_use]
    pub fn with_mirrors(self, mirrors: Mirrors) -> Self {
        let origins = self.images.iter().map(|image| mirrors.origin(image).into_owned()).collect();
        Self { mirrors, origins, ..self }
    }

    /// The same images, compared with the mirrors of another set in mind.
    #[must_use]
    pub(crate) fn with_mirrors_of(self, other: &Self) -> Self {
        self.with_mirrors(other.mirrors.clone())
    }

    /// These images and more, with the same mirrors.
    #[must_use]
    pub fn and(&self, more: impl IntoIterator<Item = ImageRef>) -> Self {
        Self::new(self.images.iter().cloned().chain(more)).with_mirrors(self.mirrors.clone())
    }

    /// Whether nothing is wanted. A policy without images restarts nothing.
    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }

    /// The references in canonical order.
    pub fn iter(&self) -> impl Iterator<Item = &ImageRef> {
        self.images.iter()
    }

    /// Names this set in restart tokens. Lower-case hexadecimal.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Whether a container runs a wanted image.
    ///
    /// What the pod's *spec* says decides. When that is not in the set, the container's status may still prove
    /// it equal: the kubelet reports another name of the same image (k/k#51017), or a digest that is wanted.
    pub fn accepts(&self, container: &Container) -> bool {
        self.accepts_reference(container.image.as_ref())
            || self.accepts_reference(container.running_image.as_ref())
            || container.running_digest.as_ref().is_some_and(|digest| self.digests.contains(digest.as_ref()))
    }

    /// Whether nobody can tell yet: a digest is wanted, the pod names its image by a tag, and which digest that stands for
    /// is known once the kubelet has pulled it.
    pub(crate) fn may_accept(&self, container: &Container) -> bool {
        container.running_digest.is_none()
            && container.image.as_ref().is_some_and(|image| {
                let origin = self.mirrors.origin(image);
                image.digest().is_none()
                    && self.origins.iter().any(|one| one.digest().is_some() && one.may_be_same_image(&origin))
            })
    }

    /// Whether no image satisfies both sets. A mirror that one of the two knows makes an image satisfy it under both names.
    pub fn excludes(&self, other: &Self) -> bool {
        let agree = |mirrors: &Mirrors, one: &ImageRef, another: &ImageRef| {
            mirrors.origin(one).may_be_same_image(&mirrors.origin(another))
        };
        let meet = |one| {
            other.images.iter().any(|another| agree(&self.mirrors, one, another) || agree(&other.mirrors, one, another))
        };
        !self.images.iter().any(meet)
    }

    fn accepts_reference(&self, image: Option<&ImageRef>) -> bool {
        let Some(image) = image else { return false };
        let origin = self.mirrors.origin(image);
        self.origins.contains(&*origin) || self.origins.iter().any(|one| one.is_same_image(&origin))
    }
}

/// A short stable name for a set of lines, independent of process, platform and order of insertion.
pub(crate) fn hash_of(lines: impl Iterator<Item = String>) -> Box<str> {
    let mut hasher = Sha256::new();
    for line in lines {
        hasher.update(line.as_bytes());
        hasher.update(b"\n");
    }
    let digest = hasher.finalize();
    let nibbles = digest.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    nibbles.take(HASH_LENGTH).filter_map(|nibble| char::from_digit(nibble.into(), 16)).collect::<String>().into()
}
