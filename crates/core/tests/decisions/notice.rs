//! What receivers are told, and that each is told once.

use std::collections::BTreeSet;
use std::sync::Arc;

use Happening::{AwaitingApproval, CampaignCompleted, CampaignHalted, CampaignStarted};
use flippy_core::{
    Happening, Ledger, Limit, Notice, Notification, Policy, Strategy, Webhook, WebhookAddress, WebhookFormat, notices,
};

use crate::common::{NEW, OLD, WINDOW_SECONDS, cluster, deployment, pass, pod, policy};

fn receiver(name: &str) -> Notification {
    let address = WebhookAddress::Url("https://example.com".into());
    Notification { name: name.into(), webhook: Webhook { address, format: WebhookFormat::Json, ca_bundle: None } }
}

fn notice(happening: Happening) -> Notice {
    Notice { happening, message: "in words".to_owned() }
}

/// What `ops` is to be told, in order.
fn due(ledger: &mut Ledger, campaign: &str, holds: &[Happening]) -> Vec<Happening> {
    let notices: Vec<Notice> = holds.iter().cloned().map(notice).collect();
    let due = ledger.due(&[receiver("ops")], campaign, &notices);
    due.into_iter().flat_map(|(_, news)| news).map(|notice| notice.happening.clone()).collect()
}

/// The same, and all of it gets through.
fn told(ledger: &mut Ledger, campaign: &str, holds: &[Happening]) -> Vec<Happening> {
    let due = due(ledger, campaign, holds);
    for happening in &due {
        ledger.note(campaign, "ops", happening.clone(), true);
    }
    due
}

#[test]
fn each_turn_of_a_campaign_is_told_once_and_in_order() {
    let mut ledger = Ledger::default();
    assert_eq!(told(&mut ledger, "a", &[]), []);
    assert_eq!(told(&mut ledger, "a", &[CampaignStarted]), [CampaignStarted]);
    assert_eq!(told(&mut ledger, "a", &[CampaignStarted]), []);
    assert_eq!(told(&mut ledger, "a", &[CampaignStarted, CampaignCompleted]), [CampaignCompleted]);
    assert_eq!(told(&mut ledger, "a", &[CampaignStarted]), []);
    assert_eq!(told(&mut ledger, "a", &[CampaignStarted, CampaignCompleted]), [], "a late-comer is no campaign");
}

#[test]
fn what_did_not_get_through_yet_is_still_due() {
    let mut ledger = Ledger::default();
    assert_eq!(due(&mut ledger, "a", &[CampaignStarted]), [CampaignStarted]);
    assert_eq!(due(&mut ledger, "a", &[CampaignStarted, CampaignCompleted]), [CampaignStarted, CampaignCompleted]);
}

#[test]
fn what_was_given_up_is_not_tried_again() {
    let mut ledger = Ledger::default();
    assert_eq!(due(&mut ledger, "a", &[CampaignStarted]), [CampaignStarted]);
    ledger.note("a", "ops", CampaignStarted, false);
    assert_eq!(due(&mut ledger, "a", &[CampaignStarted]), []);
}

#[test]
fn a_campaign_that_halts_again_after_it_went_on_is_told_again() {
    let mut ledger = Ledger::default();
    told(&mut ledger, "a", &[CampaignStarted]);
    assert_eq!(told(&mut ledger, "a", &[CampaignStarted, CampaignHalted]), [CampaignHalted]);
    assert_eq!(told(&mut ledger, "a", &[CampaignStarted, CampaignHalted]), []);
    assert_eq!(told(&mut ledger, "a", &[CampaignStarted]), []);
    assert_eq!(told(&mut ledger, "a", &[CampaignStarted, CampaignHalted]), [CampaignHalted]);
}

#[test]
fn each_wave_that_waits_for_its_approval_is_told() {
    let mut ledger = Ledger::default();
    let (early, rest) = (AwaitingApproval("early".into()), AwaitingApproval("rest".into()));
    assert_eq!(told(&mut ledger, "a", std::slice::from_ref(&early)), [early]);
    assert_eq!(told(&mut ledger, "a", std::slice::from_ref(&rest)), [rest]);
}

#[test]
fn another_campaign_is_told_anew_also_one_for_the_same_images_as_earlier() {
    let mut ledger = Ledger::default();
    for campaign in ["a", "b", "a"] {
        assert_eq!(told(&mut ledger, campaign, &[CampaignStarted]), [CampaignStarted], "{campaign}");
    }
}

#[test]
fn an_answer_about_an_earlier_campaign_does_not_count_for_this_one() {
    let mut ledger = Ledger::default();
    due(&mut ledger, "a", &[CampaignStarted]);
    due(&mut ledger, "b", &[CampaignStarted]);
    ledger.note("a", "ops", CampaignStarted, true);
    assert_eq!(due(&mut ledger, "b", &[CampaignStarted]), [CampaignStarted]);
}

#[test]
fn who_is_named_in_the_middle_of_a_campaign_hears_of_what_waits_for_a_person_and_of_what_comes() {
    let mut ledger =
        Ledger { campaign: "a".into(), held: BTreeSet::from([CampaignStarted, CampaignHalted]), ..Ledger::default() };
    assert_eq!(told(&mut ledger, "a", &[CampaignStarted, CampaignHalted]), [CampaignHalted]);
    assert_eq!(told(&mut ledger, "a", &[CampaignStarted, CampaignCompleted]), [CampaignCompleted]);
}

#[test]
fn who_is_not_named_any_more_is_forgotten() {
    let mut ledger = Ledger::default();
    told(&mut ledger, "a", &[CampaignStarted]);
    assert_eq!(ledger.due(&[], "a", &[]), []);
    assert!(ledger.receivers.is_empty());
}

#[test]
fn receivers_do_not_depend_on_each_other() {
    let mut ledger = Ledger::default();
    let notices = [notice(CampaignStarted)];
    let both = [receiver("a"), receiver("b")];
    ledger.due(&both, "x", &notices);
    ledger.note("x", "a", CampaignStarted, true);
    let due: Vec<Arc<str>> = ledger.due(&both, "x", &notices).into_iter().map(|(name, _)| name).collect();
    assert_eq!(due, ["b".into()]);
}

#[test]
fn what_stands_in_a_status_is_read_as_it_was_written() {
    for happening in [CampaignStarted, AwaitingApproval("early".into()), CampaignHalted, CampaignCompleted] {
        assert_eq!(Happening::parse(&happening.to_string()), Some(happening));
    }
    assert_eq!(Happening::parse("SomethingNew"), None);
}

fn holding(snapshot: &flippy_core::Snapshot, policy: &flippy_core::Policy, started_before: bool) -> Vec<Happening> {
    let pass = pass(policy, snapshot, 0);
    notices(&pass.status, started_before).into_iter().map(|notice| notice.happening).collect()
}

#[test]
fn a_campaign_has_started_with_its_first_restart_and_is_completed_once_all_are_fresh() {
    let stale = deployment("a/a").pods(1, OLD);
    assert_eq!(holding(&cluster([stale.clone()]), &policy(), false), []);
    let under_way = stale.restarted(&policy(), 1, 0).replacing();
    assert_eq!(holding(&cluster([under_way]), &policy(), false), [CampaignStarted]);
    let done = deployment("a/a").restarted(&policy(), 1, -60).pod(pod(NEW).created(-50).made_by_restart(&policy(), 1));
    assert_eq!(holding(&cluster([done]), &policy(), false), [CampaignStarted, CampaignCompleted]);
}

#[test]
fn a_cluster_in_which_nothing_was_to_be_restarted_had_no_campaign() {
    let snapshot = cluster([deployment("a/a").pods(1, NEW)]);
    assert_eq!(holding(&snapshot, &policy(), false), []);
    assert_eq!(holding(&snapshot, &policy(), true), [CampaignStarted, CampaignCompleted], "its marks are gone");
}

#[test]
fn too_many_failures_are_told_as_a_halt_with_what_to_do() {
    let policy = Policy { strategy: Strategy { max_failures: Some(Limit::Count(0)), ..policy().strategy }, ..policy() };
    let failed = deployment("a/a").pods(1, OLD).restarted(&policy, 1, -WINDOW_SECONDS).replacing();
    let pass = pass(&policy, &cluster([failed, deployment("a/b").pods(1, OLD)]), 0);
    let told = notices(&pass.status, false);
    let halt = told.iter().find(|notice| notice.happening == CampaignHalted).expect("it halts");
    assert!(halt.message.contains("spec.Strategy.MaxFailures"), "{}", halt.message);
}
