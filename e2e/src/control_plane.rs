//! Starting and stopping a whole cluster.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::{Api, Client};

use crate::apply;
use crate::assets::Assets;
use crate::certificates::{Authority, ServiceAccountKey};
use crate::cluster::Cluster;
use crate::components::{Components, Ports};
use crate::loopback;
use crate::mesh::Mesh;
use crate::nodes;
use crate::process::{self, Process};
use crate::wait;

/// How long one process may take until it is ready. Generous: a loaded machine is no reason to fail.
const READY: Duration = Duration::from_secs(90);

/// A running control plane. When this is dropped, every process is killed, by its own id.
#[derive(Debug)]
pub struct ControlPlane {
    cluster: Cluster,
    /// In the order in which they were started.
    processes: Vec<Process>,
}

impl ControlPlane {
    /// Starts a cluster with everything that tests need: nodes, kubelets, Argo Rollouts. Logs, certificates and
    /// kubeconfigs go into `directory`, which must be empty or not exist. Takes about ten seconds.
    pub async fn start(directory: &Path) -> Result<Self> {
        Self::start_with(directory, &[]).await
    }

    /// Like [`ControlPlane::start`], with further flags for the API server, such as `--goaway-chance=0.02`.
    pub async fn start_with(directory: &Path, apiserver_flags: &[&str]) -> Result<Self> {
        let assets = Assets::find()?;
        std::fs::create_dir_all(directory)?;
        let directory = directory.canonicalize()?;
        ensure!(
            directory.read_dir()?.next().is_none(),
            "{} is not empty: a cluster starts in an empty directory",
            directory.display()
        );
        let authority = Authority::create(&directory.join("certificates"))?;
        let service_account = ServiceAccountKey::create(&directory.join("certificates"))?;
        let [etcd, etcd_peer, apiserver, kwok, rollouts, rollouts_metrics] = loopback::free_ports()?;
        let components = Components {
            directory: &directory,
            assets: &assets,
            authority: &authority,
            ports: Ports { etcd, etcd_peer, apiserver, kwok, rollouts, rollouts_metrics },
        };
        let mut control_plane = Self { cluster: Cluster::new(&directory, components.server()), processes: Vec::new() };
        control_plane.cluster.write_admin_kubeconfig()?;

        let etcd = control_plane.spawn("etcd", components.etcd())?;
        etcd.ready(READY, async || loopback::is_ok(components.ports.etcd, "/health").await).await?;

        let client = control_plane.cluster.admin().await?;
        let apiserver = components.apiserver(&service_account, apiserver_flags)?;
        let apiserver = control_plane.spawn("kube-apiserver", apiserver)?;
        apiserver.ready(READY, async || is_ready(&client).await).await?;

        control_plane.spawn("kube-controller-manager", components.controller_manager(&service_account)?)?;
        control_plane.spawn("kube-scheduler", components.scheduler()?)?;
        let kwok = control_plane.spawn("kwok", components.kwok()?)?;
        kwok.ready(READY, async || loopback::is_ok(components.ports.kwok, "/healthz").await).await?;
        nodes::create(&client).await?;

        for path in assets.argo_definitions() {
            apply::apply(&client, &apply::read(path)?).await?;
        }
        let rollouts = control_plane.spawn("rollouts-controller", components.rollouts()?)?;
        rollouts.ready(READY, async || loopback::is_ok(components.ports.rollouts, "/healthz").await).await?;

        Mesh::prepare(&client).await?;
        service_accounts_work(&client).await?;
        nodes::first_pod_runs(&client).await?;
        // Last of all: a cluster that can be found is a cluster that works.
        std::fs::write(directory.join("server"), components.server())?;
        Ok(control_plane)
    }

    /// The cluster.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Leaves all processes running. [`ControlPlane::stop`] stops them later, from any process.
    pub fn detach(self) -> Cluster {
        let cluster = self.cluster.clone();
        std::mem::forget(self);
        cluster
    }

    /// Stops a detached control plane, and whatever operators were started on it. Returns the names of what was
    /// stopped. Its directory stays.
    pub fn stop(directory: &Path) -> Result<Vec<String>> {
        let stopped = process::kill_recorded(directory, "")?;
        match std::fs::remove_file(directory.join("server")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(stopped),
        }
    }

    fn spawn(&mut self, name: &str, command: std::process::Command) -> Result<&mut Process> {
        let process = Process::spawn(self.cluster.directory(), name, command)?;
        self.processes.push(process);
        Ok(self.processes.last_mut().expect("it was pushed on the line above"))
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        // Clients before servers, or their last words fill the logs.
        while let Some(process) = self.processes.pop() {
            drop(process);
        }
        if let Err(error) = Self::stop(self.cluster.directory()) {
            // Nothing else can be done here, and a leaked process is better known.
            report(&format!("cannot stop everything in {}: {error}", self.cluster.directory().display()));
        }
    }
}

#[allow(clippy::print_stderr, reason = "a destructor has nobody to return an error to")]
fn report(message: &str) {
    eprintln!("{message}");
}

async fn is_ready(client: &Client) -> bool {
    let request = http::Request::get("/readyz").body(Vec::new());
    let request = request.expect("a constant path is a valid request");
    client.request_text(request).await.is_ok_and(|answer| answer == "ok")
}

/// Pods cannot be created in a namespace until the controller manager has made its default service account.
async fn service_accounts_work(client: &Client) -> Result<()> {
    let accounts: Api<ServiceAccount> = Api::default_namespaced(client.clone());
    wait::until(accounts, "default", "the service account default/default", READY, |account| {
        account.map(|_| ()).ok_or("it does not exist".to_owned())
    })
    .await
    .context("the controller manager does not work")
}
