//! One campaign for somebody who waits for its end: the operator's loop, about configs that are given.

use std::time::Duration;

use flippy_api::{ConversionOptions, FlippyConfig};
use kube::Client;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::audience::{Audience, News};
use crate::clock::Clock;
use crate::driver::Driver;
use crate::feeds::Feeds;
use crate::given;
use crate::lease::Mandate;
use crate::metrics::Metrics;
use crate::operator::{Clients, DELTAS, Parts};
use crate::serve::Health;
use crate::source_feeds::SourceFeeds;

/// Whatever happens, everything is decided anew at least this often.
const RESYNC: Duration = Duration::from_hours(1);

/// The operator without anything of its own in the cluster: no resource definition, no lease, no status. What it is about
/// is given, what it finds is said to whoever gave it; what it did is on the workloads.
pub struct Campaign {
    /// The ways to the API server.
    pub clients: Clients,
    /// How configs are read.
    pub conversion: ConversionOptions,
    /// What it is about. The others of the cluster have no say.
    pub configs: Vec<FlippyConfig>,
    /// A config as it is from then on, for example with an approval.
    pub changes: mpsc::Receiver<FlippyConfig>,
    /// Who this is, in events.
    pub instance: String,
    /// The time.
    pub clock: Clock,
    /// Hears everything.
    pub news: mpsc::Sender<News>,
}

impl Campaign {
    /// Runs until `stop` is cancelled; then starts nothing more, waits a little for what is on its way, and returns.
    /// When it is over is for whoever hears the news to say: more may become stale at any time.
    pub async fn run(self, stop: CancellationToken) {
        let Self { clients, conversion, configs, changes, instance, clock, news } = self;
        let (told_tx, told) = mpsc::channel(DELTAS);
        let watching: &Client = &clients.watching;
        let given = given::tell_of_configs(configs, changes, conversion.clone(), told_tx.clone());
        let rollouts = given::tell_whether_rollouts_are_served(watching.clone(), told_tx.clone());
        let _also_told = AbortOnDropHandle::new(tokio::spawn(async { tokio::join!(given, rollouts) }));
        let source_feeds = SourceFeeds::new(watching.clone(), told_tx.clone());
        let feeds = Feeds::start_without_definitions(watching.clone(), conversion, told_tx);
        let driver = Driver::new(Parts {
            clients,
            clock,
            instance,
            audience: Audience::Person(news),
            // Nobody else is at work on these configs: whoever starts a campaign makes sure of that.
            leadership: watch::channel(Mandate::Unlimited).1,
            feeds,
            source_feeds,
            metrics: Metrics::new(),
            // Nobody asks whether it is alive: somebody is watching.
            health: watch::channel(Health { turned_at: Instant::now(), not_ready: None }).0,
            resync: RESYNC,
        });
        Box::pin(driver.run(told, stop)).await;
    }
}
