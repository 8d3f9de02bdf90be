//! The way to a Prometheus server.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Service, ServiceExt as _};

/// Opens connections to the hosts of URLs. What is spoken on them, TLS included, is not its business.
#[derive(Clone)]
pub struct Dialer(Open);

/// The type that a connector of hyper has to name.
pub(crate) type Open = BoxCloneSyncService<Uri, TokioIo<Stream>, BoxError>;

/// What goes both ways.
trait Duplex: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> Duplex for T {}

/// An open connection.
pub(crate) struct Stream(Pin<Box<dyn Duplex>>);

impl Dialer {
    /// Over TCP.
    pub fn tcp() -> Self {
        let mut connector = HttpConnector::new();
        // TLS is laid over it.
        connector.enforce_http(false);
        Self(boxed(connector.map_response(TokioIo::into_inner)))
    }

    /// Over whatever `open` returns for a URL.
    pub fn through<S>(open: S) -> Self
    where
        S: Service<Uri, Error = io::Error> + Clone + Send + Sync + 'static,
        S::Response: AsyncRead + AsyncWrite + Send + 'static,
        S::Future: Send + 'static,
    {
        Self(boxed(open))
    }

    pub(crate) fn open(&self) -> Open {
        self.0.clone()
    }
}

fn boxed<S>(open: S) -> Open
where
    S: Service<Uri> + Clone + Send + Sync + 'static,
    S::Response: AsyncRead + AsyncWrite + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    BoxCloneSyncService::new(open.map_response(|stream| TokioIo::new(Stream(Box::pin(stream)))).map_err(Into::into))
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.0.as_mut().poll_read(context, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.as_mut().poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.as_mut().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.as_mut().poll_shutdown(context)
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}
