//! What the pods of one workload show.

use std::sync::Arc;

use jiff::Timestamp;

use super::planner::Planner;
use crate::custom_rollout::{are_told_by_age, is_older_than};
use crate::drift::Drift;
use crate::injection::MissingSidecar;
use crate::mark::RestartMark;
use crate::pod::{Container, Pod};
use crate::verdict::DriftReason;
use crate::wanted::Wanted;
use crate::workload::{Kind, Workload};

/// What the pods of one workload show.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) live: usize,
    pub(super) matched: usize,
    pub(super) stale: usize,
    /// The least of the stale pods' reasons, so that the same cluster always gives the same words.
    pub(super) example: Option<DriftReason>,
    pub(super) newest_fresh_at: Option<Timestamp>,
    pub(super) newest_pod_at: Option<Timestamp>,
    /// Pods from before the last restart.
    pub(super) predating: usize,
    /// Since when a pod from after it is not ready. A pod that came up and failed days later is not the restart's fault.
    pub(super) unready_since: Option<Timestamp>,
    /// Ready pods from after it.
    pub(super) ready: i64,
    /// Since when all of those are.
    pub(super) ready_since: Option<Timestamp>,
    pub(super) fresh_since_restart: bool,
    stale_since_restart: bool,
    /// When the newest pod from after it was created.
    pub(super) newest_since_restart: Option<Timestamp>,
    /// Whether every live pod is ready, from whenever it is.
    pub(super) all_ready: bool,
    /// A container of interest that its pods have and a new one would not.
    pub(super) lost: Option<Arc<str>>,
    /// When the newest pod was created that is not what admission says of a new one.
    pub(super) unannounced_at: Option<Timestamp>,
}

impl Tally {
    fn note_example(&mut self, drift: &Drift) {
        let Drift::Stale(reason) = drift else { return };
        if self.example.as_ref().is_none_or(|example| reason < example) {
            self.example = Some(reason.clone());
        }
    }

    /// Whether anything depends on what admission says: it has pods, and one of them has a container of interest, or ought
    /// to have one.
    pub(super) fn is_asked_about(&self, wanted: &Wanted<'_, '_>) -> bool {
        self.live > 0 && (self.matched > 0 || wanted.missing_sidecar() == MissingSidecar::Restart)
    }

    /// Compares with what admission says of a new pod.
    fn note_announced(&mut self, pod: &Pod, wanted: &Wanted<'_, '_>) {
        if self.lost.is_none() {
            self.lost = wanted.lost_by(pod).cloned();
        }
        if !wanted.is_as_announced(pod) {
            self.unannounced_at = self.unannounced_at.max(Some(pod.created_at));
        }
    }

    /// Whether the last restart is known to have brought nothing but stale pods.
    pub(super) fn is_stale_again(&self) -> bool {
        self.stale_since_restart && !self.fresh_since_restart
    }
}

impl Planner<'_> {
    pub(super) fn tally(&self, workload: &Workload, wanted: &Wanted<'_, '_>) -> Tally {
        let mut tally = Tally { all_ready: true, ..Tally::default() };
        let token = workload.mark.as_ref().map(|mark| mark.token.to_string());
        let by_age = are_told_by_age(workload, self.pods.of(&workload.id.uid).iter().copied());
        // Pods of one template share their record of containers: it is compared once, not for each of them.
        let mut compared: Option<(&Arc<[Container]>, bool, Drift)> = None;
        for pod in self.pods.of(&workload.id.uid) {
            tally.live += 1;
            tally.newest_pod_at = tally.newest_pod_at.max(Some(pod.created_at));
            let predates = workload
                .mark
                .as_ref()
                .is_some_and(|mark| predates(pod, workload.kind(), mark, token.as_deref(), by_age));
            tally.all_ready &= pod.ready;
            if !predates {
                tally.newest_since_restart = tally.newest_since_restart.max(Some(pod.created_at));
            }
            let drift = match compared.take() {
                Some((containers, ready, drift)) if Arc::ptr_eq(containers, &pod.containers) && ready == pod.ready => {
                    drift
                }
                _ => {
                    let drift = wanted.drift_of(pod);
                    tally.note_example(&drift);
                    drift
                }
            };
            tally.note_announced(pod, wanted);
            // Who evicts leaves alone what is fresh already.
            let is_old = match &workload.mark {
                Some(mark) if mark.evicts_until.is_some() => self.is_to_be_evicted(pod, workload, mark, wanted, &drift),
                _ => predates,
            };
            if is_old {
                tally.predating += 1;
            } else if pod.ready {
                tally.ready += 1;
                tally.ready_since = tally.ready_since.max(Some(pod.ready_changed_at));
            } else {
                let since = pod.ready_changed_at;
                tally.unready_since = Some(tally.unready_since.map_or(since, |at| at.min(since)));
            }
            match &drift {
                Drift::NoMatch => {}
                // Proof of nothing, in either direction.
                Drift::Unknown => tally.matched += 1,
                Drift::Fresh => {
                    tally.matched += 1;
                    tally.newest_fresh_at = tally.newest_fresh_at.max(Some(pod.created_at));
                    tally.fresh_since_restart |= !predates;
                }
                Drift::Stale(_) => {
                    tally.matched += 1;
                    tally.stale += 1;
                    tally.stale_since_restart |= !predates;
                }
            }
            compared = Some((&pod.containers, pod.ready, drift));
        }
        tally
    }
}

/// Whether a pod is from before a restart.
///
/// A patched template hands its token to every pod made from it. An Argo Rollout is restarted by time: pods created
/// before `restartAt` are replaced (argo-rollouts `rollout/restart.go`). What is evicted is known by its age, too.
pub(crate) fn predates(pod: &Pod, kind: Kind, mark: &RestartMark, token: Option<&str>, by_age: bool) -> bool {
    if let Some(until) = mark.evicts_until {
        return pod.created_at <= until;
    }
    match kind {
        Kind::ArgoRollout => pod.created_at < mark.at,
        _ if by_age && pod.restart_token.is_none() => is_older_than(pod, mark),
        _ => pod.restart_token.as_deref() != token,
    }
}
