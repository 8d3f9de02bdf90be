//! Building the control plane's Go modules into the cache.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use flippy_e2e::assets::provided_by_envtest;
use flippy_e2e::modules::{GO_ENVIRONMENT, MODULES, Module};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::process::Command;

use crate::command;

/// Builds what is not in the cache yet.
pub(crate) async fn build_missing() -> Result<()> {
    build_those(|_| true).await
}

/// Where a tool is that is a module of its own, such as `helm`. It is built if it is not in the cache yet.
pub(crate) async fn binary(name: &str) -> Result<PathBuf> {
    build_those(|module| module.name == name).await?;
    let module = MODULES.iter().find(|module| module.name == name).with_context(|| format!("no module is {name}"))?;
    Ok(module.cache_directory()?.join(name))
}

async fn build_those(wanted: impl Fn(&Module) -> bool) -> Result<()> {
    let mut unbuilt = Vec::new();
    for module in MODULES.iter().filter(|module| wanted(module) && !provided_by_envtest(module)) {
        if !module.missing()?.is_empty() {
            unbuilt.push(module);
        }
    }
    if unbuilt.is_empty() {
        return Ok(());
    }
    go_is_new_enough(&unbuilt).await?;
    let seconds: u64 = unbuilt.iter().filter(|module| !has_binaries(module)).map(|module| module.build_seconds).sum();
    if seconds > 0 {
        let minutes = seconds.div_ceil(60);
        let what: Vec<&str> = unbuilt.iter().map(|module| module.name).collect();
        let what = what.join(", ");
        println!("building {what}, once: about {minutes} minutes on two cores from nothing");
    }
    for module in unbuilt {
        build(module).await.with_context(|| format!("cannot build {}", module.name))?;
    }
    Ok(())
}

// Data files alone are copied in no time.
fn has_binaries(module: &Module) -> bool {
    let directory = module.cache_directory();
    directory.is_ok_and(|directory| {
        let mut binaries = module.binaries.iter();
        binaries.all(|(binary, _)| directory.join(binary).is_file())
    })
}

async fn go_is_new_enough(modules: &[&Module]) -> Result<()> {
    let needed = modules.iter().map(|module| module.go_release());
    let needed = needed.max_by_key(|release| numbers(release)).unwrap_or_default();
    if command::find("go").is_none() {
        bail!("go is not installed: install Go {needed} or newer, it builds etcd and Kubernetes for the tests");
    }
    let mut version = command::program("go");
    version.args(["env", "GOVERSION"]).env("GOTOOLCHAIN", "local");
    let version = command::output(version).await?;
    let installed = version.trim().trim_start_matches("go");
    ensure!(
        numbers(installed) >= numbers(needed),
        "go {installed} is too old: install Go {needed} or newer, it builds etcd and Kubernetes for the tests"
    );
    Ok(())
}

/// `1.26.8` as numbers that compare. What follows a release's numbers (`rc1`) does not count.
fn numbers(release: &str) -> Vec<u32> {
    let number = |part: &str| part.chars().take_while(char::is_ascii_digit).collect::<String>().parse();
    release.split('.').map_while(|part| number(part).ok()).collect()
}

async fn build(module: &Module) -> Result<()> {
    let directory = module.cache_directory()?;
    std::fs::create_dir_all(&directory)?;
    for (binary, package) in module.binaries {
        let finished = directory.join(binary);
        if finished.is_file() {
            continue;
        }
        let progress = Progress::start(&format!("{binary} ({})", module.name));
        // Under another name until it is complete: an interrupted build must not look like a finished one.
        let partial = directory.join(format!("{binary}.partial"));
        let mut build = go(module);
        build.args(["build", "-ldflags", &module.linker_flags(), "-o"]).arg(&partial).arg(package);
        command::output(build).await?;
        std::fs::rename(&partial, &finished)?;
        progress.finish();
    }
    if let Some((dependency, _)) = module.data {
        let mut list = go(module);
        // `download` too: when the binaries were in the cache already, the source may not be here.
        list.args(["mod", "download", dependency]);
        command::output(list).await?;
        let mut list = go(module);
        list.args(["list", "-m", "-f", "{{.Dir}}", dependency]);
        let source = command::output(list).await?;
        for (path, name) in module.data_files() {
            let text = std::fs::read(Path::new(source.trim()).join(path))
                .with_context(|| format!("{dependency} has no {path}"))?;
            // Written, not copied: files in Go's module cache are read-only.
            std::fs::write(directory.join(name), text)?;
        }
    }
    Ok(())
}

fn go(module: &Module) -> Command {
    let mut command = command::program("go");
    command.current_dir(module.source()).envs(GO_ENVIRONMENT);
    command
}

/// A spinner on a terminal, a line at the beginning and at the end elsewhere.
struct Progress {
    bar: ProgressBar,
    what: String,
    started: Instant,
}

impl Progress {
    fn start(what: &str) -> Self {
        let bar = ProgressBar::new_spinner();
        let style = ProgressStyle::with_template("  {spinner} {msg} {elapsed}").expect("a constant template is valid");
        bar.set_style(style);
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        if bar.is_hidden() {
            println!("  building {what}");
        }
        Self { bar, what: what.to_owned(), started: Instant::now() }
    }

    fn finish(self) {
        self.bar.finish_and_clear();
        println!("  built {} in {} s", self.what, self.started.elapsed().as_secs());
    }
}

#[cfg(test)]
mod tests {
    use super::numbers;

    #[test]
    fn releases_compare_by_number_and_not_by_letter() {
        assert!(numbers("1.26.10") > numbers("1.26.8"));
        assert!(numbers("1.9") < numbers("1.26.0"));
        assert_eq!(numbers("1.27rc1"), [1, 27]);
    }
}
