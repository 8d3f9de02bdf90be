//! What a Rollout says of itself: counters, conditions, phase.

use crate::{Json, json};

use super::rollout::{Step, counter, replicas};
use super::{Again, conditions, put_status};
use crate::object::{self, Key, Object};
use crate::resources::Resource;
use crate::world::World;

impl Step<'_> {
    pub(super) fn update_status(mut self, world: &mut World) -> Again {
        let now = world.stamp();
        let reload = |world: &World, (key, _): &(Key, Object)| world.store.get(Resource::ReplicaSets, key).cloned();
        let sets: Vec<Object> = self.sets().filter_map(|set| reload(world, set)).collect();
        let sum = |field: &str| sets.iter().map(|set| counter(set, field)).sum::<i64>();
        let new = reload(world, &self.new);
        let updated = new.as_ref().map_or(0, |new| counter(new, "replicas"));
        let total = replicas(self.rollout);
        let available_new = new.as_ref().map_or(0, |new| counter(new, "availableReplicas"));
        let steps_done = self.step_index() >= self.steps().len() && !self.is_aborted();
        // shouldFullPromote: the first revision at once, be its pods well or not; later ones when they are all available.
        if self.status["stableRS"].is_null() || (steps_done && available_new >= total) {
            self.status["stableRS"] = json!(self.hash);
        }
        let old = self.rollout["status"].clone();
        for (field, count) in [
            ("replicas", sum("replicas")),
            ("HPAReplicas", sum("replicas")),
            ("updatedReplicas", updated),
            ("readyReplicas", sum("readyReplicas")),
            ("availableReplicas", sum("availableReplicas")),
        ] {
            self.status[field] = json!(count);
        }
        // Argo keeps this as text.
        self.status["observedGeneration"] = json!(object::generation(self.rollout).to_string());
        let (_, unavailable) = self.fence();
        let enough = sum("availableReplicas") >= total - unavailable;
        let (value, reason) = if enough { ("True", "AvailableReason") } else { ("False", "AvailableReason") };
        conditions::set(&mut self.status, "Available", value, reason, "", &now);
        let deadline = self.progress(world, &old, &now);
        let (phase, message) = self.phase();
        self.status["phase"] = json!(phase);
        match self.status.as_object_mut() {
            Some(status) if message.is_empty() => drop(status.remove("message")),
            Some(status) => drop(status.insert("message".to_owned(), json!(message))),
            None => {}
        }
        put_status(world, &self.author, Resource::Rollouts, self.key, self.status)?;
        Ok(deadline)
    }

    fn is_promoted(&self) -> bool {
        self.status["stableRS"] == self.hash.as_str()
    }

    fn is_complete(&self) -> bool {
        let total = replicas(self.rollout);
        let count = |field: &str| self.status[field].as_i64().unwrap_or(0);
        self.is_promoted()
            && count("updatedReplicas") == total
            && count("replicas") == total
            && count("availableReplicas") == total
    }

    /// Keeps the Progressing condition; says when its deadline has to be looked at.
    fn progress(&mut self, world: &World, old: &Json, now: &Json) -> Option<u64> {
        if self.is_aborted() {
            conditions::set(&mut self.status, "Progressing", "False", "RolloutAborted", "Rollout aborted", now);
            return None;
        }
        if self.is_complete() {
            conditions::set(
                &mut self.status,
                "Progressing",
                "True",
                "NewReplicaSetAvailable",
                "ReplicaSet has successfully progressed.",
                now,
            );
            return None;
        }
        if !self.status["pauseConditions"].is_null() || self.rollout["spec"]["paused"] == true {
            conditions::set(&mut self.status, "Progressing", "Unknown", "RolloutPaused", "Rollout is paused", now);
            return None;
        }
        let grew = |field: &str| self.status[field].as_i64().unwrap_or(0) > old[field].as_i64().unwrap_or(0);
        if grew("updatedReplicas")
            || grew("readyReplicas")
            || grew("availableReplicas")
            || conditions::reason(&self.status, "Progressing") == "RolloutPaused"
        {
            conditions::set(
                &mut self.status,
                "Progressing",
                "True",
                "ReplicaSetUpdated",
                "ReplicaSet is progressing.",
                now,
            );
            conditions::touch(&mut self.status, "Progressing", now);
        }
        let condition = conditions::find(&self.status, "Progressing")?;
        // A Rollout that was complete and lost a pod is not "in progress" in this sense.
        if matches!(condition["reason"].as_str(), Some("ProgressDeadlineExceeded" | "NewReplicaSetAvailable")) {
            return None;
        }
        let seconds = self.rollout["spec"]["progressDeadlineSeconds"].as_i64().unwrap_or(600);
        let due = object::timestamp(&condition["lastUpdateTime"])?
            .checked_add(jiff::SignedDuration::from_secs(seconds))
            .ok()?;
        if due > world.time() {
            return Some(world.millis_until(due));
        }
        conditions::set(
            &mut self.status,
            "Progressing",
            "False",
            "ProgressDeadlineExceeded",
            "ReplicaSet has timed out progressing.",
            now,
        );
        None
    }

    /// `CalculateRolloutPhase` of argo-rollouts, for the canary strategy.
    fn phase(&self) -> (&'static str, String) {
        let total = replicas(self.rollout);
        let count = |field: &str| self.status[field].as_i64().unwrap_or(0);
        for reason in ["RolloutAborted", "ProgressDeadlineExceeded"] {
            if conditions::reason(&self.status, "Progressing") == reason {
                return ("Degraded", format!("{reason}: see conditions"));
            }
        }
        if self.rollout["spec"]["paused"] == true {
            return ("Paused", "manually paused".to_owned());
        }
        if let Some(reason) = self.status["pauseConditions"][0]["reason"].as_str() {
            return ("Paused", reason.to_owned());
        }
        let restart = object::timestamp(&self.rollout["spec"]["restartAt"]);
        let progressing = if restart.is_some() && restart != object::timestamp(&self.status["restartedAt"]) {
            "rollout is restarting"
        } else if count("updatedReplicas") < total {
            "more replicas need to be updated"
        } else if count("availableReplicas") < count("updatedReplicas") {
            "updated replicas are still becoming available"
        } else if count("replicas") > count("updatedReplicas") {
            "old replicas are pending termination"
        } else if !self.is_promoted() {
            "waiting for all steps to complete"
        } else {
            return ("Healthy", String::new());
        };
        ("Progressing", progressing.to_owned())
    }
}
