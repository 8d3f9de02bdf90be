//! A `Strategy`, read anew: not with the eyes of the product.

use flippy_sim::Json;
use jiff::SignedDuration;

/// How carefully a config asks to go.
pub(crate) struct Strategy {
    /// Restarts under way at once.
    pub(crate) most: Option<Limit>,
    /// The same in each namespace.
    pub(crate) most_in_namespace: Option<Limit>,
    pub(crate) min_interval: SignedDuration,
    pub(crate) min_ready: SignedDuration,
    /// Failures that do not halt it yet; None: nothing does.
    pub(crate) tolerated: Option<Limit>,
    /// Whatever fails.
    pub(crate) continues: bool,
    pub(crate) holds_single: bool,
}

/// A number, or so many of a hundred.
#[derive(Clone, Copy)]
pub(crate) enum Limit {
    Number(usize),
    Percent(usize),
}

impl Strategy {
    pub(crate) fn read(spec: &Json) -> Self {
        let tolerated = match (spec["OnFailure"].as_str(), Limit::read(&spec["MaxFailures"])) {
            (Some("Continue"), _) => None,
            (Some("Halt"), None) => Some(Limit::Number(0)),
            (_, limit) => limit,
        };
        Self {
            most: Limit::read(&spec["MaxConcurrent"]),
            most_in_namespace: Limit::read(&spec["MaxConcurrentPerNamespace"]),
            min_interval: duration(&spec["MinInterval"]),
            min_ready: SignedDuration::from_secs(spec["MinReadySeconds"].as_i64().unwrap_or(0)),
            tolerated,
            continues: spec["OnFailure"] == "Continue",
            holds_single: spec["SingleReplica"] == "Hold",
        }
    }
}

impl Limit {
    pub(crate) fn read(value: &Json) -> Option<Self> {
        let percent = value.as_str().and_then(|text| text.strip_suffix('%')?.parse().ok()).map(Self::Percent);
        let number = value.as_u64().and_then(|number| usize::try_from(number).ok()).map(Self::Number);
        percent.or(number)
    }

    /// How many of so many that is: a percentage is rounded down, but only 0 % is none.
    pub(crate) fn of(self, total: usize) -> usize {
        match self {
            Self::Number(number) => number,
            Self::Percent(0) => 0,
            Self::Percent(percent) => (total * percent / 100).max(1),
        }
    }
}

/// A duration as those drawn here are written: `90s`, `1m30s`, `2h`.
pub(super) fn duration(text: &Json) -> SignedDuration {
    let mut seconds = 0;
    let mut number = 0;
    for character in text.as_str().unwrap_or_default().chars() {
        let unit = match character {
            'h' => 3_600,
            'm' => 60,
            's' => 1,
            digit => {
                number =
                    number * 10 + i64::from(digit.to_digit(10).expect("durations drawn here are numbers with units"));
                continue;
            }
        };
        seconds += std::mem::take(&mut number) * unit;
    }
    SignedDuration::from_secs(seconds)
}
