//! The operator at work on the rehearsal's cluster, until nothing more happens by itself.

use std::time::Duration;

use flippy_api::{ConversionOptions, FlippyConfigStatus};
use flippy_core::annotation::APPROVE_PREFIX;
use flippy_operator::{Clients, Clock, Dialer, MetricsProtection, Operator, Settings};
use flippy_sim::{Json, Resource, SimCluster, json};
use tokio_util::sync::CancellationToken;

use super::recorder::{Recorder, USER};
use crate::exit::Failure;

/// Cluster time between two looks, while something happens and while nothing does.
const LOOK: Duration = Duration::from_millis(200);
const IDLE_LOOK: Duration = Duration::from_secs(5);
/// Cluster time without news after which looks are rarer.
const CALM: Duration = Duration::from_mins(1);
/// A campaign that reports nothing new for this long, and nothing under way, is over.
const QUIET: Duration = Duration::from_secs(30);
/// Cluster time that a campaign may take.
pub(super) const LIMIT: Duration = Duration::from_hours(30 * 24);
/// As in `flippy run`.
const RESYNC: Duration = Duration::from_hours(10);

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Nothing more happens by itself.
    Settled,
    /// It was not over after [`LIMIT`].
    OutOfTime,
    /// Somebody wanted to stop.
    Interrupted,
}

/// Plays it. `look` sees the record now and then, for people who wait.
pub(super) async fn play(
    cluster: &SimCluster,
    options: &ConversionOptions,
    stop: &CancellationToken,
    mut look: impl FnMut(&Recorder, Duration),
) -> Result<(Ended, Recorder), Failure> {
    let begun = cluster.now();
    let mut recorder = Recorder::of(cluster);
    let stop_operator = CancellationToken::new();
    let _also_on_error = stop_operator.clone().drop_guard();
    let running = tokio::spawn(operator(cluster, options).run(stop_operator.clone()));
    let since =
        |from: flippy_core::Timestamp| Duration::try_from(from.duration_until(cluster.now())).unwrap_or_default();
    let ended = loop {
        tokio::time::sleep(if since(recorder.moved_at) > CALM { IDLE_LOOK } else { LOOK }).await;
        for mutation in cluster.drain_mutations() {
            recorder.see(&mutation);
        }
        approve(cluster, &mut recorder)?;
        look(&recorder, since(begun));
        if stop.is_cancelled() {
            break Ended::Interrupted;
        }
        if since(recorder.moved_at) >= QUIET && is_over(cluster) {
            break Ended::Settled;
        }
        if since(begun) >= LIMIT {
            break Ended::OutOfTime;
        }
    };
    stop_operator.cancel();
    recorder.finish(recorder.moved_at);
    match running.await {
        Ok(Ok(())) => Ok((ended, recorder)),
        Ok(Err(error)) => Err(Failure::error(error.to_string())),
        Err(error) => Err(Failure::error(format!("the operator ended unexpectedly: {error}; please report it"))),
    }
}

/// The operator as `flippy run` starts it. Only the way to the API server and the clock are different.
fn operator(cluster: &SimCluster, options: &ConversionOptions) -> Operator {
    Operator {
        clients: Clients { watching: cluster.client(USER), acting: cluster.client(USER), elsewhere: Dialer::tcp() },
        settings: Settings {
            conversion: options.clone(),
            resync: RESYNC,
            instance: "flippy-rehearsal".to_owned(),
            election: None,
            health_address: None,
            metrics_address: None,
            metrics_protection: MetricsProtection::default(),
        },
        clock: Clock::starting_at(cluster.now()),
    }
}

/// Nobody is there to say it; that it is assumed stands in the result.
fn approve(cluster: &SimCluster, recorder: &mut Recorder) -> Result<(), Failure> {
    for (config, wave, campaign) in std::mem::take(&mut recorder.to_approve) {
        let key = format!("{APPROVE_PREFIX}{wave}");
        let value = format!("{campaign} by rehearsal");
        let approved = cluster.edit("rehearsal", Resource::FlippyConfigs, &config.namespace, &config.name, |object| {
            object["metadata"]["annotations"][&key] = json!(value);
        });
        approved
            .map_err(|rejected| Failure::error(format!("wave {wave} of {config} cannot be approved: {rejected}")))?;
    }
    Ok(())
}

/// Whether every config's status says, of its present spec, that nothing is under way.
fn is_over(cluster: &SimCluster) -> bool {
    cluster.list(Resource::FlippyConfigs).iter().all(is_at_rest)
}

fn is_at_rest(config: &Json) -> bool {
    let Ok(status) = serde_json::from_value::<FlippyConfigStatus>((&config["status"]).into()) else { return false };
    let is_moving =
        status.conditions.iter().any(|condition| condition.r#type == "Reconciling" && condition.status == "True");
    status.observed_generation == config["metadata"]["generation"].as_i64() && !is_moving
}
