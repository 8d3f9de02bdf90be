//! What objects say of themselves: the rules of `kubectl rollout status`, written down a second time.

use flippy_sim::{Key, Resource};
use jiff::Timestamp;
use serde_json::Value;

use crate::knowledge::View;
use crate::record::{Mark, RESTARTED_FOR};

/// How far a rollout is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rollout {
    Complete,
    /// Replacing pods, or about to.
    UnderWay,
    /// Neither complete nor getting there.
    Stuck,
    /// Held by somebody, or by its own strategy.
    Held,
}

pub(crate) fn rollout_of(resource: Resource, workload: &Value) -> Rollout {
    let (spec, status) = (&workload["spec"], &workload["status"]);
    let count = |field: &str| status[field].as_i64().unwrap_or(0);
    let wanted = spec["replicas"].as_i64().unwrap_or(1);
    let generation = workload["metadata"]["generation"].as_i64().unwrap_or(0);
    if spec["updateStrategy"]["type"] == "OnDelete" || spec["paused"] == true {
        return Rollout::Held;
    }
    let observed = match &status["observedGeneration"] {
        Value::String(text) => text.parse().unwrap_or(0),
        number => number.as_i64().unwrap_or(0),
    };
    if observed < generation {
        return Rollout::UnderWay;
    }
    match resource {
        Resource::Deployments => {
            let conditions = status["conditions"].as_array().into_iter().flatten();
            let mut reasons = conditions.filter_map(|condition| condition["reason"].as_str());
            if reasons.any(|reason| reason == "ProgressDeadlineExceeded") {
                Rollout::Stuck
            } else if count("updatedReplicas") < wanted || count("replicas") > count("updatedReplicas") {
                Rollout::UnderWay
            } else {
                complete_if(count("availableReplicas") >= count("updatedReplicas"))
            }
        }
        Resource::StatefulSets => {
            let partition = spec["updateStrategy"]["rollingUpdate"]["partition"].as_i64().unwrap_or(0);
            if count("updatedReplicas") < wanted - partition {
                Rollout::UnderWay
            } else {
                complete_if(count("readyReplicas") >= wanted)
            }
        }
        Resource::DaemonSets => {
            let wanted = count("desiredNumberScheduled");
            if count("updatedNumberScheduled") < wanted {
                Rollout::UnderWay
            } else {
                complete_if(count("numberAvailable") >= wanted)
            }
        }
        _ => {
            let time = |value: &Value| value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
            if time(&spec["restartAt"]) > time(&status["restartedAt"]) {
                Rollout::UnderWay
            } else if status["phase"] == "Paused" {
                Rollout::Held
            } else if status["phase"] == "Degraded" {
                Rollout::Stuck
            } else if status["currentPodHash"] != status["stableRS"] {
                Rollout::UnderWay
            } else {
                complete_if(status["phase"] == "Healthy" && count("availableReplicas") >= wanted)
            }
        }
    }
}

fn complete_if(complete: bool) -> Rollout {
    if complete { Rollout::Complete } else { Rollout::Stuck }
}

/// Whether changing the template would do nothing, or do it at the wrong moment.
pub(crate) fn is_held(resource: Resource, workload: &Value) -> bool {
    let partition = workload["spec"]["updateStrategy"]["rollingUpdate"]["partition"].as_i64().unwrap_or(0);
    rollout_of(resource, workload) == Rollout::Held || (resource == Resource::StatefulSets && partition > 0)
}

/// Whether a pod is from before a restart.
pub(crate) fn predates(resource: Resource, pod: &Value, mark: &Mark<'_>) -> bool {
    if resource == Resource::Rollouts {
        created_at(pod).is_some_and(|at| at < mark.at)
    } else {
        pod["metadata"]["annotations"][RESTARTED_FOR] != mark.token
    }
}

/// Whether a restart is over: its rollout is complete, and no pod from before is left.
pub(crate) fn has_landed(view: &View, resource: Resource, workload: &Value, mark: &Mark<'_>) -> bool {
    rollout_of(resource, workload) == Rollout::Complete
        && view.pods(workload).iter().all(|pod| !predates(resource, pod, mark))
}

pub(crate) fn created_at(object: &Value) -> Option<Timestamp> {
    object["metadata"]["creationTimestamp"].as_str()?.parse().ok()
}

/// An image in its full form; those drawn here have one slash or two, and always a tag.
pub(crate) fn full(image: &str) -> String {
    if image.matches('/').count() < 2 { format!("docker.io/{image}") } else { image.to_owned() }
}

/// A workload as configs and statuses name it.
pub(crate) fn name(resource: Resource, key: &Key) -> String {
    let kind = if resource == Resource::Rollouts { "ArgoRollout" } else { resource.kind() };
    format!("{kind} {key}")
}
