//! `StatusCheckConfig`: how long to wait.

use flippy_core::{SignedDuration, SpecNote, Waiting};

use crate::spec::StatusCheckConfig;

/// Nobody waits longer for one workload; larger products are understood as this.
const MAX_WAIT: SignedDuration = SignedDuration::from_hours(24 * 30);

/// `MaxRetry` times `RetryDuration`. `path` is that of the `StatusCheckConfig`.
pub(crate) fn wait(check: &StatusCheckConfig, path: &str, notes: &mut Vec<SpecNote>) -> SignedDuration {
    for (field, value) in [("MaxRetry", check.max_retry), ("RetryDuration", check.retry_duration)] {
        if value < 0 {
            let message = format!("{value} is understood as 0; write a number that is not negative");
            notes.push(SpecNote { path: format!("{path}.{field}"), message });
        }
    }
    let wait = SignedDuration::from_secs(check.max_retry.max(0).saturating_mul(check.retry_duration.max(0)));
    if wait > MAX_WAIT {
        let message = format!(
            "MaxRetry x RetryDuration is {} seconds, which is understood as 30 days; write smaller numbers",
            wait.as_secs()
        );
        notes.push(SpecNote { path: path.to_owned(), message });
    }
    wait.min(MAX_WAIT)
}

/// Whether the next restart waits for one with this configuration.
pub(crate) fn waiting(check: &StatusCheckConfig, path: &str, notes: &mut Vec<SpecNote>) -> Waiting {
    let wait = wait(check, path, notes);
    match (check.check_status, wait.is_zero()) {
        (false, _) => Waiting::NotWaited,
        (true, false) => Waiting::AtMost(wait),
        (true, true) => {
            let message = "CheckStatus is true, but MaxRetry x RetryDuration is 0 seconds, so it is not waited for; write \
                           for example MaxRetry: 10 and RetryDuration: 30";
            notes.push(SpecNote { path: path.to_owned(), message: message.to_owned() });
            Waiting::NotWaited
        }
    }
}
