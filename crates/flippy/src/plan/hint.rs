//! Why a plan has no workloads: the question that everybody with a new config asks.

use std::collections::BTreeMap;
use std::sync::Arc;

use flippy_core::{Policy, Snapshot, Workload, contains_all};

/// The first filter that nothing passes, and what it asks for.
pub(crate) fn why_empty(policy: &Policy, snapshot: &Snapshot) -> String {
    if let Some(why) = policy.selects_nothing() {
        return why.to_owned();
    }
    let kinds: Vec<&str> = policy.restart_objects.iter().map(|object| object.kind.as_str()).collect();
    let kinds = kinds.join(" or ");
    let of_kind: Vec<&Workload> = snapshot
        .workloads()
        .filter(|workload| policy.restart_objects.iter().any(|object| object.kind == workload.kind()))
        .filter(|workload| policy.scope.only_namespace.as_ref().is_none_or(|only| *only == workload.id.named.namespace))
        .collect();
    if of_kind.is_empty() {
        let place = policy
            .scope
            .only_namespace
            .as_ref()
            .map_or_else(|| "the cluster".to_owned(), |only| format!("namespace {only}"));
        return format!("{place} has no {kinds}");
    }
    let labels = &policy.scope.namespace_labels;
    let in_namespace = |workload: &&&Workload| {
        snapshot.namespace(&workload.id.named.namespace).is_some_and(|found| contains_all(found, labels))
    };
    if of_kind.iter().filter(in_namespace).count() == 0 {
        return format!("no namespace with a {kinds} has the labels {} (spec.ProcessFilter.Labels)", pairs(labels));
    }
    let admitted = of_kind.iter().filter(|workload| policy.admits(workload, snapshot)).count();
    if admitted == 0 {
        return format!(
            "of {} {kinds} objects, none has a pod template with {} that is not left alone by {}: \
             look at spec.ProcessFilter.PodLabels and spec.ProcessFilter.Annotations",
            of_kind.len(),
            pairs(
                &policy
                    .scope
                    .template_labels
                    .iter()
                    .chain(&policy.scope.template_annotations)
                    .map(|(k, v)| (k.clone(), v.clone()))
                    .collect()
            ),
            policy.scope.ignore_key,
        );
    }
    let containers: Vec<&str> = policy.scope.containers.iter().map(AsRef::as_ref).collect();
    format!("{admitted} workloads pass the filters, but none of their pods has a container {}", containers.join(" or "))
}

fn pairs(labels: &BTreeMap<Arc<str>, Arc<str>>) -> String {
    if labels.is_empty() {
        return "any labels".to_owned();
    }
    labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}
