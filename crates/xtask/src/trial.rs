//! `cargo xtask try`: Flippy at work on a real control plane, from nothing to a mesh that is all upgraded.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use flippy_e2e::assets::Assets;
use flippy_e2e::cluster::Cluster;
use flippy_e2e::control_plane::ControlPlane;
use flippy_e2e::mesh::{MESH_LABEL, Mesh, Sidecar};
use flippy_e2e::operator::Operator;
use flippy_e2e::scenario::{NEW_IMAGE, OLD_IMAGE};
use flippy_e2e::workloads::{Workload, WorkloadRef};
use flippy_e2e::{apply, config, install, observe, wait};
use futures::future::try_join_all;
use indicatif::{ProgressBar, ProgressStyle};
use kube::Client;
use kube::api::{Api, DynamicObject, PostParams};
use serde_json::json;

use crate::{command, go, workspace};

const MESH: &str = "istio-system";
const CONFIG: &str = "mesh-upgrade";
const USER: &str = "flippy";

/// A believable company: each has a front end, a service and a worker, some of them Rollouts.
const NAMESPACES: [&str; 12] = [
    "accounts",
    "billing",
    "cart",
    "catalogue",
    "checkout",
    "delivery",
    "mail",
    "orders",
    "payments",
    "reviews",
    "search",
    "stock",
];

/// Time for the mesh to be there, and for a campaign over it.
const LIMIT: Duration = Duration::from_mins(5);

/// Time for the report to follow what happened.
const REPORTED: Duration = Duration::from_secs(30);

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Keep the cluster running at the end, until interrupted
    #[arg(long)]
    keep: bool,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<()> {
    let mut build = command::cargo();
    build.args(["build", "--package", "flippy"]);
    command::run(build).await?;
    go::build_missing().await?;

    say("starting etcd, Kubernetes and Argo Rollouts");
    let runs = workspace::target().join("try");
    std::fs::create_dir_all(&runs)?;
    let directory = tempfile::Builder::new().prefix("run-").tempdir_in(runs)?;
    let control_plane = ControlPlane::start(directory.path()).await?;
    let cluster = control_plane.cluster();
    let outcome = campaign(cluster).await;
    if outcome.is_err() {
        drop(control_plane);
        let kept = directory.keep();
        return outcome.with_context(|| format!("logs are kept in {}", kept.join("logs").display()));
    }
    if arguments.keep {
        say(&format!("KUBECONFIG={} until you interrupt", cluster.admin_kubeconfig().display()));
        std::future::pending::<()>().await;
    }
    outcome
}

async fn campaign(cluster: &Cluster) -> Result<()> {
    let client = cluster.admin().await?;
    say(&format!("installing a mesh that injects {OLD_IMAGE}"));
    let mesh = Mesh::install(&client, MESH, Sidecar::Container, OLD_IMAGE).await?;
    let workloads = create_workloads(&client).await?;
    let selector = format!("{MESH_LABEL}={MESH}");
    observe::until_fresh(&client, &workloads, &selector, OLD_IMAGE, LIMIT).await?;
    say(&format!("{} workloads in {} namespaces run with their sidecar", workloads.len(), NAMESPACES.len()));

    say("installing Flippy with the roles that it ships with, and starting it");
    install::install(&client).await?;
    install::bind(&client, USER, "try", MESH).await?;
    let mut operator = Operator::spawn(cluster.directory(), "try", &cluster.user_kubeconfig(USER)?, MESH, &[])?;
    operator.ready().await?;

    say(&format!("upgrading the mesh to {NEW_IMAGE}: running pods keep their old sidecar"));
    mesh.upgrade(NEW_IMAGE).await?;
    say("applying a FlippyConfig that wants the new image");
    apply::apply(&client, &[wanted()]).await?;
    let started = Instant::now();
    show(&client, &workloads, &selector).await?;
    say(&format!("all {} workloads run {NEW_IMAGE} after {:.1} s", workloads.len(), started.elapsed().as_secs_f32()));
    is_reported(&client).await?;
    show_config(cluster).await?;
    let requests = cluster.audit().requests()?.by_user(USER);
    say(&format!("requests of the operator, from the audit log:\n{}", requests.table()));
    operator.terminate().await?;
    Ok(())
}

async fn create_workloads(client: &Client) -> Result<Vec<WorkloadRef>> {
    let namespaces = NAMESPACES.map(|name| {
        let labels = json!({"istio-injection": "enabled", MESH_LABEL: MESH});
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    });
    apply::apply(client, &namespaces).await?;
    let mut created = Vec::new();
    for (number, namespace) in NAMESPACES.into_iter().enumerate() {
        let mut workloads = vec![Workload::deployment("web").replicas(2), Workload::rollout("service").replicas(2)];
        if number % 2 == 0 {
            workloads.push(Workload::deployment("worker"));
        }
        created.extend(workloads.into_iter().map(|workload| create(client, namespace, workload)));
    }
    try_join_all(created).await
}

async fn create(client: &Client, namespace: &str, workload: Workload) -> Result<WorkloadRef> {
    let reference = workload.reference(namespace);
    let manifest = workload
        .ready_delay(Duration::from_millis(300))
        // By this label one watch finds the pods of all namespaces.
        .pod_label(MESH_LABEL, MESH)
        .manifest(namespace);
    let object = serde_json::from_value(manifest)?;
    observe::api(client, &reference)
        .create(&PostParams::default(), &object)
        .await
        .with_context(|| format!("cannot create {reference}"))?;
    Ok(reference)
}

fn wanted() -> serde_json::Value {
    let carefully = json!({"CheckStatus": true, "MaxRetry": 10, "RetryDuration": 10});
    json!({
        "apiVersion": "keikoproj.io/v1", "kind": "FlippyConfig",
        "metadata": {"namespace": MESH, "name": CONFIG},
        "spec": {
            "ImageList": [NEW_IMAGE],
            "ProcessFilter": {"Containers": ["istio-proxy"], "Labels": {"istio-injection": "enabled"}},
            "RestartObjects": [
                {"Type": "Deployment", "StatusCheckConfig": carefully},
                {"Type": "ArgoRollout", "StatusCheckConfig": carefully},
            ],
        },
    })
}

/// Shows which workloads have become fresh, until all are.
async fn show(client: &Client, workloads: &[WorkloadRef], selector: &str) -> Result<()> {
    let bar = ProgressBar::new(workloads.len() as u64);
    let style = ProgressStyle::with_template("  {bar:40} {pos}/{len} {msg}").expect("a constant template is valid");
    bar.set_style(style);
    let mut fresh = BTreeSet::new();
    let done = observe::until_fresh_telling(client, workloads, selector, NEW_IMAGE, LIMIT, |workload| {
        if fresh.insert(workload.path()) {
            bar.inc(1);
            let line = format!("  fresh: {workload}");
            if bar.is_hidden() {
                println!("{line}");
            } else {
                bar.println(line);
            }
        }
    });
    let done = done.await;
    bar.finish_and_clear();
    done
}

/// Waits until the `FlippyConfig` says so itself.
async fn is_reported(client: &Client) -> Result<()> {
    let configs: Api<DynamicObject> = Api::namespaced_with(client.clone(), MESH, &config::resource());
    wait::until(configs, CONFIG, "the FlippyConfig to be ready", REPORTED, |config| {
        let status = config.map_or(&serde_json::Value::Null, |config| &config.data["status"]);
        match config::condition(status, "Ready") {
            Some(ready) if ready["status"] == "True" => Ok(()),
            ready => Err(format!("its condition Ready is {ready:?}")),
        }
    })
    .await
}

/// Shows what a user sees: the columns of the `FlippyConfig`.
async fn show_config(cluster: &Cluster) -> Result<()> {
    let mut kubectl = command::program(Assets::find()?.binary("kubectl"));
    kubectl.args(["get", "flippyconfigs", "--all-namespaces"]).env("KUBECONFIG", cluster.admin_kubeconfig());
    say(&format!("$ {}", command::shown(&kubectl)));
    command::run(kubectl).await
}

fn say(message: &str) {
    println!("{message}");
}
