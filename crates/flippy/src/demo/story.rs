//! What is worth telling, as the API server learns of it: events, and what is new in the status of a config.

use std::collections::BTreeSet;
use std::time::Duration;

use flippy_api::{ConfigCondition, FlippyConfig, FlippyConfigStatus, Listed};
use flippy_core::Timestamp;
use flippy_sim::{Json, Mutation, Part, Resource, SimCluster};
use serde::Serialize;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Told {
    #[serde(rename = "type")]
    pub(super) what: What,
    #[serde(rename = "clusterSeconds", serialize_with = "seconds")]
    pub(super) elapsed: Duration,
    /// A workload or a config.
    pub(super) subject: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) reason: String,
    pub(super) message: String,
}

/// What kind of thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum What {
    /// Of the cluster or its people: before there is an operator to tell.
    Started,
    /// A campaign turned: an event on a config.
    Turn,
    /// An event on a workload.
    Restarted,
    /// A status says that restarts may not start.
    Waiting,
    /// Listed as blocked in a status.
    Skipped,
    /// Listed there because a restart brought the same image again.
    Futile,
    /// Listed as failed in a status.
    Failed,
}

impl What {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Turn => "campaign",
            Self::Waiting => "waiting",
            Self::Futile => "futile",
            Self::Restarted => "restarted",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
        }
    }
}

/// Reads the server's own record of changes, from where it last stopped.
pub(super) struct Story {
    begun: Timestamp,
    known: usize,
    /// (workload, reason) pairs that were told: a status repeats them.
    told: BTreeSet<(String, String)>,
    restarts: usize,
    /// When the status of any config last changed.
    moved: Duration,
}

impl Story {
    /// A story of what happens from now on.
    pub(super) fn beginning_now(cluster: &SimCluster) -> Self {
        let known = cluster.with_history(|history| history.mutations.len());
        Self { begun: cluster.now(), known, told: BTreeSet::new(), restarts: 0, moved: Duration::ZERO }
    }

    pub(super) fn elapsed(&self, at: Timestamp) -> Duration {
        Duration::try_from(self.begun.duration_until(at)).unwrap_or_default()
    }

    /// Restarts told of so far.
    pub(super) fn restarts(&self) -> usize {
        self.restarts
    }

    /// When the status of any config last changed.
    pub(super) fn moved(&self) -> Duration {
        self.moved
    }

    /// What happened since the last call.
    pub(super) fn read(&mut self, cluster: &SimCluster) -> Vec<Told> {
        let news = cluster.mutations_since(self.known);
        self.known += news.len();
        news.iter().flat_map(|mutation| self.tell(mutation)).collect()
    }

    fn tell(&mut self, mutation: &Mutation) -> Vec<Told> {
        let elapsed = self.elapsed(mutation.at);
        match (mutation.resource, &mutation.after) {
            (Resource::Events, Some(event)) if mutation.before.is_none() => {
                let told = event_told(event, elapsed);
                self.restarts += usize::from(told.what == What::Restarted && told.reason == "Restarted");
                vec![told]
            }
            (Resource::FlippyConfigs, Some(config)) if mutation.part == Part::Status => {
                self.moved = elapsed;
                status_of(config).map(|status| self.findings(config, &status, elapsed)).unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }

    fn findings(&mut self, config: &Json, status: &FlippyConfigStatus, elapsed: Duration) -> Vec<Told> {
        let listed = |what, listed: &Listed| Told {
            what,
            elapsed,
            subject: listed.workload.clone(),
            reason: listed.reason.clone(),
            message: listed.message.clone(),
        };
        let not_allowed =
            |condition: &&ConfigCondition| condition.r#type == "RestartsAllowed" && condition.status == "False";
        let waiting = status.conditions.iter().filter(not_allowed).map(|condition| Told {
            what: What::Waiting,
            elapsed,
            subject: config_name(&config["metadata"]),
            reason: condition.reason.clone(),
            message: condition.message.clone(),
        });
        let blocked = status
            .blocked
            .iter()
            .map(|found| listed(if found.reason == "SameImageAgain" { What::Futile } else { What::Skipped }, found));
        let failed = status.failed.iter().map(|found| listed(What::Failed, found));
        let all = waiting.chain(blocked).chain(failed);
        all.filter(|told| self.told.insert((told.subject.clone(), told.reason.clone()))).collect()
    }
}

fn event_told(event: &Json, elapsed: Duration) -> Told {
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    // Events are stored as `v1`, whatever version they were written in.
    let regarding = &event["involvedObject"];
    let kind = match regarding["kind"].as_str() {
        // As in configs, statuses and tables.
        Some("Rollout") => "ArgoRollout",
        other => other.unwrap_or_default(),
    };
    let what = if kind == FlippyConfig::KIND { What::Turn } else { What::Restarted };
    let subject = format!("{kind} {}/{}", text(&regarding["namespace"]), text(&regarding["name"]));
    Told { what, elapsed, subject, reason: text(&event["reason"]), message: text(&event["message"]) }
}

fn config_name(metadata: &Json) -> String {
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    format!("{} {}/{}", FlippyConfig::KIND, text(&metadata["namespace"]), text(&metadata["name"]))
}

/// The status of a config, if it has one that can be read.
pub(super) fn status_of(config: &Json) -> Option<FlippyConfigStatus> {
    serde_json::from_value((&config["status"]).into()).ok()
}

fn seconds<S: serde::Serializer>(elapsed: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(elapsed.as_secs_f64())
}
