//! What happened, on the server's own word: every request and every accepted change.

use std::sync::Arc;

use crate::Json;
use bytes::Bytes;
use jiff::Timestamp;

use crate::faults::Fault;
use crate::object::Key;
use crate::request::{Part, Verb};
use crate::resources::Resource;

/// Entries kept of each kind; beyond, the newest are counted but not kept.
const CAPACITY: usize = 1 << 22;

/// Who caused a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// The user of the client, or the name of a controller such as `system:deployment-controller`.
    pub user: Arc<str>,
    /// The field manager the request named.
    pub field_manager: Option<Arc<str>>,
    /// The request behind the change; None for what controllers do.
    pub request: Option<usize>,
}

impl Author {
    pub(crate) fn controller(name: &str) -> Self {
        Self { user: name.into(), field_manager: None, request: None }
    }
}

/// An accepted change.
#[derive(Debug, Clone)]
pub struct Mutation {
    /// Virtual time.
    pub at: Timestamp,
    /// The global revision it got.
    pub revision: u64,
    /// Who did it.
    pub author: Author,
    /// What it was done to.
    pub resource: Resource,
    /// Which object.
    pub key: Key,
    /// Through which side of the object.
    pub part: Part,
    /// The object before; None when it was created.
    pub before: Option<Json>,
    /// The object after; None when it was removed.
    pub after: Option<Json>,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Not answered (yet): under way, or its client went away.
    Pending,
    /// Answered with this HTTP status. A watch is answered when it starts.
    Answered(u16),
    /// The connection broke without an answer.
    Broken,
}

/// A request that reached the server.
#[derive(Debug, Clone)]
pub struct RequestRecord {
    /// Virtual time of arrival.
    pub at: Timestamp,
    /// The user of the client.
    pub user: Arc<str>,
    /// What was asked; None for discovery and for what could not be understood.
    pub target: Option<(Verb, Resource, Part, Key)>,
    /// Method, path and query.
    pub line: String,
    /// The fault that was put in its way.
    pub fault: Option<Fault>,
    /// Dry-run requests change nothing.
    pub dry_run: bool,
    /// What it carried; kept of writes only.
    pub body: Bytes,
    /// What became of it.
    pub outcome: Outcome,
    /// When its client had the answer, or lost it.
    pub answered_at: Option<Timestamp>,
}

/// What a client was told: from then on it can know the state of the resource as of that revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// Virtual time.
    pub at: Timestamp,
    /// The list or watch that told it, by its place among the requests.
    pub request: usize,
    /// What it is about.
    pub resource: Resource,
    /// As of when. A stale list goes back.
    pub revision: u64,
    /// How many requests had arrived by then: what is told and what is asked at the same millisecond has an order too.
    pub after_requests: usize,
}

/// Everything since the cluster was made.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// Changes, in order of revision.
    pub mutations: Vec<Mutation>,
    /// Requests, in order of arrival.
    pub requests: Vec<RequestRecord>,
    /// What lists and watches told their clients, in order of time.
    pub deliveries: Vec<Delivery>,
    /// Entries that were not kept because there were too many.
    pub dropped: u64,
}

impl History {
    pub(crate) fn mutation(&mut self, mutation: Mutation) {
        if self.mutations.len() < CAPACITY {
            self.mutations.push(mutation);
        } else {
            self.dropped += 1;
        }
    }

    /// The index under which the request is known from now on.
    pub(crate) fn request(&mut self, request: RequestRecord) -> usize {
        if self.requests.len() < CAPACITY {
            self.requests.push(request);
            self.requests.len() - 1
        } else {
            self.dropped += 1;
            usize::MAX
        }
    }

    pub(crate) fn outcome(&mut self, request: usize, outcome: Outcome, at: Timestamp) {
        if let Some(record) = self.requests.get_mut(request) {
            record.outcome = outcome;
            record.answered_at = Some(at);
        }
    }

    pub(crate) fn delivery(&mut self, delivery: Delivery) {
        if self.deliveries.len() < CAPACITY {
            self.deliveries.push(delivery);
        } else {
            self.dropped += 1;
        }
    }

    /// One line per change and request, without the objects: equal for equal seeds.
    pub fn trace(&self) -> String {
        use std::fmt::Write as _;
        let mut text = String::new();
        for request in &self.requests {
            let _ = writeln!(
                text,
                "{} request {} {} {:?} fault={:?}",
                request.at, request.user, request.line, request.outcome, request.fault
            );
        }
        for mutation in &self.mutations {
            let _ = writeln!(text, "{mutation}");
        }
        text
    }
}

impl std::fmt::Display for Mutation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = match (&self.before, &self.after) {
            (None, _) => "created",
            (_, None) => "removed",
            _ => "changed",
        };
        let part = if self.part == Part::Main { "" } else { " status" };
        write!(
            f,
            "{} rev {} {} {what}{part} {} {}",
            self.at,
            self.revision,
            self.author.user,
            self.resource.kind(),
            self.key
        )
    }
}
