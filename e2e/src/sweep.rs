//! Removing what scenarios leave on the cluster.

use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::{Client, ResourceExt};
use serde_json::json;

use crate::clone_sets;
use crate::cluster::Cluster;
use crate::config;
use crate::mesh::{MESH_LABEL, Mesh};
use crate::operator::PROCESS_PREFIX;
use crate::optional;
use crate::process;
use crate::scenario::SCENARIO_LABEL;
use crate::wait;

/// How long a config may take to disappear.
const GONE: Duration = Duration::from_secs(30);

/// Removes everything that scenarios created, and waits where what is left could disturb the next one.
pub(crate) async fn sweep(cluster: &Cluster, client: &Client) -> Result<()> {
    // Whoever holds the turn has no operator yet: those that run were left by a test that was killed.
    process::kill_recorded(cluster.directory(), PROCESS_PREFIX)?;
    delete_configs(client).await?;
    let ours = ListParams::default().labels(SCENARIO_LABEL);
    let bindings: Api<ClusterRoleBinding> = Api::all(client.clone());
    bindings.delete_collection(&DeleteParams::default(), &ours).await?;
    let roles: Api<ClusterRole> = Api::all(client.clone());
    roles.delete_collection(&DeleteParams::default(), &ours).await?;
    let namespaces: Api<Namespace> = Api::all(client.clone());
    clone_sets::uninstall(client).await?;
    for namespace in namespaces.list(&ours).await? {
        if namespace.metadata.deletion_timestamp.is_none() {
            remove(&namespaces, &namespace.name_any()).await?;
        }
    }
    optional::remove_all(client).await?;
    Mesh::remove_all(client).await
}

/// Deletes a namespace without waiting for its end, which takes seconds: it loses its labels first, and with them it
/// leaves the scope of every config.
async fn remove(namespaces: &Api<Namespace>, name: &str) -> Result<()> {
    let unlabelled = json!({"metadata": {"labels": {"istio-injection": null, MESH_LABEL: null}}});
    namespaces.patch(name, &PatchParams::default(), &Patch::Merge(unlabelled)).await?;
    namespaces.delete(name, &DeleteParams::default()).await?;
    Ok(())
}

async fn delete_configs(client: &Client) -> Result<()> {
    let configs: Api<DynamicObject> = Api::all_with(client.clone(), &config::resource());
    let all = match configs.list(&ListParams::default()).await {
        Ok(all) => all,
        // The kind is not there, and so no object of it.
        Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    for config in all {
        let namespace = config.namespace().context("a FlippyConfig has no namespace")?;
        let configs: Api<DynamicObject> = Api::namespaced_with(client.clone(), &namespace, &config::resource());
        configs.delete(&config.name_any(), &DeleteParams::default()).await?;
        wait::until_gone(configs, &config.name_any(), GONE).await?;
    }
    Ok(())
}
