//! TLS for the metrics port, with a certificate that may be replaced while it serves.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::serve::Listener;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Certificates are renewed days before they end: nobody needs to see a new one sooner.
const READ_AGAIN_AFTER: Duration = Duration::from_mins(1);
const MAX_HANDSHAKES: usize = 64;
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// Where a certificate is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and what it was signed by, in PEM.
    pub certificate: PathBuf,
    /// Its private key, in PEM.
    pub key: PathBuf,
}

impl TlsFiles {
    fn read(&self) -> Result<ServerConfig, String> {
        let text = |path: &Path| std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text(&self.certificate)?).collect();
        let chain = chain.map_err(|error| format!("{}: {error}", self.certificate.display()))?;
        let key = PrivateKeyDer::from_pem_slice(&text(&self.key)?);
        let key = key.map_err(|error| format!("{}: {error}", self.key.display()))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .map_err(|error| format!("{} and {}: {error}", self.certificate.display(), self.key.display()))
    }
}

/// Hands out connections once they are encrypted.
pub(super) struct TlsListener {
    tcp: TcpListener,
    files: TlsFiles,
    acceptor: TlsAcceptor,
    read_at: Instant,
    /// All at once: one that is slow holds up no other.
    handshakes: JoinSet<Option<(TlsStream<TcpStream>, SocketAddr)>>,
}

impl TlsListener {
    /// Reads the certificate for the first time.
    ///
    /// # Errors
    /// When there is none that can be used, in one line.
    pub(super) fn new(tcp: TcpListener, files: TlsFiles) -> Result<Self, String> {
        let acceptor = TlsAcceptor::from(Arc::new(files.read()?));
        Ok(Self { tcp, files, acceptor, read_at: Instant::now(), handshakes: JoinSet::new() })
    }

    fn read_again(&mut self) {
        if self.read_at.elapsed() < READ_AGAIN_AFTER {
            return;
        }
        self.read_at = Instant::now();
        match self.files.read() {
            Ok(config) => self.acceptor = TlsAcceptor::from(Arc::new(config)),
            // It is perhaps being replaced just now.
            Err(error) => {
                tracing::warn!(error, "the certificate for metrics cannot be read; serving with the last one");
            }
        }
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            tokio::select! {
                Some(done) = self.handshakes.join_next() => {
                    if let Ok(Some(connection)) = done {
                        return connection;
                    }
                }
                (stream, address) = Listener::accept(&mut self.tcp), if self.handshakes.len() < MAX_HANDSHAKES => {
                    self.read_again();
                    let acceptor = self.acceptor.clone();
                    self.handshakes.spawn(async move {
                        // Whoever speaks no TLS, or trusts nobody here, hears of it by themselves.
                        let encrypted = timeout(HANDSHAKE_LIMIT, acceptor.accept(stream)).await.ok()?.ok()?;
                        Some((encrypted, address))
                    });
                }
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}
