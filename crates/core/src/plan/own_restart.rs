//! What became of the last restart.

use jiff::{SignedDuration, Timestamp};

use super::CLOCKS_DIFFER_BY;
use super::planner::Planner;
use super::tally::Tally;
use crate::custom_rollout::is_judged_by_its_pods;
use crate::mark::RestartMark;
use crate::method::rolls_by_template;
use crate::policy::Waiting;
use crate::progress::Progress;
use crate::workload::{Kind, Workload};

/// What became of the last restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OwnRestart {
    None,
    /// Until at most this time.
    UnderWay(Timestamp),
    /// Completely rolled out, and still has to stay so until this time.
    Soaking(Timestamp),
    /// No pod from before it is left. What the rollout does now is no longer its doing.
    Landed,
    Failed,
    /// By eviction, and out of time with pods left, but nothing is missing: something forbade to go on. It is as good as not
    /// begun.
    Unfinished,
}

impl OwnRestart {
    /// Until when it is under way, if it is.
    pub(super) fn until(self) -> Option<Timestamp> {
        match self {
            Self::UnderWay(until) | Self::Soaking(until) => Some(until),
            Self::None | Self::Landed | Self::Failed | Self::Unfinished => None,
        }
    }
}

impl Planner<'_> {
    /// One that was made for other images is only of interest while it is under way: it disturbs its workload as much as
    /// any, so a changed image list does not let a second one start beside it.
    pub(super) fn own_restart(
        &self,
        workload: &Workload,
        hash: &str,
        progress: Progress,
        tally: &Tally,
        waiting: Waiting,
    ) -> OwnRestart {
        let Some(mark) = &workload.mark else { return OwnRestart::None };
        let by_eviction = mark.evicts_until.is_some();
        if !by_eviction && workload.kind() != Kind::ArgoRollout && !rolls_by_template(workload) {
            // Its strategy was changed since: nobody will ever finish that.
            return OwnRestart::None;
        }
        let is_believable = mark.at <= plus(self.now, CLOCKS_DIFFER_BY);
        let began_at = if by_eviction { self.last_eviction_at(mark, tally) } else { mark.at };
        let complete_by = plus(began_at, waiting.window());
        let soaked_by = plus(complete_by, self.policy.strategy.min_ready);
        // A complete status may be older than the pods we see, and the other way round: both must agree.
        // The first replacement that is stale again says what the others would be. It is over once that one is ready.
        let is_vain = by_eviction
            && tally.is_stale_again()
            && is_whole(workload, tally)
            && !self.policy.restarts_first(&workload.id.named);
        let own = if is_vain {
            OwnRestart::Failed
        } else if progress == Progress::Complete && tally.predating == 0 && self.is_seen_ready(workload, tally) {
            let soaked_at = self.soaked_at(tally, complete_by).filter(|at| is_believable && self.now < *at);
            soaked_at.map_or(OwnRestart::Landed, OwnRestart::Soaking)
        } else if self.now < complete_by && is_believable {
            OwnRestart::UnderWay(complete_by)
        } else if by_eviction && tally.predating > 0 && is_whole(workload, tally) {
            OwnRestart::Unfinished
        } else if tally.predating > 0 || tally.unready_since.is_some_and(|since| since <= complete_by) {
            OwnRestart::Failed
        } else if tally.unready_since.is_some_and(|since| since <= soaked_by) {
            // It was complete in time, and did not stay so for long: a pod may have been moved, or it is not stable.
            if self.now < soaked_by && is_believable { OwnRestart::UnderWay(soaked_by) } else { OwnRestart::Failed }
        } else {
            OwnRestart::Landed
        };
        let for_these_images = *mark.token.hash == *hash;
        if for_these_images || own.until().is_some() { own } else { OwnRestart::None }
    }

    /// Pods go one by one, and each has the time that a restart has: it is counted from the last replacement.
    fn last_eviction_at(&self, mark: &RestartMark, tally: &Tally) -> Timestamp {
        let latest = plus(self.now, CLOCKS_DIFFER_BY);
        tally.newest_since_restart.filter(|at| *at <= latest).map_or(mark.at, |at| at.max(mark.at))
    }

    /// When a complete rollout has been complete for as long as the policy wants.
    ///
    /// Counted from the pod that was ready last. A pod that is replaced within the restart's own time begins it anew;
    /// later ones became ready for reasons of their own.
    fn soaked_at(&self, tally: &Tally, complete_by: Timestamp) -> Option<Timestamp> {
        // By a clock that is behind it is not ready yet; where it need not stay so, that it is seen ready is enough.
        if self.policy.strategy.min_ready.is_zero() {
            return None;
        }
        let ready_since = tally.ready_since.filter(|since| *since <= complete_by)?;
        ready_since.checked_add(self.policy.strategy.min_ready).ok()
    }

    /// Where a rollout has to stay complete, every pod must be seen ready: how long one that the watch of pods has not
    /// delivered yet is ready cannot be known. The same after an eviction: a status does not say whether it was written before
    /// or after it. And where the status says too little.
    fn is_seen_ready(&self, workload: &Workload, tally: &Tally) -> bool {
        let by_eviction = workload.mark.as_ref().is_some_and(|mark| mark.evicts_until.is_some());
        (self.policy.strategy.min_ready.is_zero() && !by_eviction && !is_judged_by_its_pods(workload))
            || (tally.unready_since.is_none() && tally.ready >= workload.replicas_wanted())
    }
}

/// Whether every pod that it should have is there and ready.
pub(super) fn is_whole(workload: &Workload, tally: &Tally) -> bool {
    tally.all_ready && i64::try_from(tally.live).unwrap_or(i64::MAX) >= workload.replicas_wanted()
}

fn plus(at: Timestamp, duration: SignedDuration) -> Timestamp {
    at.saturating_add(duration).unwrap_or(Timestamp::MAX)
}
