//! A restart is under way for no longer than its window, counted from its mark and not from when somebody looked: a
//! status that is written later must not count it as being under way.

use std::collections::BTreeMap;

use flippy_sim::{Json, Key, Part, Resource};
use jiff::SignedDuration;

use super::facts::complete_by;
use super::wish::{Wish, resource_of};
use super::{Finding, Invariant};
use crate::life::is_operator;
use crate::record::{Record, mark};

/// From the pass that found it to the arrival of the status; a write that is delayed is not a new finding.
const WRITING: SignedDuration = SignedDuration::from_secs(3);

pub(super) fn check(record: &Record<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let statuses = record.history.mutations.iter().filter(|mutation| {
        mutation.resource == Resource::FlippyConfigs
            && mutation.part == Part::Status
            && is_operator(&mutation.author.user)
    });
    for written in statuses {
        let Some(after) = &written.after else { continue };
        let Some(wish) = Wish::read(&written.key, after, &BTreeMap::new()) else { continue };
        let Some(request) = written.author.request.and_then(|index| record.history.requests.get(index)) else {
            continue;
        };
        let is_current = after["status"]["observedGeneration"] == after["metadata"]["generation"];
        for listed in after["status"]["inFlight"].as_array().into_iter().flatten().filter(|_| is_current) {
            let Some((resource, key)) = place(listed) else { continue };
            let Some(workload) = record.at(resource, &key, written.revision) else { continue };
            let (Some(mark), Some(check)) = (mark(resource, workload), wish.waits_for(resource, &key)) else {
                continue;
            };
            // In both lists, it has the longer of two windows.
            let window = wish.check_of(resource).map_or(check.window(), |other| other.window().max(check.window()));
            // Once complete, it has to stay so.
            let window = window + wish.strategy.min_ready;
            // By the clock of the operator, and as it was before anybody set it while the status was on its way.
            let before = request.at - WRITING;
            let shown = record.shown(request, request.at).min(record.shown(request, before) + WRITING);
            let pods = record.pods_of(workload, written.revision);
            let began = complete_by(resource, &pods, &mark, SignedDuration::ZERO);
            let lasted = shown.duration_since(began);
            if lasted > window + WRITING {
                findings.push(Finding {
                    at: written.at,
                    invariant: Invariant::Deadline,
                    message: format!(
                        "{} is said to be under way {} s after its restart, though it has {} s (FlippyConfig {})",
                        listed["workload"],
                        lasted.as_secs(),
                        window.as_secs(),
                        written.key
                    ),
                    subject: key.name.to_string(),
                });
            }
        }
    }
    findings
}

fn place(listed: &Json) -> Option<(Resource, Key)> {
    let (kind, key) = listed["workload"].as_str()?.split_once(' ')?;
    let (namespace, name) = key.split_once('/')?;
    Some((resource_of(kind)?, Key::new(namespace, name)))
}
