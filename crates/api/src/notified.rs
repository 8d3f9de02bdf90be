//! Who was told what, in the status.

use std::collections::BTreeSet;

use flippy_core::{Happening, Ledger, Told};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bounds::MAX_LISTED;
use crate::status::FlippyConfigStatus;

/// What one receiver of `spec.Notifications` was told of this campaign: it is not told again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct NotifiedStatus {
    /// Its name.
    pub name: String,
    /// What got through, or had happened before it was named: `CampaignStarted`, `AwaitingApproval/` with the wave,
    /// `CampaignHalted`, `CampaignCompleted`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<String>,
    /// What did not get through, and is not tried any more.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<String>,
}

/// What is remembered of a ledger.
pub fn notified(ledger: &Ledger) -> Vec<NotifiedStatus> {
    let texts =
        |happenings: &BTreeSet<Happening>| happenings.iter().take(MAX_LISTED).map(ToString::to_string).collect();
    let receivers = ledger.receivers.iter().take(MAX_LISTED);
    receivers
        .map(|(name, known)| NotifiedStatus {
            name: name.to_string(),
            told: texts(&known.told),
            failed: texts(&known.failed),
        })
        .collect()
}

/// The ledger that a predecessor left in the status. What cannot be read is left out.
pub fn ledger(status: &FlippyConfigStatus) -> Ledger {
    let happenings = |texts: &[String]| texts.iter().filter_map(|text| Happening::parse(text)).collect();
    let receivers = status
        .notified
        .iter()
        .map(|one| (one.name.as_str().into(), Told { told: happenings(&one.told), failed: happenings(&one.failed) }));
    let held = [(Happening::CampaignStarted, &status.started_at), (Happening::CampaignCompleted, &status.completed_at)];
    Ledger {
        campaign: status.images_hash.clone().unwrap_or_default().into(),
        held: held.into_iter().filter(|(_, at)| at.is_some()).map(|(happening, _)| happening).collect(),
        receivers: receivers.collect(),
    }
}
