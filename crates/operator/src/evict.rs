//! Carries out evictions: nothing else takes pods away.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use flippy_core::Eviction;
use k8s_openapi::api::core::v1::Pod;
use kube::core::Status;
use kube::{Client, Resource};
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// How long the API server may take to answer.
const TIME_OUT: Duration = Duration::from_secs(30);

/// What became of an eviction. None of these is an error: each has its place in the plan.
#[derive(Debug)]
pub(crate) enum Evicted {
    /// The pod is on its way out.
    Done,
    /// There is no such pod any more.
    Gone,
    /// The pod changed since the decision, which is to be taken again on what it is now.
    Outdated,
    /// A disruption budget forbids it now. That is what budgets are for: it is waited for.
    ForbiddenByBudget {
        /// One line for people.
        message: String,
        /// When the API server wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// The API server did not carry it out, or nobody knows. Trying again is safe: the same pod is evicted once.
    Refused {
        /// One line for people.
        message: String,
        /// When the API server wants to be asked again.
        retry_after: Option<Duration>,
        /// Whether the API server is in trouble, rather than this pod.
        transient: bool,
    },
}

/// Evictions that are on their way to the API server.
#[derive(Default)]
pub(crate) struct Evictions {
    /// Uids of their workloads.
    workloads: BTreeSet<Arc<str>>,
    tasks: JoinSet<(Eviction, Evicted)>,
}

impl Evictions {
    /// Uids of the workloads of which a pod is being evicted.
    pub(crate) fn workloads(&self) -> BTreeSet<Arc<str>> {
        self.workloads.clone()
    }

    /// Sends one: exactly one request.
    pub(crate) fn send(&mut self, client: Client, eviction: Eviction) {
        self.workloads.insert(eviction.workload.uid.clone());
        self.tasks.spawn(async move {
            let evicted = evict(client, &eviction).await;
            (eviction, evicted)
        });
    }

    /// Waits for the next answer; for ever while none is expected.
    pub(crate) async fn answered(&mut self) -> (Eviction, Evicted) {
        match self.tasks.join_next().await {
            Some(Ok(answer)) => {
                self.workloads.remove(&answer.0.workload.uid);
                answer
            }
            // A bug: starting anew is safer than a workload that is never gone on with.
            Some(Err(panicked)) => std::panic::resume_unwind(panicked.into_panic()),
            None => std::future::pending().await,
        }
    }

    /// Waits for all that are on their way. What became of them is read from the cluster next time.
    pub(crate) async fn finish(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

async fn evict(client: Client, eviction: &Eviction) -> Evicted {
    let pods = Pod::url_path(&(), Some(&eviction.workload.named.namespace));
    let path = format!("{pods}/{}/eviction", eviction.pod_name);
    let request = http::Request::post(path).header("content-type", "application/json");
    let request = match request.body(body(eviction).to_string().into_bytes()) {
        Ok(request) => request,
        Err(error) => return unanswered(error.to_string()),
    };
    match tokio::time::timeout(TIME_OUT, client.request::<Status>(request)).await {
        Ok(Ok(_)) => Evicted::Done,
        Ok(Err(error)) => classify(&error),
        Err(_) => unanswered(format!("no answer within {} s", TIME_OUT.as_secs())),
    }
}

/// By hand: what `kube` calls `EvictParams::delete_options` never arrives (kube 5.0 writes it as `delete_options`, which the API
/// server does not know), and without preconditions an eviction may take a pod that nobody decided on.
fn body(eviction: &Eviction) -> Value {
    let mut preconditions = json!({"uid": eviction.pod_uid});
    if eviction.pod_revision > 0 {
        preconditions["resourceVersion"] = json!(eviction.pod_revision.to_string());
    }
    json!({
        "apiVersion": "policy/v1", "kind": "Eviction",
        "metadata": {"namespace": eviction.workload.named.namespace, "name": eviction.pod_name},
        "deleteOptions": {"preconditions": preconditions},
    })
}

fn classify(error: &kube::Error) -> Evicted {
    let kube::Error::Api(status) = error else { return unanswered(error.to_string()) };
    let details = status.details.as_ref();
    let retry_after = details
        .map(|details| u64::from(details.retry_after_seconds))
        .filter(|seconds| *seconds > 0)
        .map(Duration::from_secs);
    let cause = details.and_then(|details| details.causes.iter().find(|cause| cause.reason == "DisruptionBudget"));
    match (status.code, cause) {
        (404, _) => Evicted::Gone,
        (409, _) => Evicted::Outdated,
        (429, Some(cause)) => Evicted::ForbiddenByBudget { message: cause.message.clone(), retry_after },
        (code, _) => Evicted::Refused {
            message: status.message.clone(),
            retry_after,
            transient: matches!(code, 429 | 503 | 504),
        },
    }
}

fn unanswered(message: String) -> Evicted {
    Evicted::Refused { message, retry_after: None, transient: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(code: u16, details: &Value) -> Evicted {
        let status = json!({"status": "Failure", "message": "no", "code": code, "details": details});
        let status: Status = serde_json::from_value(status).expect("the API server could say this");
        classify(&kube::Error::Api(Box::new(status)))
    }

    #[test]
    fn a_budget_that_forbids_an_eviction_is_no_trouble_of_the_api_server() {
        let causes =
            json!([{"reason": "DisruptionBudget", "message": "The disruption budget web needs 2 healthy pods"}]);
        let forbidden = answered(429, &json!({"causes": causes, "retryAfterSeconds": 10}));
        let Evicted::ForbiddenByBudget { message, retry_after } = forbidden else { panic!("{forbidden:?}") };
        assert_eq!(message, "The disruption budget web needs 2 healthy pods");
        assert_eq!(retry_after, Some(Duration::from_secs(10)));
    }

    #[test]
    fn a_busy_api_server_is_trouble_for_all() {
        assert!(matches!(answered(429, &json!({})), Evicted::Refused { transient: true, .. }));
    }

    #[test]
    fn two_budgets_for_one_pod_are_trouble_of_that_pod_alone() {
        assert!(matches!(answered(500, &json!({})), Evicted::Refused { transient: false, .. }));
    }

    #[test]
    fn a_pod_that_is_not_the_one_that_was_seen_is_not_evicted() {
        let named = flippy_core::NamedWorkload {
            kind: flippy_core::Kind::StatefulSet,
            namespace: "shop".into(),
            name: "db".into(),
        };
        let eviction = Eviction {
            workload: flippy_core::WorkloadRef { named, uid: "w".into() },
            generation: 1,
            pod_name: "db-0".into(),
            pod_uid: "p".into(),
            pod_revision: 7,
        };
        let expected = json!({"preconditions": {"uid": "p", "resourceVersion": "7"}});
        assert_eq!(body(&eviction)["deleteOptions"], expected);
    }
}
