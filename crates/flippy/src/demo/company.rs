//! The company whose mesh it is: a dozen teams and their 80 workloads.

use flippy_core::Kind;

use super::quirk::Quirk;

/// One workload.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub(super) kind: Kind,
    pub(super) name: &'static str,
    /// Pods; a `DaemonSet` has one on every node whatever this says.
    pub(super) replicas: u64,
    pub(super) quirk: Option<Quirk>,
}

impl Member {
    const fn with(self, quirk: Quirk) -> Self {
        Self { quirk: Some(quirk), ..self }
    }
}

/// A team: its namespace and what it runs there.
pub(super) type Team = (&'static str, &'static [Member]);

const fn deployment(name: &'static str, replicas: u64) -> Member {
    Member { kind: Kind::Deployment, name, replicas, quirk: None }
}

const fn rollout(name: &'static str, replicas: u64) -> Member {
    Member { kind: Kind::ArgoRollout, name, replicas, quirk: None }
}

const fn stateful_set(name: &'static str, replicas: u64) -> Member {
    Member { kind: Kind::StatefulSet, name, replicas, quirk: None }
}

const fn daemon_set(name: &'static str) -> Member {
    Member { kind: Kind::DaemonSet, name, replicas: 0, quirk: None }
}

/// Namespaces whose pods get a sidecar.
pub(super) const TEAMS: [Team; 12] = [
    (
        "accounts",
        &[
            deployment("web", 3),
            deployment("api", 4),
            deployment("mailer", 2),
            deployment("data-export", 2),
            rollout("profile", 3),
            stateful_set("sessions", 3),
        ],
    ),
    (
        "billing",
        &[
            deployment("api", 3),
            deployment("invoices", 2),
            deployment("ledger", 2).with(Quirk::Paused),
            deployment("dunning", 1),
            deployment("tax-rates", 2),
            rollout("pricing", 3),
            stateful_set("journal", 3),
        ],
    ),
    (
        "catalogue",
        &[
            deployment("web", 4),
            deployment("api", 4),
            deployment("importer", 1),
            deployment("thumbnails", 2).with(Quirk::Crashing),
            deployment("feeds", 2),
            rollout("recommendations", 4),
            stateful_set("cache", 3),
        ],
    ),
    (
        "checkout",
        &[
            deployment("basket", 4),
            deployment("coupons", 2),
            deployment("fraud-check", 3),
            deployment("gift-cards", 1),
            rollout("api", 4),
            rollout("web", 4).with(Quirk::MidCanary),
            stateful_set("baskets-db", 3),
        ],
    ),
    (
        "delivery",
        &[
            deployment("api", 3),
            deployment("couriers", 2),
            deployment("labels", 2),
            deployment("route-planner", 2).with(Quirk::NeverReadyAgain),
            deployment("tracking", 3),
            rollout("slots", 2),
            stateful_set("events", 3),
        ],
    ),
    (
        "identity",
        &[
            deployment("login", 4),
            deployment("tokens", 3),
            deployment("audit", 2),
            deployment("legacy-sso", 1).with(Quirk::Pinned),
            rollout("consent", 2),
            stateful_set("directory", 3).with(Quirk::SlowStart),
        ],
    ),
    (
        "notifications",
        &[
            deployment("api", 2),
            deployment("email", 3),
            deployment("push", 3),
            deployment("sms", 2),
            deployment("templates", 1),
            rollout("preferences", 2),
        ],
    ),
    (
        "orders",
        &[
            deployment("api", 4),
            deployment("exporter", 1),
            deployment("fulfilment", 3),
            deployment("returns", 2),
            deployment("worker", 3).with(Quirk::NativeSidecar),
            rollout("history", 3),
            stateful_set("archive", 2).with(Quirk::OnDelete),
            stateful_set("queue", 3),
        ],
    ),
    (
        "payments",
        &[
            deployment("api", 4),
            deployment("hsm-bridge", 2).with(Quirk::Ignored),
            deployment("payouts", 2),
            deployment("reconciliation", 1),
            deployment("webhooks", 3),
            rollout("card-gateway", 2).with(Quirk::TightBudget),
            rollout("wallet", 3),
            stateful_set("vault", 3),
        ],
    ),
    ("platform", &[daemon_set("log-shipper"), daemon_set("node-cache"), deployment("flags", 3), deployment("cron", 1)]),
    (
        "reviews",
        &[
            deployment("api", 3).with(Quirk::NativeSidecar),
            deployment("moderation", 2),
            deployment("ratings", 3),
            deployment("web", 2),
            rollout("summaries", 2),
            stateful_set("store", 3),
        ],
    ),
    (
        "search",
        &[
            deployment("api", 4),
            deployment("crawler", 2),
            deployment("indexer", 2),
            deployment("suggest", 3),
            deployment("synonyms", 1),
            rollout("ranking", 3),
            stateful_set("shards", 4).with(Quirk::Partition),
            daemon_set("warm-up"),
        ],
    ),
];

/// A namespace that wants to be left alone, and one whose pods get no sidecar.
pub(super) const FROZEN: Team = ("sandbox", &[deployment("playground", 1)]);
/// What every cluster has beside the mesh.
pub(super) const NOT_IN_THE_MESH: Team = ("kube-system", &[deployment("coredns", 2), daemon_set("node-agent")]);
