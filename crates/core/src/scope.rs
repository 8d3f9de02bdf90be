//! Which workloads a policy is about.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The filter of a policy. Everything in it must match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Labels that the namespace carries. Empty: any namespace.
    pub namespace_labels: BTreeMap<Arc<str>, Arc<str>>,
    /// Annotations that the pod template carries.
    pub template_annotations: BTreeMap<Arc<str>, Arc<str>>,
    /// Labels that the pod template carries.
    pub template_labels: BTreeMap<Arc<str>, Arc<str>>,
    /// Names of the containers whose images are compared. Empty: nothing is in scope.
    pub containers: BTreeSet<Arc<str>>,
    /// The label on a namespace, or annotation on a workload or its template, that says `true` to be left alone.
    pub ignore_key: Arc<str>,
    /// The one namespace that is acted on, for configs that are not trusted with more.
    pub only_namespace: Option<Arc<str>>,
}

/// Whether labels or annotations ask to be left alone. Case does not matter in the value, as in the original.
pub fn is_ignored(labels: &BTreeMap<Arc<str>, Arc<str>>, ignore_key: &str) -> bool {
    labels.get(ignore_key).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}
