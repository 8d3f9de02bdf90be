//! When a campaign that somebody waits for is over.

use std::time::Duration;

use flippy_api::{FlippyConfigStatus, WorkloadCounts};
use serde::Serialize;

use crate::exit;

/// What passes by itself mostly does so within this time: a webhook that is restarted, a budget that others have used up.
const PASSES_WITHIN: Duration = Duration::from_mins(2);

/// How long somebody else's rollout may take: the default of a Deployment's `progressDeadlineSeconds`.
const OTHERS_TAKE: Duration = Duration::from_mins(10);

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) enum Ending {
    /// Every workload in scope runs a wanted image.
    AllFresh,
    /// What is left needs a person; each workload that is left has a reason.
    Blocked,
    /// Restarts have failed.
    Failed,
    /// So many have failed that no more was started.
    Halted,
    /// A wave waits for approval, and there is nobody to ask.
    AwaitingApproval,
    /// `--timeout` was over.
    TimedOut,
    /// Somebody did not want to go on.
    Interrupted,
}

impl Ending {
    pub(super) fn exit_code(self) -> u8 {
        match self {
            Self::AllFresh => 0,
            Self::TimedOut => exit::STALE,
            Self::Blocked => exit::NEEDS_A_PERSON,
            Self::Failed => exit::FAILED,
            Self::Halted => exit::HALTED,
            Self::AwaitingApproval => exit::AWAITING_APPROVAL,
            Self::Interrupted => exit::INTERRUPTED,
        }
    }
}

/// How one config stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// More happens by itself.
    GoesOn,
    /// It is over, if it stays like this for so long.
    MayPass(Ending, Duration),
    /// Nothing more happens by itself.
    Over(Ending),
    /// This wave waits for a person.
    Awaits(String),
}

/// Judges a status. Nothing is over while a restart of ours is under way: its end is what people wait for.
pub(super) fn standing(status: &FlippyConfigStatus) -> Standing {
    let find = |kind: &str| status.conditions.iter().find(|condition| condition.r#type == kind);
    let holds = |kind: &str| find(kind).is_some_and(|condition| condition.status == "True");
    if !status.in_flight.is_empty() {
        return Standing::GoesOn;
    }
    if holds("Stalled") {
        let reason = find("Stalled").map_or("", |stalled| &stalled.reason);
        return match reason {
            "Halted" => Standing::Over(Ending::Halted),
            "RestartsFailed" => Standing::Over(Ending::Failed),
            "RestartsFutile" => Standing::Over(Ending::Blocked),
            "WorkloadsBlocked" if status.blocked.iter().all(|blocked| stays_so(&blocked.reason)) => {
                Standing::Over(Ending::Blocked)
            }
            _ => Standing::MayPass(Ending::Blocked, PASSES_WITHIN),
        };
    }
    if holds("Ready") {
        return Standing::Over(Ending::AllFresh);
    }
    let waiting = status.waves.iter().find(|wave| wave.state == "AwaitingApproval");
    if let Some(wave) = waiting.filter(|_| find("Ready").is_some_and(|ready| ready.reason == "AwaitingApproval")) {
        return Standing::Awaits(wave.name.clone());
    }
    if status.workloads.as_ref().is_some_and(only_others_are_moving) {
        return Standing::MayPass(Ending::Blocked, OTHERS_TAKE);
    }
    Standing::GoesOn
}

fn only_others_are_moving(counts: &WorkloadCounts) -> bool {
    counts.converging > 0 && counts.restart == 0 && counts.in_flight == 0
}

/// Whether it takes a person to change it.
fn stays_so(reason: &str) -> bool {
    !matches!(reason, "Refused" | "DisruptionBudget" | "Group")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn status(conditions: &[(&str, &str, &str)], more: &Value) -> FlippyConfigStatus {
        let condition = |(kind, status, reason): &(&str, &str, &str)| json!({"type": kind, "status": status, "reason": reason, "message": "", "lastTransitionTime": ""});
        let mut status = json!({"conditions": conditions.iter().map(condition).collect::<Vec<_>>()});
        for (key, value) in more.as_object().into_iter().flatten() {
            status[key] = value.clone();
        }
        serde_json::from_value(status).expect("it is a status")
    }

    fn blocked_by(reason: &str) -> Standing {
        let blocked = json!({"blocked": [{"workload": "Deployment shop/cart", "reason": reason, "message": ""}]});
        standing(&status(&[("Stalled", "True", "WorkloadsBlocked")], &blocked))
    }

    #[test]
    fn it_is_over_when_everything_is_fresh() {
        assert_eq!(standing(&status(&[("Ready", "True", "AllFresh")], &json!({}))), Standing::Over(Ending::AllFresh));
    }

    #[test]
    fn nothing_is_over_while_a_restart_is_under_way() {
        let in_flight =
            json!({"inFlight": [{"workload": "Deployment shop/cart", "reason": "InFlight", "message": ""}]});
        assert_eq!(standing(&status(&[("Stalled", "True", "Halted")], &in_flight)), Standing::GoesOn);
    }

    #[test]
    fn failures_are_told_apart_from_a_halt() {
        let because = |reason| standing(&status(&[("Stalled", "True", reason)], &json!({})));
        assert_eq!(because("RestartsFailed"), Standing::Over(Ending::Failed));
        assert_eq!(because("Halted"), Standing::Over(Ending::Halted));
    }

    #[test]
    fn what_needs_a_person_is_over_and_what_may_pass_is_waited_for() {
        assert_eq!(blocked_by("Paused"), Standing::Over(Ending::Blocked));
        for reason in ["Refused", "DisruptionBudget", "Group"] {
            assert_eq!(blocked_by(reason), Standing::MayPass(Ending::Blocked, PASSES_WITHIN), "{reason}");
        }
    }

    #[test]
    fn a_closed_window_is_waited_for() {
        let shut = [("Ready", "False", "CampaignUnderWay"), ("Reconciling", "True", "Restarting")];
        let counts = json!({"workloads": {"total": 1, "restart": 1}});
        assert_eq!(standing(&status(&shut, &counts)), Standing::GoesOn);
    }

    #[test]
    fn somebody_elses_rollout_is_waited_for_but_not_for_ever() {
        let moving = [("Ready", "False", "CampaignUnderWay"), ("Reconciling", "True", "Restarting")];
        let counts = json!({"workloads": {"total": 2, "converging": 1, "fresh": 1}});
        assert_eq!(standing(&status(&moving, &counts)), Standing::MayPass(Ending::Blocked, OTHERS_TAKE));
    }

    #[test]
    fn a_wave_without_approval_is_named() {
        let waves =
            json!({"waves": [{"name": "early", "state": "Done"}, {"name": "late", "state": "AwaitingApproval"}]});
        let waiting = standing(&status(&[("Ready", "False", "AwaitingApproval")], &waves));
        assert_eq!(waiting, Standing::Awaits("late".to_owned()));
    }

    #[test]
    fn every_ending_has_a_code_of_its_own() {
        use Ending::{AllFresh, AwaitingApproval, Blocked, Failed, Halted, Interrupted, TimedOut};
        let all = [AllFresh, Blocked, Failed, Halted, AwaitingApproval, TimedOut, Interrupted];
        let codes: std::collections::BTreeSet<u8> = all.into_iter().map(Ending::exit_code).collect();
        assert_eq!(codes.len(), all.len());
    }
}
