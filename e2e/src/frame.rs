//! The frame of every test: one scenario, run on a real cluster or on the embedded one.

use std::fs::File;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use futures::FutureExt;
use tokio::time::timeout;

use crate::backend::Backend;
use crate::cluster::Cluster;
use crate::control_plane::ControlPlane;
#[cfg(feature = "embedded")]
use crate::embedded::Embedded;
use crate::mesh::Sidecar;
use crate::scenario::Scenario;

/// How long a whole scenario may take: that of a thousand workloads needs minutes, the others seconds.
const LIMIT: Duration = Duration::from_mins(15);

/// Makes tests of scenarios, which are functions `async fn(&Scenario) -> Result<()>`: `real::NAME` and `embedded::NAME`
/// of what runs on both backends, `real::NAME` of what needs something that only a real control plane has.
///
/// ```ignore
/// scenarios! {
///     both: [a_scenario, another],
///     // These do not say where the sidecar is; `native` is for those in which it is an init container.
///     native: [a_third],
///     // It is about permissions.
///     real: [a_fourth],
///     // It would break what others have on the shared cluster, so on the real backend it has one of its own.
///     alone: [a_fifth],
///     // The same, and it is so large that the simulation would be slow in a test build.
///     large: [a_sixth],
/// }
/// ```
#[macro_export]
macro_rules! scenarios {
    (
        $(both: [$($both:ident),* $(,)?] $(,)?)?
        $(native: [$($native:ident),* $(,)?] $(,)?)?
        $(real: [$($real:ident),* $(,)?] $(,)?)?
        $(alone: [$($alone:ident),* $(,)?] $(,)?)?
        $(large: [$($large:ident),* $(,)?] $(,)?)?
    ) => {
        mod real {
            #[allow(unused_imports, reason = "not every file has scenarios of every sort")]
            use $crate::{frame::{on_own_cluster, on_real}, mesh::Sidecar};
            $($(#[test] fn $both() { on_real(Sidecar::Container, super::$both); })*)?
            $($(#[test] fn $native() { on_real(Sidecar::Native, super::$native); })*)?
            $($(#[test] fn $real() { on_real(Sidecar::Container, super::$real); })*)?
            $($(
                #[test] fn $alone() {
                    on_own_cluster(env!("CARGO_TARGET_TMPDIR"), stringify!($alone), Sidecar::Container, super::$alone);
                }
            )*)?
            $($(
                #[test] fn $large() {
                    on_own_cluster(env!("CARGO_TARGET_TMPDIR"), stringify!($large), Sidecar::Container, super::$large);
                }
            )*)?
        }
        #[cfg(feature = "embedded")]
        mod embedded {
            #[allow(unused_imports, reason = "not every file has scenarios for this backend")]
            use $crate::{frame::on_embedded, mesh::Sidecar};
            $($(#[test] fn $both() { on_embedded(Sidecar::Container, super::$both); })*)?
            $($(#[test] fn $native() { on_embedded(Sidecar::Native, super::$native); })*)?
            $($(#[test] fn $alone() { on_embedded(Sidecar::Container, super::$alone); })*)?
        }
    };
}

/// Runs a scenario on the shared cluster when its turn comes. When it fails, the operator's log is shown.
pub fn on_real(sidecar: Sidecar, body: impl AsyncFnOnce(&Scenario) -> Result<()>) {
    let cluster = Cluster::shared().unwrap_or_else(|error| panic!("{error:#}"));
    on_cluster(cluster, sidecar, body);
}

/// Like [`on_real`], on another cluster than the shared one.
pub fn on_cluster(cluster: Cluster, sidecar: Sidecar, body: impl AsyncFnOnce(&Scenario) -> Result<()>) {
    let turn = File::create(cluster.directory().join("turn.lock")).expect("the cluster's directory is writable");
    turn.lock().expect("the file system supports locks");
    let runtime = tokio::runtime::Runtime::new().expect("the system allows threads");
    let outcome = runtime.block_on(run(Backend::Real(cluster), sidecar, body));
    // Before the verdict: a panic while the lock is held would be no harm, but the next test should not wait for it.
    drop((runtime, turn));
    judge(outcome);
}

/// Like [`on_real`], on a cluster that is started for it in `<directory>/<name>`, which must not exist.
pub fn on_own_cluster(directory: &str, name: &str, sidecar: Sidecar, body: impl AsyncFnOnce(&Scenario) -> Result<()>) {
    let directory = Path::new(directory).join(format!("{name}-{}", std::process::id()));
    let runtime = tokio::runtime::Runtime::new().expect("the system allows threads");
    let control_plane = runtime.block_on(ControlPlane::start(&directory)).unwrap_or_else(|error| panic!("{error:#}"));
    on_cluster(control_plane.cluster().clone(), sidecar, body);
    drop(control_plane);
    std::fs::remove_dir_all(&directory).expect("nothing uses it any more");
}

/// Runs a scenario on a simulated cluster of its own, on virtual time. When it fails, the end of what happened is shown.
#[cfg(feature = "embedded")]
pub fn on_embedded(sidecar: Sidecar, body: impl AsyncFnOnce(&Scenario) -> Result<()>) {
    judge(flippy_sim::run(async {
        let cluster = Embedded::start().unwrap_or_else(|error| panic!("{error:#}"));
        run(Backend::Embedded(cluster), sidecar, body).await
    }));
}

type Panic = Box<dyn std::any::Any + Send>;

fn judge(outcome: Result<Result<()>, Panic>) {
    match outcome {
        Ok(Ok(())) => {}
        Ok(Err(error)) => panic!("{error:#}"),
        Err(panic) => resume_unwind(panic),
    }
}

async fn run(
    backend: Backend,
    sidecar: Sidecar,
    body: impl AsyncFnOnce(&Scenario) -> Result<()>,
) -> Result<Result<()>, Panic> {
    let scenario = match Scenario::begin(backend, sidecar).await {
        Ok(scenario) => scenario,
        Err(error) => return Ok(Err(error.context("cannot begin the scenario"))),
    };
    let limited = async {
        let Ok(result) = timeout(LIMIT, body(&scenario)).await else {
            bail!("the scenario was not over after {} s", LIMIT.as_secs());
        };
        result?;
        scenario.nothing_was_denied()
    };
    let outcome = AssertUnwindSafe(limited).catch_unwind().await;
    if !matches!(outcome, Ok(Ok(()))) {
        scenario.explain();
    }
    let swept = scenario.end().await;
    match outcome {
        Ok(Ok(())) => Ok(swept),
        failed => failed,
    }
}
