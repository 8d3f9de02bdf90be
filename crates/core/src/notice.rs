//! Notices: what receivers elsewhere are told of a campaign, and that each is told once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crate::query::SecretKey;
use crate::status::{Condition, ConditionStatus, StatusFacts};
use crate::waves::WaveState;

/// Somebody who is told of turns of a campaign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Its name, different from those of all others of the policy.
    pub name: Arc<str>,
    /// How it is told.
    pub webhook: Webhook,
}

/// An address to which notices are posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Where.
    pub address: WebhookAddress,
    /// In which form.
    pub format: WebhookFormat,
    /// The certificate authorities that are trusted instead of the system's, in PEM.
    pub ca_bundle: Option<Arc<str>>,
}

/// Where a webhook is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookAddress {
    /// `http` or `https`, without credentials.
    Url(Arc<str>),
    /// The address is a secret itself: whoever knows it may post. In the namespace of the config.
    Secret(SecretKey),
}

/// The form of a notice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WebhookFormat {
    /// For programs.
    #[default]
    Json,
    /// As Slack's incoming webhooks, and those of others who imitate them, want it.
    Slack,
}

/// What is worth a notice.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Happening {
    /// The first restart for the wanted images was made.
    CampaignStarted,
    /// A wave waits for a person to approve it.
    AwaitingApproval(Arc<str>),
    /// It has stopped, and a person should look at it.
    CampaignHalted,
    /// All workloads in scope run the wanted images.
    CampaignCompleted,
}

/// One happening, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What.
    pub happening: Happening,
    /// One line for people.
    pub message: String,
}

impl Happening {
    /// Whether it holds for the rest of the campaign once it has happened. The others may end, and happen again.
    fn is_lasting(&self) -> bool {
        matches!(self, Self::CampaignStarted | Self::CampaignCompleted)
    }

    /// The word for it, without what it is about.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::CampaignStarted => "CampaignStarted",
            Self::AwaitingApproval(_) => "AwaitingApproval",
            Self::CampaignHalted => "CampaignHalted",
            Self::CampaignCompleted => "CampaignCompleted",
        }
    }

    /// Reads what [`Display`](fmt::Display) writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "CampaignStarted" => Some(Self::CampaignStarted),
            "CampaignHalted" => Some(Self::CampaignHalted),
            "CampaignCompleted" => Some(Self::CampaignCompleted),
            _ => Some(Self::AwaitingApproval(text.strip_prefix("AwaitingApproval/")?.into())),
        }
    }
}

impl fmt::Display for Happening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())?;
        match self {
            Self::AwaitingApproval(wave) => write!(f, "/{wave}"),
            _ => Ok(()),
        }
    }
}

/// What holds now and is worth a notice, in the order in which it is told. `started_before` says whether a status tells
/// that this campaign has started: marks vanish with their workloads.
#[must_use]
pub fn notices(facts: &StatusFacts, started_before: bool) -> Vec<Notice> {
    let notice = |happening, message: &str| Notice { happening, message: message.to_owned() };
    let because = |kind: &str, status: ConditionStatus, reasons: &[&str]| -> Option<&Condition> {
        let condition = facts.conditions.iter().find(|condition| condition.kind == kind)?;
        (condition.status == status && reasons.contains(&condition.reason)).then_some(condition)
    };
    let has_started = started_before || facts.started_at.is_some();
    let mut notices = Vec::new();
    if has_started {
        let counters = facts.counters;
        let message = format!(
            "the campaign has started: {} of {} workloads run the wanted images",
            counters.fresh,
            counters.total()
        );
        notices.push(notice(Happening::CampaignStarted, &message));
    }
    if let Some(condition) = because("RestartsAllowed", ConditionStatus::False, &["AwaitingApproval"])
        && let Some(wave) = facts.waves.iter().find(|wave| wave.state == WaveState::AwaitingApproval)
    {
        notices.push(notice(Happening::AwaitingApproval(wave.name.clone()), &condition.message));
    }
    if let Some(condition) = because("Stalled", ConditionStatus::True, &["Halted", "RestartsFutile"]) {
        notices.push(notice(Happening::CampaignHalted, &format!("the campaign has halted: {}", condition.message)));
    }
    if let Some(condition) = because("Ready", ConditionStatus::True, &["AllFresh"]).filter(|_| has_started) {
        let message = format!("the campaign is completed: {}", condition.message);
        notices.push(notice(Happening::CampaignCompleted, &message));
    }
    notices
}

/// Who was told what of one campaign. It stands in the status, so that nothing is told again by another leader.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Which campaign: the hash of the wanted images.
    pub campaign: Box<str>,
    /// What held when it was looked at last.
    pub held: BTreeSet<Happening>,
    /// By the name of the receiver.
    pub receivers: BTreeMap<Arc<str>, Told>,
}

/// What one receiver was told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// What got through, or had happened before the receiver was named.
    pub told: BTreeSet<Happening>,
    /// What was given up.
    pub failed: BTreeSet<Happening>,
}

impl Ledger {
    /// Takes in what holds now, and returns what each receiver is still to be told, in order.
    ///
    /// What has happened before a receiver was named is no news to it, but what waits for a person is.
    pub fn due<'a>(
        &mut self,
        receivers: &[Notification],
        campaign: &str,
        notices: &'a [Notice],
    ) -> Vec<(Arc<str>, Vec<&'a Notice>)> {
        if *self.campaign != *campaign {
            *self = Self { campaign: campaign.into(), held: BTreeSet::new(), receivers: self.clear() };
        }
        let holds: BTreeSet<Happening> = notices.iter().map(|notice| notice.happening.clone()).collect();
        let is_named = |name: &Arc<str>| receivers.iter().any(|receiver| receiver.name == *name);
        self.receivers.retain(|name, _| is_named(name));
        let mut due = Vec::new();
        for receiver in receivers {
            let held = &self.held;
            let known = self.receivers.entry(receiver.name.clone()).or_insert_with(|| Told {
                told: held.iter().filter(|happening| happening.is_lasting()).cloned().collect(),
                failed: BTreeSet::new(),
            });
            // What may happen again is news then.
            let counts = |happening: &Happening| happening.is_lasting() || holds.contains(happening);
            known.told.retain(counts);
            known.failed.retain(counts);
            let is_news =
                |notice: &&Notice| !known.told.contains(&notice.happening) && !known.failed.contains(&notice.happening);
            let news: Vec<&Notice> = notices.iter().filter(is_news).collect();
            if !news.is_empty() {
                due.push((receiver.name.clone(), news));
            }
        }
        self.held = holds;
        due
    }

    /// Notes what became of a notice. One of another campaign, or to nobody who is named any more, is forgotten.
    pub fn note(&mut self, campaign: &str, receiver: &str, happening: Happening, got_through: bool) {
        let Some(known) = self.receivers.get_mut(receiver).filter(|_| *self.campaign == *campaign) else { return };
        if got_through { &mut known.told } else { &mut known.failed }.insert(happening);
    }

    /// The receivers, who know nothing of the next campaign.
    fn clear(&self) -> BTreeMap<Arc<str>, Told> {
        self.receivers.keys().map(|name| (name.clone(), Told::default())).collect()
    }
}
