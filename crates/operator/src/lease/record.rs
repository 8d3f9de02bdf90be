//! What is written into a lease.

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};

use super::Timing;

/// A released lease: whoever sees it need not wait, but one that goes by the duration alone waits one second.
const RELEASED_SECONDS: i32 = 1;

/// The lease as it is once `identity` has taken or renewed it. The version of `seen` stays in it, so that the API server
/// refuses this if anybody was faster.
///
/// `at` is for people: nobody counts from it.
pub fn taken(seen: Option<&Lease>, name: &str, identity: &str, timing: &Timing, at: Timestamp) -> Lease {
    let mut lease = seen.cloned().unwrap_or_else(|| Lease {
        metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
        spec: None,
    });
    let existed = lease.spec.is_some();
    let spec = lease.spec.get_or_insert_default();
    if holder(spec) != Some(identity) {
        spec.acquire_time = Some(MicroTime(at));
        let transitions = spec.lease_transitions.unwrap_or(0);
        spec.lease_transitions = Some(if existed { transitions.saturating_add(1) } else { 0 });
        spec.holder_identity = Some(identity.to_owned());
    }
    spec.renew_time = Some(MicroTime(at));
    spec.lease_duration_seconds = Some(i32::try_from(timing.lease().as_secs()).unwrap_or(i32::MAX));
    lease
}

/// The lease as it is once its holder has given it up: the next one may take it at once.
pub fn released(mut lease: Lease, at: Timestamp) -> Lease {
    let spec = lease.spec.get_or_insert_default();
    spec.holder_identity = Some(String::new());
    spec.lease_duration_seconds = Some(RELEASED_SECONDS);
    spec.acquire_time = Some(MicroTime(at));
    spec.renew_time = Some(MicroTime(at));
    lease
}

/// Who holds it, if anybody.
pub(super) fn holder(spec: &LeaseSpec) -> Option<&str> {
    spec.holder_identity.as_deref().filter(|holder| !holder.is_empty())
}
