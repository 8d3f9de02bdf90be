//! What a link says, and which field to change where it fails.

use std::collections::BTreeMap;
use std::sync::Arc;

use flippy_core::{Link, PodFinding, PodIndex, PodState, Policy, ScopeLink, ScopeQuestion, Workload};

use super::view::{LinkState, LinkView, rest};

/// One link in words.
pub(super) fn link(link: &Link, policy: &Policy, workload: &Workload, pods: &PodIndex<'_>) -> LinkView {
    match link {
        Link::Scope(scope) => scope_link(scope, policy, workload, !pods.of(&workload.id.uid).is_empty()),
        Link::Pods(pods) => LinkView::new("pods", LinkState::Fact, count(pods)),
        other => rest(other),
    }
}

fn count(pods: &[PodFinding]) -> String {
    let live: Vec<&PodFinding> = pods.iter().filter(|pod| pod.state == PodState::Live).collect();
    let stale = live.iter().filter(|pod| matches!(pod.drift, flippy_core::Drift::Stale(_))).count();
    format!("{} live, {stale} of them stale", live.len())
}

fn scope_link(scope: &ScopeLink, policy: &Policy, workload: &Workload, has_pods: bool) -> LinkView {
    let words = Words { policy, workload, scope };
    let (name, holds, fails, change) = words.of(scope.question);
    let state = if scope.met { LinkState::Holds } else { LinkState::Fails };
    let mut view = LinkView::new(name, state, if scope.met { holds } else { fails });
    view.change = (!scope.met).then_some(change);
    view.trivial = scope.met
        && matches!(
            scope.question,
            ScopeQuestion::SelectsAnything
                | ScopeQuestion::Stays
                | ScopeQuestion::Namespace
                | ScopeQuestion::Template
                | ScopeQuestion::NamespaceNotIgnored
                | ScopeQuestion::TemplateNotIgnored
        );
    if scope.question == ScopeQuestion::Container && scope.met && !has_pods {
        "it has no live pods, so it is not known which containers they would have".clone_into(&mut view.found);
    }
    view
}

struct Words<'a> {
    policy: &'a Policy,
    workload: &'a Workload,
    scope: &'a ScopeLink,
}

type Said = (&'static str, String, String, String);

impl Words<'_> {
    /// Its name, what is said where it holds, where it fails, and what to change there.
    fn of(&self, question: ScopeQuestion) -> Said {
        let scope = &self.policy.scope;
        let named = &self.workload.id.named;
        let (kind, namespace, key) = (named.kind, &named.namespace, &scope.ignore_key);
        let own = &self.policy.name.namespace;
        match question {
            ScopeQuestion::SelectsAnything => (
                "selects",
                "it names images, kinds and containers".to_owned(),
                "it selects nothing at all".to_owned(),
                self.policy.selects_nothing().unwrap_or_default().to_owned(),
            ),
            ScopeQuestion::Stays => (
                "stays",
                "it is not being deleted".to_owned(),
                "it is being deleted".to_owned(),
                "nothing: its pods go with it".to_owned(),
            ),
            ScopeQuestion::Kind => (
                "kind",
                format!("{kind} is one of spec.RestartObjects"),
                format!("{kind} is not one of spec.RestartObjects"),
                format!("add {{Type: {kind}}} to spec.RestartObjects"),
            ),
            ScopeQuestion::Trust => (
                "trust",
                scope.only_namespace.as_ref().map_or_else(
                    || format!("configs in namespace {own} act on the whole cluster"),
                    |only| format!("configs in namespace {only} act there, and only there"),
                ),
                format!("configs in namespace {own} act only there, and it is in {namespace}"),
                format!("put the config into {namespace}, or let the operator trust {own} with --config-namespace"),
            ),
            ScopeQuestion::Namespace => (
                "namespace",
                format!("namespace {namespace} exists"),
                format!("namespace {namespace} was not found"),
                "nothing: look again in a moment".to_owned(),
            ),
            ScopeQuestion::NamespaceLabels => self.labels(
                "namespace",
                &format!("namespace {namespace}"),
                "labels",
                &scope.namespace_labels,
                "spec.ProcessFilter.Labels",
            ),
            ScopeQuestion::Template => (
                "template",
                "it has a pod template".to_owned(),
                "its spec.workloadRef names a workload that was not found".to_owned(),
                "spec.workloadRef of the Rollout".to_owned(),
            ),
            ScopeQuestion::TemplateLabels => self.labels(
                "pod labels",
                "its pod template",
                "labels",
                &scope.template_labels,
                "spec.ProcessFilter.PodLabels",
            ),
            ScopeQuestion::TemplateAnnotations => self.labels(
                "annotations",
                "its pod template",
                "annotations",
                &scope.template_annotations,
                "spec.ProcessFilter.Annotations",
            ),
            ScopeQuestion::NamespaceNotIgnored => ignored(&format!("namespace {namespace}"), "label", key),
            ScopeQuestion::WorkloadNotIgnored => ignored("the workload", "annotation", key),
            ScopeQuestion::TemplateNotIgnored => ignored("its pod template", "annotation", key),
            ScopeQuestion::Container => {
                let containers: Vec<&str> = scope.containers.iter().map(AsRef::as_ref).collect();
                let containers = containers.join(" or ");
                (
                    "container",
                    format!("live pods have a container {containers}"),
                    format!("none of its live pods has a container {containers}"),
                    "let the mesh inject its pods (their labels, and those of the namespace), or name their sidecar in \
                     spec.ProcessFilter.Containers"
                        .to_owned(),
                )
            }
        }
    }

    fn labels(
        &self,
        name: &'static str,
        of: &str,
        what: &str,
        wanted: &BTreeMap<Arc<str>, Arc<str>>,
        field: &str,
    ) -> Said {
        let holds = if wanted.is_empty() {
            format!("no {what} of {of} are asked for ({field})")
        } else {
            let pairs: Vec<String> = wanted.iter().map(|(key, value)| format!("{key}={value}")).collect();
            format!("{of} carries {}", pairs.join(", "))
        };
        let lacking = self.scope.lacking.iter().map(|one| {
            let instead = one.found.as_ref().map_or_else(String::new, |found| format!(" (it says {found})"));
            format!("{}={}{instead}", one.key, one.wanted)
        });
        let fails = format!("{of} does not carry {}", lacking.collect::<Vec<_>>().join(", "));
        (name, holds, fails, format!("the {what} of {of}, or {field}"))
    }
}

fn ignored(what: &str, as_what: &str, key: &str) -> Said {
    (
        "ignore key",
        format!("{what} does not ask to be left alone ({key})"),
        format!("{what} asks to be left alone: {as_what} {key}"),
        format!("take the {as_what} {key} away from {what}"),
    )
}
