//! Which workloads a policy is about, asked question by question, so that whoever is told "no" can be told why.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::labels::{Labels, contains_all, lacking};
use crate::policy::Policy;
use crate::scope::{Scope, is_ignored};
use crate::snapshot::Snapshot;
use crate::workload::Workload;

type LabelMap = BTreeMap<Arc<str>, Arc<str>>;

/// What a policy asks of a workload. Every answer must be yes for it to be in scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeQuestion {
    /// Whether the policy names images, kinds and containers at all.
    SelectsAnything,
    /// Whether the workload stays: it is not being deleted.
    Stays,
    /// Whether its kind is named.
    Kind,
    /// Whether the policy is trusted to act in its namespace.
    Trust,
    /// Whether its namespace exists.
    Namespace,
    /// Whether its namespace carries the labels that are asked for.
    NamespaceLabels,
    /// Whether there is a pod template: an Argo Rollout with `workloadRef` keeps none of its own.
    Template,
    /// Whether its pod template carries the labels that are asked for.
    TemplateLabels,
    /// Whether its pod template carries the annotations that are asked for.
    TemplateAnnotations,
    /// Whether nobody asks for its namespace to be left alone.
    NamespaceNotIgnored,
    /// Whether nobody asks for it to be left alone.
    WorkloadNotIgnored,
    /// Whether nobody asks for its pods to be left alone.
    TemplateNotIgnored,
    /// Whether one of its live pods, if it has any, has a container of interest.
    Container,
}

impl ScopeQuestion {
    /// Those that do not depend on pods, the cheap ones first.
    const OF_WORKLOAD: [Self; 11] = [
        Self::Stays,
        Self::Kind,
        Self::Trust,
        Self::Namespace,
        Self::NamespaceLabels,
        Self::Template,
        Self::TemplateLabels,
        Self::TemplateAnnotations,
        Self::NamespaceNotIgnored,
        Self::WorkloadNotIgnored,
        Self::TemplateNotIgnored,
    ];
}

/// One question of scope, and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeLink {
    /// What was asked.
    pub question: ScopeQuestion,
    /// Whether the answer is yes.
    pub met: bool,
    /// What of labels and annotations is not there, where those were asked for.
    pub lacking: Vec<Lacking>,
}

/// A label or annotation that is asked for and not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lacking {
    /// Its key.
    pub key: Arc<str>,
    /// The value that is asked for.
    pub wanted: Arc<str>,
    /// The value that is there instead, if any.
    pub found: Option<Arc<str>>,
}

/// A workload with what its scope is judged by.
struct Candidate<'a> {
    workload: &'a Workload,
    snapshot: &'a Snapshot,
    /// Looked up when it is asked for: most workloads are of a kind that is not named.
    namespace: OnceCell<Option<&'a Labels>>,
}

impl<'a> Candidate<'a> {
    fn of(workload: &'a Workload, snapshot: &'a Snapshot) -> Self {
        Self { workload, snapshot, namespace: OnceCell::new() }
    }

    fn namespace(&self) -> Option<&'a Labels> {
        *self.namespace.get_or_init(|| self.snapshot.namespace(&self.workload.id.named.namespace))
    }

    /// Who holds its pod template: an Argo Rollout with `workloadRef` keeps none of its own.
    fn template(&self) -> Option<&'a Workload> {
        match &self.workload.template_from {
            Some(named) => self.snapshot.workload(named),
            None => Some(self.workload),
        }
    }

    /// The labels or annotations that a question is about, and those it asks for. `None`: it asks for none, or they
    /// cannot be looked at.
    fn compared(&self, question: ScopeQuestion, scope: &'a Scope) -> Option<(&'a Labels, &'a LabelMap)> {
        match question {
            ScopeQuestion::NamespaceLabels => Some((self.namespace()?, &scope.namespace_labels)),
            ScopeQuestion::TemplateLabels => Some((&self.template()?.template_labels, &scope.template_labels)),
            ScopeQuestion::TemplateAnnotations => {
                Some((&self.template()?.template_annotations, &scope.template_annotations))
            }
            _ => None,
        }
    }

    fn meets(&self, question: ScopeQuestion, policy: &'a Policy) -> bool {
        let is_left_alone = |labels: &Labels| is_ignored(labels, &policy.scope.ignore_key);
        match question {
            ScopeQuestion::SelectsAnything => policy.selects_nothing().is_none(),
            ScopeQuestion::Stays => !self.workload.deleting,
            ScopeQuestion::Kind => policy.rank_of(self.workload.kind()).is_some(),
            ScopeQuestion::Trust => policy.may_act_in(&self.workload.id.named.namespace),
            ScopeQuestion::Namespace => self.namespace().is_some(),
            ScopeQuestion::Template => self.template().is_some(),
            ScopeQuestion::NamespaceLabels | ScopeQuestion::TemplateLabels | ScopeQuestion::TemplateAnnotations => {
                self.compared(question, &policy.scope).is_none_or(|(found, wanted)| contains_all(found, wanted))
            }
            ScopeQuestion::NamespaceNotIgnored => !self.namespace().is_some_and(is_left_alone),
            ScopeQuestion::WorkloadNotIgnored => !is_left_alone(&self.workload.annotations),
            ScopeQuestion::TemplateNotIgnored => {
                !self.template().is_some_and(|template| is_left_alone(&template.template_annotations))
            }
            // Injected containers are not in the template: pods answer this, in `is_of_interest`.
            ScopeQuestion::Container => !policy.scope.containers.is_empty(),
        }
    }
}

/// Whether pods leave a workload in scope: of the live ones, so many have a container of interest. Without any pods, it
/// is not known what they would have.
pub(crate) fn is_of_interest(live_pods: usize, matched_pods: usize) -> bool {
    live_pods == 0 || matched_pods > 0
}

impl Policy {
    /// Whether a workload passes every filter that does not depend on its pods. Whether it has a container
    /// of interest at all is decided by its pods, because injected containers are not in the template.
    pub fn admits(&self, workload: &Workload, snapshot: &Snapshot) -> bool {
        let candidate = Candidate::of(workload, snapshot);
        !self.scope.containers.is_empty()
            && ScopeQuestion::OF_WORKLOAD.into_iter().all(|question| candidate.meets(question, self))
    }

    /// Every question of scope, in the order in which people would ask, with its answer. All are met if and only if the
    /// workload is in the plan: they are the same functions as in [`Policy::admits`].
    pub(crate) fn scope_links(
        &self,
        workload: &Workload,
        snapshot: &Snapshot,
        live_pods: usize,
        matched_pods: usize,
    ) -> Vec<ScopeLink> {
        let candidate = Candidate::of(workload, snapshot);
        let link = |question: ScopeQuestion| {
            let compared = candidate.compared(question, &self.scope);
            let lacking = compared.into_iter().flat_map(|(found, wanted)| lacking(found, wanted));
            let lacking = lacking.map(|(key, wanted, found)| Lacking {
                key: key.clone(),
                wanted: wanted.clone(),
                found: found.cloned(),
            });
            ScopeLink { question, met: candidate.meets(question, self), lacking: lacking.collect() }
        };
        let mut container = link(ScopeQuestion::Container);
        container.met &= is_of_interest(live_pods, matched_pods);
        let questions = [ScopeQuestion::SelectsAnything].into_iter().chain(ScopeQuestion::OF_WORKLOAD);
        questions.map(link).chain([container]).collect()
    }
}
