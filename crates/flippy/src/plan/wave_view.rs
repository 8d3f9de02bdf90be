//! Waves, and the end of it all, as a plan shows them.

use flippy_core::{Estimate, WaveFact, WaveState};
use serde::Serialize;

/// One wave.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WaveView {
    pub(crate) name: String,
    pub(crate) state: &'static str,
    pub(crate) total: usize,
    pub(crate) fresh: usize,
    pub(crate) left_behind: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) started_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) completed_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) soaks_until: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) approved_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) approved_by: Option<String>,
}

/// How fast, and until when.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EstimateView {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) restarts_per_minute: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) estimated_end: Option<String>,
}

impl WaveView {
    pub(super) fn new(fact: &WaveFact) -> Self {
        let approved = fact.approved.as_ref();
        Self {
            name: fact.name.to_string(),
            state: fact.state.as_str(),
            total: fact.total,
            fresh: fact.fresh,
            left_behind: fact.left_behind,
            started_at: fact.started_at.map(|at| at.to_string()),
            completed_at: fact.completed_at.map(|at| at.to_string()),
            soaks_until: fact.soaks_until.filter(|_| fact.state == WaveState::Soaking).map(|at| at.to_string()),
            approved_at: approved.map(|approved| approved.at.to_string()),
            approved_by: approved.and_then(|approved| approved.by.clone()),
        }
    }

    /// What it waits for, and until when; or who let it start.
    pub(crate) fn message(&self) -> String {
        match (self.state, &self.soaks_until, &self.approved_by) {
            (_, Some(until), _) => format!("soaks until {until}"),
            ("AwaitingApproval", ..) => "waits for flippy approve".to_owned(),
            (_, _, Some(by)) => format!("approved by {by}"),
            _ if self.approved_at.is_some() => "approved".to_owned(),
            _ => String::new(),
        }
    }
}

impl EstimateView {
    pub(super) fn new(estimate: &Estimate) -> Self {
        Self {
            restarts_per_minute: estimate.rate.map(|rate| rate.to_string()),
            estimated_end: estimate.end.map(|at| at.to_string()),
        }
    }
}
