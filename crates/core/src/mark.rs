//! The mark that a restart leaves on a workload. It is the only ledger of what was done.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use thiserror::Error;

/// Annotation keys. They are part of the API: dashboards and people read them.
pub mod annotation {
    /// Begins all of them.
    pub const PREFIX: &str = "flippy.keikoproj.io/";
    /// `<hash of desired images>-<attempt>` of the last restart: on the pod template; for an Argo Rollout, and for what is
    /// restarted by eviction, on the object.
    pub const RESTARTED_FOR: &str = "flippy.keikoproj.io/restarted-for";
    /// RFC 3339 time of the last restart, beside [`RESTARTED_FOR`].
    pub const RESTARTED_AT: &str = "flippy.keikoproj.io/restarted-at";
    /// On a `FlippyConfig`: the RFC 3339 time at which a person said to go on in spite of failures.
    pub const RESUMED_AT: &str = "flippy.keikoproj.io/resumed-at";
    /// On a `FlippyConfig`: which failed and futile restarts a person wants to be made again; see [`crate::Retries`].
    pub const RETRY: &str = "flippy.keikoproj.io/retry";
    /// On a workload, as an annotation or a label: of those of a namespace that say the same, one is restarted at a time.
    pub const GROUP: &str = "flippy.keikoproj.io/group";
    /// On a `FlippyConfig`, followed by the name of a wave: the campaign in which it is approved, and by whom.
    pub const APPROVE_PREFIX: &str = "flippy.keikoproj.io/approve-";
    /// On a workload that is restarted by eviction, beside [`RESTARTED_FOR`] on the object itself: the creation time of its
    /// newest pod when that was decided. Pods that were created until then are to be evicted, later ones are replacements.
    pub const EVICTS_UNTIL: &str = "flippy.keikoproj.io/evicts-created-until";
    /// Beside [`RESTARTED_FOR`]: the token of a restart that found the workload unhealthy already.
    pub const UNHEALTHY_BEFORE: &str = "flippy.keikoproj.io/unhealthy-before";
}

/// Names a restart: for which desired images, and the how-manieth for them. Deterministic, so that a decision taken
/// again after a crash is the same decision.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RestartToken {
    /// Hash of the desired images.
    pub hash: Box<str>,
    /// 1 for the first restart.
    pub attempt: u32,
}

/// A token that Flippy did not write.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is not a restart token: expected <hash>-<attempt>")]
pub struct TokenParseError(String);

impl fmt::Display for RestartToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.hash, self.attempt)
    }
}

impl FromStr for RestartToken {
    type Err = TokenParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.rsplit_once('-')
            .filter(|(hash, _)| !hash.is_empty())
            .and_then(|(hash, attempt)| Some(Self { hash: hash.into(), attempt: attempt.parse().ok()? }))
            .filter(|token| token.attempt > 0)
            .ok_or_else(|| TokenParseError(text.to_owned()))
    }
}

/// The last restart that Flippy made of a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestartMark {
    /// For which images.
    pub token: RestartToken,
    /// When.
    pub at: Timestamp,
    /// Whether the workload was unhealthy before it: then its failing afterwards is not the restart's fault.
    pub unhealthy_before: bool,
    /// By eviction, of pods that were created until then. By the clock of the API server, as are creation times: a clock of
    /// ours that is ahead would take replacements for old pods, and evict them again.
    pub evicts_until: Option<Timestamp>,
}

impl RestartMark {
    /// Reads the mark from annotation values. Text that is no mark counts as none: anybody who may edit the
    /// workload can write it, and the worst that may come of it is one restart.
    pub fn parse(restarted_for: &str, restarted_at: &str, unhealthy_before: Option<&str>) -> Option<Self> {
        let token = restarted_for.parse().ok()?;
        let at = restarted_at.parse().ok()?;
        Some(Self { token, at, unhealthy_before: unhealthy_before == Some(restarted_for), evicts_until: None })
    }

    /// The same mark, of a restart by eviction. Without a time, nobody knows which pods are old: it counts as none.
    #[must_use]
    pub fn by_eviction(self, evicts_until: &str) -> Option<Self> {
        Some(Self { evicts_until: Some(evicts_until.parse().ok()?), ..self })
    }
}
