//! One feed per kind: list, watch, and tell the world what changed.

use std::fmt::Debug;

use futures::{StreamExt, pin_mut};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;

/// Objects per page of the first list. Small pages are many round trips, and their pinned resource version may
/// expire on the way; unpaged, a hundred thousand pods are one body of almost a gigabyte.
const PAGE_SIZE: u32 = 2000;

/// What a feed tells of one kind.
#[derive(Debug)]
pub(crate) enum Change<R> {
    /// A list begins: what is not seen before `ListEnds` does not exist any more.
    ListBegins,
    /// The list has this.
    Listed(R),
    /// The list is complete.
    ListEnds,
    /// This was added or changed.
    Changed(R),
    /// This is gone.
    Gone(R),
    /// The list or watch failed; it is tried again by itself.
    Failed(String),
}

/// Watches one kind until cancelled. `record` makes of each object what is kept of it.
///
/// Nothing is decided here, and nothing is lost: a full channel slows the watch down.
pub(crate) async fn run<K, R, D>(
    api: Api<K>,
    config: watcher::Config,
    mut record: impl FnMut(K) -> R,
    wrap: impl Fn(Change<R>) -> D,
    deltas: mpsc::Sender<D>,
    stop: CancellationToken,
) where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let mut backoff = Backoff::default();
    let config = config.page_size(PAGE_SIZE);
    while !stop.is_cancelled() {
        let stream = watcher(api.clone(), config.clone());
        pin_mut!(stream);
        loop {
            let event = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                event = stream.next() => event,
            };
            let Some(event) = event else { break };
            let (change, failed) = match event {
                Ok(Event::Init) => (Change::ListBegins, None),
                Ok(Event::InitApply(object)) => (Change::Listed(record(object)), None),
                Ok(Event::InitDone) => (Change::ListEnds, None),
                Ok(Event::Apply(object)) => (Change::Changed(record(object)), None),
                Ok(Event::Delete(object)) => (Change::Gone(record(object)), None),
                Err(error) => (Change::Failed(explain(&error)), Some(needs_new_list(&error))),
            };
            if deltas.send(wrap(change)).await.is_err() {
                return;
            }
            if let Some(needs_new_list) = failed {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(backoff.after_failure()) => {}
                }
                if needs_new_list {
                    break;
                }
            }
        }
    }
}

/// `kube`'s watcher lists anew on a 410 inside the stream, but not on one that answers the watch request itself:
/// it would ask for the same expired version for ever.
fn needs_new_list(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::WatchStartFailed(kube::Error::Api(status)) if status.code == 410)
}

fn explain(error: &watcher::Error) -> String {
    let cause: &dyn std::error::Error = match error {
        watcher::Error::InitialListFailed(cause)
        | watcher::Error::WatchStartFailed(cause)
        | watcher::Error::WatchFailed(cause) => cause,
        watcher::Error::WatchError(status) => return status.message.clone(),
        watcher::Error::NoResourceVersion => error,
    };
    match cause.downcast_ref::<kube::Error>() {
        Some(kube::Error::Api(status)) => status.message.clone(),
        _ => cause.to_string(),
    }
}
