//! Logs: for people on a terminal, for machines otherwise. Always on stderr.

use std::io::{IsTerminal as _, stderr};

use tracing::Subscriber;
use tracing_subscriber::filter::{FilterExt as _, LevelFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, fmt};

#[cfg(feature = "otlp")]
use crate::traces::Traces;

/// The client libraries log each failed request once more, without saying what is done about it.
const DEFAULT: &str = "info,kube_client=off,kube_runtime=off";

/// When lines are logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    Always,
    /// If `RUST_LOG` is set: the command speaks for itself.
    IfAsked,
}

/// What is to be sent before the end; dropped, it is.
#[must_use = "traces are sent when it is dropped"]
pub(crate) struct Logging {
    #[cfg(feature = "otlp")]
    _traces: Option<Traces>,
}

/// Starts logging. What is logged is set by `RUST_LOG`.
pub(crate) fn start(when: When) -> Logging {
    let asked = std::env::var_os("RUST_LOG");
    let filter = EnvFilter::try_from_default_env();
    let mistake =
        filter.as_ref().err().filter(|_| asked.as_ref().is_some_and(|set| !set.is_empty())).map(ToString::to_string);
    let filter = filter.unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let lines = (asked.is_some() || when == When::Always).then(|| lines(filter));
    let registry = tracing_subscriber::registry().with(lines);
    #[cfg(feature = "otlp")]
    let (registry, logging, trouble) = {
        let (traces, trouble) = match Traces::start(|name| std::env::var(name).ok()) {
            Ok(traces) => (traces, None),
            Err(trouble) => (None, Some(trouble)),
        };
        (registry.with(traces.as_ref().map(Traces::layer)), Logging { _traces: traces }, trouble)
    };
    #[cfg(not(feature = "otlp"))]
    let (logging, trouble) = (Logging {}, None::<String>);
    registry.init();
    if let Some(mistake) = mistake {
        tracing::warn!("RUST_LOG is not understood ({mistake}); logging what `info` shows");
    }
    if let Some(error) = trouble {
        tracing::warn!(error, "no traces are sent: look at the variables OTEL_EXPORTER_OTLP_…");
    }
    logging
}

/// One line for each event.
fn lines<S>(filter: EnvFilter) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    // Our own spans are for traces. Lines must be the same, whether somebody looks at these or not.
    let ours = filter_fn(|metadata| !(metadata.is_span() && metadata.target().starts_with("flippy")))
        .with_max_level_hint(LevelFilter::TRACE);
    let layer = fmt::layer().with_writer(stderr);
    if stderr().is_terminal() {
        let colours = std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
        layer.with_ansi(colours).with_filter(filter.and(ours)).boxed()
    } else {
        layer.json().flatten_event(true).with_filter(filter.and(ours)).boxed()
    }
}
