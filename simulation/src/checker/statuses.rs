//! The operator writes statuses of configs, marks of workloads, evictions, events and its lease; nothing else, and nobody
//! writes its statuses.

use flippy_sim::{Part, Resource};

use super::{Finding, Invariant};
use crate::life::is_operator;
use crate::record::{Record, WORKLOADS};
use crate::replicas::LEASE;

pub(super) fn check(record: &Record<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for mutation in &record.history.mutations {
        let by_operator = is_operator(&mutation.author.user);
        let wrong = match (mutation.resource, by_operator) {
            (Resource::FlippyConfigs, true) => mutation.part != Part::Status,
            (Resource::FlippyConfigs, false) => match (&mutation.before, &mutation.after) {
                (Some(before), Some(after)) => before["status"] != after["status"],
                (None, Some(after)) => !after["status"].is_null(),
                _ => false,
            },
            (Resource::Leases, true) => *mutation.key.name != *LEASE,
            // Whether an eviction is right is a question of its own.
            (Resource::Events | Resource::Pods, true) | (_, false) => false,
            (resource, true) => {
                !WORKLOADS.contains(&resource) || mutation.part != Part::Main || mutation.before.is_none()
            }
        };
        if wrong {
            findings.push(Finding {
                at: mutation.at,
                invariant: Invariant::Statuses,
                message: format!("this is not for {} to write: {mutation}", mutation.author.user),
                subject: mutation.key.name.to_string(),
            });
        }
    }
    findings
}
