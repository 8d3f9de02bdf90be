//! What is worth an event.

use flippy_api::{ConfigCondition, FlippyConfigStatus, Turn, turn_of};

fn status(conditions: &[(&str, &str, &str)]) -> FlippyConfigStatus {
    let condition = |(kind, status, reason): &(&str, &str, &str)| ConfigCondition {
        r#type: (*kind).to_owned(),
        status: (*status).to_owned(),
        reason: (*reason).to_owned(),
        message: format!("{reason}, in a sentence"),
        ..ConfigCondition::default()
    };
    let conditions = conditions.iter().map(condition).collect();
    FlippyConfigStatus { observed_generation: Some(1), conditions, ..FlippyConfigStatus::default() }
}

fn turn(reason: &str, is_warning: bool) -> Turn {
    Turn { reason: reason.to_owned(), message: format!("{reason}, in a sentence"), is_warning }
}

const UNDER_WAY: &[(&str, &str, &str)] =
    &[("Ready", "False", "CampaignUnderWay"), ("Stalled", "False", "NotStalled"), ("RestartsAllowed", "True", "Open")];

#[test]
fn the_first_status_is_a_turn() {
    assert_eq!(turn_of(None, &status(UNDER_WAY)), Some(turn("CampaignUnderWay", false)));
}

#[test]
fn progress_is_no_turn() {
    let mut next = status(UNDER_WAY);
    next.workloads = Some(flippy_api::WorkloadCounts { fresh: 12, ..flippy_api::WorkloadCounts::default() });
    next.conditions[0].message = "12 of 60 workloads are done".to_owned();
    assert_eq!(turn_of(Some(&status(UNDER_WAY)), &next), None);
}

#[test]
fn the_answer_to_a_new_spec_is_a_turn_though_nothing_else_changed() {
    let next = FlippyConfigStatus { observed_generation: Some(2), ..status(UNDER_WAY) };
    assert_eq!(turn_of(Some(&status(UNDER_WAY)), &next), Some(turn("CampaignUnderWay", false)));
}

#[test]
fn to_be_done_is_good_news() {
    let next = status(&[("Ready", "True", "AllFresh"), ("Stalled", "False", "NotStalled")]);
    assert_eq!(turn_of(Some(&status(UNDER_WAY)), &next), Some(turn("AllFresh", false)));
}

#[test]
fn to_stall_is_a_warning() {
    let next = status(&[("Ready", "False", "RestartsFutile"), ("Stalled", "True", "RestartsFutile")]);
    assert_eq!(turn_of(Some(&status(UNDER_WAY)), &next), Some(turn("RestartsFutile", true)));
}

#[test]
fn a_gate_that_shuts_is_a_warning() {
    let next = status(&[("Ready", "False", "CampaignUnderWay"), ("RestartsAllowed", "False", "PreconditionsNotMet")]);
    assert_eq!(turn_of(Some(&status(UNDER_WAY)), &next), Some(turn("PreconditionsNotMet", true)));
}

#[test]
fn what_somebody_asked_for_is_no_warning() {
    for reason in ["Suspended", "DryRun"] {
        let next = status(&[("Ready", "False", "CampaignUnderWay"), ("RestartsAllowed", "False", reason)]);
        assert_eq!(turn_of(Some(&status(UNDER_WAY)), &next), Some(turn(reason, false)));
    }
}
