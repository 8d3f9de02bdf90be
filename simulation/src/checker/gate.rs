//! Nothing starts while a required precondition is not met. One that is not required holds restarts up for at most as
//! long as it says; before its config has existed for that long, it certainly does.

use super::facts::{Rollout, name, rollout_of};
use super::{Case, Invariant, Objection};

pub(super) fn objection(case: &Case<'_>) -> Option<Objection> {
    let unmet = case.wish.preconditions.iter().find(|(resource, key, check)| {
        let workload = case.view.workloads.get(&(*resource, key.clone()));
        let met = workload.is_some_and(|workload| {
            workload["metadata"]["deletionTimestamp"].is_null() && rollout_of(*resource, workload) == Rollout::Complete
        });
        // Begun when the config was first seen, by a clock that may have been set, or have been another one, since.
        let patience_is_over =
            case.now.duration_since(case.wish.created_at) + case.record.clocks.spread() >= check.wait;
        !met && (check.wanted || !patience_is_over)
    });
    let (resource, key, _) = unmet?;
    let message = format!("precondition {} of FlippyConfig {} was not met", name(*resource, key), case.wish.key);
    Some(Objection::new(Invariant::Gate, message))
}
