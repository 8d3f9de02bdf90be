//! Kinds of workload that Flippy does not know: a config names them with their API version.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Mutex, PoisonError};

use thiserror::Error;

use crate::workload::Kind;

/// A kind of a custom resource, such as `apps.kruise.io/v1alpha1` `CloneSet`.
///
/// A group has one kind of a name: the version only says how it is read, so two that differ in nothing else are equal, and no
/// object is ever two workloads. It is a handle to names that are kept for as long as the process lives, so that it is as
/// cheap as every other kind.
#[derive(Clone, Copy)]
pub struct CustomKind(&'static Names);

#[derive(PartialEq, Eq)]
struct Names {
    group: String,
    version: String,
    kind: String,
    /// `Kind.group`, as kubectl takes it.
    text: String,
}

/// Why no kind can be made of a `Type` and an `ApiVersion`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CustomKindError {
    /// The version is none.
    #[error("`{0}` is no API version: write GROUP/VERSION, for example apps.kruise.io/v1alpha1")]
    ApiVersion(String),
    /// The kind is none.
    #[error("`{0}` is no kind: write it as its definition spells it, for example CloneSet")]
    Kind(String),
    /// Kubernetes itself, or Argo Rollouts, serves it in another version.
    #[error("{kind} is not read in {found}: leave ApiVersion out, or write {wanted}")]
    OtherVersion {
        /// A kind that Flippy knows.
        kind: Kind,
        /// What was written.
        found: String,
        /// What to write.
        wanted: &'static str,
    },
    /// It is a kind of Kubernetes itself.
    #[error(
        "{kind} of {api_version} is no custom resource, whose group has a dot, and no kind that can be restarted: write \
         Deployment, StatefulSet, DaemonSet, ArgoRollout, ReplicaSet or ReplicationController without ApiVersion"
    )]
    NoCustomResource {
        /// What was written.
        kind: String,
        /// What was written.
        api_version: String,
    },
    /// There are too many.
    #[error(
        "it is one kind too many: this Flippy has seen {} custom kinds since it started; name fewer, and start it anew",
        CustomKind::MAX
    )]
    TooMany,
}

/// Kinds that Flippy knows, by API version and the word that a definition has for them.
const KNOWN: [(&str, &str, &str, Kind); 7] = [
    ("apps", "apps/v1", "Deployment", Kind::Deployment),
    ("apps", "apps/v1", "StatefulSet", Kind::StatefulSet),
    ("apps", "apps/v1", "DaemonSet", Kind::DaemonSet),
    ("apps", "apps/v1", "ReplicaSet", Kind::ReplicaSet),
    ("", "v1", "ReplicationController", Kind::ReplicationController),
    ("argoproj.io", "argoproj.io/v1alpha1", "Rollout", Kind::ArgoRollout),
    ("argoproj.io", "argoproj.io/v1alpha1", "ArgoRollout", Kind::ArgoRollout),
];

/// All that were ever named. Bounded by [`CustomKind::MAX`], because nothing is ever taken out.
static NAMED: Mutex<Vec<&'static Names>> = Mutex::new(Vec::new());

impl CustomKind {
    /// So many are told apart in the life of a process. Each is a watch: nobody has as many.
    pub const MAX: usize = 64;

    /// The group, for example `apps.kruise.io`.
    pub fn group(self) -> &'static str {
        &self.0.group
    }

    /// The version in which it is read, for example `v1alpha1`.
    pub fn version(self) -> &'static str {
        &self.0.version
    }

    /// The kind as objects spell it, for example `CloneSet`.
    pub fn kind(self) -> &'static str {
        &self.0.kind
    }

    /// `apiVersion` as objects spell it.
    pub fn api_version(self) -> String {
        format!("{}/{}", self.group(), self.version())
    }

    /// The name used in everything people read: `CloneSet.apps.kruise.io`.
    pub fn as_str(self) -> &'static str {
        &self.0.text
    }

    /// Whether an owner reference names an object of this kind. The version in which its controller wrote it may be another.
    pub fn is_named_by(self, api_version: &str, kind: &str) -> bool {
        kind == self.kind() && api_version.split_once('/').is_some_and(|(group, _)| group == self.group())
    }

    fn named(group: &str, version: &str, kind: &str) -> Result<Self, CustomKindError> {
        let mut all = NAMED.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |names: &&&Names| names.group == group && names.version == version && names.kind == kind;
        if let Some(names) = all.iter().find(is_it) {
            return Ok(Self(names));
        }
        if all.len() >= Self::MAX {
            return Err(CustomKindError::TooMany);
        }
        let names = Names {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
            text: format!("{kind}.{group}"),
        };
        let names: &'static Names = Box::leak(Box::new(names));
        all.push(names);
        Ok(Self(names))
    }

    /// The one of this text, if a config has named it.
    fn of_text(text: &str) -> Option<Self> {
        let named = NAMED.lock().unwrap_or_else(PoisonError::into_inner);
        named.iter().copied().find(|names| names.text.eq_ignore_ascii_case(text)).map(Self)
    }
}

impl Kind {
    /// The kind that a `Type` and an `ApiVersion` name: one that Flippy knows, or a custom one.
    ///
    /// # Errors
    /// When they name none that could be restarted.
    pub fn named(text: &str, api_version: &str) -> Result<Self, CustomKindError> {
        let (text, api_version) = (text.trim(), api_version.trim());
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        if !is_version(version) || (api_version.contains('/') && !is_group(group)) {
            return Err(CustomKindError::ApiVersion(api_version.to_owned()));
        }
        let known = KNOWN.iter().find(|(of, _, word, _)| *of == group && word.eq_ignore_ascii_case(text));
        match known {
            Some((_, wanted, _, kind)) if *wanted == api_version => return Ok(*kind),
            Some((_, wanted, _, kind)) => {
                return Err(CustomKindError::OtherVersion { kind: *kind, found: api_version.to_owned(), wanted });
            }
            None => {}
        }
        if !is_kind(text) {
            return Err(CustomKindError::Kind(text.to_owned()));
        }
        // What Kubernetes itself serves is no workload beyond those that are known: the pods of a Job would lose their work.
        if !group.contains('.') {
            let (kind, api_version) = (text.to_owned(), api_version.to_owned());
            return Err(CustomKindError::NoCustomResource { kind, api_version });
        }
        CustomKind::named(group, version, text).map(Self::Custom)
    }

    /// Whether they name a custom kind. Unlike [`Kind::named`], it keeps nothing.
    pub fn is_custom(text: &str, api_version: &str) -> bool {
        let (text, api_version) = (text.trim(), api_version.trim());
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        let is_known = KNOWN.iter().any(|(of, _, word, _)| *of == group && word.eq_ignore_ascii_case(text));
        !is_known && Self::could_be_named(text, api_version)
    }

    /// Whether a config could name the kind of such an owner, so that it is restarted.
    pub(crate) fn could_be_named(kind: &str, api_version: &str) -> bool {
        let group = api_version.split_once('/').map(|(group, version)| (group, is_version(version)));
        is_kind(kind) && group.is_some_and(|(group, is_version)| is_version && is_group(group) && group.contains('.'))
    }

    /// The kind of this name, among those that are known and those that a config has named with an API version.
    pub fn of_name(text: &str) -> Option<Self> {
        text.parse().ok().or_else(|| CustomKind::of_text(text.trim()).map(Self::Custom))
    }
}

/// A DNS subdomain, as every group is.
fn is_group(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_label)
}

/// A DNS label that begins with a letter, as versions of custom resources do.
fn is_version(text: &str) -> bool {
    is_label(text) && text.starts_with(|c: char| c.is_ascii_lowercase())
}

fn is_label(text: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty()
        && text.len() <= 63
        && text.chars().all(is_allowed)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// A kind is a DNS label but for its capitals (`apiextensions.k8s.io` validation of names).
fn is_kind(text: &str) -> bool {
    is_label(&text.to_ascii_lowercase()) && text.starts_with(|c: char| c.is_ascii_alphabetic())
}

impl PartialEq for CustomKind {
    fn eq(&self, other: &Self) -> bool {
        self.0.text == other.0.text
    }
}

impl Eq for CustomKind {}

impl PartialOrd for CustomKind {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// By text: handles have no order of their own that would be the same in each process.
impl Ord for CustomKind {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.text.cmp(&other.0.text)
    }
}

impl Hash for CustomKind {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.text.hash(state);
    }
}

impl fmt::Display for CustomKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for CustomKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
