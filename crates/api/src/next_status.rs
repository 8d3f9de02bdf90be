//! From what core found to the next status. What holds on is kept word for word: no change, no write.

use std::collections::BTreeMap;

use flippy_core::{
    ConditionStatus, DesiredImages, ImageRef, Kind, NamedWorkload, PolicyName, QueryGateFact, QueryState, StatusFacts,
    Timestamp,
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::bounds::{MAX_LISTED, MAX_STATUS_MESSAGE_LENGTH, one_line};
use crate::resource::FlippyConfig;
use crate::status::{ConfigCondition, FlippyConfigStatus, GateStatus, Listed, PreconditionStatus, WorkloadCounts};
use crate::wave_status::wave;

/// The status that follows `prior` when this was found. `images` and `hash` are what the policy wants.
pub fn next_status(
    prior: Option<&FlippyConfigStatus>,
    facts: &StatusFacts,
    images: Vec<String>,
    hash: &str,
    generation: i64,
    now: Timestamp,
) -> FlippyConfigStatus {
    let author = Author { prior, generation, now };
    let same_campaign = prior.filter(|prior| prior.images_hash.as_deref() == Some(hash));
    // Marks vanish with their workloads, and another try makes a later one: what was first written down counts.
    let started_at = same_campaign.and_then(|prior| prior.started_at.clone()).or(facts.started_at.map(whole_second));
    let completed_before = same_campaign.and_then(|prior| prior.completed_at.clone());
    let is_complete = facts.conditions.iter().any(|fact| fact.kind == "Ready" && fact.reason == "AllFresh");
    FlippyConfigStatus {
        observed_generation: Some(generation),
        conditions: facts
            .conditions
            .iter()
            .map(|fact| author.condition(fact.kind, fact.status, fact.reason, &fact.message))
            .collect(),
        desired_images: images.into_iter().take(MAX_LISTED).collect(),
        images_hash: Some(hash.to_owned()),
        workloads: Some(counts(facts)),
        completed_at: (is_complete && started_at.is_some())
            .then(|| completed_before.unwrap_or_else(|| whole_second(now))),
        started_at,
        in_flight: listed(&facts.in_flight),
        blocked: listed(&facts.blocked),
        failed: listed(&facts.failed),
        left_alone: listed(&facts.left_alone),
        left_alone_pods: Some(facts.left_alone_pods)
            .filter(|pods| *pods > 0)
            .map(|pods| i64::try_from(pods).unwrap_or(i64::MAX)),
        preconditions: facts.preconditions.iter().take(MAX_LISTED).map(precondition).collect(),
        campaign: facts.campaign.as_ref().map(ToString::to_string),
        waves: facts.waves.iter().map(wave).collect(),
        restarts_per_minute: facts.estimate.rate.map(|rate| rate.to_string()),
        estimated_end: facts.estimate.end.map(whole_second),
        gates: facts.gates.iter().take(MAX_LISTED).map(gate).collect(),
        // Whoever tells them sets it.
        notified: same_campaign.map(|prior| prior.notified.clone()).unwrap_or_default(),
    }
}

/// The status of a config that cannot be followed, because its spec is wrong, it does not decode, or the cluster does not
/// let its objects be watched: why in one word and in one line.
///
/// Which images were wanted last, when they were rolled out, and how far the waves were, is kept: it is still true when
/// the problem is over.
pub fn problem_status(
    prior: Option<&FlippyConfigStatus>,
    reason: &str,
    message: &str,
    generation: i64,
    now: Timestamp,
) -> FlippyConfigStatus {
    let author = Author { prior, generation, now };
    let kept = prior.cloned().unwrap_or_default();
    FlippyConfigStatus {
        observed_generation: Some(generation),
        conditions: vec![
            author.condition("Ready", ConditionStatus::False, reason, message),
            author.condition("Reconciling", ConditionStatus::False, "Idle", "nothing is under way"),
            author.condition("Stalled", ConditionStatus::True, reason, message),
            author.condition("RestartsAllowed", ConditionStatus::False, reason, message),
        ],
        desired_images: kept.desired_images,
        images_hash: kept.images_hash,
        started_at: kept.started_at,
        completed_at: kept.completed_at,
        // The memory of soaks and approvals.
        campaign: kept.campaign,
        waves: kept.waves,
        notified: kept.notified,
        ..FlippyConfigStatus::default()
    }
}

/// The body of a server-side apply that writes a status and nothing else.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusPatch<'a> {
    api_version: &'static str,
    kind: &'static str,
    metadata: Identity<'a>,
    status: &'a FlippyConfigStatus,
}

#[derive(Debug, Serialize)]
struct Identity<'a> {
    namespace: &'a str,
    name: &'a str,
}

impl<'a> StatusPatch<'a> {
    /// The body that writes this status into that config.
    pub fn new(name: &'a PolicyName, status: &'a FlippyConfigStatus) -> Self {
        let metadata = Identity { namespace: &name.namespace, name: &name.name };
        Self { api_version: FlippyConfig::API_VERSION, kind: FlippyConfig::KIND, metadata, status }
    }
}

/// The body of a merge patch that does the same, for an object whose spec does not fit the schema: the API server cannot
/// apply anything to such an object. Fields that are absent now are taken away.
pub fn status_merge_patch(status: &FlippyConfigStatus) -> Value {
    let schema = crate::crd::schema_of::<FlippyConfigStatus>();
    let fields = schema["properties"].as_object().into_iter().flat_map(serde_json::Map::keys);
    let mut patch: serde_json::Map<String, Value> = fields.map(|field| (field.clone(), Value::Null)).collect();
    if let Value::Object(present) = json!(status) {
        patch.extend(present);
    }
    json!({"status": patch})
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

/// What the operator last said of gates, for whoever cannot ask them. What cannot be read is left out.
pub fn gate_facts(status: &FlippyConfigStatus) -> Vec<QueryGateFact> {
    let facts = status.gates.iter().filter_map(|gate| {
        let state = STATES.into_iter().find(|(_, word)| *word == gate.state)?.0;
        Some(QueryGateFact {
            name: gate.name.as_str().into(),
            state,
            message: one_line(&gate.message, MAX_STATUS_MESSAGE_LENGTH),
            recheck_at: None,
        })
    });
    facts.collect()
}

/// The images that were wanted last, as a status remembers them. `None` when it does not remember all of them.
pub fn wanted_before(status: &FlippyConfigStatus) -> Option<DesiredImages> {
    let images: Result<Vec<ImageRef>, _> = status.desired_images.iter().map(|image| ImageRef::parse(image)).collect();
    let images = DesiredImages::new(images.ok()?);
    // The list is cut, and anybody who may write a status can write another one.
    (!images.is_empty() && status.images_hash.as_deref() == Some(images.hash())).then_some(images)
}

/// What all conditions of one status have in common.
struct Author<'a> {
    prior: Option<&'a FlippyConfigStatus>,
    generation: i64,
    now: Timestamp,
}

impl Author<'_> {
    /// The time of transition moves with `status` only: alerts ask for how long something has held.
    fn condition(&self, kind: &str, status: ConditionStatus, reason: &str, message: &str) -> ConfigCondition {
        let status = match status {
            ConditionStatus::True => "True",
            ConditionStatus::False => "False",
        };
        let same = self
            .prior
            .and_then(|prior| prior.conditions.iter().find(|condition| condition.r#type == kind))
            .filter(|condition| condition.status == status);
        ConfigCondition {
            r#type: kind.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: one_line(message, MAX_STATUS_MESSAGE_LENGTH),
            last_transition_time: same.map_or_else(|| whole_second(self.now), |same| same.last_transition_time.clone()),
            observed_generation: self.generation,
        }
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
    let listed = workloads.iter().take(MAX_LISTED).map(|one| Listed {
        workload: one.workload.clone(),
        reason: one.reason.clone(),
        message: one_line(&one.message, MAX_STATUS_MESSAGE_LENGTH),
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
        message: one_line(&fact.message, MAX_STATUS_MESSAGE_LENGTH),
    }
}

const STATES: [(QueryState, &str); 4] = [
    (QueryState::Open, "Open"),
    (QueryState::Pending, "Pending"),
    (QueryState::Shut, "Shut"),
    (QueryState::NotAsked, "NotAsked"),
];

fn gate(fact: &QueryGateFact) -> GateStatus {
    let word = STATES.into_iter().find(|(state, _)| *state == fact.state).map_or("NotAsked", |(_, word)| word);
    GateStatus {
        name: fact.name.to_string(),
        state: word.to_owned(),
        message: one_line(&fact.message, MAX_STATUS_MESSAGE_LENGTH),
    }
}

/// Kubernetes writes times to the second.
pub(crate) fn whole_second(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second()).unwrap_or(time).to_string()
}
