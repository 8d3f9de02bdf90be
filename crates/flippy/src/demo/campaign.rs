//! The operator at work on the demo's cluster, watched until there is nothing more to see.

use std::time::Duration;

use flippy_api::ConversionOptions;
use flippy_operator::{Clients, Clock, Dialer, Operator, Settings};
use flippy_sim::{Json, Resource, SimCluster};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::ended::Ended;
use super::screen::Screen;
use super::speed::Pace;
use super::story::{Story, status_of};
use super::verdicts;
use crate::exit::Failure;

/// Cluster time between two looks.
const LOOK: Duration = Duration::from_millis(200);
/// A campaign that reports nothing new for this long, and nothing under way, is over.
const QUIET: Duration = Duration::from_secs(30);
/// Cluster time that a campaign may take.
const LIMIT: Duration = Duration::from_hours(4);
/// As in `flippy run`.
const RESYNC: Duration = Duration::from_hours(10);

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum Outcome {
    /// Nothing more happens by itself.
    Settled,
    /// It was not over after four hours.
    OutOfTime,
    /// Somebody wanted to stop.
    Interrupted,
}

/// Runs the operator until the campaign is over, telling what happens. `stop` ends it early.
pub(super) async fn follow(
    cluster: &SimCluster,
    options: &ConversionOptions,
    story: &mut Story,
    pace: &Pace,
    screen: &mut Screen,
    stop: &CancellationToken,
) -> Result<Outcome, Ended> {
    let stop_operator = CancellationToken::new();
    let _also_on_error = stop_operator.clone().drop_guard();
    let running = tokio::spawn(operator(cluster, options).run(stop_operator.clone()));
    let outcome = watch(cluster, options, story, pace, screen, stop).await?;
    stop_operator.cancel();
    match running.await {
        Ok(Ok(())) => Ok(outcome),
        Ok(Err(error)) => Err(Failure::error(error.to_string()).into()),
        Err(error) => Err(Failure::error(format!("the operator ended unexpectedly: {error}; please report it")).into()),
    }
}

/// The operator as `flippy run` starts it. Only the way to the API server and the clock are different.
fn operator(cluster: &SimCluster, options: &ConversionOptions) -> Operator {
    Operator {
        clients: Clients {
            watching: cluster.client("flippy"),
            acting: cluster.client("flippy"),
            elsewhere: Dialer::tcp(),
        },
        settings: Settings {
            conversion: options.clone(),
            resync: RESYNC,
            instance: "flippy-demo".to_owned(),
            election: None,
            health_address: None,
            metrics_address: None,
            metrics_protection: flippy_operator::MetricsProtection::default(),
        },
        clock: Clock::starting_at(cluster.now()),
    }
}

async fn watch(
    cluster: &SimCluster,
    options: &ConversionOptions,
    story: &mut Story,
    pace: &Pace,
    screen: &mut Screen,
    stop: &CancellationToken,
) -> Result<Outcome, Ended> {
    let client = cluster.client("viewer");
    loop {
        tokio::time::sleep(LOOK).await;
        for told in story.read(cluster) {
            screen.tell(&told)?;
        }
        let elapsed = story.elapsed(cluster.now());
        if screen.is_due() {
            let views = verdicts::of(&client, options, cluster.now()).await?;
            screen.draw(&views, elapsed, story.restarts());
        }
        if stop.is_cancelled() {
            return Ok(Outcome::Interrupted);
        }
        if elapsed >= story.moved() + QUIET && is_over(cluster) {
            return Ok(Outcome::Settled);
        }
        if elapsed >= LIMIT {
            return Ok(Outcome::OutOfTime);
        }
        pace.hold(elapsed, stop);
    }
}

/// Whether every config's status says, of its present spec, that nothing is under way.
fn is_over(cluster: &SimCluster) -> bool {
    cluster.list(Resource::FlippyConfigs).iter().all(is_at_rest)
}

fn is_at_rest(config: &Json) -> bool {
    let Some(status) = status_of(config) else { return false };
    let is_moving =
        status.conditions.iter().any(|condition| condition.r#type == "Reconciling" && condition.status == "True");
    // What was refused is tried again.
    let is_moving = is_moving || status.blocked.iter().any(|listed| listed.reason == "Refused");
    status.observed_generation == config["metadata"]["generation"].as_i64() && !is_moving
}
