//! Whether the image works, without a container engine.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use tokio::process::Command;

use super::architecture::Architecture;
use crate::{command, workspace};

/// Who runs in it: nobody in particular, as in distroless images.
const USER: &str = "65532:65532";

/// Runs it where nothing else is: no libc, no shell, no time zones.
pub(super) async fn works(root: &Path, architecture: Architecture) -> Result<()> {
    let emulator = Emulator::lend(root, architecture)?;
    let inside = |arguments: &[&str]| inside(root, emulator.as_ref(), arguments);
    let version = command::output(inside(&["--version"])?).await?;
    print!("it says: {version}");
    // The operator at work, on a cluster in memory, as fast as it goes.
    let demo = command::output(inside(&["demo", "--speed", "max", "--output", "json"])?).await?;
    let end = demo.lines().last().unwrap_or_default();
    ensure!(end.contains("\"type\":\"result\""), "its campaign ended without a result: {end}");
    println!("it ran a campaign on a cluster in memory: {end}");
    let definition = command::output(inside(&["crd"])?).await?;
    let checked_in = std::fs::read_to_string(workspace::root().join("deploy/crd.yaml"))?;
    ensure!(definition == checked_in, "its definition of FlippyConfig is not the one in deploy/crd.yaml");
    Ok(())
}

/// A static emulator that is in the directory as long as the trial lasts: the image must not have it.
struct Emulator {
    file: PathBuf,
}

impl Emulator {
    const INSIDE: &str = "/emulator";

    fn lend(root: &Path, architecture: Architecture) -> Result<Option<Self>> {
        let Some(name) = architecture.emulator() else { return Ok(None) };
        let program = command::find(name).with_context(|| format!("there is no {name}: install qemu-user-static"))?;
        let file = root.join(Self::INSIDE.trim_start_matches('/'));
        std::fs::copy(&program, &file).with_context(|| format!("cannot copy {}", program.display()))?;
        Ok(Some(Self { file }))
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // What is left behind is said by nobody else, and fails the next image that is made of the directory at sight.
        if let Err(error) = std::fs::remove_file(&self.file) {
            println!("WARNING: {} is still there: {error}", self.file.display());
        }
    }
}

/// A command with the directory as its root. Without the rights of root, user namespaces must be allowed.
fn inside(root: &Path, emulator: Option<&Emulator>, arguments: &[&str]) -> Result<Command> {
    if command::find("chroot").is_none() {
        bail!("there is no chroot: install coreutils");
    }
    let mut command = if is_root() {
        let mut chroot = command::program("chroot");
        chroot.arg(format!("--userspec={USER}"));
        chroot
    } else {
        let mut unshare = command::program("unshare");
        unshare.args(["--map-root-user", "chroot"]);
        unshare
    };
    command.arg(root).args(emulator.map(|_| Emulator::INSIDE)).arg("/flippy").args(arguments).env_clear();
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    Ok(command)
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    // Whose process this is, the owner of its entry says.
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}
