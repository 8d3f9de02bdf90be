//! An operator that knows a large cluster in which nothing happens.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::canned::Canned;
use super::contender::operator;
use super::large_mesh::LargeMesh;
use super::look::Cost;
use super::usage;

/// Up to how many pods [`MEMORY_BUDGET_MIB`] is promised.
const PODS: usize = 100_000;
/// What the operator of the image may have resident at most, at any time.
const MEMORY_BUDGET_MIB: f64 = 128.0;
/// The longest that it takes until it has said what it knows.
const LIMIT: Duration = Duration::from_mins(5);
/// Time for what comes of the first report, and for requests that should not be there.
const SETTLE: Duration = Duration::from_secs(30);

/// Until its first report, and the most memory that it has until all is quiet.
pub(super) async fn measure(program: &Path, directory: &Path, kubeconfig: &Path, server: &Canned) -> Result<Cost> {
    server.forget_asked();
    let began = Instant::now();
    let process = operator(program, directory, kubeconfig).await?;
    while !server.asked().keys().any(|asked| asked.ends_with("/flippyconfigs/mesh/status")) {
        ensure!(began.elapsed() < LIMIT, "the operator reported nothing in {} s", LIMIT.as_secs());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let seconds = began.elapsed().as_secs_f64();
    // Sleeping is the measurement here.
    tokio::time::sleep(SETTLE).await;
    let used = usage::of(process.id())?;
    Ok(Cost { seconds, cpu_seconds: used.cpu_seconds, peak_rss_mib: used.peak_rss_mib })
}

/// Holds what it asked for against what was promised.
///
/// # Errors
/// When it asks more than once for anything but pages, or watches what no config names.
pub(super) fn judge(server: &Canned, mesh: LargeMesh) -> Result<()> {
    let asked = server.asked();
    println!("requests of run:");
    for (what, times) in &asked {
        println!("{times:>8}  {what}");
    }
    let watched = asked.keys().filter(|what| what.starts_with("watch ")).count();
    let lists = mesh.lists().len();
    ensure!(watched == lists, "{watched} resources are watched, not {lists}");
    // `ReplicaSets` are read in two ways, and two definitions are watched, each by itself.
    let is_once = |what: &str| {
        !what.starts_with("list ") && !what.ends_with("/replicasets") && !what.ends_with("/customresourcedefinitions")
    };
    let again = asked.iter().find(|(what, times)| **times > 1 && is_once(what));
    ensure!(again.is_none(), "asked for more than once: {again:?}");
    Ok(())
}

/// Holds its memory against what was promised, if the cluster is not larger than that was promised for.
///
/// # Errors
/// When it is more.
pub(super) fn judge_memory(mesh: LargeMesh, cost: Cost) -> Result<()> {
    let is_promised = mesh.pod_count() <= PODS;
    ensure!(
        !is_promised || cost.peak_rss_mib < MEMORY_BUDGET_MIB,
        "{:.0} MiB are more than {MEMORY_BUDGET_MIB:.0} for {} pods",
        cost.peak_rss_mib,
        mesh.pod_count()
    );
    Ok(())
}
