//! Kubernetes events: what people find in `kubectl describe`.

use std::time::Duration;

use flippy_core::{Kind, PolicyName, Timestamp, WorkloadRef};
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::sync::mpsc;

use crate::audience::{Audience, News};
use crate::event_limit::EventLimit;
use crate::lease::Mandate;
use crate::metrics::{EventLabels, Metrics};

/// Events that wait to be sent. They are a courtesy: past this they are dropped, with a line in the log.
const QUEUE: usize = 1000;
/// The API server refuses longer notes.
const MAX_NOTE_LENGTH: usize = 1000;
const TIME_OUT: Duration = Duration::from_secs(10);

/// Whether an event is good news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    Normal,
    Warning,
}

/// Hands events to the task that sends them, one after the other. Nothing waits for it.
#[derive(Clone)]
pub(crate) struct Events {
    queue: mpsc::Sender<(ObjectReference, Note)>,
    metrics: Metrics,
    audience: Audience,
}

struct Note {
    at: Timestamp,
    severity: Severity,
    reason: String,
    text: String,
}

impl Events {
    /// Starts the task; it ends when every handle is dropped and the queue is empty, or with the mandate.
    pub(crate) fn start(
        client: Client,
        instance: String,
        mandate: Mandate,
        metrics: Metrics,
        audience: Audience,
    ) -> (Self, tokio::task::JoinHandle<()>) {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let task = tokio::spawn(send_all(client, instance, mandate, waiting, metrics.clone()));
        (Self { queue, metrics, audience }, task)
    }

    pub(crate) fn on_workload(&self, id: &WorkloadRef, at: Timestamp, reason: &str, text: String) {
        if let Audience::Person(person) = &self.audience {
            let (workload, reason) = (id.named.clone(), reason.to_owned());
            // A person who reads too slowly misses a line; the counters of the next status are right all the same.
            let _ = person.try_send(News::OfWorkload { workload, at, reason, message: text.clone() });
        }
        let (api_version, kind) = match id.named.kind {
            Kind::ArgoRollout => ("argoproj.io/v1alpha1".to_owned(), "Rollout"),
            Kind::ReplicationController => ("v1".to_owned(), "ReplicationController"),
            Kind::Custom(kind) => (kind.api_version(), kind.kind()),
            kind => ("apps/v1".to_owned(), kind.as_str()),
        };
        let reference = reference(&api_version, kind, &id.named.namespace, &id.named.name, &id.uid);
        self.enqueue(reference, Note { at, severity: Severity::Normal, reason: reason.to_owned(), text });
    }

    pub(crate) fn on_config(
        &self,
        name: &PolicyName,
        uid: &str,
        at: Timestamp,
        severity: Severity,
        reason: String,
        text: String,
    ) {
        let reference = reference("keikoproj.io/v1", "FlippyConfig", &name.namespace, &name.name, uid);
        self.enqueue(reference, Note { at, severity, reason, text });
    }

    fn enqueue(&self, reference: ObjectReference, note: Note) {
        // A closed queue is that of a term that is over: its last events are lost, as after a crash.
        if let Err(mpsc::error::TrySendError::Full(_)) = self.queue.try_send((reference, note)) {
            tracing::warn!("an event was dropped: too many wait to be sent");
            self.metrics.events.get_or_create(&EventLabels { outcome: "dropped" }).inc();
        }
    }
}

fn reference(api_version: &str, kind: &str, namespace: &str, name: &str, uid: &str) -> ObjectReference {
    ObjectReference {
        api_version: Some(api_version.to_owned()),
        kind: Some(kind.to_owned()),
        namespace: Some(namespace.to_owned()),
        name: Some(name.to_owned()),
        uid: Some(uid.to_owned()),
        ..ObjectReference::default()
    }
}

async fn send_all(
    client: Client,
    instance: String,
    mandate: Mandate,
    mut waiting: mpsc::Receiver<(ObjectReference, Note)>,
    metrics: Metrics,
) {
    let client = mandate.guard(&client);
    let mut limit = EventLimit::default();
    while let Some((reference, note)) = waiting.recv().await {
        if !mandate.is_held() {
            return;
        }
        if !limit.admits(reference.uid.as_deref().unwrap_or_default()) {
            metrics.events.get_or_create(&EventLabels { outcome: "dropped" }).inc();
            continue;
        }
        let namespace = reference.namespace.clone().unwrap_or_default();
        let event = event(reference, note, &instance);
        let api = Api::<Event>::namespaced(client.clone(), &namespace);
        let sent = tokio::time::timeout(TIME_OUT, api.create(&PostParams::default(), &event)).await;
        let outcome = if matches!(sent, Ok(Ok(_))) { "sent" } else { "failed" };
        metrics.events.get_or_create(&EventLabels { outcome }).inc();
        match sent {
            Ok(Ok(_)) => {}
            // Not tried again: the restart is on the workload itself, and a late event misleads.
            Ok(Err(error)) => tracing::warn!(%error, "an event could not be sent"),
            Err(_) => tracing::warn!("an event could not be sent in time"),
        }
    }
}

fn event(regarding: ObjectReference, note: Note, instance: &str) -> Event {
    let mut text = note.text;
    if let Some((end, _)) = text.char_indices().nth(MAX_NOTE_LENGTH) {
        text.truncate(end);
    }
    // The same name for the same event: sent twice, it exists once. Cut, because names end at 253 characters.
    let subject: String = regarding.name.as_deref().unwrap_or_default().chars().take(200).collect();
    let name = format!("{subject}.{:x}", note.at.as_nanosecond());
    Event {
        metadata: ObjectMeta { name: Some(name), namespace: regarding.namespace.clone(), ..ObjectMeta::default() },
        action: Some(note.reason.clone()),
        event_time: Some(MicroTime(note.at)),
        note: Some(text),
        reason: Some(note.reason),
        regarding: Some(regarding),
        reporting_controller: Some("keikoproj.io/flippy".to_owned()),
        reporting_instance: Some(instance.to_owned()),
        type_: Some(if note.severity == Severity::Normal { "Normal" } else { "Warning" }.to_owned()),
        ..Event::default()
    }
}
