//! The loop: watch → snapshot → plan → pace → act → report.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use flippy_core::{
    Eviction, Kind, Policy, PolicyName, Progress, Refusal, SignedDuration, Start, Timestamp, progress_of,
};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::act::{Outcome, Restart};
use crate::acting::{Acting, Answer, MAX_RETRY};
use crate::audience::Audience;
use crate::clock::Clock;
use crate::configs::ConfigRecord;
use crate::decide::{Decided, UnmetSince, WaveMemories, decide};
use crate::discovery::Found;
use crate::evict::{Evicted, Evictions};
use crate::feed::Item;
use crate::feeds::Feeds;
use crate::figures::{self, Figures};
use crate::gates::Gates;
use crate::lease::Mandate;
use crate::metrics::{EvictionLabels, Metrics, RestartLabels};
use crate::next_pass::NextPass;
use crate::operator::Clients;
use crate::serve::Health;
use crate::source_feeds::SourceFeeds;
use crate::sources;
use crate::term::Term;
use crate::watches::Watches;
use crate::world::{ALWAYS, Delta, Feed, Told, World};

/// Deltas taken from the feeds at once, before the loop looks at anything else.
const BATCH: usize = 4096;
/// The loop turns at least this often, to show that it is alive: twice in the time after which it counts as dead.
const HEARTBEAT: Duration = Duration::from_secs(30);
const FIRST_RETRY: Duration = Duration::from_secs(2);
/// A budget allows an eviction again whenever a pod becomes ready: it is asked more often.
const MAX_WAIT_FOR_BUDGET: Duration = Duration::from_secs(30);
/// Lost answers in a row after which a workload no longer holds up others: about a minute.
const MAX_UNANSWERED: u32 = 5;
/// How long a stopping operator waits for requests that are on their way.
const FAREWELL: Duration = Duration::from_secs(10);
/// How long a stopping operator tries to send the last events.
const LAST_EVENTS: Duration = Duration::from_secs(3);

pub(crate) struct Driver {
    pub(crate) clock: Clock,
    /// What the clients of each term are made of. Nothing is written with these themselves.
    pub(crate) clients: Clients,
    /// Who this is, in events.
    pub(crate) instance: String,
    /// Who is told what was found and done.
    pub(crate) audience: Audience,
    /// Tells of new terms.
    pub(crate) leadership: watch::Receiver<Mandate>,
    /// The present one.
    pub(crate) term: Term,
    pub(crate) feeds: Feeds,
    pub(crate) gates: Gates,
    pub(crate) source_feeds: SourceFeeds,
    pub(crate) metrics: Metrics,
    pub(crate) health: watch::Sender<Health>,
    /// Everything is decided anew at least this often.
    pub(crate) resync: Duration,
    pub(crate) world: World,
    pub(crate) unmet_since: BTreeMap<PolicyName, UnmetSince>,
    pub(crate) wave_memories: WaveMemories,
    pub(crate) acting: Acting,
    /// Pods of restarts that are under way.
    pub(crate) evictions: Evictions,
    pub(crate) figures: Figures,
    pub(crate) watches: Watches,
    /// Whether other things may have to be watched than are, or a watch stands otherwise than was shown.
    pub(crate) has_to_follow: bool,
}

impl Driver {
    pub(crate) async fn run(mut self, mut told: mpsc::Receiver<Told>, stop: CancellationToken) {
        let (answered_tx, mut answered) = mpsc::channel::<Answer>(BATCH);
        let mut batch = Vec::new();
        let mut next_pass = NextPass::first();
        self.begin_term();
        loop {
            self.beat();
            let wake = next_pass.at().min(Instant::now() + HEARTBEAT);
            tokio::select! {
                // In this order: a due pass must not starve under a stream of deltas, and the same events must always
                // give the same history, or a simulation could not be replayed.
                biased;
                () = stop.cancelled() => break,
                // An error: there is no election, or the candidate has ended and its last word has been heard.
                Ok(()) = self.leadership.changed() => {
                    self.begin_term();
                    next_pass.at_once();
                }
                () = tokio::time::sleep_until(wake) => {
                    let now = Instant::now();
                    if next_pass.at() <= now {
                        let recheck_at = self.pass(&answered_tx).unwrap_or(now + self.resync);
                        let took = now.elapsed();
                        self.metrics.pass_seconds.observe(took.as_secs_f64());
                        next_pass = NextPass::after(took, recheck_at);
                    }
                }
                received = told.recv_many(&mut batch, BATCH) => {
                    if received == 0 {
                        break;
                    }
                    for told in batch.drain(..) {
                        let is_waited_for = self.is_waited_for(&told.delta);
                        // Most of what a large cluster tells, counters above all, decides nothing.
                        match self.take(told) {
                            true if is_waited_for => next_pass.at_once(),
                            true => next_pass.soon(),
                            false => {}
                        }
                    }
                }
                Some((start, outcome)) = answered.recv() => {
                    self.note(&start, outcome);
                    next_pass.at_once();
                }
                Some(ended) = self.acting.ended() => {
                    // Answers are noted first: until then the workloads count as being sent.
                    while let Ok((start, outcome)) = answered.try_recv() {
                        self.note(&start, outcome);
                    }
                    match ended {
                        Ok(policy) => self.acting.note_end(&policy),
                        // A bug. What was sent is on the workloads: starting anew is safer than going on half-blind.
                        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
                    }
                    next_pass.at_once();
                }
                (eviction, evicted) = self.evictions.answered() => {
                    self.note_eviction(&eviction, evicted);
                    next_pass.soon();
                }
                answered = self.gates.answered() => {
                    if self.world.answers.note(answered, self.clock.now()) {
                        // It may recall what is about to be sent.
                        next_pass.at_once();
                    }
                }
                replied = self.term.asking.replied() => {
                    if self.term.asking.note(replied, &mut self.world.snapshot) {
                        next_pass.soon();
                    }
                }
                () = self.term.notifier.ended() => {
                    next_pass.soon();
                }
                is_outdated = self.term.reports.written() => {
                    if is_outdated {
                        next_pass.soon();
                    }
                }
            }
        }
        self.stop(answered).await;
    }

    /// One pass over all configs. Returns when to make the next although nothing was seen to change.
    fn pass(&mut self, answered: &mpsc::Sender<Answer>) -> Option<Instant> {
        let _span = tracing::debug_span!("pass").entered();
        let now = self.clock.now();
        if std::mem::take(&mut self.has_to_follow) {
            self.follow_kinds();
            self.follow_sources();
            let not_ready = self.why_not_ready();
            self.health.send_if_modified(|health| {
                let changed = health.not_ready != not_ready;
                health.not_ready.clone_from(&not_ready);
                changed
            });
        }
        // Each config has its say, or claims would be judged without it. A follower knows as much as the leader, so that it
        // can take over at once; but it says and does nothing.
        if !self.world.is_synced(Feed::Configs) || !self.term.mandate.is_held() {
            return None;
        }
        for config in self.world.configs.iter() {
            self.term.reports.adopt(config);
        }
        self.term.reports.retain(|name| self.world.configs.get(name).is_some());
        self.term.notifier.retain(|name, uid| self.world.configs.get(name).is_some_and(|config| *config.uid == *uid));
        self.figures.retain(|name| self.world.configs.get(name).is_some());
        self.acting.revoke(|name| self.world.configs.get(name).is_none());
        self.world.snapshot.note_progress(now);
        self.world.answers.forget_edited(&self.world.configs);
        let mut sending = self.acting.sending();
        let mut evicting = self.evictions.workloads();
        let decided =
            decide(&self.world, &mut self.unmet_since, &mut self.wave_memories, &mut sending, &mut evicting, now);
        let gate_rests_at = self.gates.follow(&mut self.world, &decided);
        self.term.asking.follow(&decided, |kind| self.world.resource(kind).cloned());
        self.metrics.max_starts_per_pass.set(i64::try_from(self.world.throttle.max_starts(now)).unwrap_or(i64::MAX));
        // While nothing may be sent, what starts next waits for that, however soon it could be decided.
        let may_send = self.acting.not_before().is_none();
        let mut recheck_at = gate_rests_at;
        let mut sooner = |at: Instant| recheck_at = Some(recheck_at.map_or(at, |held| held.min(at)));
        for mut one in decided {
            if may_send {
                self.evict(std::mem::take(&mut one.evictions));
            }
            // While as many as may be are on their way, their answers wake the loop.
            let is_busy = self.acting.room(&one.name, one.sent_at_once) == 0 || !may_send;
            let is_sending = is_busy && !one.starts.is_empty();
            if let Some(at) = one.recheck_at.filter(|_| !is_sending) {
                sooner(Instant::now() + until(at, now));
            }
            self.figures.show(&one);
            if one.revoked {
                self.acting.revoke(|name| *name == one.name);
            }
            if let Some(config) = self.world.configs.get(&one.name) {
                self.term.notifier.tell(config, &one, now);
            }
            if let Some(at) = self.term.reports.report(&one, self.term.notifier.ledger(&one.name), now) {
                sooner(at);
            }
            if let Some(at) = self.act(one, answered) {
                sooner(at);
            }
        }
        self.metrics.last_pass_timestamp.set(figures::seconds(now));
        recheck_at
    }

    /// Sends a policy's restarts. Returns when to try if nothing may be sent now.
    fn act(&mut self, decided: Decided, answered: &mpsc::Sender<Answer>) -> Option<Instant> {
        let room = self.acting.room(&decided.name, decided.sent_at_once);
        if decided.starts.is_empty() || room == 0 {
            return None;
        }
        if let Some(not_before) = self.acting.not_before() {
            return Some(not_before);
        }
        // In order, those that follow go with the first. Otherwise only what goes out at once: what is left is decided anew
        // when there are answers.
        let most = if decided.sent_at_once > 1 { room } else { usize::MAX };
        let present = |start: Start| {
            let workload = self.world.snapshot.workload(&start.id.named)?.clone();
            let resource = match start.id.named.kind {
                Kind::Custom(kind) => Some(self.world.resource(kind)?.clone()),
                _ => None,
            };
            Some(Restart { start, workload, resource })
        };
        let restarts = decided.starts.into_iter().filter_map(present).take(most).collect();
        self.acting.send(&self.term.acting_client, &decided.name, restarts, room, answered);
        None
    }

    /// Sends evictions, each of another workload.
    fn evict(&mut self, evictions: Vec<Eviction>) {
        for eviction in evictions {
            self.evictions.send(self.term.acting_client.clone(), eviction);
        }
    }

    /// Notes what became of an eviction.
    fn note_eviction(&mut self, eviction: &Eviction, evicted: Evicted) {
        let Eviction { workload, pod_name, pod_uid, .. } = eviction;
        let (label, refused) = match evicted {
            Evicted::Done => {
                tracing::info!(%workload, pod = %pod_name, "evicted");
                self.acting.refusals.remove(&workload.uid);
                self.world.snapshot.forget_refusal(&workload.uid);
                self.world.snapshot.note_eviction(pod_uid);
                ("evicted", None)
            }
            Evicted::Gone => {
                self.world.snapshot.note_eviction(pod_uid);
                ("gone", None)
            }
            // Until the watch shows what it is now, the same decision would be taken and fail again.
            Evicted::Outdated => {
                let message = format!("pod {pod_name} changed while it was about to be evicted");
                ("outdated", Some((message, None, MAX_RETRY)))
            }
            Evicted::ForbiddenByBudget { message, retry_after } => {
                tracing::debug!(%workload, pod = %pod_name, message, "a disruption budget forbids an eviction; waiting");
                ("waiting", Some((message, retry_after, MAX_WAIT_FOR_BUDGET)))
            }
            Evicted::Refused { message, retry_after, transient } => {
                tracing::warn!(%workload, pod = %pod_name, error = message, "the API server did not evict a pod; trying again later");
                if transient {
                    self.acting.pause(retry_after);
                    self.world.throttle.note_trouble(&message, self.clock.now());
                    self.metrics.throttled.inc();
                }
                ("refused", Some((message, retry_after, MAX_RETRY)))
            }
        };
        if let Some((message, retry_after, most)) = refused {
            self.put_off(&workload.uid, eviction.generation, &message, retry_after.unwrap_or_default(), most, false);
        }
        self.metrics.evictions.get_or_create(&EvictionLabels { outcome: label }).inc();
    }

    /// Notes what became of a restart.
    fn note(&mut self, start: &Start, outcome: Outcome) {
        self.acting.is_answered(start);
        let word = outcome.word();
        match outcome {
            Outcome::Restarted(workload) => {
                tracing::info!(workload = %start.id, token = %start.token, because = start.because, "restarted");
                let text = format!("Restarted by Flippy ({}): {}", start.token, start.because);
                self.term.events.on_workload(&start.id, self.clock.now(), "Restarted", text);
                self.acting.refusals.remove(&start.id.uid);
                self.world.snapshot.forget_refusal(&start.id.uid);
                self.world.snapshot.note_restart(start.id.uid.clone(), start.token.clone());
                // The answer is the workload as it is now: the next pass need not wait for the watch to say the same.
                self.world.snapshot.learn_from_answer(*workload);
            }
            Outcome::Gone => {
                self.world.snapshot.remove_workload(&start.id.named, &start.id.uid);
                self.acting.refusals.remove(&start.id.uid);
            }
            Outcome::NotSent => {}
            Outcome::Outdated => {
                // Until the watch shows what it is now, the same decision would be taken and fail again. And it may have
                // changed because an earlier restart, whose answer was lost, was carried out: that is under way then.
                self.refuse(start, "it changed while it was about to be restarted", None, true);
            }
            Outcome::Refused { message, retry_after, transient, unanswered } => {
                tracing::warn!(workload = %start.id, error = message, "the API server did not carry out a restart; trying again later");
                if transient {
                    self.acting.pause(retry_after);
                    self.world.throttle.note_trouble(&message, self.clock.now());
                    self.metrics.throttled.inc();
                }
                self.refuse(start, &message, retry_after, unanswered);
            }
        }
        self.metrics.restarts.get_or_create(&RestartLabels { kind: start.id.named.kind.as_str(), outcome: word }).inc();
    }

    fn refuse(&mut self, start: &Start, message: &str, retry_after: Option<Duration>, unanswered: bool) {
        let retry_after = retry_after.unwrap_or_default();
        self.put_off(&start.id.uid, start.generation, message, retry_after, MAX_RETRY, unanswered);
    }

    /// Notes when to try again what was not carried out.
    fn put_off(
        &mut self,
        uid: &Arc<str>,
        generation: i64,
        message: &str,
        retry_after: Duration,
        most: Duration,
        unanswered: bool,
    ) {
        let refusals = self.acting.refusals.entry(uid.clone()).or_insert(0);
        let delay = FIRST_RETRY.saturating_mul(1 << (*refusals).min(8)).max(retry_after).min(most);
        *refusals += 1;
        let delay = SignedDuration::try_from(delay).unwrap_or(SignedDuration::MAX);
        let refusal = Refusal {
            generation,
            message: message.into(),
            // Not for ever: one that never gets an answer must not hold up all others.
            unanswered: unanswered && *refusals <= MAX_UNANSWERED,
            retry_at: self.clock.now().saturating_add(delay).unwrap_or(Timestamp::MAX),
        };
        self.world.snapshot.note_refusal(uid.clone(), refusal);
    }

    /// Says whether there is anything to decide anew.
    fn take(&mut self, told: Told) -> bool {
        if told.run.is_some_and(|run| !self.feeds.is_current(run)) {
            return false;
        }
        let delta = told.delta;
        if matches!(&delta, Delta::Source(told) if !self.source_feeds.is_current(told)) {
            return false;
        }
        if let Delta::Found(kind, found) = &delta {
            if !self.feeds.is_asked(*kind) {
                return false;
            }
            if let Found::Absent(why) | Found::ClusterScoped(why) = found {
                self.feeds.halt(Feed::Workloads(Kind::Custom(*kind)));
                tracing::debug!(%kind, why, "nothing of a kind can be restarted; asking again from time to time");
            }
        }
        self.feeds.doubt(&delta);
        if let Delta::Served(feed, served) = &delta {
            match (feed, served) {
                (Feed::Configs, true) => self.feeds.run(Feed::Configs),
                (feed, false) => {
                    self.feeds.halt(*feed);
                    tracing::info!(%feed, "the API server does not serve this resource; waiting for its definition");
                }
                // Kinds are started by the next pass, if a config names them.
                _ => {}
            }
        }
        self.watches.note(&delta);
        let is_own = matches!(&delta, Delta::Config(Item::Changed(config)) if self.is_own_status(config));
        self.has_to_follow |= !is_own && !is_of_an_object(&delta);
        self.world.apply(delta) && !is_own
    }

    /// Whether somebody may wait for what is decided now: another restart, until a rollout is complete; or a person, who has
    /// just edited a config, above all to suspend it.
    fn is_waited_for(&self, delta: &Delta) -> bool {
        match delta {
            Delta::Workload(_, Item::Changed(workload)) => progress_of(workload) == Progress::Complete,
            Delta::Config(Item::Changed(config)) => !self.world.configs.knows_all_but_status(config),
            Delta::Config(Item::Gone(_)) => true,
            _ => false,
        }
    }

    /// Whether a config shows nothing that is new but the status that was just written into it.
    fn is_own_status(&self, config: &ConfigRecord) -> bool {
        self.world.configs.knows_all_but_status(config) && self.term.reports.has_written(config)
    }

    /// Watches the kinds that configs name, no others, and disruption budgets if any config respects them.
    fn follow_kinds(&mut self) {
        let policies = self.world.configs.iter().filter_map(|config| config.policy.as_ref().ok());
        let mut kinds: BTreeSet<Kind> = policies.flat_map(|policy: &Arc<Policy>| policy.kinds()).collect();
        kinds.retain(|kind| *kind != Kind::ArgoRollout || self.world.is_served(Feed::Workloads(*kind)));
        for stopped in self.feeds.watch_kinds(&kinds, &self.world) {
            self.world.forget(stopped);
        }
        let looks_at =
            |config: &ConfigRecord| config.policy.as_ref().is_ok_and(|policy| policy.looks_at_disruption_budgets());
        let needed = self.world.configs.iter().any(looks_at);
        if self.feeds.watch_disruption_budgets(needed) {
            self.world.forget(Feed::DisruptionBudgets);
        }
        self.watches.show(&self.feeds, &self.world);
    }

    /// Watches the sources of images that configs name, no others.
    fn follow_sources(&mut self) {
        let policies = self.world.configs.iter().filter_map(|config| config.policy.as_deref().ok());
        let wanted = sources::wanted(policies);
        if self.source_feeds.watch(wanted, &mut self.world.sources) {
            self.world.configs.join(&self.world.sources);
        }
    }

    fn why_not_ready(&self) -> Option<String> {
        [Feed::Configs].into_iter().chain(ALWAYS).find_map(|feed| self.world.why_not_synced(feed))
    }

    fn beat(&self) {
        self.health.send_if_modified(|health| {
            health.turned_at = Instant::now();
            false
        });
    }

    /// Starts nothing more, and waits a little for what is on its way: its answer would otherwise be lost.
    async fn stop(mut self, mut answered: mpsc::Receiver<Answer>) {
        self.acting.revoke(|_| true);
        let on_their_way = async {
            while self.acting.ended().await.is_some() {}
            self.evictions.finish().await;
            self.term.reports.finish().await;
        };
        if tokio::time::timeout(FAREWELL, on_their_way).await.is_err() {
            tracing::warn!(
                "stopped although requests were on their way; what they did is read from the cluster next time"
            );
        }
        // What was carried out in the last moment is told like everything else.
        while let Ok((start, outcome)) = answered.try_recv() {
            self.note(&start, outcome);
        }
        // Without a handle left the task ends once it has sent everything.
        let Term { events, reports, notifier, sending_events, .. } = self.term;
        drop((events, reports, notifier));
        let _ = tokio::time::timeout(LAST_EVENTS, sending_events).await;
    }
}

/// Whether it tells of the cluster alone: neither what is to be watched, nor how a watch stands, depends on that.
fn is_of_an_object(delta: &Delta) -> bool {
    match delta {
        Delta::Namespace(_)
        | Delta::Pod(_)
        | Delta::ReplicaSet(_)
        | Delta::Workload(..)
        | Delta::DisruptionBudget(_) => true,
        Delta::Config(_)
        | Delta::Source(_)
        | Delta::Signal(..)
        | Delta::Found(..)
        | Delta::Served(..)
        | Delta::ServedUnknown(..) => false,
    }
}

fn until(at: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_until(at)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
