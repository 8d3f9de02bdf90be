use std::sync::Mutex;

use flippy_core::{Labels, WorkloadRef};
use http::{Response, StatusCode};
use kube::client::Body;
use serde_json::json;

use super::*;

/// What the API server was asked, and what it answers to the creation of a pod.
struct Server {
    created: (u16, Value),
    requests: Mutex<Vec<String>>,
    pods: Mutex<Vec<Value>>,
}

fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"namespace": "shop", "name": "cart", "uid": "7", "resourceVersion": "1"},
        "spec": {"template": {
            "metadata": {"labels": {"app": "cart"}},
            "spec": {"containers": [{"name": "app", "image": "cart:1", "env": [{"name": "PASSWORD", "value": "secret"}]}]},
        }},
    })
}

fn status(code: u16, message: &str) -> (u16, Value) {
    (code, json!({"kind": "Status", "status": "Failure", "message": message, "reason": "Because", "code": code}))
}

async fn reply_to(created: (u16, Value), question: &AdmissionQuestion) -> (Reply, Arc<Server>) {
    reply_about(deployment(), created, question).await
}

/// The same, where this is the Deployment that is found.
async fn reply_about(found: Value, created: (u16, Value), question: &AdmissionQuestion) -> (Reply, Arc<Server>) {
    let server = Arc::new(Server { created, requests: Mutex::default(), pods: Mutex::default() });
    let answering = server.clone();
    let answer = move |request: http::Request<Body>| {
        let (server, found) = (answering.clone(), found.clone());
        async move {
            let told = format!("{} {}", request.method(), request.uri().path_and_query().expect("it has a path"));
            let is_creation = request.method() == http::Method::POST;
            server.requests.lock().expect("no holder panics").push(told);
            let body = request.into_body().collect_bytes().await.expect("the body is in memory");
            let (code, answer) = if is_creation {
                server.pods.lock().expect("no holder panics").push(serde_json::from_slice(&body).expect("it is JSON"));
                server.created.clone()
            } else {
                (200, json!({"kind": "DeploymentList", "apiVersion": "apps/v1", "metadata": {}, "items": [found]}))
            };
            let response = Response::builder().status(StatusCode::from_u16(code).expect("it is one"));
            let response = response.body(Body::from(answer.to_string().into_bytes())).expect("the parts are valid");
            Ok::<_, std::convert::Infallible>(response)
        }
    };
    let client = Client::new(tower::service_fn(answer), "default");
    (ask(&client, question, None, Timestamp::UNIX_EPOCH).await, server)
}

fn question() -> AdmissionQuestion {
    let named = NamedWorkload { kind: Kind::Deployment, namespace: "shop".into(), name: "cart".into() };
    let about = AskedAbout {
        namespace_labels: Labels::default(),
        template_labels: Labels::default(),
        template_annotations: Labels::default(),
        template_fingerprint: 0,
    };
    AdmissionQuestion { workload: WorkloadRef { named: named.clone(), uid: "7".into() }, template: named, about }
}

async fn reply(created: (u16, Value)) -> Reply {
    reply_to(created, &question()).await.0
}

fn new_pod_of(reply: Reply) -> NewPod {
    match reply {
        Reply::Answer(answer) => answer.new_pod,
        other => panic!("there is no answer: {other:?}"),
    }
}

#[tokio::test]
async fn one_list_by_name_and_one_pod_on_a_dry_run_are_all_that_is_sent() {
    let pod = json!({"metadata": {}, "spec": {"containers": [
        {"name": "app", "image": "cart:1"}, {"name": "istio-proxy", "image": "istio/proxyv2:1.30.4"},
    ]}});
    let (reply, server) = reply_to((201, pod), &question()).await;
    let requests = server.requests.lock().expect("no holder panics").clone();
    let list = "GET /apis/apps/v1/namespaces/shop/deployments?&fieldSelector=metadata.name%3Dcart&limit=1";
    assert_eq!(requests, [list, "POST /api/v1/namespaces/shop/pods?&dryRun=All&fieldManager=flippy"]);
    let sent = server.pods.lock().expect("no holder panics")[0].clone();
    assert_eq!(sent["spec"], deployment()["spec"]["template"]["spec"]);
    let Reply::Answer(answer) = reply else { panic!("there is no answer") };
    assert_eq!(
        answer.about.template_labels.get("app").map(|value| &**value),
        Some("cart"),
        "what was found is what was asked about"
    );
    assert_ne!(answer.about.template_fingerprint, 0);
    let NewPod::Admitted(containers) = answer.new_pod else { panic!("it was admitted") };
    let told: Vec<String> = containers
        .iter()
        .map(|container| format!("{} {}", container.name, container.image.as_ref().expect("it has one")))
        .collect();
    assert_eq!(told, ["app docker.io/library/cart:1", "istio-proxy docker.io/istio/proxyv2:1.30.4"]);
    assert_eq!(names(&answer.given), ["istio-proxy"], "the other one was sent");
}

fn names(given: &[Arc<str>]) -> Vec<&str> {
    given.iter().map(|name| &**name).collect()
}

#[tokio::test]
async fn what_a_template_has_is_not_given_by_admission_unless_it_fills_in_the_image() {
    let mut found = deployment();
    let containers = json!([{"name": "istio-proxy", "image": "auto"}, {"name": "vault-agent", "image": "vault:1"}]);
    found["spec"]["template"]["spec"]["containers"] = containers;
    let pod = json!({"metadata": {}, "spec": {"containers": [
        {"name": "istio-proxy", "image": "istio/proxyv2:1.30.4"}, {"name": "vault-agent", "image": "vault:1"},
    ]}});
    let (reply, _) = reply_about(found, (201, pod), &question()).await;
    let Reply::Answer(answer) = reply else { panic!("there is no answer") };
    assert_eq!(names(&answer.given), ["istio-proxy"]);
}

#[tokio::test]
async fn whatever_refuses_a_pod_is_quoted() {
    for (code, message) in [
        (403, r#"pods "cart-0-x" is forbidden: exceeded quota: small"#),
        (403, r#"pods "cart-0-x" is forbidden: violates PodSecurity "restricted:latest": privileged"#),
        (422, r#"Pod "cart-0-x" is invalid: spec.containers[1].image: Required value"#),
        (500, r#"failed calling webhook "inject.example.com": connection refused"#),
        // What a webhook says when it denies is its own affair; without a code, the API server says 400.
        (400, r#"admission webhook "policy.example.com" denied the request: no root"#),
        (429, r#"admission webhook "policy.example.com" denied the request: not so many"#),
        (
            403,
            r#"admission webhook "policy.example.com" denied the request: pods is forbidden: User "vault" cannot get it"#,
        ),
    ] {
        assert_eq!(new_pod_of(reply(status(code, message)).await), NewPod::Refused(message.into()));
    }
}

#[tokio::test]
async fn an_image_that_no_injector_filled_in_is_wanted_by_nobody() {
    let pod = json!({"metadata": {}, "spec": {"containers": [{"name": "istio-proxy", "image": "auto"}]}});
    let NewPod::Unknown(why) = new_pod_of(reply((201, pod)).await) else { panic!("it would not run") };
    assert_eq!(&*why, "no injector has filled in the image `auto` of its container istio-proxy");
}

#[tokio::test]
async fn one_without_a_template_has_its_answer_and_is_not_asked_about_again_at_once() {
    let mut bare = deployment();
    bare["spec"] = json!({});
    let (reply, server) = reply_about(bare, (201, json!({})), &question()).await;
    assert_eq!(new_pod_of(reply), NewPod::Unknown("it has no spec.template".into()));
    assert_eq!(server.pods.lock().expect("no holder panics").len(), 0);
}

#[tokio::test]
async fn a_webhook_that_cannot_be_asked_on_a_dry_run_leaves_everybody_in_the_dark() {
    let message = r#"admission webhook "inject.example.com" does not support dry run"#;
    assert_eq!(new_pod_of(reply(status(400, message)).await), NewPod::Unknown(message.into()));
}

#[tokio::test]
async fn a_missing_right_is_named_with_the_manifest_that_gives_it() {
    let message =
        r#"pods is forbidden: User "flippy" cannot create resource "pods" in API group "" in the namespace "shop""#;
    let Reply::Forbidden(why) = reply(status(403, message)).await else { panic!("it is not forbidden") };
    assert!(why.contains("create pods on a dry run in namespace shop"), "{why}");
    assert!(why.contains("deploy/optional/ask-admission.yaml"), "{why}");
}

#[tokio::test]
async fn an_api_server_in_trouble_is_left_alone() {
    for code in [401, 429, 503, 504] {
        assert!(matches!(reply(status(code, "busy")).await, Reply::Trouble { .. }), "{code}");
    }
    let (code, mut busy) = status(429, "busy");
    busy["details"] = json!({"retryAfterSeconds": 7});
    let Reply::Trouble { retry_after, .. } = reply((code, busy)).await else { panic!("it is in trouble") };
    assert_eq!(retry_after, Some(Duration::from_secs(7)));
}

#[tokio::test]
async fn a_workload_that_is_another_one_by_now_is_not_asked_about() {
    let mut question = question();
    question.workload.uid = "8".into();
    let (reply, server) = reply_to((201, json!({})), &question).await;
    assert!(matches!(reply, Reply::Outdated));
    assert_eq!(server.pods.lock().expect("no holder panics").len(), 0);
}

#[tokio::test]
async fn a_long_message_is_cut() {
    let NewPod::Refused(why) = new_pod_of(reply(status(403, &"x".repeat(10_000))).await) else {
        panic!("it is refused")
    };
    assert!(why.len() < 300);
}
