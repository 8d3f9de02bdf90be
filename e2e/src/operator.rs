//! The real `flippy run`, as a child process that is no more than its user may be.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::loopback;
use crate::process::Process;

/// The environment variable that names the binary under test.
pub const BINARY_VARIABLE: &str = "FLIPPY_BINARY";

/// Begins the names of operators' processes and logs.
pub const PROCESS_PREFIX: &str = "flippy-";

/// Time to become ready, and to stop when asked to.
const LIMIT: Duration = Duration::from_secs(30);

/// A running operator. It is killed when this is dropped.
#[derive(Debug)]
pub struct Operator {
    process: Process,
    health_port: u16,
    metrics_port: u16,
}

impl Operator {
    /// Starts `flippy run` with a kubeconfig and further arguments, as if it ran in `own_namespace`. It need not be
    /// ready yet.
    pub fn spawn(
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
            .env("POD_NAMESPACE", own_namespace)
            .env("NO_COLOR", "1");
        Ok(Self {
            process: Process::spawn(directory, &format!("{PROCESS_PREFIX}{name}"), command)?,
            health_port,
            metrics_port,
        })
    }

    /// Waits until it says that it is ready.
    pub async fn ready(&mut self) -> Result<()> {
        let port = self.health_port;
        self.process.ready(LIMIT, async || loopback::is_ok(port, "/readyz").await).await
    }

    /// Whether it says that it is ready.
    pub async fn is_ready(&self) -> bool {
        loopback::is_ok(self.health_port, "/readyz").await
    }

    /// Its metrics, in the text format.
    pub async fn metrics(&self) -> Result<String> {
        loopback::get(self.metrics_port, "/metrics").await
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// SIGKILL: a crash, as far as the cluster can see.
    pub fn kill(mut self) {
        self.process.kill();
    }

    /// SIGTERM, and waits until it has stopped by itself.
    pub async fn terminate(mut self) -> Result<ExitStatus> {
        self.process.terminate(LIMIT).await
    }

    /// Its exit status, once it has stopped.
    pub fn exited(&mut self) -> Result<Option<ExitStatus>> {
        self.process.exited()
    }

    /// Where its log is.
    pub fn log(&self) -> &Path {
        self.process.log()
    }
}

/// `FLIPPY_BINARY`, or the `flippy` beside the running program, where cargo puts it.
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
