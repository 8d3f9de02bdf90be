//! `cargo xtask bench`: what a campaign costs on a real control plane, beside what people do without Flippy.

mod canned;
mod contender;
mod fleet;
mod idle;
mod large_mesh;
mod look;
mod measurement;
mod slots;
mod usage;
mod watching;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use flippy_e2e::control_plane::ControlPlane;

use crate::{command, go, workspace};
use contender::Contender;
use fleet::Fleet;
use measurement::Measurement;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Bench {
    /// A serial campaign over Deployments of two pods each: Flippy, a loop over `kubectl rollout`, and a baseline
    Restart(RestartArguments),
    /// Campaigns with more and more restarts under way at once, and how long free slots wait for the operator
    ///
    /// The operator's own overhead is the share of the time of all slots, from the first restart to the last, in which a
    /// slot was free, something was left to start in it, and the API server had not received the request for that. It has
    /// two parts: until the operator had decided, which is the time that it writes onto the workload, and from then on. What
    /// controllers, the scheduler and nodes take for a rollout is not part of it. Machines that do something else
    /// besides give larger figures
    Pace(PaceArguments),
    /// Requests of an operator that has nothing to do
    Idle(IdleArguments),
    /// To know a large cluster: `flippy plan`, `explain` and an operator that restarts nothing, beside listing the same
    /// objects. Needs no control plane
    Look(look::LookArguments),
}

#[derive(Debug, clap::Args)]
pub(crate) struct RestartArguments {
    /// How many Deployments
    #[arg(long, default_value_t = 200)]
    deployments: usize,
    /// A further contender: a shell command that restarts what is stale. It gets KUBECONFIG (a cluster admin), IMAGE and
    /// `FLIPPY_CONFIG` (a file), and is ended when everything is fresh
    #[arg(long, value_name = "CMD")]
    baseline: Option<String>,
    /// Leave out the loop over `kubectl rollout`, which takes minutes
    #[arg(long)]
    without_loop: bool,
    /// Where the figures go as JSON; without it they are printed after the table
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct PaceArguments {
    /// How many Deployments
    #[arg(long, default_value_t = 1000)]
    deployments: usize,
    /// Seconds until a pod is ready. 0 shows what the operator can do at most; real pods take their time
    #[arg(long, default_value_t = 0.0)]
    ready_after: f32,
    /// The limits to compare
    #[arg(long, value_delimiter = ',', default_value = "1,10,50,200")]
    max_concurrent: Vec<usize>,
    /// Where the figures go as JSON; without it they are printed after the table
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct IdleArguments {
    /// How many Deployments
    #[arg(long, default_value_t = 200)]
    deployments: usize,
    /// For how long
    #[arg(long, default_value_t = 5)]
    minutes: u64,
}

pub(crate) async fn run(bench: Bench) -> Result<()> {
    if let Bench::Look(arguments) = &bench {
        return look::run(arguments).await;
    }
    let mut build = command::cargo();
    build.args(["build", "--release", "--package", "flippy"]);
    command::run(build).await?;
    go::build_missing().await?;
    let runs = workspace::target().join("bench");
    std::fs::create_dir_all(&runs)?;
    let directory = tempfile::Builder::new().prefix("run-").tempdir_in(runs)?;
    say("starting a control plane without limits on requests");
    // Otherwise the API server's fairness would be measured, not the contenders.
    let unlimited =
        ["--max-requests-inflight=0", "--max-mutating-requests-inflight=0", "--enable-priority-and-fairness=false"];
    let control_plane = ControlPlane::start_with(directory.path(), &unlimited).await?;
    match bench {
        Bench::Restart(arguments) => restart(&control_plane, arguments).await,
        Bench::Pace(arguments) => {
            let contenders = arguments.max_concurrent.iter().map(|limit| Contender::Flippy(Some(*limit))).collect();
            let ready_after = Duration::try_from_secs_f32(arguments.ready_after)?;
            compare(&control_plane, arguments.deployments, ready_after, contenders, arguments.json).await
        }
        Bench::Look(_) => Ok(()),
        Bench::Idle(arguments) => {
            let fleet = Fleet::create(control_plane.cluster(), arguments.deployments, Duration::ZERO).await?;
            idle::run(&fleet, arguments.minutes).await
        }
    }
}

async fn restart(control_plane: &ControlPlane, arguments: RestartArguments) -> Result<()> {
    let mut contenders = vec![Contender::Flippy(None)];
    contenders.extend(arguments.baseline.map(Contender::Baseline));
    if !arguments.without_loop {
        contenders.push(Contender::KubectlLoop);
    }
    compare(control_plane, arguments.deployments, Duration::ZERO, contenders, arguments.json).await
}

/// Lets one after the other restart the same fleet, and shows their figures side by side.
async fn compare(
    control_plane: &ControlPlane,
    deployments: usize,
    ready_after: Duration,
    contenders: Vec<Contender>,
    json: Option<PathBuf>,
) -> Result<()> {
    let fleet = Fleet::create(control_plane.cluster(), deployments, ready_after).await?;
    let mut measurements: Vec<Measurement> = Vec::new();
    for (number, contender) in contenders.into_iter().enumerate() {
        let image = format!("docker.io/istio/proxyv2:1.31.{number}");
        say(&format!("{}: {deployments} Deployments to {image}", contender.name()));
        measurements.push(contender.measure(&fleet, &image).await?);
    }
    println!("\n{}", measurement::table(&measurements));
    let text = serde_json::to_string_pretty(&measurement::json(&measurements))?;
    match json {
        None => println!("{text}"),
        Some(file) => std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?,
    }
    Ok(())
}

fn say(message: &str) {
    println!("{message}");
}
