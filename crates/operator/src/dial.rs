//! The way to others than the API server: to what gates ask, and to whom notifications tell.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use hyper::body::Body;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Service, ServiceExt as _};

/// Opens connections to the hosts of URLs. Whoever gives another one says how, and no more: HTTP and TLS are spoken on them all.
#[derive(Clone)]
pub struct Dialer(Open);

/// Sends requests with bodies of this type.
pub(crate) type Http<B> = HttpClient<HttpsConnector<Open>, B>;

/// The type that a connector of hyper has to name.
type Open = BoxCloneSyncService<Uri, TokioIo<Stream>, BoxError>;

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

    /// Speaks HTTP/1 on them, over TLS where a URL says so, and follows no redirects.
    pub(crate) fn http<B>(&self, tls: ClientConfig) -> Http<B>
    where
        B: Body + Send,
        B::Data: Send,
    {
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1();
        let connector = connector.wrap_connector(self.0.clone());
        // A connection that idles for half a minute is as likely closed as not: each request has its own.
        HttpClient::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector)
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
