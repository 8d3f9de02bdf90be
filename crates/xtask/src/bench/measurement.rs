//! The figures of one contender.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::usage::Usage;

#[derive(Debug)]
pub(super) struct Measurement {
    pub(super) contender: String,
    pub(super) workloads: usize,
    /// From the moment that the work was given to it, by the API server's clock.
    pub(super) first_restart_seconds: f64,
    pub(super) all_fresh_seconds: f64,
    pub(super) requests: BTreeMap<(String, String), usize>,
    pub(super) usage: Usage,
    /// The share of the time of all slots in which one was free although restarts were left to start.
    pub(super) unused_share: Option<f64>,
}

impl Measurement {
    fn total(&self) -> usize {
        self.requests.values().sum()
    }

    #[allow(clippy::cast_precision_loss, reason = "counts of requests are far below 2^52")]
    fn requests_per_workload(&self) -> f64 {
        self.total() as f64 / self.workloads as f64
    }
}

/// One table for all contenders.
pub(super) fn table(measurements: &[Measurement]) -> String {
    let mut table = String::new();
    let mut row = |title: &str, cell: &dyn Fn(&Measurement) -> String| {
        let _ = write!(table, "{title:<34}");
        for measurement in measurements {
            let _ = write!(table, "{:>18}", cell(measurement));
        }
        table.push('\n');
    };
    row("", &|one| one.contender.clone());
    row("workloads", &|one| one.workloads.to_string());
    row("first restart after, s", &|one| format!("{:.2}", one.first_restart_seconds));
    row("all pods fresh after, s", &|one| format!("{:.1}", one.all_fresh_seconds));
    row("requests", &|one| one.total().to_string());
    row("requests per workload", &|one| format!("{:.2}", one.requests_per_workload()));
    row("processor time, s", &|one| format!("{:.2}", one.usage.cpu_seconds));
    row("peak resident memory, MiB", &|one| format!("{:.1}", one.usage.peak_rss_mib));
    row("processor time of the campaign, %", &|one| {
        format!("{:.1}", 100.0 * one.usage.cpu_seconds / one.all_fresh_seconds)
    });
    if measurements.iter().any(|one| one.unused_share.is_some()) {
        row("slots unused, %", &|one| one.unused_share.map_or("-".to_owned(), |share| format!("{:.1}", 100.0 * share)));
    }
    let kinds: std::collections::BTreeSet<_> = measurements.iter().flat_map(|one| one.requests.keys()).collect();
    for kind in kinds {
        row(&format!("  {} {}", kind.0, kind.1), &|one| one.requests.get(kind).copied().unwrap_or(0).to_string());
    }
    table
}

/// The same for machines.
pub(super) fn json(measurements: &[Measurement]) -> Value {
    let one = |one: &Measurement| {
        let requests: Vec<Value> = one
            .requests
            .iter()
            .map(|((verb, resource), count)| json!({"verb": verb, "resource": resource, "count": count}))
            .collect();
        json!({
            "contender": one.contender,
            "workloads": one.workloads,
            "firstRestartSeconds": one.first_restart_seconds,
            "allFreshSeconds": one.all_fresh_seconds,
            "requestsPerWorkload": one.requests_per_workload(),
            "cpuSeconds": one.usage.cpu_seconds,
            "peakRssMib": one.usage.peak_rss_mib,
            "unusedSlotsShare": one.unused_share,
            "requests": requests,
        })
    };
    Value::Array(measurements.iter().map(one).collect())
}
