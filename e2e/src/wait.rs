//! Waiting for a state of the cluster, by watch and with a deadline.
//!
//! A check looks at the objects and answers `Ok(value)` when the state is reached, or `Err(reason)` with what is
//! still amiss. After the deadline the last reason is in the error, together with the last state seen.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::pin::pin;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use futures::{Stream, StreamExt};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher::watcher};
use kube::{Api, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};

/// Objects whose last state is shown when a deadline passes. The rest is counted.
const SHOWN_OBJECTS: usize = 5;

/// Characters of each object's status that are shown.
const SHOWN_CHARACTERS: usize = 500;

/// What a check answers: the state is reached, or why it is not.
pub type Check<T> = Result<T, String>;

/// Waits until the objects that `selection` selects pass `check`. `what` completes the sentence "waited for ...".
pub async fn until_all<K, T>(
    api: Api<K>,
    selection: watcher::Config,
    what: &str,
    limit: Duration,
    mut check: impl FnMut(&[&K]) -> Check<T>,
) -> Result<T>
where
    K: Resource + Clone + Debug + DeserializeOwned + Serialize + Send + 'static,
{
    let deadline = Instant::now() + limit;
    let mut events = pin!(watcher(api, selection).default_backoff());
    let mut seen = Seen::default();
    loop {
        let Ok(changed) = timeout_at(deadline, seen.advance(&mut events)).await else {
            bail!("waited {} s for {what}: {}{}", limit.as_secs_f32(), seen.reason, seen.last_state());
        };
        changed?;
        if !seen.complete {
            continue;
        }
        let objects: Vec<&K> = seen.objects.values().collect();
        match check(&objects) {
            Ok(value) => return Ok(value),
            Err(reason) => seen.reason = reason,
        }
    }
}

/// Waits until the object called `name`, or its absence, passes `check`.
pub async fn until<K, T>(
    api: Api<K>,
    name: &str,
    what: &str,
    limit: Duration,
    mut check: impl FnMut(Option<&K>) -> Check<T>,
) -> Result<T>
where
    K: Resource + Clone + Debug + DeserializeOwned + Serialize + Send + 'static,
{
    let selection = watcher::Config::default().fields(&format!("metadata.name={name}"));
    until_all(api, selection, what, limit, |objects| check(objects.first().copied())).await
}

/// Waits until no object called `name` exists.
pub async fn until_gone<K>(api: Api<K>, name: &str, limit: Duration) -> Result<()>
where
    K: Resource + Clone + Debug + DeserializeOwned + Serialize + Send + 'static,
{
    let what = format!("{name} to be gone");
    until(api, name, &what, limit, |object| match object {
        None => Ok(()),
        Some(_) => Err("it is still there".to_owned()),
    })
    .await
}

/// The objects as the watch tells them.
struct Seen<K> {
    objects: BTreeMap<(Option<String>, String), K>,
    /// Whether the first list has been read to its end: before that, absence proves nothing.
    complete: bool,
    reason: String,
}

impl<K> Default for Seen<K> {
    fn default() -> Self {
        Self { objects: BTreeMap::new(), complete: false, reason: "the API server has not answered yet".to_owned() }
    }
}

impl<K: ResourceExt + Serialize> Seen<K> {
    async fn advance(&mut self, events: &mut (impl Stream<Item = watcher::Result<Event<K>>> + Unpin)) -> Result<()> {
        match events.next().await.ok_or_else(|| anyhow!("the watch ended"))? {
            Ok(Event::Init) => {
                self.complete = false;
                self.objects.clear();
            }
            Ok(Event::InitDone) => self.complete = true,
            Ok(Event::Apply(object) | Event::InitApply(object)) => {
                self.objects.insert((object.namespace(), object.name_any()), object);
            }
            Ok(Event::Delete(object)) => {
                self.objects.remove(&(object.namespace(), object.name_any()));
            }
            // The stream tries again after a pause; the deadline bounds how often.
            Err(error) => self.reason = format!("the watch failed: {error}"),
        }
        Ok(())
    }

    fn last_state(&self) -> String {
        let mut lines = Vec::new();
        for ((namespace, name), object) in self.objects.iter().take(SHOWN_OBJECTS) {
            let value = serde_json::to_value(object).unwrap_or_default();
            let namespace = namespace.as_deref().unwrap_or("");
            let status: String = value["status"].to_string().chars().take(SHOWN_CHARACTERS).collect();
            lines.push(format!("\n    last state of {namespace}/{name}: {status}"));
        }
        match self.objects.len().saturating_sub(SHOWN_OBJECTS) {
            0 => {}
            more => lines.push(format!("\n    and {more} objects more")),
        }
        lines.concat()
    }
}
