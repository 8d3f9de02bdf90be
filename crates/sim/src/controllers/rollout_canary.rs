//! The canary steps of a Rollout, and how many pods each set gets meanwhile.

use crate::{Json, json};

use super::put_spec;
use super::rollout::{Step, counter, replicas};
use crate::error::ApiError;
use crate::object::{self, Key};
use crate::resources::Resource;
use crate::world::World;

impl Step<'_> {
    pub(super) fn steps(&self) -> &[Json] {
        self.rollout["spec"]["strategy"]["canary"]["steps"].as_array().unwrap_or_default()
    }

    pub(super) fn step_index(&self) -> usize {
        self.status["currentStepIndex"].as_u64().and_then(|index| usize::try_from(index).ok()).unwrap_or(0)
    }

    pub(super) fn is_aborted(&self) -> bool {
        self.status["abort"] == true
    }

    /// The share of pods that should be new by now, in percent.
    pub(super) fn weight(&self) -> i64 {
        if self.is_aborted() {
            return 0;
        }
        if self.stable.is_none() || self.step_index() >= self.steps().len() {
            return 100;
        }
        let reached = self.steps()[..=self.step_index()].iter().rev().find_map(|step| step["setWeight"].as_i64());
        reached.unwrap_or(0)
    }

    /// (new, stable) pods wanted at the current weight.
    pub(super) fn wanted(&self) -> (i64, i64) {
        let (total, weight) = (replicas(self.rollout), self.weight());
        if self.stable.is_none() || weight >= 100 {
            return (total, 0);
        }
        let canary = (total * weight + 99) / 100;
        // Between 0 and 100 percent, more than one replica means at least one of each.
        let canary = if total > 1 && weight > 0 { canary.clamp(1, total - 1) } else { canary };
        (canary, total - canary)
    }

    /// Goes through the canary steps as far as they are done; says when a timed pause ends.
    pub(super) fn advance_steps(&mut self, world: &World) -> Option<u64> {
        if self.stable.is_none() || self.is_aborted() {
            if !self.steps().is_empty() {
                self.status["currentStepIndex"] = json!(self.steps().len());
            }
            return None;
        }
        while self.step_index() < self.steps().len() {
            let step = self.steps()[self.step_index()].clone();
            if step["setWeight"].as_i64().is_some() {
                let (canary, stable) = self.wanted();
                let is_stable_there = |set: &Json| replicas(set) == stable && counter(set, "replicas") == stable;
                if counter(&self.new.1, "availableReplicas") != canary
                    || replicas(&self.new.1) != canary
                    || !self.stable.as_ref().is_none_or(|(_, set)| is_stable_there(set))
                {
                    return None;
                }
            } else if step["pause"].is_object() {
                if self.status["controllerPause"] == true && self.status["pauseConditions"].is_null() {
                    // Somebody promoted it.
                } else if self.status["controllerPause"] != true {
                    self.status["controllerPause"] = json!(true);
                    self.status["pauseConditions"] = json!([{"reason": "CanaryPauseStep", "startTime": world.stamp()}]);
                    return pause_length(&step);
                } else {
                    let since = object::timestamp(&self.status["pauseConditions"][0]["startTime"])?;
                    let length = i64::try_from(pause_length(&step)?).ok()?;
                    let left = since.as_millisecond() + length - world.time().as_millisecond();
                    if left > 0 {
                        return u64::try_from(left).ok();
                    }
                }
                for field in ["pauseConditions", "controllerPause"] {
                    self.status.as_object_mut().map(|status| status.remove(field));
                }
            }
            self.status["currentStepIndex"] = json!(self.step_index() + 1);
        }
        None
    }

    /// Moves the sets towards the wanted counts within surge and availability.
    pub(super) fn scale(&mut self, world: &mut World) -> Result<(), ApiError> {
        let (canary, stable) = self.wanted();
        let (surge, unavailable) = self.fence();
        let total = replicas(self.rollout);
        let current: i64 = self.sets().map(|(_, set)| replicas(set)).sum();
        let mut room = (total + surge - current).max(0);
        let mut plan: Vec<(Key, i64, i64, i64)> = Vec::new();
        for (wanted, (key, set)) in self.stable.iter().map(|set| (stable, set)).chain([(canary, &self.new)]) {
            let grown = if replicas(set) < wanted { (replicas(set) + room).min(wanted) } else { replicas(set) };
            room -= grown - replicas(set);
            plan.push((key.clone(), grown, wanted, replicas(set) - counter(set, "availableReplicas")));
        }
        let available: i64 = self.sets().map(|(_, set)| counter(set, "availableReplicas").min(replicas(set))).sum();
        let mut spare = (available - (total - unavailable)).max(0);
        for (key, set) in &self.others {
            let unhealthy = (replicas(set) - counter(set, "availableReplicas")).max(0);
            let taken = replicas(set).min(unhealthy + spare);
            spare -= (taken - unhealthy).max(0);
            plan.push((key.clone(), replicas(set) - taken, 0, 0));
        }
        // Old sets go first.
        if self.others.iter().all(|(_, set)| replicas(set) == 0) {
            for (_, count, wanted, unhealthy) in plan.iter_mut().filter(|(_, count, wanted, _)| count > wanted) {
                let taken = (*count - *wanted).min(spare + (*unhealthy).max(0));
                spare -= (taken - (*unhealthy).max(0)).max(0);
                *count -= taken;
            }
        }
        for (key, count, ..) in plan {
            put_spec(world, &self.author, Resource::ReplicaSets, &key, "replicas", json!(count))?;
        }
        Ok(())
    }
}

/// How long a pause step lasts, in milliseconds; None for one that waits for a person.
fn pause_length(step: &Json) -> Option<u64> {
    let duration = &step["pause"]["duration"];
    if let Some(seconds) = duration.as_u64() {
        return Some(seconds * 1_000);
    }
    let text = duration.as_str()?;
    // A bare number in quotes is seconds to Argo.
    text.parse::<u64>().map(|seconds| seconds * 1_000).ok().or_else(|| crate::duration::milliseconds(text))
}
