//! What a Deployment says of itself: counters, conditions, the progress deadline.

use crate::{Json, json};

use super::deployment::{News, REVISION, Sets, counter, fenceposts, replicas};
use super::{Again, conditions, sooner};
use crate::error::ApiError;
use crate::history::Author;
use crate::object::{self, Key};
use crate::request::Part;
use crate::resources::Resource;
use crate::world::World;
use crate::write::Deletion;

pub(super) fn update(
    world: &mut World,
    author: &Author,
    key: &Key,
    deployment: &Json,
    sets: &Sets,
    news: Option<&News>,
) -> Again {
    let now = world.stamp();
    let (total, (_, unavailable)) = (replicas(deployment), fenceposts(deployment));
    let available = sets.counted("availableReplicas");
    let mut status =
        json!({"observedGeneration": object::generation(deployment), "conditions": deployment["status"]["conditions"]});
    let updated = sets.new.as_ref().map_or(0, |(_, set)| counter(set, "replicas"));
    let counters = [
        ("replicas", sets.counted("replicas")),
        ("updatedReplicas", updated),
        ("readyReplicas", sets.counted("readyReplicas")),
        ("availableReplicas", available),
        ("unavailableReplicas", (sets.wanted() - available).max(0)),
    ];
    for (field, count) in counters.into_iter().filter(|(_, count)| *count > 0) {
        status[field] = json!(count);
    }
    if available >= total - unavailable {
        conditions::set(
            &mut status,
            "Available",
            "True",
            "MinimumReplicasAvailable",
            "Deployment has minimum availability.",
            &now,
        );
    } else {
        conditions::set(
            &mut status,
            "Available",
            "False",
            "MinimumReplicasUnavailable",
            "Deployment does not have minimum availability.",
            &now,
        );
    }
    let again = progress(world, key, deployment, &mut status, sets, news, &now);
    let number = sets.new.as_ref().and_then(|(_, set)| object::annotation(set, REVISION)).map(str::to_owned);
    let current = world.store.get(Resource::Deployments, key);
    let written = current.is_some_and(|current| {
        current["status"] == status && object::annotation(current, REVISION) == number.as_deref()
    });
    if written {
        forget_old_sets(world, author, deployment, sets)?;
        return Ok(again);
    }
    world.update(author, Resource::Deployments, key, Part::Status, false, |old| {
        let mut new = old.clone();
        new["status"] = status;
        if let Some(number) = number {
            new["metadata"]["annotations"][REVISION] = json!(number);
        }
        Ok(new)
    })?;
    forget_old_sets(world, author, deployment, sets)?;
    Ok(again)
}

/// Keeps the Progressing condition (k/k deployment/progress.go); says when its deadline has to be looked at.
fn progress(
    world: &World,
    key: &Key,
    deployment: &Json,
    status: &mut Json,
    sets: &Sets,
    news: Option<&News>,
    now: &Json,
) -> Option<u64> {
    let set = |status: &mut Json, value, reason, message: String| {
        conditions::set(status, "Progressing", value, reason, &message, now);
    };
    if deployment["spec"]["paused"] == true {
        if conditions::reason(status, "Progressing") != "ProgressDeadlineExceeded" {
            set(status, "Unknown", "DeploymentPaused", "Deployment is paused".to_owned());
        }
        return None;
    }
    if conditions::reason(status, "Progressing") == "DeploymentPaused" {
        set(status, "Unknown", "DeploymentResumed", "Deployment is resumed".to_owned());
    }
    if let Some(News::Created(new)) = news {
        set(status, "True", "NewReplicaSetCreated", format!("Created new replica set \"{}\"", new.name));
        conditions::touch(status, "Progressing", now);
    }
    let count = |status: &Json, field: &str| status[field].as_i64().unwrap_or(0);
    let old = &deployment["status"];
    let (total, replicas, updated, available) = (
        replicas(deployment),
        count(status, "replicas"),
        count(status, "updatedReplicas"),
        count(status, "availableReplicas"),
    );
    let was_complete = conditions::reason(status, "Progressing") == "NewReplicaSetAvailable" && replicas == updated;
    let name = sets.new.as_ref().map_or(&*key.name, |(key, _)| &*key.name);
    if was_complete {
        return None;
    }
    if updated == total && replicas == total && available == total && sets.new.is_some() {
        set(status, "True", "NewReplicaSetAvailable", format!("ReplicaSet \"{name}\" has successfully progressed."));
        return None;
    }
    let advanced = updated > count(old, "updatedReplicas")
        || replicas - updated < count(old, "replicas") - count(old, "updatedReplicas")
        || count(status, "readyReplicas") > count(old, "readyReplicas")
        || available > count(old, "availableReplicas");
    if advanced && news.is_none() {
        set(status, "True", "ReplicaSetUpdated", format!("ReplicaSet \"{name}\" is progressing."));
        conditions::touch(status, "Progressing", now);
    }
    let deadline = deployment["spec"]["progressDeadlineSeconds"].as_i64().unwrap_or(600);
    let condition = conditions::find(status, "Progressing")?;
    if matches!(condition["reason"].as_str(), Some("ProgressDeadlineExceeded" | "NewReplicaSetAvailable")) {
        return None;
    }
    let since = object::timestamp(&condition["lastUpdateTime"])?;
    let due = since.checked_add(jiff::SignedDuration::from_secs(deadline)).ok()?;
    if due > world.time() {
        return sooner(None, Some(world.millis_until(due)));
    }
    set(status, "False", "ProgressDeadlineExceeded", format!("ReplicaSet \"{name}\" has timed out progressing."));
    None
}

/// Deletes empty sets beyond `revisionHistoryLimit`, once rolled out.
fn forget_old_sets(world: &mut World, author: &Author, deployment: &Json, sets: &Sets) -> Result<(), ApiError> {
    let limit = usize::try_from(deployment["spec"]["revisionHistoryLimit"].as_i64().unwrap_or(10)).unwrap_or(0);
    let empty: Vec<&Key> = sets
        .old
        .iter()
        .filter(|(_, set)| replicas(set) == 0 && counter(set, "replicas") == 0)
        .map(|(key, _)| key)
        .collect();
    for key in &empty[..empty.len().saturating_sub(limit)] {
        world.delete(author, Resource::ReplicaSets, key, &Deletion::default())?;
    }
    Ok(())
}
