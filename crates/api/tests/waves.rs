//! `Strategy.Waves` and their approvals: from a config to a policy, and from what was found to a status and back.

use std::collections::BTreeSet;

use flippy_api::{
    ConversionOptions, FlippyConfig, FlippyConfigStatus, InvalidSpec, WaveStatus, next_status, policy, problem_status,
    turn_of, wave_memory, wave_turns,
};
use flippy_core::{
    Approval, Approved, Campaign, ClaimedApproval, Condition, ConditionStatus, Estimate, Limit, Policy, Rate,
    Requirement, Selector, SignedDuration, StatusFacts, Timestamp, WaveFact, WaveMemory, WaveState,
};
use serde_json::{Value, json};

fn convert(strategy: &Value, annotations: &Value) -> Result<Policy, InvalidSpec> {
    let object = json!({
        "apiVersion": "keikoproj.io/v1", "kind": "FlippyConfig",
        "metadata": {"name": "mesh", "namespace": "istio-system", "annotations": annotations},
        "spec": {"Strategy": strategy},
    });
    let config: FlippyConfig = serde_json::from_value(object).expect("it decodes");
    let trusted_namespaces = BTreeSet::from(["istio-system".into()]);
    policy(&config, &ConversionOptions { ignore_key: "flippy-ignore".into(), trusted_namespaces })
}

fn wrong(waves: &Value) -> Vec<String> {
    let invalid = convert(&json!({"Waves": waves}), &json!({})).expect_err("it is invalid");
    invalid.problems.iter().map(ToString::to_string).collect()
}

fn notes(policy: &Policy) -> Vec<String> {
    policy.notes.iter().map(ToString::to_string).collect()
}

#[test]
fn waves_are_taken_over() {
    let policy = convert(
        &json!({"Waves": [
            {
                "Name": "canary",
                "NamespaceSelector": {"matchLabels": {"stage": "canary"}},
                "WorkloadSelector": {"matchExpressions": [
                    {"key": "tier", "operator": "NotIn", "values": ["data", "edge"]},
                    {"key": "owner", "operator": "Exists"},
                ]},
                "Percent": 10, "MaxConcurrent": 1, "MaxConcurrentPerNamespace": "50%", "MaxFailures": 0,
                "Soak": "30m", "Approval": "Manual",
            },
            {"Name": "some", "Percent": 50, "Soak": null, "NamespaceSelector": null, "MaxConcurrent": null},
        ]}),
        &json!({}),
    );
    let policy = policy.expect("it is valid");
    let [canary, some] = policy.waves.as_slice() else { panic!("there are two: {:?}", policy.waves) };
    assert_eq!(*canary.name, *"canary");
    assert_eq!(canary.namespaces, Selector::Every(vec![Requirement::In("stage".into(), ["canary".into()].into())]));
    let not_in = Requirement::NotIn("tier".into(), ["data".into(), "edge".into()].into());
    assert_eq!(canary.workloads, Selector::Every(vec![not_in, Requirement::Exists("owner".into())]));
    assert_eq!((canary.percent, canary.max_concurrent), (Some(10), Some(Limit::Count(1))));
    assert_eq!(
        (canary.max_concurrent_per_namespace, canary.max_failures),
        (Some(Limit::Percent(50)), Some(Limit::Count(0)))
    );
    assert_eq!((canary.soak, canary.approval), (SignedDuration::from_mins(30), Approval::Manual));
    assert_eq!((some.percent, some.soak, some.approval), (Some(50), SignedDuration::ZERO, Approval::Automatic));
    assert_eq!((&some.namespaces, some.max_concurrent), (&Selector::default(), None));
    assert_eq!(notes(&policy), [""; 0]);
}

#[test]
fn everything_wrong_with_a_wave_is_told_with_what_to_write() {
    let problems = wrong(&json!([{
        "Name": "Canary", "Percent": 0, "MaxConcurrent": 0, "MaxFailures": "x", "Soak": "200h", "Approval": "manual",
        "NamespaceSelector": {"matchExpressions": [
            {"key": "a", "operator": "In"}, {"key": "a", "operator": "Exists", "values": ["x"]},
            {"key": "a", "operator": "in", "values": ["x"]}, {"operator": "Exists"},
        ]},
    }]));
    let path = "spec.Strategy.Waves[0]";
    let expected = [
        "NamespaceSelector.matchExpressions[0].values: is empty, and In needs some",
        "NamespaceSelector.matchExpressions[1].values: must be left out with Exists",
        "NamespaceSelector.matchExpressions[2].operator: is `in`; write In, NotIn, Exists or DoesNotExist",
        "NamespaceSelector.matchExpressions[3].key: is no key of a label; write for example stage",
        "Name: is `Canary`; write at most 40 lower-case letters, digits and dashes, for example canary",
        "Percent: is 0; write a number from 1 to 100",
        "MaxConcurrent: is 0; write a number of workloads from 1 on, or a percentage, for example \"5%\"",
        "MaxFailures: is \"x\"; write a number of workloads from 0 on, or a percentage, for example \"5%\"",
        "Soak: is `200h`; write at most 168h",
        "Approval: is `manual`; write Automatic or Manual",
    ];
    assert_eq!(problems, expected.map(|problem| format!("{path}.{problem}")));
}

#[test]
fn the_name_of_a_wave_is_a_dns_label_that_nobody_else_has() {
    for name in ["", "-a", "a-", "a.b", "a b", "ä", "a/b", &"x".repeat(41)] {
        assert_eq!(wrong(&json!([{"Name": name}])).len(), 1, "{name}");
    }
    assert!(wrong(&json!([{"Name": "rest"}]))[0].contains("which is the wave of what no other wave takes"));
    let twice = wrong(&json!([{"Name": "a", "Percent": 1}, {"Name": "a"}]));
    assert_eq!(twice, ["spec.Strategy.Waves[1].Name: is `a`, as another wave; give each its own name"]);
    for name in ["a", "0", "a-b", &"x".repeat(40)] {
        assert!(convert(&json!({"Waves": [{"Name": name}]}), &json!({})).is_ok(), "{name}");
    }
}

#[test]
fn sixteen_waves_are_enough() {
    let waves = |count: usize| {
        (0..count).map(|number| json!({"Name": format!("w{number}"), "Percent": 1})).collect::<Vec<Value>>()
    };
    assert!(convert(&json!({"Waves": waves(16)}), &json!({})).is_ok());
    assert_eq!(wrong(&json!(waves(17))), ["spec.Strategy.Waves: has 17 entries; write at most 16"]);
}

#[test]
fn a_wave_behind_one_that_takes_everything_is_noted() {
    let policy = convert(&json!({"Waves": [{"Name": "all"}, {"Name": "late"}]}), &json!({})).expect("it is valid");
    let expected = "spec.Strategy.Waves[1]: takes nothing, because wave all before it takes everything";
    assert!(notes(&policy)[0].starts_with(expected), "{:?}", notes(&policy));
}

#[test]
fn a_campaign_that_goes_on_whatever_fails_does_so_in_every_wave() {
    let strategy = json!({"OnFailure": "Continue", "Waves": [{"Name": "a", "MaxFailures": 1}]});
    let policy = convert(&strategy, &json!({})).expect("it is valid");
    assert_eq!(policy.waves[0].max_failures, None);
    assert!(notes(&policy)[0].starts_with("spec.Strategy.Waves[0].MaxFailures: has no effect"));
}

#[test]
fn what_is_hostile_is_cut_short() {
    let long = "9".repeat(100_000);
    let expressions = json!([
        {"key": long, "operator": "Exists"},
        {"key": "a", "operator": long},
        {"key": "a", "operator": "In", "values": vec!["x"; 101]},
    ]);
    let wave = json!({
        "Name": long, "Soak": long, "Approval": long, "MaxConcurrent": long,
        "WorkloadSelector": {"matchExpressions": expressions},
    });
    assert!(wrong(&json!([wave])).iter().all(|problem| problem.chars().count() < 450));
}

const TWO: &str = "0123456789ab.2";

fn approving(annotations: &Value) -> Policy {
    convert(&json!({"Waves": [{"Name": "late", "Approval": "Manual"}]}), annotations).expect("it is valid")
}

#[test]
fn an_approval_names_a_campaign_and_may_say_by_whom() {
    let approved =
        |text: &str| approving(&json!({"flippy.keikoproj.io/approve-late": text})).approvals.get("late").cloned();
    let by = |by: Option<&str>| Some(ClaimedApproval { campaign: TWO.to_owned(), by: by.map(ToOwned::to_owned) });
    assert_eq!(approved(TWO), by(None));
    assert_eq!(approved(&format!(" {TWO} by jane@example.com (on call) ")), by(Some("jane@example.com (on call)")));
    assert_eq!(approved(&format!("{TWO} by ")), None, "a slip");
}

#[test]
fn an_approval_that_is_none_does_nothing_and_is_noted() {
    for text in
        ["", "true", "yes", "0123456789ab", "0123456789ab.x", &format!("{TWO} jane"), "by jane", &"9".repeat(100_000)]
    {
        let policy = approving(&json!({"flippy.keikoproj.io/approve-late": text}));
        assert!(policy.approvals.is_empty(), "{text}");
        let notes = notes(&policy);
        assert!(notes.len() == 1 && notes[0].starts_with("metadata.annotations[flippy.keikoproj.io/approve-late]: "));
        assert!(notes[0].chars().count() < 600, "{}", notes[0].len());
    }
    let unknown = approving(&json!({"flippy.keikoproj.io/approve-other": TWO}));
    assert!(notes(&unknown)[0].contains("names no wave of spec.Strategy.Waves; it does nothing"));
}

#[test]
fn many_approvals_that_do_nothing_are_told_of_a_few_times() {
    let many = (0..1000).map(|number| (format!("flippy.keikoproj.io/approve-x{number}"), json!(TWO)));
    assert_eq!(approving(&Value::Object(many.collect())).notes.len(), 5);
}

fn at(time: &str) -> Timestamp {
    format!("2026-01-01T{time}Z").parse().expect("a time")
}

fn fact(name: &str, state: WaveState) -> WaveFact {
    WaveFact {
        name: name.into(),
        state,
        total: 14,
        fresh: 12,
        left_behind: 2,
        started_at: None,
        completed_at: None,
        left_all_behind: false,
        soaks_until: None,
        approved: None,
    }
}

fn facts(waves: Vec<WaveFact>) -> StatusFacts {
    StatusFacts { campaign: Campaign::parse(TWO), waves, ..StatusFacts::default() }
}

fn status(waves: Vec<WaveFact>) -> FlippyConfigStatus {
    next_status(None, &facts(waves), Vec::new(), "0123456789ab", 1, at("10:00:00"))
}

fn soaking() -> WaveFact {
    WaveFact {
        started_at: Some(at("09:00:00")),
        completed_at: Some(at("09:30:00.5")),
        soaks_until: Some(at("10:30:00.5")),
        approved: Some(Approved { at: at("08:00:00"), by: Some("jane".to_owned()) }),
        ..fact("canary", WaveState::Soaking)
    }
}

#[test]
fn a_status_tells_of_its_waves() {
    let status = serde_json::to_value(status(vec![soaking(), fact("rest", WaveState::Pending)])).expect("JSON");
    assert_eq!(status["campaign"], TWO);
    let expected = json!([
        {
            "name": "canary", "state": "Soaking", "total": 14, "fresh": 12, "leftBehind": 2,
            "startedAt": "2026-01-01T09:00:00Z", "completedAt": "2026-01-01T09:30:00Z",
            "soaksUntil": "2026-01-01T10:30:00Z", "approvedBy": "jane", "approvedAt": "2026-01-01T08:00:00Z",
        },
        {"name": "rest", "state": "Pending", "total": 14, "fresh": 12, "leftBehind": 2},
    ]);
    assert_eq!(status["waves"], expected);
}

#[test]
fn a_status_tells_when_the_end_is_expected_and_at_which_rate() {
    let rate = Rate { restarts: 25, took: SignedDuration::from_mins(2) };
    let estimate = Estimate { rate: Some(rate), end: Some(at("11:00:00")) };
    let facts = StatusFacts { estimate, ..facts(Vec::new()) };
    let status = next_status(None, &facts, Vec::new(), "0123456789ab", 1, at("10:00:00"));
    assert_eq!(status.restarts_per_minute.as_deref(), Some("12.5"));
    assert_eq!(status.estimated_end.as_deref(), Some("2026-01-01T11:00:00Z"));
}

#[test]
fn a_status_remembers_when_waves_were_completed_and_who_approved_them_also_while_the_spec_is_wrong() {
    let written = status(vec![soaking(), fact("rest", WaveState::Pending)]);
    let broken = problem_status(Some(&written), "InvalidSpec", "a slip", 2, at("10:10:00"));
    for status in [written, broken] {
        let memory = wave_memory(&status);
        assert_eq!(memory.campaign, Campaign::parse(TWO));
        let [canary, rest] = memory.waves.as_slice() else { panic!("there are two: {memory:?}") };
        assert_eq!(canary.completed_at, Some(at("09:30:00")));
        assert_eq!(canary.approved, Some(Approved { at: at("08:00:00"), by: Some("jane".to_owned()) }));
        assert_eq!((&*rest.name, rest.completed_at, &rest.approved), ("rest", None, &None));
    }
}

#[test]
fn a_status_that_somebody_else_wrote_is_remembered_no_further_than_it_makes_sense() {
    assert_eq!(wave_memory(&FlippyConfigStatus::default()), WaveMemory::default());
    let odd = WaveStatus {
        name: "canary".to_owned(),
        completed_at: Some("yesterday".to_owned()),
        approved_by: Some("nobody".to_owned()),
        ..WaveStatus::default()
    };
    let odd =
        FlippyConfigStatus { campaign: Some("x".to_owned()), waves: vec![odd; 1000], ..FlippyConfigStatus::default() };
    let memory = wave_memory(&odd);
    assert_eq!((memory.campaign, memory.waves.len()), (None, 17));
    assert!(memory.waves.iter().all(|wave| wave.completed_at.is_none() && wave.approved.is_none()));
}

fn told(prior: Option<&FlippyConfigStatus>, next: &FlippyConfigStatus) -> Vec<String> {
    wave_turns(prior, next).into_iter().map(|turn| turn.message).collect()
}

#[test]
fn a_wave_that_starts_or_is_complete_is_worth_an_event_once() {
    let pending = status(vec![fact("canary", WaveState::Pending)]);
    let running = status(vec![WaveFact { completed_at: None, soaks_until: None, ..soaking() }]);
    let complete = status(vec![soaking()]);
    assert_eq!(told(Some(&pending), &running), ["wave canary has started: 14 workloads"]);
    let message = "wave canary is complete: 12 of 14 workloads are fresh; it soaks until 2026-01-01T10:30:00Z";
    assert_eq!(told(Some(&running), &complete), [message]);
    assert_eq!(told(Some(&complete), &complete), [""; 0]);
    assert_eq!(told(None, &complete).len(), 2);
}

#[test]
fn a_wave_that_was_complete_with_all_of_it_left_behind_is_worth_another_event_when_it_is_complete_anew() {
    let left = status(vec![WaveFact { completed_at: Some(at("09:10:00")), left_all_behind: true, ..soaking() }]);
    assert!(wave_memory(&left).waves[0].left_all_behind, "it is remembered");
    assert_eq!(told(Some(&left), &left), [""; 0]);
    assert_eq!(told(Some(&left), &status(vec![soaking()])).len(), 1);
}

#[test]
fn a_wave_that_waits_for_a_person_is_worth_an_event_and_no_alarm() {
    let with = |reason: &'static str, status| {
        let conditions = ["Ready", "RestartsAllowed"];
        let condition = |kind| Condition { kind, status, reason, message: "as it is".to_owned() };
        let facts = StatusFacts { conditions: conditions.map(condition).to_vec(), ..facts(Vec::new()) };
        next_status(None, &facts, Vec::new(), "0123456789ab", 1, at("10:00:00"))
    };
    let under_way = with("CampaignUnderWay", ConditionStatus::False);
    let waiting = with("AwaitingApproval", ConditionStatus::False);
    let turn = turn_of(Some(&under_way), &waiting).expect("it is a turn");
    assert_eq!((&*turn.reason, turn.is_warning), ("AwaitingApproval", false));
}

#[test]
fn a_wave_in_which_there_was_nothing_to_do_is_no_news() {
    let idle = WaveFact { completed_at: Some(at("09:00:00")), ..fact("canary", WaveState::Done) };
    assert_eq!(told(None, &status(vec![idle])), [""; 0]);
}

#[test]
fn the_same_wave_of_another_campaign_is_news_again() {
    let complete = status(vec![soaking()]);
    let next = FlippyConfigStatus { campaign: Some("0123456789ab.3".to_owned()), ..complete.clone() };
    assert_eq!(told(Some(&complete), &next).len(), 2);
}

/// The schema of waves, as the API server gets it.
fn schema() -> Value {
    let definition = serde_json::to_value(flippy_api::crd()).expect("a definition is JSON");
    let version = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
    version["spec"]["properties"]["Strategy"]["properties"]["Waves"].clone()
}

#[test]
fn the_api_server_bounds_waves_and_says_what_to_write() {
    let schema = schema();
    assert_eq!(schema["maxItems"], 16);
    let messages = |rules: &Value| -> Vec<String> {
        let rules = rules["x-kubernetes-validations"].as_array().expect("there are rules");
        rules.iter().map(|rule| rule["message"].as_str().expect("a text").to_owned()).collect()
    };
    assert_eq!(messages(&schema), ["each wave needs a name of its own"]);
    let wave = &schema["items"];
    assert_eq!(messages(wave).len(), 2);
    assert_eq!(wave["properties"]["Name"]["maxLength"], 40);
    assert_eq!(wave["properties"]["Percent"]["maximum"].as_f64(), Some(100.0));
    assert_eq!(wave["properties"]["MaxFailures"]["x-kubernetes-int-or-string"], true);
    let selector = &wave["properties"]["NamespaceSelector"]["properties"];
    assert_eq!(selector["matchLabels"]["maxProperties"], 20);
    assert_eq!(messages(&selector["matchExpressions"]["items"]).len(), 2);
    assert_eq!(wave["properties"]["Soak"]["description"].as_str().map(|text| text.contains("30m")), Some(true));
}
