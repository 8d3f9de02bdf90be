//! How metrics come into the registry: one call each, so that none can be forgotten in docs/metrics.md.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry, Unit};

pub(super) struct Registration {
    registry: Registry,
    /// Whether each family gets one series without values, so that its labels can be seen: an empty one is not shown.
    shows_labels: bool,
}

impl Registration {
    pub(super) fn new() -> Self {
        Self { registry: Registry::with_prefix("flippy"), shows_labels: false }
    }

    pub(super) fn showing_labels() -> Self {
        Self { shows_labels: true, ..Self::new() }
    }

    pub(super) fn finish(self) -> Arc<Registry> {
        Arc::new(self.registry)
    }

    pub(super) fn build_info(&mut self) {
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        self.registry.register("build", "What is running", build);
    }

    pub(super) fn counter(&mut self, name: &str, help: &str) -> Counter {
        self.keep(name, None, help, Counter::default())
    }

    pub(super) fn gauge(&mut self, name: &str, help: &str) -> Gauge {
        self.keep(name, None, help, Gauge::default())
    }

    pub(super) fn gauge_in(&mut self, name: &str, unit: Unit, help: &str) -> Gauge<f64, AtomicU64> {
        self.keep(name, Some(unit), help, Gauge::default())
    }

    pub(super) fn histogram_in_seconds(&mut self, name: &str, help: &str) -> Histogram {
        let histogram = Histogram::new(exponential_buckets(0.0001, 4.0, 8));
        self.keep(name, Some(Unit::Seconds), help, histogram)
    }

    pub(super) fn family<L, M>(&mut self, name: &str, help: &str) -> Family<L, M>
    where
        Family<L, M>: Metric + Clone,
        L: Default + Clone + std::hash::Hash + Eq,
        M: Default,
    {
        let family = self.labelled();
        self.keep(name, None, help, family)
    }

    pub(super) fn family_in_seconds<L, M>(&mut self, name: &str, help: &str) -> Family<L, M>
    where
        Family<L, M>: Metric + Clone,
        L: Default + Clone + std::hash::Hash + Eq,
        M: Default,
    {
        let family = self.labelled();
        self.keep(name, Some(Unit::Seconds), help, family)
    }

    fn labelled<L: Default + Clone + std::hash::Hash + Eq, M: Default>(&self) -> Family<L, M> {
        let family = Family::default();
        if self.shows_labels {
            drop(family.get_or_create(&L::default()));
        }
        family
    }

    fn keep<M: Metric + Clone>(&mut self, name: &str, unit: Option<Unit>, help: &str, metric: M) -> M {
        match unit {
            Some(unit) => self.registry.register_with_unit(name, help, unit, metric.clone()),
            None => self.registry.register(name, help, metric.clone()),
        }
        metric
    }
}
