//! Which pod of a workload is evicted next.

use std::cmp::Reverse;

use jiff::SignedDuration;

use super::own_restart::OwnRestart;
use super::planner::Planner;
use crate::drift::Drift;
use crate::eviction::{Evicting, Eviction, EvictionWait, NextEviction};
use crate::foresight::Foresight;
use crate::mark::RestartMark;
use crate::method::Method;
use crate::pod::Pod;
use crate::policy::Waiting;
use crate::progress::Progress;
use crate::wanted::Wanted;
use crate::workload::{Kind, Workload};

impl Planner<'_> {
    /// Whether a pod is one of those that a restart by eviction replaces: one that was there when it began, and is stale;
    /// or any that was there, if the workload goes before all others whatever it runs.
    ///
    /// While admission has not said what is wanted, nobody knows which of them are stale, and none of them is done.
    pub(super) fn is_to_be_evicted(
        &self,
        pod: &Pod,
        workload: &Workload,
        mark: &RestartMark,
        wanted: &Wanted<'_, '_>,
        drift: &Drift,
    ) -> bool {
        let may_be_stale = match drift {
            Drift::Stale(_) => true,
            Drift::Unknown => wanted.is_open(),
            Drift::Fresh | Drift::NoMatch => false,
        };
        mark.evicts_until.is_some_and(|until| pod.created_at <= until)
            && (may_be_stale || self.policy.restarts_first(&workload.id.named))
    }

    /// What comes next, while a restart by eviction is under way and pods are left.
    pub(super) fn evicting(
        &self,
        workload: &Workload,
        own: OwnRestart,
        progress: Progress,
        waiting: Waiting,
        wanted: &Wanted<'_, '_>,
        foresight: &Foresight,
    ) -> Option<Evicting> {
        let mark = workload.mark.as_ref().filter(|mark| mark.evicts_until.is_some())?;
        let (method, _) = self.policy.strategy.method_of(workload);
        if method != Method::Evict || !matches!(own, OwnRestart::UnderWay(_)) {
            return None;
        }
        let pods = self.pods.of(&workload.id.uid);
        let is_old = |pod: &&&Pod| self.is_to_be_evicted(pod, workload, mark, wanted, &wanted.drift_of(pod));
        let (old, others): (Vec<&Pod>, Vec<&Pod>) = pods.iter().copied().partition(|pod| is_old(&pod));
        let next = old.iter().copied().min_by_key(|pod| (pod.ready, order(workload.kind(), pod)))?;
        // One that is not ready itself takes nothing away.
        let unready = others.iter().chain(old.iter().filter(|_| next.ready)).filter(|pod| !pod.ready);
        let begun_at = mark.at.saturating_add(SignedDuration::from_secs(1)).unwrap_or(mark.at);
        let next = if (mark.at..begun_at).contains(&self.now) {
            NextEviction::Waits(EvictionWait::JustBegun(begun_at))
        } else if matches!(progress, Progress::NotObserved | Progress::Replacing | Progress::Paused) {
            NextEviction::Waits(EvictionWait::Rollout)
        } else if let Some(pod) = unready.map(|pod| &pod.name).min() {
            NextEviction::Waits(EvictionWait::NotReady(pod.clone()))
        } else if i64::try_from(pods.len()).unwrap_or(i64::MAX) < workload.replicas_wanted() {
            NextEviction::Waits(EvictionWait::Missing)
        } else if let Some(wait) = foreseen(foresight) {
            NextEviction::Waits(wait)
        } else if let Some(refusal) = self.snapshot.refusal(workload, self.now) {
            let (message, retry_at) = (refusal.message.clone(), refusal.retry_at);
            NextEviction::Waits(EvictionWait::Refused { message, retry_at })
        } else {
            NextEviction::Pod(Eviction {
                workload: workload.id.clone(),
                generation: workload.generation,
                pod_name: next.name.clone(),
                pod_uid: next.uid.clone(),
                pod_revision: next.revision,
            })
        };
        Some(Evicting { left: old.len(), next, began_at: mark.at, waiting })
    }
}

fn foreseen(foresight: &Foresight) -> Option<EvictionWait> {
    match foresight {
        Foresight::Held(hold) => Some(EvictionWait::Admission(hold.clone())),
        Foresight::SameImage(reason) => Some(EvictionWait::SameImage(reason.clone())),
        Foresight::NotWanted | Foresight::Wanted => None,
    }
}

/// Of a `StatefulSet` the highest ordinal goes first, as in its own rolling update. Always the same one, so that a decision
/// taken again, by a successor that knows nothing of it, is the same.
fn order(kind: Kind, pod: &Pod) -> (Reverse<u64>, &str) {
    let ordinal = pod.name.rsplit_once('-').and_then(|(_, ordinal)| ordinal.parse().ok());
    let ordinal = ordinal.filter(|_| kind == Kind::StatefulSet).unwrap_or(0);
    (Reverse(ordinal), &pod.name)
}
