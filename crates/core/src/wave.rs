//! Waves: groups of workloads that are restarted one group after the other.

use std::fmt;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use crate::policy::Policy;
use crate::selector::Selector;
use crate::snapshot::Snapshot;
use crate::strategy::{Limit, Strategy};
use crate::workload::Workload;

/// The name of the last wave, which nobody writes down: it holds what no other wave takes.
pub const REST: &str = "rest";

/// One wave. A workload belongs to the first one that takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wave {
    /// Its name: unique, a DNS label, not [`REST`].
    pub name: Arc<str>,
    /// Which namespaces, by their labels.
    pub namespaces: Selector,
    /// Which workloads, by their own labels.
    pub workloads: Selector,
    /// How many of a hundred of those: always the same ones, and more of them for a larger number. `None`: all.
    pub percent: Option<u8>,
    /// In place of [`Strategy::max_concurrent`]; a share is one of the wave's workloads.
    pub max_concurrent: Option<Limit>,
    /// In place of [`Strategy::max_concurrent_per_namespace`].
    pub max_concurrent_per_namespace: Option<Limit>,
    /// In place of [`Strategy::max_failures`].
    pub max_failures: Option<Limit>,
    /// Between its completion and the next wave.
    pub soak: SignedDuration,
    /// Whether a person must say so before it starts.
    pub approval: Approval,
}

/// Whether a wave starts by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Approval {
    /// Once the earlier waves are done.
    #[default]
    Automatic,
    /// Once the earlier waves are done and a person has approved it.
    Manual,
}

/// An approval that stands on a config: of which campaign, and by whom, if that is said. Who may edit the config may
/// write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimedApproval {
    /// As [`Campaign`] is written.
    pub campaign: String,
    /// In their own words.
    pub by: Option<String>,
}

/// Names one campaign of one config: the hash of the wanted images, and the how-manieth campaign it is, so that nothing
/// said about one counts for a later one that goes back to the same images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Campaign {
    /// Of [`DesiredImages::hash`](crate::DesiredImages::hash).
    pub hash: Box<str>,
    /// From 1 on.
    pub number: u32,
}

impl fmt::Display for Campaign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.hash, self.number)
    }
}

impl Campaign {
    /// Reads what [`Display`](fmt::Display) writes.
    pub fn parse(text: &str) -> Option<Self> {
        let (hash, number) = text.rsplit_once('.')?;
        let number = number.parse().ok().filter(|number| *number > 0)?;
        (!hash.is_empty()).then(|| Self { hash: hash.into(), number })
    }

    /// The campaign of a policy, after the last one that is remembered.
    pub(crate) fn following(last: Option<&Self>, policy: &Policy) -> Self {
        let hash = policy.images.hash();
        match last {
            Some(last) if *last.hash == *hash => last.clone(),
            _ => Self { hash: hash.into(), number: last.map_or(1, |last| last.number.saturating_add(1)) },
        }
    }
}

/// What is remembered of the waves: their states cannot be read from the cluster alone. It stands in the status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WaveMemory {
    /// Of which campaign. Memories of another one do not count.
    pub campaign: Option<Campaign>,
    /// Of each wave, by name.
    pub waves: Vec<RememberedWave>,
}

/// What is remembered of one wave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RememberedWave {
    /// Which one.
    pub name: Arc<str>,
    /// When its first restart was made.
    pub started_at: Option<Timestamp>,
    /// When it was complete for the first time.
    pub completed_at: Option<Timestamp>,
    /// Whether nothing in it was fresh or had failed then.
    pub left_all_behind: bool,
    /// Who said that it may start.
    pub approved: Option<Approved>,
}

/// An approval that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approved {
    /// When it was seen first.
    pub at: Timestamp,
    /// Who, in their own words.
    pub by: Option<String>,
}

impl Wave {
    fn takes(&self, workload: &Workload, snapshot: &Snapshot) -> bool {
        let namespace = snapshot.namespace(&workload.id.named.namespace);
        self.workloads.matches(&workload.labels)
            && namespace.is_some_and(|labels| self.namespaces.matches(labels))
            && self.percent.is_none_or(|percent| hundredth(&workload.id.uid) < percent)
    }
}

/// Where a workload stands among a hundred: the first eight bytes of the SHA-256 of its uid, as a big-endian number,
/// modulo 100. Part of the API: on every machine and in every version a percentage takes the same workloads.
fn hundredth(uid: &str) -> u8 {
    let digest = Sha256::digest(uid.as_bytes());
    let remainder = digest.iter().take(8).fold(0_u32, |remainder, byte| (remainder * 256 + u32::from(*byte)) % 100);
    u8::try_from(remainder).unwrap_or(u8::MAX)
}

impl Policy {
    /// Which wave a workload belongs to: its position; that of the last, implicit one is the number of the others.
    pub(crate) fn wave_of(&self, workload: &Workload, snapshot: &Snapshot) -> usize {
        let position = self.waves.iter().position(|wave| wave.takes(workload, snapshot));
        position.unwrap_or(self.waves.len())
    }

    /// The name of the wave at a position.
    pub(crate) fn wave_name(&self, position: usize) -> Arc<str> {
        self.waves.get(position).map_or_else(|| REST.into(), |wave| wave.name.clone())
    }

    /// The strategy for the wave at a position: its own limits replace the general ones.
    pub(crate) fn strategy_for(&self, position: usize) -> Strategy {
        let general = self.strategy.clone();
        let Some(wave) = self.waves.get(position) else { return general };
        Strategy {
            max_concurrent: wave.max_concurrent.or(general.max_concurrent),
            max_concurrent_per_namespace: wave.max_concurrent_per_namespace.or(general.max_concurrent_per_namespace),
            max_failures: wave.max_failures.or(general.max_failures),
            ..general
        }
    }
}
