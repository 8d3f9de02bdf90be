//! `flippy completion`: shells complete commands, flags and the names of what is in the cluster.
//!
//! Done by clap_complete's own engine, which asks this very program at every TAB: scripts that are generated once know
//! no names of objects, and scripts of our own would have to be kept up with three shells.
#![allow(clippy::doc_markdown, reason = "doc comments are help texts here, and a terminal shows backticks as they are")]

pub(crate) mod names;

use std::ffi::OsString;
use std::fmt::Write as _;
use std::process::ExitCode;

use clap::{Args, Command, ValueEnum};
use clap_complete::engine::complete;
use clap_complete::env::Shells;

use crate::exit::{self, Failure};

/// The variable by which a shell's script asks this program. Part of what is registered, so it stays.
const VARIABLE: &str = "COMPLETE";

/// What cobra's completion, which kubectl understands, says when there are no files to complete.
const NO_FILES: &str = ":4";

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct CompletionArgs {
    /// The shell
    pub(crate) shell: Shell,
}

/// Shells that can complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}

const AFTER_HELP: &str = "\
Prints a script that asks flippy itself at every TAB, so that names of FlippyConfigs, waves,
workloads, namespaces and contexts are completed, too. flippy must be in the PATH.

Examples:
  source <(flippy completion bash)     also in ~/.bashrc
  source <(flippy completion zsh)      also in ~/.zshrc, after compinit
  flippy completion fish | source      also in ~/.config/fish/config.fish

For `kubectl flippy`, kubectl asks a program named kubectl_complete-flippy in the PATH: make that a
link to flippy.";

/// Prints the script.
pub(crate) fn completion(args: &CompletionArgs) -> Result<ExitCode, Failure> {
    let name = match args.shell {
        Shell::Bash => "bash",
        Shell::Zsh => "zsh",
        Shell::Fish => "fish",
    };
    let shells = Shells::builtins();
    let shell = shells.completer(name).ok_or_else(|| Failure::error(format!("there is no completion for {name}")))?;
    let mut script = Vec::new();
    shell
        .write_registration(VARIABLE, "flippy", "flippy", "flippy", &mut script)
        .map_err(|error| Failure::error(format!("cannot write the script: {error}")))?;
    exit::print(&String::from_utf8_lossy(&script)).map(|()| ExitCode::SUCCESS)
}

/// Answers kubectl, which passes what was typed after `kubectl flippy`, the word to complete last.
pub(crate) fn for_kubectl(mut command: Command, typed: Vec<OsString>) -> ExitCode {
    let mut words = vec![OsString::from("flippy")];
    words.extend(typed);
    let last = words.len() - 1;
    let candidates = complete(&mut command, words, last, None).unwrap_or_default();
    let mut text = String::new();
    for candidate in candidates.iter().filter(|candidate| !candidate.is_hide_set()) {
        let value = candidate.get_value().to_string_lossy();
        let help = candidate.get_help().map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(text, "{value}\t{}", help.lines().next().unwrap_or_default());
    }
    let _ = writeln!(text, "{NO_FILES}");
    // Nothing can be said to somebody who is typing.
    let _ = exit::print(&text);
    ExitCode::SUCCESS
}
