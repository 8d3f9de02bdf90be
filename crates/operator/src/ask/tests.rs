//! Against a small HTTP server on the loopback interface that answers as badly as it can.

use std::future::pending;

use axum::Router;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Redirect};
use axum::routing::get;
use flippy_core::SignedDuration;
use http::StatusCode;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::answer::MAX_SERIES;
use super::*;

/// A Kubernetes API that answers every request in the same way.
fn kubernetes(status: u16, body: &Value) -> Client {
    let body = body.to_string();
    let service = tower::service_fn(move |_| {
        let answer = Response::builder().status(status).body(kube::client::Body::from(body.clone().into_bytes()));
        std::future::ready(answer.map_err(std::io::Error::other))
    });
    Client::new(service, "default")
}

fn query(url: &str) -> PrometheusQuery {
    PrometheusQuery {
        url: url.into(),
        query: "up == 0 and \"ü\" & more".into(),
        timeout: SignedDuration::from_secs(10),
        token: None,
        ca_bundle: None,
    }
}

fn asker(query: PrometheusQuery) -> Asker {
    Asker::new(kubernetes(404, &json!({"kind": "Status", "code": 404})), &Dialer::tcp(), "mesh".into(), query)
        .expect("it can ask")
}

/// Serves, and returns its address.
async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

async fn answer_of(answer: impl IntoResponse + Clone + Send + Sync + 'static) -> Result<Reading, String> {
    let router = Router::new().route("/api/v1/query", get(move || std::future::ready(answer.clone())));
    asker(query(&serve(router).await)).ask().await
}

async fn read(body: Value) -> Result<Reading, String> {
    answer_of(body.to_string()).await
}

async fn read_result(result_type: &str, result: Value) -> Result<Reading, String> {
    read(json!({"status": "success", "data": {"resultType": result_type, "result": result}})).await
}

/// Why there is no answer.
async fn why(answer: impl IntoResponse + Clone + Send + Sync + 'static) -> String {
    answer_of(answer).await.expect_err("that is no answer")
}

fn samples(reading: Result<Reading, String>) -> Vec<String> {
    match reading.expect("it answers") {
        Reading::Series { samples, .. } => samples.iter().map(ToString::to_string).collect(),
        Reading::Scalar(sample) => panic!("{sample} is a scalar"),
    }
}

#[tokio::test]
async fn the_question_arrives_as_it_was_written_and_without_credentials() {
    let (heard, mut asked) = tokio::sync::mpsc::channel(1);
    let router = Router::new().route(
        "/tenant/api/v1/query",
        get(async move |uri: Uri, headers: HeaderMap| {
            let _ = heard.send((uri.query().unwrap_or_default().to_owned(), headers)).await;
            r#"{"status": "success", "data": {"resultType": "vector", "result": []}}"#
        }),
    );
    let url = format!("{}/tenant", serve(router).await);
    assert_eq!(samples(asker(query(&url)).ask().await), Vec::<String>::new());
    let (question, headers) = asked.recv().await.expect("it was asked");
    let pairs: Vec<(String, String)> = form_urlencoded::parse(question.as_bytes()).into_owned().collect();
    assert_eq!(pairs, [("query".into(), "up == 0 and \"ü\" & more".into()), ("timeout".into(), "10s".into())]);
    assert!(!headers.contains_key(AUTHORIZATION));
}

#[tokio::test]
async fn samples_are_read_and_the_first_series_is_named() {
    let result = json!([
        {"metric": {"alertname": "Down", "pod": "a\nb"}, "value": [1.5, "0.01"]},
        {"metric": {}, "value": [1.5, "+Inf"]},
        {"metric": {}, "value": [1.5, "NaN"]},
        {"metric": {}, "value": [1.5, "no number"]},
        {"metric": {}, "histogram": [1.5, {"count": "3"}]},
    ]);
    let Ok(Reading::Series { samples, example }) = read_result("vector", result).await else { panic!("no series") };
    let texts: Vec<String> = samples.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["0.01", "inf", "NaN", "NaN", "NaN"]);
    assert_eq!(example, r#"{alertname="Down", pod="a\nb"}"#);
}

#[tokio::test]
async fn a_scalar_is_read() {
    assert_eq!(read_result("scalar", json!([1.5, "0.5"])).await, Ok(Reading::Scalar(0.5)));
}

#[tokio::test]
async fn results_that_are_no_instant_vector_are_no_answer() {
    for result_type in ["matrix", "string", "streams"] {
        let why = read_result(result_type, json!([])).await.expect_err("that is no answer");
        assert!(why.contains(&format!("returns a {result_type}")), "{why}");
    }
    for result in [json!({}), json!([1]), json!([{"value": "1"}]), json!([{"value": [1, 2]}]), json!(null)] {
        let why = read_result("vector", result.clone()).await.expect_err("that is no answer");
        assert!(why.contains("cannot be read"), "{result}: {why}");
    }
}

#[tokio::test]
async fn too_many_series_are_no_answer() {
    let series = |count| Value::Array(vec![json!({"metric": {}, "value": [1, "1"]}); count]);
    assert_eq!(samples(read_result("vector", series(MAX_SERIES)).await).len(), MAX_SERIES);
    let why = read_result("vector", series(MAX_SERIES + 1)).await.expect_err("too many");
    assert!(why.contains("returns 1001 series"), "{why}");
}

#[tokio::test]
async fn an_error_is_told_in_the_words_of_the_server() {
    let error = json!({"status": "error", "errorType": "bad_data", "error": "parse error:\nunexpected )"}).to_string();
    let refused = why((StatusCode::BAD_REQUEST, error.clone())).await;
    assert!(refused.contains("answers 400: parse error: unexpected )"), "{refused}");
    let in_disguise = why((StatusCode::OK, error)).await;
    assert!(in_disguise.contains("answers an error: parse error"), "{in_disguise}");
}

#[tokio::test]
async fn only_200_is_an_answer() {
    let body = r#"{"status": "success", "data": {"resultType": "vector", "result": []}}"#;
    for status in [201, 204, 401, 403, 404, 429, 500, 503] {
        let status = StatusCode::from_u16(status).expect("it is a status");
        let why = why((status, if status == StatusCode::NO_CONTENT { "" } else { body })).await;
        assert!(why.contains(&format!("answers {}", status.as_u16())), "{why}");
    }
}

#[tokio::test]
async fn what_is_not_from_prometheus_is_no_answer() {
    for body in ["", "<html>log in</html>", "[]", "{}", "null", r#"{"status": "success""#] {
        let why = why(body).await;
        assert!(why.contains("does not answer as Prometheus does"), "{body}: {why}");
    }
    let why = read(json!({"status": "success"})).await.expect_err("that is no answer");
    assert!(why.contains("without data"), "{why}");
}

#[tokio::test]
async fn an_answer_with_a_warning_may_not_be_whole_and_is_none() {
    let data = json!({"resultType": "vector", "result": []});
    let partial = json!({"status": "success", "data": data, "warnings": ["store eu-1 is unavailable"]});
    let why = read(partial).await.expect_err("that is no answer");
    assert!(why.contains("may not be whole: store eu-1 is unavailable"), "{why}");
    assert!(read(json!({"status": "success", "data": data, "warnings": []})).await.is_ok());
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (heard, mut followed) = tokio::sync::mpsc::channel::<()>(1);
    let router = Router::new()
        .route("/api/v1/query", get(async || Redirect::temporary("/elsewhere")))
        .route("/elsewhere", get(async move || heard.try_send(()).is_ok().to_string()));
    let why = asker(query(&serve(router).await)).ask().await.expect_err("that is no answer");
    assert!(why.contains("redirects to /elsewhere, which is not followed"), "{why}");
    assert!(followed.try_recv().is_err());
}

#[tokio::test]
async fn a_large_answer_is_not_read_to_its_end() {
    let why = why("x".repeat(MAX_BODY_BYTES + 1)).await;
    assert!(why.contains("is larger than 1048576 bytes"), "{why}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_none() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("somebody asks");
        let _ = stream.read(&mut [0; 1024]).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{").await;
    });
    let why = asker(query(&url)).ask().await.expect_err("that is no answer");
    assert!(why.contains("broke off"), "{why}");
}

// With the clock paused, nothing else can happen before the time is over: the server never answers.
#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_is_not_waited_for_longer_than_allowed() {
    let router = Router::new().route("/api/v1/query", get(pending::<()>));
    let why = asker(query(&serve(router).await)).ask().await.expect_err("there is no answer");
    assert!(why.ends_with("within 10 s"), "{why}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    drop(listener);
    let why = asker(query(&url)).ask().await.expect_err("there is no answer");
    assert!(why.contains("refused"), "{why}");
}

/// A server with a certificate of its own, which tells what token it was sent.
async fn serve_tls() -> (String, String, tokio::sync::mpsc::Receiver<String>) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).expect("it is made");
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key))
        .expect("the certificate is good");
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let (heard, tokens) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("somebody asks");
        let Ok(mut stream) = acceptor.accept(stream).await else { return };
        let mut request = vec![0; 4096];
        let length = stream.read(&mut request).await.unwrap_or(0);
        let request = String::from_utf8_lossy(&request[..length]).into_owned();
        let token = request.lines().find_map(|line| line.strip_prefix("authorization: ")).unwrap_or("none");
        let _ = heard.send(token.to_owned()).await;
        let body = r#"{"status": "success", "data": {"resultType": "vector", "result": []}}"#;
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let _ = stream.write_all(answer.as_bytes()).await;
    });
    (format!("https://localhost:{port}"), cert.pem(), tokens)
}

fn with_token(url: &str, ca_bundle: &str, kubernetes: Client) -> Asker {
    let token = Some(SecretKey { name: "prometheus".into(), key: "token".into() });
    let query = PrometheusQuery { token, ca_bundle: Some(ca_bundle.into()), ..query(url) };
    Asker::new(kubernetes, &Dialer::tcp(), "mesh".into(), query).expect("it can ask")
}

fn secret(key: &str, base64: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "prometheus"}, "data": {key: base64}})
}

#[tokio::test]
async fn the_token_of_the_secret_is_sent_to_a_server_that_is_trusted() {
    let (url, ca_bundle, mut tokens) = serve_tls().await;
    // "hunter2" and a line end, as echo makes them.
    let asker = with_token(&url, &ca_bundle, kubernetes(200, &secret("token", "aHVudGVyMgo=")));
    assert_eq!(samples(asker.ask().await), Vec::<String>::new());
    assert_eq!(tokens.recv().await.as_deref(), Some("Bearer hunter2"));
}

#[tokio::test]
async fn a_server_that_is_not_trusted_gets_no_token() {
    let (url, _, mut tokens) = serve_tls().await;
    let other = generate_simple_self_signed(["localhost".to_owned()]).expect("it is made").cert.pem();
    let asker = with_token(&url, &other, kubernetes(200, &secret("token", "aHVudGVyMgo=")));
    let why = asker.ask().await.expect_err("it is not trusted");
    assert!(why.contains("certificate"), "{why}");
    assert_eq!(tokens.recv().await, None);
}

#[tokio::test]
async fn a_token_that_cannot_be_had_is_told_and_not_shown() {
    let status = |code: u16| json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code});
    for (code, body, expected) in [
        (403, status(403), "may not get Secret mesh/prometheus"),
        (404, status(404), "there is no Secret mesh/prometheus"),
        (200, secret("other", "aHVudGVyMgo="), "Secret mesh/prometheus has no key token"),
        // "hunter\n2"
        (200, secret("token", "aHVudGVyCjI="), "holds no token"),
    ] {
        // Nobody listens there, and nobody has to: without a token nothing is sent.
        let pem = generate_simple_self_signed(["localhost".to_owned()]).expect("it is made").cert.pem();
        let why = with_token("https://localhost:1", &pem, kubernetes(code, &body)).ask().await.expect_err("no token");
        assert!(why.contains(expected) && !why.contains("hunter"), "{why}");
    }
}

#[tokio::test]
async fn a_bundle_that_is_none_is_told() {
    let pem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    let query = PrometheusQuery { ca_bundle: Some(pem.into()), ..query("https://prometheus") };
    let asker = Asker::new(kubernetes(404, &json!({})), &Dialer::tcp(), "mesh".into(), query);
    let why = asker.err().expect("that is no certificate");
    assert!(why.starts_with("CABundle is no list of certificates in PEM"), "{why}");
}
