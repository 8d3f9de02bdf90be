//! What is restarted before the rest.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::own_restart::OwnRestart;
use super::planner::{Planner, blocked_by_rollout, is_healthy};
use super::tally::Tally;
use crate::eviction::Evicting;
use crate::foresight::Foresight;
use crate::mark::RestartToken;
use crate::method::Method;
use crate::policy::{RestartFirst, Waiting};
use crate::progress::standing_of;
use crate::verdict::BlockedReason;
use crate::wanted::Wanted;
use crate::workload::{NamedWorkload, Workload, WorkloadRef};

/// A workload that is restarted before the rest.
#[derive(Clone, Debug)]
pub struct FirstRestart {
    /// Which one.
    pub target: NamedWorkload,
    /// Where it is.
    pub state: FirstState,
    /// Whether later restarts wait for it.
    pub waiting: Waiting,
    /// How it is restarted.
    pub method: Method,
    /// What is left, while it is restarted by eviction and pods are.
    pub evicting: Option<Evicting>,
    /// When it was last restarted, for whatever images.
    pub(crate) restarted_at: Option<Timestamp>,
    /// When a restart of it that failed is to be made again because a person wants it.
    pub(crate) asked_at: Option<Timestamp>,
}

impl FirstRestart {
    /// Whether a restart of it is under way, or on its way to the API server.
    pub(crate) fn is_under_way(&self, sending: &BTreeSet<Arc<str>>) -> bool {
        match &self.state {
            FirstState::InFlight(_) => true,
            FirstState::Due { id, .. } => sending.contains(&id.uid),
            _ => false,
        }
    }
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
        /// Whether its rollout is complete and, where its status does not tell that, every pod ready.
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

impl Planner<'_> {
    pub(super) fn first(&self, first: &RestartFirst) -> FirstRestart {
        let workload = self.snapshot.workload(&first.target);
        let workload =
            workload.filter(|workload| !workload.deleting && self.policy.may_act_in(&first.target.namespace));
        let (state, evicting) =
            workload.map_or((FirstState::Missing, None), |workload| self.first_state(workload, first.waiting));
        FirstRestart {
            target: first.target.clone(),
            state,
            waiting: first.waiting,
            method: workload.map_or(Method::Patch, |workload| self.policy.strategy.method_of(workload).0),
            evicting,
            restarted_at: workload.and_then(|workload| workload.mark.as_ref()).map(|mark| mark.at),
            asked_at: workload.and_then(|workload| self.asked_at(workload)),
        }
    }

    fn first_state(&self, workload: &Workload, waiting: Waiting) -> (FirstState, Option<Evicting>) {
        let hash = self.claims.hash_for(workload, self.policy);
        let progress = standing_of(workload);
        let (method, _) = self.policy.strategy.method_of(workload);
        let wanted = self.claims.wanted(workload, self.policy);
        let tally = self.tally(workload, &wanted);
        let own = self.own_restart(workload, &hash, progress, &tally, waiting);
        let foresight = self.foresee_first(workload, &wanted, &tally);
        let mark = workload.mark.as_ref().filter(|mark| *mark.token.hash == *hash);
        // As good as not begun: it is due again, and the same attempt.
        let attempt = match mark {
            Some(mark) if own == OwnRestart::Unfinished => mark.token.attempt,
            Some(mark) => mark.token.attempt.saturating_add(1),
            None => 1,
        };
        let state = match own {
            OwnRestart::UnderWay(until) | OwnRestart::Soaking(until) => FirstState::InFlight(until),
            OwnRestart::Failed if !self.is_asked_again(workload, progress) => FirstState::Failed,
            // Marked is restarted, whatever happened to it since: once per campaign.
            OwnRestart::Landed => FirstState::Done,
            OwnRestart::None if self.snapshot.is_reverted(workload, &hash) => FirstState::Done,
            OwnRestart::Failed | OwnRestart::None | OwnRestart::Unfinished => {
                let blocked = blocked_by_rollout(workload, progress, method).or(held(&foresight));
                match (blocked, self.snapshot.refusal(workload, self.now)) {
                    (Some(blocked), _) => FirstState::Blocked(blocked),
                    (None, Some(refusal)) => {
                        FirstState::Refused { message: refusal.message.clone(), retry_at: refusal.retry_at }
                    }
                    (None, None) => FirstState::Due {
                        id: workload.id.clone(),
                        generation: workload.generation,
                        token: RestartToken { hash: (*hash).into(), attempt },
                        healthy: is_healthy(workload, progress, &tally),
                        newest_pod_at: tally.newest_pod_at,
                    },
                }
            }
        };
        (state, self.evicting(workload, own, progress, waiting, &wanted, &foresight))
    }

    /// What admission says against taking away pods of what goes first, if it is in scope: nobody is asked about others. What
    /// goes first is restarted whatever image it gets.
    fn foresee_first(&self, workload: &Workload, wanted: &Wanted<'_, '_>, tally: &Tally) -> Foresight {
        if !self.policy.admits(workload, self.snapshot) || !tally.is_asked_about(wanted) {
            return Foresight::NotWanted;
        }
        match self.foresee(wanted, tally) {
            Foresight::SameImage(_) => Foresight::Wanted,
            foresight => foresight,
        }
    }
}

fn held(foresight: &Foresight) -> Option<BlockedReason> {
    match foresight {
        Foresight::Held(hold) => Some(BlockedReason::Admission(hold.clone())),
        Foresight::NotWanted | Foresight::Wanted | Foresight::SameImage(_) => None,
    }
}
