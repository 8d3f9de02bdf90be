//! Label selectors, as Kubernetes means them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A label selector: of a `PodDisruptionBudget`, or of a wave.
///
/// Of a budget, a null selector selects nothing and an empty one everything in the namespace (k8s.io/api policy/v1
/// `PodDisruptionBudgetSpec.selector`; k8s.io/apimachinery `LabelSelectorAsSelector`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// No selector: nothing is selected.
    Nothing,
    /// What meets every one of these.
    Every(Vec<Requirement>),
}

/// One requirement of a selector (k8s.io/apimachinery `labels.Requirement.Matches`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// The label has one of these values. An entry of `matchLabels` is this with one value.
    In(Arc<str>, BTreeSet<Arc<str>>),
    /// The label has none of these values; it is met, too, where there is no such label.
    NotIn(Arc<str>, BTreeSet<Arc<str>>),
    /// There is such a label.
    Exists(Arc<str>),
    /// There is no such label.
    DoesNotExist(Arc<str>),
}

impl Requirement {
    fn is_met(&self, labels: &BTreeMap<Arc<str>, Arc<str>>) -> bool {
        match self {
            Self::In(key, values) => labels.get(key).is_some_and(|value| values.contains(value)),
            Self::NotIn(key, values) => labels.get(key).is_none_or(|value| !values.contains(value)),
            Self::Exists(key) => labels.contains_key(key),
            Self::DoesNotExist(key) => !labels.contains_key(key),
        }
    }
}

/// Everything.
impl Default for Selector {
    fn default() -> Self {
        Self::Every(Vec::new())
    }
}

impl Selector {
    /// Whether something with these labels is selected.
    pub fn matches(&self, labels: &BTreeMap<Arc<str>, Arc<str>>) -> bool {
        match self {
            Self::Nothing => false,
            Self::Every(requirements) => requirements.iter().all(|requirement| requirement.is_met(labels)),
        }
    }

    /// The single labels without which nothing is selected: by these it can be looked up instead of being tried.
    pub(crate) fn needed_labels(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<str>)> {
        let requirements = match self {
            Self::Nothing => &[][..],
            Self::Every(requirements) => requirements,
        };
        requirements.iter().filter_map(|requirement| match requirement {
            Requirement::In(key, values) if values.len() == 1 => Some((key, values.first()?)),
            _ => None,
        })
    }
}
