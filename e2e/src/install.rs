//! Flippy on the cluster as its users have it: the manifests of `deploy/`, minus the Deployment, because the tests run
//! the binary themselves.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::Client;
use kube::api::{Api, PostParams};
use serde_json::{Value, json};

use crate::apply;
use crate::scenario::SCENARIO_LABEL;

/// Kinds that would run the operator inside the cluster, and what it would have there.
const LEFT_OUT: [&str; 5] = ["Deployment", "NetworkPolicy", "PodDisruptionBudget", "Service", "ServiceAccount"];

/// Applies the shipped manifests: the custom resource definition, the namespace, the roles. Those of the operator's own
/// namespace come with [`bind`], which knows it.
pub async fn install(client: &Client) -> Result<()> {
    let mut manifests = manifests()?;
    manifests.retain(|manifest| !is_role_of_namespace(manifest));
    apply::apply(client, &manifests).await
}

/// Applies of the shipped manifests what has nothing to do with access control: the custom resource definition and the
/// namespace.
pub async fn install_definitions(client: &Client) -> Result<()> {
    let mut manifests = manifests()?;
    manifests.retain(|manifest| manifest["kind"] == "CustomResourceDefinition" || manifest["kind"] == "Namespace");
    apply::apply(client, &manifests).await
}

/// Gives `user` exactly what the shipped manifests give to the operator's service account: each shipped binding is
/// repeated with the user in the place of the account. `label` is put on the copies. What is shipped for the operator's
/// own namespace goes to `own_namespace`, where kustomize would put it.
pub async fn bind(client: &Client, user: &str, label: &str, own_namespace: &str) -> Result<()> {
    let (mut bindings, mut roles) = (Vec::new(), Vec::new());
    for mut manifest in manifests()? {
        if is_role_of_namespace(&manifest) {
            manifest["metadata"]["namespace"] = json!(own_namespace);
        }
        if is_binding(&manifest) {
            bindings.push(manifest);
        } else if is_role_of_namespace(&manifest) {
            roles.push(manifest);
        }
    }
    for binding in &mut bindings {
        let name = binding["metadata"]["name"].as_str().context("a shipped binding has no name")?;
        binding["metadata"]["name"] = json!(format!("{name}-{label}"));
        binding["metadata"]["labels"] = json!({SCENARIO_LABEL: label});
        binding["subjects"] = json!([{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}]);
    }
    ensure!(
        !bindings.is_empty(),
        "{} has no binding of a service account to a role: the operator could do nothing",
        directory().display()
    );
    roles.append(&mut bindings);
    apply::apply(client, &roles).await
}

/// Gives `user` what `--metrics-authorization` needs, as the optional manifest gives it to the operator's account.
pub async fn allow_metrics_authorization(client: &Client, user: &str, label: &str) -> Result<()> {
    let mut manifests = apply::read(&directory().join("optional/metrics-authorization-role.yaml"))?;
    for binding in manifests.iter_mut().filter(|manifest| is_binding(manifest)) {
        let name = binding["metadata"]["name"].as_str().context("a shipped binding has no name")?;
        binding["metadata"]["name"] = json!(format!("{name}-{label}"));
        binding["metadata"]["labels"] = json!({SCENARIO_LABEL: label});
        binding["subjects"] = json!([{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}]);
    }
    apply::apply(client, &manifests).await
}

/// Binds the shipped role of who scrapes to a service account.
pub async fn allow_to_read_metrics(client: &Client, namespace: &str, account: &str, label: &str) -> Result<()> {
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": format!("flippy-metrics-reader-{label}"), "labels": {SCENARIO_LABEL: label}},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "flippy-metrics-reader"},
        "subjects": [{"kind": "ServiceAccount", "namespace": namespace, "name": account}],
    });
    apply::apply(client, &[binding]).await
}

/// Creates a service account.
pub async fn service_account(client: &Client, namespace: &str, name: &str) -> Result<()> {
    let account = json!({
        "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"namespace": namespace, "name": name},
    });
    apply::apply(client, &[account]).await
}

/// A token of a service account, as its pods have one.
pub async fn token(client: &Client, namespace: &str, account: &str) -> Result<String> {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let request = accounts.create_token_request(account, &PostParams::default(), &TokenRequest::default()).await?;
    Ok(request.status.context("a token was asked for, and there is none")?.token)
}

/// The shipped manifests, except those that are left out.
pub fn manifests() -> Result<Vec<Value>> {
    let directory = directory();
    let entries = std::fs::read_dir(&directory)
        .with_context(|| format!("cannot read the shipped manifests in {}", directory.display()))?;
    let mut files: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    let mut documents = Vec::new();
    for file in files {
        documents.extend(apply::read(&file)?);
    }
    documents.retain(|document| !LEFT_OUT.contains(&document["kind"].as_str().unwrap_or_default()));
    // What others live in or refer to comes first, whatever the files are called.
    documents.sort_by_key(|document| match document["kind"].as_str() {
        Some("Namespace") => 0,
        Some("CustomResourceDefinition") => 1,
        _ => 2,
    });
    Ok(documents)
}

fn is_role_of_namespace(document: &Value) -> bool {
    matches!(document["kind"].as_str(), Some("Role" | "RoleBinding"))
}

fn is_binding(document: &Value) -> bool {
    matches!(document["kind"].as_str(), Some("ClusterRoleBinding" | "RoleBinding"))
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy")
}
