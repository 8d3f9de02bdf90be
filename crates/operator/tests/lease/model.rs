//! Many candidates, each with a clock of its own, on a network that loses and delays: never do two act at once, as the
//! server sees it.
//!
//! The server and the network are a model; the decisions are the real ones. A candidate here does what the operator's loop
//! does with a decision: one request at a time, given up when it is of no use any more. Clocks start anywhere and run up
//! to a tenth too fast or too slow; processes are paused; requests and answers are lost, or take longer than a lease.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::Duration;

use fastrand::Rng;
use flippy_operator::lease::{Decision, Election, Timing, released, taken};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use tokio::time::Instant;

const DAYS: u64 = 3_000;
/// How long a day is, in milliseconds of the server.
const DAY: u64 = 600_000;
/// From then on nothing goes wrong.
const CALM_AT: u64 = 480_000;

/// What happens at a moment of the server's time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A candidate may have something to do.
    Turn { who: usize, turn: u64 },
    /// A request arrives.
    Arrives { who: usize, request: u64 },
    /// Its answer does.
    Answered { who: usize, request: u64 },
    /// A candidate is told to stop, and begins anew under another name.
    Stops { who: usize },
    /// It vanishes, and begins anew.
    Crashes { who: usize },
}

enum Request {
    Read,
    /// With the version that it replaces; 0: it creates.
    Write(u64, Box<Lease>),
}

enum Answer {
    Found(Option<Box<Lease>>),
    Written(Box<Lease>),
    Conflict,
}

/// A request that is waited for.
struct Sent {
    number: u64,
    at: Instant,
    limit: Instant,
}

struct Candidate {
    name: String,
    election: Election,
    /// What its clock shows at the server's zero, and how many microseconds it counts in one of the server's milliseconds.
    epoch: Instant,
    rate: u64,
    /// Pauses of the process, in the server's time.
    pauses: Vec<(u64, u64)>,
    sent: Option<Sent>,
    turns: u64,
}

impl Candidate {
    fn clock(&self, now: u64) -> Instant {
        self.epoch + Duration::from_micros(now * self.rate)
    }

    /// When, in the server's time, its clock shows that.
    fn server_time(&self, at: Instant) -> u64 {
        let passed = u64::try_from(at.saturating_duration_since(self.epoch).as_micros()).expect("days are short");
        passed.div_ceil(self.rate)
    }

    fn paused_until(&self, now: u64) -> Option<u64> {
        self.pauses.iter().find(|(from, until)| (*from..*until).contains(&now)).map(|(_, until)| *until)
    }
}

struct Day {
    rng: Rng,
    timing: Timing,
    /// The lease, its version, and who is named in it.
    lease: Option<(u64, Box<Lease>)>,
    versions: u64,
    candidates: Vec<Candidate>,
    queue: BinaryHeap<Reverse<(u64, u64, Event)>>,
    /// What is on its way to the server, whether or not anybody still waits for it, and how long its answer takes.
    requests: HashMap<u64, (Request, Option<u64>)>,
    answers: HashMap<u64, Answer>,
    events: u64,
    names: u64,
    /// How bad the network is: losses in a hundred, and the longest way in milliseconds.
    loss: u8,
    slowness: u64,
    /// Who cannot reach the server when.
    partitions: Vec<(usize, u64, u64)>,
    takeovers: u64,
    last_holder: String,
    violations: Vec<String>,
}

impl Day {
    fn draw(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        // The usual deadline leaves room for clocks that differ; one just before the end leaves none, for no mistake either.
        let is_tight = rng.bool();
        let seconds = Duration::from_secs;
        let tight = Timing::new(seconds(15), Duration::from_millis(14_900), seconds(2)).expect("they fit together");
        let timing = if is_tight { tight } else { Timing::default() };
        let epoch = Instant::now();
        let count = rng.usize(2..=3);
        let candidates = (0..count)
            .map(|who| {
                let mut pauses: Vec<(u64, u64)> = Vec::new();
                for _ in 0..rng.u8(..4) {
                    let from = rng.u64(..CALM_AT);
                    pauses.push((from, CALM_AT.min(from + rng.u64(100..60_000))));
                }
                let name = format!("replica-{who}");
                Candidate {
                    election: Election::new(name.clone(), timing),
                    name,
                    epoch: epoch + Duration::from_millis(rng.u64(..100_000_000)),
                    rate: if is_tight { 1_000 } else { rng.u64(900..=1_100) },
                    pauses,
                    sent: None,
                    turns: 0,
                }
            })
            .collect();
        let mut day = Self {
            timing,
            lease: None,
            versions: 0,
            candidates,
            queue: BinaryHeap::new(),
            requests: HashMap::new(),
            answers: HashMap::new(),
            events: 0,
            names: 0,
            loss: [0, 5, 30, 60][rng.usize(..4)],
            slowness: [50, 2_000, 6_000, 30_000][rng.usize(..4)],
            partitions: Vec::new(),
            takeovers: 0,
            last_holder: String::new(),
            violations: Vec::new(),
            rng,
        };
        // Now and then all are paused at once, as on one machine that is.
        if day.rng.u8(..4) == 0 {
            let from = day.rng.u64(..CALM_AT);
            let until = CALM_AT.min(from + day.rng.u64(1_000..60_000));
            day.candidates.iter_mut().for_each(|candidate| candidate.pauses.push((from, until)));
        }
        for who in 0..count {
            for _ in 0..day.rng.u8(..4) {
                let from = day.rng.u64(..CALM_AT);
                day.partitions.push((who, from, CALM_AT.min(from + day.rng.u64(1_000..60_000))));
            }
            for _ in 0..day.rng.u8(..4) {
                let at = day.rng.u64(..CALM_AT);
                let event = if day.rng.bool() { Event::Stops { who } } else { Event::Crashes { who } };
                day.push(at, event);
            }
            day.push(0, Event::Turn { who, turn: 0 });
        }
        day
    }

    fn push(&mut self, at: u64, event: Event) {
        self.events += 1;
        self.queue.push(Reverse((at, self.events, event)));
    }

    fn live(mut self) -> Self {
        while let Some(Reverse((now, _, event))) = self.queue.pop() {
            if now > DAY {
                break;
            }
            match event {
                Event::Arrives { who, request } => self.arrive(now, who, request),
                Event::Turn { who, .. }
                | Event::Answered { who, .. }
                | Event::Stops { who }
                | Event::Crashes { who } => match self.candidates[who].paused_until(now) {
                    Some(until) => self.push(until, event),
                    None => self.happen(now, who, event),
                },
            }
            self.judge(now);
        }
        self
    }

    fn happen(&mut self, now: u64, who: usize, event: Event) {
        match event {
            Event::Turn { turn, .. } if turn == self.candidates[who].turns => self.turn(now, who),
            Event::Answered { request, .. } => self.answered(now, who, request),
            Event::Stops { .. } => {
                let candidate = &mut self.candidates[who];
                candidate.election.stepped_down();
                let lease = candidate.election.lease().filter(|_| candidate.election.is_seen_as_holder()).cloned();
                if let Some(lease) = lease {
                    // It does not wait for the answer any more: the worst case.
                    let version = version(&lease);
                    self.send(now, who, Request::Write(version, Box::new(released(lease, Timestamp::UNIX_EPOCH))));
                }
                self.begin_anew(now, who);
            }
            Event::Crashes { .. } => self.begin_anew(now, who),
            _ => {}
        }
    }

    fn begin_anew(&mut self, now: u64, who: usize) {
        self.names += 1;
        let candidate = &mut self.candidates[who];
        candidate.name = format!("replica-{who}-{}", self.names);
        candidate.election = Election::new(candidate.name.clone(), self.timing);
        candidate.sent = None;
        candidate.turns += 1;
        let event = Event::Turn { who, turn: candidate.turns };
        let down = self.rng.u64(..5_000);
        self.push(now + down, event);
    }

    /// What the operator's loop does: one thing, and when to do the next.
    fn turn(&mut self, now: u64, who: usize) {
        let retry = self.timing.retry_period();
        let candidate = &mut self.candidates[who];
        let clock = candidate.clock(now);
        if let Some(sent) = &candidate.sent {
            // Nobody answered in time.
            if clock < sent.limit {
                return;
            }
            let next = (sent.at + retry).max(clock);
            candidate.sent = None;
            return self.turn_at(next, who);
        }
        match candidate.election.decide(clock) {
            Decision::StepDown => {
                candidate.election.stepped_down();
                self.turn_at(clock, who);
            }
            Decision::Wait { until } => {
                candidate.election.outdate();
                self.turn_at(until.min(clock + retry), who);
            }
            Decision::Look => self.send(now, who, Request::Read),
            Decision::Acquire | Decision::Renew => {
                candidate.election.outdate();
                let seen = candidate.election.lease();
                let at = Timestamp::from_millisecond(i64::try_from(now).expect("days are short")).expect("as above");
                let lease = taken(seen, "flippy", &candidate.name, &self.timing, at);
                let version = seen.map_or(0, version);
                self.send(now, who, Request::Write(version, Box::new(lease)));
            }
        }
    }

    fn turn_at(&mut self, at: Instant, who: usize) {
        let candidate = &mut self.candidates[who];
        candidate.turns += 1;
        let (at, event) = (candidate.server_time(at), Event::Turn { who, turn: candidate.turns });
        self.push(at, event);
    }

    fn send(&mut self, now: u64, who: usize, request: Request) {
        self.events += 1;
        let number = self.events;
        let (there, back) = (self.way(now, who), self.way(now, who));
        let candidate = &mut self.candidates[who];
        let at = candidate.clock(now);
        let limit = at + self.timing.renew_deadline() / 2;
        let limit = candidate.election.acts_until().map_or(limit, |until| until.min(limit));
        candidate.sent = Some(Sent { number, at, limit });
        if let Some(takes) = there {
            self.requests.insert(number, (request, back));
            self.push(now + takes, Event::Arrives { who, request: number });
        }
        self.turn_at(limit, who);
    }

    /// How long a message takes, if it arrives.
    fn way(&mut self, now: u64, who: usize) -> Option<u64> {
        if now >= CALM_AT {
            return Some(self.rng.u64(1..20));
        }
        let cut = self.partitions.iter().any(|(of, from, until)| *of == who && (*from..*until).contains(&now));
        let lost = self.rng.u8(..100) < self.loss;
        (!cut && !lost).then(|| self.rng.u64(1..=self.slowness))
    }

    /// The server carries a request out.
    fn arrive(&mut self, now: u64, who: usize, number: u64) {
        let Some((request, takes)) = self.requests.remove(&number) else { return };
        let answer = match request {
            Request::Read => Answer::Found(self.lease.as_ref().map(|(_, lease)| lease.clone())),
            Request::Write(version, lease) => self.write(version, lease),
        };
        if let Some(takes) = takes {
            self.answers.insert(number, answer);
            self.push(now + takes, Event::Answered { who, request: number });
        }
    }

    fn write(&mut self, version: u64, mut lease: Box<Lease>) -> Answer {
        if self.lease.as_ref().map_or(0, |(known, _)| *known) != version {
            return Answer::Conflict;
        }
        self.versions += 1;
        lease.metadata.resource_version = Some(self.versions.to_string());
        self.lease = Some((self.versions, lease.clone()));
        Answer::Written(lease)
    }

    fn answered(&mut self, now: u64, who: usize, number: u64) {
        let retry = self.timing.retry_period();
        let answer = self.answers.remove(&number);
        let candidate = &mut self.candidates[who];
        let clock = candidate.clock(now);
        let Some(sent) = candidate.sent.take_if(|sent| sent.number == number && clock < sent.limit) else { return };
        let next = match answer {
            Some(Answer::Found(found)) => {
                candidate.election.saw(found.map(|lease| *lease), clock);
                clock
            }
            Some(Answer::Written(lease)) => {
                candidate.election.confirmed(*lease, sent.at, clock);
                sent.at + retry
            }
            Some(Answer::Conflict) | None => sent.at + retry,
        };
        self.turn_at(next.max(clock), who);
    }

    /// The invariant: whoever acts is the one that the server's lease names.
    fn judge(&mut self, now: u64) {
        let holder = self.lease.as_ref().and_then(|(_, lease)| lease.spec.as_ref()?.holder_identity.clone());
        let holder = holder.unwrap_or_default();
        if holder != self.last_holder {
            self.takeovers += u64::from(!holder.is_empty());
            self.last_holder.clone_from(&holder);
        }
        for candidate in &self.candidates {
            let acts = candidate.election.acts_until().is_some_and(|until| candidate.clock(now) < until);
            if acts && candidate.name != holder {
                self.violations.push(format!("at {now} ms {} acts, but `{holder}` has the lease", candidate.name));
            }
        }
    }
}

fn version(lease: &Lease) -> u64 {
    lease.metadata.resource_version.as_deref().and_then(|version| version.parse().ok()).unwrap_or(0)
}

fn days() -> impl Iterator<Item = (u64, Day)> {
    (0..DAYS).map(|seed| (seed, Day::draw(seed).live()))
}

#[test]
fn two_candidates_never_act_at_once_whatever_clocks_networks_and_pauses_do() {
    let mut takeovers = 0;
    for (seed, day) in days() {
        assert!(day.violations.is_empty(), "day {seed}: {}", day.violations[0]);
        takeovers += day.takeovers;
    }
    assert!(takeovers > DAYS * 2, "there were only {takeovers} takeovers: the days are too quiet to show anything");
}

#[test]
fn when_trouble_is_over_somebody_acts() {
    for (seed, day) in days().take(500) {
        let acting = day
            .candidates
            .iter()
            .filter(|candidate| candidate.election.acts_until().is_some_and(|until| candidate.clock(DAY) < until));
        assert_eq!(acting.count(), 1, "day {seed}");
    }
}
