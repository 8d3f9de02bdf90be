use flippy_core::{AskedAbout, Kind, Labels, NamedWorkload, Workload, WorkloadRef};
use http::{Request, Response};
use kube::client::Body;

use super::*;
use crate::decide::Findings;
use crate::slim::{SlimDeployment, SlimWorkload as _};

fn question(number: usize) -> AdmissionQuestion {
    let named = NamedWorkload { kind: Kind::Deployment, namespace: "shop".into(), name: number.to_string().into() };
    let about = AskedAbout {
        namespace_labels: Labels::default(),
        template_labels: Labels::default(),
        template_annotations: Labels::default(),
        template_fingerprint: 0,
    };
    AdmissionQuestion {
        workload: WorkloadRef { named: named.clone(), uid: number.to_string().into() },
        template: named,
        about,
    }
}

/// What a pass wants to know.
fn decided(questions: impl IntoIterator<Item = usize>) -> [Decided; 1] {
    let name = flippy_core::PolicyName { namespace: "mesh".into(), name: "mesh".into() };
    [Decided {
        revoked: false,
        questions: questions.into_iter().map(question).collect(),
        ..Decided::nothing(name, 1, Findings::NotWatched(String::new()))
    }]
}

/// A server that refuses everything.
fn asking(code: u16, message: &'static str) -> Asking {
    asking_one_that_says(
        code,
        serde_json::json!({"kind": "Status", "status": "Failure", "code": code, "message": message}),
    )
}

/// A server that says this to everything.
fn asking_one_that_says(code: u16, body: serde_json::Value) -> Asking {
    let answer = move |_: Request<Body>| {
        let response = Response::builder().status(code).body(Body::from(body.to_string().into_bytes()));
        async move { Ok::<_, std::convert::Infallible>(response.expect("the parts are valid")) }
    };
    Asking::new(
        Client::new(tower::service_fn(answer), "default"),
        Clock::starting_at(flippy_core::Timestamp::UNIX_EPOCH),
        Metrics::new(),
    )
}

#[tokio::test(start_paused = true)]
async fn no_more_than_five_a_second_are_asked() {
    // None of them is there any more.
    let mut asking = asking_one_that_says(200, serde_json::json!({"kind": "List", "metadata": {}, "items": []}));
    asking.follow(&decided(0..20), |_| None);
    let began = Instant::now();
    let mut snapshot = Snapshot::default();
    for _ in 0..20 {
        let replied = asking.replied().await;
        asking.note(replied, &mut snapshot);
    }
    let took = began.elapsed();
    assert!((SPACED_BY * 19..SPACED_BY * 20).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn configs_take_turns() {
    let mut asking = asking_one_that_says(200, serde_json::json!({"kind": "List", "metadata": {}, "items": []}));
    let ([many], [few]) = (decided(0..20), decided(20..21));
    asking.follow(&[many, few], |_| None);
    let mut asked = Vec::new();
    for _ in 0..3 {
        asked.push(asking.replied().await.question.workload.uid.to_string());
    }
    assert_eq!(asked, ["0", "20", "1"]);
}

#[tokio::test(start_paused = true)]
async fn an_api_server_in_trouble_is_asked_less_and_less_often() {
    let mut asking = asking(503, "busy");
    let mut snapshot = Snapshot::default();
    let mut waits = Vec::new();
    for _ in 0..4 {
        asking.follow(&decided(0..1), |_| None);
        let began = Instant::now();
        let replied = asking.replied().await;
        waits.push(began.elapsed().as_secs());
        assert!(asking.note(replied, &mut snapshot), "the next pass has to ask anew");
    }
    assert_eq!(waits, [0, 1, 2, 4]);
}

/// A cluster in which so many of them exist.
fn snapshot(count: usize) -> Snapshot {
    let mut snapshot = Snapshot::default();
    for number in 0..count {
        let deployment = serde_json::json!({
            "metadata": {"namespace": "shop", "name": number.to_string(), "uid": number.to_string()},
        });
        let slim: SlimDeployment = serde_json::from_value(deployment).expect("it decodes");
        snapshot.upsert_workload(slim.record(&mut Interner::new()));
    }
    snapshot.upsert_namespace("shop".into(), Labels::default());
    snapshot
}

#[tokio::test(start_paused = true)]
async fn one_missing_right_answers_all_questions_of_its_namespace() {
    let mut asking = asking(403, r#"deployments is forbidden: User "flippy" cannot list resource "deployments""#);
    asking.follow(&decided(0..20), |_| None);
    let replied = asking.replied().await;
    let mut snapshot = snapshot(20);
    assert!(asking.note(replied, &mut snapshot));
    assert!(asking.queue.is_empty());
    let is_told = |workload: &Workload| {
        let answer = snapshot.admission_answer(workload).expect("it was answered");
        matches!(&answer.new_pod, NewPod::Unknown(why) if why.contains("deploy/optional/ask-admission.yaml"))
    };
    assert!(snapshot.workloads().all(is_told));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_remembered_of_a_workload_that_is_gone() {
    let mut asking = asking(403, r#"pods "x" is forbidden: exceeded quota"#);
    asking.follow(&decided(0..2), |_| None);
    let replied = asking.replied().await;
    assert!(!asking.note(replied, &mut Snapshot::default()));
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_about_already_is_not_asked_again() {
    let mut asking = asking(409, "another one");
    asking.follow(&decided(0..2), |_| None);
    asking.ask_next();
    asking.follow(&decided(0..2), |_| None);
    assert_eq!(asking.queue.len(), 1);
}
