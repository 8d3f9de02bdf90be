//! Which workloads a policy is about.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::labels::contains_all;
use crate::policy::Policy;
use crate::snapshot::Snapshot;
use crate::workload::Workload;

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

impl Policy {
    /// Whether a workload passes every filter that does not depend on its pods. Whether it has a container
    /// of interest at all is decided by its pods, because injected containers are not in the template.
    pub fn admits(&self, workload: &Workload, snapshot: &Snapshot) -> bool {
        let namespace_name = &workload.id.named.namespace;
        if workload.deleting
            || self.rank_of(workload.kind()).is_none()
            || self.scope.containers.is_empty()
            || !self.may_act_in(namespace_name)
        {
            return false;
        }
        let Some(namespace) = snapshot.namespace(namespace_name) else { return false };
        // An Argo Rollout with workloadRef keeps no template of its own.
        let template = match &workload.template_from {
            Some(named) => match snapshot.workload(named) {
                Some(holder) => holder,
                None => return false,
            },
            None => workload,
        };
        let key = &self.scope.ignore_key;
        contains_all(namespace, &self.scope.namespace_labels)
            && contains_all(&template.template_annotations, &self.scope.template_annotations)
            && contains_all(&template.template_labels, &self.scope.template_labels)
            && !is_ignored(namespace, key)
            && !is_ignored(&workload.annotations, key)
            && !is_ignored(&template.template_annotations, key)
    }
}
