//! `PodDisruptionBudget` status: how many pods may be disrupted now (k/k disruption.go).

use crate::{Json, json};

use super::{Again, put_status, sooner};
use crate::history::Author;
use crate::object::{self, Key, Object};
use crate::resources::Resource;
use crate::selector::LabelSelector;
use crate::world::World;

/// An announced eviction that has not happened after this long is not expected any more, in milliseconds.
const DISRUPTED_TIMEOUT: i64 = 120_000;

pub(crate) fn reconcile(world: &mut World, key: &Key, budget: &Object) -> Again {
    let Some(selector) = LabelSelector::of_spec(&budget["spec"]["selector"]) else { return Ok(None) };
    let pods: Vec<Object> = world
        .store
        .range(Resource::Pods, Some(&key.namespace), None)
        .map(|(_, pod)| pod.clone())
        .filter(|pod| selector.matches(pod))
        .collect();
    let (expected, desired) = expectations(world, budget, &pods);
    let (disrupted, again) = still_disrupted(world, budget, &pods);
    let counts = |pod: &&Object| {
        object::is_ready_pod(pod) && !object::is_terminating(pod) && disrupted[object::name(pod)].is_null()
    };
    let healthy = i64::try_from(pods.iter().filter(counts).count()).unwrap_or(i64::MAX);
    let allowed = if expected <= 0 { 0 } else { (healthy - desired).max(0) };
    let mut status = json!({
        "observedGeneration": object::generation(budget), "currentHealthy": healthy, "desiredHealthy": desired,
        "disruptionsAllowed": allowed, "expectedPods": expected, "conditions": budget["status"]["conditions"],
    });
    if disrupted.as_object().is_some_and(|disrupted| !disrupted.is_empty()) {
        status["disruptedPods"] = disrupted;
    }
    let now = world.stamp();
    let (value, reason) = if allowed > 0 { ("True", "SufficientPods") } else { ("False", "InsufficientPods") };
    super::conditions::set(&mut status, "DisruptionAllowed", value, reason, "", &now);
    put_status(
        world,
        &Author::controller("system:disruption-controller"),
        Resource::PodDisruptionBudgets,
        key,
        status,
    )?;
    Ok(again)
}

/// (expected, desired healthy).
fn expectations(world: &World, budget: &Json, pods: &[Object]) -> (i64, i64) {
    let spec = &budget["spec"];
    if let Some(minimum) = spec["minAvailable"].as_i64() {
        return (i64::try_from(pods.len()).unwrap_or(i64::MAX), minimum);
    }
    let expected = expected_scale(world, pods);
    if !spec["maxUnavailable"].is_null() {
        let unavailable = object::scaled(&spec["maxUnavailable"], expected, true).unwrap_or(0);
        return (expected, (expected - unavailable).max(0));
    }
    (expected, object::scaled(&spec["minAvailable"], expected, true).unwrap_or(0))
}

/// What the controllers of these pods want, each counted once.
fn expected_scale(world: &World, pods: &[Object]) -> i64 {
    let mut scales = std::collections::BTreeMap::new();
    for pod in pods {
        let Some((mut resource, name, _)) = object::controller_of(pod) else { continue };
        let mut key = Key::new(object::namespace(pod), name);
        if let Some(parent) = world.store.get(resource, &key)
            && let Some((owner, name, _)) = object::controller_of(parent)
        {
            resource = owner;
            key = Key::new(object::namespace(pod), name);
        }
        if let Some(owner) = world.store.get(resource, &key) {
            scales.insert((resource, key), owner["spec"]["replicas"].as_i64().unwrap_or(1));
        }
    }
    scales.values().sum()
}

/// The announced evictions that are still to be expected, and when the next is given up.
fn still_disrupted(world: &World, budget: &Json, pods: &[Object]) -> (Json, Option<u64>) {
    let (mut kept, mut again) = (json!({}), None);
    for (name, at) in budget["status"]["disruptedPods"].as_object().into_iter().flatten() {
        let Some(pod) = pods.iter().find(|pod| object::name(pod) == name) else { continue };
        let Some(since) = object::timestamp(at) else { continue };
        let left = since.as_millisecond() + DISRUPTED_TIMEOUT - world.time().as_millisecond();
        if object::is_terminating(pod) || left <= 0 {
            continue;
        }
        kept[name] = at.clone();
        again = sooner(again, u64::try_from(left).ok());
    }
    (kept, again)
}
