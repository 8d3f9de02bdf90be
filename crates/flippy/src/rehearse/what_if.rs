//! `--what-if`: how the rehearsal is worse than the cluster.

use std::time::Duration;

/// The default: as it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct WhatIf {
    /// Pods take so many times as long to be ready.
    pub(super) ready_times: f64,
    /// Or: every pod takes as long as this.
    pub(super) ready: Option<Duration>,
    /// This share of the workloads never gets ready once restarted.
    pub(super) fail: f64,
}

impl Default for WhatIf {
    fn default() -> Self {
        Self { ready_times: 1.0, ready: None, fail: 0.0 }
    }
}

/// Reads `ready=2x,fail=1%`.
pub(crate) fn parse(text: &str) -> Result<WhatIf, String> {
    let mut what_if = WhatIf::default();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        match part.split_once('=') {
            Some(("ready", value)) => ready(&mut what_if, value)?,
            Some(("fail", value)) => {
                let percent: Option<f64> = value.strip_suffix('%').and_then(|number| number.parse().ok());
                let percent = percent.filter(|percent| (0.0..=100.0).contains(percent));
                what_if.fail = percent.ok_or("write fail=1%: a share of the workloads from 0% to 100%")? / 100.0;
            }
            _ => return Err(format!("{part} is not known: write ready=2x, ready=90s or fail=1%, separated by commas")),
        }
    }
    Ok(what_if)
}

fn ready(what_if: &mut WhatIf, value: &str) -> Result<(), String> {
    let wrong = || "write ready=2x (twice as long, from 0.1x to 1000x) or ready=90s (from 1s to 24h)".to_owned();
    if let Some(times) = value.strip_suffix('x') {
        what_if.ready_times = times.parse().ok().filter(|times| (0.1..=1_000.0).contains(times)).ok_or_else(wrong)?;
        return Ok(());
    }
    let every = crate::go_duration::parse(value).map_err(|_| wrong())?;
    if !(Duration::from_secs(1)..=Duration::from_hours(24)).contains(&every) {
        return Err(wrong());
    }
    what_if.ready = Some(every);
    Ok(())
}

impl WhatIf {
    /// How long a pod takes that would take `ready` by itself.
    pub(super) fn ready(&self, ready: Duration) -> Duration {
        self.ready.unwrap_or_else(|| ready.mul_f64(self.ready_times))
    }

    /// Those that never get ready, for people. `None`: nothing is assumed.
    pub(super) fn told(&self) -> Option<String> {
        let mut told = Vec::new();
        if let Some(every) = self.ready {
            told.push(format!("every pod is ready after {} s", every.as_secs()));
        } else if (self.ready_times - 1.0).abs() > f64::EPSILON {
            told.push(format!("pods take {} times as long to be ready", self.ready_times));
        }
        if self.fail > 0.0 {
            told.push(format!("{} % of the workloads never get ready once they are restarted", self.fail * 100.0));
        }
        (!told.is_empty()).then(|| told.join(", and "))
    }
}

/// Which of so many workloads fail: a share of them, at least one, the same ones for the same seed.
pub(super) fn failing(names: &[String], share: f64, seed: u64) -> Vec<usize> {
    if share <= 0.0 {
        return Vec::new();
    }
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    // as many as there are workloads, at most
    let count = ((names.len() as f64 * share).ceil() as usize).min(names.len());
    let mut drawn: Vec<(u64, usize)> = names.iter().enumerate().map(|(at, name)| (drawn_for(name, seed), at)).collect();
    drawn.sort_unstable();
    drawn.into_iter().take(count).map(|(_, at)| at).collect()
}

/// A number for a workload (FNV-1a, finished as `SplitMix64` does). Not by `Hash`, which may change with the compiler.
fn drawn_for(name: &str, seed: u64) -> u64 {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64 ^ seed, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mixed = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 27)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_worse_is_read() {
        let read = parse("ready=2x,fail=1%").expect("it is understood");
        assert_eq!((read.ready(Duration::from_secs(10)), read.fail), (Duration::from_secs(20), 0.01));
        let every = parse("ready=90s").expect("it is understood");
        assert_eq!(every.ready(Duration::from_secs(10)), Duration::from_secs(90));
    }

    #[test]
    fn what_is_not_understood_is_answered_with_an_example() {
        for wrong in ["ready=-1x", "ready=nanx", "fail=101%", "fail=1", "slow"] {
            assert!(parse(wrong).is_err_and(|why| why.contains("write ")), "{wrong}");
        }
    }

    #[test]
    fn a_share_is_exact_and_drawn_by_the_seed() {
        let names: Vec<String> = (0..1_000).map(|number| format!("Deployment shop/app-{number}")).collect();
        assert_eq!(failing(&names, 0.01, 1).len(), 10);
        assert_eq!(failing(&names, 0.01, 1), failing(&names, 0.01, 1));
        assert_ne!(failing(&names, 0.01, 1), failing(&names, 0.01, 2));
        assert_eq!(failing(&names, 0.000_1, 1).len(), 1);
        assert!(failing(&names, 0.0, 1).is_empty());
    }
}
