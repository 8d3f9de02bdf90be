//! Mirrors: registries that hold copies of another one's images under another name.

use std::borrow::Cow;
use std::fmt;

use thiserror::Error;

use crate::image::{ImageRef, is_path_component, is_registry};

/// Mirrors of one policy: every comparison asks all of them.
pub const MAX_MIRRORS: usize = 32;

/// Where images live: a registry, or a part of one, for example `docker.io` or `docker.io/istio`.
///
/// It covers whole components only: `docker.io/istio` covers `docker.io/istio/proxyv2`, not `docker.io/istio-testing/x`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImagePrefix(Box<str>);

/// Why a text is no prefix of images.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is not a registry or a part of one: write its host and path without tag, for example docker.io/istio")]
pub struct PrefixParseError(pub String);

/// What counts as an image of another registry: what is pulled from `to` counts as pulled from `from`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// The origin.
    pub from: ImagePrefix,
    /// The mirror.
    pub to: ImagePrefix,
}

/// Mirrors that do not contradict each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mirrors(Vec<Mirror>);

/// Why mirrors make no sense. Positions count from 0.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MirrorError {
    /// Each image is compared with all of them.
    #[error("has {0} entries; write at most {MAX_MIRRORS}")]
    TooMany(usize),
    /// The mirror is within its origin, or the other way round: no name would be the last one.
    #[error("the mirror `{mirror}` and its origin `{origin}` overlap: name two registries or paths that do not")]
    Loop {
        /// Which one.
        position: usize,
        /// Its `to`.
        mirror: ImagePrefix,
        /// Its `from`.
        origin: ImagePrefix,
    },
    /// The origin is a mirror itself.
    #[error(
        "`{origin}` overlaps with the mirror `{mirror}` of another entry: name the registry that the images come from first"
    )]
    Chain {
        /// Which one.
        position: usize,
        /// Its `from`.
        origin: ImagePrefix,
        /// The `to` of the other one.
        mirror: ImagePrefix,
    },
    /// One mirror, two origins: an image in it would be two.
    #[error("`{mirror}` is named as the mirror of `{first}` and of `{second}`: it can stand for one of them only")]
    Ambiguous {
        /// Which one.
        position: usize,
        /// The `to` of both.
        mirror: ImagePrefix,
        /// The origin that is named first.
        first: ImagePrefix,
        /// The other one.
        second: ImagePrefix,
    },
}

impl ImagePrefix {
    /// Parses a registry with or without a path.
    ///
    /// # Errors
    /// When it does not begin with a registry's host, or holds a tag, a digest, or what no repository can hold. A path
    /// alone (`istio`) is refused too: it could be meant as a host.
    pub fn parse(text: &str) -> Result<Self, PrefixParseError> {
        let refused = || PrefixParseError(text.to_owned());
        let prefix = text.trim().trim_end_matches('/');
        let (registry, path) = prefix.split_once('/').map_or((prefix, None), |(registry, path)| (registry, Some(path)));
        let is_host = (registry.contains(['.', ':']) || registry == "localhost") && is_registry(registry);
        if !is_host || !path.is_none_or(|path| path.split('/').all(is_path_component)) {
            return Err(refused());
        }
        let prefix = match (registry, path) {
            ("index.docker.io", None) => "docker.io".to_owned(),
            ("index.docker.io", Some(path)) => format!("docker.io/{path}"),
            _ => prefix.to_owned(),
        };
        Ok(Self(prefix.into()))
    }

    /// What is left of a repository below this prefix; `None` when it is elsewhere.
    fn below<'a>(&self, repository: &'a str) -> Option<&'a str> {
        let rest = repository.strip_prefix(&*self.0)?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.below(&other.0).is_some() || other.below(&self.0).is_some()
    }
}

impl fmt::Display for ImagePrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl MirrorError {
    /// Which entry to correct, from 0; `None` when it is the list as a whole.
    pub fn position(&self) -> Option<usize> {
        match self {
            Self::TooMany(_) => None,
            Self::Loop { position, .. } | Self::Chain { position, .. } | Self::Ambiguous { position, .. } => {
                Some(*position)
            }
        }
    }
}

impl Mirrors {
    /// Checks that every image has one origin, whatever the order of the mirrors.
    ///
    /// # Errors
    /// When there are too many of them, or two contradict each other.
    pub fn new(mirrors: Vec<Mirror>) -> Result<Self, MirrorError> {
        if mirrors.len() > MAX_MIRRORS {
            return Err(MirrorError::TooMany(mirrors.len()));
        }
        // Before anything else: such an entry would seem to contradict all others.
        if let Some(position) = mirrors.iter().position(|one| one.from.overlaps(&one.to)) {
            let Mirror { from: origin, to: mirror } = mirrors[position].clone();
            return Err(MirrorError::Loop { position, mirror, origin });
        }
        for (position, one) in mirrors.iter().enumerate() {
            if let Some(other) = mirrors.iter().find(|other| one.from.overlaps(&other.to)) {
                let (origin, mirror) = (one.from.clone(), other.to.clone());
                return Err(MirrorError::Chain { position, origin, mirror });
            }
            if let Some(first) = mirrors[..position].iter().find(|first| first.to == one.to && first.from != one.from) {
                let (mirror, first, second) = (one.to.clone(), first.from.clone(), one.from.clone());
                return Err(MirrorError::Ambiguous { position, mirror, first, second });
            }
        }
        Ok(Self(mirrors))
    }

    /// The name of an image where it comes from. Tag and digest stay: a mirror never makes two versions equal.
    ///
    /// Of several mirrors that cover it, the most specific one counts.
    pub fn origin<'a>(&self, image: &'a ImageRef) -> Cow<'a, ImageRef> {
        let covering = self.0.iter().filter_map(|mirror| {
            let rest = mirror.to.below(image.repository())?;
            // A repository called like the mirror of a whole registry is none in it: nothing would be left of its path.
            let is_in_it = !rest.is_empty() || mirror.from.0.contains('/');
            is_in_it.then_some((mirror, rest))
        });
        match covering.min_by_key(|(_, rest)| rest.len()) {
            Some((mirror, rest)) => Cow::Owned(image.in_repository(&format!("{}{rest}", mirror.from))),
            None => Cow::Borrowed(image),
        }
    }
}
