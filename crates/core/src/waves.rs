//! How far the waves are, and which of them is open.

use std::fmt;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::plan::{CLOCKS_DIFFER_BY, Plan, PlanEntry, UnderWay};
use crate::policy::{Policy, PolicyName};
use crate::verdict::{BlockedReason, Verdict};
use crate::wave::{Approval, Approved, Campaign, RememberedWave, WaveMemory};

/// Refusals in a row after which later waves wait for no other answer: with the delays between them, about a minute.
const REFUSED_FOR_GOOD: u32 = 5;

/// How far the waves of a policy are. Without waves, everything is one wave that is always open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waves {
    /// The campaign, if the policy has waves or had some in it.
    pub campaign: Option<Campaign>,
    /// Each of them in order, the implicit last one included; empty without waves.
    pub facts: Vec<WaveFact>,
    /// The first wave that is not settled: the only one in which anything may start.
    pub(crate) current: usize,
    /// Why nothing in it may start.
    pub(crate) hold: Option<WaveHold>,
    /// Why nothing in a later one may.
    beyond: Option<WaveHold>,
}

/// How far one wave is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaveFact {
    /// Its name.
    pub name: Arc<str>,
    /// Its state.
    pub state: WaveState,
    /// Its workloads.
    pub total: usize,
    /// Those of them whose pods all run a wanted image.
    pub fresh: usize,
    /// Those that it does not wait for, although they are not fresh: blocked, futile or failed.
    pub left_behind: usize,
    /// When its first restart was made.
    pub started_at: Option<Timestamp>,
    /// When it was complete for the first time, if anything was ever seen in it. What comes to it later is restarted, but does
    /// not soak again.
    pub completed_at: Option<Timestamp>,
    /// Whether nothing in it was fresh or had failed then. Such a soak shows nothing: once something in it is, it is complete
    /// for the first time once more.
    pub left_all_behind: bool,
    /// Until when it soaks, once it is complete.
    pub soaks_until: Option<Timestamp>,
    /// Who said that it may start.
    pub approved: Option<Approved>,
}

/// The state of a wave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaveState {
    /// An earlier one comes first.
    Pending,
    /// Its turn has come, but nobody has approved it.
    AwaitingApproval,
    /// Its workloads are being restarted.
    Running,
    /// It is complete, and the next one waits a while to see that it stays well.
    Soaking,
    /// It holds up nothing any more.
    Done,
    /// More of its restarts have failed than are tolerated.
    Halted,
}

impl WaveState {
    /// The word for it in status and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::AwaitingApproval => "AwaitingApproval",
            Self::Running => "Running",
            Self::Soaking => "Soaking",
            Self::Done => "Done",
            Self::Halted => "Halted",
        }
    }
}

/// Why a wave may not start, or not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WaveHold {
    /// An earlier wave is not done.
    Earlier {
        /// The earlier one.
        wave: Arc<str>,
        /// A workload of it that is not done.
        workload: String,
    },
    /// An earlier wave is complete, and must stay well for a while.
    Soaks {
        /// The earlier one.
        wave: Arc<str>,
        /// Until then.
        until: Timestamp,
    },
    /// It waits for a person.
    NotApproved {
        /// The wave.
        wave: Arc<str>,
        /// Of which config.
        config: PolicyName,
    },
}

impl WaveHold {
    /// One word from a closed list.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Earlier { .. } => "EarlierWave",
            Self::Soaks { .. } => "WaveSoaks",
            Self::NotApproved { .. } => "AwaitingApproval",
        }
    }
}

/// What is waited for, and what to do about it.
impl fmt::Display for WaveHold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Earlier { wave, workload } => {
                write!(f, "the rest waits until wave {wave} is done; of that, for example, {workload} is not")
            }
            Self::Soaks { wave, until } => write!(f, "wave {wave} soaks until {until:.0}"),
            Self::NotApproved { wave, config } => {
                write!(
                    f,
                    "wave {wave} waits for approval: flippy approve {} {wave} -n {}",
                    config.name, config.namespace
                )
            }
        }
    }
}

/// Judges the waves by what the plan shows and by what is remembered of this campaign.
pub fn waves(policy: &Policy, plan: &Plan, memory: &WaveMemory, now: Timestamp) -> Waves {
    if policy.waves.is_empty() && memory.campaign.is_none() {
        return Waves::default();
    }
    let campaign = Campaign::following(memory.campaign.as_ref(), policy);
    if policy.waves.is_empty() {
        return Waves { campaign: Some(campaign), ..Waves::default() };
    }
    let is_remembered = memory.campaign.as_ref() == Some(&campaign);
    let remembered: &[RememberedWave] = if is_remembered { &memory.waves } else { &[] };
    let halted = plan.halted(policy, now).map(|halt| halt.wave);
    let campaign_text = campaign.to_string();
    let mut waves = Waves { campaign: Some(campaign), current: policy.waves.len(), ..Waves::default() };
    // Why what comes now may not start; and whether the first wave with anything left to do was met.
    let (mut shut, mut is_current_known) = (None, false);
    for position in 0..=policy.waves.len() {
        let judge = Judge { policy, plan, position, campaign: &campaign_text, now };
        let fact = judge.fact(remembered, shut.is_none(), halted);
        let is_settled = judge.is_settled();
        if !is_settled && !is_current_known {
            is_current_known = true;
            waves.current = position;
            waves.hold = shut.clone().or_else(|| judge.not_approved(fact.approved.as_ref()));
        }
        if shut.is_none() {
            let not_approved = || judge.not_approved(fact.approved.as_ref());
            shut = if let Some(entry) = judge.first_unsettled() {
                let earlier = WaveHold::Earlier { wave: fact.name.clone(), workload: entry.id.to_string() };
                Some(not_approved().unwrap_or(earlier))
            } else {
                let until = fact.soaks_until.filter(|until| now < *until);
                until.map(|until| WaveHold::Soaks { wave: fact.name.clone(), until })
            };
        }
        if waves.current == position {
            waves.beyond.clone_from(&shut);
        }
        waves.facts.push(fact);
    }
    waves
}

impl Waves {
    /// Whether the restart of a workload may start now, as far as the waves are concerned.
    pub(crate) fn admit(&self, entry: &PlanEntry) -> bool {
        self.hold.is_none() && entry.wave == self.current
    }

    /// When time alone changes the answer.
    pub(crate) fn recheck_at(&self) -> Option<Timestamp> {
        let soaking = self.facts.iter().filter(|fact| fact.state == WaveState::Soaking);
        soaking.filter_map(|fact| fact.soaks_until).min()
    }

    /// Why what the plan wants to restart beyond the current wave waits.
    pub(crate) fn hold_beyond(&self, plan: &Plan) -> Option<WaveHold> {
        let is_beyond = |entry: &PlanEntry| entry.wave > self.current && matches!(entry.verdict, Verdict::Restart(_));
        self.beyond.clone().filter(|_| plan.entries.iter().any(is_beyond))
    }

    /// Why the restart of a workload waits, as far as the waves are concerned.
    pub fn hold_of(&self, entry: &PlanEntry) -> Option<WaveHold> {
        if entry.wave == self.current { self.hold.clone() } else { self.beyond.clone() }
    }

    /// The wave of a workload, where there are waves.
    pub fn wave_of(&self, entry: &PlanEntry) -> Option<&WaveFact> {
        self.facts.get(entry.wave)
    }

    /// The wave whose failures have halted the campaign.
    pub(crate) fn halted(&self) -> Option<&WaveFact> {
        self.facts.iter().find(|fact| fact.state == WaveState::Halted)
    }

    /// What the next pass has to remember.
    pub fn memory(&self) -> WaveMemory {
        let remembered = |fact: &WaveFact| RememberedWave {
            name: fact.name.clone(),
            started_at: fact.started_at,
            completed_at: fact.completed_at,
            left_all_behind: fact.left_all_behind,
            approved: fact.approved.clone(),
        };
        WaveMemory { campaign: self.campaign.clone(), waves: self.facts.iter().map(remembered).collect() }
    }
}

/// Judges one wave.
struct Judge<'a> {
    policy: &'a Policy,
    plan: &'a Plan,
    position: usize,
    campaign: &'a str,
    now: Timestamp,
}

impl Judge<'_> {
    fn entries(&self) -> impl Iterator<Item = &PlanEntry> {
        self.plan.entries.iter().filter(|entry| entry.wave == self.position)
    }

    /// Whether later waves need not wait for any of its workloads. What is blocked, was restarted in vain or has failed
    /// may stay so for ever.
    fn first_unsettled(&self) -> Option<&PlanEntry> {
        self.entries().find(|entry| holds_up_later_waves(entry))
    }

    fn is_settled(&self) -> bool {
        self.first_unsettled().is_none()
    }

    fn not_approved(&self, approved: Option<&Approved>) -> Option<WaveHold> {
        let wave = self.policy.waves.get(self.position)?;
        let waits = wave.approval == Approval::Manual && approved.is_none();
        waits.then(|| WaveHold::NotApproved { wave: wave.name.clone(), config: self.policy.name.clone() })
    }

    fn fact(&self, remembered: &[RememberedWave], is_reached: bool, halted: Option<usize>) -> WaveFact {
        let name = self.policy.wave_name(self.position);
        let remembered = remembered.iter().find(|wave| wave.name == name);
        let is_settled = self.is_settled();
        let count = |wanted: fn(&Verdict) -> bool| self.entries().filter(|entry| wanted(&entry.verdict)).count();
        let marks = self.entries().filter_map(|entry| entry.mark.as_ref()).map(|mark| mark.at);
        let started_at = remembered.and_then(|wave| wave.started_at).filter(|at| self.is_believable(*at));
        let started_at = started_at.or(marks.min());
        let approved =
            remembered.and_then(|wave| wave.approved.clone()).filter(|approved| self.is_believable(approved.at));
        let approved = approved.or_else(|| self.claimed());
        let is_complete = is_reached && is_settled;
        let shows = self.entries().any(|entry| matches!(entry.verdict, Verdict::Fresh | Verdict::Failed(_)));
        let left_all_behind = remembered.is_some_and(|wave| wave.left_all_behind);
        let completed_before = remembered.and_then(|wave| wave.completed_at).filter(|at| self.is_believable(*at));
        let completed_before = completed_before.filter(|_| !(left_all_behind && is_complete && shows));
        // Of what nothing was ever seen nothing is remembered: the first look of a life, at an old list, may show nothing at
        // all. But once restarts were made it soaks: whoever deletes or stops a bad canary must not thereby let all others go.
        let was_ever_seen = started_at.is_some() || self.entries().any(|entry| entry.verdict != Verdict::Idle);
        let completed_at = completed_before.or_else(|| (is_complete && was_ever_seen).then(|| next_second(self.now)));
        let left_all_behind =
            if completed_before.is_some() { left_all_behind } else { completed_at.is_some() && !shows };
        let soak = self.policy.waves.get(self.position).map(|wave| wave.soak);
        // Once begun it lasts to its end, also where nothing runs any more.
        let soak = soak.filter(SignedDuration::is_positive);
        let soaks_until = completed_at.and_then(|at| Some(at.saturating_add(soak?).unwrap_or(Timestamp::MAX)));
        let state = if halted == Some(self.position) {
            WaveState::Halted
        } else if is_settled {
            match (completed_at, soaks_until) {
                (None, _) if !is_complete => WaveState::Pending,
                (_, Some(until)) if self.now < until => WaveState::Soaking,
                _ => WaveState::Done,
            }
        } else if is_reached && self.not_approved(approved.as_ref()).is_none() || self.is_moving() {
            WaveState::Running
        } else if is_reached {
            WaveState::AwaitingApproval
        } else {
            WaveState::Pending
        };
        WaveFact {
            name,
            state,
            total: self.entries().count(),
            fresh: count(|verdict| *verdict == Verdict::Fresh),
            left_behind: count(|verdict| {
                matches!(verdict, Verdict::Blocked(_) | Verdict::Futile(_) | Verdict::Failed(_))
            }),
            started_at,
            completed_at,
            left_all_behind,
            soaks_until,
            approved,
        }
    }

    fn is_moving(&self) -> bool {
        self.entries().any(|entry| entry.verdict == Verdict::InFlight)
    }

    /// The approval that stands on the config, if it is one of this campaign.
    fn claimed(&self) -> Option<Approved> {
        let wave = self.policy.waves.get(self.position)?;
        let claimed = self.policy.approvals.get(&wave.name).filter(|claimed| claimed.campaign == self.campaign)?;
        Some(Approved { at: next_second(self.now), by: claimed.by.clone() })
    }

    /// Anybody who may write the status can write a time into it. One from far ahead would skip or stretch a soak.
    fn is_believable(&self, at: Timestamp) -> bool {
        at <= self.now.saturating_add(CLOCKS_DIFFER_BY).unwrap_or(Timestamp::MAX)
    }
}

/// A status holds whole seconds: what is remembered without a crash must not differ from what is read after one.
fn next_second(now: Timestamp) -> Timestamp {
    let second = now.as_second() + i64::from(now.subsec_nanosecond() > 0);
    Timestamp::from_second(second).unwrap_or(now)
}

/// Whether anything of it is expected to change soon.
fn holds_up_later_waves(entry: &PlanEntry) -> bool {
    let is_expected = match &entry.verdict {
        Verdict::Restart(_) | Verdict::InFlight | Verdict::Converging => true,
        Verdict::Blocked(reason) => match reason {
            BlockedReason::Refused(_) => entry.refused_times < REFUSED_FOR_GOOD,
            // Others are mended, or done, and then it is its turn.
            BlockedReason::Disrupts(why) => !why.is_for_ever(),
            // Each of these may last for ever: it takes a person, and then the workload goes with its wave, however late.
            BlockedReason::Paused
            | BlockedReason::MidRollout
            | BlockedReason::NoProgress
            | BlockedReason::OnDelete
            | BlockedReason::Partition
            | BlockedReason::NoRollout
            | BlockedReason::Template(_)
            | BlockedReason::SingleReplica
            | BlockedReason::RevertedByOwner
            | BlockedReason::Conflict(_)
            | BlockedReason::Admission(_) => false,
        },
        Verdict::Fresh | Verdict::Futile(_) | Verdict::Idle | Verdict::Failed(_) => false,
    };
    // What its controller does not even look at has failed: it holds up its own kind, in whatever wave, and nothing else.
    is_expected || entry.awaits_injector || matches!(entry.under_way, UnderWay::Yes | UnderWay::Unanswered)
}
