//! The operator's lives: each begins anew, knows nothing of the one before, and ends.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use flippy_api::ConversionOptions;
use flippy_operator::lease::Timing;
use flippy_operator::{Clients, Clock, Operator, Settings};
use flippy_sim::{LinkState, SimClient, SimCluster};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::prometheus::Prometheus;
use crate::replicas::{self, Wire};
use crate::scenario::{CONFIG_NAMESPACE, Clocks, Ending, How, IGNORE_KEY, Scenario};

/// By this the server's history knows the operator; the number of the life follows.
const USER: &str = "flippy-";

/// Whether a user of the server is one of the operator's lives.
pub(crate) fn is_operator(user: &str) -> bool {
    user.starts_with(USER)
}

/// Which of the lives a user of the server is, from 1 on; 0: none.
pub(crate) fn life_of(user: &str) -> usize {
    user.strip_prefix(USER).and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Where and when the operator lives.
pub(crate) struct Place {
    pub(crate) cluster: SimCluster,
    pub(crate) prometheus: Prometheus,
    /// Its name among several; empty for the only one.
    pub(crate) replica: &'static str,
    /// How often its lease is renewed, if there are several.
    pub(crate) timing: Option<Timing>,
    /// The wire of its present life.
    pub(crate) present: Wire,
    pub(crate) began_at: Timestamp,
    pub(crate) calm_at: tokio::time::Instant,
    /// The life that is being lived.
    pub(crate) life: Arc<AtomicUsize>,
    pub(crate) endings: Vec<Ending>,
    pub(crate) clocks: Clocks,
}

impl Place {
    pub(crate) fn of(
        scenario: &Scenario,
        cluster: &SimCluster,
        prometheus: &Prometheus,
        calm_at: tokio::time::Instant,
    ) -> Self {
        Self {
            cluster: cluster.clone(),
            prometheus: prometheus.clone(),
            replica: "",
            timing: scenario.replicas.as_ref().map(|replicas| replicas.timing),
            present: Wire::default(),
            began_at: cluster.now(),
            calm_at,
            life: Arc::new(AtomicUsize::new(1)),
            endings: scenario.endings.clone(),
            clocks: scenario.clocks.clone(),
        }
    }
}

/// Lives as long as the endings say, and then on; never returns.
pub(crate) async fn live(place: Place) {
    let mut endings = place.endings.iter();
    for life in 1_usize.. {
        place.life.store(life, Ordering::Relaxed);
        let user = format!("{USER}{}{life}", place.replica);
        let wire = place.cluster.connect(&user);
        place.present.set(Some(wire.clone()));
        let ending = endings.next().filter(|_| tokio::time::Instant::now() < place.calm_at);
        let operator = operator(&place, life, &wire, &user);
        Box::pin(one_life(operator, &wire, ending.map(|ending| ending.how), place.calm_at)).await;
        place.present.set(None);
        wire.set_link(LinkState::Refused);
        tokio::time::sleep(Duration::from_millis(ending.map_or(0, |ending| ending.down_milliseconds))).await;
    }
}

async fn one_life(operator: Operator, wire: &SimClient, how: Option<How>, calm_at: tokio::time::Instant) {
    let stop = CancellationToken::new();
    let running = operator.run(stop.clone());
    tokio::pin!(running);
    let death = async {
        match how {
            Some(How::Crash { after_requests, point }) => {
                wire.cut_after(after_requests, point);
                tokio::select! {
                    biased;
                    () = wire.cut() => return,
                    () = tokio::time::sleep_until(calm_at) => {}
                }
                // From now on nobody dies any more, but of a request that is on its way still.
                wire.cut_after(u64::MAX, flippy_sim::CutPoint::BeforeEffect);
                return wire.cut().await;
            }
            Some(How::Kill { after_milliseconds }) => {
                return tokio::time::sleep(Duration::from_millis(after_milliseconds)).await;
            }
            Some(How::Stop { after_milliseconds }) => {
                tokio::time::sleep(Duration::from_millis(after_milliseconds)).await;
                stop.cancel();
            }
            None => {}
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        biased;
        () = death => {}
        ended = &mut running => ended.expect("it listens nowhere, so nothing can be in its way"),
    }
}

fn operator(place: &Place, life: usize, wire: &SimClient, user: &str) -> Operator {
    let now = place.cluster.now();
    let jumps = place.clocks.jumps(now.duration_since(place.began_at));
    Operator {
        clients: Clients {
            watching: wire.client.clone(),
            acting: wire.client.clone(),
            elsewhere: place.prometheus.dialer(user),
        },
        settings: Settings {
            conversion: ConversionOptions {
                ignore_key: IGNORE_KEY.into(),
                trusted_namespaces: BTreeSet::from([CONFIG_NAMESPACE.into()]),
            },
            resync: Duration::from_hours(10),
            instance: "flippy-0".to_owned(),
            election: place.timing.map(|timing| replicas::election(timing, user)),
            health_address: None,
            metrics_address: None,
            metrics_protection: flippy_operator::MetricsProtection::default(),
        },
        clock: Clock::jumping(place.clocks.shown(life, place.began_at, now), jumps),
    }
}
