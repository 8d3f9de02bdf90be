//! What a rehearsal is made of: the objects of a cluster, checked, and what of it was not understood.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};

use flippy_api::FlippyConfig;
use flippy_core::Timestamp;
use serde_json::Value;

use super::bounds;

/// Kinds that play a part. Everything else is counted.
const UNDERSTOOD: [&str; 9] = [
    "Namespace",
    "Pod",
    "ReplicaSet",
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "Rollout",
    "PodDisruptionBudget",
    "ConfigMap",
];

/// The objects of a cluster.
#[derive(Default)]
pub(super) struct Material {
    pub(super) objects: Vec<Value>,
    pub(super) configs: Vec<FlippyConfig>,
    /// Objects of kinds that play no part, by kind.
    pub(super) ignored: BTreeMap<String, usize>,
    /// Objects that were there twice: the last one counts.
    pub(super) repeated: usize,
    /// What is missing, for people.
    pub(super) notes: Vec<String>,
    known: HashMap<(String, String, String), usize>,
    /// The newest time on any object that has passed: the cluster was seen then, or a little later.
    pub(super) seen_at: Option<Timestamp>,
    now: Option<Timestamp>,
}

impl Material {
    /// Times after `now` are not believed.
    pub(super) fn seen_before(now: Timestamp) -> Self {
        Self { now: Some(now), ..Self::default() }
    }

    pub(super) fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.objects.iter().filter(move |object| object["kind"] == kind)
    }

    pub(super) fn count(&self, kind: &str) -> usize {
        self.of_kind(kind).count()
    }

    /// Takes an object.
    ///
    /// # Errors
    /// When it cannot be what it says to be; the message names it.
    pub(super) fn take(&mut self, mut object: Value) -> Result<(), String> {
        let kind = object["kind"].as_str().unwrap_or_default().to_owned();
        if kind.is_empty() {
            return Err("an object has no kind: this is no dump of Kubernetes objects".to_owned());
        }
        let is_ours = group_of(&object) == expected_group(&kind);
        if kind == FlippyConfig::KIND && is_ours {
            return self.take_config(object);
        }
        if !UNDERSTOOD.contains(&&*kind) || !is_ours {
            *self.ignored.entry(qualified(&kind, group_of(&object))).or_default() += 1;
            return if self.ignored.len() > bounds::MAX_KINDS {
                Err(format!("there are more than {} kinds in it: this is no dump of a cluster", bounds::MAX_KINDS))
            } else {
                Ok(())
            };
        }
        let name = bounds::name_of(&object)?;
        bounds::check(&object).map_err(|why| format!("{name}: {why}"))?;
        flippy_operator::check_readable(&object).map_err(|error| format!("{name}: {error}"))?;
        if !self.plays_a_part(&object) {
            return Ok(());
        }
        self.look_at_times(&object);
        slim(&mut object);
        let key = (kind, text(&object["metadata"]["namespace"]), text(&object["metadata"]["name"]));
        match self.known.get(&key) {
            Some(at) => {
                self.repeated += 1;
                self.objects[*at] = object;
            }
            None if self.objects.len() >= bounds::MAX_OBJECTS => {
                return Err(format!("there are more than {} objects in it", bounds::MAX_OBJECTS));
            }
            None => {
                self.known.insert(key, self.objects.len());
                self.objects.push(object);
            }
        }
        Ok(())
    }

    fn take_config(&mut self, object: Value) -> Result<(), String> {
        let name = bounds::name_of(&object)?;
        let config = serde_json::from_value(object).map_err(|error| format!("{name}: {error}"))?;
        if self.configs.len() >= bounds::MAX_CONFIGS {
            return Err(format!("there are more than {} FlippyConfigs in it", bounds::MAX_CONFIGS));
        }
        self.configs.push(config);
        Ok(())
    }

    /// What has ended, or is about to go, has no part in what is to come.
    #[allow(clippy::unused_self, reason = "it reads better beside what else is said of an object")]
    fn plays_a_part(&self, object: &Value) -> bool {
        let is_leaving = !object["metadata"]["deletionTimestamp"].is_null();
        let is_over = matches!(object["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
        match object["kind"].as_str() {
            Some("Pod") => !is_leaving && !is_over,
            Some("ReplicaSet") => !is_leaving,
            _ => true,
        }
    }

    fn look_at_times(&mut self, object: &Value) {
        let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
        let transitions = conditions.map(|condition| &condition["lastTransitionTime"]);
        for time in transitions.chain([&object["metadata"]["creationTimestamp"]]) {
            let time: Option<Timestamp> = time.as_str().and_then(|text| text.parse().ok());
            let time = time.filter(|time| self.now.is_none_or(|now| *time <= now));
            self.seen_at = self.seen_at.max(time);
        }
    }

    /// Forgets the sets of past revisions, which a Deployment keeps ten of. Whoever has pods, or is the newest, stays.
    pub(super) fn forget_empty_sets(&mut self) {
        let mut newest: BTreeMap<String, i64> = BTreeMap::new();
        for set in self.objects.iter().filter(|object| object["kind"] == "ReplicaSet") {
            let Some(owner) = owner_uid(set) else { continue };
            match newest.entry(owner) {
                Entry::Vacant(entry) => drop(entry.insert(revision(set))),
                Entry::Occupied(mut entry) => *entry.get_mut() = (*entry.get()).max(revision(set)),
            }
        }
        self.objects.retain(|object| {
            object["kind"] != "ReplicaSet"
                || object["spec"]["replicas"].as_i64() != Some(0)
                || owner_uid(object).is_some_and(|owner| newest.get(&owner) == Some(&revision(object)))
        });
        self.known.clear();
    }
}

fn revision(set: &Value) -> i64 {
    let annotations = &set["metadata"]["annotations"];
    let number = ["deployment.kubernetes.io/revision", "rollout.argoproj.io/revision"]
        .iter()
        .find_map(|key| annotations[*key].as_str()?.parse().ok());
    number.unwrap_or(0)
}

/// The uid of the controller.
pub(super) fn owner_uid(object: &Value) -> Option<String> {
    let owners = object["metadata"]["ownerReferences"].as_array()?;
    owners.iter().find(|owner| owner["controller"] == true)?["uid"].as_str().map(str::to_owned)
}

/// Takes away what is large and what the simulation would obey although it was not meant for it.
fn slim(object: &mut Value) {
    let is_pod = object["kind"] == "Pod";
    if let Some(metadata) = object["metadata"].as_object_mut() {
        if is_pod {
            metadata.retain(|key, value| key != "annotations" || keeps_mark(value));
        }
        if let Some(annotations) = metadata.get_mut("annotations") {
            forget_played_behaviour(annotations);
        }
    }
    if let Some(annotations) = object.pointer_mut("/spec/template/metadata/annotations") {
        forget_played_behaviour(annotations);
    }
}

/// Of a pod's annotations only the mark of a restart counts.
fn keeps_mark(annotations: &mut Value) -> bool {
    let Some(annotations) = annotations.as_object_mut() else { return false };
    annotations.retain(|key, _| key == flippy_core::annotation::RESTARTED_FOR);
    !annotations.is_empty()
}

fn forget_played_behaviour(annotations: &mut Value) {
    if let Some(annotations) = annotations.as_object_mut() {
        annotations.retain(|key, _| {
            !key.starts_with("sim.test/") && key != "kubectl.kubernetes.io/last-applied-configuration"
        });
    }
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn group_of(object: &Value) -> &str {
    object["apiVersion"].as_str().unwrap_or_default().split_once('/').map_or("", |(group, _)| group)
}

fn expected_group(kind: &str) -> &'static str {
    match kind {
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" => "apps",
        "Rollout" => "argoproj.io",
        "PodDisruptionBudget" => "policy",
        "FlippyConfig" => "keikoproj.io",
        _ => "",
    }
}

fn qualified(kind: &str, group: &str) -> String {
    if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") }
}
