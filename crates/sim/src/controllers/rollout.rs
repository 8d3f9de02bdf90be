//! Argo Rollout: canary steps, and restarts by evicting pods (argo-rollouts rollout/canary.go, restart.go, sync.go).
//!
//! Known: canary without traffic routing, `setWeight` and `pause` steps, `paused`, `abort`, `restartAt`, `workloadRef`, the progress deadline.

use crate::{Json, json};

use super::rollout_restart::Restart;
use super::{Again, conditions, put_status, sooner, template};
use crate::error::ApiError;
use crate::history::Author;
use crate::object::{self, Key, Object};
use crate::request::Part;
use crate::resources::Resource;
use crate::world::World;

pub(super) const HASH_LABEL: &str = "rollouts-pod-template-hash";
const REVISION: &str = "rollout.argoproj.io/revision";
/// One reconcile of one Rollout.
pub(super) struct Step<'a> {
    pub(super) key: &'a Key,
    pub(super) rollout: &'a Object,
    pub(super) author: Author,
    pub(super) hash: String,
    pub(super) new: (Key, Object),
    /// Stable is None before the first promotion, and when new and stable are the same.
    pub(super) stable: Option<(Key, Object)>,
    pub(super) others: Vec<(Key, Object)>,
    pub(super) status: Json,
}

pub(crate) fn reconcile(world: &mut World, key: &Key, rollout: &Object) -> Again {
    if object::is_terminating(rollout) {
        return Ok(None);
    }
    let Some(template) = pod_template(world, key, rollout) else {
        let mut status = rollout["status"].clone();
        let now = world.stamp();
        conditions::set(
            &mut status,
            "InvalidSpec",
            "True",
            "InvalidSpec",
            "the Rollout has neither a template nor an existing workloadRef",
            &now,
        );
        status["phase"] = json!("Degraded");
        put_status(world, &Author::controller("system:argo-rollouts"), Resource::Rollouts, key, status)?;
        return Ok(Some(5_000));
    };
    let mut step = Step::begin(world, key, rollout, &template)?;
    step.number(world)?;
    let restart = if rollout["spec"]["paused"] == true { Restart::Idle(None) } else { step.restart(world)? };
    let again = match restart {
        // Availability is not to be trusted right after evictions: scaling waits for the next look.
        Restart::Evicted(again) => again,
        Restart::Idle(again) => {
            let pause = step.advance_steps(world);
            step.scale(world)?;
            sooner(again, pause)
        }
    };
    let deadline = step.update_status(world)?;
    Ok(sooner(again, deadline))
}

fn pod_template(world: &World, key: &Key, rollout: &Json) -> Option<Json> {
    if rollout["spec"]["template"].is_object() {
        return Some(as_argo_writes_it(&rollout["spec"]["template"]));
    }
    let name = rollout["spec"]["workloadRef"]["name"].as_str()?;
    let deployment = world.store.get(Resource::Deployments, &Key::new(key.namespace.clone(), name))?;
    Some(deployment["spec"]["template"].clone())
}

/// Argo reads Rollouts into types of Go, and what it writes back has fields that nobody set.
pub(crate) fn as_argo_writes_it(template: &Json) -> Json {
    let mut template = template.clone();
    for list in ["containers", "initContainers"] {
        let containers = template["spec"].get_mut(list).map(Json::items_mut);
        for container in containers.into_iter().flatten().filter(|container| container["resources"].is_null()) {
            container["resources"] = json!({});
        }
    }
    template
}

pub(super) fn replicas(object: &Json) -> i64 {
    object["spec"]["replicas"].as_i64().unwrap_or(1)
}

pub(super) fn counter(object: &Json, field: &str) -> i64 {
    object["status"][field].as_i64().unwrap_or(0)
}

impl<'a> Step<'a> {
    fn begin(world: &mut World, key: &'a Key, rollout: &'a Object, template: &Json) -> Result<Self, ApiError> {
        let author = Author::controller("system:argo-rollouts");
        let hash = template::hash(Resource::Rollouts, template);
        let mut others = world.store.owned(object::uid(rollout), Resource::ReplicaSets);
        others.sort_by_key(|(_, set)| {
            object::annotation(set, REVISION).and_then(|text| text.parse::<i64>().ok()).unwrap_or(0)
        });
        let find = |sets: &mut Vec<(Key, Object)>, hash: &str| {
            let at = sets.iter().position(|(_, set)| object::label(set, HASH_LABEL) == Some(hash))?;
            Some(sets.remove(at))
        };
        let new = match find(&mut others, &hash) {
            Some(known) => known,
            None => create_set(world, &author, key, rollout, template, &hash, others.len())?,
        };
        let mut status = rollout["status"].clone();
        if status.is_null() {
            status = json!({});
        }
        let stable_hash = status["stableRS"].as_str().unwrap_or_default().to_owned();
        let stable = if stable_hash.is_empty() || stable_hash == hash { None } else { find(&mut others, &stable_hash) };
        if status["currentPodHash"] != hash.as_str() {
            // A changed template starts the steps over (resetRolloutStatus). It means to count as the restart that was asked for, too,
            // but sets `restartedAt` in a status that is not the one it writes: a restart goes on, or still waits for its time.
            for field in ["pauseConditions", "abort", "abortedAt", "controllerPause"] {
                status.as_object_mut().map(|status| status.remove(field));
            }
            status["currentPodHash"] = json!(hash);
            // Without steps there is none.
            match rollout["spec"]["strategy"]["canary"]["steps"].as_array() {
                Some(steps) if !steps.is_empty() => status["currentStepIndex"] = json!(0),
                _ => drop(status.as_object_mut().and_then(|status| status.remove("currentStepIndex"))),
            }
            let now = world.stamp();
            conditions::set(
                &mut status,
                "Progressing",
                "True",
                "NewReplicaSetCreated",
                "Created new replica set",
                &now,
            );
            conditions::touch(&mut status, "Progressing", &now);
        }
        Ok(Self { key, rollout, author, hash, new, stable, others, status })
    }

    /// Puts the number of the new set's revision on the Rollout. The first time that is a new generation more often than not,
    /// because the template is written back as well.
    fn number(&self, world: &mut World) -> Result<(), ApiError> {
        let number = object::annotation(&self.new.1, REVISION);
        if number.is_none() || number == object::annotation(self.rollout, REVISION) {
            return Ok(());
        }
        let number = json!(number);
        let numbered = world.update(&self.author, Resource::Rollouts, self.key, Part::Main, false, |old| {
            let mut new = old.clone();
            new["metadata"]["annotations"][REVISION] = number;
            if new["spec"]["template"].is_object() {
                new["spec"]["template"] = as_argo_writes_it(&new["spec"]["template"]);
            }
            Ok(new)
        });
        numbered.map(drop)
    }

    pub(super) fn fence(&self) -> (i64, i64) {
        let canary = &self.rollout["spec"]["strategy"]["canary"];
        let total = replicas(self.rollout);
        let bound = |field: &str, round_up| {
            object::scaled(if canary[field].is_null() { &QUARTER } else { &canary[field] }, total, round_up)
                .unwrap_or(0)
        };
        let (surge, unavailable) = (bound("maxSurge", true), bound("maxUnavailable", false));
        if surge == 0 && unavailable == 0 { (0, 1) } else { (surge, unavailable) }
    }

    pub(super) fn sets(&self) -> impl Iterator<Item = &(Key, Object)> {
        self.stable.iter().chain([&self.new]).chain(&self.others)
    }
}

/// Argo's default of both bounds.
static QUARTER: std::sync::LazyLock<Json> = std::sync::LazyLock::new(|| json!("25%"));

fn create_set(
    world: &mut World,
    author: &Author,
    key: &Key,
    rollout: &Json,
    template: &Json,
    hash: &str,
    known: usize,
) -> Result<(Key, Object), ApiError> {
    let mut template = template.clone();
    template["metadata"]["labels"][HASH_LABEL] = json!(hash);
    let mut selector = rollout["spec"]["selector"].clone();
    selector["matchLabels"][HASH_LABEL] = json!(hash);
    let mut set = json!({
        "metadata": {
            "name": format!("{}-{hash}", key.name), "labels": template["metadata"]["labels"],
            "annotations": {REVISION: (known + 1).to_string()},
            "ownerReferences": [object::owner_reference(Resource::Rollouts, rollout)],
        },
        "spec": {"replicas": 0, "selector": selector, "template": template},
    });
    if let Some(seconds) = rollout["spec"]["minReadySeconds"].as_i64() {
        set["spec"]["minReadySeconds"] = json!(seconds);
    }
    let created = world.create(author, Resource::ReplicaSets, &key.namespace, set, false)?;
    Ok((Key::of(&created), created))
}
