//! What it costs to know a large cluster: `flippy plan`, `flippy explain` and an operator, beside a program that lists the
//! same objects and does nothing with them.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tokio::process::Command;

use super::canned::Canned;
use super::large_mesh::{KINDS, LargeMesh, type_of};
use super::{usage, watching};
use crate::{command, workspace};

#[derive(Debug, clap::Args)]
pub(crate) struct LookArguments {
    /// How many workloads, in equal parts of every kind that can be restarted, and of a custom one
    #[arg(long, default_value_t = 10_000)]
    workloads: usize,
    /// Deployments alone
    #[arg(long)]
    only_deployments: bool,
    /// Pods of each
    #[arg(long, default_value_t = 10)]
    pods: usize,
    /// How often each is measured; the fastest counts
    #[arg(long, default_value_t = 3)]
    times: usize,
    /// Measure builds that are not optimised: quick to get, and only the ratios mean anything
    #[arg(long)]
    dev: bool,
    /// Measure this program in place of one that is built for this machine: that of the image (`cargo xtask image-root`) has
    /// another C library, which keeps its memory another way. What is promised of memory is checked of such a program only
    #[arg(long, value_name = "FILE")]
    flippy: Option<PathBuf>,
}

/// Time and memory of one run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cost {
    pub(super) seconds: f64,
    pub(super) cpu_seconds: f64,
    pub(super) peak_rss_mib: f64,
}

pub(crate) async fn run(arguments: &LookArguments) -> Result<()> {
    let mut build = command::cargo();
    build.args(["build", "--package", "flippy", "--package", "flippy-operator", "--example", "list"]);
    if arguments.flippy.is_none() {
        build.args(["--bin", "flippy"]);
    }
    if !arguments.dev {
        build.arg("--release");
    }
    command::run(build).await?;
    let kinds = if arguments.only_deployments { &KINDS[..1] } else { &KINDS[..] };
    let mesh = LargeMesh { workloads: arguments.workloads, pods: arguments.pods, kinds };
    let server = Canned::start(mesh).await?;
    let home = tempfile::tempdir()?;
    let kubeconfig = home.path().join("kubeconfig");
    std::fs::write(&kubeconfig, self::kubeconfig(&server.url).to_string())?;
    let binaries = workspace::target().join(if arguments.dev { "debug" } else { "release" });
    let list = binaries.join("examples/list");
    let flippy = arguments.flippy.clone().unwrap_or_else(|| binaries.join("flippy"));
    let versions: Vec<String> = kinds.iter().map(|kind| kind.api_resource().api_version).collect();
    let listed: Vec<&str> =
        kinds.iter().zip(&versions).flat_map(|(kind, version)| [type_of(*kind), version.as_str()]).collect();
    let runs: [(&str, &Path, &[&str]); 3] = [
        ("list", &list, &listed),
        ("plan", &flippy, &["plan", "-o", "json"]),
        ("explain", &flippy, &["explain", "deploy/w0", "-n", "n0"]),
    ];
    println!("{} workloads of {} kinds, {} pods", mesh.workloads, kinds.len(), mesh.pod_count());
    println!("{:<8} {:>8} {:>8} {:>9}   of list: time, memory", "", "SECONDS", "CPU", "PEAK MiB");
    let mut base: Option<Cost> = None;
    for (name, program, words) in runs {
        let mut best: Option<Cost> = None;
        for _ in 0..arguments.times {
            let cost = measure(program, words, &kubeconfig).await?;
            best = Some(best.filter(|best| best.seconds <= cost.seconds).unwrap_or(cost));
        }
        let cost = best.context("it is measured at least once")?;
        show(name, cost, *base.get_or_insert(cost));
    }
    let cost = watching::measure(&flippy, home.path(), &kubeconfig, &server).await?;
    show("run", cost, base.context("it is measured first")?);
    watching::judge(&server, mesh)?;
    if arguments.flippy.is_some() { watching::judge_memory(mesh, cost) } else { Ok(()) }
}

fn show(name: &str, cost: Cost, base: Cost) {
    println!(
        "{name:<8} {:>8.2} {:>8.2} {:>9.0}   {:.2} {:.2}",
        cost.seconds,
        cost.cpu_seconds,
        cost.peak_rss_mib,
        cost.seconds / base.seconds,
        cost.peak_rss_mib / base.peak_rss_mib
    );
}

async fn measure(program: &Path, words: &[&str], kubeconfig: &Path) -> Result<Cost> {
    let mut command = Command::new(program);
    command.args(words).env_clear().env("KUBECONFIG", kubeconfig).stdout(Stdio::null()).kill_on_drop(true);
    let began = Instant::now();
    let mut child = command.spawn().with_context(|| format!("cannot run {}", program.display()))?;
    let id = child.id().context("it runs")?;
    let mut used = usage::of(id)?;
    let status = loop {
        tokio::select! {
            status = child.wait() => break status?,
            // What it has used is known only while it is there; both figures only grow.
            () = tokio::time::sleep(Duration::from_millis(5)) => used = usage::of(id).unwrap_or(used),
        }
    };
    let seconds = began.elapsed().as_secs_f64();
    // `explain` of a stale workload ends with 3.
    ensure!(matches!(status.code(), Some(0 | 3)), "{} failed ({status})", program.display());
    Ok(Cost { seconds, cpu_seconds: used.cpu_seconds, peak_rss_mib: used.peak_rss_mib })
}

fn kubeconfig(server: &str) -> serde_json::Value {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "bench",
        "clusters": [{"name": "bench", "cluster": {"server": server}}],
        "users": [{"name": "bench", "user": {}}],
        "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
    })
}
