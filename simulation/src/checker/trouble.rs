//! A server in trouble is left alone: once the operator was told so, no restart is sent for a moment, whoever wants it.

use flippy_sim::Outcome;
use jiff::SignedDuration;

use super::{Finding, Invariant};
use crate::record::Record;
use crate::scenario::Scenario;

/// The first pause; later ones are longer.
const PAUSE: SignedDuration = SignedDuration::from_secs(1);
/// What was about to be sent when the answer came.
const AT_ONCE: SignedDuration = SignedDuration::from_millis(1);

pub(super) fn check(record: &Record<'_>, scenario: &Scenario) -> Vec<Finding> {
    // A new leader need not wait for what the last one was told.
    if scenario.replicas.is_some() {
        return Vec::new();
    }
    let restarts: Vec<_> =
        record.history.requests.iter().filter(|request| Record::is_restart_request(request)).collect();
    let troubled = restarts
        .iter()
        .filter(|request| matches!(request.outcome, Outcome::Answered(429 | 503 | 504)))
        .filter_map(|request| Some((request, request.answered_at?)));
    let mut findings = Vec::new();
    for (refused, told) in troubled {
        let too_soon = restarts.iter().find(|request| {
            let passed = request.at.duration_since(told);
            request.user == refused.user && passed > AT_ONCE && passed < PAUSE
        });
        let Some(request) = too_soon else { continue };
        let Some((_, _, _, key)) = &request.target else { continue };
        findings.push(Finding {
            at: request.at,
            invariant: Invariant::Requests,
            message: format!("{key} was restarted though the server had just said that it was in trouble"),
            subject: key.name.to_string(),
        });
    }
    findings
}
