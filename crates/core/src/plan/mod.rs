//! The plan: every workload in scope, once, with a verdict, in the order in which restarts happen.

mod disruption;
mod evicting;
mod first;
mod own_restart;
mod planner;
mod retry;
mod tally;

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::asking::{AdmissionQuestions, Asking};
use crate::claims::Claims;
use crate::desired::DesiredImages;
use crate::eviction::Evicting;
use crate::foresight::AdmissionHold;
use crate::futility::Proof;
use crate::left_alone::{LeftAlone, left_alone};
use crate::mark::{RestartMark, RestartToken};
use crate::method::Method;
use crate::policy::{Policy, Waiting};
use crate::snapshot::{PodIndex, Snapshot};
use crate::turns::Turns;
use crate::verdict::{BlockedReason, FailedReason, FutileReason, Verdict};
use crate::wanted::Images;
use crate::workload::WorkloadRef;

pub use first::{FirstRestart, FirstState};
use planner::Planner;
pub(crate) use tally::predates;

/// What a restart is expected to take while nothing is known of any.
const UNKNOWN_DURATION: SignedDuration = SignedDuration::from_mins(1);

/// How far ahead of our clock a mark may be dated and still be believed. Anybody who may edit a workload can write one;
/// dated next year it would hold up everybody else until then.
pub(crate) const CLOCKS_DIFFER_BY: SignedDuration = SignedDuration::from_hours(1);

/// What a policy has to do, as far as the cluster shows.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Every workload in scope, wave by wave, healthy first, in the policy's order of kinds, then by namespace and name.
    pub entries: Vec<PlanEntry>,
    /// What goes before all of them.
    pub first: Vec<FirstRestart>,
    /// Stale pods that are left alone, because no workload of a kind that is restarted owns them.
    pub left_alone: Vec<LeftAlone>,
    /// Why there is none of kinds that the policy names, where the API server does not serve them.
    pub unserved: Vec<Arc<str>>,
    /// When a pod with a wanted image was last created in scope.
    pub newest_fresh_at: Option<Timestamp>,
    /// Everything that is wanted in some container of interest: what the policy names, or else what admission would give.
    pub wanted: DesiredImages,
    /// What to ask admission.
    pub questions: AdmissionQuestions,
    pub(crate) proof: Proof,
    pub(crate) turns: Turns,
}

/// One workload in scope.
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is an answer to a question of its own, and none excludes another"
)]
#[derive(Clone, Debug)]
pub struct PlanEntry {
    /// Which object.
    pub id: WorkloadRef,
    /// Its generation when this was decided.
    pub generation: i64,
    /// What is to happen with it.
    pub verdict: Verdict,
    /// How it is restarted.
    pub method: Method,
    /// Why so, for people.
    pub why_method: &'static str,
    /// What is left, while it is restarted by eviction and pods are.
    pub evicting: Option<Evicting>,
    /// Whether its rollout is complete and, where its status does not tell that, every pod ready. Unhealthy ones are restarted
    /// last.
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
    /// Whether a person wants a failed or futile restart of it to be made again.
    pub(crate) wish: Wish,
    /// When it was last restarted, for whatever images.
    pub(crate) restarted_at: Option<Timestamp>,
    /// How long its last restart took, or takes already.
    pub(crate) took: Option<SignedDuration>,
    /// Whether a restart of it is under way.
    pub(crate) under_way: UnderWay,
    /// Whether later restarts must wait for it now, if they go one after the other.
    pub(crate) holds_up_others: bool,
    /// The position of its wave.
    pub(crate) wave: usize,
    /// How often in a row its restart was refused, while that is what blocks it.
    pub(crate) refused_times: u32,
    /// When admission was asked, and said that a new pod would get what is wanted.
    pub(crate) foreseen: Option<Timestamp>,
    /// Admission speaks against restarting it, and says so of all: as soon as the injector is mended, or upgraded, it goes
    /// with its wave.
    pub(crate) awaits_injector: bool,
}

/// What a person wants to be done with a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Nothing beyond what the policy says.
    None,
    /// To make its last restart again.
    TryAgain,
}

/// Failures past what is tolerated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Halt {
    /// The position of the wave.
    pub(crate) wave: usize,
    pub(crate) failures: usize,
    pub(crate) tolerated: usize,
}

/// Whether a restart of a workload is under way, as far as the pace is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnderWay {
    /// None is.
    No,
    /// One is, or may be.
    Yes,
    /// Nobody knows: the answer was lost. Until it is tried again, and that is answered, it counts as under way.
    Unanswered,
    /// One is out of time because the workload's controller has not even looked at it. Every further restart would pile
    /// up behind that, and all of them would roll at once when it wakes up. That holds for its kind: others have another
    /// controller.
    ControllerSilent,
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

    /// Workloads that are under way by eviction, with pods left.
    pub(crate) fn evicting(&self) -> impl Iterator<Item = &Evicting> {
        let first = self.first.iter().filter_map(|first| first.evicting.as_ref());
        first.chain(self.entries.iter().filter_map(|entry| entry.evicting.as_ref()))
    }

    /// Whether anything is to be restarted, or pods are still to be evicted: whatever forbids the one forbids the other.
    pub fn has_work(&self) -> bool {
        self.needs_restart() || self.evicting().next().is_some()
    }

    /// Workloads of which a share is meant when a limit is a percentage: those in scope that have running pods.
    /// With waves, those of one wave.
    pub(crate) fn countable(&self, wave: usize) -> impl Iterator<Item = &PlanEntry> {
        self.entries.iter().filter(move |entry| entry.wave == wave && entry.verdict != Verdict::Idle)
    }

    /// Failures past what the policy tolerates, in the first wave where there are so many.
    pub(crate) fn halted(&self, policy: &Policy, now: Timestamp) -> Option<Halt> {
        (0..=policy.waves.len()).find_map(|wave| self.halted_in(wave, policy, now))
    }

    fn halted_in(&self, wave: usize, policy: &Policy, now: Timestamp) -> Option<Halt> {
        let tolerated = policy.strategy_for(wave).max_failures?.of(self.countable(wave).count());
        // A typing error in the year must not switch the limit off until then.
        let latest = now.saturating_add(CLOCKS_DIFFER_BY).unwrap_or(Timestamp::MAX);
        let resumed_at = policy.resumed_at.filter(|at| *at <= latest);
        // Whoever said to go on had not seen what failed later.
        let is_news = |restarted_at: Option<Timestamp>, waiting: Waiting| {
            let failed_at = restarted_at.and_then(|at| at.saturating_add(waiting.window()).ok());
            resumed_at.is_none_or(|resumed_at| failed_at.is_none_or(|failed_at| failed_at > resumed_at))
        };
        let failed = Verdict::Failed(FailedReason::NotCompleteInTime);
        let entries = self.entries.iter().filter(|entry| entry.wave == wave && entry.verdict == failed);
        let entries = entries.filter(|entry| is_news(entry.restarted_at, entry.waiting)).map(|entry| &entry.id.named);
        // What goes first counts with the first wave, unless its own is another.
        let wave_of = |first: &FirstRestart| self.entries.iter().find(|entry| entry.id.named == first.target);
        let is_here = |first: &FirstRestart| wave_of(first).map_or(0, |entry| entry.wave) == wave;
        let first = self.first.iter().filter(|first| first.state == FirstState::Failed && is_here(first));
        let first = first.filter(|first| is_news(first.restarted_at, first.waiting)).map(|first| &first.target);
        // One may be in scope and go first.
        let failures = entries.chain(first).collect::<BTreeSet<_>>().len();
        (failures > tolerated).then_some(Halt { wave, failures, tolerated })
    }

    /// When a restart that starts now is expected to be done: as long as the slowest of this campaign took, and half as
    /// much again. Before there is one to learn from, a minute. Then it still has to stay so.
    pub(crate) fn expected_end(&self, policy: &Policy, now: Timestamp) -> Timestamp {
        let slowest = self.entries.iter().filter_map(|entry| entry.took).max();
        let expected = slowest.map_or(UNKNOWN_DURATION, |took| took.saturating_mul(3) / 2);
        now.saturating_add(expected.saturating_add(policy.strategy.min_ready)).unwrap_or(Timestamp::MAX)
    }

    /// Whether admission is still being asked about workloads of which nothing can be said until it has answered.
    pub fn is_asking(&self) -> bool {
        let asking = Verdict::Blocked(BlockedReason::Admission(AdmissionHold::NotAsked));
        self.entries.iter().any(|entry| entry.verdict == asking)
    }

    /// Whether anything is under way, by our doing or by itself.
    pub fn is_moving(&self) -> bool {
        let first = self.first.iter().any(|first| matches!(first.state, FirstState::InFlight(_)));
        first || self.entries.iter().any(|entry| matches!(entry.verdict, Verdict::InFlight | Verdict::Converging))
    }
}

/// Makes the plan of one policy, from claims on the same snapshot.
pub fn plan(policy: &Policy, claims: &Claims<'_>, snapshot: &Snapshot, pods: &PodIndex<'_>, now: Timestamp) -> Plan {
    let planner = Planner { policy, claims, snapshot, pods, now };
    let mut newest_fresh_at = None;
    let mut ranked = Vec::new();
    let mut asking = Asking::new(snapshot, now);
    let mut given = BTreeSet::new();
    if policy.selects_nothing().is_none() {
        for workload in claims.admitted_by(policy) {
            let wanted = claims.wanted(workload, policy);
            let tally = planner.tally(workload, &wanted);
            newest_fresh_at = newest_fresh_at.max(tally.newest_fresh_at);
            if policy.asks_admission() && tally.is_asked_about(&wanted) {
                asking.consider(workload, tally.unannounced_at);
            }
            if let Some((rank, waiting)) = policy.rank_of(workload.kind())
                && let Some(entry) = planner.entry(workload, waiting, &wanted, &tally)
            {
                ranked.push((rank, entry));
                if let Images::Given(images) = &wanted.images {
                    given.extend(images.iter().cloned());
                }
            }
        }
    }
    // Within a kind the snapshot's own order stays: by namespace and name.
    ranked.sort_by_key(|(rank, entry)| (entry.wave, !entry.healthy, *rank));
    let mut entries: Vec<PlanEntry> = ranked.into_iter().map(|(_, entry)| entry).collect();
    for entry in &mut entries {
        planner.reconsider_futile(entry, newest_fresh_at);
    }
    // One of whom admission says something else shows that the injector is there, and what it hands out.
    let answers = snapshot.admission_answers();
    let foreseen = entries.iter().filter(|entry| entry.foreseen.is_some());
    let handed_out_since = foreseen.filter_map(|entry| answers.same_since(&entry.id.uid)).min();
    for entry in &mut entries {
        // Who was asked about before that may be given the same by now.
        let asked_at = answers.last_asked(&entry.id.uid);
        let is_handed_out = handed_out_since.is_some_and(|since| asked_at >= Some(since));
        entry.awaits_injector = awaits_injector(&entry.verdict, is_handed_out);
    }
    let proof = Proof::of(&entries, newest_fresh_at);
    let mut first: Vec<FirstRestart> = policy.restart_first.iter().map(|first| planner.first(first)).collect();
    let turns = planner.respect_others(&mut entries, &mut first);
    let wanted = if policy.names_images() { policy.images.clone() } else { DesiredImages::new(given) };
    let questions = asking.questions();
    let unserved = policy.restart_objects.iter().filter_map(|object| snapshot.unserved(object.kind).cloned()).collect();
    let mut plan =
        Plan { entries, first, left_alone: Vec::new(), unserved, newest_fresh_at, wanted, questions, proof, turns };
    // What is given to whom nobody has asked about yet may be wanted, too.
    if policy.names_images() || !plan.is_asking() {
        plan.left_alone = left_alone(policy, &plan.wanted, snapshot, pods);
    }
    plan
}

/// Whether a verdict may be due to the injector as a whole, or may change with the next answer.
fn awaits_injector(verdict: &Verdict, is_handed_out: bool) -> bool {
    match verdict {
        Verdict::Blocked(BlockedReason::Admission(AdmissionHold::NotAsked)) => true,
        Verdict::Blocked(BlockedReason::Admission(AdmissionHold::Rests(_))) => false,
        Verdict::Blocked(BlockedReason::Admission(_)) | Verdict::Futile(FutileReason::Foreseen(_)) => !is_handed_out,
        _ => false,
    }
}
