//! Who may read the metrics: whom the API server lets `get` the path `/metrics`.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, UserInfo};
use k8s_openapi::api::authorization::v1::{NonResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::api::PostParams;
use kube::{Api, Client};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tokio::time::{Duration, Instant, timeout};

/// A scrape every few seconds should not cost two requests each time.
const ALLOWED_FOR: Duration = Duration::from_mins(1);
const MAX_REMEMBERED: usize = 100;
/// Whoever knocks at the port must not be able to keep the API server busy.
const MAX_QUESTIONS: usize = 4;
const LIMIT: Duration = Duration::from_secs(10);

/// Asks the API server, and remembers for a while whom it allowed.
pub(super) struct Authorization {
    client: Client,
    /// Until when, by the digest of the token.
    allowed: Mutex<HashMap<[u8; 32], Instant>>,
    questions: Semaphore,
}

type Refusal = (StatusCode, String);

impl Authorization {
    pub(super) fn new(client: Client) -> Self {
        Self { client, allowed: Mutex::new(HashMap::new()), questions: Semaphore::new(MAX_QUESTIONS) }
    }

    /// Whether a request may be answered.
    ///
    /// # Errors
    /// With the answer in its place.
    pub(super) async fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let token = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        let Some(token) = token.map(str::trim).filter(|token| !token.is_empty()) else {
            return Err((StatusCode::UNAUTHORIZED, "send a bearer token\n".to_owned()));
        };
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if self.is_remembered(&digest) {
            return Ok(());
        }
        match timeout(LIMIT, self.ask(token)).await {
            Ok(Ok(())) => {
                self.remember(digest);
                Ok(())
            }
            Ok(Err(refusal)) => Err(refusal),
            Err(_) => Err((StatusCode::SERVICE_UNAVAILABLE, "the API server does not say who you are\n".to_owned())),
        }
    }

    async fn ask(&self, token: &str) -> Result<(), Refusal> {
        // It is never closed.
        let _one_of_few = self.questions.acquire().await;
        let user = self.authenticate(token).await?;
        let name = user.username.clone().unwrap_or_default();
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: user.username,
                uid: user.uid,
                groups: user.groups,
                extra: user.extra,
                non_resource_attributes: Some(NonResourceAttributes {
                    path: Some("/metrics".to_owned()),
                    verb: Some("get".to_owned()),
                }),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let reviews = Api::<SubjectAccessReview>::all(self.client.clone());
        let answer = reviews.create(&PostParams::default(), &review).await.map_err(|error| unable(&error))?;
        if answer.status.is_some_and(|status| status.allowed) {
            return Ok(());
        }
        Err((StatusCode::FORBIDDEN, format!("{name} may not get the path /metrics\n")))
    }

    async fn authenticate(&self, token: &str) -> Result<UserInfo, Refusal> {
        let review = TokenReview {
            spec: TokenReviewSpec { token: Some(token.to_owned()), ..TokenReviewSpec::default() },
            ..TokenReview::default()
        };
        let reviews = Api::<TokenReview>::all(self.client.clone());
        let answer = reviews.create(&PostParams::default(), &review).await.map_err(|error| unable(&error))?;
        let status = answer.status.filter(|status| status.authenticated == Some(true));
        status
            .and_then(|status| status.user)
            .ok_or_else(|| (StatusCode::UNAUTHORIZED, "the API server does not know this token\n".to_owned()))
    }

    fn is_remembered(&self, digest: &[u8; 32]) -> bool {
        let allowed = self.allowed.lock().unwrap_or_else(PoisonError::into_inner);
        allowed.get(digest).is_some_and(|until| Instant::now() < *until)
    }

    fn remember(&self, digest: [u8; 32]) {
        let mut allowed = self.allowed.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        allowed.retain(|_, until| now < *until);
        if allowed.len() < MAX_REMEMBERED {
            allowed.insert(digest, now + ALLOWED_FOR);
        }
    }
}

/// What the API server said stays in our log: the one who asks may be anybody.
fn unable(error: &kube::Error) -> Refusal {
    tracing::warn!(
        %error,
        "who may read the metrics could not be asked: allow it with a ClusterRole as in \
         deploy/optional/metrics-authorization-role.yaml"
    );
    (
        StatusCode::INTERNAL_SERVER_ERROR,
        "the API server cannot be asked who you are; see the log of flippy\n".to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use http::{Request, Response};
    use http_body_util::BodyExt as _;
    use kube::client::Body;
    use serde_json::{Value, json};

    use super::*;

    /// An API server that knows the token `known`, of somebody who may read metrics or not, and how often it was asked.
    fn api_server(is_allowed: bool) -> (Client, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = asked.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            counter.fetch_add(1, Ordering::SeqCst);
            async move {
                let body = request.into_body().collect().await.map_err(std::io::Error::other)?.to_bytes();
                let mut review: Value = serde_json::from_slice(&body)?;
                review["status"] = if review["kind"] == "TokenReview" {
                    json!({"authenticated": review["spec"]["token"] == "known", "user": {"username": "prometheus"}})
                } else {
                    let asks = json!({"path": "/metrics", "verb": "get"});
                    json!({"allowed": is_allowed && review["spec"]["user"] == "prometheus"
                           && review["spec"]["nonResourceAttributes"] == asks})
                };
                Response::builder()
                    .status(201)
                    .body(Body::from(review.to_string().into_bytes()))
                    .map_err(std::io::Error::other)
            }
        });
        (Client::new(service, "default"), asked)
    }

    fn with_token(token: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, token.parse().expect("it is a header"));
        headers
    }

    async fn answer(authorization: &Authorization, token: &str) -> Result<(), u16> {
        authorization.check(&with_token(token)).await.map_err(|(status, _)| status.as_u16())
    }

    #[tokio::test]
    async fn whom_the_api_server_allows_may_read_and_nobody_else() {
        let (client, _) = api_server(true);
        let open = Authorization::new(client);
        assert_eq!(open.check(&HeaderMap::new()).await.map_err(|(status, _)| status.as_u16()), Err(401));
        assert_eq!(answer(&open, "Basic known").await, Err(401));
        assert_eq!(answer(&open, "Bearer guessed").await, Err(401));
        assert_eq!(answer(&open, "Bearer known").await, Ok(()));
        let (client, _) = api_server(false);
        assert_eq!(answer(&Authorization::new(client), "Bearer known").await, Err(403));
    }

    #[tokio::test(start_paused = true)]
    async fn who_was_allowed_is_asked_about_again_after_a_minute() {
        let (client, asked) = api_server(true);
        let authorization = Authorization::new(client);
        for expected in [2, 2] {
            assert_eq!(answer(&authorization, "Bearer known").await, Ok(()));
            assert_eq!(asked.load(Ordering::SeqCst), expected);
        }
        tokio::time::advance(ALLOWED_FOR).await;
        assert_eq!(answer(&authorization, "Bearer known").await, Ok(()));
        assert_eq!(asked.load(Ordering::SeqCst), 4);
    }
}
