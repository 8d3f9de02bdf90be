//! Waves: one group after the other, each with its own limits, a soak and an approval.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use flippy_core::{
    Approval, Approved, Campaign, ClaimedApproval, Hold, Limit, Policy, Refusal, RememberedWave, Requirement, Selector,
    SignedDuration, Snapshot, Timestamp, Verdict, Wave, WaveHold, WaveMemory, WaveState,
};
use proptest::prelude::*;

use crate::common::model::{Behaviour, Model, run};
use crate::common::{
    Fixture, NEW, OLD, Pass, WINDOW_SECONDS, at, cluster, daemon_set, deployment, images, labels, path_of, pod, policy,
    policy_not_waiting,
};
use crate::crash::{Operator, behaviour, step};

const SOAK_SECONDS: i64 = 600;

fn is(key: &str, value: &str) -> Selector {
    Selector::Every(vec![Requirement::In(key.into(), [value.into()].into())])
}

fn wave(name: &str, namespaces: Selector) -> Wave {
    Wave {
        name: name.into(),
        namespaces,
        workloads: Selector::default(),
        percent: None,
        max_concurrent: None,
        max_concurrent_per_namespace: None,
        max_failures: None,
        soak: SignedDuration::ZERO,
        approval: Approval::Automatic,
    }
}

/// The waves `canary`, which soaks, and `early`, by a label of the namespace; then the rest.
fn in_waves() -> Policy {
    let canary = Wave { soak: SignedDuration::from_secs(SOAK_SECONDS), ..wave("canary", is("stage", "canary")) };
    Policy { waves: vec![canary, wave("early", is("stage", "early"))], ..policy() }
}

fn changing(position: usize, change: impl FnOnce(&mut Wave)) -> Policy {
    let mut policy = in_waves();
    change(&mut policy.waves[position]);
    policy
}

/// `early` waits for a person.
fn manual() -> Policy {
    changing(1, |early| early.approval = Approval::Manual)
}

fn in_stage(fixture: Fixture) -> Fixture {
    let namespace = fixture.named().namespace;
    fixture.namespace_label("stage", &namespace)
}

/// In the wave that is called like its namespace, if there is one.
fn stale(path: &str) -> Fixture {
    in_stage(deployment(path).pods(1, OLD))
}

fn fresh(path: &str) -> Fixture {
    in_stage(deployment(path).pod(pod(NEW).created(-1)))
}

/// Restarted at so many seconds, and ready soon after.
fn done(path: &str, seconds: i64) -> Fixture {
    let made = pod(NEW).created(seconds + 5).made_by_restart(&policy(), 1);
    in_stage(deployment(path).restarted(&policy(), 1, seconds).pod(made))
}

fn under_way(path: &str, seconds: i64) -> Fixture {
    stale(path).restarted(&policy(), 1, seconds).replacing()
}

fn failed(path: &str) -> Fixture {
    stale(path).restarted(&policy(), 1, -WINDOW_SECONDS).replacing()
}

fn pass_remembering(memory: &WaveMemory, policy: &Policy, snapshot: &Snapshot, seconds: i64) -> Pass {
    Pass::remembering(memory, &[policy], snapshot, &BTreeSet::new(), &BTreeMap::new(), at(seconds))
}

/// The first look of a campaign.
fn pass(policy: &Policy, snapshot: &Snapshot) -> Pass {
    pass_remembering(&WaveMemory::default(), policy, snapshot, 0)
}

fn campaign(number: u32) -> Campaign {
    Campaign { hash: policy().images.hash().into(), number }
}

fn remembering(waves: &[(&str, Option<i64>)]) -> WaveMemory {
    let remembered = |(name, completed_seconds): &(&str, Option<i64>)| RememberedWave {
        name: (*name).into(),
        started_at: None,
        completed_at: completed_seconds.map(at),
        left_all_behind: false,
        approved: None,
    };
    WaveMemory { campaign: Some(campaign(1)), waves: waves.iter().map(remembered).collect() }
}

fn canary_completed(seconds: i64) -> WaveMemory {
    remembering(&[("canary", Some(seconds))])
}

fn waits_for_canary() -> WaveHold {
    WaveHold::Earlier { wave: "canary".into(), workload: "Deployment canary/a".to_owned() }
}

fn states(pass: &Pass) -> Vec<&'static str> {
    pass.waves.facts.iter().map(|fact| fact.state.as_str()).collect()
}

fn approving(policy: Policy, wave: &str, campaign: &Campaign) -> Policy {
    let claimed = ClaimedApproval { campaign: campaign.to_string(), by: Some("jane".to_owned()) };
    Policy { approvals: BTreeMap::from([(Arc::from(wave), claimed)]), ..policy }
}

#[test]
fn without_waves_nothing_is_said_of_them() {
    let pass = pass(&policy(), &cluster([stale("canary/a")]));
    assert_eq!((pass.status.waves, pass.status.campaign), (Vec::new(), None));
}

#[test]
fn only_the_first_wave_with_anything_to_do_starts() {
    let mut policy = in_waves();
    policy.strategy.max_concurrent = Some(Limit::Count(9));
    let pass = pass(&policy, &cluster([stale("a/a"), stale("early/a"), stale("canary/a"), fresh("canary/b")]));
    assert_eq!(pass.starts(), ["canary/a"]);
    assert_eq!(pass.decision.hold, Some(Hold::Wave(waits_for_canary())));
    assert_eq!(states(&pass), ["Running", "Pending", "Pending"]);
}

#[test]
fn the_plan_is_in_the_order_of_the_waves_and_what_no_wave_takes_comes_last() {
    let pass = pass(&in_waves(), &cluster([stale("a/a"), stale("early/a"), stale("canary/a").unavailable()]));
    assert_eq!(pass.in_scope(), ["canary/a", "early/a", "a/a"]);
    let names: Vec<_> = pass.waves.facts.iter().map(|fact| (fact.name.as_ref(), fact.total)).collect();
    assert_eq!(names, [("canary", 1), ("early", 1), ("rest", 1)]);
}

#[test]
fn a_workload_belongs_to_the_first_wave_that_takes_it() {
    let mut policy = in_waves();
    policy.waves[0].workloads = is("tier", "front");
    policy.waves[1].namespaces = is("stage", "canary");
    let front = stale("canary/front").change(|workload| workload.labels = labels(&[("tier", "front")]));
    let pass = pass(&policy, &cluster([stale("canary/back"), front]));
    assert_eq!(pass.waves.facts.iter().map(|fact| fact.total).collect::<Vec<_>>(), [1, 1, 0]);
    assert_eq!(pass.starts(), ["canary/front"]);
}

#[test]
fn a_rollout_that_makes_no_progress_is_left_behind_and_listed() {
    let wedged = in_stage(daemon_set("canary/wedged").pods(2, OLD).replacing());
    let mut snapshot = cluster([wedged, stale("early/a"), deployment("zz/proof").pod(pod(NEW).created(-1))]);
    snapshot.note_progress(at(-600));
    let pass = pass(&in_waves(), &snapshot);
    assert_eq!(pass.waves.facts[0].left_behind, 1);
    assert_eq!(pass.status.blocked[0].reason, "NoProgress");
    let memory = canary_completed(-SOAK_SECONDS);
    assert_eq!(pass_remembering(&memory, &in_waves(), &snapshot, 0).starts(), ["early/a"]);
}

#[test]
fn what_is_under_way_or_converging_or_was_never_answered_holds_up_the_next_wave() {
    let converging = stale("canary/a").replacing();
    for earlier in [under_way("canary/a", -20), converging] {
        let mut policy = in_waves();
        policy.strategy.max_concurrent = Some(Limit::Count(9));
        let pass = pass(&policy, &cluster([earlier, stale("early/a"), fresh("a/a")]));
        assert_eq!(pass.starts(), [""; 0]);
        assert_eq!(pass.decision.hold, Some(Hold::Wave(waits_for_canary())));
        assert_eq!(pass.waves.hold_of(pass.entry("early/a")), Some(waits_for_canary()));
    }
}

#[test]
fn what_holds_up_later_waves_without_a_restart_of_ours_is_said() {
    let snapshot = cluster([stale("canary/a").replacing(), stale("early/a"), fresh("a/a")]);
    assert_eq!(pass(&in_waves(), &snapshot).condition("RestartsAllowed"), "False EarlierWave");
    let snapshot = cluster([under_way("canary/a", -20), stale("early/a"), fresh("a/a")]);
    assert_eq!(pass(&in_waves(), &snapshot).condition("RestartsAllowed"), "True Open");
}

#[test]
fn what_may_never_be_fresh_does_not_hold_up_the_next_wave_but_is_counted() {
    let paused = crate::common::facts!(stale("early/a"), Deployment, |facts| facts.paused = true);
    let again = pod(OLD).created(-100).made_by_restart(&policy(), 1);
    let futile = in_stage(deployment("early/b").restarted(&policy(), 1, -200).pod(again));
    let snapshot = cluster([paused, futile, failed("early/c"), stale("rest/a")]);
    let pass = pass(&in_waves(), &snapshot);
    assert_eq!(pass.starts(), ["rest/a"]);
    assert_eq!((pass.waves.facts[1].state, pass.waves.facts[1].left_behind), (WaveState::Done, 3));
}

#[test]
fn one_that_is_refused_is_waited_for_a_few_times_and_not_for_ever() {
    let mut snapshot = cluster([stale("early/a"), stale("rest/a")]);
    let uid = stale("early/a").workload.id.uid;
    let refusal = Refusal { generation: 1, message: "denied".into(), retry_at: at(60), unanswered: false };
    for _ in 0..4 {
        snapshot.note_refusal(uid.clone(), refusal.clone());
        assert_eq!(pass(&in_waves(), &snapshot).starts(), [""; 0]);
    }
    snapshot.note_refusal(uid, refusal);
    assert_eq!(pass(&in_waves(), &snapshot).starts(), ["rest/a"]);
}

#[test]
fn the_next_wave_waits_until_the_last_one_has_soaked_and_the_next_look_is_then() {
    let snapshot = cluster([done("canary/a", -20), stale("early/a")]);
    let memory = pass(&in_waves(), &snapshot).waves.memory();
    let soaking = pass_remembering(&memory, &in_waves(), &snapshot, SOAK_SECONDS - 1);
    assert_eq!(soaking.starts(), [""; 0]);
    assert_eq!(states(&soaking), ["Soaking", "Pending", "Pending"]);
    let until = at(SOAK_SECONDS);
    assert_eq!(soaking.decision.hold, Some(Hold::Wave(WaveHold::Soaks { wave: "canary".into(), until })));
    assert_eq!(soaking.decision.recheck_at, Some(until));
    assert_eq!(soaking.condition("RestartsAllowed"), "False WaveSoaks");
    assert_eq!(soaking.condition("Stalled"), "False NotStalled");
    let over = pass_remembering(&memory, &in_waves(), &snapshot, SOAK_SECONDS);
    assert_eq!(over.starts(), ["early/a"]);
    assert_eq!(states(&over), ["Done", "Running", "Pending"]);
}

#[test]
fn a_soak_is_counted_from_the_next_whole_second_as_a_status_can_hold_it() {
    let snapshot = cluster([done("canary/a", -20), stale("early/a")]);
    let half_past = at(0) + SignedDuration::from_millis(500);
    let pass = Pass::remembering(
        &WaveMemory::default(),
        &[&in_waves()],
        &snapshot,
        &BTreeSet::new(),
        &BTreeMap::new(),
        half_past,
    );
    assert_eq!(pass.waves.facts[0].completed_at, Some(at(1)));
    assert_eq!(pass.waves.facts[0].state, WaveState::Soaking);
}

#[test]
fn without_a_memory_a_soak_begins_anew_and_is_never_skipped() {
    let snapshot = cluster([done("canary/a", -20), stale("early/a")]);
    let pass = pass_remembering(&WaveMemory::default(), &in_waves(), &snapshot, 365 * 24 * 3600);
    assert_eq!(pass.starts(), [""; 0]);
}

#[test]
fn where_nothing_runs_there_is_nothing_to_soak() {
    let idle = in_stage(deployment("canary/a"));
    assert_eq!(pass(&in_waves(), &cluster([idle, stale("early/a")])).starts(), ["early/a"]);
    assert_eq!(pass(&in_waves(), &cluster([stale("early/a")])).starts(), ["early/a"]);
}

#[test]
fn a_soak_is_not_cut_short_by_whoever_deletes_or_stops_what_was_restarted() {
    let memory = pass(&in_waves(), &cluster([done("canary/a", -20), stale("early/a")])).waves.memory();
    for left in [cluster([stale("early/a")]), cluster([in_stage(deployment("canary/a")), stale("early/a")])] {
        let soaking = pass_remembering(&memory, &in_waves(), &left, SOAK_SECONDS - 1);
        assert_eq!(soaking.starts(), [""; 0]);
        assert_eq!(states(&soaking), ["Soaking", "Pending", "Pending"]);
        assert_eq!(pass_remembering(&memory, &in_waves(), &left, SOAK_SECONDS).starts(), ["early/a"]);
    }
}

#[test]
fn whoever_deletes_or_stops_a_canary_before_its_wave_is_complete_does_not_let_all_others_go() {
    let memory = pass(&in_waves(), &cluster([under_way("canary/a", -20), stale("early/a")])).waves.memory();
    for left in [cluster([stale("early/a")]), cluster([in_stage(deployment("canary/a")), stale("early/a")])] {
        let soaking = pass_remembering(&memory, &in_waves(), &left, 10);
        assert_eq!(soaking.starts(), [""; 0]);
        assert_eq!(states(&soaking), ["Soaking", "Pending", "Pending"]);
        let memory = soaking.waves.memory();
        assert_eq!(pass_remembering(&memory, &in_waves(), &left, SOAK_SECONDS + 9).starts(), [""; 0]);
        assert_eq!(pass_remembering(&memory, &in_waves(), &left, SOAK_SECONDS + 10).starts(), ["early/a"]);
    }
}

#[test]
fn what_was_restarted_soaks_though_its_new_pods_are_not_seen_yet() {
    let landed = in_stage(deployment("canary/a").restarted(&policy(), 1, -20));
    let soaking = pass(&in_waves(), &cluster([landed, stale("early/a")]));
    assert_eq!(states(&soaking), ["Soaking", "Pending", "Pending"]);
    assert_eq!(soaking.starts(), [""; 0]);
}

#[test]
fn a_wave_of_which_nothing_was_seen_is_not_complete_once_and_for_all() {
    let nothing = pass(&in_waves(), &cluster([stale("early/a")]));
    assert_eq!(nothing.waves.facts[0].state, WaveState::Done);
    let after = cluster([done("canary/a", 0), stale("early/a")]);
    let later = pass_remembering(&nothing.waves.memory(), &in_waves(), &after, 10);
    assert_eq!(states(&later)[0], "Soaking");
    assert_eq!(later.starts(), [""; 0]);
}

#[test]
fn a_workload_born_late_starts_at_once_holds_up_later_waves_and_soaks_no_more() {
    let late = cluster([done("canary/a", -20), stale("canary/late"), stale("early/a")]);
    let memory = canary_completed(-SOAK_SECONDS);
    let pass = pass_remembering(&memory, &in_waves(), &late, 0);
    assert_eq!(pass.starts(), ["canary/late"]);
    let after = cluster([done("canary/a", -20), done("canary/late", 0), stale("early/a")]);
    assert_eq!(pass_remembering(&pass.waves.memory(), &in_waves(), &after, 10).starts(), ["early/a"]);
}

#[test]
fn a_wave_that_was_complete_because_nothing_could_be_restarted_soaks_after_its_first_restart() {
    let paused = crate::common::facts!(stale("canary/a"), Deployment, |facts| facts.paused = true);
    let left_behind = pass(&in_waves(), &cluster([paused, stale("early/a")])).waves.memory();
    let mended = cluster([stale("canary/a"), stale("early/a")]);
    let mended = pass_remembering(&left_behind, &in_waves(), &mended, SOAK_SECONDS);
    assert_eq!(mended.starts(), ["canary/a"]);
    // Whether or not somebody looked while it was under way.
    let restarted = cluster([under_way("canary/a", SOAK_SECONDS), stale("early/a")]);
    let restarted = pass_remembering(&left_behind, &in_waves(), &restarted, SOAK_SECONDS + 5);
    for memory in [left_behind, restarted.waves.memory()] {
        let after = cluster([done("canary/a", SOAK_SECONDS), stale("early/a")]);
        let soaking = pass_remembering(&memory, &in_waves(), &after, SOAK_SECONDS + 10);
        assert_eq!((states(&soaking)[0], soaking.starts()), ("Soaking", Vec::<String>::new()));
        let memory = soaking.waves.memory();
        assert_eq!(pass_remembering(&memory, &in_waves(), &after, 2 * SOAK_SECONDS + 9).starts(), [""; 0]);
        assert_eq!(pass_remembering(&memory, &in_waves(), &after, 2 * SOAK_SECONDS + 10).starts(), ["early/a"]);
    }
}

#[test]
fn a_wave_in_which_something_was_fresh_by_itself_does_not_soak_again_for_its_first_restart() {
    let memory = pass(&in_waves(), &cluster([fresh("canary/a"), stale("early/a")])).waves.memory();
    let late = done("canary/late", SOAK_SECONDS);
    for canaries in [vec![fresh("canary/a"), late.clone()], vec![late], vec![done("canary/a", SOAK_SECONDS)]] {
        let after = cluster(canaries.into_iter().chain([stale("early/a")]));
        assert_eq!(pass_remembering(&memory, &in_waves(), &after, SOAK_SECONDS + 10).starts(), ["early/a"]);
    }
}

#[test]
fn a_wave_that_was_restarted_in_vain_soaks_once_it_is_fresh() {
    let again = |attempt, seconds, image: &str| {
        let made = pod(image).created(seconds + 5).made_by_restart(&policy(), attempt);
        in_stage(deployment("canary/a").restarted(&policy(), attempt, seconds).pod(made))
    };
    let in_vain = pass(&in_waves(), &cluster([again(1, -60, OLD), stale("early/a")]));
    assert_eq!(in_vain.waves.facts[0].left_behind, 1);
    let later = cluster([again(2, SOAK_SECONDS, NEW), stale("early/a")]);
    let soaking = pass_remembering(&in_vain.waves.memory(), &in_waves(), &later, SOAK_SECONDS + 10);
    assert_eq!((states(&soaking)[0], soaking.starts()), ("Soaking", Vec::<String>::new()));
}

#[test]
fn a_wave_of_which_nothing_was_there_for_a_moment_soaks_once_it_is_fresh() {
    let under_way = pass(&in_waves(), &cluster([under_way("canary/a", -20), stale("early/a")])).waves.memory();
    let gone = pass_remembering(&under_way, &in_waves(), &cluster([stale("early/a")]), 0).waves.memory();
    let back = cluster([done("canary/a", -20), stale("early/a")]);
    let soaking = pass_remembering(&gone, &in_waves(), &back, 2 * SOAK_SECONDS);
    assert_eq!((states(&soaking)[0], soaking.starts()), ("Soaking", Vec::<String>::new()));
}

#[test]
fn a_wave_that_is_not_approved_does_not_start_and_says_how_to() {
    let snapshot = cluster([fresh("canary/a"), stale("early/a"), stale("rest/a")]);
    let pass = pass_remembering(&canary_completed(-SOAK_SECONDS), &manual(), &snapshot, 0);
    assert_eq!(pass.starts(), [""; 0]);
    assert_eq!(states(&pass), ["Done", "AwaitingApproval", "Pending"]);
    assert_eq!(pass.condition("Ready"), "False AwaitingApproval");
    assert_eq!(pass.condition("RestartsAllowed"), "False AwaitingApproval");
    assert_eq!(pass.condition("Stalled"), "False NotStalled");
    let Some(Hold::Wave(hold)) = &pass.decision.hold else { panic!("it is held by a wave") };
    assert_eq!(hold.to_string(), "wave early waits for approval: flippy approve sidecars early -n mesh");
}

#[test]
fn an_approval_lets_its_wave_start_and_is_remembered_with_who_and_when() {
    let snapshot = cluster([stale("early/a"), fresh("rest/a")]);
    let policy = approving(manual(), "early", &campaign(1));
    let approved = pass(&policy, &snapshot);
    assert_eq!(approved.starts(), ["early/a"]);
    assert_eq!(approved.waves.facts[1].approved, Some(Approved { at: at(0), by: Some("jane".to_owned()) }));
    let later = pass_remembering(&approved.waves.memory(), &manual(), &snapshot, 50);
    assert_eq!(later.starts(), ["early/a"], "the annotation is gone, and the approval stands");
    assert_eq!(later.waves.facts[1].approved, approved.waves.facts[1].approved);
}

#[test]
fn an_approval_does_not_replace_a_soak_or_an_earlier_wave() {
    let policy = approving(manual(), "early", &campaign(1));
    let soaking = cluster([fresh("canary/a"), stale("early/a")]);
    assert_eq!(pass(&policy, &soaking).starts(), [""; 0]);
    let earlier = cluster([stale("canary/a"), stale("early/a")]);
    assert_eq!(pass(&policy, &earlier).starts(), ["canary/a"]);
}

#[test]
fn an_approval_of_another_campaign_or_another_wave_does_not_count() {
    let snapshot = cluster([stale("early/a")]);
    let other = Campaign { hash: images(&["other:1"]).hash().into(), number: 1 };
    for (wave, campaign) in [("early", other), ("early", campaign(2)), ("canary", campaign(1))] {
        assert_eq!(pass(&approving(manual(), wave, &campaign), &snapshot).starts(), [""; 0], "{wave} {campaign}");
    }
}

#[test]
fn going_back_to_earlier_images_is_a_campaign_of_its_own() {
    let snapshot = cluster([stale("early/a")]);
    let first = pass(&manual(), &snapshot).waves.memory();
    assert_eq!(first.campaign, Some(campaign(1)));
    let elsewhere = Policy { images: images(&["other:1"]), ..manual() };
    let second = pass_remembering(&first, &elsewhere, &snapshot, 0).waves.memory();
    let back = pass_remembering(&second, &approving(manual(), "early", &campaign(1)), &snapshot, 0);
    assert_eq!(back.waves.campaign, Some(campaign(3)));
    assert_eq!(back.starts(), [""; 0], "an approval from back then is still there");
}

#[test]
fn a_campaign_is_read_as_it_is_written() {
    assert_eq!(Campaign::parse(&campaign(7).to_string()), Some(campaign(7)));
    for text in ["", ".", "abc", "abc.", ".1", "abc.0", "abc.-1", "abc.99999999999"] {
        assert_eq!(Campaign::parse(text), None, "{text}");
    }
}

#[test]
fn other_images_are_another_campaign_in_which_nothing_is_completed_or_approved() {
    let mut memory = canary_completed(-SOAK_SECONDS);
    memory.campaign = Some(Campaign { hash: images(&["other:1"]).hash().into(), number: 4 });
    let pass = pass_remembering(&memory, &in_waves(), &cluster([fresh("canary/a"), stale("early/a")]), 0);
    assert_eq!(pass.waves.campaign, Some(campaign(5)));
    assert_eq!(states(&pass), ["Soaking", "Pending", "Pending"]);
    assert_eq!(pass.waves.facts[0].completed_at, Some(at(0)));
}

#[test]
fn times_from_far_ahead_are_not_believed() {
    let next_year = 365 * 24 * 3600;
    let mut memory = canary_completed(next_year);
    let soaking = pass_remembering(&memory, &in_waves(), &cluster([fresh("canary/a"), stale("early/a")]), 0);
    assert_eq!(soaking.decision.recheck_at, Some(at(SOAK_SECONDS)));
    memory.waves[0] = RememberedWave {
        name: "early".into(),
        started_at: Some(at(next_year)),
        completed_at: None,
        left_all_behind: false,
        approved: Some(Approved { at: at(next_year), by: None }),
    };
    let waiting = pass_remembering(&memory, &manual(), &cluster([stale("early/a")]), 0);
    assert_eq!(waiting.starts(), [""; 0]);
    assert_eq!(waiting.waves.facts[1].started_at, None);
}

#[test]
fn a_wave_was_started_when_its_first_restart_was_made_though_the_mark_is_gone() {
    let pass = pass(&in_waves(), &cluster([under_way("early/a", -20), done("early/b", -90)]));
    assert_eq!(pass.waves.facts[1].started_at, Some(at(-90)));
    let later = pass_remembering(&pass.waves.memory(), &in_waves(), &cluster([under_way("early/a", -20)]), 0);
    assert_eq!(later.waves.facts[1].started_at, Some(at(-90)));
}

#[test]
fn the_limits_of_a_wave_replace_those_of_the_strategy_and_shares_are_of_its_workloads() {
    let many = |namespace: &'static str| (0..10).map(move |number| stale(&format!("{namespace}/w{number}")));
    let snapshot = cluster(many("early").chain(many("rest")).chain([fresh("rest/x")]));
    let starts = |change: fn(&mut Wave)| {
        let mut policy = changing(1, change);
        policy.strategy.max_concurrent = Some(Limit::Percent(10));
        pass(&policy, &snapshot).starts().len()
    };
    assert_eq!(starts(|_| {}), 1);
    assert_eq!(starts(|early| early.max_concurrent = Some(Limit::Count(4))), 4);
    assert_eq!(starts(|early| early.max_concurrent = Some(Limit::Percent(30))), 3);
    let both = |early: &mut Wave| {
        early.max_concurrent = Some(Limit::Count(9));
        early.max_concurrent_per_namespace = Some(Limit::Percent(20));
    };
    assert_eq!(starts(both), 2);
}

#[test]
fn what_is_under_way_in_another_wave_takes_room() {
    let mut policy = in_waves();
    policy.strategy.max_concurrent = Some(Limit::Count(2));
    let snapshot = cluster([stale("canary/late"), under_way("rest/a", -20), under_way("rest/b", -20), fresh("rest/c")]);
    assert_eq!(pass(&policy, &snapshot).starts(), [""; 0]);
}

#[test]
fn failures_past_what_their_wave_tolerates_halt_the_campaign() {
    let snapshot = cluster([failed("early/a"), failed("early/b"), stale("early/c"), fresh("rest/a")]);
    let tolerating = |count| changing(1, |early| early.max_failures = Some(Limit::Count(count)));
    assert_eq!(pass(&tolerating(2), &snapshot).starts(), ["early/c"]);
    let halted = pass(&tolerating(1), &snapshot);
    assert_eq!(halted.decision.hold, Some(Hold::Halted { failures: 2, tolerated: 1 }));
    assert_eq!(states(&halted), ["Done", "Halted", "Pending"]);
    assert_eq!(halted.condition("Stalled"), "True Halted");
    let message = &halted.status.conditions.iter().find(|condition| condition.kind == "Stalled").unwrap().message;
    assert!(message.starts_with("wave early: failed restarts: 2, tolerated: 1"), "{message}");
}

#[test]
fn failures_of_one_wave_do_not_count_in_another_one() {
    let mut policy = in_waves();
    policy.strategy.max_failures = Some(Limit::Count(1));
    let snapshot = cluster([failed("early/a"), failed("rest/a"), stale("rest/b"), fresh("rest/c")]);
    assert_eq!(pass(&policy, &snapshot).starts(), ["rest/b"]);
}

#[test]
fn a_person_who_says_to_go_on_forgives_the_failures_of_a_wave() {
    let mut policy = changing(1, |early| early.max_failures = Some(Limit::Count(0)));
    let snapshot = cluster([failed("early/a"), stale("early/c"), fresh("rest/a")]);
    assert_eq!(pass(&policy, &snapshot).starts(), [""; 0]);
    policy.resumed_at = Some(at(0));
    assert_eq!(pass(&policy, &snapshot).starts(), ["early/c"]);
}

#[test]
fn what_goes_first_goes_before_the_first_wave_and_not_before_that_is_approved() {
    let gateway = fresh("mesh/gateway");
    let first = |policy: Policy| Policy { restart_first: vec![crate::common::first(&gateway)], ..policy };
    let snapshot = cluster([stale("canary/a"), gateway.clone()]);
    assert_eq!(pass(&first(in_waves()), &snapshot).starts(), ["mesh/gateway"]);
    let careful = first(changing(0, |canary| canary.approval = Approval::Manual));
    assert_eq!(pass(&careful, &snapshot).starts(), [""; 0]);
    assert_eq!(pass(&approving(careful, "canary", &campaign(1)), &snapshot).starts(), ["mesh/gateway"]);
}

#[test]
fn a_lost_answer_in_a_wave_that_is_shut_again_holds_up_nobody_for_ever() {
    let mut snapshot = cluster([stale("canary/late"), stale("early/lost"), fresh("rest/a")]);
    let lost = Refusal { generation: 1, message: "time-out".into(), retry_at: at(60), unanswered: true };
    snapshot.note_refusal(stale("early/lost").workload.id.uid, lost);
    let memory = canary_completed(-SOAK_SECONDS);
    assert_eq!(pass_remembering(&memory, &in_waves(), &snapshot, 59).starts(), [""; 0]);
    assert_eq!(pass_remembering(&memory, &in_waves(), &snapshot, 60).starts(), ["canary/late"]);
    let mut apart = in_waves();
    apart.strategy.min_interval = SignedDuration::from_secs(10);
    assert_eq!(pass_remembering(&memory, &apart, &snapshot, 60).starts(), ["canary/late"]);
}

fn taken(percent: u8) -> BTreeSet<String> {
    let mut policy = policy();
    policy.waves = vec![Wave { percent: Some(percent), ..wave("some", Selector::default()) }];
    let snapshot = cluster((0..400).map(|number| fresh(&format!("a/w{number:03}"))));
    let pass = pass(&policy, &snapshot);
    let count = pass.waves.facts[0].total;
    pass.plan.entries.iter().take(count).map(|entry| path_of(&entry.id.named)).collect()
}

#[test]
fn a_percentage_takes_about_so_many_and_a_larger_one_takes_the_same_and_more() {
    let (ten, fifty) = (taken(10), taken(50));
    assert!((25..=55).contains(&ten.len()) && (170..=230).contains(&fifty.len()), "{} {}", ten.len(), fifty.len());
    assert!(ten.is_subset(&fifty));
    assert_eq!((taken(0).len(), taken(100).len()), (0, 400));
}

/// Known from SHA-256 as another program computes it.
#[test]
fn a_percentage_takes_the_same_workloads_in_every_version() {
    let expected = ["002", "053", "062", "149", "169", "250", "254", "261", "263", "311", "313", "333", "379"];
    assert_eq!(taken(3), expected.map(|number| format!("a/w{number}")).into());
}

fn any_wave(position: usize) -> impl Strategy<Value = Wave> {
    let namespaces = prop::sample::select(vec!["bank", "mesh", "shop", ""]);
    let percent = prop::option::weighted(0.3, prop::sample::select(vec![0_u8, 40, 100]));
    (namespaces, percent, 0..3_i64, any::<bool>()).prop_map(move |(namespace, percent, soak, is_manual)| Wave {
        percent,
        soak: SignedDuration::from_secs(soak * 100),
        approval: if is_manual { Approval::Manual } else { Approval::Automatic },
        ..wave(&format!("w{position}"), if namespace.is_empty() { Selector::default() } else { is("name", namespace) })
    })
}

fn any_waves() -> impl Strategy<Value = Vec<Wave>> {
    (1..4_usize).prop_flat_map(|count| (0..count).map(any_wave).collect::<Vec<_>>())
}

/// Of each wave that there may be: when it was completed, and whether it was approved.
fn any_memory() -> impl Strategy<Value = Vec<(Option<i64>, bool)>> {
    let seconds = prop::sample::select(vec![-1000_i64, -150, -50, 0, 10_000]);
    prop::collection::vec((prop::option::of(seconds), any::<bool>()), 4)
}

/// The position of a workload's wave, computed without the code under test, where no wave has a percentage.
fn wave_of(policy: &Policy, namespace: &str) -> usize {
    let takes = |wave: &Wave| wave.namespaces == Selector::default() || wave.namespaces == is("name", namespace);
    policy.waves.iter().position(takes).unwrap_or(policy.waves.len())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_the_cluster_looks_like_nothing_starts_before_its_turn(
        fixtures in crate::properties::fixtures(),
        waves in any_waves(),
        memory in any_memory(),
        is_current in any::<bool>(),
    ) {
        let mut policy = Policy { waves, ..policy() };
        policy.strategy.max_concurrent = Some(Limit::Count(50));
        for wave in &mut policy.waves {
            wave.percent = None;
        }
        let snapshot = cluster(fixtures.into_iter().map(|fixture| {
            let namespace = fixture.named().namespace;
            fixture.namespace_label("name", &namespace)
        }));
        let names = (0..policy.waves.len()).map(|position| format!("w{position}")).chain(["rest".to_owned()]);
        let remembered = names.zip(&memory).map(|(name, (completed, approved))| RememberedWave {
            name: name.into(),
            started_at: None,
            completed_at: completed.map(at),
            left_all_behind: false,            approved: approved.then(|| Approved { at: at(0), by: None }),
        });
        let hash = if is_current { campaign(1).hash } else { "another".into() };
        let memory = WaveMemory { campaign: Some(Campaign { hash, number: 1 }), waves: remembered.collect() };
        let pass = pass_remembering(&memory, &policy, &snapshot, 0);
        let remembered = |position: usize| memory.waves.get(position).filter(|_| is_current);
        for start in &pass.decision.starts {
            let own = wave_of(&policy, &start.id.named.namespace);
            if policy.waves.get(own).is_some_and(|wave| wave.approval == Approval::Manual) {
                prop_assert!(remembered(own).is_some_and(|wave| wave.approved.is_some()), "{start:?}");
            }
            for (earlier, wave) in policy.waves.iter().enumerate().take(own) {
                let entries = || pass.plan.entries.iter().filter(|entry| wave_of(&policy, &entry.id.named.namespace) == earlier);
                let is_busy = entries().any(|entry| {
                    matches!(entry.verdict, Verdict::Restart(_) | Verdict::InFlight | Verdict::Converging)
                });
                prop_assert!(!is_busy, "{start:?}");
                let runs = entries().any(|entry| entry.verdict != Verdict::Idle);
                if runs && wave.soak.is_positive() {
                    let completed = remembered(earlier).and_then(|wave| wave.completed_at).filter(|at| *at <= self::at(3600));
                    prop_assert!(completed.is_some_and(|completed| completed + wave.soak <= at(0)), "{start:?}");
                }
            }
        }
        prop_assert_eq!(pass.waves.facts.len(), policy.waves.len() + 1);
        prop_assert_eq!(pass.waves.facts.iter().map(|fact| fact.total).sum::<usize>(), pass.plan.entries.len());
        prop_assert!(pass.decision.recheck_at.is_none_or(|recheck: Timestamp| recheck > at(0)));
        prop_assert_eq!(pass.decision.hold.is_some() || !pass.starts().is_empty(), pass.plan.needs_restart());
    }

    #[test]
    fn no_wave_overtakes_another_crashes_or_not_and_all_come_to_their_end(
        behaviours in prop::collection::vec(behaviour(), 1..10),
        steps in prop::collection::vec(step(), 0..250),
        soak_seconds in prop::sample::select(vec![0_i64, 45, 400]),
        waits in any::<bool>(),
    ) {
        const NAMESPACES: [&str; 3] = ["shop", "bank", "till"];
        let mut policy = if waits { policy() } else { policy_not_waiting() };
        policy.strategy.max_concurrent = waits.then_some(Limit::Count(3));
        let in_namespace = |name: &str| Wave {
            soak: SignedDuration::from_secs(soak_seconds),
            ..wave(name, is("kubernetes.io/metadata.name", name))
        };
        policy.waves = vec![in_namespace("shop"), in_namespace("bank")];
        let window_seconds = if waits { WINDOW_SECONDS } else { 600 };
        let mut model = Model::in_namespaces(behaviours.iter().copied(), OLD, &NAMESPACES);
        let mut operator = Operator::started(&mut model);
        for step in steps {
            let decided_before = operator.decided();
            operator.step(step, &policy, &mut model);
            let decided_now = operator.decided().saturating_sub(decided_before);
            let disturbed = model.disturbed_in(window_seconds, soak_seconds);
            for (_, start) in operator.on_their_way().iter().rev().take(decided_now) {
                let own = NAMESPACES.iter().position(|namespace| **namespace == *start.id.named.namespace).unwrap();
                for earlier in &NAMESPACES[..own] {
                    prop_assert_eq!(model.never_restarted_in(earlier), 0, "{} before {}", start.id, earlier);
                    prop_assert!(!disturbed.contains_key(earlier), "{} beside {earlier}: {disturbed:?}", start.id);
                }
            }
        }
        run(&mut model, &[&policy], 24 * 3600);
        prop_assert_eq!(model.restarts(), vec![1; behaviours.len()]);
    }
}

#[test]
fn a_campaign_in_waves_comes_to_its_end_by_itself() {
    let mut policy = in_waves();
    policy.waves[0].namespaces = is("kubernetes.io/metadata.name", "shop");
    policy.waves[1].namespaces = is("kubernetes.io/metadata.name", "bank");
    let mut model = Model::in_namespaces([Behaviour::default(); 9], OLD, &["shop", "bank", "till"]);
    run(&mut model, &[&policy], 3600);
    assert_eq!((model.pods_on(OLD), model.restarts_in_all()), (0, 9));
}
