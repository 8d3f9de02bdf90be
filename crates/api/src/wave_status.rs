//! What is said of waves, and what is remembered of them: their states cannot be read from the cluster alone.

use std::collections::BTreeMap;

use flippy_core::{Approved, Campaign, RememberedWave, Timestamp, WaveFact, WaveMemory, WaveState};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bounds::{MAX_NAME_LENGTH, MAX_WAVES, one_line};
use crate::next_status::whole_second;
use crate::status::FlippyConfigStatus;
use crate::turn::Turn;

/// How far one wave is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WaveStatus {
    /// Its name.
    pub name: String,
    /// Pending, `AwaitingApproval`, Running, Soaking, Done or Halted.
    #[serde(default)]
    pub state: String,
    /// Its workloads.
    #[serde(default)]
    pub total: i64,
    /// Those whose pods all run a wanted image.
    #[serde(default)]
    pub fresh: i64,
    /// Those that later waves do not wait for, although they are stale or have failed.
    #[serde(default)]
    pub left_behind: i64,
    /// When its first restart was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// When it was complete for the first time. What comes to it later is restarted, but does not soak again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<String>,
    /// Whether nothing of it was fresh or had failed then. Once something is, it is complete anew, and soaks.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub left_all_behind: bool,
    /// Until when the next wave waits, while it soaks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soaks_until: Option<String>,
    /// Who approved it, in their own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<String>,
    /// When that was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_at: Option<String>,
}

pub(crate) fn wave(fact: &WaveFact) -> WaveStatus {
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    WaveStatus {
        name: fact.name.to_string(),
        state: fact.state.as_str().to_owned(),
        total: count(fact.total),
        fresh: count(fact.fresh),
        left_behind: count(fact.left_behind),
        started_at: fact.started_at.map(whole_second),
        completed_at: fact.completed_at.map(whole_second),
        left_all_behind: fact.left_all_behind,
        soaks_until: fact.soaks_until.filter(|_| fact.state == WaveState::Soaking).map(whole_second),
        approved_by: fact.approved.as_ref().and_then(|approved| approved.by.clone()),
        approved_at: fact.approved.as_ref().map(|approved| whole_second(approved.at)),
    }
}

/// What a status remembers of the waves. Core decides what of it to believe.
pub fn wave_memory(status: &FlippyConfigStatus) -> WaveMemory {
    let time = |text: &Option<String>| -> Option<Timestamp> { text.as_ref()?.parse().ok() };
    let remembered = |wave: &WaveStatus| RememberedWave {
        name: wave.name.as_str().into(),
        started_at: time(&wave.started_at),
        completed_at: time(&wave.completed_at),
        left_all_behind: wave.left_all_behind,
        approved: time(&wave.approved_at)
            .map(|at| Approved { at, by: wave.approved_by.as_ref().map(|by| one_line(by, MAX_NAME_LENGTH)) }),
    };
    WaveMemory {
        campaign: status.campaign.as_deref().and_then(Campaign::parse),
        // One more than can be written down: the last one is nobody's.
        waves: status.waves.iter().take(MAX_WAVES + 1).map(remembered).collect(),
    }
}

/// The waves that have started or were completed between two statuses of a config.
pub fn wave_turns(prior: Option<&FlippyConfigStatus>, next: &FlippyConfigStatus) -> Vec<Turn> {
    let same_campaign = prior.filter(|prior| prior.campaign == next.campaign);
    let before: BTreeMap<&str, &WaveStatus> =
        same_campaign.iter().flat_map(|prior| &prior.waves).map(|wave| (wave.name.as_str(), wave)).collect();
    let mut turns = Vec::new();
    for wave in &next.waves {
        let before = before.get(wave.name.as_str());
        let mut tell = |reason: &str, message: String| {
            turns.push(Turn { reason: reason.to_owned(), message, is_warning: false });
        };
        if wave.started_at.is_some() && before.is_none_or(|before| before.started_at.is_none()) {
            tell("WaveStarted", format!("wave {} has started: {} workloads", wave.name, wave.total));
        }
        // One in which there was nothing to do is no news.
        let is_complete = wave.started_at.is_some() && wave.completed_at.is_some();
        let was_complete =
            |before: &&WaveStatus| before.completed_at.is_some() && before.left_all_behind == wave.left_all_behind;
        if is_complete && !before.is_some_and(was_complete) {
            let soaks = wave.soaks_until.as_ref().map_or_else(String::new, |until| format!("; it soaks until {until}"));
            let message =
                format!("wave {} is complete: {} of {} workloads are fresh{soaks}", wave.name, wave.fresh, wave.total);
            tell("WaveCompleted", message);
        }
    }
    turns
}
