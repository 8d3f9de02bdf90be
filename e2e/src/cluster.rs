//! A running cluster, as seen by tests: who to be, where to find what.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::json;

use crate::audit::AuditLog;
use crate::certificates::{Authority, Identity};
use crate::user::{AUDITED_GROUP, MASTERS_GROUP, write_kubeconfig};

/// The environment variable that names the directory of a running cluster.
pub const CLUSTER_VARIABLE: &str = "FLIPPY_E2E_CLUSTER";

/// A cluster that [`crate::control_plane::ControlPlane`] started, in this process or in another.
#[derive(Debug, Clone)]
pub struct Cluster {
    directory: PathBuf,
    server: String,
}

impl Cluster {
    pub(crate) fn new(directory: &Path, server: String) -> Self {
        Self { directory: directory.to_owned(), server }
    }

    /// The cluster that `FLIPPY_E2E_CLUSTER` names.
    pub fn shared() -> Result<Self> {
        let directory = std::env::var_os(CLUSTER_VARIABLE).with_context(|| {
            format!(
                "{CLUSTER_VARIABLE} is not set: these tests need a running cluster; `cargo xtask e2e` starts one and \
                 runs them, `cargo xtask control-plane up` starts one to keep"
            )
        })?;
        Self::open(Path::new(&directory))
    }

    /// The cluster in a directory.
    pub fn open(directory: &Path) -> Result<Self> {
        let path = directory.join("server");
        let server = std::fs::read_to_string(&path).with_context(|| {
            format!("no cluster runs in {}: start one with `cargo xtask control-plane up`", directory.display())
        })?;
        Ok(Self::new(directory, server))
    }

    /// Where its certificates, logs and kubeconfigs are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The address of its API server.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The kubeconfig of a user who may do anything.
    pub fn admin_kubeconfig(&self) -> PathBuf {
        self.directory.join("admin.kubeconfig")
    }

    pub(crate) fn write_admin_kubeconfig(&self) -> Result<()> {
        write_kubeconfig(&self.admin_kubeconfig(), &self.server, &self.authority()?, "admin", Some(MASTERS_GROUP))?;
        Ok(())
    }

    /// The kubeconfig of a new user, who may do nothing but what is bound to that name, and whose requests are
    /// recorded in the audit log.
    pub fn user_kubeconfig(&self, user: &str) -> Result<PathBuf> {
        let path = self.directory.join(format!("{}.kubeconfig", user.replace([':', '/'], "-")));
        write_kubeconfig(&path, &self.server, &self.authority()?, user, Some(AUDITED_GROUP))
    }

    /// A client that may do anything.
    pub async fn admin(&self) -> Result<Client> {
        client(&self.admin_kubeconfig()).await
    }

    /// A client for a new user. See [`Cluster::user_kubeconfig`].
    pub async fn user(&self, user: &str) -> Result<Client> {
        client(&self.user_kubeconfig(user)?).await
    }

    /// Every request of audited users since the cluster was started.
    pub fn audit(&self) -> AuditLog {
        AuditLog::new(self.directory.join("audit.log"))
    }

    /// A serving certificate for 127.0.0.1 of the cluster's authority.
    pub fn serving_certificate(&self, name: &str) -> Result<Identity> {
        self.authority()?.server(name)
    }

    /// A client of another server on 127.0.0.1 that has such a certificate, with a bearer token or none.
    pub async fn client_of_server(&self, port: u16, token: Option<&str>) -> Result<Client> {
        let path = self.directory.join(format!("server-{port}.kubeconfig"));
        let kubeconfig = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "server", "cluster": {
                "server": format!("https://127.0.0.1:{port}"),
                "certificate-authority": self.authority()?.certificate(),
            }}],
            "users": [{"name": "user", "user": token.map_or_else(|| json!({}), |token| json!({"token": token}))}],
            "contexts": [{"name": "server", "context": {"cluster": "server", "user": "user"}}],
            "current-context": "server",
        });
        std::fs::write(&path, serde_json::to_string(&kubeconfig)?)?;
        client(&path).await
    }

    fn authority(&self) -> Result<Authority> {
        Authority::open(&self.directory.join("certificates"))
    }
}

/// A client for the current context of a kubeconfig.
pub async fn client(kubeconfig: &Path) -> Result<Client> {
    ensure!(kubeconfig.is_file(), "there is no kubeconfig at {}", kubeconfig.display());
    // Fails when one is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut config =
        Config::from_custom_kubeconfig(Kubeconfig::read_from(kubeconfig)?, &KubeConfigOptions::default()).await?;
    // A test must see the server's first answer, not that of a silent retry.
    config.default_retry = false;
    config.connect_timeout = Some(Duration::from_secs(5));
    Ok(Client::try_from(config)?)
}
