//! `Strategy`: how carefully to go.

use flippy_core::{DisruptionBudgets, Limit, MethodChoice, SignedDuration, SingleReplica, SpecNote, Strategy};

use crate::bounds::{MAX_READY_SECONDS, MAX_TIME_LENGTH};
use crate::duration::parse_duration;
use crate::problem::Problem;
use crate::spec::{self, NumberOrPercent};

const MAX_INTERVAL: SignedDuration = SignedDuration::from_hours(24);

/// Reads a strategy. What is wrong becomes a problem, what is odd a note.
pub(crate) fn strategy(spec: &spec::Strategy, problems: &mut Vec<Problem>, notes: &mut Vec<SpecNote>) -> Strategy {
    let mut wrong = |field: &str, message: &str| problems.push(Problem::new(format!("spec.Strategy.{field}"), message));
    let mut read = |field: &str, value: Option<&NumberOrPercent>, lowest: u8| {
        let value = value?;
        limit(value, lowest).map_err(|message| wrong(field, &message)).ok()
    };
    let max_concurrent = read("MaxConcurrent", spec.max_concurrent.as_ref(), 1);
    let max_concurrent_per_namespace = read("MaxConcurrentPerNamespace", spec.max_concurrent_per_namespace.as_ref(), 1);
    let max_failures = read("MaxFailures", spec.max_failures.as_ref(), 0);
    let min_interval = interval(&spec.min_interval).unwrap_or_else(|message| {
        wrong("MinInterval", &message);
        SignedDuration::ZERO
    });
    if !(0..=MAX_READY_SECONDS).contains(&spec.min_ready_seconds) {
        let message = format!("is {}; write seconds from 0 to {MAX_READY_SECONDS}", spec.min_ready_seconds);
        wrong("MinReadySeconds", &message);
    }
    let single_replica = match &*spec.single_replica {
        "" | "Restart" => SingleReplica::Restart,
        "Hold" => SingleReplica::Hold,
        other => {
            wrong("SingleReplica", &format!("is `{other}`; write Restart or Hold"));
            SingleReplica::Restart
        }
    };
    let disruption_budgets = match &*spec.disruption_budgets {
        "" | "Respect" => DisruptionBudgets::Respect,
        "Ignore" => DisruptionBudgets::Ignore,
        other => {
            wrong("DisruptionBudgets", &format!("is `{other}`; write Respect or Ignore"));
            DisruptionBudgets::Respect
        }
    };
    let method = match &*spec.method {
        "" | "Auto" => MethodChoice::Auto,
        "Patch" => MethodChoice::Patch,
        "Evict" => MethodChoice::Evict,
        other => {
            wrong("Method", &format!("is `{other}`; write Auto, Patch or Evict"));
            MethodChoice::Auto
        }
    };
    let max_failures = match &*spec.on_failure {
        "" => max_failures,
        "Halt" => Some(max_failures.unwrap_or(Limit::Count(0))),
        "Continue" => {
            if max_failures.is_some() {
                let message = "has no effect, because OnFailure is Continue; leave one of the two out".to_owned();
                notes.push(SpecNote { path: "spec.Strategy.MaxFailures".to_owned(), message });
            }
            for (position, _) in spec.waves.iter().enumerate().filter(|(_, wave)| wave.max_failures.is_some()) {
                let message = "has no effect, because OnFailure is Continue; leave one of the two out".to_owned();
                notes.push(SpecNote { path: format!("spec.Strategy.Waves[{position}].MaxFailures"), message });
            }
            None
        }
        other => {
            wrong("OnFailure", &format!("is `{other}`; write Halt or Continue"));
            None
        }
    };
    Strategy {
        max_concurrent,
        max_concurrent_per_namespace,
        min_interval,
        min_ready: SignedDuration::from_secs(spec.min_ready_seconds),
        max_failures,
        single_replica,
        disruption_budgets,
        method,
    }
}

pub(crate) fn limit(value: &NumberOrPercent, lowest: u8) -> Result<Limit, String> {
    let said = match value {
        NumberOrPercent::Number(number) => number.to_string(),
        NumberOrPercent::Percent(text) => format!("\"{text}\""),
    };
    let usage =
        || format!("is {said}; write a number of workloads from {lowest} on, or a percentage, for example \"5%\"");
    match value {
        NumberOrPercent::Number(number) => usize::try_from(*number)
            .ok()
            .filter(|number| *number >= usize::from(lowest))
            .map(Limit::Count)
            .ok_or_else(usage),
        NumberOrPercent::Percent(text) => {
            let digits = text.strip_suffix('%').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
            // No zeros in front, as in the schema: `05%` is more likely a slip than five.
            let digits = digits.filter(|digits| digits.len() == 1 || !digits.starts_with('0'));
            let percent = digits.and_then(|digits| digits.parse().ok());
            percent.filter(|percent| (lowest..=100).contains(percent)).map(Limit::Percent).ok_or_else(usage)
        }
    }
}

fn interval(text: &str) -> Result<SignedDuration, String> {
    if text.is_empty() {
        return Ok(SignedDuration::ZERO);
    }
    if text.chars().count() > MAX_TIME_LENGTH {
        return Err(format!("is longer than {MAX_TIME_LENGTH} characters; write for example 30s"));
    }
    let interval = parse_duration(text)?;
    let interval = SignedDuration::try_from(interval).ok().filter(|interval| *interval <= MAX_INTERVAL);
    interval.ok_or_else(|| format!("is `{text}`; write at most 24h"))
}
