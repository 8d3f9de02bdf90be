//! Turns of a campaign: what is worth an event, and a status without delay.

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
/// longer) allowed. The answer to a new spec is a turn too, because tools wait for it. Counters that move are none.
pub fn turn_of(prior: Option<&FlippyConfigStatus>, next: &FlippyConfigStatus) -> Option<Turn> {
    let turned = |kind: &str| {
        let now = find(next, kind)?;
        let before = prior.and_then(|prior| find(prior, kind));
        (before.map(|before| (&before.status, &before.reason)) != Some((&now.status, &now.reason))).then_some(now)
    };
    let is_answer = prior.is_some_and(|prior| prior.observed_generation != next.observed_generation);
    let condition =
        turned("Ready").or_else(|| turned("RestartsAllowed")).or_else(|| find(next, "Ready").filter(|_| is_answer))?;
    let is_stalled = find(next, "Stalled").is_some_and(|stalled| stalled.status == "True");
    let is_shut = condition.r#type == "RestartsAllowed" && condition.status == "False";
    // Somebody wanted it so, or it takes a moment anyway.
    let is_wish = matches!(
        condition.reason.as_str(),
        "Suspended" | "DryRun" | "OutsideWindow" | "WindowEnds" | "WaveSoaks" | "AwaitingApproval" | "GatePending"
    );
    Some(Turn {
        reason: condition.reason.clone(),
        message: condition.message.clone(),
        is_warning: is_stalled || (is_shut && !is_wish),
    })
}

fn find<'a>(status: &'a FlippyConfigStatus, kind: &str) -> Option<&'a ConfigCondition> {
    status.conditions.iter().find(|condition| condition.r#type == kind)
}
