//! The real `flippy run`, as a child process that is no more than its user may be.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use anyhow::{Result, ensure};

use super::{BINARY_VARIABLE, LIMIT, PROCESS_PREFIX};
use crate::loopback;
use crate::process::Process;

/// A running `flippy run`.
#[derive(Debug)]
pub(crate) struct Child {
    process: Process,
    health_port: u16,
    metrics_port: u16,
}

impl Child {
    pub(crate) fn spawn(
        directory: &Path,
        name: &str,
        kubeconfig: &Path,
        own_namespace: &str,
        arguments: &[&str],
    ) -> Result<Self> {
        let [health_port, metrics_port] = loopback::free_ports()?;
        let mut command = Command::new(binary()?);
        command
            .arg("run")
            .arg(format!("--health-probe-bind-address=127.0.0.1:{health_port}"))
            .arg(format!("--metrics-bind-address=127.0.0.1:{metrics_port}"))
            .args(arguments)
            .env("KUBECONFIG", kubeconfig)
            .env("POD_NAME", name)
            .env("POD_NAMESPACE", own_namespace)
            .env("NO_COLOR", "1");
        let process = Process::spawn(directory, &format!("{PROCESS_PREFIX}{name}"), command)?;
        Ok(Self { process, health_port, metrics_port })
    }

    pub(crate) async fn ready(&mut self) -> Result<()> {
        let port = self.health_port;
        self.process.ready(LIMIT, async || loopback::is_ok(port, "/readyz").await).await
    }

    pub(crate) async fn is_ready(&self) -> bool {
        loopback::is_ok(self.health_port, "/readyz").await
    }

    pub(crate) fn metrics_port(&self) -> u16 {
        self.metrics_port
    }

    pub(crate) async fn metrics(&self) -> Result<String> {
        loopback::get(self.metrics_port, "/metrics").await
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    pub(crate) async fn terminate(&mut self) -> Result<ExitStatus> {
        self.process.terminate(LIMIT).await
    }

    pub(crate) fn exited(&mut self) -> Result<Option<ExitStatus>> {
        self.process.exited()
    }

    pub(crate) fn log(&self) -> &Path {
        self.process.log()
    }
}

/// The binary under test: `FLIPPY_BINARY`, or the `flippy` beside the running program, where cargo puts it.
///
/// # Errors
/// When it was not built.
pub fn binary() -> Result<PathBuf> {
    if let Some(binary) = std::env::var_os(BINARY_VARIABLE) {
        let binary = PathBuf::from(binary);
        ensure!(binary.is_file(), "{BINARY_VARIABLE} is {}, which does not exist", binary.display());
        return Ok(binary);
    }
    let program = std::env::current_exe()?;
    // Tests are in target/debug/deps, programs in target/debug.
    let candidates = program.ancestors().skip(1).take(2).map(|directory| directory.join("flippy"));
    let found = candidates.into_iter().find(|path| path.is_file());
    found.ok_or_else(|| {
        anyhow::anyhow!("the operator has not been built: run `cargo build -p flippy`, or set {BINARY_VARIABLE}")
    })
}
