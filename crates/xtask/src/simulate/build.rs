//! The ways to build the simulation.

use std::path::PathBuf;

use anyhow::Result;

use crate::{command, workspace};

pub(super) enum Build {
    /// Soon there, and slow.
    Quick,
    /// As fast as can be without a profile.
    Untrained,
    /// Counts how often each branch is taken.
    Counting,
    /// Laid out by such counts: this profile's.
    Trained(PathBuf),
}

impl Build {
    /// Builds `simulate`, and says where it is.
    pub(super) async fn simulate(&self) -> Result<PathBuf> {
        let profile = match self {
            Self::Quick => "simulation-quick",
            // One for all of them: with another, functions have other names, and nothing of what was counted is found.
            Self::Untrained | Self::Counting | Self::Trained(_) => "simulation",
        };
        let flags = match self {
            Self::Quick | Self::Untrained => None,
            Self::Counting => Some("-Cprofile-generate".to_owned()),
            // Functions that have changed since are no news.
            Self::Trained(profile) => {
                Some(format!("-Cprofile-use={}\x1f-Cllvm-args=-no-pgo-warn-mismatch", profile.display()))
            }
        };
        let target_directory = match self {
            Self::Counting => counting_directory(),
            Self::Quick | Self::Untrained | Self::Trained(_) => workspace::target(),
        };
        let mut build = command::cargo();
        build.args(["build", "--quiet", "--package", "flippy-simulation", "--bin", "simulate", "--profile", profile]);
        build.arg("--target-dir").arg(&target_directory);
        let mut binaries = target_directory;
        if let Some(flags) = flags {
            // With a target, so that what runs while we build, such as macros, is built without the flags.
            let host = rustc(&["--print", "host-tuple"]).await?;
            build.args(["--target", host.trim()]).env("CARGO_ENCODED_RUSTFLAGS", flags);
            binaries.push(host.trim());
        }
        command::run(build).await?;
        Ok(binaries.join(profile).join("simulate"))
    }
}

/// Where the program that counts is built: apart, because it is needed once.
pub(super) fn counting_directory() -> PathBuf {
    workspace::target().join("simulation-counting")
}

/// What the compiler says when it is asked this.
pub(super) async fn rustc(question: &[&str]) -> Result<String> {
    let mut rustc = command::program("rustc");
    rustc.args(question);
    command::output(rustc).await
}
