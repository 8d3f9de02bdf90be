//! Whether a restart would bring what is wanted, as far as admission was asked.

use std::fmt;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::admission::{AdmissionAnswer, NewPod};
use crate::injection::MissingSidecar;
use crate::verdict::{DriftReason, StaleBy};
use crate::wanted::{Images, Wanted};

/// How old an answer may be for a restart to rely on it. They are asked for anew every ten minutes: two may be lost.
const COUNTS_FOR: SignedDuration = SignedDuration::from_mins(30);

/// How long after a restart the same workload is not restarted again because admission would give it something else by now.
/// An injector that changes its mind with every question must not restart anything for ever.
pub(crate) const RESTS_FOR: SignedDuration = SignedDuration::from_mins(30);

/// Why a stale workload is not restarted, by what admission says of a new pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdmissionHold {
    /// It was not asked yet, or too long ago.
    NotAsked,
    /// Nobody can tell what a new pod would be, for this reason.
    Unknown(Arc<str>),
    /// A new pod would not be created, for this reason.
    Refused(Arc<str>),
    /// A new pod would have no container of interest, for example this one.
    NotInjected(Arc<str>),
    /// It was restarted a moment ago. The time is when it may be restarted again.
    Rests(Timestamp),
}

/// What a restart is expected to bring.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Foresight {
    /// Nobody asks.
    #[default]
    NotWanted,
    /// Nothing good, or nobody knows.
    Held(AdmissionHold),
    /// The same stale image.
    SameImage(DriftReason),
    /// What is wanted.
    Wanted,
}

impl AdmissionHold {
    /// One word from the closed list of reasons.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::NotAsked => "AskingAdmission",
            Self::Unknown(_) => "AdmissionUnknown",
            Self::Refused(_) => "PodsRefused",
            Self::NotInjected(_) => "NotInjected",
            Self::Rests(_) => "RestartedRecently",
        }
    }
}

/// What it means and what to do, in one line.
impl fmt::Display for AdmissionHold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAsked => f.write_str("admission is being asked what a new pod would get"),
            Self::Unknown(why) => write!(f, "nobody can tell what a new pod would get: {why}"),
            Self::Refused(why) => write!(f, "a new pod would be refused, so nothing is taken away: {why}"),
            Self::NotInjected(container) => write!(
                f,
                "a new pod would have no container {container}: look at the injector; if that is meant to be, set \
                 spec.MissingSidecar to Restart, or restart it by hand"
            ),
            Self::Rests(until) => write!(
                f,
                "admission would give it another image by now, but it was restarted a moment ago: not before {until}"
            ),
        }
    }
}

impl Foresight {
    /// Looks ahead. `lost` is a container of interest that the workload's pods have and a new one would not; `given_at` is
    /// when any new pod was last known to be given one of that name.
    pub(crate) fn of(
        wanted: &Wanted<'_, '_>,
        lost: Option<&Arc<str>>,
        given_at: impl FnOnce(&str) -> Option<Timestamp>,
        now: Timestamp,
    ) -> Self {
        let Some(AdmissionAnswer { asked_at, new_pod, .. }) = wanted.answer else {
            return Self::Held(AdmissionHold::NotAsked);
        };
        if now.duration_since(*asked_at) > COUNTS_FOR {
            return Self::Held(AdmissionHold::NotAsked);
        }
        match new_pod {
            NewPod::Unknown(why) => return Self::Held(AdmissionHold::Unknown(why.clone())),
            NewPod::Refused(why) => return Self::Held(AdmissionHold::Refused(why.clone())),
            NewPod::Admitted(_) => {}
        }
        let gives_none = wanted.expected_of_interest().next().is_none();
        let takes_away = wanted.missing_sidecar() == MissingSidecar::Restart;
        if let Some(lost) = lost.filter(|_| gives_none || takes_away) {
            // An injector that is down gives nobody a sidecar. One that gave it to another pod since is not.
            let is_meant = takes_away && given_at(lost) > Some(*asked_at);
            if !is_meant {
                return Self::Held(AdmissionHold::NotInjected(lost.clone()));
            }
            if gives_none {
                return Self::Wanted;
            }
        }
        let Images::Named(images) = wanted.images else { return Self::Wanted };
        let is_stale = |container: &&_| !images.accepts(container) && !images.may_accept(container);
        match wanted.expected_of_interest().find(is_stale) {
            Some(container) => Self::SameImage(DriftReason::of(container, StaleBy::Image)),
            None => Self::Wanted,
        }
    }
}
