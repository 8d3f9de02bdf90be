//! The cluster's own say: room for the pods of what was restarted, and an API server that is not too busy.

use jiff::{SignedDuration, Timestamp};

use crate::gate::{Gate, GateFact, ShutBy};
use crate::pace::MAX_STARTS_PER_PASS;
use crate::plan::{FirstState, Plan, UnderWay};
use crate::snapshot::{PodIndex, Snapshot};

/// How long a pod may wait for a node without anybody minding: a node that is being added takes about that long.
const PODS_MAY_WAIT: SignedDuration = SignedDuration::from_mins(1);

/// After trouble, one more restart a pass is allowed for each of these.
const ONE_MORE_EVERY_SECONDS: i64 = 5;

/// Whether there is room for the pods of the restarts that are under way.
///
/// Shut while one of their pods finds no node for more than a minute: further restarts would only add to those that wait.
/// A restart that is out of time is a failure, and what becomes of the others is for `MaxFailures` to say; otherwise one
/// workload that fits nowhere any more would hold up all others for ever.
pub fn room_for_pods(plan: &Plan, snapshot: &Snapshot, pods: &PodIndex<'_>, now: Timestamp) -> GateFact {
    let entries = plan.entries.iter().filter(|entry| entry.under_way == UnderWay::Yes).map(|entry| &entry.id.named);
    let first = plan.first.iter().filter(|first| matches!(first.state, FirstState::InFlight(_)));
    let under_way = entries.chain(first.map(|first| &first.target));
    let workloads = under_way.filter_map(|named| snapshot.workload(named));
    // One that was unhealthy before may have had such pods already.
    let healthy = workloads.filter(|workload| workload.mark.as_ref().is_some_and(|mark| !mark.unhealthy_before));
    let mut fact = GateFact::open();
    let mut worst = None;
    for pod in healthy.flat_map(|workload| pods.of(&workload.id.uid)).filter(|pod| pod.unscheduled) {
        // A pod that has a node keeps it: one that has none never had one.
        let patience_ends = pod.created_at.saturating_add(PODS_MAY_WAIT).unwrap_or(Timestamp::MAX);
        if now < patience_ends {
            fact.recheck_at = fact.recheck_at.into_iter().chain([patience_ends]).min();
        } else {
            // The same cluster must always give the same words.
            worst = worst.max(Some(std::cmp::Reverse((pod.created_at, &pod.namespace, &pod.name))));
        }
    }
    if let Some(std::cmp::Reverse((since, namespace, name))) = worst {
        fact.gate = Gate::Shut;
        fact.by = ShutBy::PendingPods;
        fact.message = format!("pod {namespace}/{name} of a restarted workload finds no node since {since}");
    }
    fact
}

/// How long it takes until as many as ever may start again.
fn missing_for(max_starts: usize) -> SignedDuration {
    let missing = i64::try_from(MAX_STARTS_PER_PASS.saturating_sub(max_starts)).unwrap_or(i64::MAX);
    SignedDuration::from_secs(missing.saturating_mul(ONE_MORE_EVERY_SECONDS))
}

/// How the API server bears what it is sent.
///
/// Each answer that it is too busy halves the restarts that one pass may start; time lets them grow again, one by one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Throttle {
    trouble: Option<Trouble>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Trouble {
    at: Timestamp,
    max_starts: usize,
    message: String,
}

impl Throttle {
    /// Notes that the API server said it is too busy, or did not answer.
    pub fn note_trouble(&mut self, message: &str, now: Timestamp) {
        let max_starts = (self.max_starts(now) / 2).max(1);
        self.trouble = Some(Trouble { at: now, max_starts, message: message.to_owned() });
    }

    /// Restarts that one pass of one policy may start now.
    pub fn max_starts(&self, now: Timestamp) -> usize {
        let Some(trouble) = &self.trouble else { return MAX_STARTS_PER_PASS };
        let recovered = now.duration_since(trouble.at).as_secs() / ONE_MORE_EVERY_SECONDS;
        let recovered = usize::try_from(recovered).unwrap_or(0);
        trouble.max_starts.saturating_add(recovered).min(MAX_STARTS_PER_PASS)
    }

    /// The same as a gate.
    pub fn gate(&self, now: Timestamp) -> GateFact {
        let max_starts = self.max_starts(now);
        match &self.trouble {
            Some(trouble) if max_starts < MAX_STARTS_PER_PASS => GateFact {
                gate: Gate::Limited,
                max_starts,
                recheck_at: trouble.at.saturating_add(missing_for(trouble.max_starts)).ok(),
                message: format!("the API server is in trouble, so restarts go more slowly: {}", trouble.message),
                by: ShutBy::Throttling,
                ..GateFact::open()
            },
            _ => GateFact::open(),
        }
    }
}
