//! What a restart takes away from others: disruption budgets, groups, and whose turn it is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use flippy_core::{
    DisruptionBudget, DisruptionBudgets, Hold, MAX_GROUP_LENGTH, Policy, Refusal, Requirement, Selector, Snapshot,
    UpdateStrategy, Verdict, group_name,
};

use crate::common::{
    Fixture, NEW, OLD, Pass, WINDOW_SECONDS, at, cluster, daemon_set, deployment, facts, first, labels, pass, pod,
    policy, policy_named, policy_not_waiting, rollout, stateful_set,
};

fn stale(path: &str) -> Fixture {
    deployment(path).pods(2, OLD)
}

/// The injector is known to hand out the wanted image.
fn proof() -> Fixture {
    deployment("zz/proof").pod(pod(NEW).created(-1))
}

fn labelled(fixture: Fixture, pairs: &[(&str, &str)]) -> Fixture {
    let pairs = labels(pairs);
    fixture.change(|workload| workload.template_labels = pairs)
}

fn shop(path: &str) -> Fixture {
    labelled(stale(path), &[("app", "shop")])
}

fn in_group(fixture: Fixture, name: &str) -> Fixture {
    let name = group_name(name);
    fixture.change(|workload| workload.disruption.group = Some(name))
}

fn surging(fixture: Fixture) -> Fixture {
    fixture.change(|workload| workload.disruption.takes_nothing_away = true)
}

fn one_of(key: &str, values: &[&str]) -> Requirement {
    Requirement::In(key.into(), values.iter().map(|value| Arc::from(*value)).collect())
}

/// Covers what carries `app: shop` in namespace `a`, and can spare as many pods.
fn budget(allowed: i64) -> DisruptionBudget {
    DisruptionBudget {
        namespace: "a".into(),
        name: "shop".into(),
        uid: "uid of shop".into(),
        selector: Selector::Every(vec![one_of("app", &["shop"])]),
        generation: 2,
        observed_generation: 2,
        allowed,
        healthy: 3 + allowed,
        desired_healthy: 3,
        expected_pods: 6,
    }
}

fn with(budget: DisruptionBudget, workloads: impl IntoIterator<Item = Fixture>) -> Snapshot {
    let mut snapshot = cluster(workloads.into_iter().chain([proof()]));
    snapshot.upsert_disruption_budget(budget);
    snapshot
}

fn ignoring() -> Policy {
    let mut policy = policy_not_waiting();
    policy.strategy.disruption_budgets = DisruptionBudgets::Ignore;
    policy
}

/// `reason: message` of a verdict.
fn said(pass: &Pass, path: &str) -> String {
    let verdict = pass.verdict(path);
    format!("{}: {verdict}", verdict.reason().unwrap_or_default())
}

#[test]
fn workloads_that_share_a_budget_start_one_after_the_other_and_hold_up_nobody_else() {
    let snapshot = with(budget(1), [shop("a/one"), shop("a/two"), stale("a/other"), shop("b/elsewhere")]);
    let pass = pass(&policy_not_waiting(), &snapshot, 0);
    assert_eq!(pass.starts(), ["a/one", "a/other", "b/elsewhere"]);
    assert!(matches!(&pass.decision.hold, Some(Hold::Turn { other, .. }) if &*other.name == "one"));
}

#[test]
fn none_starts_while_another_one_of_its_budget_is_being_restarted() {
    let policy = policy_not_waiting();
    let under_way = shop("a/one").restarted(&policy, 1, -20).replacing();
    let pass = pass(&policy, &with(budget(0), [under_way, shop("a/two")]), 0);
    assert!(pass.starts().is_empty());
    assert!(matches!(pass.verdict("a/two"), Verdict::Restart(_)), "its turn comes by itself");
    let hold = format!("{:?}", pass.decision.hold);
    assert!(hold.starts_with("Some(Turn"), "{hold}");
}

#[test]
fn what_another_one_of_its_budget_does_by_itself_is_waited_for_and_told() {
    let pass = pass(&policy_not_waiting(), &with(budget(1), [shop("a/one").replacing(), shop("a/two")]), 0);
    assert!(pass.starts().is_empty());
    assert_eq!(
        said(&pass, "a/two"),
        "DisruptionBudget: one at a time: PodDisruptionBudget a/shop holds Deployment a/one, too, whose rollout is not \
         complete; if that lasts, look at its pods"
    );
}

#[test]
fn a_member_that_is_out_of_every_scope_counts_too() {
    let opted_out =
        shop("a/one").replacing().change(|workload| workload.annotations = labels(&[("flippy-ignore", "true")]));
    let pass = pass(&policy_not_waiting(), &with(budget(1), [opted_out, shop("a/two")]), 0);
    assert!(pass.starts().is_empty());
}

#[test]
fn one_whose_pods_crash_does_not_hold_up_its_group_for_ever() {
    let sick = in_group(stale("a/one").unavailable(), "db");
    let pass = pass(&policy_not_waiting(), &cluster([sick, in_group(stale("a/two"), "db"), proof()]), 0);
    assert_eq!(pass.starts(), ["a/two"]);
}

#[test]
fn a_restart_that_is_on_its_way_for_another_policy_takes_the_turn() {
    let (ours, other) = (policy_not_waiting(), policy_named("other"));
    let snapshot = with(budget(1), [shop("a/one"), shop("a/two")]);
    let sending = BTreeSet::from(["uid of Deployment a/one".into()]);
    let pass = Pass::with(&[&ours, &other], &snapshot, &sending, &BTreeMap::new(), at(0));
    assert!(pass.starts().is_empty());
}

#[test]
fn a_restart_that_another_policy_waits_longer_for_still_has_its_turn() {
    let (ours, mut other) = (policy_not_waiting(), policy_named("other"));
    other.strategy.min_ready = flippy_core::SignedDuration::from_hours(1);
    let made = pod(NEW).created(-10).made_by_restart(&ours, 1);
    let soaking = in_group(deployment("a/one").pod(made.clone()).pod(made).restarted(&ours, 1, -20), "db");
    let snapshot = cluster([soaking, in_group(stale("a/two"), "db"), proof()]);
    assert_eq!(pass(&ours, &snapshot, 0).starts(), ["a/two"]);
    assert!(Pass::of(&[&ours, &other], &snapshot, 0).starts().is_empty());
}

#[test]
fn a_budget_that_allows_none_blocks_and_says_what_to_do() {
    let pass = pass(&policy(), &with(budget(0), [shop("a/one")]), 0);
    assert!(pass.starts().is_empty());
    assert_eq!(
        said(&pass, "a/one"),
        "DisruptionBudget: PodDisruptionBudget a/shop allows no disruption now: 3 of the pods that it covers are healthy, and \
         none can be spared; restarts go on by themselves once one can"
    );
    assert_eq!(pass.condition("Stalled"), "True WorkloadsBlocked");
}

#[test]
fn a_budget_that_can_never_allow_one_is_told_as_such() {
    let never = DisruptionBudget { healthy: 2, desired_healthy: 2, expected_pods: 2, ..budget(0) };
    let pass = pass(&policy(), &with(never, [shop("a/one")]), 0);
    let said = said(&pass, "a/one");
    assert!(said.contains("as it is written, not even with all 2 pods healthy: lower its minAvailable"), "{said}");
}

#[test]
fn a_workload_whose_own_crashing_pods_use_up_the_budget_is_told_so() {
    let sick = DisruptionBudget { healthy: 1, ..budget(0) };
    let pass = pass(&policy(), &with(sick, [shop("a/one").unavailable()]), 0);
    let said = said(&pass, "a/one");
    assert!(said.contains("1 of the pods that it covers are healthy, and 3 must be; mend the others"), "{said}");
}

#[test]
fn a_status_older_than_its_spec_allows_nothing() {
    let outdated = DisruptionBudget { observed_generation: 1, ..budget(2) };
    let pass = pass(&policy(), &with(outdated, [shop("a/one")]), 0);
    assert!(said(&pass, "a/one").contains("older than its spec"));
}

#[test]
fn what_surges_needs_no_permission_but_waits_for_its_turn() {
    let snapshot = with(budget(0), [surging(shop("a/one")), surging(shop("a/two"))]);
    assert_eq!(pass(&policy_not_waiting(), &snapshot, 0).starts(), ["a/one"]);
}

#[test]
fn a_policy_may_ignore_budgets_but_not_groups() {
    let snapshot = with(budget(0), [shop("a/one"), shop("a/two")]);
    assert_eq!(pass(&ignoring(), &snapshot, 0).starts(), ["a/one", "a/two"]);
    let snapshot = with(budget(0), [in_group(shop("a/one"), "db"), in_group(shop("a/two"), "db")]);
    assert_eq!(pass(&ignoring(), &snapshot, 0).starts(), ["a/one"]);
}

#[test]
fn who_ignores_budgets_waits_for_nobody_who_is_evicted_under_one_but_is_waited_for() {
    let patched = |path| labelled(stateful_set(path).pods(2, OLD), &[("app", "shop")]);
    let evicted = |path| {
        let on_delete = facts!(stateful_set(path), StatefulSet, |facts| facts.strategy = UpdateStrategy::OnDelete);
        labelled(on_delete.pods(2, OLD), &[("app", "shop")])
    };
    let after = pass(&ignoring(), &with(budget(1), [evicted("a/one"), patched("a/two")]), 0);
    assert_eq!(after.starts(), ["a/one", "a/two"]);
    let before = pass(&ignoring(), &with(budget(1), [patched("a/one"), evicted("a/two")]), 0);
    assert_eq!(before.starts(), ["a/one"]);
}

#[test]
fn budgets_are_watched_only_for_policies_that_respect_them_and_select_anything() {
    assert!(policy().needs_disruption_budgets());
    assert!(!ignoring().needs_disruption_budgets());
    let mut nothing = policy();
    nothing.scope.containers.clear();
    assert!(!nothing.needs_disruption_budgets());
}

#[test]
fn members_of_a_group_of_any_kind_start_one_after_the_other_in_each_namespace() {
    let group = |fixture| in_group(fixture, "db");
    let snapshot = cluster([
        group(stale("a/one")),
        group(stateful_set("a/two").pods(2, OLD)),
        group(daemon_set("a/three").pods(2, OLD)),
        group(stale("b/one")),
        proof(),
    ]);
    assert_eq!(pass(&policy_not_waiting(), &snapshot, 0).starts(), ["a/one", "b/one"]);
}

#[test]
fn stateful_sets_of_one_application_are_a_group_unless_they_say_otherwise() {
    let instance = [("app.kubernetes.io/name", "loki"), ("app.kubernetes.io/instance", "logs")];
    let member = |path| labelled(stateful_set(path).pods(2, OLD), &instance);
    let starts = |fixtures: [Fixture; 2]| {
        pass(&policy_not_waiting(), &cluster(fixtures.into_iter().chain([proof()])), 0).starts()
    };
    assert_eq!(starts([member("a/read"), member("a/write")]), ["a/read"]);
    assert_eq!(starts([member("a/read"), in_group(member("a/write"), "")]), ["a/read", "a/write"]);
    let other = labelled(stateful_set("a/write").pods(2, OLD), &[instance[0], ("app.kubernetes.io/instance", "audit")]);
    assert_eq!(starts([member("a/read"), other]), ["a/read", "a/write"]);
    let of_deployments = |path| labelled(stale(path), &instance);
    assert_eq!(starts([of_deployments("a/read"), of_deployments("a/write")]), ["a/read", "a/write"]);
}

#[test]
fn a_group_name_is_bounded_and_harmless_where_it_is_shown() {
    assert_eq!(group_name(&"x".repeat(300_000)).chars().count(), MAX_GROUP_LENGTH);
    let evil = "db\nReady: True";
    let snapshot = cluster([in_group(stale("a/one").replacing(), evil), in_group(stale("a/two"), evil), proof()]);
    let said = said(&pass(&policy_not_waiting(), &snapshot, 0), "a/two");
    assert!(said.starts_with("Group: ") && !said.contains('\n'), "{said}");
}

#[test]
fn what_goes_first_waits_for_its_budget_and_all_others_for_it() {
    let gateway = labelled(deployment("a/gateway").pods(2, NEW), &[("app", "shop")]);
    let mut policy = policy();
    policy.restart_first = vec![first(&gateway)];
    let pass = pass(&policy, &with(budget(0), [gateway, stale("b/one")]), 0);
    assert!(pass.starts().is_empty());
    assert_eq!(pass.condition("Stalled"), "True FirstBlocked");
}

#[test]
fn what_goes_first_but_never_may_is_left_out() {
    let gateway = labelled(deployment("a/gateway").pods(2, NEW), &[("app", "shop")]);
    let never = DisruptionBudget { healthy: 2, desired_healthy: 2, expected_pods: 2, ..budget(0) };
    let mut policy = policy();
    policy.restart_first = vec![first(&gateway)];
    let pass = pass(&policy, &with(never, [gateway, stale("b/one")]), 0);
    assert_eq!(pass.starts(), ["b/one"]);
    assert_eq!(pass.status.blocked[0].reason, "DisruptionBudget");
}

#[test]
fn what_goes_first_takes_its_turn_before_one_in_scope_does() {
    let gateway = in_group(deployment("a/gateway").pods(2, NEW), "db");
    let mut policy = policy_not_waiting();
    policy.restart_first =
        vec![flippy_core::RestartFirst { target: gateway.named(), waiting: flippy_core::Waiting::NotWaited }];
    let pass = pass(&policy, &cluster([gateway, in_group(stale("a/one"), "db"), stale("b/one"), proof()]), 0);
    assert_eq!(pass.starts(), ["a/gateway", "b/one"]);
}

/// Its answer was lost; then its budget was used up.
fn lost(seconds: i64) -> Pass {
    let mut snapshot = with(budget(0), [shop("a/one"), stale("b/one")]);
    let refusal = Refusal { generation: 1, message: "lost".into(), retry_at: at(0), unanswered: true };
    snapshot.note_refusal("uid of Deployment a/one".into(), refusal);
    pass(&policy(), &snapshot, seconds)
}

#[test]
fn a_lost_answer_holds_up_others_for_a_minute_where_it_cannot_be_tried_again() {
    assert!(lost(59).starts().is_empty());
    assert_eq!(lost(59).decision.recheck_at, Some(at(60)));
    assert_eq!(lost(60).starts(), ["b/one"]);
}

#[test]
fn a_removed_budget_forbids_nothing_and_the_end_of_an_older_one_changes_nothing() {
    let mut snapshot = with(budget(0), [shop("a/one")]);
    snapshot.remove_disruption_budget("a", "shop", "uid of an older one");
    assert!(pass(&policy(), &snapshot, 0).starts().is_empty());
    snapshot.remove_disruption_budget("a", "shop", "uid of shop");
    assert_eq!(pass(&policy(), &snapshot, 0).starts(), ["a/one"]);
}

#[test]
fn a_selector_means_what_kubernetes_means_by_it() {
    let carried = labels(&[("app", "shop"), ("tier", "web")]);
    let values = |values: &[&str]| values.iter().map(|value| Arc::from(*value)).collect::<BTreeSet<Arc<str>>>();
    let selects = |requirement| Selector::Every(vec![requirement]).matches(&carried);
    assert!(!Selector::Nothing.matches(&carried));
    assert!(Selector::Every(Vec::new()).matches(&carried));
    assert!(selects(one_of("app", &["shop", "bank"])));
    assert!(!selects(one_of("app", &["bank"])));
    assert!(!selects(one_of("zone", &["a"])));
    assert!(!selects(Requirement::NotIn("app".into(), values(&["shop"]))));
    assert!(selects(Requirement::NotIn("app".into(), values(&["bank"]))));
    assert!(selects(Requirement::NotIn("zone".into(), values(&["a"]))));
    assert!(selects(Requirement::Exists("tier".into())));
    assert!(!selects(Requirement::Exists("zone".into())));
    assert!(selects(Requirement::DoesNotExist("zone".into())));
    assert!(!selects(Requirement::DoesNotExist("tier".into())));
}

#[test]
fn a_restart_has_its_turn_for_as_long_as_its_policy_waits_for_it_and_no_longer() {
    let policy = policy();
    let sick = in_group(stale("a/one").unavailable().restarted(&policy, 1, 0), "db");
    let snapshot = cluster([sick, in_group(stale("a/two"), "db"), proof()]);
    assert!(pass(&policy, &snapshot, WINDOW_SECONDS - 1).starts().is_empty());
    assert_eq!(pass(&policy, &snapshot, WINDOW_SECONDS).starts(), ["a/two"]);
}

#[test]
fn a_rollout_that_two_budgets_cover_is_blocked_because_its_pods_cannot_be_evicted() {
    let two = |fixture: Fixture| {
        let mut snapshot = with(budget(1), [labelled(fixture.pods(2, OLD), &[("app", "shop")])]);
        let all = DisruptionBudget { name: "all".into(), uid: "uid of all".into(), ..budget(1) };
        snapshot.upsert_disruption_budget(all);
        pass(&policy(), &snapshot, 0)
    };
    let said = said(&two(rollout("a/one")), "a/one");
    assert!(said.contains("PodDisruptionBudget a/all and PodDisruptionBudget a/shop cover the same pods"), "{said}");
    assert_eq!(two(deployment("a/one")).starts(), ["a/one"]);
}

#[test]
fn one_that_is_in_scope_and_goes_first_has_its_turn_for_the_longer_of_its_windows() {
    let sick = in_group(stale("a/one").unavailable(), "db");
    let mut policy = policy();
    policy.strategy.max_concurrent = Some(flippy_core::Limit::Count(10));
    policy.restart_first =
        vec![flippy_core::RestartFirst { target: sick.named(), waiting: flippy_core::Waiting::NotWaited }];
    let snapshot = cluster([sick.restarted(&policy, 1, 0), in_group(stale("a/two"), "db"), proof()]);
    // Observed for ten minutes, though as one in scope it has less.
    assert!(pass(&policy, &snapshot, 599).starts().is_empty());
    assert_eq!(pass(&policy, &snapshot, 600).starts(), ["a/two"]);
}
