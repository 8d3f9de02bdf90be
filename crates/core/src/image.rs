//! An image reference as Kubernetes users write it, and its one canonical form.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

const DEFAULT_REGISTRY: &str = "docker.io";
const DEFAULT_NAMESPACE: &str = "library";
const DEFAULT_TAG: &str = "latest";
/// Longer than any reference a registry accepts (255 for the name, 128 for the tag, 135 for a SHA-512 digest).
const MAX_LENGTH: usize = 1024;

/// A parsed and normalised image reference.
///
/// `istio/proxyv2:1.30.4` and `docker.io/istio/proxyv2:1.30.4` are equal; `nginx` is
/// `docker.io/library/nginx:latest`. A reference with a digest keeps its tag for display only:
/// see [`ImageRef::is_same_image`]. The rules are those of the container runtimes
/// (`distribution/reference`, `ParseNormalizedNamed`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageRef {
    repository: Arc<str>,
    tag: Option<Arc<str>>,
    digest: Option<Arc<str>>,
}

/// Why a text is not an image reference.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ImageParseError {
    /// Nothing, or only white space.
    #[error("the image reference is empty")]
    Empty,
    /// No registry would accept it.
    #[error("the image reference is longer than {MAX_LENGTH} characters")]
    TooLong,
    /// The part before the tag or digest breaks the grammar.
    #[error("`{0}` is not a valid repository: use lower-case letters, digits and . _ - between slashes")]
    Repository(String),
    /// The part after the last colon breaks the grammar.
    #[error("`{0}` is not a valid tag: use up to 128 letters, digits and . _ -")]
    Tag(String),
    /// The part after `@` breaks the grammar.
    #[error("`{0}` is not a valid digest: write sha256: and 64 hexadecimal digits")]
    Digest(String),
}

impl ImageRef {
    /// Parses what a user, a pod spec or a container status writes.
    ///
    /// The transport prefixes that old runtimes put in a status (`docker-pullable://`) are accepted.
    ///
    /// # Errors
    /// When the text breaks the grammar of image references; the message says which part.
    pub fn parse(text: &str) -> Result<Self, ImageParseError> {
        let text = text.trim();
        let text = text.split_once("://").map_or(text, |(_, rest)| rest);
        if text.is_empty() {
            return Err(ImageParseError::Empty);
        }
        if text.len() > MAX_LENGTH {
            return Err(ImageParseError::TooLong);
        }
        // What a runtime reports for an image without a name; read as a name it would be the repository `sha256`.
        if is_digest(text) {
            return Err(ImageParseError::Repository(text.to_owned()));
        }
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (text, None),
        };
        if let Some(digest) = digest.filter(|digest| !is_digest(digest)) {
            return Err(ImageParseError::Digest(digest.to_owned()));
        }
        // A colon before the last slash belongs to a registry's port.
        let path_start = name.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match name[path_start..].find(':') {
            Some(colon) => (&name[..path_start + colon], Some(&name[path_start + colon + 1..])),
            None => (name, None),
        };
        if let Some(tag) = tag.filter(|tag| !is_tag(tag)) {
            return Err(ImageParseError::Tag(tag.to_owned()));
        }
        let repository = normalise_repository(name).ok_or_else(|| ImageParseError::Repository(name.to_owned()))?;
        let tag = tag.or(if digest.is_none() { Some(DEFAULT_TAG) } else { None });
        Ok(Self { repository: repository.into(), tag: tag.map(Into::into), digest: digest.map(Into::into) })
    }

    /// Registry and path, for example `docker.io/istio/proxyv2`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag; absent only when a digest stands alone.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest with its algorithm, for example `sha256:…`.
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// Whether running `actual` satisfies somebody who asked for `self`.
    ///
    /// Asked for by digest, only that digest will do. Asked for by tag, that tag will do, also when the
    /// pod pins it further with a digest.
    pub fn is_same_image(&self, actual: &Self) -> bool {
        self.repository == actual.repository
            && match &self.digest {
                Some(digest) => actual.digest.as_ref() == Some(digest),
                None => self.tag == actual.tag,
            }
    }

    /// The same tag and digest in another repository. What is no repository changes nothing.
    pub(crate) fn in_repository(&self, repository: &str) -> Self {
        let repository = normalise_repository(repository).map_or_else(|| self.repository.clone(), Arc::from);
        Self { repository, tag: self.tag.clone(), digest: self.digest.clone() }
    }

    /// Whether one image can satisfy both: a tag and a digest may well name the same one.
    pub(crate) fn may_be_same_image(&self, other: &Self) -> bool {
        let agree =
            |one: &Option<Arc<str>>, another: &Option<Arc<str>>| one.is_none() || another.is_none() || one == another;
        let by_digest = self.digest.is_some() && other.digest.is_some();
        self.repository == other.repository
            && if by_digest { self.digest == other.digest } else { agree(&self.tag, &other.tag) }
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

fn normalise_repository(name: &str) -> Option<String> {
    // The first component is a registry only if it looks like a host: `istio/proxyv2` has none.
    let (registry, path) = match name.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
        _ => (DEFAULT_REGISTRY, name),
    };
    // The old name of Docker Hub; container runtimes rewrite it too.
    let registry = if registry == "index.docker.io" { DEFAULT_REGISTRY } else { registry };
    if !is_registry(registry) || path.is_empty() || !path.split('/').all(is_path_component) {
        return None;
    }
    let namespace = if registry == DEFAULT_REGISTRY && !path.contains('/') {
        format!("{DEFAULT_NAMESPACE}/")
    } else {
        String::new()
    };
    Some(format!("{registry}/{namespace}{path}"))
}

pub(crate) fn is_registry(registry: &str) -> bool {
    let (host, port) = match registry.rsplit_once(':') {
        // An IPv6 address keeps its colons inside brackets.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (registry, None),
    };
    let host_ok = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => !address.is_empty() && address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':'),
        None => host.split('.').all(|label| {
            !label.is_empty()
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        }),
    };
    host_ok && port.is_none_or(|port| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok())
}

/// Lower-case letters and digits, separated by one `.`, one or two `_`, or any number of `-`.
pub(crate) fn is_path_component(component: &str) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = component.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    alphanumeric(*first)
        && alphanumeric(*last)
        && bytes
            .split(|b| alphanumeric(*b))
            .all(|gap| matches!(gap, b"" | b"." | b"_" | b"__") || gap.iter().all(|b| *b == b'-'))
}

fn is_tag(tag: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    tag.len() <= 128 && tag.bytes().next().is_some_and(word) && tag.bytes().all(|b| word(b) || b == b'.' || b == b'-')
}

fn is_digest(digest: &str) -> bool {
    let lower_hex = |hex: &str| hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    match digest.split_once(':') {
        Some(("sha256", hex)) => hex.len() == 64 && lower_hex(hex),
        Some(("sha512", hex)) => hex.len() == 128 && lower_hex(hex),
        _ => false,
    }
}
