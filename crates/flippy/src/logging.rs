//! Logs: for people on a terminal, for machines otherwise. Always on stderr.

use std::io::{IsTerminal as _, stderr};

use tracing_subscriber::EnvFilter;

/// The client libraries log each failed request once more, without saying what is done about it.
const DEFAULT: &str = "info,kube_client=off,kube_runtime=off";

/// Starts logging. What is logged is set by `RUST_LOG`.
pub(crate) fn start() {
    let filter = EnvFilter::try_from_default_env();
    let mistake = filter
        .as_ref()
        .err()
        .filter(|_| std::env::var_os("RUST_LOG").is_some_and(|set| !set.is_empty()))
        .map(ToString::to_string);
    let filter = filter.unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    if stderr().is_terminal() {
        let colours = std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
        builder.with_ansi(colours).init();
    } else {
        builder.json().flatten_event(true).init();
    }
    if let Some(mistake) = mistake {
        tracing::warn!("RUST_LOG is not understood ({mistake}); logging what `info` shows");
    }
}
