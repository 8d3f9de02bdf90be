//! Asks a Prometheus server one question: one bounded request, no redirects, and whatever goes wrong is said in one line.

mod answer;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use flippy_core::{PrometheusQuery, Reading, SecretKey};
use http::header::{ACCEPT, AUTHORIZATION, LOCATION, USER_AGENT};
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper::body::Incoming;
use kube::Client;

use crate::dial::{Dialer, Http};
use crate::{secret, trust};

/// A larger answer is none that anybody would want to wait for.
const MAX_BODY_BYTES: usize = 1 << 20;
/// Characters of what the server said, in a message of ours.
const MAX_QUOTED: usize = 200;
pub(crate) const AGENT: &str = concat!("flippy/", env!("CARGO_PKG_VERSION"));

/// Whoever asks one question again and again.
pub(crate) struct Asker {
    http: Http<Empty<Bytes>>,
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
    pub(crate) fn new(
        kubernetes: Client,
        dialer: &Dialer,
        namespace: Arc<str>,
        query: PrometheusQuery,
    ) -> Result<Self, String> {
        let tls = trust::tls(&query.url, query.ca_bundle.as_deref())?;
        Ok(Self { http: dialer.http(tls), kubernetes, namespace, query })
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
        let value = secret::value(&self.kubernetes, &self.namespace, key).await?;
        let (namespace, SecretKey { name, key }) = (&self.namespace, key);
        // What is wrong with it is not quoted.
        let token = [b"Bearer ", value.trim_ascii()].concat();
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
        answer::read(head.status, &body.to_bytes()).map_err(|why| format!("{url} {why}"))
    }
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
pub(crate) fn causes(error: &dyn Error) -> String {
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
