//! What users write. Every description here is what `kubectl explain` shows.
#![allow(clippy::doc_markdown, reason = "back ticks around every field name are noise in kubectl explain")]

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use crate::gate_spec::Gate;
use crate::image_spec::{ImageMirror, ImageSource};
use crate::notification_spec::Notification;
use crate::wave_spec::Wave;

/// Which container images are wanted, which workloads are in scope, and how carefully to restart them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase", default)]
pub struct FlippyConfigSpec {
    /// The wanted images of the containers named in ProcessFilter.Containers. A workload is restarted when one of its
    /// pods runs another one. Tags and digests may be mixed; `istio/proxyv2:1.30.4` and
    /// `docker.io/istio/proxyv2:1.30.4` are the same. An empty list, without ImageSources, restarts nothing.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub image_list: Vec<String>,
    /// Where more wanted images are named; they are joined with ImageList. A change there starts a campaign, as one of
    /// ImageList does. While one of them is missing or cannot be read, nothing starts. At most 16.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub image_sources: Vec<ImageSource>,
    /// Registries that hold copies of others: an image pulled from a mirror counts as the one that it is a copy of, in what
    /// is wanted and in pods. Tags and digests are compared as ever. At most 32.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub image_mirrors: Vec<ImageMirror>,
    /// Images: pods are compared with ImageList and ImageSources. Injection: admission is asked, by creating pods on a dry run,
    /// what a new pod of each workload would get; pods are compared with that. Where images are named as well, those are
    /// wanted, and a workload is restarted only when admission says that this brings one of them. Needs the rights of
    /// deploy/optional/ask-admission.yaml. Default: Images.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub drift_detection: String,
    /// With DriftDetection: Injection, what becomes of a workload whose pods lack one of ProcessFilter.Containers that a new
    /// pod would have, or have one that it would not. Ignore: it is not restarted for that. Restart: it is.
    /// Default: Ignore.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub missing_sidecar: String,
    /// Workloads that must be completely rolled out before the first restart, and stay so. When one of them is not,
    /// no further restart starts until it is again.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub preconditions: Vec<FlippyCondition>,
    /// Which workloads are in scope.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "is_default")]
    pub process_filter: ProcessFilter,
    /// The kinds of workload to restart, in order. Kinds not named are left alone; an empty list restarts nothing.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub restart_objects: Vec<RestartObject>,
    /// Workloads that are restarted before all others, in this order, whatever they run: once per set of wanted
    /// images, and only if anything in scope needs a restart. For example the gateways.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub post_filter_restarts: Vec<FlippyCondition>,
    /// How carefully to go. Without it, one restart after the other where CheckStatus is true, and no other limit.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "is_default")]
    pub strategy: Strategy,
    /// When restarts may start. Without any: always. With Allow windows, only inside one of them; never inside a Deny
    /// window. A restart that is not expected to finish before closing time does not start; what is under way then is left
    /// to finish. At most 10.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<Window>,
    /// What Prometheus must say for restarts to start, and all the while until the last one has started. Only in configs
    /// of namespaces that Flippy trusts with the whole cluster. At most 10.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<Gate>,
    /// Who is told of turns of a campaign: that it has started, waits for an approval, has halted, is completed. Only in
    /// configs of namespaces that Flippy trusts with the whole cluster. At most 10.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub notifications: Vec<Notification>,
    /// true: no further restart starts; what is under way goes on and is reported. Default: false.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "is_default")]
    pub suspend: bool,
    /// true: report what would be restarted, and restart nothing. Default: false.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "is_default")]
    pub dry_run: bool,
}

/// A filter. Everything in it must match.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase", default)]
pub struct ProcessFilter {
    /// Labels that the pod template of the workload must carry. Empty: any workload.
    #[serde(deserialize_with = "nulls_are_absent", skip_serializing_if = "BTreeMap::is_empty")]
    pub pod_labels: BTreeMap<String, String>,
    /// Labels that the namespace must carry, for example istio-injection: enabled. Empty: every namespace.
    #[serde(deserialize_with = "nulls_are_absent", skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations that the pod template of the workload must carry, for example sidecar.istio.io/inject: "true".
    /// Empty: any workload.
    #[serde(deserialize_with = "nulls_are_absent", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Names of the containers whose images are compared, for example `istio-proxy`. Init containers, and so native
    /// sidecars, are looked at too. An empty list restarts nothing.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub containers: Vec<String>,
    /// One workload that is restarted before everything else, even before PostFilterRestarts. It is not waited for.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "is_default")]
    pub pre_process_restart: K8S,
}

/// A kind of workload to restart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase", default)]
pub struct RestartObject {
    /// Deployment, StatefulSet, DaemonSet, ArgoRollout, ReplicaSet or ReplicationController; of the last two, those that
    /// nobody owns. Case does not matter. With ApiVersion also any other kind, spelled as its objects spell it. Without, and
    /// beside one of these, anything else is skipped.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub r#type: String,
    /// GROUP/VERSION of a kind that Flippy does not know, for example apps.kruise.io/v1alpha1 of a CloneSet. Its workloads
    /// are restarted by an annotation of their spec.template, so its controller has to replace pods when that changes. The
    /// operator needs the right to list, watch and patch them: see deploy/optional/custom-kinds-clusterrole.yaml.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub api_version: String,
    /// Whether, and for how long, the next restart waits until one of this kind is completely rolled out.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "is_default")]
    pub status_check_config: StatusCheckConfig,
}

/// A workload and how long to wait for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase", default)]
pub struct FlippyCondition {
    /// The workload.
    #[serde(rename = "K8S", deserialize_with = "null_is_default", skip_serializing_if = "is_default")]
    pub k8s: K8S,
    /// Has no effect: a workload is always expected to be completely rolled out. Accepted because old configs have it.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub status: String,
    /// Whether, and for how long, to wait until it is completely rolled out.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "is_default")]
    pub status_check_config: StatusCheckConfig,
}

/// Names one workload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase", default)]
pub struct K8S {
    /// Deployment, StatefulSet, DaemonSet, ArgoRollout, ReplicaSet or ReplicationController. Case does not matter.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub r#type: String,
    /// Name of the workload.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Namespace of the workload. From a namespace that Flippy does not trust with the whole cluster, only that one.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub namespace: String,
}

/// Whether, and for how long, to wait for a workload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase", default)]
pub struct StatusCheckConfig {
    /// For a restart, true: the next one waits until this one is completely rolled out, at most MaxRetry x RetryDuration
    /// seconds; then this one counts as failed. false: the next one starts at once. For a precondition, true: restarts
    /// stay forbidden until it is met, however long it takes. false: they wait at most MaxRetry x RetryDuration seconds.
    /// Default: false.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "is_default")]
    pub check_status: bool,
    /// How many times RetryDuration to wait. Nothing polls: only the product counts. Negative: understood as 0.
    /// Default: 0.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "is_default")]
    pub max_retry: i64,
    /// In seconds; times MaxRetry, this is how long to wait. Negative: understood as 0. Default: 0.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "is_default")]
    pub retry_duration: i64,
}

/// How carefully to go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase", default)]
pub struct Strategy {
    /// Restarts under way at once: a number, or a percentage of the workloads in scope that have running pods, rounded
    /// down but at least one. With it, also those count that nobody waits for. Without it, one that is waited for
    /// (CheckStatus: true) holds up all others, and those that are not waited for do not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_concurrent: Option<NumberOrPercent>,
    /// The same within each namespace, as a further limit. Without MaxConcurrent, it is still one after the other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_concurrent_per_namespace: Option<NumberOrPercent>,
    /// Least time between the starts of two restarts, for example 30s or 5m; at most 24h. Default: none.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub min_interval: String,
    /// How long a workload must stay completely rolled out, every pod of it ready, until its restart counts as done, in
    /// seconds; at most 86400. Default: 0.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "is_default")]
    pub min_ready_seconds: i64,
    /// Failed restarts that are tolerated: a number, or a percentage of the workloads in scope that have running pods,
    /// rounded down but at least one (0% tolerates none). One more halts the campaign until enough of them recover, the
    /// images or this limit change, or a person sets the annotation flippy.keikoproj.io/resumed-at of the FlippyConfig to
    /// the time. Default: any number; with OnFailure: Halt, none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_failures: Option<NumberOrPercent>,
    /// What to do past MaxFailures: Halt or Continue. Default: Halt, if MaxFailures is set.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub on_failure: String,
    /// What to do with a workload of one replica, which would be away for a moment: Restart it like any other, or Hold it
    /// and leave it to its owner. A Deployment that surges is restarted in any case. Default: Restart.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub single_replica: String,
    /// Respect: of the workloads that share a PodDisruptionBudget, one is restarted at a time, and none that would lose a pod
    /// while the budget allows no disruption. Ignore: restart them all the same, as the original did and as any rolling
    /// update does. Groups (flippy.keikoproj.io/group) are respected in any case. Default: Respect.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub disruption_budgets: String,
    /// How pods are replaced. Auto: through the pod template where a change of it replaces every pod, else pod by pod through
    /// the eviction API (update strategy OnDelete or with a partition, ReplicaSets, ReplicationControllers). Patch: only
    /// through the template; what that would not restart is reported. Evict: pods are evicted, and no template is touched.
    /// An ArgoRollout is restarted by its spec.restartAt in any case. Default: Auto.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub method: String,
    /// Groups of workloads that are restarted one after the other: the next one starts once nothing of the one before is
    /// left to restart or under way, and it has soaked. What can never be fresh holds up nobody. PostFilterRestarts go
    /// before the first wave. At most 16. Default: everything is one group.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub waves: Vec<Wave>,
}

/// A number, or a percentage such as "5%".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum NumberOrPercent {
    /// So many.
    Number(i64),
    /// A percentage, if it is well written.
    Percent(String),
}

/// A span of time that begins again and again. It belongs to the day on which it begins: "0 22 * * 6" for 6h includes
/// Sunday 02:00.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase", default)]
pub struct Window {
    /// Allow or Deny. Deny beats Allow.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub r#type: String,
    /// When it begins, as in cron: minute, hour, day of the month, month, day of the week (0 and 7 are Sunday). For example
    /// "0 22 * * 1-5" for 22:00 on working days. At most 48 times a day.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub schedule: String,
    /// How long it lasts, for example 6h or 90m; from 1m to 720h.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub duration: String,
    /// Whose wall clock Schedule means, by its IANA name, for example Europe/Paris. Default: UTC.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "String::is_empty")]
    pub time_zone: String,
}

/// Old objects hold explicit nulls; the original read them as absent.
pub(crate) fn null_is_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// The API server drops nulls, also in maps.
pub(crate) fn nulls_are_absent<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    let map: BTreeMap<String, Option<String>> = null_is_default(deserializer)?;
    Ok(map.into_iter().filter_map(|(key, value)| Some((key, value?))).collect())
}

pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
