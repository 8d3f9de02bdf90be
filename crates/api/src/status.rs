//! What Flippy says of a config.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::notified::NotifiedStatus;
use crate::wave_status::WaveStatus;

/// What `observedGeneration` is while no operator has looked at a config: the API server writes it into new objects.
pub(crate) const UNSEEN_GENERATION: i64 = -1;

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
    /// Stale pods that no workload of the named kinds owns (bare pods, Jobs, other controllers), by owner; at most 50.
    /// They are never taken away.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_alone: Vec<Listed>,
    /// How many pods those are in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_alone_pods: Option<i64>,
    /// The preconditions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub preconditions: Vec<PreconditionStatus>,
    /// Names this campaign where there are waves: an approval of a wave names it, and counts for no other one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub campaign: Option<String>,
    /// The waves in order, the last one of what no other takes included.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waves: Vec<WaveStatus>,
    /// Restarts per minute, as this campaign has shown so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restarts_per_minute: Option<String>,
    /// When everything is expected to be done at this rate, windows and soaks included. Absent when it cannot be known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimated_end: Option<String>,
    /// The gates that ask Prometheus.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<GateStatus>,
    /// Who was told what of this campaign.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notified: Vec<NotifiedStatus>,
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

/// One gate that asks Prometheus.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GateStatus {
    /// Its name.
    pub name: String,
    /// Open, Pending (not for long enough, or no answer yet), Shut, or `NotAsked` while nothing is to be restarted.
    pub state: String,
    /// Why it is not open.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}
