//! Running other programs in the root of the work tree.

use std::ffi::OsStr;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use crate::workspace;

/// The cargo that runs us.
pub(crate) fn cargo() -> Command {
    program(std::env::var_os("CARGO").unwrap_or("cargo".into()))
}

/// A program that is killed when nobody waits for it any more.
pub(crate) fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    command.current_dir(workspace::root()).kill_on_drop(true);
    command
}

/// Runs a command to its end with our own input and output. Fails when it fails.
pub(crate) async fn run(mut command: Command) -> Result<()> {
    let shown = shown(&command);
    let status = command.status().await.with_context(|| format!("cannot run `{shown}`"))?;
    ensure!(status.success(), "`{shown}` failed ({status})");
    Ok(())
}

/// Runs a command to its end and returns what it printed. Fails, with what it complained about, when it fails.
pub(crate) async fn output(mut command: Command) -> Result<String> {
    let shown = shown(&command);
    let output = command.output().await.with_context(|| format!("cannot run `{shown}`"))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`{shown}` failed ({}): {}", output.status, complaint.trim());
    Ok(String::from_utf8(output.stdout)?)
}

/// The file that would be run for a program's name, if it is installed.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(name)).find(|file| file.is_file())
}

/// A command as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    let command = command.as_std();
    let program = PathBuf::from(command.get_program());
    let program = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let arguments = command.get_args().map(|argument| argument.to_string_lossy().into_owned());
    std::iter::once(program).chain(arguments).collect::<Vec<_>>().join(" ")
}
