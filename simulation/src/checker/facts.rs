//! What objects say of themselves: the rules of `kubectl rollout status`, written down a second time.

use flippy_sim::{Json, Key, Resource};
use jiff::{SignedDuration, Timestamp};

use super::wish::Wish;
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

pub(crate) fn rollout_of(resource: Resource, workload: &Json) -> Rollout {
    let (spec, status) = (&workload["spec"], &workload["status"]);
    let count = |field: &str| status[field].as_i64().unwrap_or(0);
    let wanted = spec["replicas"].as_i64().unwrap_or(1);
    let generation = workload["metadata"]["generation"].as_i64().unwrap_or(0);
    if spec["paused"] == true || spec["updateStrategy"]["paused"] == true {
        return Rollout::Held;
    }
    if is_silent(resource, workload) {
        return Rollout::Complete;
    }
    let observed = match &status["observedGeneration"] {
        Json::String(text) => text.parse().unwrap_or(0),
        number => number.as_i64().unwrap_or(0),
    };
    if observed < generation {
        return Rollout::UnderWay;
    }
    let on_delete = spec["updateStrategy"]["type"] == "OnDelete";
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
            if !on_delete && count("updatedReplicas") < wanted - partition {
                Rollout::UnderWay
            } else {
                complete_if(count("readyReplicas") >= wanted)
            }
        }
        Resource::DaemonSets => {
            let wanted = count("desiredNumberScheduled");
            if !on_delete && count("updatedNumberScheduled") < wanted {
                Rollout::UnderWay
            } else {
                complete_if(count("numberAvailable") >= wanted)
            }
        }
        Resource::CloneSets => {
            let is_outdated = count("updatedReplicas") < wanted || count("replicas") > count("updatedReplicas");
            if replaces_all_by_template(resource, workload) && is_outdated {
                Rollout::UnderWay
            } else {
                complete_if(count("updatedReadyReplicas") >= wanted)
            }
        }
        Resource::ReplicaSets | Resource::ReplicationControllers => complete_if(count("availableReplicas") >= wanted),
        _ => {
            let time = |value: &Json| value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
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

/// What the status of a kind that Flippy does not know says nothing about holds nothing up: its pods are judged alone. An old
/// list may show one from before its first status.
fn is_silent(resource: Resource, workload: &Json) -> bool {
    resource == Resource::CloneSets && workload["status"]["observedGeneration"].is_null()
}

/// Whether its rollout is complete and, where its status does not tell that, every pod is there and ready.
pub(crate) fn is_healthy(view: &View, resource: Resource, workload: &Json) -> bool {
    rollout_of(resource, workload) == Rollout::Complete
        && (!is_silent(resource, workload) || is_whole(resource, workload, view.pods(workload)))
}

fn complete_if(complete: bool) -> Rollout {
    if complete { Rollout::Complete } else { Rollout::Stuck }
}

/// Whether restarting it would do nothing, or come at the wrong moment.
pub(crate) fn is_held(wish: &Wish, resource: Resource, workload: &Json) -> bool {
    rollout_of(resource, workload) == Rollout::Held
        || (!wish.evicts(resource, workload) && !replaces_all_by_template(resource, workload))
}

/// Whether a changed template makes its controller replace every pod.
pub(crate) fn replaces_all_by_template(resource: Resource, workload: &Json) -> bool {
    let strategy = &workload["spec"]["updateStrategy"];
    let partition = strategy["rollingUpdate"]["partition"].as_i64().unwrap_or(0);
    match resource {
        Resource::StatefulSets => strategy["type"] != "OnDelete" && partition == 0,
        Resource::DaemonSets => strategy["type"] != "OnDelete",
        Resource::ReplicaSets | Resource::ReplicationControllers => false,
        Resource::CloneSets => strategy["type"] == "ReCreate" && strategy["partition"].is_null(),
        _ => true,
    }
}

/// Whether a pod is from before a restart.
pub(crate) fn predates(resource: Resource, pod: &Json, mark: &Mark<'_>) -> bool {
    if let Some(until) = mark.evicts_until {
        created_at(pod).is_some_and(|at| at <= until)
    } else if resource == Resource::Rollouts {
        created_at(pod).is_some_and(|at| at < mark.at)
    } else {
        pod["metadata"]["annotations"][RESTARTED_FOR] != mark.token
    }
}

/// Whether a pod is still to be replaced by a restart: who evicts leaves alone what is fresh already, unless the workload goes
/// before all others whatever it runs.
pub(crate) fn is_left(wish: &Wish, resource: Resource, key: &Key, pod: &Json, mark: &Mark<'_>) -> bool {
    let counts = mark.evicts_until.is_none() || wish.goes_first(resource, key) || wish.is_fresh(pod) == Some(false);
    counts && predates(resource, pod, mark)
}

/// Whether a restart is over: its rollout is complete, and no pod from before is left. After an eviction every pod must be
/// seen ready, because a status does not tell whether it is from before it.
pub(crate) fn has_landed(
    wish: &Wish,
    view: &View,
    resource: Resource,
    key: &Key,
    workload: &Json,
    mark: &Mark<'_>,
) -> bool {
    let pods = view.pods(workload);
    if is_vain(wish, resource, key, workload, pods, mark) {
        return true;
    }
    rollout_of(resource, workload) == Rollout::Complete
        && pods.iter().all(|pod| !is_left(wish, resource, key, pod, mark))
        && ((mark.evicts_until.is_none() && !is_silent(resource, workload)) || is_whole(resource, workload, pods))
}

/// Whether an eviction has ended itself: its replacements are stale again, and ready.
pub(crate) fn is_vain<P: AsRef<Json>>(
    wish: &Wish,
    resource: Resource,
    key: &Key,
    workload: &Json,
    pods: &[P],
    mark: &Mark<'_>,
) -> bool {
    let since: Vec<&Json> = pods.iter().map(AsRef::as_ref).filter(|pod| !predates(resource, pod, mark)).collect();
    let came = |fresh: bool| since.iter().any(|pod| wish.is_fresh(pod) == Some(fresh));
    mark.evicts_until.is_some()
        && !wish.goes_first(resource, key)
        && came(false)
        && !came(true)
        && is_whole(resource, workload, pods)
}

/// Whether as many pods as there should be are there, all of them ready.
pub(crate) fn is_whole<P: AsRef<Json>>(resource: Resource, workload: &Json, pods: &[P]) -> bool {
    let wanted = match resource {
        Resource::DaemonSets => workload["status"]["desiredNumberScheduled"].as_u64().unwrap_or(0),
        _ => workload["spec"]["replicas"].as_u64().unwrap_or(1),
    };
    pods.len() as u64 >= wanted && pods.iter().all(|pod| is_ready(pod.as_ref()))
}

pub(crate) fn is_ready(pod: &Json) -> bool {
    let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    conditions.into_iter().any(|one| one["type"] == "Ready" && one["status"] == "True")
}

/// Until when a restart counts as under way. Who evicts has that time for each pod: from its mark, or the last replacement.
pub(crate) fn complete_by<P: AsRef<Json>>(
    resource: Resource,
    pods: &[P],
    mark: &Mark<'_>,
    window: SignedDuration,
) -> Timestamp {
    let replacements = pods.iter().map(AsRef::as_ref).filter(|pod| !predates(resource, pod, mark));
    let last = replacements.filter_map(created_at).max().filter(|_| mark.evicts_until.is_some());
    last.map_or(mark.at, |last| last.max(mark.at)).saturating_add(window).unwrap_or(Timestamp::MAX)
}

pub(crate) fn created_at(object: &Json) -> Option<Timestamp> {
    object["metadata"]["creationTimestamp"].as_str()?.parse().ok()
}

/// An image in its full form; those drawn here have one slash or two, and always a tag.
pub(crate) fn full(image: &str) -> String {
    if image.matches('/').count() < 2 { format!("docker.io/{image}") } else { image.to_owned() }
}

/// A workload as configs and statuses name it.
pub(crate) fn name(resource: Resource, key: &Key) -> String {
    let kind = match resource {
        Resource::Rollouts => "ArgoRollout",
        Resource::CloneSets => "CloneSet.apps.kruise.io",
        _ => resource.kind(),
    };
    format!("{kind} {key}")
}
