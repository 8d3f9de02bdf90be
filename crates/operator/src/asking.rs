//! Puts the questions to admission that core wants answered: a few at a time, a few each second, the most urgent first.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use flippy_core::{AdmissionAnswer, AdmissionQuestion, CustomKind, Kind, NewPod, Snapshot};
use kube::Client;
use kube::core::ApiResource;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::ask_admission::{self, Reply};
use crate::backoff::Backoff;
use crate::clock::Clock;
use crate::decide::Decided;
use crate::interner::Interner;
use crate::metrics::{Metrics, QuestionLabels};

/// Questions under way at once.
const MAX_UNDER_WAY: usize = 4;
/// Least time between two: five a second. Documented in docs/drift.md.
const SPACED_BY: Duration = Duration::from_millis(200);
/// However long the API server wants to be left alone.
const MAX_PAUSE: Duration = Duration::from_mins(5);

/// An answer, or why there is none.
#[derive(Debug)]
pub(crate) struct Replied {
    question: AdmissionQuestion,
    reply: Reply,
}

/// A question that is to be put.
struct Due {
    question: AdmissionQuestion,
    /// How the kind of its workload is served, if that is a custom one.
    resource: Option<ApiResource>,
}

/// The questions.
pub(crate) struct Asking {
    client: Client,
    clock: Clock,
    metrics: Metrics,
    /// The most urgent first. Replaced with every pass.
    queue: VecDeque<Due>,
    /// Uids of those that are asked about now.
    under_way: BTreeSet<Arc<str>>,
    asked: JoinSet<Replied>,
    not_before: Instant,
    backoff: Backoff,
    interner: Interner,
}

impl Asking {
    pub(crate) fn new(client: Client, clock: Clock, metrics: Metrics) -> Self {
        Self {
            client,
            clock,
            metrics,
            queue: VecDeque::new(),
            under_way: BTreeSet::new(),
            asked: JoinSet::new(),
            not_before: Instant::now(),
            backoff: Backoff::default(),
            interner: Interner::new(),
        }
    }

    /// Asks what the last pass wants to know, and nothing that an earlier one wanted. `served` says how custom kinds are
    /// served; one that is not has nothing to ask about.
    pub(crate) fn follow(&mut self, decided: &[Decided], served: impl Fn(CustomKind) -> Option<ApiResource>) {
        let mut known = self.under_way.clone();
        // In turns: the questions of one config, of which there may always be some, must not keep all others from being put.
        let longest = decided.iter().map(|one| one.questions.len()).max().unwrap_or_default();
        let in_turns = |turn: usize| decided.iter().filter_map(move |one| one.questions.get(turn));
        let questions = (0..longest).flat_map(in_turns);
        let due = |question: &AdmissionQuestion| {
            let resource = match question.template.kind {
                Kind::Custom(kind) => Some(served(kind)?),
                _ => None,
            };
            Some(Due { question: question.clone(), resource })
        };
        self.queue = questions.filter(|question| known.insert(question.workload.uid.clone())).filter_map(due).collect();
    }

    /// Waits for the next reply; for ever while there is nothing to ask. Nothing is lost when it is dropped.
    pub(crate) async fn replied(&mut self) -> Replied {
        loop {
            let may_ask = self.under_way.len() < MAX_UNDER_WAY && !self.queue.is_empty();
            tokio::select! {
                biased;
                Some(replied) = self.asked.join_next() => match replied {
                    Ok(replied) => return replied,
                    Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                    // Nobody cancels them.
                    Err(_) => {}
                },
                () = sleep_until(self.not_before), if may_ask => self.ask_next(),
                else => std::future::pending().await,
            }
        }
    }

    fn ask_next(&mut self) {
        let Some(Due { question, resource }) = self.queue.pop_front() else { return };
        self.not_before = Instant::now() + SPACED_BY;
        self.under_way.insert(question.workload.uid.clone());
        let (client, now) = (self.client.clone(), self.clock.now());
        self.asked.spawn(async move {
            let reply = ask_admission::ask(&client, &question, resource.as_ref(), now).await;
            Replied { question, reply }
        });
    }

    /// Takes a reply over into the snapshot. Says whether there is anything to decide anew.
    pub(crate) fn note(&mut self, replied: Replied, snapshot: &mut Snapshot) -> bool {
        let Replied { question, reply } = replied;
        self.under_way.remove(&question.workload.uid);
        let outcome = match &reply {
            Reply::Answer(answer) => match answer.new_pod {
                NewPod::Admitted(_) => "admitted",
                NewPod::Refused(_) => "refused",
                NewPod::Unknown(_) => "unknown",
            },
            Reply::Forbidden(_) => "forbidden",
            Reply::Trouble { .. } => "failed",
            Reply::Outdated => "outdated",
        };
        self.metrics.admission_questions.get_or_create(&QuestionLabels { outcome }).inc();
        let exists = exists(&question, snapshot);
        let is_news = match reply {
            // Nobody would ever forget what is said of one that is gone.
            Reply::Answer(_) | Reply::Forbidden(_) if !exists => false,
            Reply::Answer(answer) => self.learn(question.workload.uid, answer, snapshot),
            Reply::Forbidden(why) => {
                tracing::warn!(workload = %question.workload, error = %why, "admission cannot be asked");
                self.learn_for_all_of_its_namespace(&question, &why, snapshot)
            }
            Reply::Trouble { message, retry_after } => {
                tracing::warn!(workload = %question.workload, error = message, "admission did not answer; asking again later");
                let pause = self.backoff.after_failure().max(retry_after.unwrap_or_default()).min(MAX_PAUSE);
                self.not_before = Instant::now() + pause;
                false
            }
            Reply::Outdated => false,
        };
        // Once nothing is left, the next pass says what is due next.
        is_news || (self.queue.is_empty() && self.under_way.is_empty())
    }

    fn learn(&mut self, uid: Arc<str>, mut answer: AdmissionAnswer, snapshot: &mut Snapshot) -> bool {
        if let NewPod::Admitted(containers) = &answer.new_pod {
            answer.new_pod = NewPod::Admitted(self.interner.containers(containers.to_vec()));
            answer.given = answer.given.iter().map(|name| self.interner.text(name)).collect();
        }
        snapshot.note_admission(uid, answer)
    }

    /// Asking about each of them would be refused likewise.
    fn learn_for_all_of_its_namespace(
        &mut self,
        question: &AdmissionQuestion,
        why: &Arc<str>,
        snapshot: &mut Snapshot,
    ) -> bool {
        let namespace = &question.workload.named.namespace;
        let (same, others): (VecDeque<_>, VecDeque<_>) =
            self.queue.drain(..).partition(|due| due.question.workload.named.namespace == *namespace);
        self.queue = others;
        let asked_at = self.clock.now();
        let mut is_news = false;
        let all = same.into_iter().map(|due| due.question).chain([question.clone()]);
        for question in all.filter(|question| exists(question, snapshot)).collect::<Vec<_>>() {
            let new_pod = NewPod::Unknown(why.clone());
            let answer = AdmissionAnswer { about: question.about, asked_at, new_pod, given: Arc::default() };
            is_news |= snapshot.note_admission(question.workload.uid, answer);
        }
        is_news
    }
}

/// Whether there still is the very workload that a question is about.
fn exists(question: &AdmissionQuestion, snapshot: &Snapshot) -> bool {
    snapshot.workload(&question.workload.named).is_some_and(|found| found.id == question.workload)
}

#[cfg(test)]
mod tests;
