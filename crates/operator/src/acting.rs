//! Restarts that are on their way to the API server, and what holds up further ones.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ahash::HashMap;
use flippy_core::{PolicyName, Start};
use futures::{StreamExt, stream};
use kube::Client;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::act::{self, Outcome, Restart};
use crate::backoff::Backoff;

/// The longest that nothing is sent after trouble, and that one restart waits after it was refused.
pub(crate) const MAX_RETRY: Duration = Duration::from_mins(5);

/// One answer to one restart.
pub(crate) type Answer = (Start, Outcome);

/// What is on its way.
#[derive(Default)]
pub(crate) struct Acting {
    /// Uids of the workloads, and on behalf of which policy.
    sending: BTreeMap<Arc<str>, PolicyName>,
    busy: BTreeMap<PolicyName, Busy>,
    batches: JoinSet<PolicyName>,
    /// Refusals in a row, per workload.
    pub(crate) refusals: HashMap<Arc<str>, u32>,
    /// While the API server is in trouble nothing is sent.
    backoff: Backoff,
    not_before: Option<Instant>,
}

/// A policy of which something is on its way.
#[derive(Default)]
struct Busy {
    batches: usize,
    /// They go one after the other: what is decided later must not overtake what is not sent yet.
    in_order: bool,
    /// Calls back what is not sent yet.
    revoked: CancellationToken,
}

impl Acting {
    /// Uids of the workloads whose restarts are on their way.
    pub(crate) fn sending(&self) -> BTreeSet<Arc<str>> {
        self.sending.keys().cloned().collect()
    }

    /// How many restarts of a policy may be sent now, of those that may be on their way at once. What was called back ends
    /// first, and so does what goes one after the other.
    pub(crate) fn room(&self, policy: &PolicyName, sent_at_once: usize) -> usize {
        match self.busy.get(policy) {
            Some(busy) if busy.revoked.is_cancelled() || busy.in_order => 0,
            Some(_) => sent_at_once.saturating_sub(self.sending.values().filter(|sender| *sender == policy).count()),
            None => sent_at_once,
        }
    }

    /// Before when nothing may be sent, if that is not over.
    pub(crate) fn not_before(&self) -> Option<Instant> {
        self.not_before.filter(|at| *at > Instant::now())
    }

    /// Sends restarts, in order: so many at once, and what is left when one is answered.
    pub(crate) fn send(
        &mut self,
        client: &Client,
        policy: &PolicyName,
        restarts: Vec<Restart>,
        at_once: usize,
        answered: &mpsc::Sender<Answer>,
    ) {
        let busy = self.busy.entry(policy.clone()).or_default();
        busy.batches += 1;
        busy.in_order |= restarts.len() > at_once;
        let revoked = busy.revoked.clone();
        self.sending.extend(restarts.iter().map(|restart| (restart.start.id.uid.clone(), policy.clone())));
        self.batches.spawn(batch(client.clone(), policy.clone(), restarts, at_once, revoked, answered.clone()));
    }

    /// Notes that a restart is on its way no more.
    pub(crate) fn is_answered(&mut self, start: &Start) {
        self.sending.remove(&start.id.uid);
    }

    /// Waits until a batch has ended; `None` while there is none.
    pub(crate) async fn ended(&mut self) -> Option<Result<PolicyName, JoinError>> {
        self.batches.join_next().await
    }

    /// Notes that a batch has ended, and that all its answers are noted.
    pub(crate) fn note_end(&mut self, policy: &PolicyName) {
        if let Some(busy) = self.busy.get_mut(policy) {
            busy.batches -= 1;
            if busy.batches == 0 {
                self.busy.remove(policy);
            }
        }
    }

    /// What has not been sent yet for these policies is not sent any more.
    pub(crate) fn revoke(&self, is_revoked: impl Fn(&PolicyName) -> bool) {
        for (_, busy) in self.busy.iter().filter(|(policy, _)| is_revoked(policy)) {
            busy.revoked.cancel();
        }
    }

    /// What has not been sent yet is not sent any more, and a new leader need not wait for what the last one was refused.
    pub(crate) fn end_term(&mut self) {
        self.revoke(|_| true);
        self.backoff = Backoff::default();
        self.not_before = None;
    }

    /// Sends nothing for a while, of no policy: longer after each trouble, and at least as long as the API server says.
    pub(crate) fn pause(&mut self, retry_after: Option<Duration>) {
        self.revoke(|_| true);
        let pause = self.backoff.after_failure().max(retry_after.unwrap_or_default()).min(MAX_RETRY);
        self.not_before = Some(Instant::now() + pause);
    }
}

/// Sends restarts of one policy. What is left after one that was not carried out, or once restarts are forbidden, is decided
/// anew: it may not be wise any more, and what goes in order must not overtake.
async fn batch(
    client: Client,
    policy: PolicyName,
    restarts: Vec<Restart>,
    at_once: usize,
    revoked: CancellationToken,
    answered: mpsc::Sender<Answer>,
) -> PolicyName {
    let not_carried_out = CancellationToken::new();
    let on_behalf_of = policy.clone();
    let send = async |restart: Restart| {
        let start = restart.start.clone();
        let outcome = if not_carried_out.is_cancelled() || revoked.is_cancelled() {
            Outcome::NotSent
        } else {
            act::restart(client.clone(), &on_behalf_of, restart).await
        };
        if matches!(outcome, Outcome::Refused { .. } | Outcome::Outdated) {
            not_carried_out.cancel();
        }
        (start, outcome)
    };
    let mut answers = std::pin::pin!(stream::iter(restarts).map(send).buffer_unordered(at_once.max(1)));
    while let Some(answer) = answers.next().await {
        if answered.send(answer).await.is_err() {
            break;
        }
    }
    policy
}

#[cfg(test)]
mod tests {
    use flippy_core::{Method, RestartToken, Timestamp};
    use kube::client::Body;
    use serde_json::json;

    use super::*;
    use crate::interner::Interner;
    use crate::slim::{SlimDeployment, SlimWorkload as _};

    fn restart(name: &str) -> Restart {
        let metadata = json!({"namespace": "shop", "name": name, "uid": name});
        let deployment = serde_json::from_value::<SlimDeployment>(json!({"metadata": metadata}));
        let workload = deployment.expect("it is one").record(&mut Interner::new());
        let start = Start {
            id: workload.id.clone(),
            generation: 1,
            method: Method::Patch,
            token: RestartToken { hash: "8e0bbde7d261".into(), attempt: 1 },
            at: Timestamp::UNIX_EPOCH,
            evicts_until: None,
            unhealthy_before: false,
            because: String::new(),
        };
        Restart { start, workload, resource: None }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_decided_later_does_not_overtake_restarts_that_go_one_after_the_other() {
        let room_beside = |names: &[&str], at_once| {
            let silent = tower::service_fn(|_| std::future::pending::<Result<http::Response<Body>, tower::BoxError>>());
            let (mut acting, (answered, _)) = (Acting::default(), mpsc::channel(1));
            let policy = PolicyName { namespace: "flippy-system".into(), name: "mesh".into() };
            let restarts = names.iter().copied().map(restart).collect();
            acting.send(&Client::new(silent, "default"), &policy, restarts, at_once, &answered);
            acting.room(&policy, 8)
        };
        assert_eq!(room_beside(&["a", "b", "c"], 1), 0, "b and c are not sent yet");
        assert_eq!(room_beside(&["a", "b", "c"], 8), 5, "they are all sent");
        assert_eq!(room_beside(&["a"], 1), 7, "there was room for one, and it is sent");
    }

    #[tokio::test(start_paused = true)]
    async fn what_goes_next_does_not_overtake_one_that_has_changed_meanwhile() {
        let conflict = |_| async {
            let status = json!({"kind": "Status", "status": "Failure", "reason": "Conflict", "code": 409});
            let body = Body::from(status.to_string().into_bytes());
            Ok::<_, tower::BoxError>(http::Response::builder().status(409).body(body)?)
        };
        let (mut acting, (answered, mut answers)) = (Acting::default(), mpsc::channel(2));
        let policy = PolicyName { namespace: "flippy-system".into(), name: "mesh".into() };
        let restarts = ["gateway", "web"].map(restart).into();
        acting.send(&Client::new(tower::service_fn(conflict), "default"), &policy, restarts, 1, &answered);
        let (_, first) = answers.recv().await.expect("it is answered");
        let (_, next) = answers.recv().await.expect("it has an outcome, too");
        assert!(matches!((&first, &next), (Outcome::Outdated, Outcome::NotSent)), "{first:?}, {next:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn trouble_pauses_for_as_long_as_the_api_server_says_within_reason() {
        let mut acting = Acting::default();
        let mut paused_for = |retry_after: Option<u64>| {
            acting.pause(retry_after.map(Duration::from_secs));
            acting.not_before().map(|at| at.duration_since(Instant::now()).as_secs())
        };
        let pauses = [None, None, Some(1), Some(60), Some(86_400)].map(&mut paused_for);
        assert_eq!(pauses, [1, 2, 4, 60, 300].map(Some));
    }
}
