//! Seeded misfortune.

use crate::error::ApiError;
use crate::request::{ApiRequest, Verb};
use crate::rng::Rng;

/// Probabilities (0 to 1) of what may go wrong, and how far.
#[derive(Debug, Clone, PartialEq)]
pub struct Faults {
    /// A watch connection breaks before it delivers a batch of events.
    pub dropped_watch: f64,
    /// An event is delivered twice.
    pub duplicated_event: f64,
    /// A batch of events is held back.
    pub delayed_event: f64,
    /// The longest an event is held back, in milliseconds.
    pub delay_milliseconds: u64,
    /// A list shows a state of a few changes ago.
    pub stale_list: f64,
    /// A write is refused with 409 though nothing changed.
    pub conflict: f64,
    /// A watch or continued list is refused with HTTP status 410.
    pub gone: f64,
    /// A running watch ends with a 410 ERROR event.
    pub gone_event: f64,
    /// 429 with Retry-After.
    pub too_many_requests: f64,
    /// 500.
    pub internal_error: f64,
    /// 503.
    pub unavailable: f64,
    /// No answer, and nothing done.
    pub timeout_before: f64,
    /// No answer, but the write took effect.
    pub timeout_after: f64,
    /// A write is carried out long after it arrived, perhaps when its client has given up, or is dead.
    pub late: f64,
    /// The longest that a late write takes, in milliseconds.
    pub late_milliseconds: u64,
    /// An answer takes its time.
    pub slow: f64,
    /// The longest a slow answer or a time-out takes, in milliseconds.
    pub slow_milliseconds: u64,
    /// Every answer takes up to this long, in milliseconds.
    pub latency_milliseconds: u64,
}

impl Faults {
    /// A perfect network and server: every answer is immediate.
    pub const fn none() -> Self {
        Self {
            dropped_watch: 0.0,
            duplicated_event: 0.0,
            delayed_event: 0.0,
            delay_milliseconds: 0,
            stale_list: 0.0,
            conflict: 0.0,
            gone: 0.0,
            gone_event: 0.0,
            too_many_requests: 0.0,
            internal_error: 0.0,
            unavailable: 0.0,
            timeout_before: 0.0,
            timeout_after: 0.0,
            late: 0.0,
            late_milliseconds: 0,
            slow: 0.0,
            slow_milliseconds: 0,
            latency_milliseconds: 0,
        }
    }

    /// Everything goes wrong now and then.
    pub const fn unlucky() -> Self {
        Self {
            dropped_watch: 0.02,
            duplicated_event: 0.05,
            delayed_event: 0.1,
            delay_milliseconds: 5_000,
            stale_list: 0.1,
            conflict: 0.03,
            gone: 0.02,
            gone_event: 0.01,
            too_many_requests: 0.03,
            internal_error: 0.03,
            unavailable: 0.03,
            timeout_before: 0.02,
            timeout_after: 0.03,
            late: 0.0,
            late_milliseconds: 0,
            slow: 0.1,
            slow_milliseconds: 20_000,
            latency_milliseconds: 20,
        }
    }
}

/// What was put in the way of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // named as in `Faults`
pub enum Fault {
    StaleList,
    Conflict,
    Gone,
    TooManyRequests,
    InternalError,
    Unavailable,
    TimeoutBefore,
    TimeoutAfter,
    Late,
    Slow,
}

/// The fate of a request, drawn when it arrives.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fate {
    pub(crate) fault: Option<Fault>,
    /// How long the answer takes, in milliseconds.
    pub(crate) delay: u64,
    /// A time-out shows as a broken connection rather than as 504.
    pub(crate) breaks: bool,
    /// How far back a stale list looks, in changes; also the seed of a watch's own misfortunes.
    pub(crate) draw: u64,
}

impl Fate {
    pub(crate) fn draw(faults: &Faults, rng: &mut Rng, request: Option<&ApiRequest>) -> Self {
        let fault = request.and_then(|request| draw_fault(faults, rng, request));
        let delay = match fault {
            Some(Fault::Slow | Fault::TimeoutBefore | Fault::TimeoutAfter) => rng.below(faults.slow_milliseconds + 1),
            Some(Fault::Late) => rng.below(faults.late_milliseconds + 1),
            _ => 0,
        } + if faults.latency_milliseconds > 0 { rng.below(faults.latency_milliseconds + 1) } else { 0 };
        Self { fault, delay, breaks: rng.hit(0.5), draw: rng.next() }
    }
}

fn draw_fault(faults: &Faults, rng: &mut Rng, request: &ApiRequest) -> Option<Fault> {
    let guarded = matches!(request.verb, Verb::Update | Verb::Patch | Verb::Delete);
    let resumes = request.verb == Verb::Watch || request.query.continue_token.is_some();
    let candidates = [
        (faults.stale_list, request.verb == Verb::List && request.query.continue_token.is_none(), Fault::StaleList),
        (faults.conflict, guarded, Fault::Conflict),
        (faults.gone, resumes, Fault::Gone),
        (faults.too_many_requests, true, Fault::TooManyRequests),
        (faults.internal_error, true, Fault::InternalError),
        (faults.unavailable, true, Fault::Unavailable),
        (faults.timeout_before, true, Fault::TimeoutBefore),
        (faults.timeout_after, request.verb.is_write(), Fault::TimeoutAfter),
        (faults.late, request.verb.is_write(), Fault::Late),
        (faults.slow, true, Fault::Slow),
    ];
    candidates
        .into_iter()
        .find(|(probability, applies, _)| *applies && rng.hit(*probability))
        .map(|(_, _, fault)| fault)
}

/// The refusal a fault stands for, when it is one that keeps the request from being carried out.
pub(crate) fn refusal(fate: &Fate, request: &ApiRequest) -> Option<ApiError> {
    let name = request.name.as_deref().unwrap_or_default();
    Some(match fate.fault? {
        Fault::Conflict => ApiError::stale_write(request.resource, name),
        Fault::Gone => ApiError::gone("The provided continue parameter or resource version is too old"),
        Fault::TooManyRequests => ApiError::too_many_requests(
            "the server has received too many requests and has asked us to try again later",
            1 + fate.draw % 10,
        ),
        Fault::InternalError => ApiError::internal("Internal error occurred: simulated"),
        Fault::Unavailable => ApiError::unavailable(),
        Fault::TimeoutBefore => no_answer(),
        Fault::StaleList | Fault::TimeoutAfter | Fault::Late | Fault::Slow => return None,
    })
}

/// What is said when time runs out, whether or not the write took effect.
pub(crate) fn no_answer() -> ApiError {
    ApiError::timeout(
        "the server was unable to return a response in the time allotted, but may still be processing the request",
    )
}
