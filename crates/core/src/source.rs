//! Sources: where wanted images are kept outside of the config, and what becomes of a policy when one is not there.

use std::fmt;
use std::sync::Arc;

use crate::desired::DesiredImages;
use crate::image::ImageRef;
use crate::policy::Policy;
use crate::template::Template;

/// Images that all sources of one policy may name: each pass compares with all of them.
pub const MAX_SOURCE_IMAGES: usize = 256;

/// One place where images are named.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImageSource {
    /// The object.
    pub config_map: ConfigMapName,
    /// What of it.
    pub part: SourcePart,
}

/// Names a `ConfigMap`, which may not exist.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConfigMapName {
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

/// Which part of a `ConfigMap`, and how it is read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourcePart {
    /// The key in `data`.
    pub key: Arc<str>,
    /// Makes an image of the key's document. Without it, the key's text is a list of images.
    pub template: Option<Template>,
}

impl fmt::Display for ConfigMapName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConfigMap {}/{}", self.namespace, self.name)
    }
}

impl fmt::Display for ImageSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, key {}", self.config_map, self.part.key)
    }
}

impl Policy {
    /// This policy with the images of its sources. `answer` says what one source names, or why nobody knows.
    ///
    /// When one does not answer, `before` is wanted on: what its sources and its list named together when all answered
    /// last. Nothing starts then. The images of the others alone would be another set: everything that runs an image of the
    /// missing source would look stale, and what is under way would look like something else.
    #[must_use]
    pub fn joined<'a>(
        &self,
        answer: impl Fn(&ImageSource) -> Result<&'a [ImageRef], String>,
        before: Option<&DesiredImages>,
    ) -> Self {
        let mut more: Vec<ImageRef> = Vec::new();
        let mut unavailable = None;
        for source in &self.image_sources {
            match answer(source) {
                Ok(images) => more.extend(images.iter().cloned()),
                Err(why) => {
                    unavailable.get_or_insert_with(|| format!("{source}: {why}"));
                }
            }
        }
        more.sort_unstable();
        more.dedup();
        if more.len() > MAX_SOURCE_IMAGES {
            let why =
                format!("spec.ImageSources name {} images; at most {MAX_SOURCE_IMAGES} may be wanted", more.len());
            unavailable.get_or_insert(why);
        }
        let mut policy = self.clone();
        policy.images = match (&unavailable, before) {
            (None, _) => self.images.and(more),
            (Some(_), Some(before)) => before.clone().with_mirrors_of(&self.images),
            (Some(_), None) => DesiredImages::new([]),
        };
        policy.source_unavailable = unavailable.map(Into::into);
        policy
    }

    /// Whether its images are known: those that are wanted now, or, while a source is missing, those that were wanted last.
    /// If not, nothing can be said of any workload.
    pub fn knows_images(&self) -> bool {
        self.source_unavailable.is_none() || !self.images.is_empty()
    }
}
