//! Keeps the record of a campaign on a cluster in memory, by that cluster's own account of every change.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use flippy_api::{FlippyConfigStatus, WaveStatus};
use flippy_core::{Progress, Timestamp, progress_of};
use flippy_sim::{Json, Mutation, Part, Resource, SimCluster};

use super::missing::Missing;
use crate::report::model::{Hold, MARK, Named, Restart, RestartState, Wave};

/// What happened so far.
pub(crate) struct Recorder {
    pub(crate) restarts: Vec<Restart>,
    /// Places of those that are under way.
    open: HashMap<Named, usize>,
    pub(crate) waves: Vec<Wave>,
    pub(crate) holds: Vec<Hold>,
    /// By config: what holds now.
    held: BTreeMap<Named, Hold>,
    pub(crate) missing: Missing,
    /// When the last thing happened that somebody would call progress.
    pub(crate) moved_at: Timestamp,
    /// Workloads that are done, and all of them, as the status last said.
    pub(crate) done: BTreeMap<Named, (i64, i64)>,
    /// Waves that wait for an approval: config, wave, campaign.
    pub(crate) to_approve: BTreeSet<(Named, String, String)>,
}

impl Recorder {
    /// Records what happens from now on.
    pub(crate) fn of(cluster: &SimCluster) -> Self {
        Self {
            restarts: Vec::new(),
            open: HashMap::new(),
            waves: Vec::new(),
            holds: Vec::new(),
            held: BTreeMap::new(),
            missing: Missing::than_now(cluster),
            moved_at: cluster.now(),
            done: BTreeMap::new(),
            to_approve: BTreeSet::new(),
        }
    }

    /// Takes a change into the record.
    pub(crate) fn see(&mut self, mutation: &Mutation) {
        self.missing.see(mutation);
        let Some(after) = mutation.after.as_ref() else { return };
        match mutation.resource {
            Resource::Deployments | Resource::StatefulSets | Resource::DaemonSets | Resource::Rollouts => {
                self.see_workload(mutation, after);
            }
            Resource::Events if mutation.before.is_none() => self.see_event(after),
            Resource::FlippyConfigs if mutation.part == Part::Status => self.see_status(mutation, after),
            _ => {}
        }
    }

    fn see_workload(&mut self, mutation: &Mutation, after: &Json) {
        let name = name_of(after);
        let mark = mark_of(after);
        if mark.is_some() && mutation.before.as_ref().and_then(mark_of) != mark && &*mutation.author.user == USER {
            self.open.insert(name.clone(), self.restarts.len());
            self.restarts.push(Restart {
                workload: name,
                wave: None,
                started_at: mutation.at,
                ready_at: None,
                failed_at: None,
                state: RestartState::UnderWay,
                message: String::new(),
                pods: pods_of(after),
            });
            self.moved_at = mutation.at;
            return;
        }
        let Some(at) = self.open.get(&name).copied() else { return };
        let workload = flippy_operator::workload_of(&after.into()).ok().flatten();
        if workload.is_some_and(|workload| progress_of(&workload) == Progress::Complete) {
            self.open.remove(&name);
            self.restarts[at].ready_at = Some(mutation.at);
            self.restarts[at].failed_at = None;
            self.restarts[at].state = RestartState::Ready;
            self.moved_at = mutation.at;
        }
    }

    /// `Restarted by Flippy (<token>): <why>`; the token is for machines.
    fn see_event(&mut self, event: &Json) {
        let regarding = &event["involvedObject"];
        let name = Named {
            kind: shown_kind(regarding["kind"].as_str().unwrap_or_default()),
            namespace: text(&regarding["namespace"]),
            name: text(&regarding["name"]),
        };
        let Some(restart) = self.open.get(&name).map(|at| &mut self.restarts[*at]) else { return };
        let message = event["message"].as_str().unwrap_or_default();
        message.split_once("): ").map_or(message, |(_, why)| why).clone_into(&mut restart.message);
    }

    fn see_status(&mut self, mutation: &Mutation, config: &Json) {
        let Ok(status) = serde_json::from_value::<FlippyConfigStatus>((&config["status"]).into()) else { return };
        let name = name_of(config);
        self.note_hold(&name, &status, mutation.at);
        for wave in &status.waves {
            self.note_wave(wave);
            if let Some(campaign) = status.campaign.clone().filter(|_| wave.state == "AwaitingApproval") {
                self.to_approve.insert((name.clone(), wave.name.clone(), campaign));
            }
        }
        for failed in &status.failed {
            let place = self.open.iter().find(|(named, _)| named.to_string() == failed.workload).map(|(_, at)| *at);
            let Some(restart) = place.map(|at| &mut self.restarts[at]) else { continue };
            if restart.failed_at.is_none() {
                restart.failed_at = Some(mutation.at);
                restart.state = RestartState::Failed;
                self.moved_at = mutation.at;
            }
        }
        if let Some(counts) = &status.workloads {
            let done = (counts.fresh + counts.idle, counts.total);
            if self.done.insert(name, done) != Some(done) {
                self.moved_at = mutation.at;
            }
        }
    }

    fn note_hold(&mut self, config: &Named, status: &FlippyConfigStatus, at: Timestamp) {
        let shut = status.conditions.iter().find(|one| one.r#type == "RestartsAllowed" && one.status == "False");
        let known = self.held.get(config);
        if known.map(|known| &known.reason) == shut.map(|shut| &shut.reason) {
            return;
        }
        if let Some(over) = self.held.remove(config) {
            self.holds.push(Hold { until: at, ..over });
        }
        if let Some(shut) = shut {
            let hold = Hold { reason: shut.reason.clone(), message: shut.message.clone(), from: at, until: at };
            self.held.insert(config.clone(), hold);
        }
    }

    fn note_wave(&mut self, told: &WaveStatus) {
        let time = |text: &Option<String>| text.as_deref().and_then(|text| text.parse().ok());
        let wave = Wave {
            name: told.name.clone(),
            state: told.state.clone(),
            total: told.total,
            started_at: time(&told.started_at),
            completed_at: time(&told.completed_at),
        };
        match self.waves.iter_mut().find(|known| known.name == wave.name) {
            Some(known) => *known = wave,
            None => self.waves.push(wave),
        }
    }

    /// What still holds, holds until then.
    pub(crate) fn finish(&mut self, at: Timestamp) {
        for (_, hold) in std::mem::take(&mut self.held) {
            self.holds.push(Hold { until: at.max(hold.from), ..hold });
        }
        self.holds.sort_by(|one, other| (one.from, &one.reason).cmp(&(other.from, &other.reason)));
    }
}

/// As whom the operator acts on a cluster in memory.
pub(crate) const USER: &str = "flippy";

pub(super) fn name_of(object: &Json) -> Named {
    Named {
        kind: shown_kind(object["kind"].as_str().unwrap_or_default()),
        namespace: text(&object["metadata"]["namespace"]),
        name: text(&object["metadata"]["name"]),
    }
}

/// As in configs, statuses and tables.
pub(crate) fn shown_kind(kind: &str) -> String {
    if kind == "Rollout" { "ArgoRollout".to_owned() } else { kind.to_owned() }
}

fn mark_of(workload: &Json) -> Option<&str> {
    let object = &workload["metadata"]["annotations"][MARK.0];
    let template = &workload["spec"]["template"]["metadata"]["annotations"][MARK.0];
    if workload["kind"] == "Rollout" { object.as_str() } else { template.as_str() }
}

fn pods_of(workload: &Json) -> usize {
    let wanted = if workload["kind"] == "DaemonSet" {
        workload["status"]["desiredNumberScheduled"].as_u64()
    } else {
        workload["spec"]["replicas"].as_u64()
    };
    wanted.and_then(|wanted| usize::try_from(wanted).ok()).unwrap_or(1)
}

fn text(value: &Json) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
