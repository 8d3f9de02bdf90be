//! The decision: given the lease as seen, who I am, and the time. Nothing here waits, asks or reads a clock.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use tokio::time::Instant;

use super::Timing;
use super::record::holder;
use super::timing::MAX_LEASE;

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Read the lease: what is known of it may be outdated.
    Look,
    /// Take it: it does not exist, was given up, or has run out.
    Acquire,
    /// Renew it: it is ours.
    Renew,
    /// Somebody else has it, at least until then unless it is given up.
    Wait {
        /// When it will have run out if it is not seen to change.
        until: Instant,
    },
    /// Stop acting: it was not renewed in time, or somebody else has it.
    StepDown,
}

/// What one candidate knows of a lease.
///
/// Safety rests on two rules. A mandate begins *before* the request that was confirmed was sent, and lasts for the renew
/// deadline. Another's lease is counted from *after* it was seen to change, and lasts for its duration. The server changed
/// the lease in between, so the first is over before the second, on whatever clocks: each is a difference of two readings
/// of one clock that only runs forward.
#[derive(Debug)]
pub struct Election {
    identity: String,
    timing: Timing,
    view: View,
    is_outdated: bool,
    acts_until: Option<Instant>,
}

#[derive(Debug)]
enum View {
    Absent,
    Present { lease: Box<Lease>, changed_at: Instant },
}

impl Election {
    /// One that knows nothing yet.
    pub fn new(identity: String, timing: Timing) -> Self {
        Self { identity, timing, view: View::Absent, is_outdated: true, acts_until: None }
    }

    /// What to do at a moment.
    pub fn decide(&self, now: Instant) -> Decision {
        if let Some(until) = self.acts_until
            && (now >= until || !self.is_seen_as_holder())
        {
            return Decision::StepDown;
        }
        if self.is_outdated {
            return Decision::Look;
        }
        let View::Present { lease, changed_at } = &self.view else { return Decision::Acquire };
        match lease.spec.as_ref().and_then(holder) {
            None => Decision::Acquire,
            Some(holder) if holder == self.identity => Decision::Renew,
            Some(_) => {
                let until = *changed_at + self.duration(lease);
                if now < until { Decision::Wait { until } } else { Decision::Acquire }
            }
        }
    }

    /// Notes an answer to a look, which came at `now`. `None`: it does not exist.
    pub fn saw(&mut self, found: Option<Lease>, now: Instant) {
        self.is_outdated = false;
        self.view = match found {
            None => View::Absent,
            Some(lease) => View::Present { changed_at: self.changed_at(&lease, now), lease: Box::new(lease) },
        };
    }

    /// Notes that the API server took what was written. `sent_at` is from before the request was sent.
    pub fn confirmed(&mut self, lease: Lease, sent_at: Instant, now: Instant) {
        self.saw(Some(lease), now);
        if self.is_seen_as_holder() {
            self.acts_until = Some(sent_at + self.timing.renew_deadline());
        }
    }

    /// Notes that the lease may have become another: a write is on its way or was refused, or time has passed.
    pub fn outdate(&mut self) {
        self.is_outdated = true;
    }

    /// Notes that nobody acts in our name any more.
    pub fn stepped_down(&mut self) {
        self.acts_until = None;
    }

    /// Until when we may act, if we may.
    pub fn acts_until(&self) -> Option<Instant> {
        self.acts_until
    }

    /// The lease as it was last seen.
    pub fn lease(&self) -> Option<&Lease> {
        match &self.view {
            View::Absent => None,
            View::Present { lease, .. } => Some(lease),
        }
    }

    /// Who held it when it was last seen.
    pub fn holder(&self) -> Option<&str> {
        self.lease()?.spec.as_ref().and_then(holder)
    }

    /// Whether it was ours when it was last seen.
    pub fn is_seen_as_holder(&self) -> bool {
        self.holder() == Some(&self.identity)
    }

    /// Since when the lease is as it is now, as far as we saw. Its metadata does not count: a label renews nothing.
    fn changed_at(&self, lease: &Lease, now: Instant) -> Instant {
        match &self.view {
            View::Present { lease: known, changed_at }
                if known.metadata.uid == lease.metadata.uid && known.spec == lease.spec =>
            {
                *changed_at
            }
            _ => now,
        }
    }

    /// What the holder itself said; within reason, because anybody may have written it.
    fn duration(&self, lease: &Lease) -> Duration {
        let said = lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds);
        let said = said.and_then(|seconds| u64::try_from(seconds).ok()).filter(|seconds| *seconds > 0);
        said.map_or(self.timing.lease(), Duration::from_secs).min(MAX_LEASE)
    }
}
