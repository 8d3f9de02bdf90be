//! The flags of leader election, as far as scenarios use them.

use std::time::Duration;

use anyhow::{Context, Result};
use flippy_operator::lease::{ElectionSettings, Timing};

/// What `flippy run` makes of these arguments, and those that are about something else.
pub(super) fn settings<'a>(
    arguments: &[&'a str],
    identity: &str,
    own_namespace: &str,
) -> Result<(Option<ElectionSettings>, Vec<&'a str>)> {
    let defaults = Timing::default();
    let (mut lease, mut deadline, mut retry) = (defaults.lease(), defaults.renew_deadline(), defaults.retry_period());
    let (mut is_on, mut others) = (false, Vec::new());
    for argument in arguments {
        match argument.split_once('=') {
            None if *argument == "--leader-elect" => is_on = true,
            Some(("--leader-election-lease-duration", text)) => lease = seconds(text)?,
            Some(("--leader-election-renew-deadline", text)) => deadline = seconds(text)?,
            Some(("--leader-election-retry-period", text)) => retry = seconds(text)?,
            _ => others.push(*argument),
        }
    }
    let timing = Timing::new(lease, deadline, retry)?;
    let settings = is_on.then(|| ElectionSettings {
        namespace: own_namespace.to_owned(),
        name: "flippy".to_owned(),
        identity: identity.to_owned(),
        timing,
    });
    Ok((settings, others))
}

fn seconds(text: &str) -> Result<Duration> {
    let number = text.strip_suffix('s').and_then(|number| number.parse().ok());
    number.map(Duration::from_secs).with_context(|| format!("an embedded operator knows whole seconds, not {text}"))
}
