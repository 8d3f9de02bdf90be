//! When restarting is pointless: the injector still hands out the old image, or a workload pins its own.

use jiff::{SignedDuration, Timestamp};

use crate::mark::RestartMark;
use crate::plan::{PlanEntry, Wish};
use crate::verdict::Verdict;

/// Restarts that may be spent before one new pod was seen with a wanted image. Past it the campaign waits for proof:
/// an image list changed ahead of the mesh costs this many restarts, not one for every workload in the cluster.
const UNPROVEN_LIMIT: usize = 3;

/// How long the sight of a fresh pod vouches for restarts made after it. Longer than the API server's time stamps
/// are coarse (a second), shorter than a mesh upgrade takes to be rolled back.
const PROOF_LASTS: SignedDuration = SignedDuration::from_secs(60);

const FIRST_RETRY_AFTER: SignedDuration = SignedDuration::from_mins(30);
const MAX_RETRY_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// When a futile restart is tried again by itself: after half an hour, then twice that each time, at most a day.
pub(crate) fn retry_at(mark: &RestartMark) -> Timestamp {
    after_doublings(mark.at, mark.token.attempt.saturating_sub(1) as usize)
}

fn after_doublings(at: Timestamp, doublings: usize) -> Timestamp {
    let delay = FIRST_RETRY_AFTER.saturating_mul(1 << doublings.min(6)).min(MAX_RETRY_AFTER);
    at.saturating_add(delay).unwrap_or(Timestamp::MAX)
}

/// Whether a pod created with a wanted image after the first futile restart is reason to try again at once.
/// Only once: a workload that pins its own image would otherwise be restarted whenever any other one is.
pub(crate) fn evidence_speaks_for_retry(mark: &RestartMark, newest_fresh_at: Option<Timestamp>) -> bool {
    mark.token.attempt == 1 && newest_fresh_at.is_some_and(|at| at.as_second() > mark.at.as_second())
}

/// What the restarts made so far prove about the injector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Proof {
    /// Restarts that nothing vouches for yet.
    unproven: usize,
    /// Those of them whose new pods are stale again.
    futile: usize,
    /// When the last restart was made, whatever became of it.
    last_at: Option<Timestamp>,
}

impl Proof {
    /// Judges the restarts that the cluster shows.
    pub(crate) fn of(entries: &[PlanEntry], newest_fresh_at: Option<Timestamp>) -> Self {
        let mut proof = Self::default();
        for entry in entries {
            let Some(mark) = &entry.mark else { continue };
            proof.last_at = proof.last_at.max(Some(mark.at));
            if entry.fresh_since_restart || entry.wish == Wish::TryAgain {
                continue;
            }
            match entry.verdict {
                Verdict::InFlight
                    if newest_fresh_at
                        .is_none_or(|at| at.saturating_add(PROOF_LASTS).unwrap_or(Timestamp::MAX) < mark.at) =>
                {
                    proof.unproven += 1;
                }
                // Restart: a futile one that is due again. It has proven nothing since.
                Verdict::Futile(_) | Verdict::Restart(_)
                    if newest_fresh_at.is_none_or(|at| at.as_second() <= mark.at.as_second()) =>
                {
                    proof.unproven += 1;
                    proof.futile += 1;
                }
                _ => {}
            }
        }
        proof
    }

    /// How many more first attempts may start before there is proof.
    pub(crate) fn allowance(self, newest_fresh_at: Option<Timestamp>, now: Timestamp) -> usize {
        let vouched = self.futile == 0
            && newest_fresh_at.is_some_and(|at| at.saturating_add(PROOF_LASTS).unwrap_or(Timestamp::MAX) >= now);
        if vouched { usize::MAX } else { UNPROVEN_LIMIT.saturating_sub(self.unproven) }
    }

    /// When a campaign that has stopped itself may spend one more restart on finding out whether it still has to.
    /// `None` while it need not, or while such a probe is under way.
    pub(crate) fn probe_at(self) -> Option<Timestamp> {
        let last_at = self.last_at.filter(|_| self.is_futile() && self.unproven == self.futile)?;
        Some(after_doublings(last_at, self.futile - UNPROVEN_LIMIT))
    }

    /// Whether the campaign has stopped itself.
    pub(crate) fn is_futile(self) -> bool {
        self.futile >= UNPROVEN_LIMIT
    }
}
