//! Evicting pods under disruption budgets (k/k pkg/registry/core/pod/storage/eviction.go).

use crate::{Json, json};

use crate::error::ApiError;
use crate::history::Author;
use crate::object::{self, Key};
use crate::request::Part;
use crate::resources::Resource;
use crate::rules::check_preconditions;
use crate::selector::LabelSelector;
use crate::world::World;
use crate::write::Deletion;

/// What the server says when a budget does not allow a disruption.
const DISRUPTION_MESSAGE: &str = "Cannot evict pod as it would violate the pod's disruption budget.";

impl World {
    pub(crate) fn evict(&mut self, author: &Author, key: &Key, deletion: &Deletion) -> Result<(), ApiError> {
        let pod = self
            .store
            .get(Resource::Pods, key)
            .cloned()
            .ok_or_else(|| ApiError::not_found(Resource::Pods, &key.name))?;
        check_preconditions(Resource::Pods, key, &pod, deletion)?;
        if !may_ignore_budgets(&pod) {
            let budgets = self.budgets_of(&pod);
            if budgets.len() > 1 {
                return Err(ApiError::several_budgets());
            }
            if let Some(budget) = budgets.first() {
                self.spend(budget, &pod, deletion.dry_run)?;
            }
        }
        if !deletion.dry_run {
            self.mark_disrupted(author, key)?;
        }
        // The mark has changed the resource version that the precondition named; it was checked above.
        let deletion = Deletion { resource_version: None, ..deletion.clone() };
        self.delete(author, Resource::Pods, key, &deletion).map(drop)
    }

    fn budgets_of(&self, pod: &Json) -> Vec<Key> {
        let budgets = self.store.range(Resource::PodDisruptionBudgets, Some(object::namespace(pod)), None);
        let matching = budgets.filter(|(_, budget)| {
            LabelSelector::of_spec(&budget["spec"]["selector"]).is_some_and(|selector| selector.matches(pod))
        });
        matching.map(|(key, _)| key.clone()).collect()
    }

    /// Takes one disruption out of the budget, or refuses.
    fn spend(&mut self, key: &Key, pod: &Json, dry_run: bool) -> Result<(), ApiError> {
        let Some(budget) = self.store.get(Resource::PodDisruptionBudgets, key).cloned() else { return Ok(()) };
        let status = &budget["status"];
        let number = |field: &str| status[field].as_i64().unwrap_or_default();
        let (healthy, desired) = (number("currentHealthy"), number("desiredHealthy"));
        if !object::is_ready_pod(pod) {
            let always = budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow";
            if always || (healthy >= desired && desired > 0) {
                return Ok(());
            }
        }
        if number("observedGeneration") < object::generation(&budget) {
            let cause = format!("The disruption budget {} is still being processed by the server.", key.name);
            return Err(ApiError::too_many_requests(DISRUPTION_MESSAGE, 10).cause("DisruptionBudget", cause));
        }
        if number("disruptionsAllowed") <= 0 {
            let cause =
                format!("The disruption budget {} needs {desired} healthy pods and has {healthy} currently", key.name);
            return Err(ApiError::too_many_requests(DISRUPTION_MESSAGE, 0).cause("DisruptionBudget", cause));
        }
        if dry_run {
            return Ok(());
        }
        let (allowed, disrupted_at) = (number("disruptionsAllowed") - 1, self.stamp());
        self.update(
            &Author::controller("system:apiserver"),
            Resource::PodDisruptionBudgets,
            key,
            Part::Status,
            false,
            |old| {
                let mut new = old.clone();
                new["status"]["disruptionsAllowed"] = json!(allowed);
                new["status"]["disruptedPods"][object::name(pod)] = disrupted_at;
                Ok(new)
            },
        )
        .map(drop)
    }

    /// Says on the pod why it goes.
    fn mark_disrupted(&mut self, author: &Author, key: &Key) -> Result<(), ApiError> {
        let now = self.stamp();
        self.update(author, Resource::Pods, key, Part::Status, false, |old| {
            let mut new = old.clone();
            if !new["status"]["conditions"].is_array() {
                new["status"]["conditions"] = json!([]);
            }
            if object::condition(old, "DisruptionTarget").is_none()
                && let Some(conditions) = new["status"]["conditions"].as_array_mut()
            {
                conditions.push(json!({
                    "type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI",
                    "message": "Eviction API: evicting", "lastTransitionTime": now,
                }));
            }
            Ok(new)
        })
        .map(drop)
    }
}

/// Pods that are not running yet, or no longer, disrupt nobody.
fn may_ignore_budgets(pod: &Json) -> bool {
    !object::is_active_pod(pod) || pod["status"]["phase"] == "Pending"
}
