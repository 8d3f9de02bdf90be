//! Tells receivers of `spec.Notifications` what core says is due: one task for each letter, and nothing waits for any.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use flippy_core::{Ledger, Notice, Notification, PolicyName, Timestamp, notices};
use tokio::task::{AbortHandle, JoinSet};

use crate::clock::Clock;
use crate::configs::ConfigRecord;
use crate::decide::Decided;
use crate::events::{Events, Severity};
use crate::lease::Mandate;
use crate::metrics::{Metrics, NotificationLabels};
use crate::webhook::{self, Letter, Undelivered, Ways};

/// Letters that are on their way at once. What is due beyond that waits for one of them to end.
const MAX_LETTERS: usize = 64;
const FIRST_RETRY: Duration = Duration::from_secs(1);
const MAX_RETRY: Duration = Duration::from_mins(5);
/// Together about forty minutes: longer than most outages, and shorter than the worth of the news.
const MAX_ATTEMPTS: u32 = 16;
const OUTCOMES: [&str; 3] = ["sent", "retried", "failed"];

/// The ledgers of all configs, and the letters that are on their way.
pub(crate) struct Notifier {
    ways: Ways,
    clock: Clock,
    events: Events,
    mandate: Mandate,
    metrics: Metrics,
    /// With the uid of the config: another one of its name was told nothing.
    ledgers: BTreeMap<PolicyName, (Arc<str>, Ledger)>,
    on_their_way: BTreeMap<(PolicyName, Arc<str>), (Errand, AbortHandle)>,
    tasks: JoinSet<Ended>,
}

/// What a task is about: if it changes, the task is over.
#[derive(Clone, PartialEq)]
struct Errand {
    receiver: Notification,
    uid: Arc<str>,
    campaign: String,
    happening: flippy_core::Happening,
}

struct Ended {
    config: PolicyName,
    errand: Errand,
    /// Why it was given up.
    outcome: Result<(), String>,
}

impl Notifier {
    pub(crate) fn new(ways: Ways, clock: Clock, events: Events, mandate: Mandate, metrics: Metrics) -> Self {
        Self {
            ways,
            clock,
            events,
            mandate,
            metrics,
            ledgers: BTreeMap::new(),
            on_their_way: BTreeMap::new(),
            tasks: JoinSet::new(),
        }
    }

    /// What is to be remembered of a config, in its status.
    pub(crate) fn ledger(&self, config: &PolicyName) -> Option<&Ledger> {
        self.ledgers.get(config).map(|(_, ledger)| ledger)
    }

    /// Tells what is due of one config. Each receiver gets one letter after the other.
    pub(crate) fn tell(&mut self, config: &ConfigRecord, decided: &Decided, now: Timestamp) {
        let (Ok(policy), Ok(facts), Some((_, campaign))) =
            (&config.policy, decided.findings.facts(), &decided.desired_images)
        else {
            return;
        };
        let (_, ledger) =
            self.ledgers.entry(config.name.clone()).or_insert_with(|| (config.uid.clone(), remembered(config)));
        let started_before =
            *ledger.campaign == **campaign && ledger.held.contains(&flippy_core::Happening::CampaignStarted);
        let notices = notices(facts, started_before);
        let due = ledger.due(&policy.notifications, campaign, &notices);
        self.show(&config.name, &policy.notifications);
        let receiver = |name: &Arc<str>| policy.notifications.iter().find(|receiver| receiver.name == *name);
        let due: Vec<(Errand, &Notice)> = due
            .iter()
            .filter_map(|(name, news)| {
                let notice = news.first()?;
                let errand = Errand {
                    receiver: receiver(name)?.clone(),
                    uid: config.uid.clone(),
                    campaign: campaign.clone(),
                    happening: notice.happening.clone(),
                };
                Some((errand, *notice))
            })
            .collect();
        // Of what is over nobody wants to hear any more.
        self.on_their_way.retain(|(of, _), (errand, task)| {
            let keep = *of != config.name || due.iter().any(|(wanted, _)| wanted == errand);
            if !keep {
                task.abort();
            }
            keep
        });
        for (errand, notice) in due {
            let key = (config.name.clone(), errand.receiver.name.clone());
            if self.on_their_way.contains_key(&key) || self.on_their_way.len() >= MAX_LETTERS {
                continue;
            }
            let letter = Letter {
                config: config.name.clone(),
                uid: config.uid.to_string(),
                campaign: errand.campaign.clone(),
                happening: errand.happening.clone(),
                message: notice.message.clone(),
                at: now,
            };
            let task = self.tasks.spawn(deliver(
                self.ways.clone(),
                self.mandate.clone(),
                self.metrics.clone(),
                errand.clone(),
                letter,
            ));
            self.on_their_way.insert(key, (errand, task));
        }
    }

    /// Forgets configs that do not exist any more.
    pub(crate) fn retain(&mut self, exists: impl Fn(&PolicyName, &str) -> bool) {
        let (metrics, on_their_way) = (&self.metrics, &mut self.on_their_way);
        self.ledgers.retain(|name, (uid, ledger)| {
            let keep = exists(name, uid);
            if !keep {
                for receiver in ledger.receivers.keys() {
                    for outcome in OUTCOMES {
                        metrics.notifications.remove(&labels(name, receiver, outcome));
                    }
                    if let Some((_, task)) = on_their_way.remove(&(name.clone(), receiver.clone())) {
                        task.abort();
                    }
                }
            }
            keep
        });
    }

    /// Waits until a letter has arrived or was given up, and notes it; for ever while none is on its way.
    pub(crate) async fn ended(&mut self) {
        match self.tasks.join_next().await {
            Some(Ok(ended)) => self.note(ended),
            // One that nobody wanted to send any more.
            Some(Err(error)) if error.is_cancelled() => {}
            Some(Err(panicked)) => std::panic::resume_unwind(panicked.into_panic()),
            None => std::future::pending().await,
        }
    }

    fn note(&mut self, ended: Ended) {
        let Ended { config, errand, outcome } = ended;
        let key = (config, errand.receiver.name.clone());
        if self.on_their_way.get(&key).is_some_and(|(current, _)| *current == errand) {
            self.on_their_way.remove(&key);
        }
        let (config, receiver) = key;
        if let Err(why) = &outcome {
            let text = format!("{} was not told to {receiver}: {why}", errand.happening);
            tracing::warn!(%config, notification = %receiver, error = why, "a notification was given up");
            let reason = "NotificationFailed".to_owned();
            // Not that of the letter: the event of the turn itself is named for that.
            let now = self.clock.now();
            self.events.on_config(&config, &errand.uid, now, Severity::Warning, reason, text);
        }
        let held = self.ledgers.get_mut(&config).filter(|(uid, _)| *uid == errand.uid);
        if let Some((_, ledger)) = held {
            ledger.note(&errand.campaign, &receiver, errand.happening, outcome.is_ok());
        }
    }

    /// From the first moment on: what appears with its first failure shows none to `rate`.
    fn show(&self, config: &PolicyName, receivers: &[Notification]) {
        for receiver in receivers {
            for outcome in OUTCOMES {
                drop(self.metrics.notifications.get_or_create(&labels(config, &receiver.name, outcome)));
            }
        }
    }
}

/// What a predecessor wrote into the status.
fn remembered(config: &ConfigRecord) -> Ledger {
    config.status.as_deref().map(flippy_api::ledger).unwrap_or_default()
}

fn labels(config: &PolicyName, receiver: &str, outcome: &'static str) -> NotificationLabels {
    NotificationLabels {
        config_namespace: config.namespace.to_string(),
        config: config.name.to_string(),
        notification: receiver.to_owned(),
        outcome,
    }
}

/// Posts a letter until it has arrived, is not welcome, or has been tried often enough.
async fn deliver(ways: Ways, mandate: Mandate, metrics: Metrics, errand: Errand, letter: Letter) -> Ended {
    let count = |outcome| {
        metrics.notifications.get_or_create(&labels(&letter.config, &errand.receiver.name, outcome)).inc();
    };
    let mut retry = FIRST_RETRY;
    let mut attempt = 1;
    let outcome = loop {
        if !mandate.is_held() {
            // Another leader tells it now. This task is dropped with the term.
            std::future::pending::<()>().await;
        }
        match webhook::post(&ways, &errand.receiver.webhook, &letter).await {
            Ok(()) => break Ok(()),
            Err(Undelivered::ForNow(why)) if attempt < MAX_ATTEMPTS => {
                tracing::info!(config = %letter.config, notification = %errand.receiver.name, error = why, "a notification did not get through; trying again");
                count("retried");
                tokio::time::sleep(retry).await;
                retry = (retry * 2).min(MAX_RETRY);
                attempt += 1;
            }
            Err(Undelivered::ForNow(why)) => break Err(format!("{why}, {attempt} times")),
            Err(Undelivered::ForGood(why)) => break Err(why),
        }
    };
    count(if outcome.is_ok() { "sent" } else { "failed" });
    Ended { config: letter.config, errand, outcome }
}

#[cfg(test)]
mod tests;
