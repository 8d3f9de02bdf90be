//! Why it ends before there is an outcome.

use std::io::{ErrorKind, Write as _};

use crate::exit::Failure;

/// An early end.
#[derive(Debug)]
pub(super) enum Ended {
    Failed(Failure),
    /// Whoever read it has seen enough (`| head`): no failure, but no reason to go on for twenty minutes either.
    Closed,
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Prints something that happens before the end.
pub(super) fn print(text: &str) -> Result<(), Ended> {
    let mut stdout = anstream::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Ended::Closed,
        _ => Failure::error(format!("cannot write the output: {error}")).into(),
    })
}
