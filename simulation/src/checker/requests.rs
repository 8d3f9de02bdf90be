//! Requests are few: only the kinds that are needed, and failures are not answered by more of them.

use std::collections::VecDeque;
use std::sync::Arc;

use ahash::{HashMap, HashMapExt};
use flippy_sim::{Json, Key, Outcome, Part, RequestRecord, Resource, Verb};
use jiff::{SignedDuration, Timestamp};

use super::{Finding, Invariant};
use crate::life::is_operator;
use crate::record::{Record, WORKLOADS};
use crate::scenario::{SOURCE, Scenario};

/// In this time …
const PERIOD: SignedDuration = SignedDuration::from_mins(1);
/// … one life lists a resource at most so often: its waits double from one second.
const LISTS: usize = 8;
/// … it begins as many watches of one; each ends, at worst, as soon as it has begun.
const WATCHES: usize = 40;
/// … it is refused the same restart at most so often: 2, 4, 8, 16 and 32 seconds apart.
const REFUSALS: usize = 6;
/// … it reads the lease at most so often, and writes it as often: every two seconds.
const LEASES: usize = 36;
/// … it asks admission at most so often: five times a second.
const QUESTIONS: usize = 301;
/// … and it writes the status of a config at most once a second.
const STATUSES: usize = 61;

pub(super) fn check(record: &Record<'_>, scenario: &Scenario) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut rates: HashMap<Subject, VecDeque<Timestamp>> = HashMap::new();
    for request in record.history.requests.iter().filter(|request| is_operator(&request.user)) {
        let discovery = (Verb::Get, Resource::CloneSets, Part::Main, Key::new("", "discovery"));
        let is_discovery = request.line.ends_with("/apis/apps.kruise.io/v1alpha1");
        let Some((verb, resource, part, key)) = request.target.as_ref().or(is_discovery.then_some(&discovery)) else {
            findings.push(finding(request, "is not for an operator to ask", ""));
            continue;
        };
        let allowed = match (verb, resource, part) {
            (Verb::List | Verb::Watch, Resource::Secrets, _) => false,
            (Verb::List | Verb::Watch, Resource::ConfigMaps, _) => names(request, SOURCE.1),
            // What admission makes of it is asked, and no pod made.
            (Verb::Create, Resource::Pods, Part::Main) => request.dry_run,
            (Verb::List | Verb::Watch, _, _)
            | (Verb::Create, Resource::Events, _)
            | (Verb::Patch, Resource::FlippyConfigs, Part::Status)
            | (Verb::Create, Resource::Pods, Part::Eviction) => true,
            (Verb::Get | Verb::Create | Verb::Update, Resource::Leases, Part::Main) => scenario.replicas.is_some(),
            (Verb::Patch, resource, Part::Main) => WORKLOADS.contains(resource),
            _ if is_discovery => true,
            _ => false,
        };
        if !allowed {
            findings.push(finding(request, "is not for the operator to ask", &key.name));
        }
        let Some((subject, most)) = subject(request, *verb, *resource, key) else { continue };
        let times = rates.entry(subject).or_default();
        times.push_back(request.at);
        while times.front().is_some_and(|first| request.at.duration_since(*first) > PERIOD) {
            times.pop_front();
        }
        // Each time that the clock is set ahead, what waits may be tried again at once.
        if times.len() == most + scenario.clocks.jumps_in_all() + 1 {
            findings.push(finding(request, "was asked too often within a minute", &key.name));
        }
    }
    findings
}

type Subject = (Arc<str>, Verb, Resource, Key, i64);

/// What a request is counted with, and how many of them are fine.
fn subject(request: &RequestRecord, verb: Verb, resource: Resource, key: &Key) -> Option<(Subject, usize)> {
    let (most, generation) = match (verb, resource) {
        // Five questions to admission a second, about all workloads together, and one template read for each.
        (Verb::Create, Resource::Pods) if request.dry_run => return Some(question(request, verb, resource)),
        (Verb::List, _) if WORKLOADS.contains(&resource) && names(request, "") => {
            return Some(question(request, verb, Resource::Pods));
        }
        // Its two watches of single definitions are counted together; and ReplicaSets link pods to their workloads, and
        // are workloads.
        (Verb::List, Resource::CustomResourceDefinitions | Resource::ReplicaSets) => (2 * LISTS, 0),
        (Verb::Watch, Resource::CustomResourceDefinitions | Resource::ReplicaSets) => (2 * WATCHES, 0),
        (Verb::List, _) | (Verb::Get, Resource::CloneSets) => (LISTS, 0),
        (Verb::Watch, _) => (WATCHES, 0),
        (_, Resource::Leases) => (LEASES, 0),
        (Verb::Patch, Resource::FlippyConfigs) => (STATUSES, 0),
        (Verb::Create, Resource::Pods) if request.outcome != Outcome::Answered(201) => (REFUSALS, 0),
        (Verb::Patch, _) if request.outcome != Outcome::Answered(200) => (REFUSALS, tested_generation(request)),
        _ => return None,
    };
    Some(((request.user.clone(), verb, resource, key.clone(), generation), most))
}

/// Counted apart from lists of everything, which name no object.
fn question(request: &RequestRecord, verb: Verb, resource: Resource) -> (Subject, usize) {
    ((request.user.clone(), verb, resource, Key::new("", "a question"), 0), QUESTIONS)
}

/// Whether only objects of this name are asked for.
fn names(request: &RequestRecord, name: &str) -> bool {
    request.line.contains(&format!("fieldSelector=metadata.name%3D{name}"))
}

/// Another generation is another question.
pub(super) fn tested_generation(request: &RequestRecord) -> i64 {
    let patch: Json = serde_json::from_slice(&request.body).unwrap_or_default();
    let mut tests = patch.as_array().into_iter().flatten();
    let test = tests.find(|one| one["op"] == "test" && one["path"] == "/metadata/generation");
    test.and_then(|test| test["value"].as_i64()).unwrap_or(0)
}

fn finding(request: &RequestRecord, what: &str, subject: &str) -> Finding {
    Finding {
        at: request.at,
        invariant: Invariant::Requests,
        message: format!("`{}` of {} {what}", request.line, request.user),
        subject: subject.to_owned(),
    }
}
