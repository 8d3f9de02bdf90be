//! The plan: every workload in scope, once, with a verdict, in the order in which restarts happen.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::budget::exceeded;
use crate::claims::Claims;
use crate::drift::{Drift, drift_of};
use crate::futility::{Proof, evidence_speaks_for_retry, retry_at};
use crate::mark::{RestartMark, RestartToken};
use crate::pod::{Container, Pod};
use crate::policy::{Policy, Waiting};
use crate::progress::{Progress, progress_of};
use crate::snapshot::{PodIndex, Snapshot};
use crate::strategy::SingleReplica;
use crate::verdict::{BlockedReason, DriftReason, FailedReason, Verdict};
use crate::workload::{Kind, NamedWorkload, RolloutFacts, Workload, WorkloadRef};

/// What a restart is expected to take while nothing is known of any.
const UNKNOWN_DURATION: SignedDuration = SignedDuration::from_mins(1);

/// How far ahead of our clock a mark may be dated and still be believed. Anybody who may edit a workload can write one;
/// dated next year it would hold up everybody else until then.
const CLOCKS_DIFFER_BY: SignedDuration = SignedDuration::from_hours(1);

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
    /// How long its last restart took, once it is done.
    pub(crate) took: Option<SignedDuration>,
    /// Whether a restart of it is under way, or may be.
    pub(crate) is_under_way: bool,
    /// Whether later restarts must wait for it now, if they go one after the other.
    pub(crate) holds_up_others: bool,
    /// Its restart is out of time because its controller has not even looked at it. Every further restart would pile up
    /// behind that, and all of them would roll at once when it wakes up.
    pub(crate) controller_is_silent: bool,
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
    /// When it was last restarted for what is wanted now.
    pub(crate) restarted_at: Option<Timestamp>,
}

/// Where such a workload is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FirstState {
    /// There is no such workload, or none that the policy may act on.
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
    /// The API server did not carry out its restart; it is tried again.
    Refused {
        /// What the API server said.
        message: Arc<str>,
        /// When it is tried again.
        retry_at: Timestamp,
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

    /// Failures past what the policy tolerates: how many, and how many would be tolerated.
    pub(crate) fn halted(&self, policy: &Policy) -> Option<(usize, usize)> {
        let counts = |at: Option<Timestamp>| policy.resumed_at.is_none_or(|resumed_at| at.is_none_or(|at| at > resumed_at));
        let failed = Verdict::Failed(FailedReason::NotCompleteInTime);
        let entries = self.entries.iter().filter(|entry| entry.verdict == failed);
        let entries = entries.filter(|entry| counts(entry.mark.as_ref().map(|mark| mark.at))).count();
        let in_scope = |first: &FirstRestart| self.entries.iter().any(|entry| entry.id.named == first.target);
        let first = self.first.iter().filter(|first| first.state == FirstState::Failed && !in_scope(first));
        let first = first.filter(|first| counts(first.restarted_at)).count();
        exceeded(policy.strategy.max_failures, entries + first, self)
    }

    /// When a restart that starts now is expected to be done: as long as the slowest of this campaign took, and half as
    /// much again. Before there is one to learn from, a minute.
    pub(crate) fn expected_end(&self, now: Timestamp) -> Timestamp {
        let slowest = self.entries.iter().filter_map(|entry| entry.took).max();
        let expected = slowest.map_or(UNKNOWN_DURATION, |took| took.saturating_mul(3) / 2);
        now.saturating_add(expected).unwrap_or(Timestamp::MAX)
    }

    /// Whether anything is under way, by our doing or by itself.
    pub fn is_moving(&self) -> bool {
        let first = self.first.iter().any(|first| matches!(first.state, FirstState::InFlight(_)));
        first || self.entries.iter().any(|entry| matches!(entry.verdict, Verdict::InFlight | Verdict::Converging))
    }
}

/// Makes the plan of one policy.
pub fn plan(policy: &Policy, claims: &Claims<'_>, snapshot: &Snapshot, pods: &PodIndex<'_>, now: Timestamp) -> Plan {
    let planner = Planner { policy, claims, snapshot, pods, now };
    let mut newest_fresh_at = None;
    let mut ranked = Vec::new();
    if policy.selects_nothing().is_none() {
        for workload in snapshot.workloads().filter(|workload| policy.admits(workload, snapshot)) {
            let tally = planner.tally(workload);
            newest_fresh_at = newest_fresh_at.max(tally.newest_fresh_at);
            if let Some((rank, waiting)) = policy.rank_of(workload.kind())
                && let Some(entry) = planner.entry(workload, waiting, &tally)
            {
                ranked.push((rank, entry));
            }
        }
    }
    // Within a kind the snapshot's own order stays: by namespace and name.
    ranked.sort_by_key(|(rank, entry)| (!entry.healthy, *rank));
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
                .filter(|workload| !workload.deleting && policy.may_act_in(&first.target.namespace))
                .map_or(FirstState::Missing, |workload| planner.first_state(workload, first.waiting)),
            waiting: first.waiting,
            restarted_at: snapshot.workload(&first.target).and_then(|workload| planner.restarted_at(workload)),
        })
        .collect();
    Plan { entries, first, newest_fresh_at, proof }
}

struct Planner<'a> {
    policy: &'a Policy,
    claims: &'a Claims<'a>,
    snapshot: &'a Snapshot,
    pods: &'a PodIndex<'a>,
    now: Timestamp,
}

/// What the pods of one workload show.
#[derive(Default)]
struct Tally {
    live: usize,
    matched: usize,
    stale: usize,
    /// The least of the stale pods' reasons, so that the same cluster always gives the same words.
    example: Option<DriftReason>,
    newest_fresh_at: Option<Timestamp>,
    newest_pod_at: Option<Timestamp>,
    /// Pods from before the last restart.
    predating: usize,
    /// Since when a pod from after it is not ready. A pod that came up and failed days later is not the restart's fault.
    unready_since: Option<Timestamp>,
    /// Since when all the others from after it are.
    ready_since: Option<Timestamp>,
    fresh_since_restart: bool,
    stale_since_restart: bool,
}

impl Tally {
    fn note_example(&mut self, drift: &Drift) {
        let Drift::Stale(reason) = drift else { return };
        if self.example.as_ref().is_none_or(|example| reason < example) {
            self.example = Some(reason.clone());
        }
    }

    /// Whether the last restart is known to have brought nothing but stale pods.
    fn is_stale_again(&self) -> bool {
        self.stale_since_restart && !self.fresh_since_restart
    }
}

/// What became of the last restart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OwnRestart {
    None,
    /// Until at most this time.
    UnderWay(Timestamp),
    /// No pod from before it is left. What the rollout does now is no longer its doing.
    Landed,
    Failed,
}

impl Planner<'_> {
    fn tally(&self, workload: &Workload) -> Tally {
        let mut tally = Tally::default();
        let token = workload.mark.as_ref().map(|mark| mark.token.to_string());
        // Pods of one template share their record of containers: it is compared once, not for each of them.
        let mut compared: Option<(&Arc<[Container]>, Drift)> = None;
        for pod in self.pods.of(&workload.id.uid) {
            tally.live += 1;
            tally.newest_pod_at = tally.newest_pod_at.max(Some(pod.created_at));
            let predates =
                workload.mark.as_ref().is_some_and(|mark| predates(pod, workload.kind(), mark, token.as_deref()));
            if predates {
                tally.predating += 1;
            } else if pod.ready {
                tally.ready_since = tally.ready_since.max(Some(pod.ready_changed_at));
            } else {
                let since = pod.ready_changed_at;
                tally.unready_since = Some(tally.unready_since.map_or(since, |at| at.min(since)));
            }
            let drift = match compared.take() {
                Some((containers, drift)) if Arc::ptr_eq(containers, &pod.containers) => drift,
                _ => {
                    let drift = drift_of(pod, &self.policy.scope.containers, &self.policy.images);
                    tally.note_example(&drift);
                    drift
                }
            };
            match &drift {
                Drift::NoMatch => {}
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
            compared = Some((&pod.containers, drift));
        }
        tally
    }

    /// `None` when none of its pods has a container of interest: it is not in scope after all.
    fn entry(&self, workload: &Workload, waiting: Waiting, tally: &Tally) -> Option<PlanEntry> {
        if tally.live > 0 && tally.matched == 0 {
            return None;
        }
        let hash = self.claims.hash_for(&workload.id, self.policy);
        let mark = workload.mark.as_ref().filter(|mark| *mark.token.hash == *hash);
        let progress = progress_of(workload);
        let own = self.own_restart(workload, hash, progress, tally, waiting);
        let unhealthy_before = workload.mark.as_ref().is_some_and(|mark| mark.unhealthy_before);
        let until = if let OwnRestart::UnderWay(until) = own { Some(until) } else { None };
        let verdict = self.verdict(workload, own, progress, tally);
        let refused_until = self.snapshot.refusal(workload, self.now).map(|refusal| refusal.retry_at);
        let is_unanswered = self.snapshot.refusal(workload, self.now).is_some_and(|refusal| refusal.unanswered);
        let controller_is_silent = own == OwnRestart::Failed && progress == Progress::NotObserved;
        let may_be_under_way = until.is_some() || controller_is_silent || is_unanswered;
        let is_refused = matches!(verdict, Verdict::Blocked(BlockedReason::Refused(_)));
        let attempt = mark.map_or(1, |mark| mark.token.attempt.saturating_add(1));
        Some(PlanEntry {
            id: workload.id.clone(),
            generation: workload.generation,
            verdict,
            healthy: progress == Progress::Complete,
            pods: tally.matched,
            stale_pods: tally.stale,
            waiting,
            token: RestartToken { hash: hash.into(), attempt },
            mark: mark.cloned(),
            newest_pod_at: tally.newest_pod_at,
            recheck_at: until.or(refused_until.filter(|_| is_refused)),
            fresh_since_restart: tally.fresh_since_restart,
            took: mark.filter(|_| own == OwnRestart::Landed).and_then(|mark| {
                let took = tally.ready_since?.duration_since(mark.at);
                // A pod that became ready much later did so for another reason.
                (!took.is_negative() && took <= waiting.window()).then_some(took)
            }),
            is_under_way: may_be_under_way,
            holds_up_others: may_be_under_way && waiting.is_waited() && !unhealthy_before,
            controller_is_silent,
        })
    }

    fn verdict(&self, workload: &Workload, own: OwnRestart, progress: Progress, tally: &Tally) -> Verdict {
        let unhealthy_before = workload.mark.as_ref().is_some_and(|mark| mark.unhealthy_before);
        match own {
            OwnRestart::UnderWay(_) => return Verdict::InFlight,
            OwnRestart::Failed if unhealthy_before && tally.stale > 0 && !tally.is_stale_again() => {
                return Verdict::Failed(FailedReason::UnhealthyBefore);
            }
            OwnRestart::Failed if !unhealthy_before && !tally.is_stale_again() => {
                return Verdict::Failed(FailedReason::NotCompleteInTime);
            }
            _ => {}
        }
        let Some(reason) = &tally.example else {
            return if tally.live == 0 { Verdict::Idle } else { Verdict::Fresh };
        };
        if let Some(other) = self.claims.conflict(&workload.id, self.policy) {
            return Verdict::Blocked(BlockedReason::Conflict(other));
        }
        if let Some(blocked) = blocked_by_rollout(workload, progress) {
            return Verdict::Blocked(blocked);
        }
        let hash = self.claims.hash_for(&workload.id, self.policy);
        if own == OwnRestart::None && self.snapshot.is_reverted(workload, hash) {
            return Verdict::Blocked(BlockedReason::RevertedByOwner);
        }
        match (own, progress) {
            // Out of time with stale pods again: a rollout that never ends is no reason to expect others.
            (OwnRestart::Failed, _) => Verdict::Futile(reason.clone()),
            (_, Progress::NotObserved | Progress::Replacing) => Verdict::Converging,
            // Whatever else is the matter with it: another restart at once would bring the same pods.
            (OwnRestart::Landed, _) => Verdict::Futile(reason.clone()),
            _ if self.policy.strategy.single_replica == SingleReplica::Hold && workload.loses_its_only_replica() => {
                Verdict::Blocked(BlockedReason::SingleReplica)
            }
            _ => match self.snapshot.refusal(workload, self.now) {
                Some(refusal) => Verdict::Blocked(BlockedReason::Refused(refusal.message.clone())),
                None => Verdict::Restart(reason.clone()),
            },
        }
    }

    /// What became of the last restart. One that was made for other images is only of interest while it is under way:
    /// it disturbs its workload as much as any, so a changed image list does not let a second one start beside it.
    fn own_restart(
        &self,
        workload: &Workload,
        hash: &str,
        progress: Progress,
        tally: &Tally,
        waiting: Waiting,
    ) -> OwnRestart {
        let Some(mark) = &workload.mark else { return OwnRestart::None };
        let until = mark.at.saturating_add(waiting.window()).unwrap_or(Timestamp::MAX);
        let believable = mark.at <= self.now.saturating_add(CLOCKS_DIFFER_BY).unwrap_or(Timestamp::MAX);
        // A complete status may be older than the pods we see, and the other way round: both must agree.
        let own = if progress == Progress::Complete && tally.predating == 0 {
            // Complete is not yet stable. Pods that became ready after its window are not its doing any more.
            let soaks_until = tally
                .ready_since
                .filter(|since| *since <= until && believable)
                .and_then(|since| since.saturating_add(self.policy.strategy.min_ready).ok())
                .filter(|soaked_at| self.now < *soaked_at);
            soaks_until.map_or(OwnRestart::Landed, OwnRestart::UnderWay)
        } else if self.now < until && believable {
            OwnRestart::UnderWay(until)
        } else if tally.predating > 0 || tally.unready_since.is_some_and(|since| since <= until) {
            OwnRestart::Failed
        } else {
            OwnRestart::Landed
        };
        let for_these_images = *mark.token.hash == *hash;
        if for_these_images || matches!(own, OwnRestart::UnderWay(_)) { own } else { OwnRestart::None }
    }

    fn restarted_at(&self, workload: &Workload) -> Option<Timestamp> {
        let hash = self.claims.hash_for(&workload.id, self.policy);
        workload.mark.as_ref().filter(|mark| *mark.token.hash == *hash).map(|mark| mark.at)
    }

    fn reconsider_futile(&self, entry: &mut PlanEntry, newest_fresh_at: Option<Timestamp>) {
        let (Verdict::Futile(reason), Some(mark)) = (&entry.verdict, &entry.mark) else { return };
        let workload = self.snapshot.workload(&entry.id.named);
        let refusal = workload.and_then(|workload| self.snapshot.refusal(workload, self.now));
        let retry_at = retry_at(mark);
        if let Some(refusal) = refusal {
            entry.recheck_at = Some(refusal.retry_at);
        } else if self.now >= retry_at || evidence_speaks_for_retry(mark, newest_fresh_at) {
            entry.verdict = Verdict::Restart(reason.clone());
        } else {
            entry.recheck_at = Some(retry_at);
        }
    }

    fn first_state(&self, workload: &Workload, waiting: Waiting) -> FirstState {
        let hash = self.claims.hash_for(&workload.id, self.policy);
        let progress = progress_of(workload);
        let tally = self.tally(workload);
        match self.own_restart(workload, hash, progress, &tally, waiting) {
            OwnRestart::UnderWay(until) => FirstState::InFlight(until),
            OwnRestart::Failed => FirstState::Failed,
            // Marked is restarted, whatever happened to it since: once per campaign.
            OwnRestart::Landed => FirstState::Done,
            OwnRestart::None if self.snapshot.is_reverted(workload, hash) => FirstState::Done,
            OwnRestart::None => {
                match (blocked_by_rollout(workload, progress), self.snapshot.refusal(workload, self.now)) {
                    (Some(blocked), _) => FirstState::Blocked(blocked),
                    (None, Some(refusal)) => {
                        FirstState::Refused { message: refusal.message.clone(), retry_at: refusal.retry_at }
                    }
                    (None, None) => FirstState::Due {
                        id: workload.id.clone(),
                        generation: workload.generation,
                        token: RestartToken { hash: hash.into(), attempt: 1 },
                        healthy: progress == Progress::Complete,
                        newest_pod_at: tally.newest_pod_at,
                    },
                }
            }
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
