//! Nothing starts in a wave while an earlier one is not done, or soaks, or while nobody has approved it.
//!
//! What the operator remembers of waves stands in a status that it writes itself. None of that is believed here: when a
//! wave was done is read from the restarts in it, and who approved it from what people wrote.

use flippy_sim::{Json, Key, Resource};
use jiff::SignedDuration;
use sha2::{Digest, Sha256};

use super::facts::{Rollout, is_held, name, rollout_of};
use super::order::is_left_to_start;
use super::selector::selects;
use super::strategy::{Limit, duration};
use super::under_way::under_way;
use super::wish::{Standing, Wish};
use super::{Case, Invariant, Objection};
use crate::knowledge::View;
use crate::record::{Record, Restart, generation, mark, version};

const APPROVE: &str = "flippy.keikoproj.io/approve-";

/// One of a config's waves.
pub(crate) struct Wave {
    name: String,
    namespaces: Json,
    workloads: Json,
    percent: Option<u64>,
    pub(crate) most: Option<Limit>,
    pub(crate) most_in_namespace: Option<Limit>,
    pub(crate) failures: Option<Limit>,
    pub(crate) soak: SignedDuration,
    is_manual: bool,
}

impl Wave {
    pub(crate) fn read(spec: &Json) -> Self {
        Self {
            name: spec["Name"].as_str().unwrap_or_default().to_owned(),
            namespaces: spec["NamespaceSelector"].clone(),
            workloads: spec["WorkloadSelector"].clone(),
            percent: spec["Percent"].as_u64(),
            most: Limit::read(&spec["MaxConcurrent"]),
            most_in_namespace: Limit::read(&spec["MaxConcurrentPerNamespace"]),
            failures: Limit::read(&spec["MaxFailures"]),
            soak: duration(&spec["Soak"]),
            is_manual: spec["Approval"] == "Manual",
        }
    }

    fn takes(&self, view: &View, key: &Key, workload: &Json) -> bool {
        let labels = view.namespaces.get(&key.namespace).map(|namespace| &namespace["metadata"]["labels"]);
        labels.is_some_and(|labels| selects(&self.namespaces, labels))
            && selects(&self.workloads, &workload["metadata"]["labels"])
            && self.percent.is_none_or(|percent| hundredth(crate::record::uid(workload)) < percent)
    }
}

/// The place of a uid among a hundred: the first eight bytes of its SHA-256, a big-endian number, modulo 100.
fn hundredth(uid: &str) -> u64 {
    let digest = Sha256::digest(uid.as_bytes());
    u64::from_be_bytes(std::array::from_fn(|position| digest[position])) % 100
}

/// The position of a workload's wave; what none takes is in the last one, which nobody writes down.
pub(super) fn wave_of(wish: &Wish, view: &View, key: &Key, workload: &Json) -> usize {
    wish.waves.iter().position(|wave| wave.takes(view, key, workload)).unwrap_or(wish.waves.len())
}

pub(super) fn objection(case: &Case<'_>) -> Option<Objection> {
    let (resource, key) = (case.restart.mutation.resource, &case.restart.mutation.key);
    let (wish, view) = (case.wish, case.view);
    // What goes before everything else goes before all waves.
    if wish.waves.is_empty() || wish.goes_first(resource, key) {
        return None;
    }
    let workload = view.workloads.get(&(resource, key.clone()))?;
    let position = wave_of(wish, view, key, workload);
    let what = not_approved(case, position).or_else(|| not_done(case, position)).or_else(|| soaks(case, position))?;
    let wave = wish.waves.get(position).map_or("rest", |wave| &wave.name);
    Some(Objection::new(Invariant::Wave, format!("it is in wave {wave} of FlippyConfig {}, and {what}", wish.key)))
}

fn not_approved(case: &Case<'_>, position: usize) -> Option<String> {
    let wave = case.wish.waves.get(position).filter(|wave| wave.is_manual)?;
    let config = case.view.configs.get(&case.wish.key)?;
    // What the campaign is called is told by the status; of another list of images it is another one. While a status says
    // that something cannot be seen, it keeps what it said before.
    let versions = case.record.versions(Resource::FlippyConfigs, &case.wish.key);
    let versions =
        versions.filter(|version| version["status"]["observedGeneration"] == config["metadata"]["generation"]);
    let mut campaigns: Vec<&str> = versions.filter_map(|version| version["status"]["campaign"].as_str()).collect();
    if case.wishes.len() == 1 {
        let mark = mark(case.restart.mutation.resource, case.restart.after)?;
        let (hash, _) = mark.parts()?;
        campaigns.retain(|campaign| campaign.split('.').next() == Some(hash));
    }
    // Said once is said for that campaign, whatever is written in its place later, and whatever a stale list shows.
    let told = case.record.told_before(case.restart).iter();
    let told = told.filter(|delivery| delivery.resource == Resource::FlippyConfigs).map(|delivery| delivery.revision);
    let newest = told.max().unwrap_or_default().max(version(config));
    let before = case.record.versions(Resource::FlippyConfigs, &case.wish.key);
    let before = before.take_while(|one| version(one) <= newest);
    let is_right =
        before.into_iter().any(|version| approval(version, wave).is_some_and(|said| campaigns.contains(&said)));
    let others = approval(config, wave);
    (!is_right).then(|| format!("nobody has approved it for {:?}, but for {others:?}", campaigns.first()))
}

fn approval<'a>(config: &'a Json, wave: &Wave) -> Option<&'a str> {
    let said = config["metadata"]["annotations"][format!("{APPROVE}{}", wave.name)].as_str()?;
    Some(said.split(' ').next().unwrap_or(said))
}

/// Whether a config waits for a person.
pub(super) fn waits_for_approval(wish: &Wish, config: &Json) -> bool {
    let campaign = config["status"]["campaign"].as_str();
    wish.waves.iter().any(|wave| wave.is_manual && (campaign.is_none() || approval(config, wave) != campaign))
}

/// Whether something in a wave may never get fresh by itself, and is waited for all the same: a rollout of somebody else
/// that is not complete, or what is kept back for the sake of others.
pub(super) fn waits_for_earlier(wish: &Wish, view: &View, config: &Json) -> bool {
    wish.in_scope(view).any(|(resource, key, workload, standing)| {
        let name = name(resource, key);
        let mut blocked = config["status"]["blocked"].as_array().into_iter().flatten();
        let is_kept_back = blocked
            .any(|one| one["workload"] == *name && (one["reason"] == "DisruptionBudget" || one["reason"] == "Group"));
        let is_last = wave_of(wish, view, key, workload) == wish.waves.len();
        let is_converging = standing == Standing::Stale && rollout_of(resource, workload) == Rollout::UnderWay;
        !is_last && (is_converging || is_kept_back)
    })
}

fn not_done(case: &Case<'_>, position: usize) -> Option<String> {
    let (wish, view) = (case.wish, case.view);
    let is_earlier = |key: &Key, workload: &Json| wave_of(wish, view, key, workload) < position;
    let left = wish.in_scope(view).find(|(resource, key, workload, standing)| {
        *standing == Standing::Stale && is_earlier(key, workload) && is_left_to_start(case, *resource, key, workload)
    });
    if let Some((resource, key, ..)) = left {
        return Some(format!("{} is in an earlier one, and still to be restarted", name(resource, key)));
    }
    let busy = under_way(case).find(|one| {
        let workload = view.workloads.get(&(one.resource, one.key.clone()));
        !one.goes_first
            && workload.is_some_and(|workload| {
                is_earlier(one.key, workload)
                    && wish.standing(view, one.resource, one.key, workload) != Standing::OutOfScope
            })
    });
    busy.map(|one| format!("{} is in an earlier one, and being restarted", name(one.resource, one.key)))
}

/// A wave was not done before a restart in it that was to be made from the first day on: it soaks at least from then.
fn soaks(case: &Case<'_>, position: usize) -> Option<String> {
    let (wish, view) = (case.wish, case.view);
    let config = view.configs.get(&wish.key)?;
    // Where others have a say, or it was said otherwise before, nobody can be sure of that.
    if case.wishes.len() > 1 || generation(config) > 1 {
        return None;
    }
    for restart in case.record.restarts.iter().take_while(|restart| restart.index < case.restart.index) {
        let earlier = wave_of(wish, view, &restart.mutation.key, restart.before);
        let Some(wave) = wish.waves.get(earlier).filter(|wave| earlier < position && !wave.soak.is_zero()) else {
            continue;
        };
        let Some(mark) = mark(restart.mutation.resource, restart.after) else { continue };
        let soaked = mark.at + wave.soak;
        let now = case.now + case.record.clocks.spread();
        if now < soaked && was_due_from_the_beginning(case, restart, config) {
            return Some(format!("wave {} soaks: {} was restarted at {}", wave.name, restart.name(), mark.at));
        }
    }
    None
}

fn was_due_from_the_beginning(case: &Case<'_>, restart: &Restart<'_>, config: &Json) -> bool {
    let (resource, key) = (restart.mutation.resource, &restart.mutation.key);
    let created = |object: &Json| super::facts::created_at(object);
    let token = mark(resource, restart.after);
    let is_first = token.is_some_and(|mark| mark.parts().is_some_and(|(_, attempt)| attempt == 1));
    let was_there = created(restart.before) < created(config) && mark(resource, restart.before).is_none();
    let mut versions =
        case.record.versions(resource, key).take_while(|version| generation(version) <= generation(restart.before));
    let was_well = versions.all(|version| {
        generation(version) == generation(restart.before)
            && version["metadata"]["annotations"] == restart.before["metadata"]["annotations"]
            && !is_held(case.wish, resource, version)
            && (version["status"].is_null() || created(version) == created(restart.before))
    });
    let was_complete = rollout_of(resource, restart.before) == Rollout::Complete;
    let was_refused = case.record.history.requests[..restart.index].iter().any(|request| {
        Record::is_restart_request(request)
            && request.target.as_ref().is_some_and(|target| target.1 == resource && target.3 == *key)
    });
    let shares = super::disruption::shares_anything(case, resource, key, restart.before);
    is_first
        && was_there
        && was_well
        && was_complete
        && !was_refused
        && !shares
        && case.wish.admits(case.view, resource, key, restart.before)
        && !case.wish.goes_first(resource, key)
}
