//! The plan: every workload in scope, once, with a verdict, in the order in which restarts happen.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::claims::Claims;
use crate::drift::{Drift, drift_of};
use crate::futility::{Proof, evidence_speaks_for_retry, retry_at};
use crate::mark::{RestartMark, RestartToken};
use crate::pod::Pod;
use crate::policy::{Policy, Waiting};
use crate::progress::{Progress, progress_of};
use crate::snapshot::{PodIndex, Snapshot};
use crate::verdict::{BlockedReason, DriftReason, FailedReason, Verdict};
use crate::workload::{Kind, NamedWorkload, RolloutFacts, Workload, WorkloadRef};

/// How long a restart that nobody waits for is observed before it counts as failed: the default
/// `progressDeadlineSeconds` of a Deployment.
const OBSERVED_FOR: SignedDuration = SignedDuration::from_secs(600);

/// What a policy has to do, as far as the cluster shows.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Every workload in scope, healthy first, in the policy's order of kinds, then by namespace and name.
    pub entries: Vec<PlanEntry>,
    /// What goes before all of them.
    pub first: Vec<FirstRestart>,
    /// When a pod with a wanted image was last created in scope.
    pub newest_fresh_at: Option<Timestamp>,
    pub(crate) proof: Proof,
}

/// One workload in scope.
#[derive(Clone, Debug)]
pub struct PlanEntry {
    /// Which object.
    pub id: WorkloadRef,
    /// Its generation when this was decided.
    pub generation: i64,
    /// What is to happen with it.
    pub verdict: Verdict,
    /// Whether its rollout is complete. Unhealthy ones are restarted last.
    pub healthy: bool,
    /// Live pods with a container of interest.
    pub pods: usize,
    /// Those of them that are stale.
    pub stale_pods: usize,
    /// Whether later restarts wait for it.
    pub waiting: Waiting,
    /// Its last restart, if it was made for what is wanted now.
    pub mark: Option<RestartMark>,
    /// What a restart now would be marked with.
    pub token: RestartToken,
    /// The creation time of its newest pod.
    pub newest_pod_at: Option<Timestamp>,
    /// When time alone changes the verdict.
    pub recheck_at: Option<Timestamp>,
    pub(crate) fresh_since_restart: bool,
}

/// A workload that is restarted before the rest.
#[derive(Clone, Debug)]
pub struct FirstRestart {
    /// Which one.
    pub target: NamedWorkload,
    /// Where it is.
    pub state: FirstState,
    /// Whether later restarts wait for it.
    pub waiting: Waiting,
}

/// Where such a workload is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FirstState {
    /// There is no such workload.
    Missing,
    /// It cannot be restarted as it is.
    Blocked(BlockedReason),
    /// It was not restarted in this campaign yet.
    Due {
        /// Which object.
        id: WorkloadRef,
        /// Its generation when this was decided.
        generation: i64,
        /// What the restart would be marked with.
        token: RestartToken,
        /// Whether its rollout is complete.
        healthy: bool,
        /// The creation time of its newest pod.
        newest_pod_at: Option<Timestamp>,
    },
    /// Under way until at most this time.
    InFlight(Timestamp),
    /// Restarted in this campaign.
    Done,
    /// Restarted in this campaign, not completely rolled out in time.
    Failed,
}

impl PlanEntry {
    /// Whether this is another try after a futile restart.
    pub fn is_retry(&self) -> bool {
        self.token.attempt > 1
    }
}

impl Plan {
    /// Whether anything is to be restarted.
    pub fn needs_restart(&self) -> bool {
        self.entries.iter().any(|entry| matches!(entry.verdict, Verdict::Restart(_)))
    }

    /// Whether anything is under way, by our doing or by itself.
    pub fn is_moving(&self) -> bool {
        let first = self.first.iter().any(|first| matches!(first.state, FirstState::InFlight(_)));
        first || self.entries.iter().any(|entry| matches!(entry.verdict, Verdict::InFlight | Verdict::Converging))
    }
}

/// Makes the plan of one policy.
pub fn plan(policy: &Policy, claims: &Claims<'_>, snapshot: &Snapshot, pods: &PodIndex<'_>, now: Timestamp) -> Plan {
    let planner = Planner { policy, claims, pods, now };
    let mut newest_fresh_at = None;
    let mut ranked = Vec::new();
    if policy.selects_nothing().is_none() {
        for workload in snapshot.workloads().filter(|workload| policy.admits(workload, snapshot)) {
            let tally = planner.tally(workload);
            newest_fresh_at = newest_fresh_at.max(tally.newest_fresh_at);
            if let Some((rank, waiting)) = policy.rank_of(workload.kind())
                && let Some(entry) = planner.entry(workload, waiting, tally)
            {
                ranked.push((rank, entry));
            }
        }
    }
    ranked.sort_by(|(a_rank, a), (b_rank, b)| {
        (!a.healthy, a_rank, &a.id.named).cmp(&(!b.healthy, b_rank, &b.id.named))
    });
    let mut entries: Vec<PlanEntry> = ranked.into_iter().map(|(_, entry)| entry).collect();
    for entry in &mut entries {
        planner.reconsider_futile(entry, newest_fresh_at);
    }
    let proof = Proof::of(&entries, newest_fresh_at);
    let first = policy
        .restart_first
        .iter()
        .map(|first| FirstRestart {
            target: first.target.clone(),
            state: snapshot
                .workload(&first.target)
                .map_or(FirstState::Missing, |workload| planner.first_state(workload, first.waiting)),
            waiting: first.waiting,
        })
        .collect();
    Plan { entries, first, newest_fresh_at, proof }
}

struct Planner<'a> {
    policy: &'a Policy,
    claims: &'a Claims<'a>,
    pods: &'a PodIndex<'a>,
    now: Timestamp,
}

/// What the pods of one workload show.
#[derive(Default)]
struct Tally {
    live: usize,
    matched: usize,
    stale: usize,
    /// The first stale pod's reason, by name, so that the same cluster always gives the same words.
    example: Option<(Arc<str>, DriftReason)>,
    newest_fresh_at: Option<Timestamp>,
    newest_pod_at: Option<Timestamp>,
    /// Pods from before the last restart.
    predating: usize,
    /// Creation time of the oldest pod from after it that is not ready.
    unready_since: Option<Timestamp>,
    fresh_since_restart: bool,
}

/// What became of the last restart that was made for what is wanted now.
enum OwnRestart {
    None,
    UnderWay(Timestamp),
    Done,
    Failed,
}

impl Planner<'_> {
    fn tally(&self, workload: &Workload) -> Tally {
        let mut tally = Tally::default();
        let token = workload.mark.as_ref().map(|mark| mark.token.to_string());
        for pod in self.pods.of(&workload.id.uid) {
            tally.live += 1;
            tally.newest_pod_at = tally.newest_pod_at.max(Some(pod.created_at));
            let predates = workload.mark.as_ref().is_some_and(|mark| predates(pod, workload.kind(), mark, token.as_deref()));
            if predates {
                tally.predating += 1;
            } else if !pod.ready {
                tally.unready_since = Some(tally.unready_since.map_or(pod.created_at, |at| at.min(pod.created_at)));
            }
            match drift_of(pod, &self.policy.scope.containers, &self.policy.images) {
                Drift::NoMatch => {}
                Drift::Fresh => {
                    tally.matched += 1;
                    tally.newest_fresh_at = tally.newest_fresh_at.max(Some(pod.created_at));
                    tally.fresh_since_restart |= !predates;
                }
                Drift::Stale(reason) => {
                    tally.matched += 1;
                    tally.stale += 1;
                    if tally.example.as_ref().is_none_or(|(name, _)| pod.name < *name) {
                        tally.example = Some((pod.name.clone(), reason));
                    }
                }
            }
        }
        tally
    }

    /// `None` when none of its pods has a container of interest: it is not in scope after all.
    fn entry(&self, workload: &Workload, waiting: Waiting, tally: Tally) -> Option<PlanEntry> {
        if tally.live > 0 && tally.matched == 0 {
            return None;
        }
        let hash = self.claims.hash_for(&workload.id, self.policy);
        let mark = workload.mark.clone().filter(|mark| *mark.token.hash == *hash);
        let progress = progress_of(workload);
        let own = self.own_restart(mark.as_ref(), progress, &tally, waiting);
        let recheck_at = if let OwnRestart::UnderWay(until) = own { Some(until) } else { None };
        let verdict = self.verdict(workload, mark.as_ref(), &own, progress, &tally);
        let attempt = mark.as_ref().map_or(1, |mark| mark.token.attempt.saturating_add(1));
        Some(PlanEntry {
            id: workload.id.clone(),
            generation: workload.generation,
            verdict,
            healthy: progress == Progress::Complete,
            pods: tally.matched,
            stale_pods: tally.stale,
            waiting,
            token: RestartToken { hash: hash.into(), attempt },
            mark,
            newest_pod_at: tally.newest_pod_at,
            recheck_at,
            fresh_since_restart: tally.fresh_since_restart,
        })
    }

    fn verdict(
        &self,
        workload: &Workload,
        mark: Option<&RestartMark>,
        own: &OwnRestart,
        progress: Progress,
        tally: &Tally,
    ) -> Verdict {
        match own {
            OwnRestart::UnderWay(_) => return Verdict::InFlight,
            OwnRestart::Failed if mark.is_some_and(|mark| mark.unhealthy_before) && tally.stale > 0 => {
                return Verdict::Failed(FailedReason::UnhealthyBefore);
            }
            OwnRestart::Failed if mark.is_some_and(|mark| !mark.unhealthy_before) => {
                return Verdict::Failed(FailedReason::NotCompleteInTime);
            }
            _ => {}
        }
        let Some((_, reason)) = &tally.example else {
            return if tally.live == 0 { Verdict::Idle } else { Verdict::Fresh };
        };
        if let Some(other) = self.claims.conflict(&workload.id, self.policy) {
            return Verdict::Blocked(BlockedReason::Conflict(other));
        }
        if matches!(own, OwnRestart::Done) {
            return Verdict::Futile(reason.clone());
        }
        if let Some(blocked) = blocked_by_rollout(workload, progress) {
            return Verdict::Blocked(blocked);
        }
        match progress {
            Progress::NotObserved | Progress::Replacing => Verdict::Converging,
            _ => Verdict::Restart(reason.clone()),
        }
    }

    fn own_restart(&self, mark: Option<&RestartMark>, progress: Progress, tally: &Tally, waiting: Waiting) -> OwnRestart {
        let Some(mark) = mark else { return OwnRestart::None };
        // A complete status may be older than the pods we see, and the other way round: both must agree.
        if progress == Progress::Complete && tally.predating == 0 {
            return OwnRestart::Done;
        }
        let window = match waiting {
            Waiting::AtMost(window) if window.is_positive() => window,
            _ => OBSERVED_FOR,
        };
        let until = mark.at.saturating_add(window).unwrap_or(Timestamp::MAX);
        if self.now < until {
            OwnRestart::UnderWay(until)
        } else if tally.predating > 0 || tally.unready_since.is_some_and(|since| since <= until) {
            OwnRestart::Failed
        } else {
            // Its pods came up; what is under way now is somebody else's later rollout.
            OwnRestart::None
        }
    }

    fn reconsider_futile(&self, entry: &mut PlanEntry, newest_fresh_at: Option<Timestamp>) {
        let (Verdict::Futile(reason), Some(mark)) = (&entry.verdict, &entry.mark) else { return };
        let retry_at = retry_at(mark);
        if self.now >= retry_at || evidence_speaks_for_retry(mark, newest_fresh_at) {
            entry.verdict = Verdict::Restart(reason.clone());
        } else {
            entry.recheck_at = Some(retry_at);
        }
    }

    fn first_state(&self, workload: &Workload, waiting: Waiting) -> FirstState {
        let hash = self.claims.hash_for(&workload.id, self.policy);
        let mark = workload.mark.as_ref().filter(|mark| *mark.token.hash == *hash);
        let progress = progress_of(workload);
        let tally = self.tally(workload);
        match self.own_restart(mark, progress, &tally, waiting) {
            OwnRestart::UnderWay(until) => FirstState::InFlight(until),
            OwnRestart::Failed => FirstState::Failed,
            // Marked is restarted, whatever happened to it since: once per campaign.
            OwnRestart::Done => FirstState::Done,
            OwnRestart::None if mark.is_some() => FirstState::Done,
            OwnRestart::None => match blocked_by_rollout(workload, progress) {
                Some(blocked) => FirstState::Blocked(blocked),
                None => FirstState::Due {
                    id: workload.id.clone(),
                    generation: workload.generation,
                    token: RestartToken { hash: hash.into(), attempt: 1 },
                    healthy: progress == Progress::Complete,
                    newest_pod_at: tally.newest_pod_at,
                },
            },
        }
    }
}

/// Whether a pod is from before a restart.
///
/// A patched template hands its token to every pod made from it. An Argo Rollout is restarted by time: pods created
/// before `restartAt` are replaced (argo-rollouts `rollout/restart.go`).
fn predates(pod: &Pod, kind: Kind, mark: &RestartMark, token: Option<&str>) -> bool {
    match kind {
        Kind::ArgoRollout => pod.created_at < mark.at,
        Kind::Deployment | Kind::StatefulSet | Kind::DaemonSet => pod.restart_token.as_deref() != token,
    }
}

/// Why changing the template now would do nothing, or do it at the wrong moment.
fn blocked_by_rollout(workload: &Workload, progress: Progress) -> Option<BlockedReason> {
    match (progress, &workload.rollout) {
        (Progress::Paused, RolloutFacts::ArgoRollout(facts)) if !facts.paused => Some(BlockedReason::MidRollout),
        (Progress::Paused, _) => Some(BlockedReason::Paused),
        (Progress::OnDelete, _) => Some(BlockedReason::OnDelete),
        (_, RolloutFacts::StatefulSet(facts)) if facts.partition.is_some_and(|partition| partition > 0) => {
            Some(BlockedReason::Partition)
        }
        _ => None,
    }
}
