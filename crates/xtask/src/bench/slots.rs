//! How much of what it may have under way a campaign leaves unused, and what that waits for.
//!
//! A slot is in use from the moment that the API server received the patch until everybody could see that the rollout is
//! complete. Whatever a controller, the scheduler or a node takes for it is theirs. In between, from the first restart to the last,
//! there is always something left to start: the slot waits for the operator. It waits until the operator has decided,
//! which is the time that it writes onto the workload, and then until the API server has received the patch.

use std::collections::HashMap;

use futures::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::jiff::Timestamp;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// The annotation of the pod template that says when the operator decided on a restart.
const RESTARTED_AT: &str = "flippy.keikoproj.io/restarted-at";

/// What was seen of a Deployment.
#[derive(Clone, Copy)]
enum Seen {
    /// It is completely rolled out.
    Complete(Timestamp),
    /// A restart of it was decided on.
    Decided(Timestamp),
}

/// Watches when restarts of Deployments are decided on, and when they are completely rolled out.
pub(super) struct Completions {
    task: JoinHandle<()>,
    seen: mpsc::UnboundedReceiver<(String, Seen)>,
}

impl Completions {
    pub(super) fn watch(client: Client) -> Self {
        let (tell, seen) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            let mut complete: HashMap<String, bool> = HashMap::new();
            let mut events = watcher(Api::<Deployment>::all(client), watcher::Config::default()).boxed();
            while let Some(event) = events.next().await {
                let Ok(Event::InitApply(deployment) | Event::Apply(deployment)) = event else { continue };
                let now = Timestamp::now();
                let name = format!("{}/{}", deployment.namespace().unwrap_or_default(), deployment.name_any());
                let is_complete = is_complete(&deployment);
                let was_complete = complete.insert(name.clone(), is_complete).unwrap_or(true);
                let completed = (is_complete && !was_complete).then_some(Seen::Complete(now));
                for seen in completed.into_iter().chain(decided_at(&deployment).map(Seen::Decided)) {
                    if tell.send((name.clone(), seen)).is_err() {
                        return;
                    }
                }
            }
        });
        Self { task, seen }
    }

    /// When each one was last restarted, as the operator says, and when each one was last completely rolled out.
    pub(super) fn last(mut self) -> (HashMap<String, Timestamp>, HashMap<String, Timestamp>) {
        self.task.abort();
        let (mut decided, mut complete) = (HashMap::new(), HashMap::new());
        while let Ok((name, seen)) = self.seen.try_recv() {
            match seen {
                Seen::Complete(at) => complete.insert(name, at),
                Seen::Decided(at) => decided.insert(name, at),
            };
        }
        (decided, complete)
    }
}

fn decided_at(deployment: &Deployment) -> Option<Timestamp> {
    let template = deployment.spec.as_ref()?.template.metadata.as_ref()?;
    template.annotations.as_ref()?.get(RESTARTED_AT)?.parse().ok()
}

fn is_complete(deployment: &Deployment) -> bool {
    let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    let Some(status) = &deployment.status else { return false };
    let all = |count: Option<i32>| count.unwrap_or(0) == wanted;
    status.observed_generation == deployment.metadata.generation
        && all(status.updated_replicas)
        && all(status.replicas)
        && all(status.available_replicas)
}

/// The operator's overhead: shares of the time of all slots.
#[derive(Clone, Copy, Debug)]
pub(super) struct Overhead {
    /// Until the operator has decided on the next restart.
    pub(super) undecided: f64,
    /// Until the API server has received it, besides.
    pub(super) unsent: f64,
}

impl Overhead {
    /// `decided`: as the operator says; `received` and `complete`: as the API server does.
    pub(super) fn of(decided: &[Timestamp], received: &[Timestamp], complete: &[Timestamp], limit: usize) -> Self {
        let undecided = unused_share(decided, complete, limit);
        Self { undecided, unsent: (unused_share(received, complete, limit) - undecided).max(0.0) }
    }

    pub(super) fn total(self) -> f64 {
        self.undecided + self.unsent
    }
}

/// The share of the time of all slots that no restart used, from the first start to the last: before and after, nothing
/// waits for a slot.
fn unused_share(starts: &[Timestamp], ends: &[Timestamp], limit: usize) -> f64 {
    let (Some(first), Some(last)) = (starts.iter().min(), starts.iter().max()) else { return 0.0 };
    let begins = starts.iter().map(|at| (*at, 1));
    let mut changes: Vec<(Timestamp, i32)> = begins.chain(ends.iter().map(|at| (*at, -1))).collect();
    changes.sort_unstable();
    let limit = f64::from(u32::try_from(limit).unwrap_or(u32::MAX));
    let (mut under_way, mut unused, mut since) = (0, 0.0, *first);
    for (at, change) in changes.into_iter().take_while(|(at, _)| at <= last) {
        unused += (limit - f64::from(under_way)).max(0.0) * at.duration_since(since).as_secs_f64();
        (under_way, since) = (under_way + change, at);
    }
    unused / (limit * last.duration_since(*first).as_secs_f64()).max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use super::{Overhead, Timestamp, unused_share};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).expect("a small number is a time")
    }

    #[test]
    fn a_slot_that_waits_a_second_after_every_nine_is_unused_a_tenth_of_the_time() {
        let starts: Vec<_> = (0..=10).map(|number| at(number * 10)).collect();
        let ends: Vec<_> = (0..=10).map(|number| at(number * 10 + 9)).collect();
        assert!((unused_share(&starts, &ends, 1) - 0.1).abs() < 1e-9);
    }

    #[test]
    fn a_slot_that_nobody_fills_is_unused_all_the_time() {
        let starts = [at(0), at(10), at(20)];
        let ends = [at(10), at(20), at(30)];
        assert!((unused_share(&starts, &ends, 2) - 0.5).abs() < 1e-9);
    }

    #[test]
    fn what_a_slot_waits_for_is_told_apart_by_when_the_operator_had_decided() {
        let decided: Vec<_> = (0..=10).map(|number| at(number * 100)).collect();
        let received: Vec<_> = (0..=10).map(|number| at(number * 100 + 10)).collect();
        let complete: Vec<_> = (0..=10).map(|number| at(number * 100 + 80)).collect();
        let overhead = Overhead::of(&decided, &received, &complete, 1);
        assert!((overhead.undecided - 0.2).abs() < 1e-9, "{overhead:?}");
        assert!((overhead.unsent - 0.1).abs() < 1e-9, "{overhead:?}");
    }
}
