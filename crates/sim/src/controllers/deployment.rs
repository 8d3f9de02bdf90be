//! Deployment: one `ReplicaSet` per template, moved from old to new.

use crate::{Json, json};

use super::{Again, deployment_status, put_spec, template};
use crate::error::ApiError;
use crate::history::Author;
use crate::object::{self, Key, Object};
use crate::request::Part;
use crate::resources::Resource;
use crate::world::World;

const HASH_LABEL: &str = "pod-template-hash";
pub(super) const REVISION: &str = "deployment.kubernetes.io/revision";

/// The `ReplicaSets` of one Deployment: the one of its template, and the others, oldest first.
pub(super) struct Sets {
    pub(super) new: Option<(Key, Object)>,
    pub(super) old: Vec<(Key, Object)>,
}

impl Sets {
    fn of(world: &World, deployment: &Json, hash: &str) -> Self {
        let mut old = world.store.owned(object::uid(deployment), Resource::ReplicaSets);
        old.sort_by_key(|(_, set)| revision(set));
        let new = old.iter().position(|(_, set)| object::label(set, HASH_LABEL) == Some(hash)).map(|at| old.remove(at));
        Self { new, old }
    }

    fn all(&self) -> impl Iterator<Item = &Object> {
        self.old.iter().chain(&self.new).map(|(_, set)| set)
    }

    pub(super) fn wanted(&self) -> i64 {
        self.all().map(replicas).sum()
    }

    pub(super) fn counted(&self, field: &str) -> i64 {
        self.all().map(|set| counter(set, field)).sum()
    }
}

pub(super) fn revision(set: &Json) -> i64 {
    object::annotation(set, REVISION).and_then(|text| text.parse().ok()).unwrap_or(0)
}

pub(super) fn replicas(object: &Json) -> i64 {
    object["spec"]["replicas"].as_i64().unwrap_or(1)
}

pub(super) fn counter(object: &Json, field: &str) -> i64 {
    object["status"][field].as_i64().unwrap_or(0)
}

pub(crate) fn reconcile(world: &mut World, key: &Key, deployment: &Object) -> Again {
    let author = Author::controller("system:deployment-controller");
    let hash = template::hash_of(world, Resource::Deployments, deployment);
    let mut sets = Sets::of(world, deployment, &hash);
    let paused = deployment["spec"]["paused"] == true;
    let mut news = None;
    if !object::is_terminating(deployment) {
        if paused || is_scaling_event(&sets, deployment) {
            scale(world, &author, &sets, deployment)?;
        } else if deployment["spec"]["strategy"]["type"] == "Recreate" {
            news = recreate(world, &author, key, deployment, &hash, &mut sets)?;
        } else {
            news = roll(world, &author, key, deployment, &hash, &mut sets)?;
        }
    }
    let sets = Sets::of(world, deployment, &hash);
    deployment_status::update(world, &author, key, deployment, &sets, news.as_ref())
}

/// How many pods there may be beyond, and how many may be missing (k/k `ResolveFenceposts`: never neither).
pub(super) fn fenceposts(deployment: &Json) -> (i64, i64) {
    let rolling = &deployment["spec"]["strategy"]["rollingUpdate"];
    if deployment["spec"]["strategy"]["type"] == "Recreate" {
        return (0, 0);
    }
    let total = replicas(deployment);
    let surge = object::scaled(&rolling["maxSurge"], total, true).unwrap_or(0);
    let unavailable = object::scaled(&rolling["maxUnavailable"], total, false).unwrap_or(0);
    if surge == 0 && unavailable == 0 { (0, 1) } else { (surge, unavailable.min(total)) }
}

/// True when somebody changed `replicas` since the active sets were last scaled; then scaling comes before rolling on.
fn is_scaling_event(sets: &Sets, deployment: &Json) -> bool {
    let desired = replicas(deployment).to_string();
    let mut active = sets.all().filter(|set| replicas(set) > 0).peekable();
    active.peek().is_some()
        && active.any(|set| object::annotation(set, DESIRED).is_some_and(|recorded| recorded != desired))
}

const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";

/// Scales without rolling: the only active set takes all, several keep their shares as far as the limit allows.
fn scale(world: &mut World, author: &Author, sets: &Sets, deployment: &Json) -> Result<(), ApiError> {
    let active: Vec<&(Key, Object)> = sets.old.iter().chain(&sets.new).filter(|(_, set)| replicas(set) > 0).collect();
    let total = replicas(deployment);
    let single = if active.len() <= 1 { active.first().copied().or(sets.new.as_ref()) } else { None };
    if let Some((key, _)) = single {
        return scale_set(world, author, key, total, total);
    }
    let current: i64 = active.iter().map(|(_, set)| replicas(set)).sum();
    let allowed = if total > 0 { total + fenceposts(deployment).0 } else { 0 };
    let mut change = allowed - current;
    // The largest set takes the change first, as the original spreads it proportionally.
    let mut largest_first = active;
    largest_first.sort_by_key(|(_, set)| std::cmp::Reverse(replicas(set)));
    for (key, set) in largest_first {
        let wanted = (replicas(set) + change).max(0);
        change -= wanted - replicas(set);
        scale_set(world, author, key, wanted, total)?;
    }
    Ok(())
}

fn scale_set(world: &mut World, author: &Author, key: &Key, count: i64, desired: i64) -> Result<(), ApiError> {
    let desired = desired.to_string();
    let scaled = world.update(author, Resource::ReplicaSets, key, Part::Main, false, |old| {
        let mut new = old.clone();
        new["spec"]["replicas"] = json!(count);
        new["metadata"]["annotations"][DESIRED] = json!(desired);
        Ok(new)
    });
    scaled.map(drop)
}

/// What happened to the new set in this step.
pub(super) enum News {
    Created(Key),
}

/// The set of the current template; created with `count` pods when there is none.
fn ensure_new(
    world: &mut World,
    author: &Author,
    key: &Key,
    deployment: &Json,
    hash: &str,
    sets: &mut Sets,
    count: i64,
) -> Result<Option<News>, ApiError> {
    let newest = sets.old.iter().map(|(_, set)| revision(set)).max().unwrap_or(0);
    if let Some((set_key, set)) = &sets.new {
        // A template of the past is back: its set becomes the newest revision.
        if revision(set) <= newest {
            let number = (newest + 1).to_string();
            world.update(author, Resource::ReplicaSets, set_key, Part::Main, false, |old| {
                let mut new = old.clone();
                new["metadata"]["annotations"][REVISION] = json!(number);
                Ok(new)
            })?;
        }
        return Ok(None);
    }
    let mut pod_template = deployment["spec"]["template"].clone();
    pod_template["metadata"]["labels"][HASH_LABEL] = json!(hash);
    let mut selector = deployment["spec"]["selector"].clone();
    selector["matchLabels"][HASH_LABEL] = json!(hash);
    let name = format!("{}-{hash}", key.name);
    let mut set = json!({
        "metadata": {
            "name": name,
            "labels": pod_template["metadata"]["labels"],
            "annotations": {REVISION: (newest + 1).to_string(), DESIRED: replicas(deployment).to_string()},
            "ownerReferences": [object::owner_reference(Resource::Deployments, deployment)],
        },
        "spec": {"replicas": count, "selector": selector, "template": pod_template},
    });
    if let Some(seconds) = deployment["spec"]["minReadySeconds"].as_i64() {
        set["spec"]["minReadySeconds"] = json!(seconds);
    }
    let created = world.create(author, Resource::ReplicaSets, &key.namespace, set, false)?;
    let set_key = Key::of(&created);
    sets.new = Some((set_key.clone(), created));
    Ok(Some(News::Created(set_key)))
}

fn roll(
    world: &mut World,
    author: &Author,
    key: &Key,
    deployment: &Json,
    hash: &str,
    sets: &mut Sets,
) -> Result<Option<News>, ApiError> {
    let total = replicas(deployment);
    let (surge, unavailable) = fenceposts(deployment);
    let room = (total + surge - sets.wanted()).max(0);
    let news = ensure_new(world, author, key, deployment, hash, sets, room.min(total))?;
    let Some((new_key, new)) = &sets.new else { return Ok(news) };
    if news.is_some() {
        return Ok(news);
    }
    let grown = if replicas(new) > total { total } else { (replicas(new) + room).min(total) };
    if grown != replicas(new) {
        scale_set(world, author, new_key, grown, total)?;
        return Ok(news);
    }
    shrink_old(world, author, sets, total, total - unavailable)?;
    Ok(news)
}

/// Takes pods from the old sets, unhealthy ones first, as far as enough stay available.
fn shrink_old(world: &mut World, author: &Author, sets: &Sets, total: i64, min_available: i64) -> Result<(), ApiError> {
    let Some((_, new)) = &sets.new else { return Ok(()) };
    let new_unavailable = replicas(new) - counter(new, "availableReplicas");
    let mut spare = sets.wanted() - min_available - new_unavailable;
    let mut left: Vec<i64> = sets.old.iter().map(|(_, set)| replicas(set)).collect();
    for (at, (_, set)) in sets.old.iter().enumerate() {
        let unhealthy = (left[at] - counter(set, "availableReplicas")).clamp(0, spare.max(0));
        left[at] -= unhealthy;
        spare -= unhealthy;
    }
    let mut available = (sets.counted("availableReplicas") - min_available).min(spare).max(0);
    for count in &mut left {
        let taken = (*count).min(available);
        *count -= taken;
        available -= taken;
    }
    for ((key, set), count) in sets.old.iter().zip(left) {
        if count != replicas(set) {
            scale_set(world, author, key, count, total)?;
        }
    }
    Ok(())
}

/// All old pods go, gone for good, before the first new one comes.
fn recreate(
    world: &mut World,
    author: &Author,
    key: &Key,
    deployment: &Json,
    hash: &str,
    sets: &mut Sets,
) -> Result<Option<News>, ApiError> {
    let mut waiting = false;
    for (set_key, set) in &sets.old {
        if replicas(set) > 0 {
            put_spec(world, author, Resource::ReplicaSets, set_key, "replicas", json!(0))?;
            waiting = true;
        }
        let pods = world.store.owned(object::uid(set), Resource::Pods);
        waiting |= pods.iter().any(|(_, pod)| !object::is_finished_pod(pod));
    }
    if waiting {
        return Ok(None);
    }
    let total = replicas(deployment);
    let news = ensure_new(world, author, key, deployment, hash, sets, total)?;
    if let Some((new_key, new)) = &sets.new
        && replicas(new) != total
    {
        scale_set(world, author, new_key, total, total)?;
    }
    Ok(news)
}
