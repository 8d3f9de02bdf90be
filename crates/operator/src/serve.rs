//! Health and metrics over HTTP.

mod authorization;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::serve::Listener;
use kube::Client;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

use self::authorization::Authorization;
pub use self::tls::TlsFiles;
use self::tls::TlsListener;
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

/// Serves `/metrics` until stopped: in the clear, or with a certificate; to everybody, or to whom the API server behind
/// `ask` allows it.
///
/// # Errors
/// When the certificate cannot be used, in one line.
pub(crate) fn metrics(
    listener: TcpListener,
    metrics: Metrics,
    tls: Option<TlsFiles>,
    ask: Option<Client>,
    stop: CancellationToken,
) -> Result<(), String> {
    let authorization = ask.map(|client| Arc::new(Authorization::new(client)));
    let render = move |headers: HeaderMap| respond(metrics.clone(), authorization.clone(), headers);
    let router = Router::new().route("/metrics", get(render));
    match tls {
        Some(files) => drop(tokio::spawn(serve(TlsListener::new(listener, files)?, router, stop))),
        None => drop(tokio::spawn(serve(listener, router, stop))),
    }
    Ok(())
}

async fn respond(metrics: Metrics, authorization: Option<Arc<Authorization>>, headers: HeaderMap) -> Response {
    if let Some(authorization) = authorization
        && let Err(refusal) = authorization.check(&headers).await
    {
        return refusal.into_response();
    }
    let content_type = [(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")];
    (content_type, metrics.render()).into_response()
}

async fn serve<L: Listener<Addr: std::fmt::Debug>>(listener: L, router: Router, stop: CancellationToken) {
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

#[cfg(test)]
mod tests;
