//! How long a lease is valid, and how often it is renewed.

use std::time::Duration;

use thiserror::Error;

/// Longer than this nobody wants to wait for a successor, whatever a lease says.
pub(super) const MAX_LEASE: Duration = Duration::from_hours(1);

/// The periods of an election. The defaults are those of Kubernetes' own components.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    lease: Duration,
    renew_deadline: Duration,
    retry_period: Duration,
}

/// Why periods do not fit together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadTiming {
    /// A lease holds whole seconds.
    #[error("the lease duration must be whole seconds, from 1s to 1h")]
    Lease,
    /// The holder would still act when the next one does.
    #[error("the renew deadline must be shorter than the lease duration")]
    RenewDeadline,
    /// The holder would have no chance to renew.
    #[error("the retry period must be longer than zero and shorter than the renew deadline")]
    RetryPeriod,
}

impl Timing {
    /// Periods that fit together: retry period < renew deadline < lease.
    ///
    /// # Errors
    /// When they do not.
    pub fn new(lease: Duration, renew_deadline: Duration, retry_period: Duration) -> Result<Self, BadTiming> {
        if lease.subsec_nanos() != 0 || lease.is_zero() || lease > MAX_LEASE {
            return Err(BadTiming::Lease);
        }
        if renew_deadline >= lease {
            return Err(BadTiming::RenewDeadline);
        }
        if retry_period.is_zero() || retry_period >= renew_deadline {
            return Err(BadTiming::RetryPeriod);
        }
        Ok(Self { lease, renew_deadline, retry_period })
    }

    /// How long others wait for a holder of whom they see nothing.
    pub fn lease(&self) -> Duration {
        self.lease
    }

    /// How long a holder acts after the last renewal that was confirmed.
    pub fn renew_deadline(&self) -> Duration {
        self.renew_deadline
    }

    /// How often a holder renews, and the others look.
    pub fn retry_period(&self) -> Duration {
        self.retry_period
    }

    /// How long the API server may take to answer: a second request must fit into the renew deadline.
    pub(super) fn answer_within(&self) -> Duration {
        self.renew_deadline / 2
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry_period: Duration::from_secs(2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timing(lease: u64, renew_deadline: u64, retry_period: u64) -> Result<Timing, BadTiming> {
        Timing::new(
            Duration::from_millis(lease),
            Duration::from_millis(renew_deadline),
            Duration::from_millis(retry_period),
        )
    }

    #[test]
    fn the_defaults_fit_together() {
        assert_eq!(timing(15_000, 10_000, 2_000), Ok(Timing::default()));
    }

    #[test]
    fn a_holder_that_would_act_until_the_lease_runs_out_is_refused() {
        assert_eq!(timing(15_000, 15_000, 2_000), Err(BadTiming::RenewDeadline));
    }

    #[test]
    fn a_lease_that_its_field_cannot_hold_is_refused() {
        for lease in [0, 1_500, 3_601_000] {
            assert_eq!(timing(lease, 900, 100), Err(BadTiming::Lease), "{lease}");
        }
    }

    #[test]
    fn a_holder_that_could_not_renew_in_time_is_refused() {
        assert_eq!(timing(15_000, 10_000, 10_000), Err(BadTiming::RetryPeriod));
        assert_eq!(timing(15_000, 10_000, 0), Err(BadTiming::RetryPeriod));
    }
}
