//! Who may read the metrics, and where: the flags, and what they come to.
#![allow(clippy::doc_markdown, reason = "doc comments are help texts here, and a terminal shows backticks as they are")]

use std::path::PathBuf;

use clap::Args;
use flippy_operator::{MetricsProtection, TlsFiles};

use crate::address::{self, ListenAddress};

/// The metrics port.
#[derive(Args, Clone, Debug)]
#[allow(clippy::struct_field_names, reason = "that is what they are called")]
#[command(next_help_heading = "Metrics")]
pub(crate) struct MetricsArgs {
    /// Address of /metrics; 0: none
    #[arg(long, value_name = "ADDRESS", default_value = ":8080", value_parser = address::parse, env = "FLIPPY_METRICS_BIND_ADDRESS")]
    pub(crate) metrics_bind_address: ListenAddress,
    /// Serve metrics over TLS with this certificate and its chain, in PEM; read anew every minute
    #[arg(long, value_name = "FILE", requires = "metrics_tls_private_key_file")]
    metrics_tls_cert_file: Option<PathBuf>,
    /// Private key of that certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "metrics_tls_cert_file")]
    metrics_tls_private_key_file: Option<PathBuf>,
    /// Let only those read metrics whom RBAC lets get the path /metrics; needs TLS, because they send a bearer token
    #[arg(long, requires = "metrics_tls_cert_file")]
    metrics_authorization: bool,
}

impl MetricsArgs {
    pub(crate) fn protection(self) -> MetricsProtection {
        let files = self.metrics_tls_cert_file.zip(self.metrics_tls_private_key_file);
        MetricsProtection {
            tls: files.map(|(certificate, key)| TlsFiles { certificate, key }),
            authorization: self.metrics_authorization,
        }
    }
}
