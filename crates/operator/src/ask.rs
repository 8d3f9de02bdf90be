//! Asks a Prometheus server one question: one bounded request, no redirects, and whatever goes wrong is said in one line.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flippy_core::{PrometheusQuery, Reading, SecretKey};
use http::header::{ACCEPT, AUTHORIZATION, LOCATION, USER_AGENT};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;
use serde_json::Value;

/// A larger answer is none that anybody would want to wait for.
const MAX_BODY_BYTES: usize = 1 << 20;
/// More series are a mistake in the query.
const MAX_SERIES: usize = 1000;
/// Characters of what the server said, in a message of ours.
const MAX_QUOTED: usize = 200;
const AGENT: &str = concat!("flippy/", env!("CARGO_PKG_VERSION"));

/// Whoever asks one question again and again.
pub(crate) struct Asker {
    http: HttpClient<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    /// For the Secret that holds the token.
    kubernetes: Client,
    /// Of the config: no Secret elsewhere is read.
    namespace: Arc<str>,
    query: PrometheusQuery,
}

impl Asker {
    /// Prepares to ask.
    ///
    /// # Errors
    /// When no certificate authority is there to trust, in one line.
    pub(crate) fn new(kubernetes: Client, namespace: Arc<str>, query: PrometheusQuery) -> Result<Self, String> {
        let tls = tls(&query)?;
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
        // A connection that idles for half a minute is as likely closed as not: each question has its own.
        let http = HttpClient::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
        Ok(Self { http, kubernetes, namespace, query })
    }

    /// Asks once, and waits no longer than the query allows.
    ///
    /// # Errors
    /// When there is no answer that can be understood, and trusted to be whole, in one line.
    pub(crate) async fn ask(&self) -> Result<Reading, String> {
        let timeout = Duration::try_from(self.query.timeout).unwrap_or_default();
        match tokio::time::timeout(timeout, self.ask_without_limit()).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("no answer from {} within {} s", self.query.url, timeout.as_secs())),
        }
    }

    async fn ask_without_limit(&self) -> Result<Reading, String> {
        let mut request = Request::get(self.uri()).header(ACCEPT, "application/json").header(USER_AGENT, AGENT);
        if let Some(key) = &self.query.token {
            request = request.header(AUTHORIZATION, self.bearer_token(key).await?);
        }
        let request = request.body(Empty::new()).map_err(|error| format!("cannot ask {}: {error}", self.query.url))?;
        let answer = self.http.request(request).await;
        let answer = answer.map_err(|error| format!("cannot ask {}: {}", self.query.url, causes(&error)))?;
        self.read(answer).await
    }

    fn uri(&self) -> String {
        let mut question = form_urlencoded::Serializer::new(String::new());
        question.append_pair("query", &self.query.query);
        question.append_pair("timeout", &format!("{}s", self.query.timeout.as_secs()));
        format!("{}/api/v1/query?{}", self.query.url, question.finish())
    }

    /// What the Secret holds, as it is sent. It is read each time: tokens are rotated.
    async fn bearer_token(&self, key: &SecretKey) -> Result<HeaderValue, String> {
        let (namespace, SecretKey { name, key }) = (&self.namespace, key);
        let secret = Api::<Secret>::namespaced(self.kubernetes.clone(), namespace).get(name).await;
        let secret = secret.map_err(|error| match error {
            kube::Error::Api(status) if status.code == 403 => format!(
                "Flippy may not get Secret {namespace}/{name}: allow it with a Role as in \
                 deploy/optional/gate-token-role.yaml"
            ),
            kube::Error::Api(status) if status.code == 404 => format!("there is no Secret {namespace}/{name}"),
            error => format!("cannot get Secret {namespace}/{name}: {}", causes(&error)),
        })?;
        let value = secret.data.as_ref().and_then(|data| data.get(&**key));
        let value = value.ok_or_else(|| format!("Secret {namespace}/{name} has no key {key}"))?;
        // What is wrong with it is not quoted.
        let token = [b"Bearer ", value.0.trim_ascii()].concat();
        let mut header = HeaderValue::from_bytes(&token)
            .map_err(|_| format!("key {key} of Secret {namespace}/{name} holds no token: it has control characters"))?;
        header.set_sensitive(true);
        Ok(header)
    }

    async fn read(&self, answer: Response<Incoming>) -> Result<Reading, String> {
        let (head, body) = answer.into_parts();
        let url = &self.query.url;
        if head.status.is_redirection() {
            let target = head.headers.get(LOCATION).and_then(|target| target.to_str().ok()).unwrap_or("elsewhere");
            return Err(format!("{url} redirects to {}, which is not followed: write the last URL", quoted(target)));
        }
        let body = Limited::new(body, MAX_BODY_BYTES).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                format!("the answer of {url} is larger than {MAX_BODY_BYTES} bytes")
            } else {
                format!("the answer of {url} broke off: {}", causes(&*error))
            }
        })?;
        read(head.status, &body.to_bytes()).map_err(|why| format!("{url} {why}"))
    }
}

fn tls(query: &PrometheusQuery) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))?;
    let builder = match &query.ca_bundle {
        Some(bundle) => {
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
                let added = certificate
                    .map_err(|error| error.to_string())
                    .and_then(|certificate| roots.add(certificate).map_err(|error| error.to_string()));
                added.map_err(|error| format!("CABundle is no list of certificates in PEM: {error}"))?;
            }
            if roots.is_empty() {
                return Err("CABundle holds no certificate".to_owned());
            }
            builder.with_root_certificates(roots)
        }
        // Without TLS nothing has to be trusted, and an image may hold no authorities.
        None if query.url.starts_with("http://") => builder.with_root_certificates(RootCertStore::empty()),
        None => builder
            .with_native_roots()
            .map_err(|error| format!("there are no certificate authorities here to trust ({error}): write CABundle"))?,
    };
    Ok(builder.with_no_client_auth())
}

/// What Prometheus answers (<https://prometheus.io/docs/prometheus/latest/querying/api/>).
#[derive(Deserialize)]
struct Envelope {
    status: String,
    #[serde(default)]
    data: Option<Data>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    warnings: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "resultType")]
    result_type: String,
    result: Value,
}

#[derive(Deserialize)]
struct Series {
    #[serde(default)]
    metric: serde_json::Map<String, Value>,
    /// Absent for a native histogram.
    #[serde(default)]
    value: Option<(f64, String)>,
}

fn read(status: StatusCode, body: &[u8]) -> Result<Reading, String> {
    let envelope: Result<Envelope, _> = serde_json::from_slice(body);
    if status != StatusCode::OK {
        let why = envelope.ok().and_then(|envelope| envelope.error);
        return Err(why.map_or_else(
            || format!("answers {status}"),
            |why| format!("answers {}: {}", status.as_u16(), quoted(&why)),
        ));
    }
    let envelope = envelope.map_err(|_| "does not answer as Prometheus does: is it the right URL?".to_owned())?;
    if envelope.status != "success" {
        return Err(format!(
            "answers an error: {}",
            quoted(envelope.error.as_deref().unwrap_or("it does not say which"))
        ));
    }
    // Thanos and others answer so when a part of the data could not be read: what is missing may be the alert.
    if let Some(warning) = envelope.warnings.iter().flatten().next() {
        return Err(format!("answers with a warning, so the answer may not be whole: {}", quoted(warning)));
    }
    let data = envelope.data.ok_or_else(|| "answers without data".to_owned())?;
    let malformed = |_| "answers with a result that cannot be read".to_owned();
    match data.result_type.as_str() {
        "vector" => {
            let series: Vec<Series> = serde_json::from_value(data.result).map_err(malformed)?;
            if series.len() > MAX_SERIES {
                return Err(format!(
                    "returns {} series: write a query that returns at most {MAX_SERIES}",
                    series.len()
                ));
            }
            let example = series.first().map(|one| quoted(&labels(&one.metric))).unwrap_or_default();
            let sample = |one: &Series| one.value.as_ref().map_or(f64::NAN, |(_, text)| number(text));
            Ok(Reading::Series { samples: series.iter().map(sample).collect(), example })
        }
        "scalar" => {
            let (_, text): (f64, String) = serde_json::from_value(data.result).map_err(malformed)?;
            Ok(Reading::Scalar(number(&text)))
        }
        other => Err(format!("returns a {}: write an instant query", quoted(other))),
    }
}

/// What is no number compares with nothing.
fn number(text: &str) -> f64 {
    text.parse().unwrap_or(f64::NAN)
}

fn labels(metric: &serde_json::Map<String, Value>) -> String {
    let pairs: Vec<String> = metric.iter().map(|(label, value)| format!("{label}={value}")).collect();
    format!("{{{}}}", pairs.join(", "))
}

/// What somebody else said, on one line and not too long.
pub(crate) fn quoted(text: &str) -> String {
    let mut characters = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut line: String = characters.by_ref().take(MAX_QUOTED).collect();
    if characters.next().is_some() {
        line.push('…');
    }
    line
}

/// An error and everything behind it: a connector says only that it could not connect.
fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    quoted(&text)
}

#[cfg(test)]
mod tests;
