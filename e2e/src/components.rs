//! The command line of each process of the control plane.
//!
//! Serving ports that nobody asks are closed (`--secure-port=0`). Where a limit would make a test wait for a
//! controller instead of the operator under test, it is raised: the default 20 requests a second of the controller
//! manager create about five Deployments a second.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use serde_json::json;

use crate::assets::Assets;
use crate::certificates::{Authority, ServiceAccountKey};
use crate::user::{AUDITED_GROUP, MASTERS_GROUP, write_kubeconfig};

const KWOK_OPTIONS: &str = include_str!("../../tools/control-plane/kwok.yaml");
const POD_STAGES: &str = include_str!("../../tools/control-plane/pod-stages.yaml");

/// Ports on 127.0.0.1 that the processes listen on.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    /// etcd, for clients.
    pub etcd: u16,
    /// etcd, for its peers (it has none, but insists).
    pub etcd_peer: u16,
    /// kube-apiserver, HTTPS.
    pub apiserver: u16,
    /// kwok's health.
    pub kwok: u16,
    /// The Rollouts controller's health.
    pub rollouts: u16,
    /// The Rollouts controller's metrics.
    pub rollouts_metrics: u16,
}

/// What the command lines have in common.
#[derive(Debug)]
pub struct Components<'a> {
    /// The cluster's directory.
    pub directory: &'a Path,
    /// Binaries and data.
    pub assets: &'a Assets,
    /// Signs the components' certificates.
    pub authority: &'a Authority,
    /// Ports to listen on.
    pub ports: Ports,
}

impl Components<'_> {
    /// The address of the API server.
    pub fn server(&self) -> String {
        format!("https://127.0.0.1:{}", self.ports.apiserver)
    }

    /// etcd, without syncing to disk: the data dies with the cluster anyway.
    pub fn etcd(&self) -> Command {
        let client = format!("http://127.0.0.1:{}", self.ports.etcd);
        let peer = format!("http://127.0.0.1:{}", self.ports.etcd_peer);
        let mut command = self.command("etcd");
        command
            .args(["--unsafe-no-fsync=true", "--quota-backend-bytes=8589934592", "--log-level=warn"])
            .arg("--data-dir")
            .arg(self.directory.join("etcd"))
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("default={peer}")]);
        command
    }

    /// kube-apiserver, with `extra` flags after ours.
    pub fn apiserver(&self, service_account: &ServiceAccountKey, extra: &[&str]) -> Result<Command> {
        let serving = self.authority.server("kube-apiserver")?;
        let mut command = self.command("kube-apiserver");
        command
            .arg(format!("--etcd-servers=http://127.0.0.1:{}", self.ports.etcd))
            .arg(format!("--secure-port={}", self.ports.apiserver))
            .args(["--bind-address=127.0.0.1", "--advertise-address=127.0.0.1"])
            .args(["--endpoint-reconciler-type=none", "--etcd-compaction-interval=1m", "--event-ttl=10m"])
            .args(["--authorization-mode=Node,RBAC", "--allow-privileged", "--service-cluster-ip-range=10.96.0.0/16"])
            .arg(flag("tls-cert-file", &serving.certificate))
            .arg(flag("tls-private-key-file", &serving.key))
            .arg(flag("client-ca-file", &self.authority.certificate()))
            .arg("--service-account-issuer=https://kubernetes.default.svc")
            .arg(flag("service-account-key-file", &service_account.public))
            .arg(flag("service-account-signing-key-file", &service_account.private))
            .arg(flag("audit-policy-file", &self.write("audit-policy.yaml", &audit_policy())?))
            .arg(flag("audit-log-path", &self.directory.join("audit.log")))
            // Megabytes. Rotation would hide the beginning of a long run from a test that counts.
            .args(["--audit-log-maxsize=4096", "--audit-log-mode=blocking"])
            .args(extra);
        Ok(command)
    }

    /// kube-controller-manager.
    pub fn controller_manager(&self, service_account: &ServiceAccountKey) -> Result<Command> {
        let kubeconfig = self.kubeconfig("system:kube-controller-manager", None)?;
        let mut command = self.command("kube-controller-manager");
        command
            .arg(flag("kubeconfig", &kubeconfig))
            .args(["--use-service-account-credentials", "--leader-elect=false", "--secure-port=0"])
            .arg(flag("service-account-private-key-file", &service_account.private))
            .arg(flag("root-ca-file", &self.authority.certificate()))
            .args(["--kube-api-qps=1000", "--kube-api-burst=2000", "--node-monitor-grace-period=10m"])
            .args(["--concurrent-deployment-syncs=20", "--concurrent-replicaset-syncs=20"])
            .args(["--concurrent-gc-syncs=20", "--concurrent-namespace-syncs=20"]);
        Ok(command)
    }

    /// kube-scheduler.
    pub fn scheduler(&self) -> Result<Command> {
        let kubeconfig = self.kubeconfig("system:kube-scheduler", None)?;
        let configuration = json!({
            "apiVersion": "kubescheduler.config.k8s.io/v1",
            "kind": "KubeSchedulerConfiguration",
            "clientConnection": {"kubeconfig": kubeconfig, "qps": 1000, "burst": 2000},
            "leaderElection": {"leaderElect": false},
        });
        let mut command = self.command("kube-scheduler");
        command.arg(flag("config", &self.write("scheduler.yaml", &configuration.to_string())?)).arg("--secure-port=0");
        Ok(command)
    }

    /// kwok, which plays all kubelets.
    pub fn kwok(&self) -> Result<Command> {
        let kubeconfig = self.kubeconfig("kwok", Some(MASTERS_GROUP))?;
        let mut command = self.command("kwok");
        command
            .arg(flag("kubeconfig", &kubeconfig))
            .arg(flag("config", &self.write("kwok.yaml", KWOK_OPTIONS)?))
            .arg(flag("config", self.assets.data("node-initialize.yaml")))
            .arg(flag("config", self.assets.data("node-heartbeat-with-lease.yaml")))
            .arg(flag("config", &self.write("pod-stages.yaml", POD_STAGES)?))
            .args(["--manage-all-nodes=true", "--cidr=10.64.0.0/12", "--node-ip=127.0.0.1"])
            .args(["--node-lease-duration-seconds=40"])
            .arg(format!("--server-address=127.0.0.1:{}", self.ports.kwok));
        Ok(command)
    }

    /// The Argo Rollouts controller.
    pub fn rollouts(&self) -> Result<Command> {
        let kubeconfig = self.kubeconfig("rollouts-controller", Some(MASTERS_GROUP))?;
        let mut command = self.command("rollouts-controller");
        command
            .arg(flag("kubeconfig", &kubeconfig))
            .args(["--leader-elect=false", "--qps=300", "--burst=600"])
            .arg(format!("--healthzPort={}", self.ports.rollouts))
            .arg(format!("--metricsPort={}", self.ports.rollouts_metrics));
        Ok(command)
    }

    fn command(&self, binary: &str) -> Command {
        Command::new(self.assets.binary(binary))
    }

    fn kubeconfig(&self, user: &str, group: Option<&str>) -> Result<PathBuf> {
        let path = self.directory.join(format!("{}.kubeconfig", user.replace(':', "-")));
        write_kubeconfig(&path, &self.server(), self.authority, user, group)
    }

    fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.directory.join(name);
        std::fs::write(&path, text)?;
        Ok(path)
    }
}

/// The service accounts of the namespace into which the docs install Flippy.
const OPERATORS_ACCOUNTS: &str = "system:serviceaccounts:istio-system";

/// Every request of the audited users, without bodies. A long-running request is logged when it starts too.
fn audit_policy() -> String {
    json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [{"level": "Metadata", "userGroups": [AUDITED_GROUP, OPERATORS_ACCOUNTS]}, {"level": "None"}],
    })
    .to_string()
}

fn flag(name: &str, value: &Path) -> std::ffi::OsString {
    let mut flag = std::ffi::OsString::from(format!("--{name}="));
    flag.push(value);
    flag
}
