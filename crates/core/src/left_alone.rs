//! Stale pods that no workload of a known kind owns: bare ones, those of Jobs, those of controllers that Flippy does not know.
//! They are never taken away; what is said is when they go by themselves.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use crate::desired::DesiredImages;
use crate::drift::{Drift, drift_of};
use crate::labels::{Labels, contains_all};
use crate::pod::Pod;
use crate::policy::Policy;
use crate::scope::is_ignored;
use crate::snapshot::{PodIndex, Snapshot};
use crate::workload::Kind;

/// What is known of a pod that no workload of a known kind owns. It is in no template's stead: its own labels and annotations
/// say whether it is in scope.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StrayFacts {
    /// Its labels.
    pub labels: Labels,
    /// Its annotations.
    pub annotations: Labels,
    /// `apiVersion` of its owner, if it has one.
    pub owner_api_version: Option<Arc<str>>,
    /// Whether its containers are started again when they end (`restartPolicy: Always`): then it never ends by itself.
    pub restarts: bool,
    /// When the kubelet ends it at the latest (`activeDeadlineSeconds`).
    pub ends_by: Option<Timestamp>,
}

/// Stale pods of one owner, or one bare pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftAlone {
    /// Kind, namespace/name of the owner, or of the pod.
    pub what: String,
    /// How many of its pods are stale.
    pub pods: usize,
    /// Why nothing is done about it, and what becomes of it.
    pub why: WhyLeftAlone,
}

/// Why stale pods are left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhyLeftAlone {
    /// Nobody would create it again.
    Bare {
        /// Whether it never ends by itself.
        restarts: bool,
        /// When it ends at the latest.
        ends_by: Option<Timestamp>,
    },
    /// It does some work, once.
    Job {
        /// When the last of its pods ends at the latest, if that is known of all of them.
        ends_by: Option<Timestamp>,
    },
    /// The kubelet runs it from a file.
    Static,
    /// Flippy does not restart owners of its kind, unless a config names it.
    UnknownOwner {
        /// `apiVersion` of the owner.
        api_version: String,
        /// Its kind.
        kind: String,
    },
}

/// The kinds whose pods a plan accounts for, whether a config names them or not.
const KNOWN: [(&str, &str); 4] =
    [("apps/v1", "ReplicaSet"), ("apps/v1", "StatefulSet"), ("apps/v1", "DaemonSet"), ("v1", "ReplicationController")];

/// Whether a pod with such an owner belongs to a kind of workload that Flippy knows.
pub fn is_of_known_kind(api_version: &str, kind: &str) -> bool {
    KNOWN.contains(&(api_version, kind))
}

/// What a policy would restart if it could. In order of kind and name. `wanted` is all that it wants anywhere: admission is
/// not asked about pods that nobody makes from a template.
pub(crate) fn left_alone(
    policy: &Policy,
    wanted: &DesiredImages,
    snapshot: &Snapshot,
    pods: &PodIndex<'_>,
) -> Vec<LeftAlone> {
    let mut found: BTreeMap<String, LeftAlone> = BTreeMap::new();
    if policy.selects_nothing().is_some() || wanted.is_empty() {
        return Vec::new();
    }
    for (pod, facts) in pods.strays() {
        if !admits(policy, snapshot, pod, facts)
            || !matches!(drift_of(pod, &policy.scope.containers, wanted), Drift::Stale(_))
        {
            continue;
        }
        if is_of_named_kind(policy, pod, facts) {
            continue;
        }
        let (kind, name) = pod.owner.as_ref().map_or(("Pod", &pod.name), |owner| (&*owner.kind, &owner.name));
        // A static pod is owned by its node, which has many.
        let is_static = kind == "Node";
        let what = if is_static {
            format!("Pod {}/{}", pod.namespace, pod.name)
        } else {
            format!("{kind} {}/{name}", pod.namespace)
        };
        let one = LeftAlone { what: what.clone(), pods: 1, why: why(pod, facts) };
        found.entry(what).and_modify(|held| held.add(&one.why)).or_insert(one);
    }
    found.into_values().collect()
}

fn admits(policy: &Policy, snapshot: &Snapshot, pod: &Pod, facts: &StrayFacts) -> bool {
    let scope = &policy.scope;
    let Some(namespace) = snapshot.namespace(&pod.namespace) else { return false };
    policy.may_act_in(&pod.namespace)
        && contains_all(namespace, &scope.namespace_labels)
        && contains_all(&facts.labels, &scope.template_labels)
        && contains_all(&facts.annotations, &scope.template_annotations)
        && !is_ignored(namespace, &scope.ignore_key)
        && !is_ignored(&facts.annotations, &scope.ignore_key)
}

/// Whether the policy restarts the kind of its owner, so that the plan accounts for it.
fn is_of_named_kind(policy: &Policy, pod: &Pod, facts: &StrayFacts) -> bool {
    let (Some(owner), Some(api_version)) = (&pod.owner, &facts.owner_api_version) else { return false };
    let is_it = |kind| matches!(kind, Kind::Custom(custom) if custom.is_named_by(api_version, &owner.kind));
    policy.restart_objects.iter().any(|object| is_it(object.kind))
}

fn why(pod: &Pod, facts: &StrayFacts) -> WhyLeftAlone {
    let Some(owner) = &pod.owner else {
        return WhyLeftAlone::Bare { restarts: facts.restarts, ends_by: facts.ends_by };
    };
    let api_version = facts.owner_api_version.as_deref().unwrap_or_default();
    match (&*owner.kind, api_version) {
        ("Job", "batch/v1") => WhyLeftAlone::Job { ends_by: facts.ends_by },
        ("Node", "v1") => WhyLeftAlone::Static,
        (kind, api_version) => {
            WhyLeftAlone::UnknownOwner { api_version: api_version.to_owned(), kind: kind.to_owned() }
        }
    }
}

impl LeftAlone {
    fn add(&mut self, why: &WhyLeftAlone) {
        self.pods += 1;
        if let (WhyLeftAlone::Job { ends_by: held }, WhyLeftAlone::Job { ends_by }) = (&mut self.why, why) {
            *held = held.zip(*ends_by).map(|(one, other)| one.max(other));
        }
    }

    /// One word from the closed list of reasons.
    pub fn reason(&self) -> &'static str {
        match self.why {
            WhyLeftAlone::Bare { .. } => "BarePod",
            WhyLeftAlone::Job { .. } => "JobPod",
            WhyLeftAlone::Static => "StaticPod",
            WhyLeftAlone::UnknownOwner { .. } => "UnknownOwner",
        }
    }
}

/// What becomes of it, and what to do, in one line.
impl fmt::Display for LeftAlone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at_the_latest =
            |by: &Option<Timestamp>| by.map_or_else(String::new, |at| format!(", at {at} at the latest"));
        match &self.why {
            WhyLeftAlone::Bare { restarts: true, ends_by: None } => {
                f.write_str("a bare pod, which nobody would create again: it stays until somebody deletes it")
            }
            WhyLeftAlone::Bare { ends_by, .. } => {
                write!(f, "a bare pod, which nobody would create again: it ends by itself{}", at_the_latest(ends_by))
            }
            WhyLeftAlone::Job { ends_by } => write!(
                f,
                "{} of a Job end when their work is done{}; whatever runs after that gets a new sidecar",
                if self.pods == 1 { "the pod" } else { "the pods" },
                at_the_latest(ends_by)
            ),
            WhyLeftAlone::Static => {
                f.write_str("a static pod, which the kubelet runs from a file on its node: change it there")
            }
            WhyLeftAlone::UnknownOwner { api_version, kind } if Kind::could_be_named(kind, api_version) => write!(
                f,
                "its owner is of a kind that Flippy does not know: if a change of its spec.template replaces its pods, add \
                 {{Type: {kind}, ApiVersion: {api_version}}} to spec.RestartObjects, else restart it by its own means"
            ),
            WhyLeftAlone::UnknownOwner { api_version, kind } => write!(
                f,
                "its owner is a {api_version}/{kind}, a kind that Flippy does not restart: restart it by its own means"
            ),
        }
    }
}
