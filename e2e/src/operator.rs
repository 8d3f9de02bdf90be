//! The operator under test: a child process, or (on the embedded backend) a task of this one.

mod child;

use std::path::Path;
use std::process::{Command, ExitStatus, Output};
use std::time::Duration;

use anyhow::Result;

use self::child::Child;
pub use self::child::binary;
#[cfg(feature = "embedded")]
use crate::embedded::Life;

/// The environment variable that names the binary under test.
pub const BINARY_VARIABLE: &str = "FLIPPY_BINARY";

/// Begins the names of operators' processes and logs.
pub const PROCESS_PREFIX: &str = "flippy-";

/// Time to become ready, and to stop when asked to.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// Runs the binary under test once with these arguments, for a user with this kubeconfig, and waits for its end.
pub fn run_command(kubeconfig: &Path, arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new(child::binary()?);
    command.args(arguments).env("KUBECONFIG", kubeconfig).env("NO_COLOR", "1");
    Ok(command.output()?)
}

/// A running operator. It is killed when this is dropped.
#[derive(Debug)]
pub struct Operator(Running);

#[derive(Debug)]
enum Running {
    Child(Child),
    #[cfg(feature = "embedded")]
    Embedded(Life),
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
        Ok(Self(Running::Child(Child::spawn(directory, name, kubeconfig, own_namespace, arguments)?)))
    }

    #[cfg(feature = "embedded")]
    pub(crate) fn embedded(life: Life) -> Self {
        Self(Running::Embedded(life))
    }

    /// Waits until it says that it is ready.
    pub async fn ready(&mut self) -> Result<()> {
        match &mut self.0 {
            Running::Child(child) => child.ready().await,
            #[cfg(feature = "embedded")]
            Running::Embedded(life) => life.ready().await,
        }
    }

    /// Whether it says that it is ready.
    pub async fn is_ready(&self) -> bool {
        match &self.0 {
            Running::Child(child) => child.is_ready().await,
            #[cfg(feature = "embedded")]
            Running::Embedded(life) => life.is_ready(),
        }
    }

    /// Its metrics, in the text format. An embedded one listens nowhere, and so has none.
    pub async fn metrics(&self) -> Result<String> {
        match &self.0 {
            Running::Child(child) => child.metrics().await,
            #[cfg(feature = "embedded")]
            Running::Embedded(_) => {
                anyhow::bail!("an embedded operator serves no metrics: test this on the real backend")
            }
        }
    }

    /// The port of its metrics. An embedded one has none.
    pub fn metrics_port(&self) -> Result<u16> {
        match &self.0 {
            Running::Child(child) => Ok(child.metrics_port()),
            #[cfg(feature = "embedded")]
            Running::Embedded(_) => anyhow::bail!("an embedded operator serves no metrics"),
        }
    }

    /// Its process id. That of an embedded one is ours.
    pub fn id(&self) -> u32 {
        match &self.0 {
            Running::Child(child) => child.id(),
            #[cfg(feature = "embedded")]
            Running::Embedded(_) => std::process::id(),
        }
    }

    /// SIGKILL: a crash, as far as the cluster can see.
    pub fn kill(mut self) {
        match &mut self.0 {
            Running::Child(child) => child.kill(),
            #[cfg(feature = "embedded")]
            Running::Embedded(life) => life.kill(),
        }
    }

    /// SIGTERM, and waits until it has stopped by itself.
    pub async fn terminate(mut self) -> Result<ExitStatus> {
        match &mut self.0 {
            Running::Child(child) => child.terminate().await,
            #[cfg(feature = "embedded")]
            Running::Embedded(life) => life.terminate().await,
        }
    }

    /// Its exit status, once it has stopped.
    pub fn exited(&mut self) -> Result<Option<ExitStatus>> {
        match &mut self.0 {
            Running::Child(child) => child.exited(),
            #[cfg(feature = "embedded")]
            Running::Embedded(life) => life.exited(),
        }
    }

    /// Where its log is. An embedded one has none.
    pub fn log(&self) -> Option<&Path> {
        match &self.0 {
            Running::Child(child) => Some(child.log()),
            #[cfg(feature = "embedded")]
            Running::Embedded(_) => None,
        }
    }
}
