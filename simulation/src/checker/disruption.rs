//! Of what shares a disruption budget or a group, nothing starts while another one is being rolled out, nor while a budget
//! that covers it allows no disruption, unless it surges.

use std::collections::BTreeSet;

use flippy_sim::{Json, Key, Resource};
use jiff::SignedDuration;

use super::facts::{Rollout, has_landed, is_vain, name, rollout_of};
use super::selector::selects;
use super::standstill::stands_still;
use super::wish::{Check, Wish};
use super::{Case, Invariant, Objection};
use crate::knowledge::View;
use crate::record::{Mark, mark, uid, version};

const GROUP: &str = "flippy.keikoproj.io/group";
const APPLICATION: [&str; 2] = ["app.kubernetes.io/name", "app.kubernetes.io/instance"];

const BUDGET: &str = "PodDisruptionBudget";

/// A restart that is younger than this, and that nobody was told of as landed, is certainly under way.
const CERTAINLY_UNDER_WAY: SignedDuration = SignedDuration::from_secs(20);

pub(super) fn objection(case: &Case<'_>) -> Option<Objection> {
    let (resource, key) = (case.restart.mutation.resource, &case.restart.mutation.key);
    let workload = case.view.workloads.get(&(resource, key.clone()))?;
    let what = in_the_way(case, Waits::Must, resource, key, workload)?;
    Some(Objection::new(Invariant::Disruption, what))
}

/// Whether anybody has to wait for a rollout that stands still, or may: only the operator knows for how long it has looked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Waits {
    Must,
    May,
}

/// What forbids to restart a workload for the sake of others.
pub(super) fn in_the_way(
    case: &Case<'_>,
    waits: Waits,
    resource: Resource,
    key: &Key,
    workload: &Json,
) -> Option<String> {
    let shared = respected_by(case, resource, key, workload);
    if shared.is_empty() {
        return None;
    }
    for ((other, other_key), other_workload) in &case.view.workloads {
        let is_itself = (*other, other_key) == (resource, key);
        if is_itself
            || other_key.namespace != key.namespace
            || !is_under_way(case, waits, *other, other_key, other_workload)
        {
            continue;
        }
        if let Some(what) = shared_by(case.view, *other, other_key, other_workload).intersection(&shared).next() {
            return Some(format!("{} was under way, and both share {what}", name(*other, other_key)));
        }
    }
    let evicts = case.wish.evicts(resource, workload);
    // The eviction API ignores no budget.
    if case.wish.ignores_budgets && !evicts {
        return None;
    }
    let labels = template_labels(case.view, key, workload);
    let mut covering = case.view.budgets.iter().filter(|(place, budget)| covers(budget, place, key, labels));
    if (resource == Resource::Rollouts || evicts) && covering.clone().nth(1).is_some() {
        return Some(
            "more than one PodDisruptionBudget covers its pods, which can therefore not be evicted".to_owned(),
        );
    }
    if surges(resource, workload) && !evicts {
        return None;
    }
    let (place, budget) = covering.find(|(_, budget)| !allows(budget))?;
    Some(format!("PodDisruptionBudget {place} allowed no disruption: {}", budget["status"]))
}

/// Workloads that share something with this one.
pub(super) fn sharing<'a>(
    case: &'a Case<'_>,
    resource: Resource,
    key: &'a Key,
    workload: &Json,
) -> impl Iterator<Item = (Resource, &'a Key)> {
    let shared = respected_by(case, resource, key, workload);
    case.view.workloads.iter().filter_map(move |((other, other_key), other_workload)| {
        let is_other = (*other, other_key) != (resource, key) && other_key.namespace == key.namespace;
        let does = is_other && !shared_by(case.view, *other, other_key, other_workload).is_disjoint(&shared);
        does.then_some((*other, other_key))
    })
}

/// Whether a workload shares anything, be it with nobody.
pub(super) fn shares_anything(case: &Case<'_>, resource: Resource, key: &Key, workload: &Json) -> bool {
    !respected_by(case, resource, key, workload).is_empty()
}

/// Names of what a workload shares with others, or would, as far as its config makes it wait for them.
fn respected_by(case: &Case<'_>, resource: Resource, key: &Key, workload: &Json) -> BTreeSet<String> {
    let mut shared = shared_by(case.view, resource, key, workload);
    if case.wish.ignores_budgets && !case.wish.evicts(resource, workload) {
        shared.retain(|what| !what.starts_with(BUDGET));
    }
    shared
}

/// Names of what a workload shares with others, or would: whoever ignores a budget has others wait for it all the same.
fn shared_by(view: &View, resource: Resource, key: &Key, workload: &Json) -> BTreeSet<String> {
    let labels = template_labels(view, key, workload);
    let budgets = view.budgets.iter().filter(|(place, budget)| covers(budget, place, key, labels));
    let mut shared: BTreeSet<String> = budgets.map(|(place, _)| format!("{BUDGET} {place}")).collect();
    let meta = &workload["metadata"];
    let group = meta["annotations"][GROUP].as_str().or_else(|| meta["labels"][GROUP].as_str());
    let application: Vec<&str> = APPLICATION.iter().filter_map(|label| labels[*label].as_str()).collect();
    if let Some(group) = group {
        shared.extend((!group.is_empty()).then(|| format!("group {group}")));
    } else if resource == Resource::StatefulSets && application.len() == APPLICATION.len() {
        shared.insert(format!("application {}", application.join(" ")));
    }
    shared
}

fn template_labels<'a>(view: &'a View, key: &Key, workload: &'a Json) -> &'a Json {
    let holder = workload["spec"]["workloadRef"]["name"]
        .as_str()
        .and_then(|name| view.workloads.get(&(Resource::Deployments, Key::new(key.namespace.clone(), name))));
    let holder = holder.unwrap_or(workload);
    &holder["spec"]["template"]["metadata"]["labels"]
}

/// Whether a budget covers pods with these labels (k8s.io/api policy/v1 `PodDisruptionBudgetSpec`).
fn covers(budget: &Json, place: &Key, key: &Key, labels: &Json) -> bool {
    let selector = &budget["spec"]["selector"];
    place.namespace == key.namespace && selector.is_object() && selects(selector, labels)
}

fn allows(budget: &Json) -> bool {
    let status = &budget["status"];
    status["observedGeneration"].as_i64() >= budget["metadata"]["generation"].as_i64()
        && status["disruptionsAllowed"].as_i64().unwrap_or(0) > 0
}

/// Whether an update takes away no pod before there is another one, for the strategies that are drawn here.
pub(super) fn surges(resource: Resource, workload: &Json) -> bool {
    let spec = &workload["spec"];
    match resource {
        Resource::Deployments => {
            let rolling = &spec["strategy"]["rollingUpdate"];
            let replicas = spec["replicas"].as_i64().unwrap_or(1);
            // A quarter is less than one pod of three.
            let none_goes = rolling["maxUnavailable"].as_i64().map_or(replicas < 4, |number| number == 0);
            let one_comes = rolling["maxSurge"].as_i64().map_or(replicas > 0, |number| number > 0);
            spec["strategy"]["type"] != "Recreate" && none_goes && one_comes
        }
        Resource::DaemonSets => {
            let rolling = &spec["updateStrategy"]["rollingUpdate"];
            rolling["maxSurge"].as_i64().is_some_and(|number| number > 0)
        }
        _ => false,
    }
}

fn is_under_way(case: &Case<'_>, waits: Waits, resource: Resource, key: &Key, workload: &Json) -> bool {
    if !workload["metadata"]["deletionTimestamp"].is_null() || !is_watched(case, resource) {
        return false;
    }
    let is_ours = |mark: &Mark<'_>| {
        let windows = case.wishes.iter().filter_map(|wish| wish.waits_for(resource, key)).map(Check::window);
        let over = mark.at.saturating_add(windows.min().unwrap_or(CERTAINLY_UNDER_WAY)).unwrap_or(case.now);
        let reaching = || {
            case.wishes
                .iter()
                .filter(|wish| wish.goes_first(resource, key) || wish.admits(case.view, resource, key, workload))
        };
        let landed = |wish: &Wish| has_landed(wish, case.view, resource, key, workload, mark);
        // Whoever it was for has given it up; what another config wants does not make it go on.
        let vain = |wish: &Wish| is_vain(wish, resource, key, workload, case.view.pods(workload), mark);
        case.now < over
            && mark.evicts_until.is_none_or(|_| reaching().next().is_some())
            && !reaching().any(vain)
            && if reaching().next().is_none() { !landed(case.wish) } else { !reaching().all(landed) }
    };
    let stands_still = || waits == Waits::Must && stands_still(case, resource, key, workload);
    (rollout_of(resource, workload) == Rollout::UnderWay && !stands_still())
        || mark(resource, workload).is_some_and(|mark| is_ours(&mark))
        || was_just_sent(case, resource, key, workload)
}

/// Whether this life has restarted it and was told of nothing later yet, whichever config it did so for.
fn was_just_sent(case: &Case<'_>, resource: Resource, key: &Key, workload: &Json) -> bool {
    case.record.restarts.iter().any(|own| {
        own.index < case.restart.index
            && own.request.user == case.restart.request.user
            && own.mutation.resource == resource
            && own.mutation.key == *key
            && uid(own.after) == uid(workload)
            && version(own.after) > version(workload)
            && case.restart.request.at.duration_since(own.request.at) < CERTAINLY_UNDER_WAY
    })
}

/// Kinds that no config names are not watched, but for Deployments where one names Rollouts, which may keep their template
/// there.
fn is_watched(case: &Case<'_>, resource: Resource) -> bool {
    let is_it = |kind: Resource| kind == resource || (kind == Resource::Rollouts && resource == Resource::Deployments);
    case.wishes.iter().any(|wish| {
        wish.kinds.iter().any(|(kind, _)| is_it(*kind))
            || wish.preconditions.iter().chain(&wish.first).any(|(kind, ..)| is_it(*kind))
    })
}
