//! The signals with which a chore is stopped.

use tokio::signal::unix::{SignalKind, signal};

/// Waits for an interrupt or a request to terminate, and returns its name.
pub(crate) async fn received() -> &'static str {
    let mut interrupt = signal(SignalKind::interrupt()).expect("SIGINT can be handled");
    let mut terminate = signal(SignalKind::terminate()).expect("SIGTERM can be handled");
    tokio::select! {
        _ = interrupt.recv() => "an interrupt",
        _ = terminate.recv() => "SIGTERM",
    }
}
