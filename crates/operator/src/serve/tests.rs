//! The metrics port, as a scraper sees it.

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::RootCertStore;
use rustls::pki_types::ServerName;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::*;

/// A certificate for localhost, and where it is.
struct Certificate {
    directory: TempDir,
    authority: rustls::pki_types::CertificateDer<'static>,
}

impl Certificate {
    fn new() -> Self {
        let directory = TempDir::new().expect("a temporary directory can be made");
        let authority = Self::write(&directory);
        Self { directory, authority }
    }

    fn write(directory: &TempDir) -> rustls::pki_types::CertificateDer<'static> {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).expect("it can be signed");
        std::fs::write(directory.path().join("tls.crt"), cert.pem()).expect("the directory is writable");
        std::fs::write(directory.path().join("tls.key"), signing_key.serialize_pem()).expect("it is writable");
        cert.der().clone()
    }

    fn files(&self) -> TlsFiles {
        let path = |name| self.directory.path().join(name);
        TlsFiles { certificate: path("tls.crt"), key: path("tls.key") }
    }
}

async fn served(tls: Option<TlsFiles>) -> SocketAddr {
    let listener = bind(([127, 0, 0, 1], 0).into()).await.expect("there is a free port");
    let address = listener.local_addr().expect("it is bound");
    metrics(listener, Metrics::new(), tls, None, CancellationToken::new()).expect("the certificate is good");
    address
}

/// What is answered over TLS to whoever trusts this authority, or why there is no connection.
async fn scrape(
    address: SocketAddr,
    authority: &rustls::pki_types::CertificateDer<'static>,
) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.clone()).map_err(std::io::Error::other)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(std::io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").map_err(std::io::Error::other)?;
    let stream = TcpStream::connect(address).await?;
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[tokio::test]
async fn metrics_are_served_with_the_certificate() {
    let certificate = Certificate::new();
    let address = served(Some(certificate.files())).await;
    let answer = scrape(address, &certificate.authority).await.expect("it can be trusted");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("flippy_build_info"), "{answer}");
}

#[tokio::test]
async fn whoever_connects_and_says_nothing_holds_up_nobody() {
    let certificate = Certificate::new();
    let address = served(Some(certificate.files())).await;
    let _silent = TcpStream::connect(address).await.expect("it listens");
    scrape(address, &certificate.authority).await.expect("it answers all the same");
}

#[tokio::test]
async fn a_certificate_that_was_replaced_is_served_after_a_minute() {
    let mut certificate = Certificate::new();
    let address = served(Some(certificate.files())).await;
    let old = std::mem::replace(&mut certificate.authority, Certificate::write(&certificate.directory));
    scrape(address, &old).await.expect("it is still the old one");
    tokio::time::pause();
    tokio::time::advance(Duration::from_mins(1)).await;
    tokio::time::resume();
    scrape(address, &certificate.authority).await.expect("it is the new one");
}
