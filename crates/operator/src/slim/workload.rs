//! Workloads: their template's labels and annotations, and what their rollout is judged by.

use std::borrow::Cow;
use std::collections::BTreeMap;

use flippy_core::{
    ArgoPhase, ArgoRolloutFacts, DaemonSetFacts, DeploymentFacts, DisruptionFacts, Kind, NamedWorkload, RestartMark,
    RolloutFacts, StatefulSetFacts, Timestamp, UpdateStrategy, Workload, WorkloadRef, annotation, group_name,
};
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::Resource;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use super::fingerprint::Fingerprint;
use super::meta::{revision, slim_meta, text};
use super::surge;
use crate::interner::Interner;

/// What the kinds of workload have in common for their feeds and for the answer to a patch.
pub(crate) trait SlimWorkload:
    Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
    + DeserializeOwned
    + Clone
    + std::fmt::Debug
    + Send
    + 'static
{
    fn record(self, interner: &mut Interner) -> Workload;
}

#[derive(Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct SlimTemplate {
    pub(super) metadata: SlimTemplateMeta,
    pub(super) spec: Fingerprint,
}

#[derive(Deserialize, Clone, Debug, Default)]
#[serde(default)]
pub(super) struct SlimTemplateMeta {
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(kube::Resource, Deserialize, Clone, Debug)]
#[resource(inherit = "Deployment")]
pub(crate) struct SlimDeployment {
    #[serde(deserialize_with = "slim_meta")]
    metadata: ObjectMeta,
    #[serde(default)]
    spec: DeploymentSpec,
    #[serde(default)]
    status: DeploymentStatus,
}

#[derive(Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
struct DeploymentSpec {
    replicas: Option<i64>,
    paused: bool,
    strategy: Option<SlimDeploymentStrategy>,
    template: SlimTemplate,
}

#[derive(Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
struct SlimDeploymentStrategy {
    #[serde(rename = "type")]
    kind: Option<String>,
    rolling_update: Option<SlimDeploymentRollingUpdate>,
}

#[derive(Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
struct SlimDeploymentRollingUpdate {
    max_surge: Option<IntOrString>,
    max_unavailable: Option<IntOrString>,
}

impl SlimDeploymentStrategy {
    /// Whether no pod goes before its successor is available.
    fn takes_nothing_away(&self, replicas: i64) -> bool {
        let rolling = self.rolling_update.as_ref();
        let max_surge = rolling.and_then(|rolling| rolling.max_surge.as_ref());
        let max_unavailable = rolling.and_then(|rolling| rolling.max_unavailable.as_ref());
        self.kind.as_deref() != Some("Recreate") && surge::takes_nothing_away(max_surge, max_unavailable, replicas)
    }
}

#[derive(Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
struct DeploymentStatus {
    observed_generation: i64,
    replicas: i64,
    updated_replicas: i64,
    available_replicas: i64,
    conditions: Option<Vec<SlimCondition>>,
}

#[derive(Deserialize, Clone, Debug)]
struct SlimCondition {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    reason: Option<String>,
}

#[derive(kube::Resource, Deserialize, Clone, Debug)]
#[resource(inherit = "StatefulSet")]
pub(crate) struct SlimStatefulSet {
    #[serde(deserialize_with = "slim_meta")]
    metadata: ObjectMeta,
    #[serde(default)]
    spec: StatefulSetSpec,
    #[serde(default)]
    status: StatefulSetStatus,
}

#[derive(Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
struct StatefulSetSpec {
    replicas: Option<i64>,
    template: SlimTemplate,
    update_strategy: SlimUpdateStrategy,
}

#[derive(Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
struct SlimUpdateStrategy {
    #[serde(rename = "type")]
    kind: Option<String>,
    rolling_update: Option<SlimRollingUpdate>,
}

#[derive(Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
struct SlimRollingUpdate {
    partition: Option<i64>,
    max_surge: Option<IntOrString>,
}

#[derive(Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
struct StatefulSetStatus {
    observed_generation: i64,
    ready_replicas: i64,
    updated_replicas: i64,
    current_revision: Option<String>,
    update_revision: Option<String>,
}

#[derive(kube::Resource, Deserialize, Clone, Debug)]
#[resource(inherit = "DaemonSet")]
pub(crate) struct SlimDaemonSet {
    #[serde(deserialize_with = "slim_meta")]
    metadata: ObjectMeta,
    #[serde(default)]
    spec: DaemonSetSpec,
    #[serde(default)]
    status: DaemonSetStatus,
}

#[derive(Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
struct DaemonSetSpec {
    template: SlimTemplate,
    update_strategy: SlimUpdateStrategy,
}

#[derive(Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
struct DaemonSetStatus {
    observed_generation: i64,
    desired_number_scheduled: i64,
    updated_number_scheduled: i64,
    number_available: i64,
}

#[derive(Deserialize, Clone, Debug)]
pub(crate) struct SlimRollout {
    #[serde(deserialize_with = "slim_meta")]
    metadata: ObjectMeta,
    #[serde(default)]
    spec: RolloutSpec,
    #[serde(default)]
    status: RolloutStatus,
}

#[derive(Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
struct RolloutSpec {
    replicas: Option<i64>,
    paused: bool,
    #[serde(deserialize_with = "time_or_none")]
    restart_at: Option<Timestamp>,
    template: Option<SlimTemplate>,
    workload_ref: Option<SlimWorkloadReference>,
}

#[derive(Deserialize, Clone, Debug)]
struct SlimWorkloadReference {
    kind: Option<String>,
    name: Option<String>,
}

#[derive(Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
struct RolloutStatus {
    /// Argo writes a number as text.
    observed_generation: Option<String>,
    #[serde(deserialize_with = "time_or_none")]
    restarted_at: Option<Timestamp>,
    phase: Option<String>,
    updated_replicas: i64,
    available_replicas: i64,
    current_pod_hash: Option<String>,
    #[serde(rename = "stableRS")]
    stable_rs: Option<String>,
}

/// A custom resource can hold anything: a time that is none counts as absent instead of blinding the whole feed.
fn time_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.and_then(|text| text.parse().ok()))
}

impl SlimWorkload for SlimDeployment {
    fn record(self, interner: &mut Interner) -> Workload {
        let exceeded = |condition: &SlimCondition| {
            condition.kind == "Progressing" && condition.reason.as_deref() == Some("ProgressDeadlineExceeded")
        };
        let replicas_wanted = self.spec.replicas.unwrap_or(1);
        let strategy = self.spec.strategy.unwrap_or_default();
        let takes_nothing_away = strategy.takes_nothing_away(replicas_wanted);
        let facts = DeploymentFacts {
            replicas_wanted,
            paused: self.spec.paused,
            observed_generation: self.status.observed_generation,
            replicas: self.status.replicas,
            updated: self.status.updated_replicas,
            available: self.status.available_replicas,
            progress_deadline_exceeded: self.status.conditions.iter().flatten().any(exceeded),
        };
        let workload =
            record(Kind::Deployment, self.metadata, self.spec.template, RolloutFacts::Deployment(facts), interner);
        taking_nothing_away(workload, takes_nothing_away)
    }
}

impl SlimWorkload for SlimStatefulSet {
    fn record(self, interner: &mut Interner) -> Workload {
        let strategy = self.spec.update_strategy;
        let facts = StatefulSetFacts {
            replicas_wanted: self.spec.replicas.unwrap_or(1),
            strategy: update_strategy(strategy.kind.as_deref()),
            partition: strategy.rolling_update.map(|rolling| rolling.partition.unwrap_or(0)),
            observed_generation: self.status.observed_generation,
            ready: self.status.ready_replicas,
            updated: self.status.updated_replicas,
            revisions_equal: self.status.current_revision == self.status.update_revision,
        };
        record(Kind::StatefulSet, self.metadata, self.spec.template, RolloutFacts::StatefulSet(facts), interner)
    }
}

impl SlimWorkload for SlimDaemonSet {
    fn record(self, interner: &mut Interner) -> Workload {
        let facts = DaemonSetFacts {
            strategy: update_strategy(self.spec.update_strategy.kind.as_deref()),
            observed_generation: self.status.observed_generation,
            scheduled_wanted: self.status.desired_number_scheduled,
            updated: self.status.updated_number_scheduled,
            available: self.status.number_available,
        };
        let rolling = self.spec.update_strategy.rolling_update.as_ref();
        let takes_nothing_away = surge::daemon_set_surges(rolling.and_then(|rolling| rolling.max_surge.as_ref()));
        let workload =
            record(Kind::DaemonSet, self.metadata, self.spec.template, RolloutFacts::DaemonSet(facts), interner);
        taking_nothing_away(workload, takes_nothing_away)
    }
}

impl SlimWorkload for SlimRollout {
    fn record(self, interner: &mut Interner) -> Workload {
        let status = self.status;
        let facts = ArgoRolloutFacts {
            replicas_wanted: self.spec.replicas.unwrap_or(1),
            paused: self.spec.paused,
            restart_at: self.spec.restart_at,
            restarted_at: status.restarted_at,
            observed_generation: status.observed_generation.and_then(|text| text.parse().ok()).unwrap_or(0),
            phase: argo_phase(status.phase.as_deref()),
            updated: status.updated_replicas,
            available: status.available_replicas,
            revision_in_progress: status.current_pod_hash != status.stable_rs,
        };
        let namespace = text(self.metadata.namespace.as_ref(), interner);
        let template_from = self.spec.workload_ref.and_then(|reference| {
            let kind: Kind = reference.kind.as_deref()?.parse().ok()?;
            Some(NamedWorkload { kind, namespace, name: text(reference.name.as_ref(), interner) })
        });
        let template = self.spec.template.unwrap_or_default();
        let rollout = RolloutFacts::ArgoRollout(facts);
        Workload { template_from, ..record(Kind::ArgoRollout, self.metadata, template, rollout, interner) }
    }
}

pub(super) fn record(
    kind: Kind,
    meta: ObjectMeta,
    template: SlimTemplate,
    rollout: RolloutFacts,
    interner: &mut Interner,
) -> Workload {
    let revision = revision(&meta);
    let annotations = meta.annotations.unwrap_or_default();
    let template_annotations = template.metadata.annotations.unwrap_or_default();
    let group = annotations.get(annotation::GROUP).or_else(|| meta.labels.as_ref()?.get(annotation::GROUP));
    let disruption =
        DisruptionFacts { takes_nothing_away: false, group: group.map(|text| interner.text(&group_name(text))) };
    let mark = if kind == Kind::ArgoRollout {
        mark(&annotations)
    } else {
        // The one on the object is the later one: a restart through the template takes it away.
        mark_of_eviction(&annotations).or_else(|| mark(&template_annotations))
    };
    let owned = meta.owner_references.iter().flatten().any(|owner| owner.controller == Some(true));
    Workload {
        id: WorkloadRef {
            named: NamedWorkload {
                kind,
                namespace: text(meta.namespace.as_ref(), interner),
                name: text(meta.name.as_ref(), interner),
            },
            uid: text(meta.uid.as_ref(), interner),
        },
        generation: meta.generation.unwrap_or(0),
        revision,
        deleting: meta.deletion_timestamp.is_some(),
        owned,
        labels: interner.labels(meta.labels.unwrap_or_default()),
        annotations: interner.labels(annotations),
        template_labels: interner.labels(template.metadata.labels.unwrap_or_default()),
        template_annotations: interner.labels(template_annotations),
        template_fingerprint: template.spec.0,
        template_from: None,
        mark,
        disruption,
        rollout,
    }
}

fn taking_nothing_away(mut workload: Workload, takes_nothing_away: bool) -> Workload {
    workload.disruption.takes_nothing_away = takes_nothing_away;
    workload
}

fn mark(annotations: &BTreeMap<String, String>) -> Option<RestartMark> {
    let unhealthy_before = annotations.get(annotation::UNHEALTHY_BEFORE).map(String::as_str);
    RestartMark::parse(
        annotations.get(annotation::RESTARTED_FOR)?,
        annotations.get(annotation::RESTARTED_AT)?,
        unhealthy_before,
    )
}

fn mark_of_eviction(annotations: &BTreeMap<String, String>) -> Option<RestartMark> {
    mark(annotations)?.by_eviction(annotations.get(annotation::EVICTS_UNTIL)?)
}

fn update_strategy(kind: Option<&str>) -> UpdateStrategy {
    match kind {
        Some("OnDelete") => UpdateStrategy::OnDelete,
        _ => UpdateStrategy::Rolling,
    }
}

fn argo_phase(phase: Option<&str>) -> ArgoPhase {
    match phase {
        Some("Healthy") => ArgoPhase::Healthy,
        Some("Progressing") => ArgoPhase::Progressing,
        Some("Paused") => ArgoPhase::Paused,
        Some("Degraded") => ArgoPhase::Degraded,
        _ => ArgoPhase::Unknown,
    }
}

/// Argo Rollouts has no Rust types, and needs none: this is all that is read of it.
impl Resource for SlimRollout {
    type DynamicType = ();
    type Scope = kube::core::NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        "Rollout".into()
    }
    fn group((): &()) -> Cow<'_, str> {
        "argoproj.io".into()
    }
    fn version((): &()) -> Cow<'_, str> {
        "v1alpha1".into()
    }
    fn plural((): &()) -> Cow<'_, str> {
        "rollouts".into()
    }
    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests;
