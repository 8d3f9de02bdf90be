//! `DriftDetection: Injection`: what admission would give a new pod decides what is stale, and whether a restart is of use.

use flippy_core::{
    AdmissionAnswer, Approval, AskedAbout, Container, DriftDetection, Kind, MissingSidecar, NewPod, Policy,
    Requirement, Retries, Retry, Selector, SignedDuration, Snapshot, Verdict, Wave, WaveState, Workload,
};

use crate::common::{
    Fixture, NEW, OLD, Pass, PodFixture, SIDECAR, WINDOW_SECONDS, at, cluster, daemon_set, deployment, facts, image,
    images, labels, pass, path_of, pod, policy, policy_named, replica_set, replication_controller, rollout,
    stateful_set,
};

const MINUTE: i64 = 60;
const OTHER: &str = "docker.io/istio/proxyv2:1.31.0";

/// Wants what admission gives.
pub(crate) fn injected(missing: MissingSidecar) -> Policy {
    Policy { images: images(&[]), drift_detection: DriftDetection::Injection(missing), ..policy() }
}

/// Wants [`NEW`], and asks admission whether a restart brings it.
pub(crate) fn named_and_asked() -> Policy {
    Policy { drift_detection: DriftDetection::Injection(MissingSidecar::Ignore), ..policy() }
}

/// A new pod with these containers.
pub(crate) fn admitted(containers: &[(&str, &str)]) -> NewPod {
    let containers = containers.iter().map(|(name, text)| Container {
        name: (*name).into(),
        image: Some(image(text)),
        running_image: None,
        running_digest: None,
    });
    NewPod::Admitted(containers.collect::<Vec<_>>().into())
}

/// A new pod with this sidecar.
pub(crate) fn gets(text: &str) -> NewPod {
    admitted(&[("app", "shop:1"), (SIDECAR, text)])
}

/// Asked at that second about each workload, admission says so, and all sidecars are of its own making. Says whether it was
/// news.
pub(crate) fn answer(snapshot: &mut Snapshot, path: &str, seconds: i64, new_pod: NewPod) -> bool {
    answer_with(snapshot, path, seconds, new_pod, &["app"])
}

/// The same, where the template has these containers itself.
fn answer_with(snapshot: &mut Snapshot, path: &str, seconds: i64, new_pod: NewPod, in_template: &[&str]) -> bool {
    let is_it = |workload: &&Workload| path_of(&workload.id.named) == path;
    let workload = snapshot.workloads().find(is_it).expect("it exists").clone();
    let about = AskedAbout::new(&workload, snapshot).expect("it has a template and a namespace");
    let given = match &new_pod {
        NewPod::Admitted(containers) => {
            let names = containers.iter().map(|container| container.name.clone());
            names.filter(|name| !in_template.contains(&&**name)).collect()
        }
        NewPod::Refused(_) | NewPod::Unknown(_) => [].into(),
    };
    snapshot.note_admission(workload.id.uid, AdmissionAnswer { about, asked_at: at(seconds), new_pod, given })
}

/// One workload, of which admission says so at the beginning.
pub(crate) fn answered(fixture: Fixture, new_pod: NewPod) -> Snapshot {
    let named = fixture.named();
    let mut snapshot = cluster([fixture]);
    answer(&mut snapshot, &format!("{}/{}", named.namespace, named.name), 0, new_pod);
    snapshot
}

fn verdict(policy: &Policy, snapshot: &Snapshot, seconds: i64) -> Verdict {
    pass(policy, snapshot, seconds).only_verdict().clone()
}

fn reason(policy: &Policy, snapshot: &Snapshot, seconds: i64) -> Option<&'static str> {
    verdict(policy, snapshot, seconds).reason()
}

/// What is asked now, as `namespace/name`, the most urgent first.
fn asked(pass: &Pass) -> Vec<String> {
    let named = pass.plan.questions.due.iter().map(|question| &question.workload.named);
    named.map(|named| format!("{}/{}", named.namespace, named.name)).collect()
}

#[test]
fn a_pod_that_runs_what_a_new_one_would_get_is_fresh_and_any_other_is_stale() {
    let policy = injected(MissingSidecar::Ignore);
    for (runs, expected) in [(NEW, "Fresh"), (OLD, "Restart"), (OTHER, "Restart")] {
        let snapshot = answered(deployment("a/b").pods(2, runs), gets(NEW));
        assert_eq!(verdict(&policy, &snapshot, 1).as_str(), expected, "{runs}");
    }
}

#[test]
fn every_kind_is_compared_with_what_admission_gives() {
    let kinds = [deployment, stateful_set, daemon_set, rollout, replica_set, replication_controller];
    for fixture in kinds.map(|kind| kind("a/b")) {
        let snapshot = answered(fixture.pods(1, OLD), gets(NEW));
        assert_eq!(pass(&injected(MissingSidecar::Ignore), &snapshot, 1).starts(), ["a/b"]);
    }
}

#[test]
fn before_admission_was_asked_nothing_is_restarted_and_nothing_is_stalled() {
    let snapshot = cluster([deployment("a/b").pods(1, OLD)]);
    for policy in [injected(MissingSidecar::Ignore), named_and_asked()] {
        let pass = pass(&policy, &snapshot, 0);
        assert_eq!(pass.only_verdict().reason(), Some("AskingAdmission"));
        assert!(pass.starts().is_empty());
        assert_eq!(asked(&pass), ["a/b"]);
        assert_eq!(pass.condition("Ready"), "False AskingAdmission");
        assert_eq!(pass.condition("Reconciling"), "True AskingAdmission");
        assert_eq!(pass.condition("Stalled"), "False NotStalled");
    }
}

#[test]
fn nobody_is_asked_unless_the_policy_says_so_nor_about_what_is_not_in_scope() {
    let without_sidecar = deployment("a/c").pod(PodFixture::without_containers().container("app", "shop:1"));
    let ignored =
        deployment("a/d").pods(1, OLD).change(|workload| workload.annotations = labels(&[("flippy-ignore", "true")]));
    let snapshot = cluster([deployment("a/b").pods(1, OLD), without_sidecar, ignored, deployment("a/e")]);
    assert!(asked(&pass(&policy(), &snapshot, 0)).is_empty());
    assert_eq!(asked(&pass(&injected(MissingSidecar::Ignore), &snapshot, 0)), ["a/b"]);
    // Who has none may have to get one.
    assert_eq!(asked(&pass(&injected(MissingSidecar::Restart), &snapshot, 0)), ["a/b", "a/c"]);
}

#[test]
fn with_named_images_a_restart_that_would_bring_the_same_image_is_futile_before_it_is_made() {
    let policy = named_and_asked();
    let mut snapshot = answered(deployment("a/b").pods(1, OLD), gets(OLD));
    let waits = pass(&policy, &snapshot, 1);
    assert_eq!(waits.only_verdict().as_str(), "Futile");
    assert_eq!(waits.only_verdict().reason(), Some("SameImageForeseen"));
    assert_eq!(waits.condition("Stalled"), "True RestartsFutile");
    // The mesh is upgraded.
    answer(&mut snapshot, "a/b", 2 * MINUTE, gets(NEW));
    assert_eq!(pass(&policy, &snapshot, 2 * MINUTE).starts(), ["a/b"]);
}

#[test]
fn a_list_ahead_of_the_mesh_costs_no_restart_at_all() {
    let policy = named_and_asked();
    let mut snapshot = cluster((0..50).map(|number| deployment(&format!("a/w{number:02}")).pods(1, OLD)));
    for number in 0..50 {
        answer(&mut snapshot, &format!("a/w{number:02}"), 0, gets(OLD));
    }
    let pass = pass(&policy, &snapshot, 1);
    assert!(pass.to_restart().is_empty());
    assert_eq!(pass.status.counters.futile, 50);
}

#[test]
fn what_the_list_accepts_is_fresh_whatever_admission_says() {
    let policy = Policy { images: images(&[OLD, NEW]), ..named_and_asked() };
    let nothing = admitted(&[("app", "shop:1")]);
    for new_pod in [gets(NEW), gets(OTHER), nothing, NewPod::Refused("no".into()), NewPod::Unknown("?".into())] {
        assert_eq!(verdict(&policy, &answered(deployment("a/b").pods(1, OLD), new_pod), 1), Verdict::Fresh);
    }
}

#[test]
fn a_pod_that_would_be_refused_keeps_its_predecessor_alive() {
    let why = "pods \"b-0-x\" is forbidden: exceeded quota: small, requested: pods=1, used: pods=2, limited: pods=2";
    for policy in [injected(MissingSidecar::Ignore), named_and_asked()] {
        let snapshot = answered(deployment("a/b").pods(1, OLD), NewPod::Refused(why.into()));
        let pass = pass(&policy, &snapshot, 1);
        assert_eq!(pass.only_verdict().reason(), Some("PodsRefused"));
        assert!(pass.only_verdict().to_string().contains("exceeded quota"));
        assert!(pass.starts().is_empty());
        assert_eq!(pass.condition("Stalled"), "True WorkloadsBlocked");
    }
}

#[test]
fn a_webhook_that_cannot_be_asked_leaves_its_workloads_alone() {
    let why = "admission webhook \"inject.example.com\" does not support dry run";
    for policy in [injected(MissingSidecar::Restart), named_and_asked()] {
        let snapshot = answered(deployment("a/b").pods(1, OLD), NewPod::Unknown(why.into()));
        assert_eq!(reason(&policy, &snapshot, 1), Some("AdmissionUnknown"));
        assert!(verdict(&policy, &snapshot, 1).to_string().contains("does not support dry run"));
    }
}

#[test]
fn an_injector_that_gives_nobody_a_sidecar_takes_none_away() {
    let nothing = || admitted(&[("app", "shop:1")]);
    for policy in [injected(MissingSidecar::Ignore), injected(MissingSidecar::Restart), named_and_asked()] {
        let mut snapshot = cluster([deployment("a/b").pods(1, OLD), deployment("a/c").pods(1, OLD)]);
        answer(&mut snapshot, "a/b", 0, nothing());
        answer(&mut snapshot, "a/c", 0, nothing());
        let pass = pass(&policy, &snapshot, 1);
        assert_eq!(pass.verdict("a/b").reason(), Some("NotInjected"));
        assert!(pass.starts().is_empty());
        assert_eq!(pass.condition("Stalled"), "True WorkloadsBlocked");
    }
}

#[test]
fn a_superfluous_sidecar_goes_once_the_injector_has_given_one_to_somebody_else_since() {
    let policy = injected(MissingSidecar::Restart);
    let mut snapshot = cluster([deployment("a/b").pods(1, OLD), deployment("a/c").pods(1, NEW)]);
    answer(&mut snapshot, "a/c", 0, gets(NEW));
    answer(&mut snapshot, "a/b", 10, admitted(&[("app", "shop:1")]));
    assert_eq!(
        pass(&policy, &snapshot, 11).verdict("a/b").reason(),
        Some("NotInjected"),
        "it may have failed in between"
    );
    answer(&mut snapshot, "a/c", 20, gets(NEW));
    let pass_after = pass(&policy, &snapshot, 21);
    assert_eq!(pass_after.starts(), ["a/b"]);
    assert_eq!(pass_after.verdict("a/b").reason(), Some("SuperfluousSidecar"));
    assert!(!pass(&injected(MissingSidecar::Ignore), &snapshot, 21).starts().contains(&"a/b".to_owned()));
}

#[test]
fn a_sidecar_that_stands_in_a_template_is_no_sign_that_the_injector_is_alive() {
    let policy = injected(MissingSidecar::Restart);
    let mut snapshot = cluster([deployment("a/b").pods(1, OLD), deployment("a/gateway").pods(1, NEW)]);
    answer(&mut snapshot, "a/b", 10, admitted(&[("app", "shop:1")]));
    answer_with(&mut snapshot, "a/gateway", 20, gets(NEW), &["app", SIDECAR]);
    let pass = pass(&policy, &snapshot, 21);
    assert_eq!(pass.verdict("a/b").reason(), Some("NotInjected"));
    assert!(pass.starts().is_empty());
}

#[test]
fn a_missing_sidecar_is_a_reason_only_where_the_policy_says_so() {
    let bare = || deployment("a/b").pod(PodFixture::without_containers().container("app", "shop:1"));
    let snapshot = answered(bare(), gets(NEW));
    let restarting = pass(&injected(MissingSidecar::Restart), &snapshot, 1);
    assert_eq!(restarting.starts(), ["a/b"]);
    assert_eq!(restarting.only_verdict().reason(), Some("MissingSidecar"));
    assert!(
        pass(&injected(MissingSidecar::Ignore), &snapshot, 1).in_scope().is_empty(),
        "it has no container of interest"
    );
    // Who would not get one either is none of our business.
    let snapshot = answered(bare(), admitted(&[("app", "shop:1")]));
    assert!(pass(&injected(MissingSidecar::Restart), &snapshot, 1).in_scope().is_empty());
}

#[test]
fn a_container_that_went_out_of_fashion_does_not_hide_that_another_is_stale() {
    let mut policy = injected(MissingSidecar::Ignore);
    policy.scope.containers.insert("istio-init".into());
    let with_init = |image| pod(image).container("istio-init", OLD);
    let verdict_of = |image| verdict(&policy, &answered(deployment("a/b").pod(with_init(image)), gets(NEW)), 1);
    assert_eq!(verdict_of(OLD).as_str(), "Restart");
    assert_eq!(verdict_of(NEW).as_str(), "Fresh");
}

#[test]
fn a_container_is_not_taken_away_because_another_one_is_still_given() {
    let mut policy = injected(MissingSidecar::Restart);
    policy.scope.containers.insert("vault-agent".into());
    let both = pod(OLD).container("vault-agent", NEW);
    let vault_only = admitted(&[("app", "shop:1"), ("vault-agent", NEW)]);
    let found = verdict(&policy, &answered(deployment("a/b").pod(both), vault_only), 1);
    assert_eq!(found.reason(), Some("NotInjected"));
}

#[test]
fn the_token_names_what_admission_gives_so_two_that_ask_make_one_restart() {
    let a = injected(MissingSidecar::Ignore);
    let b = Policy { name: policy_named("b").name, ..injected(MissingSidecar::Restart) };
    let snapshot = answered(deployment("a/b").pods(1, OLD), gets(NEW));
    let (first, second) = (Pass::of(&[&a, &b], &snapshot, 1), Pass::of(&[&b, &a], &snapshot, 1));
    assert_eq!(first.only_start(), second.only_start());
    assert_eq!(first.only_start().token.hash.as_ref(), images(&[NEW]).hash());
    // And one with the same image in its list agrees, too.
    let listed = policy_named("c");
    assert_eq!(Pass::of(&[&listed, &a], &snapshot, 1).only_start().token, first.only_start().token);
}

#[test]
fn each_workload_has_a_token_of_its_own_answer() {
    let policy = injected(MissingSidecar::Ignore);
    let mut snapshot = cluster([deployment("a/b").pods(1, OLD), deployment("a/c").pods(1, OLD)]);
    answer(&mut snapshot, "a/b", 0, gets(NEW));
    answer(&mut snapshot, "a/c", 0, gets(OTHER));
    let pass = pass(&policy, &snapshot, 1);
    assert_eq!(pass.entry("a/b").token.hash.as_ref(), images(&[NEW]).hash());
    assert_eq!(pass.entry("a/c").token.hash.as_ref(), images(&[OTHER]).hash());
    assert_eq!(pass.plan.wanted, images(&[NEW, OTHER]));
}

#[test]
fn a_list_that_admission_does_not_agree_with_is_a_visible_conflict() {
    let asks = injected(MissingSidecar::Ignore);
    let listed = policy_named("listed");
    let snapshot = answered(deployment("a/b").pods(1, OLD), gets(OTHER));
    for policies in [[&asks, &listed], [&listed, &asks]] {
        let pass = Pass::of(&policies, &snapshot, 1);
        assert_eq!(pass.only_verdict().reason(), Some("Conflict"));
        assert!(pass.starts().is_empty());
    }
}

#[test]
fn one_that_has_no_answer_yet_holds_up_nobody_else() {
    let listed = policy_named("listed");
    let snapshot = cluster([deployment("a/b").pods(1, OLD)]);
    let start = Pass::of(&[&listed, &injected(MissingSidecar::Ignore)], &snapshot, 1).only_start().clone();
    assert_eq!(start.token.hash.as_ref(), listed.images.hash());
}

#[test]
fn a_restart_is_seen_through_to_its_end() {
    let policy = injected(MissingSidecar::Ignore);
    let wanted = Policy { images: images(&[NEW]), ..policy.clone() };
    let restarted = |image| {
        let made = pod(image).created(31).made_by_restart(&wanted, 1);
        deployment("a/b").restarted(&wanted, 1, 30).pod(made)
    };
    let under_way = answered(deployment("a/b").restarted(&wanted, 1, 30).pods(1, OLD).replacing(), gets(NEW));
    assert_eq!(verdict(&policy, &under_way, 40), Verdict::InFlight);
    assert_eq!(verdict(&policy, &answered(restarted(NEW), gets(NEW)), 40), Verdict::Fresh);
    let vain = answered(restarted(OLD), gets(NEW));
    assert_eq!(reason(&policy, &vain, 40), Some("SameImageAgain"), "admission does not tell the truth about dry runs");
}

#[test]
fn a_restart_does_not_put_its_own_question_into_doubt_and_any_other_change_of_the_template_does() {
    let policy = injected(MissingSidecar::Ignore);
    let mut snapshot = answered(deployment("a/b").pods(1, OLD), gets(NEW));
    let workload = snapshot.workloads().next().expect("there is one").clone();
    let mut change = |change: &dyn Fn(&mut Workload)| {
        let mut changed = workload.clone();
        change(&mut changed);
        snapshot.upsert_workload(changed);
        snapshot.admission_answer(snapshot.workloads().next().expect("there is one")).is_some()
    };
    let ours = labels(&[("flippy.keikoproj.io/restarted-for", "x-1"), ("flippy.keikoproj.io/restarted-at", "now")]);
    assert!(change(&|workload| workload.template_annotations = ours.clone()));
    assert!(!change(&|workload| workload.template_fingerprint = 1));
    assert!(!change(&|workload| workload.template_labels = labels(&[("istio.io/rev", "canary")])));
    assert!(!change(&|workload| workload.template_annotations = labels(&[("sidecar.istio.io/inject", "false")])));
    assert!(change(&|workload| workload.generation = 2), "it was scaled");
    snapshot.upsert_namespace("a".into(), labels(&[("istio.io/rev", "canary")]));
    assert_eq!(reason(&policy, &snapshot, 1), Some("AskingAdmission"), "its namespace was moved to another mesh");
}

#[test]
fn an_argo_rollout_is_asked_about_with_the_template_that_it_takes_from_elsewhere() {
    let policy = injected(MissingSidecar::Ignore);
    let template = facts!(deployment("a/t"), Deployment, |facts| facts.replicas_wanted = 0);
    let named = template.named();
    let made = rollout("a/b").pods(1, OLD).change(|workload| workload.template_from = Some(named.clone()));
    let mut snapshot = cluster([template, made]);
    let question = pass(&policy, &snapshot, 0).plan.questions.due.remove(0);
    assert_eq!(question.workload.named.kind, Kind::ArgoRollout);
    assert_eq!(question.template, named);
    answer(&mut snapshot, "a/b", 0, gets(NEW));
    assert_eq!(pass(&policy, &snapshot, 1).starts(), ["a/b"]);
}

#[test]
fn an_answer_is_asked_for_anew_after_ten_minutes_and_one_that_is_none_after_one() {
    for (new_pod, minutes) in [(gets(NEW), 10), (NewPod::Refused("no".into()), 1), (NewPod::Unknown("?".into()), 1)] {
        let snapshot = answered(deployment("a/b").pods(1, NEW), new_pod);
        let before = pass(&injected(MissingSidecar::Ignore), &snapshot, minutes * MINUTE - 1);
        assert!(asked(&before).is_empty());
        assert_eq!(before.plan.questions.next_at, Some(at(minutes * MINUTE)));
        assert_eq!(asked(&pass(&injected(MissingSidecar::Ignore), &snapshot, minutes * MINUTE)), ["a/b"]);
    }
}

#[test]
fn a_clock_that_was_set_back_does_not_stop_the_questions() {
    let mut snapshot = cluster([deployment("a/b").pods(1, OLD)]);
    answer(&mut snapshot, "a/b", 600 * MINUTE, gets(NEW));
    assert_eq!(asked(&pass(&injected(MissingSidecar::Ignore), &snapshot, 0)), ["a/b"]);
}

#[test]
fn no_restart_relies_on_an_answer_of_long_ago() {
    let snapshot = answered(deployment("a/b").pods(1, OLD), gets(NEW));
    for policy in [injected(MissingSidecar::Ignore), named_and_asked()] {
        assert_eq!(pass(&policy, &snapshot, 30 * MINUTE).starts(), ["a/b"]);
        assert_eq!(reason(&policy, &snapshot, 30 * MINUTE + 1), Some("AskingAdmission"));
    }
    let fresh = answered(deployment("a/b").pods(1, NEW), gets(NEW));
    assert_eq!(
        verdict(&injected(MissingSidecar::Ignore), &fresh, 300 * MINUTE),
        Verdict::Fresh,
        "it is asked again, that is all"
    );
}

#[test]
fn one_answer_that_has_changed_puts_all_earlier_ones_into_doubt() {
    let policy = injected(MissingSidecar::Ignore);
    let mut snapshot = cluster(["a/b", "a/c", "a/d"].map(|path| deployment(path).pods(1, OLD)));
    for path in ["a/b", "a/c", "a/d"] {
        answer(&mut snapshot, path, 0, gets(OLD));
    }
    assert!(answer(&mut snapshot, "a/c", 2 * MINUTE, gets(NEW)));
    assert_eq!(asked(&pass(&policy, &snapshot, 2 * MINUTE)), ["a/b", "a/d"]);
    // Answers that differ from each other all the time do not keep everybody asking.
    answer(&mut snapshot, "a/b", 2 * MINUTE, gets(OLD));
    answer(&mut snapshot, "a/d", 2 * MINUTE, gets(NEW));
    answer(&mut snapshot, "a/b", 4 * MINUTE, gets(NEW));
    assert!(asked(&pass(&policy, &snapshot, 4 * MINUTE)).is_empty());
}

#[test]
fn a_new_pod_that_admission_had_not_announced_puts_its_answer_into_doubt() {
    for policy in [injected(MissingSidecar::Ignore), named_and_asked()] {
        let with = |image: &str, created| {
            let snapshot = answered(deployment("a/b").pods(1, OLD).pod(pod(image).created(created)), gets(OLD));
            asked(&pass(&policy, &snapshot, 2 * MINUTE))
        };
        assert_eq!(with(NEW, 30), ["a/b"]);
        assert!(with(NEW, -30).is_empty(), "it is older than the answer");
        assert!(with(OLD, 30).is_empty(), "it is what was announced");
    }
}

#[test]
fn the_same_answer_again_is_no_news() {
    let mut snapshot = cluster([deployment("a/b").pods(1, OLD)]);
    assert!(answer(&mut snapshot, "a/b", 0, gets(OLD)));
    assert!(!answer(&mut snapshot, "a/b", 600, gets(OLD)));
    assert!(answer(&mut snapshot, "a/b", 1200, NewPod::Refused("no".into())));
}

#[test]
fn what_nobody_knows_is_asked_before_what_is_in_doubt_and_that_before_what_is_merely_old() {
    let mut snapshot = cluster(["a/b", "a/c", "a/d"].map(|path| deployment(path).pods(1, OLD)));
    answer(&mut snapshot, "a/b", 0, gets(OLD));
    answer(&mut snapshot, "a/c", 60, NewPod::Refused("no".into()));
    assert_eq!(asked(&pass(&injected(MissingSidecar::Ignore), &snapshot, 700)), ["a/d", "a/c", "a/b"]);
}

#[test]
fn questions_of_one_pass_are_few() {
    let snapshot = cluster((0..200).map(|number| deployment(&format!("a/w{number:03}")).pods(1, OLD)));
    assert_eq!(pass(&injected(MissingSidecar::Ignore), &snapshot, 0).plan.questions.due.len(), 64);
}

#[test]
fn an_injector_that_changes_its_mind_restarts_nothing_again_for_half_an_hour() {
    let policy = injected(MissingSidecar::Ignore);
    let wanted = Policy { images: images(&[NEW]), ..policy.clone() };
    let done = deployment("a/b").restarted(&wanted, 1, 0).pod(pod(NEW).created(1).made_by_restart(&wanted, 1));
    let mut snapshot = cluster([done]);
    answer(&mut snapshot, "a/b", 20 * MINUTE, gets(OTHER));
    let rests = pass(&policy, &snapshot, 20 * MINUTE);
    assert_eq!(rests.only_verdict().reason(), Some("RestartedRecently"));
    assert_eq!(rests.decision.recheck_at, Some(at(30 * MINUTE)));
    assert_eq!(pass(&policy, &snapshot, 30 * MINUTE).starts(), ["a/b"]);
}

#[test]
fn a_futile_restart_is_repeated_once_when_admission_says_that_it_helps_by_now() {
    let policy = named_and_asked();
    let futile = |attempt| {
        let made = pod(OLD).created(1).made_by_restart(&policy, attempt);
        deployment("a/b").restarted(&policy, attempt, 0).pod(made)
    };
    let verdict_of = |attempt, asked_at| {
        let mut snapshot = cluster([futile(attempt)]);
        answer(&mut snapshot, "a/b", asked_at, gets(NEW));
        verdict(&policy, &snapshot, 120).as_str()
    };
    assert_eq!(verdict_of(1, 60), "Restart");
    assert_eq!(verdict_of(1, -60), "Futile", "it was asked before the restart");
    assert_eq!(verdict_of(2, 60), "Futile", "admission has said so before");
}

/// `canary` by a label of the namespace, then the rest.
fn in_waves(policy: Policy) -> Policy {
    let canary = Wave {
        name: "canary".into(),
        namespaces: Selector::Every(vec![Requirement::In("stage".into(), ["canary".into()].into())]),
        workloads: Selector::default(),
        percent: None,
        max_concurrent: None,
        max_concurrent_per_namespace: None,
        max_failures: None,
        soak: SignedDuration::ZERO,
        approval: Approval::Automatic,
    };
    Policy { waves: vec![canary], ..policy }
}

#[test]
fn a_wave_is_not_over_because_the_mesh_is_not_upgraded_yet() {
    let policy = in_waves(named_and_asked());
    let canary = deployment("canary/b").namespace_label("stage", "canary").pods(1, OLD);
    let mut snapshot = cluster([canary, deployment("rest/c").pods(1, OLD)]);
    for new_pod in [gets(OLD), NewPod::Refused("failed calling webhook".into()), NewPod::Unknown("?".into())] {
        answer(&mut snapshot, "canary/b", 0, new_pod.clone());
        answer(&mut snapshot, "rest/c", 0, new_pod);
        let states: Vec<_> = pass(&policy, &snapshot, 1).waves.facts.iter().map(|wave| wave.state).collect();
        assert_eq!(states, [WaveState::Running, WaveState::Pending]);
    }
    // One that is told apart from the others by admission is left behind: it pins its own image.
    answer(&mut snapshot, "canary/b", 10, gets(OLD));
    answer(&mut snapshot, "rest/c", 10, gets(NEW));
    assert_eq!(pass(&policy, &snapshot, 11).starts(), ["rest/c"]);
}

#[test]
fn a_wave_is_not_over_because_only_others_were_asked_about_since_the_mesh_was_upgraded() {
    let policy = in_waves(named_and_asked());
    let canary = deployment("canary/b").namespace_label("stage", "canary").pods(1, OLD);
    let mut snapshot = cluster([canary, deployment("rest/c").pods(1, OLD)]);
    answer(&mut snapshot, "canary/b", 10, gets(OLD));
    answer(&mut snapshot, "rest/c", 20, gets(NEW));
    assert!(pass(&policy, &snapshot, 21).starts().is_empty(), "the canary's new pod may be the same by now");

    answer(&mut snapshot, "canary/b", 30, gets(OLD));
    // Asked again with the same answer, the others are no younger evidence than before.
    answer(&mut snapshot, "rest/c", 40, gets(NEW));
    assert_eq!(pass(&policy, &snapshot, 41).starts(), ["rest/c"]);
}

#[test]
fn what_a_person_wants_to_be_tried_again_is_not_when_admission_speaks_against_it() {
    let retries = Retries::default().with(&Retry { at: at(WINDOW_SECONDS + 10), only: None });
    let again = Policy { retries, ..named_and_asked() };
    let late = WINDOW_SECONDS + 20;
    let refused = || NewPod::Refused("exceeded quota".into());
    for (new_pod, expected) in [(gets(NEW), "StaleImage"), (gets(OLD), "SameImageForeseen"), (refused(), "PodsRefused")]
    {
        let failed = deployment("a/b").restarted(&policy(), 1, 0).pod(pod(OLD).created(-60)).replacing();
        let mut snapshot = cluster([failed]);
        answer(&mut snapshot, "a/b", WINDOW_SECONDS, new_pod);
        assert_eq!(reason(&named_and_asked(), &snapshot, late), Some("NotCompleteInTime"));
        let pass = pass(&again, &snapshot, late);
        assert_eq!(pass.only_verdict().reason(), Some(expected));
        assert_eq!(pass.starts().is_empty(), expected != "StaleImage");
    }
}
