//! `cargo xtask simulate`: tries the operator on unlucky days, with optimisation and on all cores.

use anyhow::Result;

use crate::command;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// What `simulate` takes: `--seeds A..B`, or `--seed N --trace`; `--help` tells all of it
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

impl Arguments {
    pub(crate) fn of(arguments: &[&str]) -> Self {
        Self { arguments: arguments.iter().map(ToString::to_string).collect() }
    }
}

pub(crate) async fn run(arguments: &Arguments) -> Result<()> {
    let mut command = command::cargo();
    command.args([
        "run",
        "--quiet",
        "--profile",
        "simulation",
        "--package",
        "flippy-simulation",
        "--bin",
        "simulate",
        "--",
    ]);
    command.args(&arguments.arguments);
    // Each seed fills again what the one before has left: memory that is given back in between costs more than it saves.
    command.env("MIMALLOC_PURGE_DELAY", "-1");
    command::run(command).await
}
