//! What people read when a seed fails: the command that replays it, what was wrong, and what led to it.

use std::fmt::Write as _;

use flippy_sim::{Mutation, Part, RequestRecord, Resource, Verb};
use jiff::Timestamp;

use crate::checker::Finding;
use crate::life::is_operator;
use crate::record::{WORKLOADS, mark};
use crate::run::Run;
use crate::scenario::Scenario;

/// Findings that are shown of one seed.
const MAX_FINDINGS: usize = 8;
/// Lines of the trace that are shown before the first finding.
const MAX_LINES: usize = 40;

/// Everything about a seed that failed; with `whole`, all of its trace.
pub fn report(scenario: &Scenario, run: &Run, whole: bool) -> String {
    let mut text = String::new();
    let seed = scenario.seed;
    let _ = writeln!(text, "seed {seed}: {} findings in {} virtual seconds", run.findings.len(), run.seconds);
    for finding in run.findings.iter().take(MAX_FINDINGS) {
        let _ = writeln!(text, "  ! {} {:?}: {}", since(run, finding.at), finding.invariant, finding.message);
    }
    if whole || !run.findings.is_empty() {
        let lines = trace(run, run.findings.first().filter(|_| !whole));
        let shown = if whole { &lines[..] } else { &lines[lines.len().saturating_sub(MAX_LINES)..] };
        let _ = writeln!(text, "  trace{}:", if shown.len() < lines.len() { " (its end)" } else { "" });
        for (_, line) in shown {
            let _ = writeln!(text, "    {line}");
        }
    }
    text.push_str(&replay(seed));
    text
}

/// A line that says how to see a seed again.
pub fn replay(seed: u64) -> String {
    format!("  replay: cargo xtask simulate --quick --seed {seed} --trace\n")
}

/// Every version of the objects with this name, or of pods whose name begins with it.
pub fn about(run: &Run, name: &str) -> String {
    let mut text = String::new();
    for mutation in &run.history.mutations {
        let is_one_of_its_pods =
            mutation.resource == Resource::Pods && mutation.key.name.starts_with(&format!("{name}-"));
        if *mutation.key.name == *name || is_one_of_its_pods {
            let object = mutation.after.as_ref().map_or_else(String::new, ToString::to_string);
            let generation = mutation.after.as_ref().map_or(0, crate::record::generation);
            let _ = writeln!(text, "{} {mutation} generation {generation} {object}", since(run, mutation.at));
        }
    }
    text
}

/// Virtual time since the beginning, in seconds.
fn since(run: &Run, at: Timestamp) -> String {
    let passed = at.duration_since(run.began_at);
    format!("{:>9.3}", passed.as_secs_f64())
}

/// The lines that matter, in order of time, until a finding.
fn trace(run: &Run, until: Option<&Finding>) -> Vec<(Timestamp, String)> {
    let end = until.map_or(Timestamp::MAX, |finding| finding.at);
    let requests = run
        .history
        .requests
        .iter()
        .filter(|request| (until.is_none() && is_operator(&request.user)) || is_shown_request(request));
    let mut lines: Vec<(Timestamp, String)> = requests
        .filter(|request| request.at <= end)
        .map(|request| {
            let fault = request.fault.map_or_else(String::new, |fault| format!(" [{fault:?}]"));
            let line = format!(
                "{} {} {} -> {:?}{fault}",
                since(run, request.at),
                request.user,
                brief(&request.line),
                request.outcome
            );
            (request.at, line)
        })
        .collect();
    let mutations = run.history.mutations.iter().filter(|mutation| mutation.at <= end && mutation.at > run.began_at);
    lines.extend(
        mutations
            .filter(|mutation| is_shown(mutation))
            .map(|mutation| (mutation.at, format!("{} {}{}", since(run, mutation.at), mutation, detail(mutation)))),
    );
    lines.sort_by_key(|(at, _)| *at);
    lines
}

fn is_shown_request(request: &RequestRecord) -> bool {
    is_operator(&request.user)
        && request.target.as_ref().is_some_and(|(verb, resource, ..)| match verb {
            Verb::Patch => true,
            Verb::List | Verb::Watch => request.fault.is_some() && *resource != Resource::CustomResourceDefinitions,
            _ => false,
        })
}

/// Who changed what; controllers that only report are left out.
fn is_shown(mutation: &Mutation) -> bool {
    let of_interest = WORKLOADS.contains(&mutation.resource)
        || matches!(mutation.resource, Resource::FlippyConfigs | Resource::ConfigMaps | Resource::Pods);
    let created = mutation.before.is_none() && mutation.resource == Resource::Pods;
    of_interest
        && (mutation.part == Part::Main || mutation.resource == Resource::FlippyConfigs)
        && (mutation.resource != Resource::Pods || created || mutation.after.is_none())
        && (!mutation.author.user.starts_with("system:") || mutation.resource == Resource::Pods)
}

fn detail(mutation: &Mutation) -> String {
    let Some(after) = &mutation.after else { return String::new() };
    match mutation.resource {
        Resource::FlippyConfigs if mutation.part == Part::Status => {
            let conditions = after["status"]["conditions"].as_array().into_iter().flatten();
            let said: Vec<String> = conditions
                .map(|one| {
                    format!(
                        "{}={} {} ({})",
                        text(&one["type"]),
                        text(&one["status"]),
                        text(&one["reason"]),
                        text(&one["message"])
                    )
                })
                .collect();
            format!(": {}; {}", said.join(", "), after["status"]["workloads"])
        }
        Resource::FlippyConfigs => format!(": {}", after["spec"]),
        Resource::ConfigMaps => format!(": {}", after["data"]),
        Resource::Pods => {
            let containers = after["spec"]["containers"].as_array().into_iter().flatten();
            let images: Vec<&str> = containers.filter_map(|one| one["image"].as_str()?.rsplit('/').next()).collect();
            format!(": {}", images.join(" "))
        }
        resource => mark(resource, after).map_or_else(String::new, |mark| {
            format!(": generation {}, marked {}", after["metadata"]["generation"], mark.token)
        }),
    }
}

/// A request without its query.
fn brief(line: &str) -> &str {
    line.split('?').next().unwrap_or(line)
}

fn text(value: &flippy_sim::Json) -> &str {
    value.as_str().unwrap_or_default()
}
