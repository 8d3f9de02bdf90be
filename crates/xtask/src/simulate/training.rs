//! Profile-guided optimisation: the compiler is told how often each branch was taken on some days.
//!
//! What was counted is kept outside the work tree, so that every clone shares it, for as long as the compiler and the
//! dependencies stay the same. What was counted in a function that has changed since is passed over: it gets slower, never
//! wrong. So a profile that cannot be made stops nobody.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use flippy_e2e::cache;

use super::build::{Build, counting_directory, rustc};
use crate::{command, workspace};

/// Days to learn from, and with them those that ever failed. They are not those that anybody measures with.
const SEEDS: &str = "0..300";

/// How to build for many seeds: by a profile, which is made first if there is none.
pub(super) async fn build() -> Result<Build> {
    let profile = profile_path().await?;
    if profile.is_file() {
        return Ok(Build::Trained(profile));
    }
    println!(
        "counting what the simulation does often, once for this compiler and these dependencies: about 15 minutes on two \
         cores until the first seed (--quick: 4)"
    );
    match count(&profile).await {
        Ok(()) => Ok(Build::Trained(profile)),
        Err(error) => {
            eprintln!("NOT TRAINED: each seed takes about a fifth longer than it could: {error:#}");
            Ok(Build::Untrained)
        }
    }
}

/// Named by what it is good for.
async fn profile_path() -> Result<PathBuf> {
    let lock = std::fs::read_to_string(workspace::root().join("Cargo.lock")).context("cannot read Cargo.lock")?;
    let key = cache::key([rustc(&["-vV"]).await?.as_str(), &lock]);
    Ok(cache::root()?.join(format!("simulation/{key}.profdata")))
}

/// Counts on some days, and writes the profile.
async fn count(profile: &Path) -> Result<()> {
    // First, because it is what may be missing.
    let llvm_profdata = llvm_profdata().await?;
    let mut simulate = command::program(Build::Counting.simulate().await?);
    let counts = tempfile::tempdir_in(counting_directory())?;
    simulate.args(["--seeds", SEEDS]).env("LLVM_PROFILE_FILE", counts.path().join("%p.profraw"));
    // A seed that fails is told when it is tried in earnest; the counts are as good.
    let outcome = command::output(simulate).await;
    ensure!(counts.path().read_dir()?.next().is_some(), "nothing was counted: {outcome:?}");
    let directory = profile.parent().context("the profile is in no directory")?;
    std::fs::create_dir_all(directory)?;
    // Under its name only when it is whole: another clone may be looking for it.
    let merged = tempfile::NamedTempFile::new_in(directory)?;
    let mut merge = command::program(llvm_profdata);
    merge.args(["merge", "--output"]).arg(merged.path()).arg(counts.path());
    command::run(merge).await?;
    merged.persist(profile)?;
    // A gigabyte that nobody needs any more.
    drop(counts);
    std::fs::remove_dir_all(counting_directory())?;
    Ok(())
}

/// The compiler's own tool for profiles, which is installed if it is missing.
async fn llvm_profdata() -> Result<PathBuf> {
    let libraries = rustc(&["--print", "target-libdir"]).await?;
    let tool = Path::new(libraries.trim()).with_file_name("bin").join("llvm-profdata");
    if !tool.is_file() {
        let mut add = command::program("rustup");
        add.args(["component", "add", "llvm-tools"]);
        command::run(add).await?;
    }
    ensure!(tool.is_file(), "there is no {}", tool.display());
    Ok(tool)
}
