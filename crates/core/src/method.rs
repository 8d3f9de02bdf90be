//! Methods: how the pods of a workload are replaced.

use crate::custom_rollout::TemplateEffect;
use crate::strategy::Strategy;
use crate::workload::{Kind, RolloutFacts, UpdateStrategy, Workload};

/// How a workload is restarted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// An annotation of its pod template: its controller replaces the pods, as for any other change.
    Patch,
    /// `spec.restartAt`: Argo Rollouts evicts the pods by itself, without a new revision.
    RestartAt,
    /// Its stale pods are evicted one by one, each once the one before is replaced and ready.
    Evict,
}

/// `spec.Strategy.Method`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MethodChoice {
    /// What fits each workload: its template where a change of it replaces every pod, else eviction.
    #[default]
    Auto,
    /// Pods are left to their controllers. What these would not replace is blocked.
    Patch,
    /// Pods are evicted, and no template is touched.
    Evict,
}

impl Method {
    /// The word for it in plans.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Patch => "Patch",
            Self::RestartAt => "RestartAt",
            Self::Evict => "Evict",
        }
    }
}

impl Strategy {
    /// How a workload is restarted, and why so, for people.
    pub fn method_of(&self, workload: &Workload) -> (Method, &'static str) {
        if workload.kind() == Kind::ArgoRollout {
            return (Method::RestartAt, "Argo Rollouts evicts the pods of a Rollout by itself, without a new revision");
        }
        match (self.method, why_not_by_template(workload)) {
            (MethodChoice::Evict, _) => (Method::Evict, "spec.Strategy.Method is Evict"),
            (MethodChoice::Auto, _) if matches!(workload.kind(), Kind::Custom(_)) => {
                (Method::Patch, "nobody knows how a controller of a custom kind bears evictions")
            }
            (MethodChoice::Patch, _) => (Method::Patch, "spec.Strategy.Method is Patch"),
            (MethodChoice::Auto, Some(why)) => (Method::Evict, why),
            (MethodChoice::Auto, None) => {
                (Method::Patch, "its controller replaces every pod when its template changes")
            }
        }
    }
}

/// Why a changed template would not replace every pod of a workload, if so.
fn why_not_by_template(workload: &Workload) -> Option<&'static str> {
    const ON_DELETE: &str = "its update strategy is OnDelete: a changed template replaces no pod";
    match &workload.rollout {
        RolloutFacts::StatefulSet(facts) if facts.strategy == UpdateStrategy::OnDelete => Some(ON_DELETE),
        RolloutFacts::DaemonSet(facts) if facts.strategy == UpdateStrategy::OnDelete => Some(ON_DELETE),
        RolloutFacts::StatefulSet(facts) if facts.partition.is_some_and(|partition| partition > 0) => {
            Some("its update strategy has a partition: a changed template does not replace the pods below it")
        }
        RolloutFacts::Replicas(_) => Some("a changed template of it replaces no pod"),
        RolloutFacts::Custom(facts) if facts.effect != TemplateEffect::ReplacesPods => {
            Some("a changed template of it does not replace every pod")
        }
        _ => None,
    }
}

/// Whether a changed template makes a workload's controller replace every pod.
pub(crate) fn rolls_by_template(workload: &Workload) -> bool {
    why_not_by_template(workload).is_none()
}
