//! What is counted and measured, for Prometheus. No label names a workload: ten thousand series are a fault of their own.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use flippy_core::PolicyName;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

/// Handles to every metric.
#[derive(Clone)]
pub(crate) struct Metrics {
    pub(crate) leader: Gauge,
    pub(crate) restarts: Family<RestartLabels, Counter>,
    pub(crate) workloads: Family<VerdictLabels, Gauge>,
    pub(crate) pass_seconds: Histogram,
    pub(crate) feed_synced: Family<FeedLabels, Gauge>,
    pub(crate) gate_open: Family<GateLabels, Gauge>,
    pub(crate) admission_questions: Family<QuestionLabels, Counter>,
    pub(crate) throttled: Counter,
    pub(crate) max_starts_per_pass: Gauge,
    pub(crate) last_pass_timestamp: Gauge<f64, AtomicU64>,
    registry: Arc<Registry>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct RestartLabels {
    pub(crate) kind: &'static str,
    pub(crate) outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct VerdictLabels {
    pub(crate) config_namespace: String,
    pub(crate) config: String,
    pub(crate) verdict: &'static str,
}

impl VerdictLabels {
    pub(crate) fn new(config: &PolicyName, verdict: &'static str) -> Self {
        Self { config_namespace: config.namespace.to_string(), config: config.name.to_string(), verdict }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct FeedLabels {
    pub(crate) resource: String,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
pub(crate) struct GateLabels {
    pub(crate) config_namespace: String,
    pub(crate) config: String,
    pub(crate) gate: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct QuestionLabels {
    pub(crate) outcome: &'static str,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("flippy");
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "What is running", build);
        let leader = Gauge::default();
        registry.register("leader", "Whether this replica acts (1) or watches (0)", leader.clone());
        let restarts = Family::default();
        registry.register("restarts", "Restarts by kind of workload and outcome of the request", restarts.clone());
        let workloads = Family::default();
        registry.register("workloads", "Workloads in scope by config and verdict", workloads.clone());
        let pass_seconds = Histogram::new(exponential_buckets(0.0001, 4.0, 8));
        registry.register_with_unit("pass", "Duration of a pass over all configs", Unit::Seconds, pass_seconds.clone());
        let feed_synced = Family::default();
        registry.register(
            "feed_synced",
            "Whether the watch of a resource is complete (1) or not (0)",
            feed_synced.clone(),
        );
        let gate_open = Family::default();
        registry.register(
            "gate_open",
            "Whether a gate of spec.Gates is open (1) or not (0), while something is to be restarted",
            gate_open.clone(),
        );
        let admission_questions = Family::default();
        registry.register(
            "admission_questions",
            "Pods created on a dry run to learn what admission would make of them, by what became of that",
            admission_questions.clone(),
        );
        let throttled = Counter::default();
        registry.register(
            "throttled",
            "Restarts that the API server was too busy for, or did not answer",
            throttled.clone(),
        );
        let max_starts_per_pass = Gauge::default();
        registry.register(
            "max_starts_per_pass",
            "Restarts that one pass may start for one config: fewer while the API server is in trouble",
            max_starts_per_pass.clone(),
        );
        let last_pass_timestamp = Gauge::default();
        registry.register_with_unit(
            "last_pass_timestamp",
            "When the last pass ended, since the epoch",
            Unit::Seconds,
            last_pass_timestamp.clone(),
        );
        Self {
            leader,
            restarts,
            workloads,
            pass_seconds,
            feed_synced,
            gate_open,
            admission_questions,
            throttled,
            max_starts_per_pass,
            last_pass_timestamp,
            registry: Arc::new(registry),
        }
    }

    /// The text that Prometheus reads, in the `OpenMetrics` format.
    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        // Writing into a String cannot fail.
        let _ = text::encode(&mut text, &self.registry);
        text
    }
}
