//! Whose certificates are believed.

use std::sync::Arc;

use hyper_rustls::ConfigBuilderExt as _;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// TLS with these authorities, or with the system's.
///
/// # Errors
/// When there is nobody to trust, in one line.
pub(crate) fn tls(url: &str, ca_bundle: Option<&str>) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))?;
    let builder = match ca_bundle {
        Some(bundle) => {
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
                let added = certificate
                    .map_err(|error| error.to_string())
                    .and_then(|certificate| roots.add(certificate).map_err(|error| error.to_string()));
                added.map_err(|error| format!("CABundle is no list of certificates in PEM: {error}"))?;
            }
            if roots.is_empty() {
                return Err("CABundle holds no certificate".to_owned());
            }
            builder.with_root_certificates(roots)
        }
        // Without TLS nothing has to be trusted, and an image may hold no authorities.
        None if !url.starts_with("https") => builder.with_root_certificates(RootCertStore::empty()),
        None => builder
            .with_native_roots()
            .map_err(|error| format!("there are no certificate authorities here to trust ({error}): write CABundle"))?,
    };
    Ok(builder.with_no_client_auth())
}
