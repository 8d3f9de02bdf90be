//! `restartAt` of a Rollout: its pods are evicted, not its template changed (argo-rollouts rollout/restart.go).

use crate::Json;

use super::rollout::{Step, replicas};
use crate::error::ApiError;
use crate::object::{self, Key, Object};
use crate::resources::Resource;
use crate::world::World;
use crate::write::Deletion;

/// Argo's `restartPodCheckTime`, in milliseconds.
const RESTART_RETRY: u64 = 30_000;

/// What came of it, and when to look again.
pub(super) enum Restart {
    Evicted(Option<u64>),
    Idle(Option<u64>),
}

impl Step<'_> {
    /// Evicts pods from before `restartAt`, as many at once as may be unavailable (at least one).
    pub(super) fn restart(&mut self, world: &mut World) -> Result<Restart, ApiError> {
        let asked = &self.rollout["spec"]["restartAt"];
        let Some(at) = object::timestamp(asked) else { return Ok(Restart::Idle(None)) };
        if object::timestamp(&self.status["restartedAt"]) == Some(at) {
            return Ok(Restart::Idle(None));
        }
        if world.time() <= at {
            return Ok(Restart::Idle(Some(world.millis_until(at) + 1)));
        }
        let pods: Vec<(Key, Object)> =
            self.sets().flat_map(|(_, set)| world.store.owned(object::uid(set), Resource::Pods)).collect();
        let min_ready = self.rollout["spec"]["minReadySeconds"].as_i64().unwrap_or(0);
        let now = world.time();
        let is_available = |pod: &Json| {
            !object::is_terminating(pod) && object::available_at(pod, min_ready).is_some_and(|at| at <= now)
        };
        let available = i64::try_from(pods.iter().filter(|(_, pod)| is_available(pod)).count()).unwrap_or(i64::MAX);
        let wanted: i64 = self.sets().map(|(_, set)| replicas(set)).sum();
        let mut can_restart = available - (replicas(self.rollout).max(wanted) - self.fence().1.max(1));
        let (mut needed, mut evicted) = (0, 0);
        for (key, pod) in &pods {
            let created = object::timestamp(&pod["metadata"]["creationTimestamp"]);
            if created.is_none_or(|created| created >= at) {
                continue;
            }
            needed += 1;
            if can_restart <= 0 || object::is_terminating(pod) {
                continue;
            }
            match world.evict(&self.author, key, &Deletion::default()) {
                Ok(()) => {
                    can_restart -= 1;
                    evicted += 1;
                }
                // A budget says no: try again later.
                Err(error) if error.code == 429 => {}
                Err(error) => return Err(error),
            }
        }
        let again = if needed == evicted {
            self.status["restartedAt"] = asked.clone();
            None
        } else {
            Some(RESTART_RETRY)
        };
        Ok(if evicted > 0 { Restart::Evicted(again) } else { Restart::Idle(again) })
    }
}
