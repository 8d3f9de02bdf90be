//! The wish to stop.

use std::process;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::exit::{Failure, INTERRUPTED};

/// A token that the first SIGTERM or SIGINT cancels. The second ends the process at once.
///
/// # Errors
/// When the system allows no signal handlers.
pub(crate) fn on_signals() -> Result<CancellationToken, Failure> {
    let stop = CancellationToken::new();
    let mut terminate = handler(SignalKind::terminate())?;
    let mut interrupt = handler(SignalKind::interrupt())?;
    let token = stop.clone();
    tokio::spawn(async move {
        let name = either(&mut terminate, &mut interrupt).await;
        tracing::info!("{name}: finishing what is on its way; a second signal ends it at once");
        token.cancel();
        let name = either(&mut terminate, &mut interrupt).await;
        tracing::warn!("{name} again: ending at once");
        process::exit(INTERRUPTED.into());
    });
    Ok(stop)
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}

fn handler(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::error(format!("cannot listen for signals: {error}")))
}
