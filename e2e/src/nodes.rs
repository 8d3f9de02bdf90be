//! A few nodes, large enough for every test.

use std::time::Duration;

use anyhow::Result;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{DeleteParams, PostParams};
use kube::{Api, Client};
use serde_json::json;

use crate::modules::KUBERNETES_VERSION;
use crate::wait;

/// How many nodes a cluster has.
pub const NODES: usize = 3;

/// Time for a pod to be scheduled and to run on a cluster that has just been started.
const FIRST_POD: Duration = Duration::from_mins(1);

/// Registers the nodes. kwok keeps them alive.
pub async fn create(client: &Client) -> Result<()> {
    let nodes: Api<Node> = Api::all(client.clone());
    for number in 0..NODES {
        let name = format!("node-{number}");
        let room = json!({"cpu": "100k", "memory": "1000Ti", "pods": "20000", "ephemeral-storage": "1000Ti"});
        let node: Node = serde_json::from_value(json!({
            "metadata": {
                "name": name,
                "annotations": {"kwok.x-k8s.io/node": "fake"},
                "labels": {
                    "kubernetes.io/hostname": name,
                    "kubernetes.io/os": "linux",
                    "kubernetes.io/arch": "amd64",
                    "topology.kubernetes.io/zone": format!("zone-{number}"),
                },
            },
            "status": {
                "capacity": room,
                "allocatable": room,
                // kwok's stage writes these into YAML unquoted: none may read as a number there.
                "nodeInfo": {
                    "architecture": "amd64", "bootID": "boot", "containerRuntimeVersion": "containerd://2.1.0",
                    "kernelVersion": "linux", "kubeProxyVersion": KUBERNETES_VERSION,
                    "kubeletVersion": KUBERNETES_VERSION, "machineID": "machine", "operatingSystem": "linux",
                    "osImage": "none", "systemUUID": "system",
                },
            },
        }))?;
        nodes.create(&PostParams::default(), &node).await?;
    }
    Ok(())
}

/// Proves that the scheduler and kwok work, which have no other sign of being ready: a first pod runs.
pub async fn first_pod_runs(client: &Client) -> Result<()> {
    let pods: Api<Pod> = Api::default_namespaced(client.clone());
    let pod = serde_json::from_value(json!({
        "metadata": {"name": "first"},
        "spec": {"containers": [{"name": "app", "image": "example.com/first:1"}]},
    }))?;
    pods.create(&PostParams::default(), &pod).await?;
    wait::until(pods.clone(), "first", "a first pod to run", FIRST_POD, |pod| {
        let phase = pod.and_then(|pod| pod.status.as_ref()?.phase.as_deref());
        match phase {
            Some("Running") => Ok(()),
            phase => Err(format!("its phase is {phase:?}")),
        }
    })
    .await?;
    pods.delete("first", &DeleteParams::default().grace_period(0)).await?;
    Ok(())
}
