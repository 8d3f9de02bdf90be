//! What a person wants to be tried again.

use jiff::Timestamp;

use super::planner::{Planner, blocked_by_rollout};
use super::tally::Tally;
use crate::mark::RestartMark;
use crate::progress::Progress;
use crate::strategy::SingleReplica;
use crate::verdict::{BlockedReason, Verdict};
use crate::workload::Workload;

/// What becomes of a wish.
pub(super) enum Again {
    /// There is none, or nothing to try again.
    No,
    /// Not before this time.
    At(Timestamp),
    /// The verdict in the place of the one that it is about.
    Now(Verdict),
}

impl Planner<'_> {
    /// When the last restart of a workload is to be made again, if anybody wants that.
    pub(super) fn asked_at(&self, workload: &Workload) -> Option<Timestamp> {
        self.policy.retries.after(&workload.id.named, workload.mark.as_ref()?.at)
    }

    /// Whether that of one that goes before all others is to be made again now. It need not be stale.
    pub(super) fn is_asked_again(&self, workload: &Workload, progress: Progress) -> bool {
        progress != Progress::NotObserved && self.asked_at(workload).is_some_and(|at| at <= self.now)
    }

    /// Whether a failed or futile restart is to be made again because somebody said so.
    ///
    /// One whose controller has not even looked at the last one is not: another would pile up behind that. Nor is one
    /// that has brought wanted images everywhere: whatever is the matter then, another would bring the same. `held` is what
    /// admission says against it: it knows better than whoever wants it.
    pub(super) fn asked_again(
        &self,
        workload: &Workload,
        verdict: &Verdict,
        mark: Option<&RestartMark>,
        progress: Progress,
        tally: &Tally,
        held: Option<Verdict>,
    ) -> Again {
        let is_meant = matches!(verdict, Verdict::Failed(_) | Verdict::Futile(_)) && progress != Progress::NotObserved;
        let (Some(mark), Some(reason)) = (mark.filter(|_| is_meant), &tally.example) else { return Again::No };
        let Some(at) = self.policy.retries.after(&workload.id.named, mark.at) else { return Again::No };
        if self.now < at {
            return Again::At(at);
        }
        let (method, _) = self.policy.strategy.method_of(workload);
        let holds_single = self.policy.strategy.single_replica == SingleReplica::Hold;
        let blocked = self
            .claims
            .conflict(workload, self.policy)
            .map(BlockedReason::Conflict)
            .or_else(|| blocked_by_rollout(workload, progress, method))
            .or_else(|| {
                (holds_single && workload.loses_its_only_replica(method)).then_some(BlockedReason::SingleReplica)
            })
            .or_else(|| {
                let refusal = self.snapshot.refusal(workload, self.now)?;
                Some(BlockedReason::Refused(refusal.message.clone()))
            });
        let blocked = blocked.map(Verdict::Blocked).or(held);
        Again::Now(blocked.unwrap_or_else(|| Verdict::Restart(reason.clone())))
    }
}
