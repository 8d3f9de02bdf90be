//! The operator as a whole: what it needs to start, and how it runs and stops.

use std::net::SocketAddr;
use std::time::Duration;

use flippy_api::ConversionOptions;
use kube::Client;
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::acting::Acting;
use crate::audience::Audience;
use crate::clock::Clock;
use crate::dial::Dialer;
use crate::driver::Driver;
use crate::feeds::Feeds;
use crate::figures::Figures;
use crate::gates::Gates;
use crate::lease::{Candidate, ElectionSettings, Mandate};
use crate::metrics::Metrics;
use crate::observed::observed;
use crate::serve::{self, Health, TlsFiles};
use crate::source_feeds::SourceFeeds;
use crate::term::Term;
use crate::watches::Watches;
use crate::world::World;

/// Deltas that wait for the loop. A full channel slows the watches down; nothing is dropped.
pub(crate) const DELTAS: usize = 4096;

/// The ways to the API server, and to others.
#[derive(Clone)]
pub struct Clients {
    /// For watches, statuses and events.
    pub watching: Client,
    /// For restarts and the lease. It must not retry by itself (`kube::Config::default_retry = false`): a restart whose answer was
    /// lost is decided anew on what the cluster then shows.
    pub acting: Client,
    /// To what gates ask, and to whom notifications tell.
    pub elsewhere: Dialer,
}

/// What can be set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How configs are read.
    pub conversion: ConversionOptions,
    /// Everything is decided anew at least this often, whatever happens.
    pub resync: Duration,
    /// Who this is, in events: the name of the pod.
    pub instance: String,
    /// The lease whose holder acts. `None`: this replica is the only one, and acts.
    pub election: Option<ElectionSettings>,
    /// Where `/healthz` and `/readyz` are served. `None`: nowhere.
    pub health_address: Option<SocketAddr>,
    /// Where `/metrics` is served. `None`: nowhere.
    pub metrics_address: Option<SocketAddr>,
    /// Who may read them there, and how.
    pub metrics_protection: MetricsProtection,
}

/// What keeps others from reading the metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetricsProtection {
    /// The certificate to serve with. `None`: in the clear.
    pub tls: Option<TlsFiles>,
    /// Whether only those may read them whom the API server lets `get` the path `/metrics`, by their bearer token.
    pub authorization: bool,
}

/// Why it cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The address is taken, or not ours.
    #[error("cannot listen on {address} for {purpose}: {source}; choose another one with {flag}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What for.
        purpose: &'static str,
        /// The flag that sets it.
        flag: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The certificate for metrics cannot be used.
    #[error("cannot serve metrics with TLS: {0}; look at --metrics-tls-cert-file and --metrics-tls-private-key-file")]
    Certificate(String),
}

/// The operator.
pub struct Operator {
    /// The ways to the API server.
    pub clients: Clients,
    /// What can be set.
    pub settings: Settings,
    /// The time.
    pub clock: Clock,
}

impl Operator {
    /// Runs until `stop` is cancelled; then starts nothing more, waits a little for what is on its way, and returns.
    ///
    /// # Errors
    /// When it cannot start. Once it runs, nothing that the cluster does ends it.
    pub async fn run(self, stop: CancellationToken) -> Result<(), StartError> {
        let Self { clients, settings, clock } = self;
        let (health, health_seen) = watch::channel(Health {
            turned_at: Instant::now(),
            not_ready: Some("the first lists are not complete yet".to_owned()),
        });
        let metrics = Metrics::new();
        let clients = Clients {
            watching: observed(&clients.watching, &metrics),
            acting: observed(&clients.acting, &metrics),
            elsewhere: clients.elsewhere,
        };
        if let Some(address) = settings.health_address {
            let listener = listen(address, "health probes", "--health-probe-bind-address").await?;
            tokio::spawn(serve::health(listener, health_seen, stop.child_token()));
        }
        if let Some(address) = settings.metrics_address {
            let listener = listen(address, "metrics", "--metrics-bind-address").await?;
            let ask = settings.metrics_protection.authorization.then(|| clients.watching.clone());
            serve::metrics(listener, metrics.clone(), settings.metrics_protection.tls, ask, stop.child_token())
                .map_err(StartError::Certificate)?;
        }
        let (told_tx, told) = mpsc::channel(DELTAS);
        let source_feeds = SourceFeeds::new(clients.watching.clone(), told_tx.clone());
        let feeds = Feeds::start(clients.watching.clone(), settings.conversion, told_tx);
        let (candidate, leadership) = match settings.election {
            Some(election) => {
                let (candidate, leadership) = Candidate::new(clients.acting.clone(), election, clock.clone());
                (Some(candidate), leadership)
            }
            None => (None, watch::channel(Mandate::Unlimited).1),
        };
        let driver = Driver::new(Parts {
            clients,
            clock,
            instance: settings.instance,
            audience: Audience::Cluster,
            leadership,
            feeds,
            source_feeds,
            metrics,
            health,
            resync: settings.resync,
        });
        let resign = CancellationToken::new();
        let acting = async {
            Box::pin(driver.run(told, stop)).await;
            // Only now: whoever takes the lease acts at once.
            resign.cancel();
        };
        // In one task, so that a loop that hangs loses the lease, too.
        match candidate {
            Some(candidate) => drop(tokio::join!(candidate.run(resign.clone()), acting)),
            None => acting.await,
        }
        Ok(())
    }
}

/// What a driver is made of. The rest begins with its first term.
pub(crate) struct Parts {
    pub(crate) clients: Clients,
    pub(crate) clock: Clock,
    pub(crate) instance: String,
    pub(crate) audience: Audience,
    pub(crate) leadership: watch::Receiver<Mandate>,
    pub(crate) feeds: Feeds,
    pub(crate) source_feeds: SourceFeeds,
    pub(crate) metrics: Metrics,
    pub(crate) health: watch::Sender<Health>,
    pub(crate) resync: Duration,
}

impl Driver {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { clients, clock, instance, audience, leadership, .. } = parts;
        let metrics = parts.metrics;
        Self {
            term: Term::new(Mandate::none(), &clients, &instance, &audience, &clock, &metrics),
            feeds: parts.feeds,
            gates: Gates::new(clients.watching.clone(), clients.elsewhere.clone(), clock.clone(), metrics.clone()),
            source_feeds: parts.source_feeds,
            clock,
            clients,
            instance,
            audience,
            leadership,
            figures: Figures::new(metrics.clone()),
            watches: Watches::new(metrics.clone()),
            has_to_follow: true,
            metrics,
            health: parts.health,
            resync: parts.resync,
            world: World::default(),
            unmet_since: std::collections::BTreeMap::new(),
            wave_memories: std::collections::BTreeMap::new(),
            acting: Acting::default(),
            evictions: crate::evict::Evictions::default(),
        }
    }
}

async fn listen(
    address: SocketAddr,
    purpose: &'static str,
    flag: &'static str,
) -> Result<tokio::net::TcpListener, StartError> {
    serve::bind(address).await.map_err(|source| StartError::Listen { address, purpose, flag, source })
}
