//! Health and metrics over HTTP.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// The loop wakes several times a minute. Silent for this long, it hangs, and a restart is the better thing.
const ALIVE_WITHIN: Duration = Duration::from_mins(1);

/// What the driver tells of itself.
#[derive(Clone, Debug)]
pub(crate) struct Health {
    /// When the loop last turned.
    pub(crate) turned_at: Instant,
    /// Why it is not ready, for people. `None` when it is.
    pub(crate) not_ready: Option<String>,
}

/// Binds an address, so that one that is taken is an error at the start, not a line in the log.
pub(crate) async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Serves `/healthz` and `/readyz` until stopped.
pub(crate) async fn health(listener: TcpListener, health: watch::Receiver<Health>, stop: CancellationToken) {
    let ready = health.clone();
    let router = Router::new()
        .route("/healthz", get(move || std::future::ready(alive(&health.borrow()))))
        .route("/readyz", get(move || std::future::ready(is_ready(&ready.borrow()))));
    serve(listener, router, stop).await;
}

/// Serves `/metrics` until stopped.
pub(crate) async fn metrics(listener: TcpListener, metrics: Metrics, stop: CancellationToken) {
    let metrics = Arc::new(metrics);
    let render = move || {
        let content_type = [(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")];
        std::future::ready((content_type, metrics.render()))
    };
    serve(listener, Router::new().route("/metrics", get(render)), stop).await;
}

async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let served = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await;
    if let Err(error) = served {
        tracing::error!(%error, "the HTTP server stopped");
    }
}

fn alive(health: &Health) -> (StatusCode, String) {
    if health.turned_at.elapsed() <= ALIVE_WITHIN {
        (StatusCode::OK, "ok\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the loop hangs\n".to_owned())
    }
}

fn is_ready(health: &Health) -> (StatusCode, String) {
    match &health.not_ready {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}
