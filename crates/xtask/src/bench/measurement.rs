//! The figures of one contender.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::slots::Overhead;
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
    /// What slots waited for that were free although restarts were left to start.
    pub(super) overhead: Option<Overhead>,
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
    if measurements.iter().any(|one| one.overhead.is_some()) {
        let share = |one: &Measurement, share: fn(Overhead) -> f64| {
            one.overhead.map_or("-".to_owned(), |overhead| format!("{:.1}", 100.0 * share(overhead)))
        };
        row("operator's own overhead, %", &|one| share(one, Overhead::total));
        row("  slot free, nothing decided", &|one| share(one, |overhead| overhead.undecided));
        row("  decided, not yet received", &|one| share(one, |overhead| overhead.unsent));
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
            "overheadShare": one.overhead.map(Overhead::total),
            "undecidedShare": one.overhead.map(|overhead| overhead.undecided),
            "requests": requests,
        })
    };
    Value::Array(measurements.iter().map(one).collect())
}
