//! The operator's lives: each begins anew, knows nothing of the one before, and ends.

use std::collections::BTreeSet;
use std::time::Duration;

use flippy_api::ConversionOptions;
use flippy_operator::{Clients, Clock, Operator, Settings};
use flippy_sim::{LinkState, SimClient, SimCluster};
use tokio_util::sync::CancellationToken;

use crate::scenario::{CONFIG_NAMESPACE, Ending, How, IGNORE_KEY};

/// By this the server's history knows the operator; the number of the life follows.
const USER: &str = "flippy-";

/// Whether a user of the server is one of the operator's lives.
pub(crate) fn is_operator(user: &str) -> bool {
    user.starts_with(USER)
}

/// Lives as long as the endings say, and then on; never returns.
pub(crate) async fn live(cluster: SimCluster, endings: Vec<Ending>, calm_at: tokio::time::Instant) {
    let mut endings = endings.into_iter();
    for life in 1_u64.. {
        let wire = cluster.connect(&format!("{USER}{life}"));
        let ending = endings.next().filter(|_| tokio::time::Instant::now() < calm_at);
        one_life(&cluster, &wire, ending.map(|ending| ending.how), calm_at).await;
        wire.set_link(LinkState::Refused);
        tokio::time::sleep(Duration::from_millis(ending.map_or(0, |ending| ending.down_milliseconds))).await;
    }
}

async fn one_life(cluster: &SimCluster, wire: &SimClient, how: Option<How>, calm_at: tokio::time::Instant) {
    let stop = CancellationToken::new();
    let running = operator(cluster, wire).run(stop.clone());
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
                // From now on nobody dies any more.
                wire.cut_after(u64::MAX, flippy_sim::CutPoint::BeforeEffect);
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

fn operator(cluster: &SimCluster, wire: &SimClient) -> Operator {
    Operator {
        clients: Clients { watching: wire.client.clone(), acting: wire.client.clone() },
        settings: Settings {
            conversion: ConversionOptions {
                ignore_key: IGNORE_KEY.into(),
                trusted_namespaces: BTreeSet::from([CONFIG_NAMESPACE.into()]),
            },
            resync: Duration::from_hours(10),
            instance: "flippy-0".to_owned(),
            health_address: None,
            metrics_address: None,
        },
        clock: Clock::starting_at(cluster.now()),
    }
}
