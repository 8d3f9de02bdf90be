//! Turns of a campaign: what is worth an event.

use crate::status::{ConfigCondition, FlippyConfigStatus};

/// A change that people want to hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// One word from the closed list of reasons.
    pub reason: String,
    /// One line for people.
    pub message: String,
    /// Whether it needs somebody.
    pub is_warning: bool,
}

/// What has turned between two statuses of a config, if anything: the reason of `Ready`, or that restarts are (no
/// longer) allowed. Counters that move are no turn.
pub fn turn_of(prior: Option<&FlippyConfigStatus>, next: &FlippyConfigStatus) -> Option<Turn> {
    let turned = |kind: &str| {
        let now = find(next, kind)?;
        let before = prior.and_then(|prior| find(prior, kind));
        (before.map(|before| (&before.status, &before.reason)) != Some((&now.status, &now.reason))).then_some(now)
    };
    let is_stalled = find(next, "Stalled").is_some_and(|stalled| stalled.status == "True");
    let condition = turned("Ready").or_else(|| turned("RestartsAllowed"))?;
    Some(Turn {
        reason: condition.reason.clone(),
        message: condition.message.clone(),
        is_warning: is_stalled || (condition.r#type == "RestartsAllowed" && condition.status == "False"),
    })
}

fn find<'a>(status: &'a FlippyConfigStatus, kind: &str) -> Option<&'a ConfigCondition> {
    status.conditions.iter().find(|condition| condition.r#type == kind)
}
