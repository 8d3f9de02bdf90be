//! How a command ends.

use std::fmt;
use std::io::{ErrorKind, Write as _};
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};

/// Exit code of `flippy plan --exit-code` when something is stale.
pub(crate) const STALE: u8 = 3;

/// Exit code when what was asked for needs a person, and waiting does not help.
pub(crate) const NEEDS_A_PERSON: u8 = 4;

/// Exit code of `flippy restart` when restarts have failed.
pub(crate) const FAILED: u8 = 5;

/// Exit code of `flippy restart` when so many have failed that no more was started.
pub(crate) const HALTED: u8 = 6;

/// Exit code of `flippy restart` when a wave waits for approval, and there is nobody to ask.
pub(crate) const AWAITING_APPROVAL: u8 = 7;

/// Exit code after Ctrl-C: what a shell shows for a program that SIGINT ended.
pub(crate) const INTERRUPTED: u8 = 130;

const LABEL: Style = AnsiColor::Red.on_default().bold();

/// Why a command could not do its work, in words for people: one problem a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    text: String,
    code: u8,
}

impl Failure {
    /// Something is wrong with what it was given or with what it found: exit code 1.
    pub(crate) fn error(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: 1 }
    }

    /// It could not begin: wrong usage, or no way to the cluster. Exit code 2, as clap's own.
    pub(crate) fn cannot_begin(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: 2 }
    }

    pub(crate) fn code(&self) -> ExitCode {
        self.code.into()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, line) in self.text.lines().enumerate() {
            let end = if index == 0 { "" } else { "\n" };
            write!(f, "{end}{LABEL}error:{LABEL:#} {line}")?;
        }
        Ok(())
    }
}

/// Prints a result. A reader that has seen enough (`| head`) is no failure.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = anstream::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::error(format!("cannot write the output: {error}")))
        }
        _ => Ok(()),
    }
}
