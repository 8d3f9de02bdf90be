//! The static binary, for this machine's architecture or another.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::Arguments;
use crate::{command, workspace};

/// What was built.
pub(super) struct Built {
    pub(super) binary: PathBuf,
    /// The list of dependencies is inside of the binary, where scanners of images read it.
    pub(super) lists_dependencies: bool,
}

/// Builds the static binary.
pub(super) async fn build(arguments: &Arguments) -> Result<Built> {
    let mut target = arguments.architecture.target();
    let mut build = command::cargo();
    let lists_dependencies = command::find("cargo-auditable").is_some();
    if lists_dependencies {
        build.arg("auditable");
    } else {
        println!("cargo-auditable is not installed: the binary will not say what it was built from");
    }
    let mut add = command::program("rustup");
    add.args(["target", "add", target]);
    if let Err(error) = command::run(add).await {
        let glibc = arguments.architecture.same_with_glibc();
        target = glibc.with_context(|| format!("{error}: the standard library for {target} cannot be had"))?;
        println!(
            "NOT THE IMAGE THAT IS SHIPPED: the standard library for musl cannot be had ({error}); it is linked \
             statically with glibc instead, which cannot look names up without its own files"
        );
        build.env("RUSTFLAGS", "-C target-feature=+crt-static");
    }
    build.args(["build", "--package", "flippy", "--locked", "--target", target, "--profile", &arguments.profile]);
    let c_compiler = arguments.architecture.c_compiler();
    build.env(format!("CC_{}", target.replace('-', "_")), c_compiler);
    if c_compiler != "cc" {
        // It brings its own start-up code and libc for this kind of target.
        build.env(format!("CARGO_TARGET_{}_LINKER", target.replace('-', "_").to_uppercase()), "rust-lld");
    }
    command::run(build).await?;
    let directory = if arguments.profile == "dev" { "debug" } else { &arguments.profile };
    let binary = workspace::target().join(target).join(directory).join("flippy");
    Ok(Built { binary, lists_dependencies })
}
