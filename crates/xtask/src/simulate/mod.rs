//! `cargo xtask simulate`: tries the operator on unlucky days, with optimisation and on all cores.

mod build;
mod training;

use anyhow::Result;

use crate::command;
use build::Build;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Build sooner what needs longer for each seed: for a few seeds, or to replay one. Comes before the other arguments
    #[arg(long)]
    quick: bool,
    /// What `simulate` takes: `--seeds A..B`, or `--seed N --trace`; `--help` tells all of it
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

impl Arguments {
    pub(crate) fn of(arguments: &[&str]) -> Self {
        Self { quick: false, arguments: arguments.iter().map(ToString::to_string).collect() }
    }
}

pub(crate) async fn run(arguments: &Arguments) -> Result<()> {
    let build = if arguments.quick { Build::Quick } else { training::build().await? };
    let mut simulate = command::program(build.simulate().await?);
    simulate.args(&arguments.arguments);
    // Each seed fills again what the one before has left: memory that is given back in between costs more than it saves.
    simulate.env("MIMALLOC_PURGE_DELAY", "-1");
    command::run(simulate).await
}
