//! What Flippy says of a config.

use std::collections::BTreeMap;

use flippy_core::{ConditionStatus, Kind, NamedWorkload, PolicyName, StatusFacts, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::resource::FlippyConfig;

/// Images listed at most.
const LISTED_IMAGES: usize = 50;
/// Longer messages are cut: a status is no log.
const MAX_MESSAGE_CHARS: usize = 1024;

/// What was found, and how far it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct FlippyConfigStatus {
    /// The generation of the spec that this is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready, Reconciling, Stalled (as kstatus reads them) and `RestartsAllowed`.
    pub conditions: Vec<ConfigCondition>,
    /// The wanted images in their full form; at most 50.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub desired_images: Vec<String>,
    /// The name of this set of images in restart marks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images_hash: Option<String>,
    /// How many workloads have each verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workloads: Option<WorkloadCounts>,
    /// When the first restart for these images was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// When everything was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<String>,
    /// Restarts that are under way; at most 50.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub in_flight: Vec<Listed>,
    /// Stale workloads that are not restarted; at most 50.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub blocked: Vec<Listed>,
    /// Workloads whose restart failed; at most 50.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<Listed>,
    /// The preconditions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub preconditions: Vec<PreconditionStatus>,
}

/// A condition as Kubernetes knows them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigCondition {
    /// Its name.
    pub r#type: String,
    /// True, False or Unknown.
    pub status: String,
    /// One word from a closed list.
    pub reason: String,
    /// One line for people.
    pub message: String,
    /// When the status last changed.
    pub last_transition_time: String,
    /// The generation of the spec that this is about.
    #[serde(default)]
    pub observed_generation: i64,
}

/// How many workloads have each verdict.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkloadCounts {
    /// Workloads in scope.
    pub total: i64,
    /// Those that nothing more is to be done for, of all: for example 37/60.
    pub done: String,
    /// Every pod runs a wanted image.
    pub fresh: i64,
    /// To be restarted.
    pub restart: i64,
    /// Being restarted.
    pub in_flight: i64,
    /// Being replaced by somebody else's rollout.
    pub converging: i64,
    /// Stale, but not restarted.
    pub blocked: i64,
    /// Restarted in vain.
    pub futile: i64,
    /// Without running pods.
    pub idle: i64,
    /// Whose restart failed.
    pub failed: i64,
}

/// A workload and why it is listed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    /// Kind, namespace/name.
    pub workload: String,
    /// One word from a closed list.
    pub reason: String,
    /// One line for people.
    pub message: String,
}

/// One precondition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreconditionStatus {
    /// Its workload's kind.
    pub r#type: String,
    /// Its workload's namespace.
    pub namespace: String,
    /// Its workload's name.
    pub name: String,
    /// Whether that is completely rolled out.
    pub met: bool,
    /// Since when it is not, while restarts wait for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unmet_since: Option<String>,
    /// What is missing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// The status that follows `prior` when this was found. `images` and `hash` are what the policy wants.
pub fn next_status(
    prior: Option<&FlippyConfigStatus>,
    facts: &StatusFacts,
    images: Vec<String>,
    hash: &str,
    generation: i64,
    now: Timestamp,
) -> FlippyConfigStatus {
    let same_campaign = prior.filter(|prior| prior.images_hash.as_deref() == Some(hash));
    let conditions = facts
        .conditions
        .iter()
        .map(|fact| condition(prior, fact.kind, fact.status, fact.reason, &fact.message, generation, now))
        .collect::<Vec<_>>();
    let is_ready = conditions.iter().any(|condition| condition.r#type == "Ready" && condition.status == "True");
    let started_at =
        same_campaign.and_then(|prior| prior.started_at.clone()).or_else(|| facts.started_at.map(|at| at.to_string()));
    let completed_before = same_campaign.and_then(|prior| prior.completed_at.clone());
    FlippyConfigStatus {
        observed_generation: Some(generation),
        completed_at: (is_ready && started_at.is_some()).then(|| completed_before.unwrap_or_else(|| whole_second(now))),
        conditions,
        desired_images: images.into_iter().take(LISTED_IMAGES).collect(),
        images_hash: Some(hash.to_owned()),
        workloads: Some(counts(facts)),
        started_at,
        in_flight: listed(&facts.in_flight),
        blocked: listed(&facts.blocked),
        failed: listed(&facts.failed),
        preconditions: facts.preconditions.iter().map(precondition).collect(),
    }
}

/// The status of a config that cannot be followed: why in one word and in one line.
pub fn problem_status(
    prior: Option<&FlippyConfigStatus>,
    reason: &str,
    message: &str,
    generation: i64,
    now: Timestamp,
) -> FlippyConfigStatus {
    let of = |kind, status| condition(prior, kind, status, reason, message, generation, now);
    FlippyConfigStatus {
        observed_generation: Some(generation),
        conditions: vec![
            of("Ready", ConditionStatus::False),
            of("Reconciling", ConditionStatus::False),
            of("Stalled", ConditionStatus::True),
            of("RestartsAllowed", ConditionStatus::False),
        ],
        ..FlippyConfigStatus::default()
    }
}

/// The body of a server-side apply that writes a status and nothing else.
pub fn status_patch(name: &PolicyName, status: &FlippyConfigStatus) -> Value {
    json!({
        "apiVersion": FlippyConfig::API_VERSION,
        "kind": FlippyConfig::KIND,
        "metadata": {"namespace": name.namespace, "name": name.name},
        "status": status,
    })
}

/// Since when each precondition is not met, as a status remembers it.
pub fn unmet_since(status: &FlippyConfigStatus) -> BTreeMap<NamedWorkload, Timestamp> {
    let remembered = status.preconditions.iter().filter_map(|precondition| {
        let kind: Kind = precondition.r#type.parse().ok()?;
        let since = precondition.unmet_since.as_ref()?.parse().ok()?;
        let namespace = precondition.namespace.as_str().into();
        Some((NamedWorkload { kind, namespace, name: precondition.name.as_str().into() }, since))
    });
    remembered.collect()
}

fn condition(
    prior: Option<&FlippyConfigStatus>,
    kind: &str,
    status: ConditionStatus,
    reason: &str,
    message: &str,
    generation: i64,
    now: Timestamp,
) -> ConfigCondition {
    let status = match status {
        ConditionStatus::True => "True",
        ConditionStatus::False => "False",
    };
    let same = prior
        .and_then(|prior| prior.conditions.iter().find(|condition| condition.r#type == kind))
        .filter(|condition| condition.status == status);
    ConfigCondition {
        r#type: kind.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message: cut(message),
        last_transition_time: same.map_or_else(|| whole_second(now), |same| same.last_transition_time.clone()),
        observed_generation: generation,
    }
}

fn counts(facts: &StatusFacts) -> WorkloadCounts {
    let counters = facts.counters;
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    WorkloadCounts {
        total: count(counters.total()),
        done: format!("{}/{}", counters.done(), counters.total()),
        fresh: count(counters.fresh),
        restart: count(counters.restart),
        in_flight: count(counters.in_flight),
        converging: count(counters.converging),
        blocked: count(counters.blocked),
        futile: count(counters.futile),
        idle: count(counters.idle),
        failed: count(counters.failed),
    }
}

fn listed(workloads: &[flippy_core::ListedWorkload]) -> Vec<Listed> {
    let listed = workloads.iter().map(|one| Listed {
        workload: one.workload.clone(),
        reason: one.reason.clone(),
        message: cut(&one.message),
    });
    listed.collect()
}

fn precondition(fact: &flippy_core::PreconditionFact) -> PreconditionStatus {
    PreconditionStatus {
        r#type: fact.target.kind.to_string(),
        namespace: fact.target.namespace.to_string(),
        name: fact.target.name.to_string(),
        met: fact.met,
        unmet_since: fact.unmet_since.map(whole_second),
        message: fact.message.clone(),
    }
}

fn cut(message: &str) -> String {
    match message.char_indices().nth(MAX_MESSAGE_CHARS) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message.to_owned(),
    }
}

/// Kubernetes writes times to the second.
fn whole_second(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second()).unwrap_or(time).to_string()
}
