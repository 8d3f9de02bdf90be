//! Against a small HTTP server on the loopback interface.

use axum::Router;
use axum::response::{IntoResponse, Redirect};
use axum::routing::post as on_post;
use flippy_core::SecretKey;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::Value;
use tokio::sync::mpsc;

use super::*;

/// A Kubernetes API that answers every request in the same way.
fn kubernetes(status: u16, body: &Value) -> Client {
    let body = body.to_string();
    let service = tower::service_fn(move |_| {
        let answer = http::Response::builder().status(status).body(kube::client::Body::from(body.clone().into_bytes()));
        std::future::ready(answer.map_err(std::io::Error::other))
    });
    Client::new(service, "default")
}

fn ways(kubernetes: Client) -> Ways {
    Ways { kubernetes, elsewhere: Dialer::tcp() }
}

fn no_kubernetes() -> Client {
    kubernetes(404, &json!({"kind": "Status", "code": 404}))
}

fn letter(happening: Happening, message: &str) -> Letter {
    Letter {
        config: PolicyName { namespace: "mesh".into(), name: "sidecars".into() },
        uid: "uid".to_owned(),
        campaign: "0123456789ab".to_owned(),
        happening,
        message: message.to_owned(),
        at: Timestamp::UNIX_EPOCH,
    }
}

fn to(url: &str) -> Webhook {
    Webhook { address: WebhookAddress::Url(url.into()), format: WebhookFormat::Json, ca_bundle: None }
}

fn to_secret(ca_bundle: Option<&str>) -> Webhook {
    let address = WebhookAddress::Secret(SecretKey { name: "slack".into(), key: "url".into() });
    Webhook { address, format: WebhookFormat::Slack, ca_bundle: ca_bundle.map(Into::into) }
}

/// A receiver, and what it is sent.
async fn receiver(answer: impl IntoResponse + Clone + Send + Sync + 'static) -> (String, mpsc::Receiver<Value>) {
    let (tell, told) = mpsc::channel(8);
    let take = async move |body: String| {
        tell.send(serde_json::from_str(&body).expect("it is JSON")).await.expect("somebody listens");
        answer.clone()
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
    let url = format!("http://{}/hook?token=1", listener.local_addr().expect("it is bound"));
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/hook", on_post(take))).await });
    (url, told)
}

async fn posted(answer: impl IntoResponse + Clone + Send + Sync + 'static) -> Result<(), Undelivered> {
    let (url, _told) = receiver(answer).await;
    post(&ways(no_kubernetes()), &to(&url), &letter(Happening::CampaignStarted, "it has started")).await
}

#[tokio::test]
async fn a_program_is_sent_what_happened_in_words_of_its_own() {
    let (url, mut told) = receiver(StatusCode::NO_CONTENT).await;
    let letter = letter(Happening::AwaitingApproval("early".into()), "wave early waits");
    post(&ways(no_kubernetes()), &to(&url), &letter).await.expect("it arrives");
    let expected = json!({
        "event": "AwaitingApproval", "wave": "early", "campaign": "0123456789ab", "message": "wave early waits",
        "config": {"namespace": "mesh", "name": "sidecars", "uid": "uid"}, "at": "1970-01-01T00:00:00Z",
    });
    assert_eq!(told.recv().await, Some(expected));
}

#[test]
fn slack_is_sent_a_text_in_which_nothing_means_more_than_it_says() {
    let letter = letter(Happening::CampaignHalted, "<!channel> & more");
    let body: Value = serde_json::from_slice(&body(WebhookFormat::Slack, &letter)).expect("it is JSON");
    assert_eq!(body, json!({"text": "*FlippyConfig mesh/sidecars*: &lt;!channel&gt; &amp; more"}));
}

#[tokio::test]
async fn trouble_of_a_receiver_passes_and_a_refusal_does_not() {
    for status in [StatusCode::TOO_MANY_REQUESTS, StatusCode::INTERNAL_SERVER_ERROR, StatusCode::BAD_GATEWAY] {
        let outcome = posted(status).await;
        assert!(matches!(outcome, Err(Undelivered::ForNow(_))), "{status}: {outcome:?}");
    }
    for status in [StatusCode::BAD_REQUEST, StatusCode::FORBIDDEN, StatusCode::NOT_FOUND, StatusCode::GONE] {
        let outcome = posted(status).await;
        assert!(matches!(outcome, Err(Undelivered::ForGood(_))), "{status}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (elsewhere, mut told) = receiver(StatusCode::OK).await;
    let outcome = posted(Redirect::temporary(&elsewhere)).await;
    let Err(Undelivered::ForGood(why)) = outcome else { panic!("{outcome:?}") };
    assert!(why.contains("redirects are not followed"), "{why}");
    assert!(told.try_recv().is_err(), "it was followed");
}

#[tokio::test]
async fn nobody_at_home_may_be_there_later() {
    let outcome =
        post(&ways(no_kubernetes()), &to("http://127.0.0.1:1"), &letter(Happening::CampaignStarted, "")).await;
    let Err(Undelivered::ForNow(why)) = outcome else { panic!("{outcome:?}") };
    assert!(why.contains("refused"), "{why}");
}

/// Why an address in a Secret is not posted to, when the API server answers this.
async fn secret_refused(status: u16, answer: &Value) -> String {
    let started = letter(Happening::CampaignStarted, "");
    match post(&ways(kubernetes(status, answer)), &to_secret(None), &started).await {
        Err(Undelivered::ForNow(why)) => why,
        other => panic!("{answer}: {other:?}"),
    }
}

#[tokio::test]
async fn an_address_in_a_secret_is_told_to_nobody_whatever_is_wrong_with_it() {
    let forbidden = json!({"kind": "Status", "status": "Failure", "code": 403, "message": "no"});
    let why = secret_refused(403, &forbidden).await;
    assert!(why.contains("mesh/slack") && why.contains("deploy/optional/secret-role.yaml"), "{why}");
    // `http://hush.example.com` and `https://hush@example.com`, in base 64.
    for (value, expected) in [
        ("aHR0cDovL2h1c2guZXhhbXBsZS5jb20=", "holds no https address"),
        ("aHR0cHM6Ly9odXNoQGV4YW1wbGUuY29t", "holds credentials"),
    ] {
        let secret = json!({"kind": "Secret", "apiVersion": "v1", "metadata": {}, "data": {"url": value}});
        let why = secret_refused(200, &secret).await;
        assert!(why.starts_with("key url of Secret mesh/slack ") && why.contains(expected), "{why}");
        assert!(!why.contains("hush"), "{why}");
    }
}

#[tokio::test]
async fn an_address_in_a_secret_is_posted_to_if_it_is_trusted() {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).expect("it can be signed");
    let key = rustls::pki_types::PrivateKeyDer::try_from(signing_key.serialize_der()).expect("it is a key");
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key))
        .expect("the certificate fits the key");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config));
    let server = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let (stream, _) = listener.accept().await?;
        let mut stream = acceptor.accept(stream).await?;
        let mut request = vec![0; 64];
        stream.read_exact(&mut request).await?;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await?;
        stream.flush().await?;
        std::io::Result::Ok(String::from_utf8_lossy(&request).into_owned())
    });
    let url = format!("https://localhost:{port}/services/T0/B0\n");
    let secret = k8s_openapi::api::core::v1::Secret {
        data: Some([("url".to_owned(), k8s_openapi::ByteString(url.into_bytes()))].into()),
        ..Default::default()
    };
    let kubernetes = kubernetes(200, &serde_json::to_value(secret).expect("it is JSON"));
    let webhook = to_secret(Some(&cert.pem()));
    post(&ways(kubernetes), &webhook, &letter(Happening::CampaignStarted, "it has started")).await.expect("it arrives");
    let request = server.await.expect("nothing panics").expect("it was sent");
    assert!(request.starts_with("POST /services/T0/B0 HTTP/1.1\r\n"), "{request}");
}
