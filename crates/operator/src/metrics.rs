//! What is counted and measured, for Prometheus. No label names a workload: ten thousand series are a fault of their own.

mod labels;
mod reference;
mod registration;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use flippy_core::Kind;
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

pub(crate) use self::labels::{
    ConditionLabels, ConfigLabels, EventLabels, EvictionLabels, FeedLabels, GateLabels, NotificationLabels,
    QuestionLabels, RequestLabels, RestartLabels, VerdictLabels,
};
pub use self::reference::metrics_reference;
use self::registration::Registration;

/// Outcomes of restarts, as the label says them.
const OUTCOMES: [&str; 5] = ["restarted", "outdated", "gone", "refused", "not-sent"];

/// Handles to every metric.
#[derive(Clone)]
pub(crate) struct Metrics {
    pub(crate) leader: Gauge,
    pub(crate) restarts: Family<RestartLabels, Counter>,
    pub(crate) evictions: Family<EvictionLabels, Counter>,
    pub(crate) workloads: Family<VerdictLabels, Gauge>,
    pub(crate) conditions: Family<ConditionLabels, Gauge>,
    pub(crate) campaign_started: Family<ConfigLabels, Gauge<f64, AtomicU64>>,
    pub(crate) campaign_estimated_end: Family<ConfigLabels, Gauge<f64, AtomicU64>>,
    pub(crate) gate_open: Family<GateLabels, Gauge>,
    pub(crate) admission_questions: Family<QuestionLabels, Counter>,
    pub(crate) pass_seconds: Histogram,
    pub(crate) last_pass_timestamp: Gauge<f64, AtomicU64>,
    pub(crate) watch_synced: Family<FeedLabels, Gauge>,
    pub(crate) watch_failures: Family<FeedLabels, Counter>,
    pub(crate) api_requests: Family<RequestLabels, Counter>,
    pub(crate) throttled: Counter,
    pub(crate) max_starts_per_pass: Gauge,
    pub(crate) events: Family<EventLabels, Counter>,
    pub(crate) notifications: Family<NotificationLabels, Counter>,
    registry: Arc<Registry>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let metrics = Self::register(Registration::new());
        // From the first scrape on: a counter that appears with its first restart shows none to `rate`.
        for kind in Kind::ALL {
            for outcome in OUTCOMES {
                drop(metrics.restarts.get_or_create(&RestartLabels { kind: kind.as_str(), outcome }));
            }
        }
        metrics
    }

    fn register(mut new: Registration) -> Self {
        new.build_info();
        Self {
            leader: new.gauge("leader", "Whether this replica acts (1) or watches (0)"),
            restarts: new.family(
                "restarts",
                "Restarts by kind of workload and outcome: restarted, outdated (the workload had changed, so it is decided \
                 anew), gone, refused (by the API server, or it did not answer), not-sent (because one before was not carried out)",
            ),
            evictions: new.family(
                "evictions",
                "Pods evicted, by outcome: evicted, waiting (a disruption budget forbids it now), outdated (the pod had changed, \
                 so it is decided anew), gone, refused (by the API server, or it did not answer)",
            ),
            workloads: new.family("workloads", "Workloads in scope by config and verdict"),
            conditions: new.family(
                "config_condition",
                "Conditions of configs: 1 if True, 0 if False, with the reason that holds now; docs/reasons.md lists them",
            ),
            campaign_started: new.family_in_seconds(
                "campaign_started_timestamp",
                "When the first restart for the wanted images was made, since the epoch; absent before",
            ),
            campaign_estimated_end: new.family_in_seconds(
                "campaign_estimated_end_timestamp",
                "When the campaign is expected to end, since the epoch; absent when that cannot be known",
            ),
            gate_open: new.family(
                "gate_open",
                "Whether a gate of spec.Gates is open (1) or not (0), while something is to be restarted",
            ),
            admission_questions: new.family(
                "admission_questions",
                "Pods created on a dry run to learn what admission would make of them, by what became of that: admitted, \
                 refused, unknown, forbidden, failed, outdated",
            ),
            pass_seconds: new.histogram_in_seconds("pass", "Duration of a pass over all configs"),
            last_pass_timestamp: new
                .gauge_in("last_pass_timestamp", Unit::Seconds, "When this replica last made a pass as the leader, since the epoch"),
            watch_synced: new.family(
                "watch_synced",
                "Whether what the watch of a resource shows is complete (1) or not (0); absent for what is not watched",
            ),
            watch_failures: new.family("watch_failures", "Lists and watches that failed, by resource"),
            api_requests: new.family(
                "api_requests",
                "Requests to the API server, retries of the client itself not counted, by verb, resource and status code \
                 (error: there was no answer)",
            ),
            throttled: new.counter("throttled", "Restarts that the API server was too busy for, or did not answer"),
            max_starts_per_pass: new.gauge(
                "max_starts_per_pass",
                "Restarts that one pass may start for one config: fewer while the API server is in trouble",
            ),
            events: new.family("events", "Kubernetes events by outcome: sent, failed, dropped (too many waited, or were about one object)"),
            notifications: new.family(
                "notifications",
                "Notices to receivers of spec.Notifications by outcome: sent, retried (it did not get through, and is tried \
                 again), failed (given up)",
            ),
            registry: new.finish(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_happened_is_counted_as_zero_from_the_first_scrape_on() {
        let text = Metrics::new().render();
        assert!(text.contains("flippy_restarts_total{kind=\"ArgoRollout\",outcome=\"refused\"} 0\n"), "{text}");
    }
}
