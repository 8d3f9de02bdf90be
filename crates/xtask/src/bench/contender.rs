//! Who restarts the workloads.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use flippy_e2e::assets::Assets;
use flippy_e2e::process::Process;
use flippy_e2e::{apply, install, loopback};
use k8s_openapi::jiff::Timestamp;
use serde_json::json;

use super::fleet::Fleet;
use super::measurement::Measurement;
use super::slots::{Completions, Overhead};
use super::usage;
use crate::workspace;

const READY: Duration = Duration::from_mins(1);

pub(super) enum Contender {
    /// The operator, with so many restarts under way at once; without a number, one after the other.
    Flippy(Option<usize>),
    /// What a user would write: `rollout restart` and `rollout status`, workload by workload.
    KubectlLoop,
    /// A command of the user's.
    Baseline(String),
}

impl Contender {
    pub(super) fn name(&self) -> String {
        match self {
            Self::Flippy(None) => "flippy".to_owned(),
            Self::Flippy(Some(limit)) => format!("{limit} at once"),
            Self::KubectlLoop => "kubectl loop".to_owned(),
            Self::Baseline(_) => "baseline".to_owned(),
        }
    }

    fn user(&self) -> &'static str {
        match self {
            Self::Flippy(_) => "bench-flippy",
            Self::KubectlLoop => "bench-kubectl",
            Self::Baseline(_) => "bench-baseline",
        }
    }

    /// Upgrades the mesh to `image`, lets the contender work, and measures until every pod is fresh.
    pub(super) async fn measure(&self, fleet: &Fleet<'_>, image: &str) -> Result<Measurement> {
        let kubeconfig = fleet.cluster.user_kubeconfig(self.user())?;
        let files = fleet.cluster.directory();
        let limit = match self {
            Self::Flippy(limit) => *limit,
            Self::KubectlLoop | Self::Baseline(_) => None,
        };
        let config = Fleet::config(image, limit);
        let completions = Completions::watch(fleet.client.clone());
        fleet.mesh.upgrade(image).await?;
        let (process, given_at) = match self {
            Self::Flippy(_) => {
                install::bind(&fleet.client, self.user(), "bench", fleet.mesh.name()).await?;
                let process = operator(&optimised(), files, &kubeconfig).await?;
                let given_at = Timestamp::now();
                apply::apply(&fleet.client, &[config]).await?;
                (process, given_at)
            }
            Self::KubectlLoop => {
                make_admin(fleet, self.user()).await?;
                let mut command = Command::new("bash");
                command.arg(write(files, "loop.sh", &script(fleet, &Assets::find()?))?);
                command.env("KUBECONFIG", &kubeconfig).env("HOME", files);
                let given_at = Timestamp::now();
                (Process::spawn(files, "loop", command)?, given_at)
            }
            Self::Baseline(line) => {
                make_admin(fleet, self.user()).await?;
                let file = write(files, "config.json", &config.to_string())?;
                let mut command = Command::new("bash");
                command
                    .args(["-c", line])
                    .env("KUBECONFIG", &kubeconfig)
                    .env("IMAGE", image)
                    .env("FLIPPY_CONFIG", file);
                let given_at = Timestamp::now();
                let process = Process::spawn(files, "baseline", command)?;
                apply::apply(&fleet.client, &[config]).await?;
                (process, given_at)
            }
        };
        fleet.until_fresh(image).await?;
        let fresh_at = Timestamp::now();
        let usage = usage::of(process.id())?;
        drop(process);
        let requests = fleet.cluster.audit().requests()?.by_user(self.user()).since(given_at);
        let restarts = requests.restarts();
        let first = restarts.iter().map(|request| request.received).min().context("it restarted nothing")?;
        Ok(Measurement {
            contender: self.name(),
            overhead: matches!(self, Self::Flippy(_)).then(|| {
                let in_campaign = |times: HashMap<String, Timestamp>| -> Vec<Timestamp> {
                    times.into_values().filter(|at| *at >= given_at).collect()
                };
                let (decided, complete) = completions.last();
                let received: Vec<Timestamp> = restarts.iter().map(|request| request.received).collect();
                Overhead::of(&in_campaign(decided), &received, &in_campaign(complete), limit.unwrap_or(1))
            }),
            workloads: fleet.deployments.len(),
            first_restart_seconds: first.duration_since(given_at).as_secs_f64(),
            all_fresh_seconds: fresh_at.duration_since(given_at).as_secs_f64(),
            requests: requests.by_verb_and_resource(),
            usage,
        })
    }
}

/// The optimised program.
pub(super) fn optimised() -> PathBuf {
    workspace::target().join("release/flippy")
}

/// The operator, ready and with nothing to do.
pub(super) async fn operator(program: &Path, directory: &Path, kubeconfig: &Path) -> Result<Process> {
    let [health] = loopback::free_ports()?;
    let mut command = Command::new(program);
    command
        .args(["run", "--metrics-bind-address=0"])
        .arg(format!("--health-probe-bind-address=127.0.0.1:{health}"))
        .env("KUBECONFIG", kubeconfig);
    let mut process = Process::spawn(directory, "flippy-bench", command)?;
    process.ready(READY, async || loopback::is_ok(health, "/readyz").await).await?;
    Ok(process)
}

fn script(fleet: &Fleet<'_>, assets: &Assets) -> String {
    let kubectl = assets.binary("kubectl").display().to_string();
    let restart = |deployment: &flippy_e2e::workloads::WorkloadRef| {
        let (namespace, name) = (&deployment.namespace, &deployment.name);
        format!(
            "{kubectl} -n {namespace} rollout restart deployment/{name} && \
             {kubectl} -n {namespace} rollout status deployment/{name} --timeout=300s\n"
        )
    };
    // It must not end before its usage was read.
    fleet.deployments.iter().map(restart).chain(["sleep 60\n".to_owned()]).collect()
}

fn write(directory: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = directory.join(name);
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

async fn make_admin(fleet: &Fleet<'_>, user: &str) -> Result<()> {
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": user},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
    });
    apply::apply(&fleet.client, &[binding]).await
}
