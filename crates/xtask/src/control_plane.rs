//! `cargo xtask control-plane`: building, starting and stopping the cluster that tests run on.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use clap::{Args, Subcommand};
use flippy_e2e::assets::Assets;
use flippy_e2e::cluster::{CLUSTER_VARIABLE, Cluster};
use flippy_e2e::control_plane::ControlPlane;
use flippy_e2e::modules::{MODULES, cache_root};
use flippy_e2e::process;

use crate::{go, interrupt, workspace};

#[derive(Debug, Subcommand)]
pub(crate) enum Chore {
    /// Build etcd, Kubernetes, kwok, Argo Rollouts and Helm into the cache, unless they are there
    Build,
    /// Start a cluster, and stop it on interrupt
    Up(Up),
    /// Stop the cluster that `up --detach` left running
    Down(Place),
    /// Say what is built and what runs
    Status(Place),
}

#[derive(Debug, Args)]
pub(crate) struct Up {
    /// Leave it running and return
    #[arg(long)]
    detach: bool,
    /// A further flag for kube-apiserver, such as `--goaway-chance=0.02`; may be repeated
    #[arg(long = "apiserver-flag", value_name = "FLAG", allow_hyphen_values = true)]
    apiserver_flags: Vec<String>,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
pub(crate) struct Place {
    /// The cluster's directory [default: target/control-plane]
    #[arg(long)]
    directory: Option<PathBuf>,
}

impl Place {
    fn directory(&self) -> PathBuf {
        self.directory.clone().unwrap_or_else(|| workspace::target().join("control-plane"))
    }
}

pub(crate) async fn run(chore: Chore) -> Result<()> {
    match chore {
        Chore::Build => {
            go::build_missing().await?;
            println!("the control plane is built: {}", cache_root()?.display());
            Ok(())
        }
        Chore::Up(up) => start(&up).await,
        Chore::Down(place) => stop(&place.directory()),
        Chore::Status(place) => status(&place.directory()),
    }
}

async fn start(up: &Up) -> Result<()> {
    let directory = up.place.directory();
    ensure!(
        process::running(&directory)?.is_empty(),
        "a cluster runs in {}: `cargo xtask control-plane down` stops it",
        directory.display()
    );
    go::build_missing().await?;
    remove_former(&directory)?;
    let flags: Vec<&str> = up.apiserver_flags.iter().map(String::as_str).collect();
    let control_plane = ControlPlane::start_with(&directory, &flags).await?;
    print_exports(control_plane.cluster())?;
    if up.detach {
        control_plane.detach();
        return Ok(());
    }
    eprintln!("running, until you interrupt");
    interrupt::received().await;
    Ok(())
}

/// Removes what an earlier cluster left in a directory, and nothing that is not a cluster's.
fn remove_former(directory: &Path) -> Result<()> {
    if !directory.exists() || directory.read_dir()?.next().is_none() {
        return Ok(());
    }
    ensure!(
        directory.join("certificates/ca.pem").is_file(),
        "{} is not empty and was no cluster's: name another --directory",
        directory.display()
    );
    Ok(std::fs::remove_dir_all(directory)?)
}

fn print_exports(cluster: &Cluster) -> Result<()> {
    let kubectl = Assets::find()?;
    let kubectl = kubectl.binary("kubectl").parent().unwrap_or(Path::new("")).to_owned();
    println!("export KUBECONFIG={}", cluster.admin_kubeconfig().display());
    println!("export {CLUSTER_VARIABLE}={}", cluster.directory().display());
    println!("export PATH={}:$PATH", kubectl.display());
    Ok(())
}

fn stop(directory: &Path) -> Result<()> {
    let stopped = ControlPlane::stop(directory)?;
    match stopped.as_slice() {
        [] => println!("nothing runs in {}", directory.display()),
        names => println!("stopped {}", names.join(", ")),
    }
    Ok(())
}

fn status(directory: &Path) -> Result<()> {
    for module in &MODULES {
        let missing = module.missing()?;
        let state = if missing.is_empty() { "built" } else { "not built" };
        println!("{:<10} {state:<10} {}", module.name, module.cache_directory()?.display());
    }
    let running = process::running(directory)?;
    if running.is_empty() {
        println!("nothing runs in {}", directory.display());
    }
    for (name, id) in running {
        println!("{name} runs as process {id}");
    }
    Ok(())
}
