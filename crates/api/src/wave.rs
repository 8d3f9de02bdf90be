//! `Strategy.Waves`: groups of workloads that go one after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use flippy_core::{Approval, REST, Requirement, Selector, SignedDuration, SpecNote, Wave, annotation};
use flippy_core::{Campaign, ClaimedApproval};

use crate::bounds::{
    MAX_FIELD_MESSAGE_LENGTH, MAX_LABEL_KEY_LENGTH, MAX_NAME_LENGTH, MAX_REQUIREMENTS, MAX_SELECTOR_VALUES,
    MAX_TIME_LENGTH, MAX_WAVE_NAME_LENGTH, MAX_WAVES, one_line,
};
use crate::duration::parse_duration;
use crate::problem::Problem;
use crate::strategy::limit;
use crate::wave_spec::{self, LabelRequirement, LabelSelector};

const MAX_SOAK: SignedDuration = SignedDuration::from_hours(168);

/// Approvals that do nothing are told of at most this often.
const MAX_NOTES: usize = 5;

/// Reads waves. What is wrong becomes a problem, what is odd a note.
pub(crate) fn waves(spec: &[wave_spec::Wave], problems: &mut Vec<Problem>, notes: &mut Vec<SpecNote>) -> Vec<Wave> {
    const PATH: &str = "spec.Strategy.Waves";
    if spec.len() > MAX_WAVES {
        problems.push(Problem::new(PATH, &format!("has {} entries; write at most {MAX_WAVES}", spec.len())));
    }
    let mut names = BTreeSet::new();
    let mut waves = Vec::new();
    let mut takes_all: Option<&str> = None;
    for (position, one) in spec.iter().take(MAX_WAVES).enumerate() {
        let path = format!("{PATH}[{position}]");
        if let Some(earlier) = takes_all {
            let message =
                format!("takes nothing, because wave {earlier} before it takes everything; put it before that");
            notes.push(SpecNote { path: path.clone(), message });
        }
        let is_everything = one.namespace_selector == LabelSelector::default()
            && one.workload_selector == LabelSelector::default()
            && one.percent.is_none_or(|percent| percent == 100);
        if is_everything && takes_all.is_none() {
            takes_all = Some(&one.name);
        }
        let wave = wave(one, &path, problems);
        if !names.insert(wave.name.clone()) && !wave.name.is_empty() {
            let message = format!("is `{}`, as another wave; give each its own name", wave.name);
            problems.push(Problem::new(format!("{path}.Name"), &message));
        }
        waves.push(wave);
    }
    waves
}

fn wave(spec: &wave_spec::Wave, path: &str, problems: &mut Vec<Problem>) -> Wave {
    let namespaces = selector(&spec.namespace_selector, &format!("{path}.NamespaceSelector"), problems);
    let workloads = selector(&spec.workload_selector, &format!("{path}.WorkloadSelector"), problems);
    let mut wrong = |field: &str, message: &str| problems.push(Problem::new(format!("{path}.{field}"), message));
    if let Err(message) = check_name(&spec.name) {
        wrong("Name", &message);
    }
    let percent = spec.percent.and_then(|percent| {
        let known = u8::try_from(percent).ok().filter(|percent| (1..=100).contains(percent));
        if known.is_none() {
            wrong("Percent", &format!("is {percent}; write a number from 1 to 100"));
        }
        known
    });
    let mut read = |field: &str, value: Option<&crate::spec::NumberOrPercent>, lowest: u8| {
        let value = value?;
        limit(value, lowest).map_err(|message| wrong(field, &message)).ok()
    };
    let max_concurrent = read("MaxConcurrent", spec.max_concurrent.as_ref(), 1);
    let max_concurrent_per_namespace = read("MaxConcurrentPerNamespace", spec.max_concurrent_per_namespace.as_ref(), 1);
    let max_failures = read("MaxFailures", spec.max_failures.as_ref(), 0);
    let soak = soak(&spec.soak).unwrap_or_else(|message| {
        wrong("Soak", &message);
        SignedDuration::ZERO
    });
    let approval = match &*spec.approval {
        "" | "Automatic" => Approval::Automatic,
        "Manual" => Approval::Manual,
        other => {
            wrong("Approval", &format!("is `{other}`; write Automatic or Manual"));
            Approval::Manual
        }
    };
    let name = Arc::from(one_line(&spec.name, MAX_NAME_LENGTH));
    Wave {
        name,
        namespaces,
        workloads,
        percent,
        max_concurrent,
        max_concurrent_per_namespace,
        max_failures,
        soak,
        approval,
    }
}

/// The name becomes a part of an annotation's key, which ends at 63 characters.
fn check_name(name: &str) -> Result<(), String> {
    let usage =
        format!("write at most {MAX_WAVE_NAME_LENGTH} lower-case letters, digits and dashes, for example canary");
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    match name {
        "" => Err(format!("is empty: {usage}")),
        REST => Err(format!("is `{REST}`, which is the wave of what no other wave takes; choose another name")),
        _ if name.chars().count() <= MAX_WAVE_NAME_LENGTH
            && name.chars().all(is_allowed)
            && !name.starts_with('-')
            && !name.ends_with('-') =>
        {
            Ok(())
        }
        _ => Err(format!("is `{name}`; {usage}")),
    }
}

fn soak(text: &str) -> Result<SignedDuration, String> {
    if text.is_empty() {
        return Ok(SignedDuration::ZERO);
    }
    if text.chars().count() > MAX_TIME_LENGTH {
        return Err(format!("is longer than {MAX_TIME_LENGTH} characters; write for example 30m"));
    }
    let soak = SignedDuration::try_from(parse_duration(text)?).ok().filter(|soak| *soak <= MAX_SOAK);
    soak.ok_or_else(|| format!("is `{text}`; write at most 168h"))
}

fn selector(spec: &LabelSelector, path: &str, problems: &mut Vec<Problem>) -> Selector {
    for (field, length) in
        [("matchLabels", spec.match_labels.len()), ("matchExpressions", spec.match_expressions.len())]
    {
        if length > MAX_REQUIREMENTS {
            let message = format!("has {length} entries; write at most {MAX_REQUIREMENTS}");
            problems.push(Problem::new(format!("{path}.{field}"), &message));
        }
    }
    let labels = spec
        .match_labels
        .iter()
        .take(MAX_REQUIREMENTS)
        .map(|(key, value)| Requirement::In(Arc::from(&**key), BTreeSet::from([Arc::from(&**value)])));
    let mut requirements: Vec<Requirement> = labels.collect();
    for (position, expression) in spec.match_expressions.iter().take(MAX_REQUIREMENTS).enumerate() {
        match requirement(expression) {
            Ok(requirement) => requirements.push(requirement),
            Err((field, message)) => {
                problems.push(Problem::new(format!("{path}.matchExpressions[{position}].{field}"), &message));
            }
        }
    }
    Selector::Every(requirements)
}

/// As apimachinery's `LabelSelectorAsSelector`: In and `NotIn` need values, the others must have none.
fn requirement(spec: &LabelRequirement) -> Result<Requirement, (&'static str, String)> {
    if spec.key.is_empty() || spec.key.chars().count() > MAX_LABEL_KEY_LENGTH {
        return Err(("key", "is no key of a label; write for example stage".to_owned()));
    }
    if spec.values.len() > MAX_SELECTOR_VALUES {
        let message = format!("has {} entries; write at most {MAX_SELECTOR_VALUES}", spec.values.len());
        return Err(("values", message));
    }
    let key = Arc::from(&*spec.key);
    let values = || spec.values.iter().map(|value| Arc::from(&**value)).collect();
    Ok(match (&*spec.operator, spec.values.is_empty()) {
        ("In", false) => Requirement::In(key, values()),
        ("NotIn", false) => Requirement::NotIn(key, values()),
        ("Exists", true) => Requirement::Exists(key),
        ("DoesNotExist", true) => Requirement::DoesNotExist(key),
        ("In" | "NotIn", true) => return Err(("values", format!("is empty, and {} needs some", spec.operator))),
        ("Exists" | "DoesNotExist", false) => {
            return Err(("values", format!("must be left out with {}", spec.operator)));
        }
        (other, _) => return Err(("operator", format!("is `{other}`; write In, NotIn, Exists or DoesNotExist"))),
    })
}

/// Reads the approvals that stand on a config. One that says nothing useful does nothing: the config itself is not wrong.
pub(crate) fn approvals(
    annotations: &BTreeMap<String, String>,
    waves: &[Wave],
    notes: &mut Vec<SpecNote>,
) -> BTreeMap<Arc<str>, ClaimedApproval> {
    let mut approvals = BTreeMap::new();
    let mut idle = Vec::new();
    let keys = annotations.iter().filter_map(|(key, text)| Some((key.strip_prefix(annotation::APPROVE_PREFIX)?, text)));
    for (name, text) in keys {
        let path = || one_line(&format!("metadata.annotations[{}{name}]", annotation::APPROVE_PREFIX), MAX_NAME_LENGTH);
        match (waves.iter().find(|wave| *wave.name == *name), claimed(text)) {
            (None, _) => idle.push((path(), "names no wave of spec.Strategy.Waves; it does nothing".to_owned())),
            (Some(_), None) => {
                let message = format!(
                    "`{text}` is no approval; write the status.campaign, as `flippy approve` does, and, if you like, ` by` and \
                     who"
                );
                idle.push((path(), one_line(&message, MAX_FIELD_MESSAGE_LENGTH)));
            }
            (Some(wave), Some(claimed)) => drop(approvals.insert(wave.name.clone(), claimed)),
        }
    }
    // With no waves at all, somebody has taken them out again: old approvals are litter, not a mistake.
    if !waves.is_empty() {
        notes.extend(idle.into_iter().take(MAX_NOTES).map(|(path, message)| SpecNote { path, message }));
    }
    approvals
}

/// `<campaign>`, or `<campaign> by <who>`.
fn claimed(text: &str) -> Option<ClaimedApproval> {
    let (campaign, by) = match text.trim().split_once(" by ") {
        Some((campaign, by)) => (campaign, Some(by.trim()).filter(|by| !by.is_empty())),
        None => (text.trim(), None),
    };
    let campaign =
        Campaign::parse(campaign.trim()).filter(|known| known.hash.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    Some(ClaimedApproval { campaign: campaign.to_string(), by: by.map(|by| one_line(by, MAX_NAME_LENGTH)) })
}
