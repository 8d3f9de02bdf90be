//! The verdict on one workload.

use jiff::{SignedDuration, Timestamp};

use super::own_restart::{OwnRestart, is_whole};
use super::retry::Again;
use super::tally::Tally;
use super::{CLOCKS_DIFFER_BY, PlanEntry, UnderWay, Wish};
use crate::asking::given_at;
use crate::claims::Claims;
use crate::custom_rollout::is_judged_by_its_pods;
use crate::eviction::Evicting;
use crate::foresight::{AdmissionHold, Foresight, RESTS_FOR};
use crate::futility::{evidence_speaks_for_retry, retry_at};
use crate::mark::{RestartMark, RestartToken};
use crate::method::Method;
use crate::policy::{Policy, Waiting};
use crate::progress::{Progress, standing_of};
use crate::question::is_of_interest;
use crate::snapshot::{PodIndex, Snapshot};
use crate::strategy::SingleReplica;
use crate::verdict::{BlockedReason, FailedReason, FutileReason, Verdict};
use crate::wanted::{Images, Wanted};
use crate::workload::{RolloutFacts, UpdateStrategy, Workload};

/// How long a restart whose answer was lost still counts as under way while it cannot be tried again. If it was carried
/// out, the watch shows it in this time; if it was not, what never allows it must not hold up everybody else.
const UNANSWERED_FOR: SignedDuration = SignedDuration::from_mins(1);

/// What goes into a plan.
#[derive(Clone, Copy)]
pub(super) struct Planner<'a> {
    pub(super) policy: &'a Policy,
    pub(super) claims: &'a Claims<'a>,
    pub(super) snapshot: &'a Snapshot,
    pub(super) pods: &'a PodIndex<'a>,
    pub(super) now: Timestamp,
}

impl Planner<'_> {
    /// `None` when none of its pods has a container of interest: it is not in scope after all.
    pub(super) fn entry(
        &self,
        workload: &Workload,
        waiting: Waiting,
        wanted: &Wanted<'_, '_>,
        tally: &Tally,
    ) -> Option<PlanEntry> {
        if !is_of_interest(tally.live, tally.matched) {
            return None;
        }
        let hash = self.claims.hash_for(workload, self.policy);
        // One dated far ahead is not believed: anybody who may edit the workload can write it, and it would never age.
        let latest = self.now.saturating_add(CLOCKS_DIFFER_BY).unwrap_or(Timestamp::MAX);
        let mark = workload.mark.as_ref().filter(|mark| *mark.token.hash == *hash && mark.at <= latest);
        let progress = standing_of(workload);
        let (method, why_method) = self.policy.strategy.method_of(workload);
        let own = self.own_restart(workload, &hash, progress, tally, waiting);
        let foresight = self.foresee(wanted, tally);
        let unhealthy_before = workload.mark.as_ref().is_some_and(|mark| mark.unhealthy_before);
        let until = own.until();
        let verdict = self.verdict(workload, own, progress, wanted, tally, &foresight);
        let held = self.held_by_foresight(workload, wanted, &foresight);
        let (verdict, wish, asked_at) = match self.asked_again(workload, &verdict, mark, progress, tally, held) {
            Again::No => (verdict, Wish::None, None),
            Again::At(at) => (verdict, Wish::None, Some(at)),
            Again::Now(verdict) => (verdict, Wish::TryAgain, None),
        };
        // As good as not begun: it is due again, and the same attempt.
        let attempt = match mark {
            Some(mark) if own == OwnRestart::Unfinished => mark.token.attempt,
            Some(mark) => mark.token.attempt.saturating_add(1),
            None => 1,
        };
        let mark = mark.filter(|_| own != OwnRestart::Unfinished);
        let refused_until = self.snapshot.refusal(workload, self.now).map(|refusal| refusal.retry_at);
        let lost_until = self.lost_until(workload);
        // Only another try tells what became of it: where there will be none, time has to.
        let will_be_tried = matches!(verdict, Verdict::Restart(_) | Verdict::Blocked(BlockedReason::Refused(_)));
        let is_unanswered = lost_until.is_some_and(|until| will_be_tried || self.now < until);
        let lost_until = lost_until.filter(|_| is_unanswered && !will_be_tried);
        let under_way = if own == OwnRestart::Failed && progress == Progress::NotObserved {
            UnderWay::ControllerSilent
        // What is seen to be under way was carried out, whatever was heard of it. For an eviction no new generation says so.
        } else if is_unanswered && until.is_none() {
            UnderWay::Unanswered
        } else if until.is_some() {
            UnderWay::Yes
        } else {
            UnderWay::No
        };
        let rests_until = rests_until(&verdict);
        let is_refused = matches!(verdict, Verdict::Blocked(BlockedReason::Refused(_)));
        let evicting = self.evicting(workload, own, progress, waiting, wanted, &foresight);
        Some(PlanEntry {
            id: workload.id.clone(),
            generation: workload.generation,
            foreseen: (foresight == Foresight::Wanted).then(|| wanted.answer.map(|answer| answer.asked_at)).flatten(),
            awaits_injector: false,
            verdict,
            method,
            why_method,
            healthy: is_healthy(workload, progress, tally),
            pods: tally.matched,
            stale_pods: tally.stale,
            waiting,
            token: RestartToken { hash: (*hash).into(), attempt },
            mark: mark.cloned(),
            newest_pod_at: tally.newest_pod_at,
            recheck_at: until
                .or(refused_until.filter(|_| is_refused))
                .into_iter()
                .chain(lost_until)
                .chain(rests_until)
                .chain(asked_at)
                .chain(evicting.as_ref().and_then(Evicting::recheck_at))
                .min(),
            wish,
            evicting,
            fresh_since_restart: tally.fresh_since_restart,
            restarted_at: workload.mark.as_ref().map(|mark| mark.at),
            took: mark.and_then(|mark| self.took(mark, own, tally)).filter(|took| *took <= waiting.window()),
            under_way,
            holds_up_others: under_way != UnderWay::No && waiting.is_waited() && !unhealthy_before,
            wave: self.policy.wave_of(workload, self.snapshot),
            refused_times: if is_refused { self.snapshot.refused_times(&workload.id.uid) } else { 0 },
        })
    }

    /// Until when a restart whose answer was lost certainly counts as under way, if there is one.
    pub(super) fn lost_until(&self, workload: &Workload) -> Option<Timestamp> {
        let lost = self.snapshot.unanswered(workload)?;
        Some(lost.retry_at.saturating_add(UNANSWERED_FOR).unwrap_or(Timestamp::MAX))
    }

    /// How long a restart took until all its pods were ready, or how long it takes already.
    fn took(&self, mark: &RestartMark, own: OwnRestart, tally: &Tally) -> Option<SignedDuration> {
        let until = match own {
            OwnRestart::Landed | OwnRestart::Soaking(_) => tally.ready_since?,
            OwnRestart::UnderWay(_) => self.now,
            OwnRestart::None | OwnRestart::Failed | OwnRestart::Unfinished => return None,
        };
        // Kubernetes tells readiness by the second, so that the pods of a quick restart seem ready before it began.
        let took = until.duration_since(mark.at);
        (took > -SignedDuration::from_secs(1)).then(|| took.max(SignedDuration::ZERO))
    }

    pub(super) fn foresee(&self, wanted: &Wanted<'_, '_>, tally: &Tally) -> Foresight {
        if !self.policy.asks_admission() {
            return Foresight::NotWanted;
        }
        Foresight::of(wanted, tally.lost.as_ref(), |container| given_at(self.snapshot, container), self.now)
    }

    fn verdict(
        &self,
        workload: &Workload,
        own: OwnRestart,
        progress: Progress,
        wanted: &Wanted<'_, '_>,
        tally: &Tally,
        foresight: &Foresight,
    ) -> Verdict {
        let unhealthy_before = workload.mark.as_ref().is_some_and(|mark| mark.unhealthy_before);
        match own {
            OwnRestart::UnderWay(_) | OwnRestart::Soaking(_) => return Verdict::InFlight,
            OwnRestart::Failed if unhealthy_before && tally.stale > 0 && !tally.is_stale_again() => {
                return Verdict::Failed(FailedReason::UnhealthyBefore);
            }
            OwnRestart::Failed if !unhealthy_before && !tally.is_stale_again() => {
                return Verdict::Failed(FailedReason::NotCompleteInTime);
            }
            _ => {}
        }
        // Nothing is stale then, for want of anything to compare with.
        if let (Images::NotKnown, Foresight::Held(hold)) = (&wanted.images, foresight)
            && tally.live > 0
        {
            return Verdict::Blocked(BlockedReason::Admission(hold.clone()));
        }
        if let (Images::Given(_), Foresight::Held(hold @ AdmissionHold::NotInjected(_))) = (&wanted.images, foresight) {
            return Verdict::Blocked(BlockedReason::Admission(hold.clone()));
        }
        let Some(reason) = &tally.example else {
            return if tally.live == 0 { Verdict::Idle } else { Verdict::Fresh };
        };
        if let Some(other) = self.claims.conflict(workload, self.policy) {
            return Verdict::Blocked(BlockedReason::Conflict(other));
        }
        let (method, _) = self.policy.strategy.method_of(workload);
        if let Some(blocked) = blocked_by_rollout(workload, progress, method) {
            return Verdict::Blocked(blocked);
        }
        let hash = self.claims.hash_for(workload, self.policy);
        if own == OwnRestart::None && self.snapshot.is_reverted(workload, &hash) {
            return Verdict::Blocked(BlockedReason::RevertedByOwner);
        }
        match (own, progress) {
            (
                OwnRestart::None | OwnRestart::Landed | OwnRestart::Unfinished,
                Progress::NotObserved | Progress::Replacing,
            ) => {
                if self.snapshot.stands_still(workload, self.now) {
                    Verdict::Blocked(BlockedReason::NoProgress)
                } else {
                    Verdict::Converging
                }
            }
            _ if self.policy.strategy.single_replica == SingleReplica::Hold
                && workload.loses_its_only_replica(method) =>
            {
                Verdict::Blocked(BlockedReason::SingleReplica)
            }
            _ if let Some(held) = self.held_by_foresight(workload, wanted, foresight) => held,
            (OwnRestart::None | OwnRestart::Unfinished, _) => match self.snapshot.refusal(workload, self.now) {
                Some(refusal) => Verdict::Blocked(BlockedReason::Refused(refusal.message.clone())),
                None => Verdict::Restart(reason.clone()),
            },
            // Out of time with stale pods again: a rollout that never ends is no reason to expect others. And whatever
            // else is the matter with one that landed: another restart at once would bring the same pods.
            _ => Verdict::Futile(FutileReason::SameImageAgain(reason.clone())),
        }
    }

    /// What is said of a stale workload instead of restarting it, if admission speaks against that.
    fn held_by_foresight(
        &self,
        workload: &Workload,
        wanted: &Wanted<'_, '_>,
        foresight: &Foresight,
    ) -> Option<Verdict> {
        match foresight {
            Foresight::Held(hold) => return Some(Verdict::Blocked(BlockedReason::Admission(hold.clone()))),
            Foresight::SameImage(reason) => return Some(Verdict::Futile(FutileReason::Foreseen(reason.clone()))),
            Foresight::NotWanted | Foresight::Wanted => {}
        }
        // What is named changes when a person changes it. What is given may change with every question.
        if !matches!(wanted.images, Images::Given(_)) {
            return None;
        }
        let hash = self.claims.hash_for(workload, self.policy);
        let mark = workload.mark.as_ref().filter(|mark| mark.at <= self.now && *mark.token.hash != *hash)?;
        let rests_until = mark.at.saturating_add(RESTS_FOR).unwrap_or(Timestamp::MAX);
        let hold = AdmissionHold::Rests(rests_until);
        (self.now < rests_until).then_some(Verdict::Blocked(BlockedReason::Admission(hold)))
    }

    pub(super) fn reconsider_futile(&self, entry: &mut PlanEntry, newest_fresh_at: Option<Timestamp>) {
        let Verdict::Futile(FutileReason::SameImageAgain(reason)) = &entry.verdict else { return };
        let Some(mark) = &entry.mark else { return };
        let workload = self.snapshot.workload(&entry.id.named);
        let refusal = workload.and_then(|workload| self.snapshot.refusal(workload, self.now));
        let retry_at = retry_at(mark);
        if let Some(refusal) = refusal {
            entry.recheck_at = Some(refusal.retry_at);
        } else if self.now >= retry_at || evidence_speaks_for_retry(mark, newest_fresh_at.max(entry.foreseen)) {
            entry.verdict = Verdict::Restart(reason.clone());
        } else {
            entry.recheck_at = entry.recheck_at.into_iter().chain([retry_at]).min();
        }
    }
}

/// Whether its rollout is complete, and where its status does not tell that, whether every pod is there and ready.
pub(super) fn is_healthy(workload: &Workload, progress: Progress, tally: &Tally) -> bool {
    progress == Progress::Complete && (!is_judged_by_its_pods(workload) || is_whole(workload, tally))
}

fn rests_until(verdict: &Verdict) -> Option<Timestamp> {
    match verdict {
        Verdict::Blocked(BlockedReason::Admission(AdmissionHold::Rests(until))) => Some(*until),
        _ => None,
    }
}

/// Why changing the template now would do nothing, or do it at the wrong moment.
pub(super) fn blocked_by_rollout(workload: &Workload, progress: Progress, method: Method) -> Option<BlockedReason> {
    match (progress, &workload.rollout) {
        (Progress::Paused, RolloutFacts::ArgoRollout(facts)) if !facts.paused => Some(BlockedReason::MidRollout),
        (Progress::Paused, _) => Some(BlockedReason::Paused),
        (_, RolloutFacts::Custom(facts)) => facts.blocked(method),
        _ if method != Method::Patch => None,
        (_, RolloutFacts::StatefulSet(facts)) if facts.strategy == UpdateStrategy::OnDelete => {
            Some(BlockedReason::OnDelete)
        }
        (_, RolloutFacts::DaemonSet(facts)) if facts.strategy == UpdateStrategy::OnDelete => {
            Some(BlockedReason::OnDelete)
        }
        (_, RolloutFacts::StatefulSet(facts)) if facts.partition.is_some_and(|partition| partition > 0) => {
            Some(BlockedReason::Partition)
        }
        (_, RolloutFacts::Replicas(_)) => Some(BlockedReason::NoRollout),
        _ => None,
    }
}
