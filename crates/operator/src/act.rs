//! Carries out restarts: nothing else changes workloads.

use std::fmt::Debug;
use std::time::Duration;

use flippy_core::{Kind, Method, PolicyName, Start, Workload, annotation};
use kube::api::{Patch, PatchParams};
use kube::core::ApiResource;
use kube::{Api, Client};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tracing::Instrument as _;
use tracing::field::Empty;

use crate::interner::Interner;
use crate::slim::{
    SlimCustom, SlimDaemonSet, SlimDeployment, SlimOwnReplicaSet, SlimReplicationController, SlimRollout,
    SlimStatefulSet, SlimWorkload,
};

/// Who appears in `managedFields` for what Flippy sets.
pub const FIELD_MANAGER: &str = "flippy";

/// How long the API server may take to answer. It takes webhooks into account, which may take ten seconds each.
const TIME_OUT: Duration = Duration::from_secs(30);

/// What became of a restart. None of these is an error: each has its place in the plan.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Done; this is the workload since.
    Restarted(Box<Workload>),
    /// It changed since the decision, which is to be taken again on what it is now.
    Outdated,
    /// It does not exist any more.
    Gone,
    /// It was not sent, because one before it in the batch was not carried out: it is decided anew.
    NotSent,
    /// The API server did not carry it out, or nobody knows: the answer was lost. The guard on the generation makes
    /// trying again safe in both cases.
    Refused {
        /// One line for people.
        message: String,
        /// When the API server wants to be asked again.
        retry_after: Option<Duration>,
        /// Whether the API server is in trouble, rather than this workload.
        transient: bool,
        /// Whether it may have been carried out all the same: the answer was lost.
        unanswered: bool,
    },
}

impl Outcome {
    /// One word for metrics and traces.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Restarted(_) => "restarted",
            Self::Outdated => "outdated",
            Self::Gone => "gone",
            Self::NotSent => "not-sent",
            Self::Refused { .. } => "refused",
        }
    }
}

/// One restart, with all that its request is made of.
pub(crate) struct Restart {
    pub(crate) start: Start,
    pub(crate) workload: Workload,
    /// How its kind is served, if that is a custom one.
    pub(crate) resource: Option<ApiResource>,
}

/// Carries out one restart: exactly one request.
pub(crate) async fn restart(client: Client, policy: &PolicyName, restart: Restart) -> Outcome {
    let Restart { start, workload, resource } = restart;
    let span = tracing::info_span!(
        "restart", workload = %start.id, token = %start.token, config = %policy, outcome = Empty,
        otel.status_code = Empty, otel.status_description = Empty
    );
    let patch = patch(&start, &workload);
    let sent = async {
        match start.id.named.kind {
            Kind::Deployment => send_known::<SlimDeployment>(client, &start, patch).await,
            Kind::StatefulSet => send_known::<SlimStatefulSet>(client, &start, patch).await,
            Kind::DaemonSet => send_known::<SlimDaemonSet>(client, &start, patch).await,
            Kind::ArgoRollout => send_known::<SlimRollout>(client, &start, patch).await,
            Kind::ReplicaSet => send_known::<SlimOwnReplicaSet>(client, &start, patch).await,
            Kind::ReplicationController => send_known::<SlimReplicationController>(client, &start, patch).await,
            Kind::Custom(kind) => match resource {
                None => Outcome::NotSent,
                Some(resource) => {
                    let api = Api::<SlimCustom>::namespaced_with(client, &start.id.named.namespace, &resource);
                    let record = |object: SlimCustom| object.record(kind, &mut Interner::new());
                    send(api, &start, patch, record).await
                }
            },
        }
    };
    let outcome = sent.instrument(span.clone()).await;
    span.record("outcome", outcome.word());
    if let Outcome::Refused { message, .. } = &outcome {
        span.record("otel.status_code", "ERROR");
        span.record("otel.status_description", message.as_str());
    }
    outcome
}

async fn send_known<K: SlimWorkload>(client: Client, start: &Start, patch: Value) -> Outcome {
    let api = Api::<K>::namespaced(client, &start.id.named.namespace);
    send(api, start, patch, |object| object.record(&mut Interner::new())).await
}

async fn send<K>(api: Api<K>, start: &Start, patch: Value, record: impl FnOnce(K) -> Workload) -> Outcome
where
    K: Clone + DeserializeOwned + Debug,
{
    let patch = match serde_json::from_value(patch) {
        Ok(patch) => Patch::Json::<()>(patch),
        Err(error) => return unanswered(error.to_string()),
    };
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    match tokio::time::timeout(TIME_OUT, api.patch(&start.id.named.name, &params, &patch)).await {
        Ok(Ok(object)) => Outcome::Restarted(Box::new(record(object))),
        Ok(Err(error)) => classify(&error),
        Err(_) => unanswered(format!("no answer within {} s", TIME_OUT.as_secs())),
    }
}

fn classify(error: &kube::Error) -> Outcome {
    let kube::Error::Api(status) = error else { return unanswered(error.to_string()) };
    let details = status.details.as_ref();
    match status.code {
        404 => Outcome::Gone,
        409 => Outcome::Outdated,
        // A `test` that fails is answered with 422 and no cause; a spec that is not valid comes with causes.
        422 if details.is_none_or(|details| details.causes.is_empty()) => Outcome::Outdated,
        code => Outcome::Refused {
            message: status.message.clone(),
            // A 500 is mostly a webhook of this workload's namespace; the others may go on.
            transient: matches!(code, 429 | 503 | 504),
            // A time-out inside the API server (504, or 500 from a webhook) says nothing about the write.
            unanswered: code >= 500,
            retry_after: details
                .map(|details| u64::from(details.retry_after_seconds))
                .filter(|seconds| *seconds > 0)
                .map(Duration::from_secs),
        },
    }
}

fn unanswered(message: String) -> Outcome {
    Outcome::Refused { message, retry_after: None, transient: true, unanswered: true }
}

const OWN_ANNOTATIONS: &str = "/metadata/annotations";

/// What a restart by eviction leaves on the object.
const MARK: [&str; 4] =
    [annotation::RESTARTED_FOR, annotation::RESTARTED_AT, annotation::EVICTS_UNTIL, annotation::UNHEALTHY_BEFORE];

fn pointer(parent: &str, key: &str) -> String {
    format!("{parent}/{}", key.replace('/', "~1"))
}

/// One JSON patch that applies only to the very object and generation that the decision was taken on.
///
/// Without the `test` on the generation, a decision taken on stale data would restart a workload twice.
fn patch(start: &Start, workload: &Workload) -> Value {
    let mut patch = vec![
        json!({"op": "test", "path": "/metadata/uid", "value": start.id.uid}),
        json!({"op": "test", "path": "/metadata/generation", "value": start.generation}),
    ];
    let (parent, present) = match start.method {
        Method::RestartAt | Method::Evict => (OWN_ANNOTATIONS, &workload.annotations),
        Method::Patch => ("/spec/template/metadata/annotations", &workload.template_annotations),
    };
    if start.method == Method::Evict && !present.is_empty() {
        // A change of annotations does not change the generation: what was decided on is the mark that was seen.
        for key in [annotation::RESTARTED_FOR, annotation::RESTARTED_AT] {
            let seen = workload.annotations.get(key);
            patch.push(json!({"op": "test", "path": pointer(OWN_ANNOTATIONS, key), "value": seen}));
        }
    }
    if present.is_empty() {
        // `add` replaces what is there, and a change of the object's own annotations does not change its generation. One of the
        // template does; and in a custom resource an empty map is stored as it was written, so null would be wrong there.
        if parent == OWN_ANNOTATIONS {
            patch.push(json!({"op": "test", "path": parent, "value": null}));
        }
        patch.push(json!({"op": "add", "path": parent, "value": {}}));
    }
    let mut annotate = |key: &str, value: String| {
        patch.push(json!({"op": "add", "path": pointer(parent, key), "value": value}));
    };
    let token = start.token.to_string();
    annotate(annotation::RESTARTED_AT, start.at.to_string());
    if start.unhealthy_before {
        annotate(annotation::UNHEALTHY_BEFORE, token.clone());
    }
    annotate(annotation::RESTARTED_FOR, token);
    if let Some(until) = start.evicts_until {
        annotate(annotation::EVICTS_UNTIL, until.to_string());
    }
    if !start.unhealthy_before && present.contains_key(annotation::UNHEALTHY_BEFORE) {
        // Who goes back to earlier images restarts with the same token again: it would be believed.
        patch.push(json!({"op": "remove", "path": pointer(parent, annotation::UNHEALTHY_BEFORE)}));
    }
    if start.method == Method::Patch && workload.annotations.contains_key(annotation::EVICTS_UNTIL) {
        // A mark on the object would be taken for the later one.
        for key in MARK.into_iter().filter(|key| workload.annotations.contains_key(*key)) {
            patch.push(json!({"op": "remove", "path": pointer(OWN_ANNOTATIONS, key)}));
        }
    }
    if start.method == Method::RestartAt {
        patch.push(json!({"op": "add", "path": "/spec/restartAt", "value": start.at.to_string()}));
    }
    Value::Array(patch)
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn answered(code: u16, retry_after_seconds: u32) -> Outcome {
        let status = json!({"status": "Failure", "code": code, "details": {"retryAfterSeconds": retry_after_seconds}});
        let status: Status = serde_json::from_value(status).expect("the API server could say this");
        classify(&kube::Error::Api(Box::new(status)))
    }

    #[test]
    fn a_busy_api_server_is_trouble_for_all_and_a_webhook_that_fails_is_not() {
        let is_trouble = |code| matches!(answered(code, 0), Outcome::Refused { transient: true, .. });
        assert_eq!([429, 503, 504].map(is_trouble), [true; 3]);
        assert_eq!([400, 403, 422, 500].map(is_trouble), [false; 4]);
    }

    #[test]
    fn how_long_a_busy_api_server_wants_to_be_left_alone_is_understood() {
        let wait = |seconds| match answered(429, seconds) {
            Outcome::Refused { retry_after, .. } => retry_after.map(|wait| wait.as_secs()),
            other => panic!("{other:?}"),
        };
        assert_eq!((wait(7), wait(0)), (Some(7), None));
    }
}
