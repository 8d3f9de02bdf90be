//! Asks admission what a new pod of one workload would get: the template is read, and a pod made from it is created on a
//! dry run.

use std::sync::Arc;
use std::time::Duration;

use flippy_core::{
    AdmissionAnswer, AdmissionQuestion, AskedAbout, ImageRef, Kind, NamedWorkload, NewPod, Timestamp, Workload,
};
use kube::api::{ApiResource, DynamicObject, ListParams, PostParams};
use kube::core::Request;
use kube::{Api, Client, Resource};
use serde::Deserialize as _;
use serde_json::Value;

use crate::act::FIELD_MANAGER;
use crate::ask::quoted;
use crate::interner::Interner;
use crate::new_pod::new_pod;
use crate::slim::{
    SlimCustom, SlimDaemonSet, SlimDeployment, SlimOwnReplicaSet, SlimPod, SlimReplicationController, SlimRollout,
    SlimStatefulSet, SlimWorkload,
};

/// How long both requests may take. Webhooks may take ten seconds each.
const TIME_OUT: Duration = Duration::from_secs(30);
/// What a template says where an injector is to say which image.
const PLACEHOLDER: &str = "auto";
/// A larger pod is not sent. The API server takes three megabytes, etcd one and a half.
const MAX_POD_BYTES: usize = 1 << 20;

/// What became of a question.
#[derive(Debug)]
pub(crate) enum Reply {
    /// This was answered.
    Answer(AdmissionAnswer),
    /// Nobody in this namespace can be asked about, for this reason.
    Forbidden(Arc<str>),
    /// There is no answer, and the API server is in trouble: nothing is asked for a while.
    Trouble {
        /// One line for people.
        message: String,
        /// When the API server wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// There is no answer, because the workload has changed since.
    Outdated,
}

/// Asks once. `resource` says how the kind is served, if it is a custom one, and `now` when it is asked.
pub(crate) async fn ask(
    client: &Client,
    question: &AdmissionQuestion,
    resource: Option<&ApiResource>,
    now: Timestamp,
) -> Reply {
    match tokio::time::timeout(TIME_OUT, ask_without_limit(client, question, resource, now)).await {
        Ok(reply) => reply,
        Err(_) => Reply::Trouble { message: format!("no answer within {} s", TIME_OUT.as_secs()), retry_after: None },
    }
}

async fn ask_without_limit(
    client: &Client,
    question: &AdmissionQuestion,
    resource: Option<&ApiResource>,
    now: Timestamp,
) -> Reply {
    let holder = match template_holder(client, &question.template, resource).await {
        Ok(Some(holder)) => holder,
        Ok(None) => return Reply::Outdated,
        Err(error) => return without_answer(&error, &question.workload.named.namespace),
    };
    let Some(found) = record(question.template.kind, &holder) else { return Reply::Outdated };
    if question.template == question.workload.named && found.id.uid != question.workload.uid {
        return Reply::Outdated;
    }
    let about = AskedAbout {
        namespace_labels: question.about.namespace_labels.clone(),
        template_labels: found.template_labels,
        template_annotations: found.template_annotations,
        template_fingerprint: found.template_fingerprint,
    };
    let answer = |new_pod, given| AdmissionAnswer { about, asked_at: now, new_pod, given };
    let Some(pod) = new_pod(&question.workload, &holder) else {
        // An answer, or it would be asked again at once, for ever.
        return Reply::Answer(answer(NewPod::Unknown("it has no spec.template".into()), Arc::default()));
    };
    match create_on_a_dry_run(client, &question.workload.named.namespace, &pod).await {
        Ok(new_pod) => {
            let given = given(&pod, &new_pod);
            Reply::Answer(answer(new_pod, given))
        }
        Err(error) => classify(&error, &question.workload.named.namespace, |new_pod| answer(new_pod, Arc::default())),
    }
}

/// Names of the containers that admission has given: those that were not sent so. An image that an injector fills in is
/// given, too.
fn given(sent: &Value, new_pod: &NewPod) -> Arc<[Arc<str>]> {
    let (NewPod::Admitted(admitted), Ok(sent)) = (new_pod, SlimPod::deserialize(sent)) else { return Arc::default() };
    let sent = sent.record(&mut Interner::new()).containers;
    let was_sent = |name: &str, image: &Option<ImageRef>| sent.iter().any(|it| *it.name == *name && it.image == *image);
    let given = admitted.iter().filter(|container| !was_sent(&container.name, &container.image));
    given.map(|container| container.name.clone()).collect()
}

/// Reads the one object by listing it: the right to get workloads is not needed.
async fn template_holder(
    client: &Client,
    named: &NamedWorkload,
    resource: Option<&ApiResource>,
) -> Result<Option<Value>, kube::Error> {
    let resource = match named.kind {
        Kind::Deployment => ApiResource::erase::<SlimDeployment>(&()),
        Kind::StatefulSet => ApiResource::erase::<SlimStatefulSet>(&()),
        Kind::DaemonSet => ApiResource::erase::<SlimDaemonSet>(&()),
        Kind::ArgoRollout => ApiResource::erase::<SlimRollout>(&()),
        Kind::ReplicaSet => ApiResource::erase::<SlimOwnReplicaSet>(&()),
        Kind::ReplicationController => ApiResource::erase::<SlimReplicationController>(&()),
        Kind::Custom(_) => match resource {
            Some(resource) => resource.clone(),
            None => return Ok(None),
        },
    };
    let api = Api::<DynamicObject>::namespaced_with(client.clone(), &named.namespace, &resource);
    let found = api.list(&ListParams::default().fields(&format!("metadata.name={}", named.name)).limit(1)).await?;
    Ok(found.items.into_iter().next().and_then(|object| serde_json::to_value(object).ok()))
}

fn record(kind: Kind, object: &Value) -> Option<Workload> {
    fn of<K: SlimWorkload>(object: &Value) -> Option<Workload> {
        K::deserialize(object).ok().map(|slim| slim.record(&mut Interner::new()))
    }
    match kind {
        Kind::Deployment => of::<SlimDeployment>(object),
        Kind::StatefulSet => of::<SlimStatefulSet>(object),
        Kind::DaemonSet => of::<SlimDaemonSet>(object),
        Kind::ArgoRollout => of::<SlimRollout>(object),
        Kind::ReplicaSet => of::<SlimOwnReplicaSet>(object),
        Kind::ReplicationController => of::<SlimReplicationController>(object),
        Kind::Custom(kind) => SlimCustom::deserialize(object).ok().map(|slim| slim.record(kind, &mut Interner::new())),
    }
}

/// Only the names and images of its containers are decoded of the answer.
async fn create_on_a_dry_run(client: &Client, namespace: &str, pod: &Value) -> Result<NewPod, kube::Error> {
    let body = serde_json::to_vec(pod).map_err(kube::Error::SerdeError)?;
    if body.len() > MAX_POD_BYTES {
        return Ok(NewPod::Unknown(format!("its template is larger than {MAX_POD_BYTES} bytes").into()));
    }
    let params = PostParams { dry_run: true, field_manager: Some(FIELD_MANAGER.to_owned()) };
    let request = Request::new(SlimPod::url_path(&(), Some(namespace)));
    let request = request.create(&params, body).map_err(kube::Error::BuildRequest)?;
    let admitted: SlimPod = client.request(request).await?;
    let containers = admitted.record(&mut Interner::new()).containers;
    // An image that an injector was to fill in (Istio's gateways), and that none did: no node could pull it.
    let placeholder = ImageRef::parse(PLACEHOLDER).ok();
    match containers.iter().find(|container| container.image.is_some() && container.image == placeholder) {
        Some(left) => {
            let why = format!("no injector has filled in the image `{PLACEHOLDER}` of its container {}", left.name);
            Ok(NewPod::Unknown(why.into()))
        }
        None => Ok(NewPod::Admitted(containers)),
    }
}

/// What a refusal means. Whatever is not understood is no reason to restart anything.
fn classify(error: &kube::Error, namespace: &str, answer: impl FnOnce(NewPod) -> AdmissionAnswer) -> Reply {
    let kube::Error::Api(status) = error else { return without_answer(error, namespace) };
    let message = || Arc::from(quoted(&status.message));
    match status.code {
        // Whatever code a webhook names for it; 400 if it names none (k/k `webhookerrors.ToStatusErr`).
        _ if status.message.starts_with("admission webhook ") && status.message.contains(" denied the request") => {
            Reply::Answer(answer(NewPod::Refused(message())))
        }
        // Another pod was given the name that was generated, or a quota has changed in the same moment.
        409 => Reply::Outdated,
        401 | 429 | 503 | 504 => without_answer(error, namespace),
        403 if is_missing_right(&status.message) => without_answer(error, namespace),
        // A quota, pod security, a policy or a webhook that says no; or one that does not answer, and must.
        403 | 422 | 500 => Reply::Answer(answer(NewPod::Refused(message()))),
        // 400: a webhook that cannot be asked on a dry run (k/k `NewDryRunUnsupportedErr`).
        _ => Reply::Answer(answer(NewPod::Unknown(message()))),
    }
}

fn without_answer(error: &kube::Error, namespace: &str) -> Reply {
    match error {
        kube::Error::Api(status) if status.code == 403 && is_missing_right(&status.message) => Reply::Forbidden(
            format!(
                "Flippy may not create pods on a dry run in namespace {namespace}: apply \
                 deploy/optional/ask-admission.yaml: {}",
                quoted(&status.message)
            )
            .into(),
        ),
        kube::Error::Api(status) => Reply::Trouble {
            message: quoted(&status.message),
            retry_after: status
                .details
                .as_ref()
                .map(|details| u64::from(details.retry_after_seconds))
                .filter(|seconds| *seconds > 0)
                .map(Duration::from_secs),
        },
        error => Reply::Trouble { message: quoted(&error.to_string()), retry_after: None },
    }
}

/// Admission names the pod, and authorization only the resource: `pods is forbidden: User "…" cannot create resource …`
/// (k/k `responsewriters.ForbiddenMessage`).
fn is_missing_right(message: &str) -> bool {
    // A webhook may quote what it was denied itself: then its own name comes first.
    let resource = message.split_once(" is forbidden: User ").map(|(resource, _)| resource);
    resource.is_some_and(|resource| !resource.contains(' ')) && message.contains(" cannot ")
}

#[cfg(test)]
mod tests;
