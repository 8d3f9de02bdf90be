//! A validated `FlippyConfig` spec: what the core works with.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::desired::DesiredImages;
use crate::injection::DriftDetection;
use crate::method::MethodChoice;
use crate::notice::Notification;
use crate::query_gate::QueryGate;
use crate::retry::Retries;
use crate::scope::Scope;
use crate::source::ImageSource;
use crate::strategy::{DisruptionBudgets, Strategy};
use crate::wave::{ClaimedApproval, Wave};
use crate::window::Window;
use crate::workload::{Kind, NamedWorkload};

/// Which config a policy was made from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyName {
    /// Namespace of the `FlippyConfig`.
    pub namespace: Arc<str>,
    /// Name of the `FlippyConfig`.
    pub name: Arc<str>,
}

impl fmt::Display for PolicyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What somebody wants, checked and with every default filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Which config it was made from.
    pub name: PolicyName,
    /// The wanted images. Empty: nothing is restarted.
    pub images: DesiredImages,
    /// Where more of them are named; see [`Policy::joined`].
    pub image_sources: Vec<ImageSource>,
    /// Which source is missing and why, if one is: nothing starts. `images` are then those that were wanted last, or none
    /// when nobody knows.
    pub source_unavailable: Option<Arc<str>>,
    /// What pods are compared with.
    pub drift_detection: DriftDetection,
    /// Which workloads it is about.
    pub scope: Scope,
    /// The kinds to restart, in order. Kinds not named are left alone.
    pub restart_objects: Vec<RestartObject>,
    /// What must be completely rolled out before and during the campaign.
    pub preconditions: Vec<Precondition>,
    /// What Prometheus must say before and during the campaign.
    pub gates: Vec<QueryGate>,
    /// Who is told of turns of a campaign.
    pub notifications: Vec<Notification>,
    /// What is restarted before everything else, in order, once per campaign, if anything needs a restart.
    pub restart_first: Vec<RestartFirst>,
    /// How carefully to go.
    pub strategy: Strategy,
    /// Groups that go one after the other. Empty: everything is one group.
    pub waves: Vec<Wave>,
    /// Approvals of waves that stand on the config, by the name of the wave.
    pub approvals: BTreeMap<Arc<str>, ClaimedApproval>,
    /// When restarts may start.
    pub windows: Vec<Window>,
    /// When a person last said to go on in spite of failures: earlier ones do not count any more.
    pub resumed_at: Option<Timestamp>,
    /// What a person wants to be tried again.
    pub retries: Retries,
    /// No further restart starts.
    pub suspended: bool,
    /// Plan and report only.
    pub dry_run: bool,
    /// What was odd in the spec and how it was understood.
    pub notes: Vec<SpecNote>,
}

/// One kind to restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestartObject {
    /// The kind.
    pub kind: Kind,
    /// Whether the next restart waits for this one.
    pub waiting: Waiting,
}

/// One workload that is restarted before the rest, whatever its pods run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestartFirst {
    /// The workload.
    pub target: NamedWorkload,
    /// Whether the next restart waits for this one.
    pub waiting: Waiting,
}

/// Whether later restarts wait until this one is completely rolled out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// The next restart starts at once; this one is still observed.
    NotWaited,
    /// The next restart waits, at most this long; after that this one counts as failed.
    AtMost(SignedDuration),
}

impl Waiting {
    /// How long a restart that nobody waits for is observed before it counts as failed: the default
    /// `progressDeadlineSeconds` of a Deployment.
    const OBSERVED_FOR: SignedDuration = SignedDuration::from_secs(600);

    /// Whether the next restart waits at all.
    pub(crate) fn is_waited(self) -> bool {
        matches!(self, Self::AtMost(window) if window.is_positive())
    }

    /// How long a restart has until it counts as failed.
    pub(crate) fn window(self) -> SignedDuration {
        match self {
            Self::AtMost(window) if window.is_positive() => window,
            Self::AtMost(_) | Self::NotWaited => Self::OBSERVED_FOR,
        }
    }
}

/// A workload that must be completely rolled out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Precondition {
    /// The workload.
    pub target: NamedWorkload,
    /// After how long it is reported as overdue.
    pub patience: SignedDuration,
    /// Whether restarts stay forbidden after that. If not, the wait is at most `patience`.
    pub required: bool,
}

/// Something in a spec that was understood in a way its author may not expect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecNote {
    /// Where, for example `spec.RestartObjects[0].StatusCheckConfig.MaxRetry`.
    pub path: String,
    /// What was found there, how it was understood and what to write instead.
    pub message: String,
}

impl fmt::Display for SpecNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

impl Policy {
    /// Why it can never select anything, if so: an empty filter selects nothing, as in the original.
    pub fn selects_nothing(&self) -> Option<&'static str> {
        if self.images.is_empty() && self.names_images() {
            Some(if self.knows_images() {
                "spec.ImageList is empty: name the wanted images"
            } else {
                "nobody knows which images spec.ImageSources name"
            })
        } else if self.restart_objects.is_empty() {
            Some("spec.RestartObjects is empty: name the kinds to restart, for example Deployment")
        } else if self.scope.containers.is_empty() {
            Some("spec.ProcessFilter.Containers is empty: name the sidecar container, for example istio-proxy")
        } else {
            None
        }
    }

    /// Whether the wanted images are those that it names, and not those that admission would give.
    pub fn names_images(&self) -> bool {
        self.drift_detection == DriftDetection::Images || !self.images.is_empty() || !self.image_sources.is_empty()
    }

    /// Whether admission is asked what new pods would get.
    pub fn asks_admission(&self) -> bool {
        self.drift_detection != DriftDetection::Images && self.selects_nothing().is_none()
    }

    /// The kinds that must be watched to follow this policy.
    pub fn kinds(&self) -> BTreeSet<Kind> {
        let restarted = self.restart_objects.iter().map(|object| object.kind);
        let gates = self.preconditions.iter().map(|precondition| precondition.target.kind);
        let first = self.restart_first.iter().map(|first| first.target.kind);
        let mut kinds: BTreeSet<Kind> = restarted.chain(gates).chain(first).collect();
        if kinds.contains(&Kind::ArgoRollout) {
            // A Rollout with workloadRef keeps its template there.
            kinds.insert(Kind::Deployment);
        }
        kinds
    }

    /// Whether `PodDisruptionBudget`s must be watched to follow this policy.
    pub fn needs_disruption_budgets(&self) -> bool {
        self.strategy.disruption_budgets == DisruptionBudgets::Respect && self.selects_nothing().is_none()
    }

    /// Whether they are of use: whoever evicts cannot ignore them, because the eviction API does not.
    pub fn looks_at_disruption_budgets(&self) -> bool {
        let may_evict = self.strategy.method != MethodChoice::Patch && self.selects_nothing().is_none();
        self.needs_disruption_budgets() || may_evict
    }

    /// Whether it restarts this workload before everything else.
    pub fn restarts_first(&self, named: &NamedWorkload) -> bool {
        self.may_act_in(&named.namespace) && self.restart_first.iter().any(|first| first.target == *named)
    }

    /// Whether it is trusted to act in a namespace, also on workloads that it names.
    pub(crate) fn may_act_in(&self, namespace: &str) -> bool {
        self.scope.only_namespace.as_deref().is_none_or(|only| only == namespace)
    }

    /// Position of a kind in the order of restarts.
    pub(crate) fn rank_of(&self, kind: Kind) -> Option<(usize, Waiting)> {
        self.restart_objects
            .iter()
            .position(|object| object.kind == kind)
            .map(|at| (at, self.restart_objects[at].waiting))
    }
}
