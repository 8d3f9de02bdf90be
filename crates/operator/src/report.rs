//! Writes statuses and tells of turns of a campaign: nothing else does.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use flippy_api::{FlippyConfigStatus, StatusPatch, Turn};
use flippy_core::{Ledger, PolicyName, SignedDuration, Timestamp};
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::act::FIELD_MANAGER;
use crate::audience::{Audience, News};
use crate::backoff::Backoff;
use crate::configs::{self, ConfigRecord, NoPolicy};
use crate::decide::{Decided, Findings};
use crate::events::{Events, Severity};
use crate::slim::WrittenConfig;

/// A change of a condition is written at most this often.
const MIN_INTERVAL: Duration = Duration::from_secs(1);
/// Progress alone waits this much longer: a campaign should cost restarts, not status writes.
const PROGRESS_WAITS: Duration = Duration::from_secs(9);
const TIME_OUT: Duration = Duration::from_secs(10);

/// The status of every config, and when it may be written.
pub(crate) struct Reports {
    client: Client,
    events: Events,
    audience: Audience,
    by_config: BTreeMap<PolicyName, Report>,
    writes: JoinSet<Write>,
}

struct Report {
    uid: String,
    /// What the API server has, as far as we know.
    written: Option<Arc<FlippyConfigStatus>>,
    /// As of which version of the object it has it.
    written_as_of: Option<u64>,
    not_before: Instant,
    /// What is on its way to it.
    writing: Option<Arc<FlippyConfigStatus>>,
    /// Whether there was more to say meanwhile, or somebody else's status was seen.
    is_outdated: bool,
    /// Whether this life has tried to write it. Until then what the watch shows is newer than what was seen first: the first
    /// list may have been an old one.
    is_own: bool,
    /// The last write failed, or nobody knows: what the API server has may be that, and is written over.
    is_unsure: bool,
    backoff: Backoff,
}

/// One write that has ended.
struct Write {
    name: PolicyName,
    /// Of which object by that name.
    uid: String,
    /// What was written, or `None` if it failed.
    status: Option<Arc<FlippyConfigStatus>>,
    /// The version of the object since.
    as_of: Option<u64>,
    /// The turns that it tells of, and when that was.
    turns: Vec<Turn>,
    at: Timestamp,
}

impl Reports {
    pub(crate) fn new(client: Client, events: Events, audience: Audience) -> Self {
        Self { client, events, audience, by_config: BTreeMap::new(), writes: JoinSet::new() }
    }

    /// What is known to be written for a config.
    pub(crate) fn adopt(&mut self, config: &ConfigRecord) {
        let status = config.status.as_deref();
        let known = self.by_config.get_mut(&config.name).filter(|report| *report.uid == *config.uid);
        if let Some(report) = known {
            let differs = report.written.as_deref() != status;
            if !report.is_own && differs {
                report.written = status.cloned().map(Arc::new);
            }
            // A write that was given up long ago, perhaps by a leader that is gone, may be carried out late.
            let is_later = config.version.zip(report.written_as_of).is_some_and(|(seen, written)| seen > written);
            report.is_unsure |= report.is_own && differs && is_later;
            // Which of the two was later, only the answer will tell.
            let is_strange = |writing: &Arc<FlippyConfigStatus>| differs && Some(&**writing) != status;
            report.is_outdated |= report.writing.as_ref().is_some_and(is_strange);
        } else {
            let report = Report {
                uid: config.uid.to_string(),
                written: status.cloned().map(Arc::new),
                written_as_of: None,
                not_before: Instant::now(),
                writing: None,
                is_outdated: false,
                is_own: false,
                is_unsure: false,
                backoff: Backoff::default(),
            };
            self.by_config.insert(config.name.clone(), report);
        }
    }

    /// Whether the status that a config shows is what was written, or is on its way: so it is no news.
    pub(crate) fn has_written(&self, config: &ConfigRecord) -> bool {
        let report = self.by_config.get(&config.name).filter(|report| report.is_own && *report.uid == *config.uid);
        report.is_some_and(|report| {
            let last = report.writing.as_ref().or(report.written.as_ref());
            last.is_some_and(|last| Some(&**last) == config.status.as_deref())
        })
    }

    /// Forgets configs that do not exist any more.
    pub(crate) fn retain(&mut self, exists: impl Fn(&PolicyName) -> bool) {
        self.by_config.retain(|name, _| exists(name));
    }

    /// Writes what was found, if it is news and not too soon. Returns when to come again if it is too soon.
    pub(crate) fn report(&mut self, decided: &Decided, ledger: Option<&Ledger>, now: Timestamp) -> Option<Instant> {
        let report = self.by_config.get_mut(&decided.name)?;
        let mut status = status(report.written.as_deref(), decided, now);
        if let Some(ledger) = ledger {
            status.notified = flippy_api::notified(ledger);
        }
        if let Audience::Person(person) = &self.audience {
            return report.tell(person, &decided.name, status);
        }
        // Until it is written down, whoever takes over would tell it again.
        let was_told = report.written.as_deref().map(|written| &written.notified) != Some(&status.notified);
        if let Some(writing) = &report.writing {
            report.is_outdated |= **writing != status;
            return None;
        }
        let written = report.written.as_deref();
        if written == Some(&status) && !report.is_unsure {
            return None;
        }
        let turn = flippy_api::turn_of(written, &status);
        let waves = flippy_api::wave_turns(written, &status);
        let turns: Vec<Turn> = waves.into_iter().chain(turn).collect();
        let due = if turns.is_empty() && !was_told { report.not_before + PROGRESS_WAITS } else { report.not_before };
        if Instant::now() < due {
            return Some(due);
        }
        let status = Arc::new(status);
        report.writing = Some(status.clone());
        report.is_own = true;
        let fits_schema = !matches!(decided.findings, Findings::NoPolicy(NoPolicy::Undecodable(_)));
        self.writes.spawn(write(
            self.client.clone(),
            decided.name.clone(),
            report.uid.clone(),
            status,
            fits_schema,
            turns,
            now,
        ));
        None
    }

    /// Waits until a write has ended; for ever while there is none. Returns whether there is something to write still.
    pub(crate) async fn written(&mut self) -> bool {
        match self.writes.join_next().await {
            Some(Ok(write)) => self.note(write),
            // A bug: starting anew is safer than a config whose status is never written again.
            Some(Err(panicked)) => std::panic::resume_unwind(panicked.into_panic()),
            None => pending().await,
        }
    }

    /// Waits for the writes that are on their way.
    pub(crate) async fn finish(&mut self) {
        while self.writes.join_next().await.is_some() {}
    }

    fn note(&mut self, write: Write) -> bool {
        let Some(report) = self.by_config.get_mut(&write.name).filter(|report| report.uid == write.uid) else {
            return false;
        };
        report.writing = None;
        let is_outdated = std::mem::take(&mut report.is_outdated);
        report.is_unsure = write.status.is_none();
        // Told once it is written: a write that is tried again tells it once.
        if write.status.is_some() {
            for (turn, position) in write.turns.into_iter().zip(0..) {
                let severity = if turn.is_warning { Severity::Warning } else { Severity::Normal };
                log(&write.name, &turn);
                // An event is named for its instant: no two of a config may have the same.
                let at = write.at.saturating_add(SignedDuration::from_nanos(position)).unwrap_or(write.at);
                self.events.on_config(&write.name, &report.uid, at, severity, turn.reason, turn.message);
            }
        }
        let delay = if write.status.is_some() { MIN_INTERVAL } else { report.backoff.after_failure() };
        report.not_before = Instant::now() + delay;
        if write.status.is_some() {
            report.written_as_of = write.as_of;
        }
        report.written = write.status.or(report.written.take());
        report.is_unsure || is_outdated
    }
}

fn log(config: &PolicyName, turn: &Turn) {
    if turn.is_warning {
        tracing::warn!(%config, reason = turn.reason, "{}", turn.message);
    } else {
        tracing::info!(%config, reason = turn.reason, "{}", turn.message);
    }
}

impl Report {
    /// Says it to a person instead of writing it, each time that it is news. Returns when to come again if the person
    /// does not keep up.
    fn tell(&mut self, person: &mpsc::Sender<News>, name: &PolicyName, status: FlippyConfigStatus) -> Option<Instant> {
        // What was found in the config was not said to this person.
        if self.is_own && self.written.as_deref() == Some(&status) {
            return None;
        }
        self.is_own = true;
        let news = News::OfConfig { config: name.clone(), status: Box::new(status.clone()) };
        match person.try_send(news) {
            Err(mpsc::error::TrySendError::Full(_)) => Some(Instant::now() + MIN_INTERVAL),
            // Nobody listens any more: it is over in a moment.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {
                self.written = Some(Arc::new(status));
                None
            }
        }
    }
}

fn status(prior: Option<&FlippyConfigStatus>, decided: &Decided, now: Timestamp) -> FlippyConfigStatus {
    match decided.findings.facts() {
        Ok(facts) => {
            let (images, hash) = decided.desired_images.clone().unwrap_or_default();
            flippy_api::next_status(prior, facts, images, &hash, decided.generation, now)
        }
        Err((reason, message)) => flippy_api::problem_status(prior, reason, message, decided.generation, now),
    }
}

async fn write(
    client: Client,
    name: PolicyName,
    uid: String,
    status: Arc<FlippyConfigStatus>,
    fits_schema: bool,
    turns: Vec<Turn>,
    at: Timestamp,
) -> Write {
    let api = Api::<WrittenConfig>::namespaced(client, &name.namespace);
    let sending = async {
        if fits_schema {
            let patch = Patch::Apply(StatusPatch::new(&name, &status));
            return api.patch_status(&name.name, &PatchParams::apply(FIELD_MANAGER).force(), &patch).await;
        }
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        api.patch_status(&name.name, &params, &Patch::Merge(flippy_api::status_merge_patch(&status))).await
    };
    let sent = tokio::time::timeout(TIME_OUT, sending).await;
    let mut as_of = None;
    let written = match sent {
        Ok(Ok(config)) => {
            as_of = configs::version(&config.metadata);
            true
        }
        // Mostly it was deleted, as the watch will say. If not, it is tried again like any other.
        Ok(Err(kube::Error::Api(answer))) if answer.code == 404 => {
            tracing::debug!(config = %name, error = answer.message, "a status could not be written: there is no such config");
            false
        }
        Ok(Err(error)) => {
            tracing::warn!(config = %name, %error, "a status could not be written; trying again");
            false
        }
        Err(_) => {
            tracing::warn!(config = %name, "a status could not be written in time; trying again");
            false
        }
    };
    Write { name, uid, status: written.then_some(status), as_of, turns, at }
}

#[cfg(test)]
mod tests;
