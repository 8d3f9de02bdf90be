//! Looks, takes, renews and gives up: the loop that does what the election decides.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::record::{released, taken};
use super::{Decision, Election, ElectionSettings, Mandate, TenureKeeper};
use crate::act::FIELD_MANAGER;
use crate::clock::Clock;

/// How long a stopping replica tries to give up its lease. Its successor waits for the lease to run out otherwise.
const FAREWELL: Duration = Duration::from_secs(3);
/// How often it tries: somebody may have changed the lease meanwhile, or the answer to the last renewal was not waited for.
const FAREWELLS: usize = 3;

/// One replica that wants the lease.
pub(crate) struct Candidate {
    api: Api<Lease>,
    settings: ElectionSettings,
    clock: Clock,
    election: Election,
    leadership: watch::Sender<Mandate>,
    /// Extends and ends the present term.
    term: Option<TenureKeeper>,
    /// Whether a write is on its way, or was when nobody waited for it any more.
    in_doubt: bool,
    /// What is wrong, as told last: an outage is not told every two seconds.
    trouble: Option<String>,
    /// Who leads, as told last.
    told_leader: Option<String>,
}

impl Candidate {
    /// A candidate, and where it says whether it leads. `client` must not retry by itself: a late renewal is none.
    pub(crate) fn new(client: Client, settings: ElectionSettings, clock: Clock) -> (Self, watch::Receiver<Mandate>) {
        let (leadership, led) = watch::channel(Mandate::none());
        let candidate = Self {
            api: Api::namespaced(client, &settings.namespace),
            election: Election::new(settings.identity.clone(), settings.timing),
            settings,
            clock,
            leadership,
            term: None,
            in_doubt: false,
            trouble: None,
            told_leader: None,
        };
        (candidate, led)
    }

    /// Takes part until told to resign, and then gives the lease up. By then nothing may act any more.
    pub(crate) async fn run(mut self, resign: CancellationToken) {
        let taking_part = async {
            loop {
                let next = self.turn().await;
                tokio::time::sleep_until(next).await;
            }
        };
        tokio::select! {
            biased;
            () = resign.cancelled() => {}
            () = taking_part => {}
        }
        if self.step_down() {
            tracing::info!(identity = self.settings.identity, "this replica does not lead any more: it stops");
        }
        let may_hold = self.in_doubt || self.election.is_seen_as_holder();
        if may_hold && tokio::time::timeout(FAREWELL, self.give_up()).await.is_err() {
            tracing::warn!("the lease could not be given up in time; the next leader waits until it has run out");
        }
    }

    /// Does the next thing, and returns when to do the one after it.
    async fn turn(&mut self) -> Instant {
        let now = Instant::now();
        let next = now + self.settings.timing.retry_period();
        match self.election.decide(now) {
            Decision::StepDown => {
                if self.step_down() {
                    tracing::warn!(
                        identity = self.settings.identity,
                        "this replica does not lead any more: the lease was not renewed in time, or somebody else took it"
                    );
                }
                now
            }
            Decision::Look => {
                if self.look().await {
                    now
                } else {
                    next
                }
            }
            Decision::Wait { until } => {
                self.tell_leader();
                self.election.outdate();
                next.min(until)
            }
            Decision::Acquire | Decision::Renew => {
                self.take(now).await;
                next
            }
        }
    }

    /// Reads the lease. Returns whether that worked.
    async fn look(&mut self) -> bool {
        let answer = self.in_time(self.api.get_opt(&self.settings.name)).await;
        match answer {
            Ok(found) => {
                self.in_doubt = false;
                self.election.saw(found, Instant::now());
                true
            }
            Err(trouble) => {
                self.tell_trouble("read", &trouble);
                false
            }
        }
    }

    /// Writes that the lease is ours.
    async fn take(&mut self, sent_at: Instant) {
        // Until it is confirmed, or when this is dropped on the way, nobody knows what became of it.
        self.election.outdate();
        self.in_doubt = true;
        let seen = self.election.lease();
        let exists = seen.is_some();
        let lease = taken(seen, &self.settings.name, &self.settings.identity, &self.settings.timing, self.clock.now());
        match self.write(exists, &lease).await {
            Ok(lease) => {
                self.in_doubt = false;
                self.election.confirmed(lease, sent_at, Instant::now());
                self.act();
            }
            // Somebody was faster. The next look shows who.
            Err(Trouble::Refused(404 | 409, _)) => self.in_doubt = false,
            Err(trouble) => self.tell_trouble(if exists { "renewed or taken" } else { "created" }, &trouble),
        }
    }

    async fn write(&self, exists: bool, lease: &Lease) -> Result<Lease, Trouble> {
        let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        if exists {
            self.in_time(self.api.replace(&self.settings.name, &params, lease)).await
        } else {
            self.in_time(self.api.create(&params, lease)).await
        }
    }

    /// Waits for an answer, but not longer than it is of use.
    async fn in_time<T>(&self, request: impl Future<Output = kube::Result<T>>) -> Result<T, Trouble> {
        let limit = Instant::now() + self.settings.timing.answer_within();
        let limit = self.election.acts_until().map_or(limit, |until| until.min(limit));
        match tokio::time::timeout_at(limit, request).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(kube::Error::Api(status))) => Err(Trouble::Refused(status.code, status.message.clone())),
            Ok(Err(error)) => Err(Trouble::NoAnswer(error.to_string())),
            Err(_) => Err(Trouble::NoAnswer("no answer in time".to_owned())),
        }
    }

    /// Lets the others of this process act, until a renewal is due to have worked.
    fn act(&mut self) {
        self.trouble = None;
        let Some(until) = self.election.acts_until() else { return };
        if let Some(term) = &self.term {
            term.extend(until);
            return;
        }
        let term = TenureKeeper::begin(until);
        self.leadership.send_replace(term.mandate());
        self.term = Some(term);
        self.told_leader = Some(self.settings.identity.clone());
        let lease = format!("{}/{}", self.settings.namespace, self.settings.name);
        tracing::info!(lease, identity = self.settings.identity, "this replica leads");
    }

    /// Ends the term. Returns whether there was one.
    fn step_down(&mut self) -> bool {
        self.election.stepped_down();
        if self.term.take().is_none() {
            return false;
        }
        self.leadership.send_replace(Mandate::none());
        true
    }

    /// Writes that the lease is nobody's, if it is ours.
    async fn give_up(&mut self) {
        for _ in 0..FAREWELLS {
            if self.election.decide(Instant::now()) == Decision::Look && !self.look().await {
                continue;
            }
            if !self.election.is_seen_as_holder() {
                return;
            }
            let Some(lease) = self.election.lease().cloned() else { return };
            self.election.outdate();
            let released = released(lease, self.clock.now());
            match self.write(true, &released).await {
                Ok(_) => return tracing::info!("the lease was given up: the next leader need not wait"),
                Err(Trouble::Refused(404 | 409, _)) => {}
                Err(trouble) => self.tell_trouble("given up", &trouble),
            }
        }
    }

    fn tell_leader(&mut self) {
        let leader = self.election.holder();
        if leader != self.told_leader.as_deref() {
            tracing::info!(leader, "another replica leads; this one watches, and takes over when that one is gone");
            self.told_leader = leader.map(str::to_owned);
        }
        self.trouble = None;
    }

    fn tell_trouble(&mut self, what: &str, trouble: &Trouble) {
        let (Trouble::Refused(_, message) | Trouble::NoAnswer(message)) = trouble;
        if self.trouble.as_ref() != Some(message) {
            let advice = if matches!(trouble, Trouble::Refused(403, _)) {
                "; allow it by a Role as in deploy/role.yaml, in the lease's namespace"
            } else {
                "; trying again"
            };
            let lease = format!("{}/{}", self.settings.namespace, self.settings.name);
            tracing::warn!("the lease {lease} could not be {what}: {message}{advice}");
            self.trouble = Some(message.clone());
        }
    }
}

enum Trouble {
    /// The API server's refusal.
    Refused(u16, String),
    /// Nobody knows whether it was carried out.
    NoAnswer(String),
}
