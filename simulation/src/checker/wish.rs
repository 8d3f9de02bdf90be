//! A `FlippyConfig`, read anew: not with the eyes of the product.

use std::collections::BTreeMap;

use flippy_sim::{Json, Key, Resource};
use jiff::{SignedDuration, Timestamp};

use crate::knowledge::View;
use crate::record::RESUMED_AT;
use crate::scenario::{CONFIG_NAMESPACE, IGNORE_KEY, MIRROR};

use super::query_gate::QueryGate;
use super::strategy::{Limit, Strategy};
use super::waves::Wave;
use super::window::Window;
use super::{facts, source};

/// What a restart that nobody waits for has, before it counts as failed.
const NOT_WAITED: SignedDuration = SignedDuration::from_secs(600);

/// What a config wants.
#[allow(clippy::struct_excessive_bools, reason = "each is a field of a spec, or whether it is there, read once")]
pub(crate) struct Wish {
    pub(crate) key: Key,
    pub(crate) created_at: Timestamp,
    pub(crate) images: Vec<String>,
    /// Whether nobody can tell what all of them are.
    pub(crate) lacks_a_source: bool,
    /// Whether what is pulled from the mirror counts as pulled from its origin.
    knows_mirror: bool,
    /// Whether it asks admission before it restarts anything.
    pub(crate) asks_admission: bool,
    containers: Vec<String>,
    labels: Json,
    /// Kinds in order, and how their restarts are waited for.
    pub(crate) kinds: Vec<(Resource, Check)>,
    pub(crate) preconditions: Vec<(Resource, Key, Check)>,
    pub(crate) first: Vec<(Resource, Key, Check)>,
    pub(crate) strategy: Strategy,
    pub(crate) windows: Vec<Window>,
    pub(crate) gates: Vec<QueryGate>,
    pub(crate) waves: Vec<Wave>,
    /// When somebody said to go on in spite of failures.
    pub(crate) resumed_at: Option<Timestamp>,
    pub(crate) suspended: bool,
    pub(crate) dry_run: bool,
    pub(crate) ignores_budgets: bool,
    /// `Strategy.Method`.
    pub(crate) method: String,
}

/// A `StatusCheckConfig`.
#[derive(Clone, Copy)]
pub(crate) struct Check {
    pub(crate) wanted: bool,
    pub(crate) wait: SignedDuration,
}

impl Check {
    fn read(config: &Json) -> Self {
        let number = |field: &str| config[field].as_i64().unwrap_or(0).max(0);
        let wait = SignedDuration::from_secs(number("MaxRetry") * number("RetryDuration"));
        Self { wanted: config["CheckStatus"] == true, wait }
    }

    /// Whether later restarts wait.
    pub(crate) fn is_waited(self) -> bool {
        self.wanted && !self.wait.is_zero()
    }

    /// How long a restart has.
    pub(crate) fn window(self) -> SignedDuration {
        if self.is_waited() { self.wait } else { NOT_WAITED }
    }
}

/// How a workload stands to a config.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// None of its pods has a container of interest, or it is filtered out.
    OutOfScope,
    Idle,
    Fresh,
    Stale,
}

impl Wish {
    pub(crate) fn read(key: &Key, config: &Json, config_maps: &BTreeMap<Key, Json>) -> Option<Self> {
        let spec = &config["spec"];
        let texts = |list: &Json| -> Vec<String> {
            list.as_array().into_iter().flatten().filter_map(Json::as_str).map(str::to_owned).collect()
        };
        let list = |list: &Json| list.as_array().unwrap_or_default().to_vec();
        let named = |one: &Json| {
            let text = |field: &str| one["K8S"][field].as_str().unwrap_or_default();
            let place = Key::new(text("Namespace"), text("Name"));
            Some((resource_of(text("Type"))?, place, Check::read(&one["StatusCheckConfig"])))
        };
        let of_sources = source::images(spec, config_maps);
        let of_list = texts(&spec["ImageList"]);
        Some(Self {
            key: key.clone(),
            created_at: config["metadata"]["creationTimestamp"].as_str()?.parse().ok()?,
            lacks_a_source: of_sources.is_none(),
            images: of_list.iter().map(|image| facts::full(image)).chain(of_sources.unwrap_or_default()).collect(),
            knows_mirror: !spec["ImageMirrors"].is_null(),
            asks_admission: spec["DriftDetection"] == "Injection",
            containers: texts(&spec["ProcessFilter"]["Containers"]),
            labels: spec["ProcessFilter"]["Labels"].clone(),
            kinds: list(&spec["RestartObjects"])
                .iter()
                .filter_map(|one| Some((resource_of(one["Type"].as_str()?)?, Check::read(&one["StatusCheckConfig"]))))
                .collect(),
            preconditions: list(&spec["Preconditions"]).iter().filter_map(named).collect(),
            first: list(&spec["PostFilterRestarts"]).iter().filter_map(named).collect(),
            strategy: Strategy::read(&spec["Strategy"]),
            windows: list(&spec["Windows"]).iter().map(Window::read).collect(),
            gates: list(&spec["Gates"]).iter().map(QueryGate::read).collect(),
            waves: list(&spec["Strategy"]["Waves"]).iter().map(Wave::read).collect(),
            resumed_at: config["metadata"]["annotations"][RESUMED_AT].as_str().and_then(|at| at.parse().ok()),
            suspended: spec["Suspend"] == true,
            dry_run: spec["DryRun"] == true,
            method: spec["Strategy"]["Method"].as_str().unwrap_or("Auto").to_owned(),
            ignores_budgets: spec["Strategy"]["DisruptionBudgets"] == "Ignore",
        })
    }

    /// Whether it restarts a workload by evicting its pods.
    pub(crate) fn evicts(&self, resource: Resource, workload: &Json) -> bool {
        resource != Resource::Rollouts
            && match &*self.method {
                "Evict" => true,
                "Patch" => false,
                // Nobody knows how a controller that is not known bears it.
                _ if resource == Resource::CloneSets => false,
                _ => !facts::replaces_all_by_template(resource, workload),
            }
    }

    fn may_act_in(&self, namespace: &str) -> bool {
        *self.key.namespace == *CONFIG_NAMESPACE || *self.key.namespace == *namespace
    }

    pub(crate) fn check_of(&self, resource: Resource) -> Option<Check> {
        self.kinds.iter().find(|(kind, _)| *kind == resource).map(|(_, check)| *check)
    }

    /// The position of a workload in the order of kinds.
    pub(crate) fn rank_of(&self, resource: Resource) -> Option<usize> {
        self.kinds.iter().position(|(kind, _)| *kind == resource)
    }

    /// Whether a workload passes the filters that do not depend on its pods.
    pub(crate) fn admits(&self, view: &View, resource: Resource, key: &Key, workload: &Json) -> bool {
        let Some(namespace) = view.namespaces.get(&key.namespace) else { return false };
        let labels = &namespace["metadata"]["labels"];
        let wanted = self.labels.as_object().into_iter().flatten();
        let ignored =
            [labels, &workload["metadata"]["annotations"], &workload["spec"]["template"]["metadata"]["annotations"]];
        workload["metadata"]["deletionTimestamp"].is_null()
            && self.check_of(resource).is_some()
            && self.may_act_in(&key.namespace)
            && wanted.into_iter().all(|(name, value)| labels[name] == *value)
            && ignored.iter().all(|place| place[IGNORE_KEY] != "true")
    }

    /// How a workload stands, by its pods.
    pub(crate) fn standing(&self, view: &View, resource: Resource, key: &Key, workload: &Json) -> Standing {
        if !self.admits(view, resource, key, workload) {
            return Standing::OutOfScope;
        }
        let pods = view.pods(workload);
        if pods.is_empty() {
            return Standing::Idle;
        }
        let mut standing = Standing::OutOfScope;
        for pod in pods {
            match self.is_fresh(pod) {
                Some(false) => return Standing::Stale,
                Some(true) => standing = Standing::Fresh,
                None => {}
            }
        }
        standing
    }

    /// Whether all containers of interest of a pod run a wanted image; None when there are none.
    pub(crate) fn is_fresh(&self, pod: &Json) -> Option<bool> {
        let lists = [&pod["spec"]["containers"], &pod["spec"]["initContainers"]];
        let all = lists.into_iter().filter_map(Json::as_array).flatten();
        let mut of_interest = all
            .filter(|container| self.containers.iter().any(|name| container["name"] == **name))
            .map(|container| facts::full(container["image"].as_str().unwrap_or_default()))
            .peekable();
        of_interest.peek()?;
        Some(of_interest.all(|image| self.wants(&image)))
    }

    /// Whether an image is one of those that are wanted.
    pub(crate) fn wants(&self, image: &str) -> bool {
        let origin = image.strip_prefix(MIRROR).filter(|_| self.knows_mirror).map(|rest| format!("docker.io{rest}"));
        self.images.contains(&origin.unwrap_or_else(|| image.to_owned()))
    }

    /// Everything in scope with its standing.
    pub(crate) fn in_scope<'a>(
        &'a self,
        view: &'a View,
    ) -> impl Iterator<Item = (Resource, &'a Key, &'a Json, Standing)> {
        view.workloads.iter().filter_map(move |((resource, key), workload)| {
            let standing = self.standing(view, *resource, key, workload);
            (standing != Standing::OutOfScope).then_some((*resource, key, workload, standing))
        })
    }

    /// Whether another config wants something else in the same workload.
    pub(crate) fn conflicts(
        &self,
        wishes: &[Self],
        view: &View,
        resource: Resource,
        key: &Key,
        workload: &Json,
    ) -> bool {
        wishes.iter().any(|other| {
            other.key != self.key
                && !other.dry_run
                && !other.lacks_a_source
                && other.admits(view, resource, key, workload)
                && other.images.iter().all(|image| !self.images.contains(image))
        })
    }

    /// Whether another config may want something else in the same workload: what one without its source wants is what it
    /// wanted last.
    pub(crate) fn may_conflict(
        &self,
        wishes: &[Self],
        view: &View,
        resource: Resource,
        key: &Key,
        workload: &Json,
    ) -> bool {
        let is_unknown = |other: &Self| {
            other.key != self.key
                && !other.dry_run
                && other.lacks_a_source
                && other.admits(view, resource, key, workload)
        };
        wishes.iter().any(is_unknown) || self.conflicts(wishes, view, resource, key, workload)
    }

    /// Whether a workload is one of those that go before everything in scope.
    pub(crate) fn goes_first(&self, resource: Resource, key: &Key) -> bool {
        self.first.iter().any(|(kind, place, _)| *kind == resource && place == key)
    }

    /// `MaxConcurrent` of a wave.
    pub(crate) fn most(&self, wave: usize) -> Option<Limit> {
        self.waves.get(wave).and_then(|wave| wave.most).or(self.strategy.most)
    }

    /// `MaxConcurrentPerNamespace` of a wave.
    pub(crate) fn most_in_namespace(&self, wave: usize) -> Option<Limit> {
        self.waves.get(wave).and_then(|wave| wave.most_in_namespace).or(self.strategy.most_in_namespace)
    }

    /// Failures that do not halt it yet, in a wave; None: nothing does.
    pub(crate) fn tolerated(&self, wave: usize) -> Option<Limit> {
        self.waves
            .get(wave)
            .and_then(|wave| wave.failures)
            .filter(|_| !self.strategy.continues)
            .or(self.strategy.tolerated)
    }

    /// How a restart of this workload is waited for, and how long it has.
    pub(crate) fn waits_for(&self, resource: Resource, key: &Key) -> Option<Check> {
        let first = self.first.iter().find(|(kind, place, _)| *kind == resource && place == key);
        first.map(|(_, _, check)| *check).or_else(|| self.check_of(resource))
    }
}

/// The resource that a `Type` names.
pub(crate) fn resource_of(kind: &str) -> Option<Resource> {
    match kind.to_ascii_lowercase().as_str() {
        "deployment" => Some(Resource::Deployments),
        "statefulset" => Some(Resource::StatefulSets),
        "daemonset" => Some(Resource::DaemonSets),
        "argorollout" => Some(Resource::Rollouts),
        "replicaset" => Some(Resource::ReplicaSets),
        "replicationcontroller" => Some(Resource::ReplicationControllers),
        // No other custom kind is drawn.
        "cloneset" => Some(Resource::CloneSets),
        _ => None,
    }
}
