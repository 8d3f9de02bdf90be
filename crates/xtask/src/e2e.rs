//! `cargo xtask e2e`: the end-to-end tests on a real control plane, which is started for them.

use std::path::PathBuf;

use anyhow::{Context, Result};
use flippy_e2e::cluster::CLUSTER_VARIABLE;
use flippy_e2e::control_plane::ControlPlane;
use flippy_e2e::operator::BINARY_VARIABLE;

use crate::{command, go, workspace};

/// Is in the names of the tests that run on the simulated cluster: `cargo test -p flippy-e2e embedded` runs them all.
pub(crate) const EMBEDDED: &str = "embedded";

#[derive(Debug, Default, clap::Args)]
pub(crate) struct Arguments {
    /// Run only tests whose names contain one of these; what follows `--` goes to the test programs as it is
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    filters: Vec<String>,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<()> {
    let mut build = command::cargo();
    build.args(["build", "--package", "flippy"]);
    command::run(build).await?;
    // Before the cluster is started, so that it does not compete with a compiler.
    let mut build = command::cargo();
    build.args(["test", "--package", "flippy-e2e", "--no-run"]);
    command::run(build).await?;

    if std::env::var_os(CLUSTER_VARIABLE).is_some() {
        return test(arguments, None).await;
    }
    go::build_missing().await?;
    let runs = workspace::target().join("e2e");
    std::fs::create_dir_all(&runs)?;
    let directory = tempfile::Builder::new().prefix("run-").tempdir_in(runs)?;
    let control_plane = ControlPlane::start(directory.path()).await?;
    let outcome = test(arguments, Some(control_plane.cluster().directory().to_owned())).await;
    drop(control_plane);
    if outcome.is_err() {
        // For whoever wants to know why.
        let kept = directory.keep();
        return outcome.with_context(|| format!("logs and audit log are kept in {}", kept.display()));
    }
    outcome
}

async fn test(arguments: &Arguments, cluster: Option<PathBuf>) -> Result<()> {
    let mut tests = command::cargo();
    // Scenarios take turns anyway; one thread keeps their reports apart and their times honest.
    tests.args(["test", "--package", "flippy-e2e", "--", "--test-threads=1", "--skip", EMBEDDED]);
    tests.args(&arguments.filters);
    tests.env(BINARY_VARIABLE, workspace::operator());
    if let Some(cluster) = cluster {
        tests.env(CLUSTER_VARIABLE, cluster);
    }
    command::run(tests).await
}
