//! The repository's own chores. `cargo xtask help` lists them.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "chores talk to people")]

mod bench;
mod command;
mod control_plane;
mod deny;
mod e2e;
mod generate;
mod go;
mod image;
mod interrupt;
mod simulate;
mod test;
mod trial;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "The repository's own chores", version)]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Run everything that CI runs, in order, until something fails
    Test,
    /// Try the operator on unlucky days, drawn from seeds, with everything going wrong
    Simulate(simulate::Arguments),
    /// Run the end-to-end tests on a control plane of their own, or on the one that `FLIPPY_E2E_CLUSTER` names
    E2e(e2e::Arguments),
    /// See Flippy work: a control plane, a mesh, an upgrade, a campaign
    Try(trial::Arguments),
    /// Measure what a campaign costs on a real control plane
    #[command(subcommand)]
    Bench(bench::Bench),
    /// The control plane for tests: build it once, start it, stop it
    #[command(subcommand)]
    ControlPlane(control_plane::Chore),
    /// Build the root file system of the image, as the Dockerfile does
    ImageRoot(image::Arguments),
    /// Write the files that are generated, or check that they are fresh
    Generate(generate::Arguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Whatever is under way is dropped on an interrupt, and stops its processes then. A chore that waits for one itself
    // comes first.
    let outcome = tokio::select! {
        biased;
        outcome = run(arguments.chore) => outcome,
        signal = interrupt::received() => Err(anyhow::anyhow!("stopped by {signal}")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(chore: Chore) -> Result<()> {
    match chore {
        Chore::Test => test::run().await,
        Chore::Simulate(arguments) => simulate::run(&arguments).await,
        Chore::E2e(arguments) => e2e::run(&arguments).await,
        Chore::Try(arguments) => trial::run(&arguments).await,
        Chore::Bench(bench) => bench::run(bench).await,
        Chore::ControlPlane(chore) => control_plane::run(chore).await,
        Chore::ImageRoot(arguments) => image::run(&arguments).await.map(drop),
        Chore::Generate(arguments) => generate::run(&arguments).await,
    }
}
