//! Watches: events from a revision on, bookmarks, and every way they end.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use crate::{Json, json};
use bytes::Bytes;
use futures::Stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, StreamBody};
use tokio::time::Instant;

use crate::error::ApiError;
use crate::link::{Link, LinkState};
use crate::list::Selection;
use crate::log::Change;
use crate::present::{Form, Presented};
use crate::request::{ApiRequest, Show};
use crate::rng::Rng;
use crate::shared::Shared;
use crate::signal::Listener;
use crate::text::Text;
use crate::world::World;

/// How often a quiet watch hears the current revision, unless told otherwise (k/k cacher `bookmarkFrequency`).
pub(crate) const BOOKMARK_INTERVAL: Duration = Duration::from_mins(1);
/// How long before its end a watch hears it for the last time.
const LAST_BOOKMARK: Duration = Duration::from_secs(2);
/// How long a watch lasts when the client does not say.
const DEFAULT_TIMEOUT_SECONDS: u64 = 30 * 60;

/// A body as the client reads it.
pub(crate) type ReplyBody = UnsyncBoxBody<Bytes, std::io::Error>;

/// An accepted watch.
pub(crate) struct Watch {
    selection: Selection,
    form: Form,
    /// The newest revision the client has heard of.
    cursor: u64,
    /// The state a fresh watch begins with.
    initial: Vec<u8>,
    /// How often it hears the current revision, if it wants to.
    bookmarks: Option<Duration>,
    lifetime: Duration,
    /// Ends in a broken connection rather than in a clean one.
    breaks: bool,
    rng: Rng,
}

/// Accepts or refuses a watch.
pub(crate) fn begin(world: &World, request: &ApiRequest, form: Form, mut rng: Rng) -> Result<Watch, ApiError> {
    let query = &request.query;
    let selection = Selection::of(request)?;
    let revision = world.store.revision();
    let version = query.resource_version.as_deref().unwrap_or_default();
    let from: u64 = if version.is_empty() {
        0
    } else {
        version.parse().map_err(|_| ApiError::bad_request(format!("invalid resource version {version}")))?
    };
    // Unlike a list, a plain watch waits for a revision that is still to come.
    if from > revision && query.initial_events {
        return Err(ApiError::too_large_revision(from, revision));
    }
    if query.initial_events && (query.resource_version_match.as_deref() != Some("NotOlderThan") || !query.bookmarks) {
        let why = "sendInitialEvents: Forbidden: needs resourceVersionMatch=NotOlderThan and allowWatchBookmarks=true";
        return Err(ApiError::invalid(request.resource, "", why));
    }
    let mut initial = Vec::new();
    let from_the_start = query.initial_events || from == 0;
    if from_the_start {
        for (key, object) in world
            .store
            .range(request.resource, request.namespace.as_deref(), None)
            .filter(|(_, object)| selection.matches(object))
        {
            let text = world.store.text(request.resource, key, object);
            write_event(&mut initial, "ADDED", object, text, form);
        }
        if query.initial_events {
            write_bookmark(&mut initial, revision, form, true);
        }
    }
    let mut lifetime = Duration::from_secs(query.timeout_seconds.unwrap_or(DEFAULT_TIMEOUT_SECONDS));
    let breaks = rng.hit(world.faults.dropped_watch);
    if breaks {
        lifetime = lifetime.min(Duration::from_millis(rng.below(60_000)));
    }
    let cursor = if from_the_start { revision } else { from };
    let bookmarks = query.bookmarks.then_some(world.bookmark_interval);
    Ok(Watch { selection, form, cursor, initial, bookmarks, lifetime, breaks, rng })
}

impl Watch {
    /// `record` is the place of the request in the history.
    pub(crate) fn into_body(self, shared: Arc<Shared>, link: &Arc<Link>, record: usize) -> ReplyBody {
        let stream = self.stream(shared, link, record);
        StreamBody::new(stream).boxed_unsync()
    }

    fn stream(
        self,
        shared: Arc<Shared>,
        link: &Arc<Link>,
        record: usize,
    ) -> impl Stream<Item = Result<http_body::Frame<Bytes>, std::io::Error>> + Send + use<> {
        let changed = shared.with(|world| world.store.changes_of(self.selection.resource));
        let now = Instant::now();
        let running = Running {
            deadline: now + self.lifetime,
            is_bookmark_due: false,
            next_bookmark: self.bookmarks.map(|interval| next_bookmark(now, interval, now + self.lifetime)),
            watch: self,
            shared,
            record,
            // Keeping the link itself would do too, but a watch must not keep a cut client's fuse alive.
            link: link.subscribe(),
            changed,
            ended: false,
        };
        futures::stream::unfold(running, |mut running| async move {
            let next = running.next().await?;
            running.ended |= next.is_err();
            Some((next.map(http_body::Frame::data), running))
        })
    }
}

/// Every `interval`, and once more shortly before the end, so that the next watch resumes close to it (k/k cacher `nextBookmarkTime`).
fn next_bookmark(now: Instant, interval: Duration, deadline: Instant) -> Instant {
    let regular = now + interval;
    match deadline.checked_sub(LAST_BOOKMARK) {
        Some(last) if last > now => regular.min(last),
        _ => regular,
    }
}

struct Running {
    watch: Watch,
    shared: Arc<Shared>,
    record: usize,
    link: Listener<LinkState>,
    changed: Listener<u64>,
    deadline: Instant,
    next_bookmark: Option<Instant>,
    is_bookmark_due: bool,
    ended: bool,
}

/// What misfortune makes of a batch of events.
struct Batch {
    lines: Vec<u8>,
    delay: Duration,
    dropped: bool,
    last: bool,
    /// The definition of the resource is gone, and with it its watches.
    unserved: bool,
}

impl Running {
    /// The next piece of the body; None when it ends cleanly.
    async fn next(&mut self) -> Option<Result<Bytes, std::io::Error>> {
        loop {
            if self.ended {
                return None;
            }
            if self.wait_for_link().await.is_err() {
                return Some(Err(std::io::ErrorKind::ConnectionReset.into()));
            }
            if !self.watch.initial.is_empty() {
                self.tell();
                return Some(Ok(std::mem::take(&mut self.watch.initial).into()));
            }
            self.changed.mark_unchanged();
            let watch = &mut self.watch;
            let batch = self.shared.with(|world| watch.batch(world));
            if batch.dropped {
                return Some(Err(std::io::ErrorKind::UnexpectedEof.into()));
            }
            self.ended = batch.last || batch.unserved;
            if !batch.lines.is_empty() {
                if !batch.delay.is_zero() {
                    tokio::time::sleep(batch.delay).await;
                }
                if !batch.last {
                    self.tell();
                }
                return Some(Ok(batch.lines.into()));
            }
            if batch.unserved {
                return None;
            }
            // Only now: it tells the client that there was nothing up to this revision.
            if std::mem::take(&mut self.is_bookmark_due) {
                let mut line = Vec::new();
                write_bookmark(&mut line, self.watch.cursor, self.watch.form, false);
                return Some(Ok(line.into()));
            }
            tokio::select! {
                biased;
                () = self.link.changed() => {}
                () = self.changed.changed() => {}
                () = tokio::time::sleep_until(self.deadline) => {
                    return self.watch.breaks.then(|| Err(std::io::ErrorKind::ConnectionReset.into()));
                }
                due = reached(self.next_bookmark) => {
                    self.is_bookmark_due = true;
                    self.next_bookmark = self.watch.bookmarks.map(|interval| next_bookmark(due, interval, self.deadline));
                }
            }
        }
    }

    fn tell(&self) {
        let (resource, revision) = (self.watch.selection.resource, self.watch.cursor);
        self.shared.with(|world| world.tell(self.record, resource, revision));
    }

    async fn wait_for_link(&mut self) -> Result<(), ()> {
        match self.link.wait_for(|state| state != LinkState::Silent).await {
            LinkState::Up => Ok(()),
            _ => Err(()),
        }
    }
}

/// Waits for an instant, and tells it; for ever if there is none.
async fn reached(instant: Option<Instant>) -> Instant {
    let Some(instant) = instant else { return std::future::pending().await };
    tokio::time::sleep_until(instant).await;
    instant
}

impl Watch {
    /// Everything since the cursor, as far as misfortune lets it through.
    fn batch(&mut self, world: &World) -> Batch {
        let mut batch = Batch {
            lines: Vec::new(),
            delay: Duration::ZERO,
            dropped: false,
            last: false,
            unserved: !world.is_served(self.selection.resource),
        };
        let Some(changes) = world.store.log(self.selection.resource).since(self.cursor) else {
            write_gone(&mut batch.lines, self.cursor);
            batch.last = true;
            return batch;
        };
        let faults = &world.faults;
        for change in changes.filter(|change| self.selection.contains(&change.key)) {
            let start = batch.lines.len();
            self.write_change(&mut batch.lines, change);
            let end = batch.lines.len();
            if end > start && self.rng.hit(faults.duplicated_event) {
                batch.lines.extend_from_within(start..end);
            }
        }
        self.cursor = self.cursor.max(world.store.revision());
        if batch.lines.is_empty() {
            return batch;
        }
        batch.dropped = self.rng.hit(faults.dropped_watch);
        if self.rng.hit(faults.gone_event) {
            batch.lines.clear();
            write_gone(&mut batch.lines, self.cursor);
            batch.last = true;
        }
        if self.rng.hit(faults.delayed_event) {
            batch.delay = Duration::from_millis(self.rng.below(faults.delay_milliseconds + 1));
        }
        batch
    }

    /// Objects come into and fall out of a selection; to the watcher that is creation and deletion.
    fn write_change(&self, lines: &mut Vec<u8>, change: &Change) {
        let before = change.before.as_ref().filter(|before| self.selection.matches(before));
        let after = Some(&change.object).filter(|after| !change.deleted && self.selection.matches(after));
        let text = Some(&change.text);
        match (before, after) {
            (None, None) => {}
            (None, Some(after)) => write_event(lines, "ADDED", after, text, self.form),
            (Some(_), Some(after)) => write_event(lines, "MODIFIED", after, text, self.form),
            (Some(_), None) if change.deleted => write_event(lines, "DELETED", &change.object, text, self.form),
            (Some(before), None) => {
                let mut last = before.clone();
                last["metadata"]["resourceVersion"] = json!(change.revision.to_string());
                write_event(lines, "DELETED", &last, None, self.form);
            }
        }
    }
}

fn write_event(lines: &mut Vec<u8>, kind: &str, object: &Json, text: Option<&Text>, form: Form) {
    lines.extend_from_slice(b"{\"type\":\"");
    lines.extend_from_slice(kind.as_bytes());
    lines.extend_from_slice(b"\",\"object\":");
    Presented { object, form, typeless: false }.write(lines, text);
    lines.extend_from_slice(b"}\n");
}

/// Written by hand: where they come every minute there are more of these than of changes.
fn write_bookmark(lines: &mut Vec<u8>, revision: u64, form: Form, initial_events_end: bool) {
    let annotations = if initial_events_end { r#"{"k8s.io/initial-events-end":"true"}"# } else { "{}" };
    let (version, kind) = match form.show {
        Show::Whole if form.new_events => ("events.k8s.io/v1", form.resource.kind()),
        Show::Whole => (form.resource.api_version(), form.resource.kind()),
        Show::Metadata => ("meta.k8s.io/v1", "PartialObjectMetadata"),
    };
    let line = format!(
        "{{\"type\":\"BOOKMARK\",\"object\":{{\"apiVersion\":\"{version}\",\"kind\":\"{kind}\",\"metadata\":{{\"annotations\":{annotations},\"creationTimestamp\":null,\"resourceVersion\":\"{revision}\"}}}}}}\n"
    );
    lines.extend_from_slice(line.as_bytes());
}

fn write_gone(lines: &mut Vec<u8>, cursor: u64) {
    let status = ApiError::gone(format!("too old resource version: {cursor}")).status();
    let event = json!({"type": "ERROR", "object": status});
    lines.extend_from_slice(event.to_string().as_bytes());
    lines.push(b'\n');
}

/// A body that is there at once.
pub(crate) fn whole(bytes: Vec<u8>) -> ReplyBody {
    http_body_util::Full::new(Bytes::from(bytes)).map_err(|never: Infallible| match never {}).boxed_unsync()
}
