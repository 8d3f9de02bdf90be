use flippy_core::Hold;

use super::*;
use crate::plan::view::{
    EstimateView, FirstView, HoldView, NamedView, NoteView, PlanView, PreconditionView, WaveView, WorkloadView, hold,
};

fn named(kind: &'static str, namespace: &str, name: &str) -> NamedView {
    NamedView { kind, namespace: namespace.to_owned(), name: name.to_owned() }
}

fn workload(name: &str, verdict: &'static str, message: &str, stale_pods: usize) -> WorkloadView {
    WorkloadView {
        workload: named("Deployment", "shop", name),
        uid: format!("uid-{name}"),
        verdict,
        reason: None,
        message: message.to_owned(),
        container: None,
        image: None,
        pods: 2,
        stale_pods,
        healthy: true,
        method: "Patch",
        attempt: 1,
        restarted_at: None,
        until: None,
        wave: None,
        waits_for: None,
    }
}

fn config(plan: PlanView) -> ConfigView {
    ConfigView { namespace: "istio-system".to_owned(), name: "mesh".to_owned(), problems: Vec::new(), plan: Some(plan) }
}

fn mesh() -> PlanView {
    let mut plan = PlanView {
        desired_images: vec!["docker.io/istio/proxyv2:1.30.4".to_owned()],
        workloads: vec![
            workload("cart", "Restart", "istio-proxy runs docker.io/istio/proxyv2:1.30.3", 2),
            workload("a-much-longer-name", "Blocked", "paused: resume it to let it be restarted", 1),
            workload("till", "Fresh", "every pod runs a wanted image", 0),
        ],
        ..PlanView::default()
    };
    plan.counters.restart = 1;
    plan.counters.blocked = 1;
    plan.counters.fresh = 1;
    plan.counters.total = 3;
    plan
}

fn shown(plan: PlanView, look: Look) -> String {
    plans(&[config(plan)], Output::Table, look).expect("a table can always be made")
}

#[test]
fn a_piped_plan_is_aligned_columns_with_one_workload_a_line() {
    let expected = "\
FlippyConfig istio-system/mesh wants docker.io/istio/proxyv2:1.30.4

KIND        NAMESPACE/NAME           PODS  VERDICT  REASON
Deployment  shop/cart                2/2   Restart  istio-proxy runs docker.io/istio/proxyv2:1.30.3
Deployment  shop/a-much-longer-name  1/2   Blocked  paused: resume it to let it be restarted
Deployment  shop/till                0/2   Fresh    every pod runs a wanted image

3 workloads in scope: 1 to restart, 1 blocked, 1 fresh
";
    assert_eq!(shown(mesh(), Look::Plain), expected);
}

#[test]
fn a_long_reason_is_not_wrapped_when_piped() {
    let mut plan = mesh();
    plan.workloads[0].message = "word ".repeat(100);
    let line = shown(plan, Look::Plain).lines().find(|line| line.contains("shop/cart")).map(str::len);
    assert!(line.is_some_and(|length| length > 400));
}

#[test]
fn line_ends_in_somebody_elses_message_do_not_break_the_columns() {
    let mut plan = mesh();
    plan.workloads[1].message = "denied:\nno restarts\n on Fridays".to_owned();
    assert!(shown(plan, Look::Plain).contains("Blocked  denied: no restarts on Fridays\n"));
}

#[test]
fn colours_are_for_terminals_only() {
    assert!(shown(mesh(), Look::Terminal).contains('\u{1b}'));
    assert!(!shown(mesh(), Look::Plain).contains('\u{1b}'));
}

#[test]
fn the_wide_table_tells_of_the_last_restart() {
    let mut plan = mesh();
    plan.workloads[0].restarted_at = Some("2031-05-06T07:08:09Z".to_owned());
    plan.workloads[0].attempt = 2;
    let text = plans(&[config(plan)], Output::Wide, Look::Plain).expect("a table can always be made");
    assert!(text.contains("2/2   Restart  yes      Patch   2        2031-05-06T07:08:09Z  istio-proxy runs"), "{text}");
}

#[test]
fn below_the_table_stands_what_goes_first_and_what_holds() {
    let mut plan = mesh();
    plan.restart_first = vec![FirstView {
        workload: named("Deployment", "istio-system", "gateway"),
        state: "Due",
        message: "to be restarted, once, before the workloads in scope".to_owned(),
    }];
    plan.preconditions = vec![PreconditionView {
        workload: named("Deployment", "istio-system", "istiod"),
        met: false,
        message: "not found".to_owned(),
    }];
    plan.hold = Some(HoldView {
        reason: "PreconditionsNotMet",
        message: "precondition Deployment istio-system/istiod: not found".to_owned(),
        until: None,
    });
    plan.notes = vec![NoteView { path: "spec.X".to_owned(), message: "is odd".to_owned() }];
    let text = shown(plan, Look::Plain);
    let below = text.split_once("1 fresh\n").map(|(_, below)| below);
    let expected = "\
before all others: Deployment istio-system/gateway, to be restarted, once, before the workloads in scope
precondition not met: Deployment istio-system/istiod: not found
nothing starts: precondition Deployment istio-system/istiod: not found
note: spec.X: is odd
";
    assert_eq!(below, Some(expected));
}

#[test]
fn a_restart_that_starts_at_once_is_named() {
    let mut plan = mesh();
    plan.starts_now = vec![named("Deployment", "shop", "cart")];
    plan.hold = Some(HoldView { reason: "Waiting", message: "the rest waits".to_owned(), until: None });
    assert!(shown(plan, Look::Plain).ends_with("starts at once: Deployment shop/cart\nthen: the rest waits\n"));
}

#[test]
fn a_closed_window_is_told_with_the_time_before_which_it_does_not_open() {
    let mut plan = mesh();
    let opening = "2031-05-06T22:00:00Z";
    plan.hold = Some(hold(&Hold::Window(Some(opening.parse().expect("it is a time")))));
    let expected =
        format!("\nnothing starts: outside the windows of spec.Windows; they do not open before {opening}\n");
    assert!(shown(plan, Look::Plain).ends_with(&expected));
}

#[test]
fn a_halt_is_told_with_its_numbers_and_what_ends_it() {
    let mut plan = mesh();
    plan.hold = Some(hold(&Hold::Halted { failures: 3, tolerated: 2 }));
    let expected = "\nnothing starts: failed restarts: 3, tolerated: 2 (spec.Strategy.MaxFailures): look at them, then set \
                    the annotation flippy.keikoproj.io/resumed-at of the FlippyConfig to the time\n";
    assert!(shown(plan, Look::Plain).ends_with(expected));
}

fn wave(name: &str, state: &'static str, fresh: usize) -> WaveView {
    WaveView {
        name: name.to_owned(),
        state,
        total: 3,
        fresh,
        left_behind: 1,
        started_at: None,
        completed_at: None,
        soaks_until: None,
        approved_at: None,
        approved_by: None,
    }
}

#[test]
fn waves_stand_below_the_workloads_with_what_each_waits_for() {
    let mut plan = mesh();
    plan.workloads[0].wave = Some("canary".to_owned());
    let until = Some("2031-05-06T22:00:00Z".to_owned());
    plan.waves = vec![
        WaveView { soaks_until: until, ..wave("canary", "Soaking", 2) },
        WaveView { approved_by: Some("jane\nand john".to_owned()), ..wave("early", "Pending", 0) },
        wave("late", "AwaitingApproval", 0),
    ];
    let text = shown(plan, Look::Plain);
    let expected = "
WAVE    STATE             FRESH  LEFT-BEHIND  MESSAGE
canary  Soaking           2/3    1            soaks until 2031-05-06T22:00:00Z
early   Pending           0/3    1            approved by jane and john
late    AwaitingApproval  0/3    1            waits for flippy approve

3 workloads in scope: 1 to restart, 1 blocked, 1 fresh
";
    assert!(text.ends_with(expected), "{text}");
    assert!(text.contains("\ncanary  Deployment  shop/cart "), "{text}");
}

#[test]
fn a_wave_that_waits_for_a_person_is_told_with_the_command_that_lets_it_start() {
    let config = flippy_core::PolicyName { namespace: "istio-system".into(), name: "mesh".into() };
    let mut plan = mesh();
    plan.hold = Some(hold(&Hold::Wave(flippy_core::WaveHold::NotApproved { wave: "late".into(), config })));
    let expected = "\nnothing starts: wave late waits for approval: flippy approve mesh late -n istio-system\n";
    assert!(shown(plan, Look::Plain).ends_with(expected));
}

#[test]
fn the_expected_end_is_told_with_the_rate_that_it_is_learnt_from() {
    let mut plan = mesh();
    plan.estimate = EstimateView {
        restarts_per_minute: Some("12.5".to_owned()),
        estimated_end: Some("2031-05-06T22:00:00Z".to_owned()),
    };
    let expected = "\nexpected end: 2031-05-06T22:00:00Z\nrestarts per minute so far: 12.5\n";
    assert!(shown(plan, Look::Plain).ends_with(expected));
}

#[test]
fn an_empty_scope_says_why() {
    let plan = PlanView { selects_nothing: Some("the cluster has no Deployment".to_owned()), ..PlanView::default() };
    assert!(
        shown(plan, Look::Plain).ends_with("\n\nno workload is in scope\nbecause: the cluster has no Deployment\n")
    );
}

#[test]
fn a_cluster_without_configs_is_told_what_to_do() {
    let text = plans(&[], Output::Table, Look::Plain).expect("a table can always be made");
    assert!(text.starts_with("no FlippyConfig in the cluster: apply one"));
}

#[test]
fn json_and_yaml_say_the_same() {
    let views = [config(mesh())];
    let json = plans(&views, Output::Json, Look::Plain).expect("it is plain data");
    let yaml = plans(&views, Output::Yaml, Look::Plain).expect("it is plain data");
    let json: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
    let yaml: serde_json::Value = serde_saphyr::from_str(&yaml).expect("it is YAML");
    assert_eq!(json, yaml);
    assert_eq!(json["configs"][0]["workloads"][0]["stalePods"], 2);
    assert_eq!(json["configs"][0]["counters"]["inFlight"], 0);
}

#[test]
fn a_config_with_problems_is_in_the_machine_readable_plan() {
    let broken = ConfigView {
        namespace: "a".to_owned(),
        name: "b".to_owned(),
        problems: vec!["spec: wrong".to_owned()],
        plan: None,
    };
    let json = plans(&[broken], Output::Json, Look::Plain).expect("it is plain data");
    let json: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
    assert_eq!(json, serde_json::json!({"configs": [{"namespace": "a", "name": "b", "problems": ["spec: wrong"]}]}));
}
