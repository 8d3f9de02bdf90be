//! How much of what it may have under way a campaign leaves unused.

use std::collections::HashMap;

use futures::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::jiff::Timestamp;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Watches when Deployments become completely rolled out.
pub(super) struct Completions {
    task: JoinHandle<()>,
    seen: mpsc::UnboundedReceiver<(String, Timestamp)>,
}

impl Completions {
    pub(super) fn watch(client: Client) -> Self {
        let (tell, seen) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            let mut complete: HashMap<String, bool> = HashMap::new();
            let mut events = watcher(Api::<Deployment>::all(client), watcher::Config::default()).boxed();
            while let Some(event) = events.next().await {
                let Ok(Event::InitApply(deployment) | Event::Apply(deployment)) = event else { continue };
                let name = format!("{}/{}", deployment.namespace().unwrap_or_default(), deployment.name_any());
                let is_complete = is_complete(&deployment);
                let was_complete = complete.insert(name.clone(), is_complete).unwrap_or(true);
                if is_complete && !was_complete && tell.send((name, Timestamp::now())).is_err() {
                    return;
                }
            }
        });
        Self { task, seen }
    }

    /// When each one last became so, by name.
    pub(super) fn last(mut self) -> HashMap<String, Timestamp> {
        self.task.abort();
        let mut last = HashMap::new();
        while let Ok((name, at)) = self.seen.try_recv() {
            last.insert(name, at);
        }
        last
    }
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

/// The share of the time of all slots that no restart used, from the first start to the last: before and after, nothing
/// waits for a slot.
pub(super) fn unused_share(starts: &[Timestamp], ends: &[Timestamp], limit: usize) -> f64 {
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
    use super::{Timestamp, unused_share};

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
}
