//! A status as it is shown: what people read is what programs read as JSON.

use flippy_api::{
    ConfigCondition, FlippyConfig, FlippyConfigStatus, Listed, PreconditionStatus, WaveStatus, WorkloadCounts,
};
use kube::ResourceExt as _;
use serde::Serialize;

/// How one config stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StatusView {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) progress: Progress,
    /// One word from the closed list of reasons; absent without a status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    pub(crate) message: String,
    /// Since when `Ready` is what it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<String>,
    /// Why the status does not speak of the present spec, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) not_up_to_date: Option<String>,
    /// Why no restart may start, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) held: Option<HeldView>,
    pub(crate) desired_images: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) workloads: Option<WorkloadCounts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) started_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) completed_at: Option<String>,
    pub(crate) in_flight: Vec<Listed>,
    pub(crate) blocked: Vec<Listed>,
    pub(crate) failed: Vec<Listed>,
    pub(crate) left_alone: Vec<Listed>,
    pub(crate) preconditions: Vec<PreconditionStatus>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) waves: Vec<WaveStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) restarts_per_minute: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) estimated_end: Option<String>,
}

/// Where a config is, in the convention of kstatus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) enum Progress {
    /// Everything is done.
    Ready,
    /// It goes on by itself, or waits for somebody's wish.
    UnderWay,
    /// It needs a person, or somebody else's recovery.
    Stalled,
    /// No operator has said anything of the present spec.
    Unknown,
}

/// What holds restarts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct HeldView {
    pub(crate) reason: String,
    pub(crate) message: String,
    pub(crate) since: String,
}

impl StatusView {
    pub(crate) fn of(config: &FlippyConfig) -> Self {
        let status = config.status.clone().unwrap_or_default();
        let not_up_to_date = not_up_to_date(config, &status);
        let ready = condition(&status, "Ready");
        let is_true = |kind| condition(&status, kind).is_some_and(|condition| condition.status == "True");
        let progress = if not_up_to_date.is_some() {
            Progress::Unknown
        } else if is_true("Stalled") {
            Progress::Stalled
        } else if is_true("Ready") {
            Progress::Ready
        } else {
            Progress::UnderWay
        };
        let held = condition(&status, "RestartsAllowed").filter(|condition| condition.status == "False");
        Self {
            namespace: config.namespace().unwrap_or_default(),
            name: config.name_any(),
            progress,
            reason: ready.map(|ready| ready.reason.clone()),
            message: ready.map(|ready| ready.message.clone()).or(not_up_to_date.clone()).unwrap_or_default(),
            since: ready.map(|ready| ready.last_transition_time.clone()),
            held: held.map(|held| HeldView {
                reason: held.reason.clone(),
                message: held.message.clone(),
                since: held.last_transition_time.clone(),
            }),
            not_up_to_date,
            desired_images: status.desired_images,
            workloads: status.workloads,
            started_at: status.started_at,
            completed_at: status.completed_at,
            in_flight: status.in_flight,
            blocked: status.blocked,
            failed: status.failed,
            left_alone: status.left_alone,
            preconditions: status.preconditions,
            waves: status.waves,
            restarts_per_minute: status.restarts_per_minute,
            estimated_end: status.estimated_end,
        }
    }

    /// `namespace/name`
    pub(crate) fn path(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// The reason, with a word of warning where it speaks of the past, or that there is none.
    pub(crate) fn word(&self) -> String {
        match &self.reason {
            None => "NoStatus".to_owned(),
            Some(reason) if self.progress == Progress::Unknown => format!("{reason} (outdated)"),
            Some(reason) => reason.clone(),
        }
    }

    /// A number of workloads, 0 while it is not known.
    pub(crate) fn count(&self, of: impl Fn(&WorkloadCounts) -> i64) -> i64 {
        self.workloads.as_ref().map_or(0, of)
    }
}

fn not_up_to_date(config: &FlippyConfig, status: &FlippyConfigStatus) -> Option<String> {
    let generation = config.metadata.generation.unwrap_or_default();
    match status.observed_generation {
        _ if status.conditions.is_empty() => {
            Some("no operator has looked at it yet: check that `flippy run` is at work in this cluster".to_owned())
        }
        Some(observed) if observed >= generation => None,
        observed => Some(format!(
            "the operator has seen generation {} of it, and it is at {generation}: wait a moment, and if that does not help, \
             check that `flippy run` is at work",
            observed.unwrap_or_default()
        )),
    }
}

fn condition<'a>(status: &'a FlippyConfigStatus, kind: &str) -> Option<&'a ConfigCondition> {
    status.conditions.iter().find(|condition| condition.r#type == kind)
}
