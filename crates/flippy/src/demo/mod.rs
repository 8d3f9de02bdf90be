//! `flippy demo`: the operator at work on a cluster in memory, from a mesh upgrade to the last verdict.
//!
//! The operator is the one of `flippy run`. What is shown is read from the API that it writes to; nothing is scripted
//! but the cluster before the curtain rises, and the mesh upgrade.

mod args;
mod campaign;
mod closing;
mod company;
mod config;
mod ended;
mod live;
mod page;
mod quirk;
mod screen;
mod speed;
mod stage;
mod story;
mod tally;
mod verdicts;
mod words;

use std::process::ExitCode;
use std::time::Duration;

use flippy_sim::{Resource, SIDECAR, SimCluster};
use tokio_util::sync::CancellationToken;

pub(crate) use args::DemoArgs;
#[cfg(all(test, feature = "otlp"))]
pub(crate) use args::DemoOutput;

use crate::exit::{self, Failure};
use crate::stop;
use campaign::Outcome;
use closing::Ending;
use config::Configs;
use ended::Ended;
use page::Page;
use quirk::OLD_IMAGE;
use screen::Screen;
use speed::{Pace, Speed};
use story::{Story, Told, What};

/// On a terminal, unless told otherwise: a minute a second.
const WATCHABLE: Speed = Speed::Times(60.0);
/// What a shell shows for a program that SIGINT ended.
const INTERRUPTED: u8 = 130;

/// Shows it all.
pub(crate) fn demo(args: &DemoArgs) -> Result<ExitCode, Failure> {
    if args.print_config {
        return exit::print(config::OWN).map(|()| ExitCode::SUCCESS);
    }
    let configs = Configs::read(args.config.as_deref())?;
    // Cluster time passes on this thread, which is blocked for most of real time: signals need one of their own.
    let listening = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_io().build();
    let listening = listening.map_err(|error| Failure::error(format!("cannot start a thread: {error}")))?;
    let stop = listening.block_on(async { stop::on_signals() })?;
    let outcome = flippy_sim::run(perform(args, &configs, &stop));
    listening.shutdown_background();
    match outcome {
        Ok(Outcome::Settled) | Err(Ended::Closed) => Ok(ExitCode::SUCCESS),
        Ok(Outcome::Interrupted) => Ok(INTERRUPTED.into()),
        Err(Ended::Failed(failure)) => Err(failure),
        Ok(Outcome::OutOfTime) => Err(Failure::error("the campaign was not over after four hours of cluster time")),
    }
}

async fn perform(args: &DemoArgs, configs: &Configs, stop: &CancellationToken) -> Result<Outcome, Ended> {
    let mut screen = Screen::of_stdout(args.output);
    let speed = args.speed.unwrap_or(if screen.is_live() { WATCHABLE } else { Speed::Max });
    let cluster = stage::set(args.seed).await?;
    let mut story = Story::beginning_now(&cluster);
    let report = args.report.as_deref().map(|path| Page::beginning_now(&cluster, path));
    let pace = Pace::starting_now(speed);
    open(&cluster, configs, &mut screen)?;
    let outcome = campaign::follow(&cluster, &configs.options, &mut story, &pace, &mut screen, stop).await?;
    let client = cluster.client("viewer");
    let views = verdicts::of(&client, &configs.options, cluster.now()).await?;
    // The wait for news that did not come is no part of the campaign.
    let elapsed = if outcome == Outcome::Settled { story.moved() } else { story.elapsed(cluster.now()) };
    screen.draw(&views, elapsed, story.restarts());
    screen.finish()?;
    if let Some(report) = report {
        report.write(&cluster, &views, outcome == Outcome::Settled)?;
    }
    let ending = Ending {
        outcome,
        seed: args.seed,
        cluster_seconds: elapsed.as_secs_f64(),
        restarts: story.restarts(),
        left_alone: verdicts::left_alone(&client, &configs.options, &configs.objects).await?,
        configs: views,
        real: pace.real(),
    };
    closing::show(ending, args.output, &screen)?;
    Ok(outcome)
}

/// The mesh, its upgrade, and the config.
fn open(cluster: &SimCluster, configs: &Configs, screen: &mut Screen) -> Result<(), Ended> {
    let started = |subject: &str, message: String| Told {
        what: What::Started,
        elapsed: Duration::ZERO,
        subject: subject.to_owned(),
        reason: String::new(),
        message,
    };
    let sidecars = cluster.images(SIDECAR).len();
    let namespaces = cluster.list(Resource::Namespaces);
    let in_mesh =
        namespaces.iter().filter(|namespace| namespace["metadata"]["labels"]["istio-injection"] == "enabled").count();
    screen.say(
        "A Kubernetes cluster in this process, and Flippy as it would run in yours. Nothing else is touched.\n\n",
    )?;
    screen.tell(&started(
        "cluster",
        format!("{sidecars} pods in {in_mesh} namespaces run with the sidecar {OLD_IMAGE}"),
    ))?;
    let image = configs.mesh_image();
    stage::upgrade_mesh(cluster, image)?;
    screen.tell(&started("mesh", format!("upgraded: new pods get {image}, running ones keep what they have")))?;
    for object in &configs.objects {
        stage::apply(cluster, object)?;
    }
    screen.tell(&started("config", format!("applied {}", configs.names())))?;
    for change in &configs.changes {
        screen.tell(&started("config", change.clone()))?;
    }
    screen.say(&configs.shown())
}
