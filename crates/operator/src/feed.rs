//! One feed per kind: list, watch, and tell the world what changed.

use std::fmt::Debug;
use std::time::Duration;

use futures::{StreamExt, pin_mut};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use crate::backoff::Backoff;

/// Objects per page of the first list. Small pages are many round trips, and their pinned resource version may
/// expire on the way; unpaged, a hundred thousand pods are one body of almost a gigabyte.
const PAGE_SIZE: u32 = 2000;

/// How long a watch may fail until what it showed counts as unknown. Mutations are guarded by what they were decided on,
/// but a gate that is judged by a picture of long ago is no gate.
const LOST_AFTER: Duration = Duration::from_mins(1);

/// What a feed tells of one kind.
#[derive(Debug)]
pub(crate) enum Change<R> {
    /// Something about one object.
    Item(Item<R>),
    /// Something about the feed itself.
    Signal(Signal),
}

/// What a feed tells of one object.
#[derive(Debug)]
pub(crate) enum Item<R> {
    /// The list has this.
    Listed(R),
    /// This was added or changed.
    Changed(R),
    /// This is gone.
    Gone(R),
}

/// What a feed tells of itself.
#[derive(Debug)]
pub(crate) enum Signal {
    /// A list begins: what is not seen before `ListEnds` does not exist any more.
    ListBegins,
    /// The list is complete.
    ListEnds,
    /// The list or watch failed; it is tried again by itself.
    Failed(String),
    /// It has failed for so long that what was seen before must not be believed any more. A new list begins.
    Lost(String),
}

/// Watches one kind until it is dropped, or nobody listens any more. `record` makes of each object what is kept of it.
///
/// Nothing is decided here, and nothing is lost: a full channel slows the watch down.
pub(crate) async fn run<K, R, D>(
    api: Api<K>,
    config: watcher::Config,
    mut record: impl FnMut(K) -> R,
    wrap: impl Fn(Change<R>) -> D,
    deltas: mpsc::Sender<D>,
) where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let mut backoff = Backoff::default();
    let config = config.page_size(PAGE_SIZE);
    loop {
        let stream = watcher(api.clone(), config.clone());
        pin_mut!(stream);
        while let Some(event) = stream.next().await {
            let mut failure = None;
            let change = match event {
                Ok(Event::Init) => Change::Signal(Signal::ListBegins),
                Ok(Event::InitApply(object)) => Change::Item(Item::Listed(record(object))),
                Ok(Event::InitDone) => Change::Signal(Signal::ListEnds),
                Ok(Event::Apply(object)) => Change::Item(Item::Changed(record(object))),
                Ok(Event::Delete(object)) => Change::Item(Item::Gone(record(object))),
                Err(error) => {
                    let delay = backoff.after_failure();
                    let is_lost = backoff.outage() >= LOST_AFTER;
                    failure = Some((delay, is_lost || needs_new_list(&error)));
                    let message = explain(&error);
                    Change::Signal(if is_lost { Signal::Lost(message) } else { Signal::Failed(message) })
                }
            };
            if deltas.send(wrap(change)).await.is_err() {
                return;
            }
            let Some((delay, needs_new_list)) = failure else { continue };
            tokio::time::sleep(delay).await;
            if needs_new_list {
                break;
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

#[cfg(test)]
mod tests {
    use http::{Request, Response};
    use k8s_openapi::api::core::v1::Namespace;
    use kube::client::Body;
    use kube::{Api, Client};
    use tokio::time::Instant;

    use super::*;

    /// A server that lists namespaces, and never lets anybody watch them.
    fn unwatchable() -> Client {
        let answer = |request: Request<Body>| async move {
            let watch = request.uri().query().is_some_and(|query| query.contains("watch=true"));
            let (status, body) = if watch {
                (500, r#"{"kind": "Status", "status": "Failure", "message": "out of order", "code": 500}"#)
            } else {
                (
                    200,
                    r#"{"kind": "NamespaceList", "apiVersion": "v1", "metadata": {"resourceVersion": "7"}, "items": []}"#,
                )
            };
            let response = Response::builder().status(status).body(Body::from(body.as_bytes().to_vec()));
            Ok::<_, std::convert::Infallible>(response.expect("the parts are valid"))
        };
        Client::new(tower::service_fn(answer), "default")
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_fails_for_a_minute_is_lost_and_listed_anew() {
        let (deltas, mut told) = mpsc::channel(1);
        let api = Api::<Namespace>::all(unwatchable());
        tokio::spawn(run(api, watcher::Config::default(), drop, |change| change, deltas));
        let began = Instant::now();
        let mut failures = 0;
        while let Some(change) = told.recv().await {
            match change {
                Change::Signal(Signal::Failed(_)) => failures += 1,
                Change::Signal(Signal::Lost(message)) => {
                    assert_eq!(message, "out of order");
                    break;
                }
                _ => {}
            }
        }
        assert!(failures > 1, "it was lost after {failures} failures");
        assert!(began.elapsed() >= LOST_AFTER, "it was lost after {:?}", began.elapsed());
        let next = told.recv().await;
        assert!(matches!(next, Some(Change::Signal(Signal::ListBegins))), "{next:?}");
    }
}
