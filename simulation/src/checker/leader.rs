//! Of two replicas only the one writes that holds the lease, by the server's own record at the moment of arrival.
//!
//! There is no allowance for what was in flight: a client here gives a request up, or it arrives.

use flippy_sim::{Resource, Verb};
use jiff::Timestamp;

use super::{Finding, Invariant};
use crate::life::is_operator;
use crate::record::Record;
use crate::scenario::Scenario;

pub(super) fn check(record: &Record<'_>, scenario: &Scenario) -> Vec<Finding> {
    if scenario.replicas.is_none() {
        return Vec::new();
    }
    let changes = record.history.mutations.iter().filter(|mutation| mutation.resource == Resource::Leases);
    let holders: Vec<(Timestamp, &str)> = changes
        .map(|mutation| {
            let holder = mutation.after.as_ref().and_then(|lease| lease["spec"]["holderIdentity"].as_str());
            (mutation.at, holder.unwrap_or_default())
        })
        .collect();
    let writes = record.history.requests.iter().filter(|request| {
        let target = request.target.as_ref();
        is_operator(&request.user)
            && target.is_some_and(|(verb, resource, ..)| verb.is_write() && *resource != Resource::Leases)
    });
    let findings = writes.filter_map(|request| {
        let (before, since) = holders.split_at(holders.partition_point(|(at, _)| *at < request.at));
        // Within one millisecond nobody knows which was first.
        let then = since.iter().take_while(|(at, _)| *at == request.at);
        let mut holders = before.last().into_iter().chain(then);
        if holders.any(|(_, holder)| **holder == *request.user) {
            return None;
        }
        let holder = before.last().map_or("nobody", |(_, holder)| holder);
        let (verb, _, _, key) = request.target.as_ref()?;
        let what = if *verb == Verb::Patch { "changed" } else { "wrote" };
        Some(Finding {
            at: request.at,
            invariant: Invariant::Leader,
            message: format!("{} {what} {key}, but `{holder}` held the lease: {}", request.user, request.line),
            subject: key.name.to_string(),
        })
    });
    findings.collect()
}
