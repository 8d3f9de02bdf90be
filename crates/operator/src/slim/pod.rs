//! Pods: owner, age, life, readiness and the images of their containers.

use std::sync::Arc;

use flippy_core::{
    Container, Pod as Record, PodState, SignedDuration, StrayFacts, Timestamp, annotation, is_of_known_kind,
};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use serde::Deserialize;
use smol_str::SmolStr;

use super::meta::{controller, created_at, revision, slim_meta, text};
use crate::interner::Interner;

#[derive(kube::Resource, Deserialize, Clone, Debug)]
#[resource(inherit = "Pod")]
pub(crate) struct SlimPod {
    #[serde(deserialize_with = "slim_meta")]
    metadata: ObjectMeta,
    #[serde(default)]
    spec: SlimSpec,
    #[serde(default)]
    status: SlimStatus,
}

#[derive(Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
struct SlimSpec {
    restart_policy: Option<SmolStr>,
    active_deadline_seconds: Option<i64>,
    containers: Vec<SlimContainer>,
    init_containers: Option<Vec<SlimContainer>>,
}

#[derive(Deserialize, Clone, Debug)]
struct SlimContainer {
    name: SmolStr,
    #[serde(default)]
    image: Option<SmolStr>,
}

#[derive(Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
struct SlimStatus {
    phase: Option<Phase>,
    start_time: Option<Time>,
    conditions: Option<Vec<SlimCondition>>,
    container_statuses: Option<Vec<SlimContainerStatus>>,
    init_container_statuses: Option<Vec<SlimContainerStatus>>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Pending,
    Succeeded,
    Failed,
    #[serde(other)]
    Other,
}

#[derive(Deserialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
struct SlimCondition {
    #[serde(rename = "type")]
    kind: ConditionType,
    status: ConditionStatus,
    /// Not read yet: it is asked of one condition only, and a pod has five.
    last_transition_time: Option<SmolStr>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
enum ConditionType {
    Ready,
    PodScheduled,
    #[serde(other)]
    Other,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
enum ConditionStatus {
    True,
    False,
    #[serde(other)]
    Other,
}

#[derive(Deserialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
struct SlimContainerStatus {
    name: SmolStr,
    #[serde(default)]
    image: Option<SmolStr>,
    #[serde(default, rename = "imageID")]
    image_id: Option<SmolStr>,
}

impl SlimPod {
    pub(crate) fn record(self, interner: &mut Interner) -> Record {
        let meta = &self.metadata;
        let token = meta.annotations.as_ref().and_then(|annotations| annotations.get(annotation::RESTARTED_FOR));
        let (ready, ready_changed_at) = self.readiness();
        Record {
            // Not shared with anything: kept out of the interner.
            uid: meta.uid.as_deref().unwrap_or_default().into(),
            name: meta.name.as_deref().unwrap_or_default().into(),
            namespace: text(meta.namespace.as_ref(), interner),
            owner: controller(meta, interner),
            revision: revision(meta),
            created_at: created_at(meta),
            state: self.state(),
            ready,
            ready_changed_at,
            unscheduled: self.is_unscheduled(),
            restart_token: token.map(|token| interner.text(token)),
            stray: self.stray(interner).map(Box::new),
            containers: self.containers(interner),
        }
    }

    /// What its own workload would say of it, if it has none that is known.
    fn stray(&self, interner: &mut Interner) -> Option<StrayFacts> {
        let meta = &self.metadata;
        let mut owners = meta.owner_references.iter().flatten();
        let owner = owners.find(|owner| owner.controller == Some(true));
        if owner.is_some_and(|owner| is_of_known_kind(&owner.api_version, &owner.kind)) {
            return None;
        }
        let started_at = self.status.start_time.as_ref().map(|time| time.0);
        let deadline = self.spec.active_deadline_seconds.map(SignedDuration::from_secs);
        Some(StrayFacts {
            labels: interner.labels(meta.labels.clone().unwrap_or_default()),
            annotations: interner.labels(meta.annotations.clone().unwrap_or_default()),
            owner_api_version: owner.map(|owner| interner.text(&owner.api_version)),
            restarts: self.spec.restart_policy.as_deref().is_none_or(|policy| policy == "Always"),
            ends_by: started_at.zip(deadline).and_then(|(at, deadline)| at.checked_add(deadline).ok()),
        })
    }

    fn state(&self) -> PodState {
        if self.metadata.deletion_timestamp.is_some() {
            PodState::Terminating
        } else if matches!(self.status.phase, Some(Phase::Succeeded | Phase::Failed)) {
            PodState::Finished
        } else {
            PodState::Live
        }
    }

    /// Whether it is ready, and since when. A pod without that condition was never ready.
    fn readiness(&self) -> (bool, Timestamp) {
        let created_at = created_at(&self.metadata);
        let Some(condition) = self.condition(ConditionType::Ready) else { return (false, created_at) };
        let since = condition.last_transition_time.as_deref().map_or(Ok(created_at), str::parse::<Timestamp>);
        // A time that is none comes from no API server, and nothing may be believed to have been ready for long by it.
        (condition.status == ConditionStatus::True && since.is_ok(), since.unwrap_or(created_at))
    }

    /// Whether the scheduler has looked at it and found no node. Before it has looked, there is no such condition.
    fn is_unscheduled(&self) -> bool {
        let condition = self.condition(ConditionType::PodScheduled);
        self.status.phase == Some(Phase::Pending)
            && condition.is_some_and(|condition| condition.status == ConditionStatus::False)
    }

    fn condition(&self, kind: ConditionType) -> Option<&SlimCondition> {
        self.status.conditions.iter().flatten().find(|condition| condition.kind == kind)
    }

    fn containers(&self, interner: &mut Interner) -> Arc<[Container]> {
        let statuses = &self.status;
        let plain = self.spec.containers.iter().map(|spec| (spec, &statuses.container_statuses));
        let init = self.spec.init_containers.iter().flatten().map(|spec| (spec, &statuses.init_container_statuses));
        let containers = plain.chain(init).map(|(spec, statuses)| {
            let status = statuses.iter().flatten().find(|status| status.name == spec.name);
            Container {
                name: interner.text(&spec.name),
                image: spec.image.as_deref().and_then(|image| interner.image(image)),
                running_image: status.and_then(|status| interner.image(status.image.as_deref()?)),
                running_digest: status
                    .and_then(|status| digest(status.image_id.as_deref()?))
                    .map(|text| interner.text(text)),
            }
        });
        let containers = containers.collect();
        interner.containers(containers)
    }
}

/// The digest in an `imageID`: `docker.io/istio/proxyv2@sha256:…`, `docker-pullable://…@sha256:…`. A bare `sha256:…`
/// names the image's configuration, not its manifest, and equals no digest that anybody would ask for.
fn digest(image_id: &str) -> Option<&str> {
    image_id.split_once('@').map(|(_, digest)| digest)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn is_unscheduled(status: &Value) -> bool {
        let pod: SlimPod = serde_json::from_value(json!({"metadata": {"name": "cart"}, "status": status}))
            .expect("the API server could say this");
        pod.record(&mut Interner::new()).unscheduled
    }

    #[test]
    fn a_pod_is_ready_since_its_condition_says_so_or_since_it_was_created() {
        let readiness = |since: Value| {
            let condition = json!({"type": "Ready", "status": "True", "lastTransitionTime": since});
            let metadata = json!({"name": "cart", "creationTimestamp": "2026-01-05T00:00:00Z"});
            let pod = json!({"metadata": metadata, "status": {"conditions": [condition]}});
            let pod = serde_json::from_value::<SlimPod>(pod).expect("it decodes").record(&mut Interner::new());
            (pod.ready, pod.ready_changed_at.to_string())
        };
        assert_eq!(readiness(json!("2026-01-05T00:00:09Z")), (true, "2026-01-05T00:00:09Z".to_owned()));
        assert_eq!(readiness(json!(null)), (true, "2026-01-05T00:00:00Z".to_owned()));
        assert_eq!(readiness(json!("nine o'clock")), (false, "2026-01-05T00:00:00Z".to_owned()));
    }

    #[test]
    fn conditions_and_phases_that_nobody_knows_are_passed_over() {
        let conditions = json!([
            {"type": "example.com/gate", "status": "Perhaps", "lastTransitionTime": "2026-01-05T00:00:03Z"},
            {"type": "Ready", "status": "Unknown", "lastTransitionTime": "2026-01-05T00:00:09Z"},
        ]);
        let status = json!({"phase": "Hibernating", "conditions": conditions});
        let pod = json!({"metadata": {"name": "cart"}, "status": status});
        let pod = serde_json::from_value::<SlimPod>(pod).expect("it decodes").record(&mut Interner::new());
        assert_eq!((pod.ready, pod.ready_changed_at.to_string()), (false, "2026-01-05T00:00:09Z".to_owned()));
        assert_eq!(pod.state, PodState::Live);
    }

    #[test]
    fn a_pod_waits_for_a_node_once_the_scheduler_says_so() {
        let condition = |status| json!([{"type": "PodScheduled", "status": status, "reason": "Unschedulable"}]);
        assert!(is_unscheduled(&json!({"phase": "Pending", "conditions": condition("False")})));
        assert!(!is_unscheduled(&json!({"phase": "Pending", "conditions": condition("True")})));
        assert!(!is_unscheduled(&json!({"phase": "Running", "conditions": condition("False")})));
        assert!(!is_unscheduled(&json!({"phase": "Pending", "conditions": null})));
        assert!(!is_unscheduled(&json!({"phase": "Pending"})));
    }
}
