//! The server as the client sees it: a service of HTTP requests, without sockets.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use kube::client::Body;
use tower::BoxError;

use crate::discovery;
use crate::error::ApiError;
use crate::faults::{self, Fate, Fault};
use crate::history::{Author, Outcome, RequestRecord};
use crate::link::{CutPoint, Link, LinkState, Refused};
use crate::object::Key;
use crate::request::{self, Parsed};
use crate::serve::{Reply, serve};
use crate::shared::Shared;
use crate::watch::{ReplyBody, whole};

/// One client's view of the server.
#[derive(Clone)]
pub(crate) struct ApiService {
    pub(crate) shared: Arc<Shared>,
    pub(crate) link: Arc<Link>,
}

impl tower::Service<Request<Body>> for ApiService {
    type Response = Response<ReplyBody>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move { service.handle(request).await })
    }
}

/// A request that has arrived.
struct Arrival {
    parsed: Result<Parsed, ApiError>,
    fate: Fate,
    record: usize,
    author: Author,
    cut: Option<CutPoint>,
}

impl ApiService {
    async fn handle(self, request: Request<Body>) -> Result<Response<ReplyBody>, BoxError> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        self.link.pass().await?;
        let cut = self.link.burn_fuse();
        if cut == Some(CutPoint::BeforeEffect) {
            self.link.set(LinkState::Refused);
            return Err(Refused.into());
        }
        let arrival = self.arrive(&parts, body, cut);
        if arrival.fate.delay == 0 {
            return self.answer(arrival).await;
        }
        // A request under way is carried out even when its client has given up waiting, as on a real server.
        tokio::spawn(async move { self.answer(arrival).await }).await?
    }

    fn arrive(&self, parts: &http::request::Parts, body: Bytes, cut: Option<CutPoint>) -> Arrival {
        let parsed = request::parse(parts, body.clone());
        let known = parsed.as_ref().ok().and_then(|parsed| match parsed {
            Parsed::Resource(request) => Some(&**request),
            Parsed::Discovery { .. } => None,
        });
        let key = |name: &Option<String>, namespace: &Option<String>| {
            Key::new(namespace.as_deref().unwrap_or_default(), name.as_deref().unwrap_or_default())
        };
        let (fate, record) = self.shared.with(|world| {
            let fate = Fate::draw(&world.faults, &mut world.fault_rng, known);
            let record = world.history.request(RequestRecord {
                at: world.time(),
                user: self.link.user.clone(),
                target: known.map(|request| {
                    (request.verb, request.resource, request.part, key(&request.name, &request.namespace))
                }),
                line: format!("{} {}", parts.method, parts.uri),
                fault: fate.fault,
                dry_run: known.is_some_and(|request| request.query.dry_run),
                body: if known.is_some_and(|request| request.verb.is_write()) { body } else { Bytes::new() },
                outcome: Outcome::Pending,
                answered_at: None,
            });
            (fate, record)
        });
        let manager = known.and_then(|request| request.query.field_manager.as_deref()).map(Into::into);
        let author = Author { user: self.link.user.clone(), field_manager: manager, request: Some(record) };
        Arrival { parsed, fate, record, author, cut }
    }

    async fn answer(self, arrival: Arrival) -> Result<Response<ReplyBody>, BoxError> {
        let Arrival { fate, record, .. } = arrival;
        let until_effect = if fate.fault == Some(Fault::Late) { fate.delay } else { fate.delay / 2 };
        pause(until_effect).await;
        let reply = self.carry_out(&arrival);
        pause(fate.delay - until_effect).await;
        let timed_out = matches!(fate.fault, Some(Fault::TimeoutBefore | Fault::TimeoutAfter));
        let lost = arrival.cut == Some(CutPoint::AfterEffect);
        if lost {
            self.link.set(LinkState::Refused);
        }
        let unreachable = self.link.pass().await.is_err();
        if unreachable || (timed_out && fate.breaks) {
            self.end(record, Outcome::Broken);
            return Err(if unreachable {
                Refused.into()
            } else {
                std::io::Error::from(std::io::ErrorKind::ConnectionReset).into()
            });
        }
        let reply = if timed_out { Err(faults::no_answer()) } else { reply };
        if let (Ok(Reply::List(revision, _)), Ok(Parsed::Resource(request))) = (&reply, &arrival.parsed) {
            self.shared.with(|world| world.tell(record, request.resource, *revision));
        }
        let response = self.respond(reply, record);
        self.end(record, Outcome::Answered(response.status().as_u16()));
        Ok(response)
    }

    fn end(&self, record: usize, outcome: Outcome) {
        self.shared.with(|world| {
            let now = world.time();
            world.history.outcome(record, outcome, now);
        });
    }

    fn carry_out(&self, arrival: &Arrival) -> Result<Reply, ApiError> {
        match &arrival.parsed {
            Err(error) => Err(error.clone()),
            Ok(Parsed::Discovery { path, aggregated }) => {
                let found = self.shared.with(|world| discovery::answer(world, path, *aggregated))?;
                Ok(Reply::Json(200, found.to_string().into_bytes()))
            }
            Ok(Parsed::Resource(request)) => match faults::refusal(&arrival.fate, request) {
                Some(error) => Err(error),
                None => self.shared.with(|world| match world.webhook.as_ref().and_then(|it| it.refusal(request)) {
                    Some(error) => Err(error),
                    None => serve(world, &arrival.author, request, &arrival.fate),
                }),
            },
        }
    }

    fn respond(&self, reply: Result<Reply, ApiError>, record: usize) -> Response<ReplyBody> {
        let mut builder = Response::builder().header("content-type", "application/json");
        let body = match reply {
            Ok(Reply::Json(code, json)) => {
                builder = builder.status(code);
                whole(json)
            }
            Ok(Reply::List(_, json)) => {
                builder = builder.status(200);
                whole(json)
            }
            Ok(Reply::Watch(watch)) => watch.into_body(self.shared.clone(), &self.link, record),
            Err(error) => {
                builder = builder.status(error.code);
                if let Some(seconds) = error.retry_after_seconds {
                    builder = builder.header("retry-after", seconds);
                }
                whole(error.status().to_string().into_bytes())
            }
        };
        builder.body(body).expect("status and headers are valid by construction")
    }
}

async fn pause(milliseconds: u64) {
    if milliseconds > 0 {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    }
}
