//! How far the rollout of a custom kind is, by what most controllers of workloads report, `OpenKruise` above all, and by its
//! pods where nothing is reported.

use std::fmt;

use crate::mark::RestartMark;
use crate::method::Method;
use crate::pod::Pod;
use crate::progress::Progress;
use crate::verdict::BlockedReason;
use crate::workload::{Kind, RolloutFacts, Workload};

/// Fields of a workload of a custom kind. `None`: it has no such field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomFacts {
    /// `spec.replicas`; without that, how many its status says there should be.
    pub replicas_wanted: i64,
    /// `paused` in its spec, in its update strategy, or in that for rolling updates.
    pub paused: bool,
    /// What its controller makes of a changed template.
    pub effect: TemplateEffect,
    /// `status.observedGeneration`
    pub observed_generation: Option<i64>,
    /// `status.replicas`
    pub replicas: Option<i64>,
    /// `status.updatedReplicas`
    pub updated: Option<i64>,
    /// Of the updated pods those that are ready; without such a field, pods that are available or ready.
    pub ready: Option<i64>,
}

/// What the controller of a custom kind makes of a changed annotation of the pod template.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TemplateEffect {
    /// Every pod is replaced, as far as the spec tells.
    #[default]
    ReplacesPods,
    /// Only pods that somebody deletes are replaced.
    ReplacesNone,
    /// A partition or a selector holds some pods back.
    ReplacesSome,
    /// Running pods get the new annotation, and keep the containers that they have: a restart in vain
    /// (`OpenKruise`, "in-place update": `InPlaceIfPossible` and `InPlaceOnly` change metadata in place).
    InPlace,
    /// There is no `spec.template`.
    NoTemplate,
}

impl CustomFacts {
    pub(crate) fn progress(&self, generation: i64) -> Progress {
        let Self { replicas_wanted, observed_generation, replicas, updated, ready, .. } = *self;
        // Where something holds pods back, those that are there are all there will be.
        let rolls = self.effect == TemplateEffect::ReplacesPods;
        let lacks_updated = updated.is_some_and(|updated| updated < replicas_wanted);
        let has_outdated = replicas.zip(updated).is_some_and(|(replicas, updated)| replicas > updated);
        if self.paused {
            Progress::Paused
        } else if observed_generation.is_some_and(|observed| observed < generation) {
            Progress::NotObserved
        } else if rolls && (lacks_updated || has_outdated) {
            Progress::Replacing
        } else if ready.is_some_and(|ready| ready < replicas_wanted) {
            Progress::Unavailable
        } else {
            Progress::Complete
        }
    }

    /// Whether its status alone tells when a rollout is complete.
    fn tells_all(&self) -> bool {
        self.observed_generation.is_some() && self.updated.is_some() && self.ready.is_some()
    }

    /// Why it is not restarted by this method as it is.
    pub(crate) fn blocked(&self, method: Method) -> Option<BlockedReason> {
        match self.effect {
            TemplateEffect::ReplacesPods => None,
            TemplateEffect::NoTemplate => Some(BlockedReason::Template(TemplateEffect::NoTemplate)),
            // Whoever evicts pods does not need the template.
            _ if method == Method::Evict => None,
            effect => Some(BlockedReason::Template(effect)),
        }
    }
}

impl TemplateEffect {
    /// One word from the closed list of reasons.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            // It blocks nothing.
            Self::ReplacesPods => "StaleImage",
            Self::ReplacesNone => "OnDelete",
            Self::ReplacesSome => "Partition",
            Self::InPlace => "InPlaceUpdate",
            Self::NoTemplate => "NoTemplate",
        }
    }
}

/// What it means and what to do, in one line.
impl fmt::Display for TemplateEffect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReplacesPods => "a changed template replaces every pod",
            Self::ReplacesNone => {
                "update strategy OnDelete: set spec.Strategy.Method to Evict, or delete its pods one by one"
            }
            Self::ReplacesSome => {
                "update strategy with a partition or selector: the pods that it holds back would not be replaced; take it out, \
                 or set spec.Strategy.Method to Evict"
            }
            Self::InPlace => {
                "update strategy in place: a changed annotation would be written onto running pods, which keep their sidecars; \
                 let it recreate pods (ReCreate), or set spec.Strategy.Method to Evict"
            }
            Self::NoTemplate => "it has no spec.template, so nothing of it makes its controller replace its pods",
        })
    }
}

/// Whether only its own pods tell when a rollout is complete.
pub(crate) fn is_judged_by_its_pods(workload: &Workload) -> bool {
    matches!(&workload.rollout, RolloutFacts::Custom(facts) if !facts.tells_all())
}

/// Whether pods without a token are told by their age: no pod has that of the last restart, and not every controller hands the
/// annotations of a template to the pods.
pub(crate) fn are_told_by_age<'a>(workload: &Workload, mut pods: impl Iterator<Item = &'a Pod>) -> bool {
    let Some(mark) = workload.mark.as_ref().filter(|_| matches!(workload.kind(), Kind::Custom(_))) else {
        return false;
    };
    let token = mark.token.to_string();
    !pods.any(|pod| pod.restart_token.as_deref() == Some(&*token))
}

/// Whether such a pod is from before a restart. Creation times are whole seconds.
pub(crate) fn is_older_than(pod: &Pod, mark: &RestartMark) -> bool {
    pod.created_at.as_second() < mark.at.as_second()
}
