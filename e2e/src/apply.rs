//! Applying manifests of any kind, as `kubectl apply --server-side` does.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceDefinitionCondition,
};
use kube::api::{Api, DynamicObject, GroupVersionKind, Patch, PatchParams};
use kube::discovery::Scope;
use kube::{Client, Discovery};
use serde_json::Value;

use crate::wait;

/// The field manager of everything that tests apply.
pub const FIELD_MANAGER: &str = "flippy-e2e";

/// Time for a custom resource definition to be served.
const ESTABLISHED: Duration = Duration::from_secs(30);

/// All documents of a YAML file. Empty ones are left out.
pub fn read(path: &Path) -> Result<Vec<Value>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&text).with_context(|| format!("{} is not valid YAML", path.display()))
}

/// All documents of a YAML text. Empty ones are left out.
pub fn parse(yaml: &str) -> Result<Vec<Value>> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(yaml)?;
    Ok(documents.into_iter().filter(|document| !document.is_null()).collect())
}

/// Applies documents in order. After a custom resource definition it waits until the new kind is served.
pub async fn apply(client: &Client, documents: &[Value]) -> Result<()> {
    let mut discovery = None;
    for document in documents {
        let name = document["metadata"]["name"].as_str().unwrap_or("?");
        let kind = document["kind"].as_str().unwrap_or("?");
        let at = || format!("cannot apply {kind} {name}");
        if kind == "CustomResourceDefinition" {
            let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
            definitions.patch(name, &parameters(), &Patch::Apply(document)).await.with_context(at)?;
            established(definitions, name).await?;
            discovery = None;
            continue;
        }
        let known = match discovery.take() {
            Some(known) => known,
            None => Discovery::new(client.clone()).run_aggregated().await?,
        };
        let api = api_for(client, &known, document).with_context(at)?;
        api.patch(name, &parameters(), &Patch::Apply(document)).await.with_context(at)?;
        discovery = Some(known);
    }
    Ok(())
}

/// The API of a document's kind, in its namespace.
pub async fn api_of(client: &Client, document: &Value) -> Result<Api<DynamicObject>> {
    api_for(client, &Discovery::new(client.clone()).run_aggregated().await?, document)
}

async fn established(definitions: Api<CustomResourceDefinition>, name: &str) -> Result<()> {
    let what = format!("the custom resource definition {name} to be served");
    wait::until(definitions, name, &what, ESTABLISHED, |definition| {
        let conditions = definition.and_then(|definition| definition.status.as_ref()?.conditions.as_deref());
        let established = |condition: &CustomResourceDefinitionCondition| {
            condition.type_ == "Established" && condition.status == "True"
        };
        let served = conditions.unwrap_or_default().iter().any(established);
        served.then_some(()).ok_or("it is not established".to_owned())
    })
    .await
}

fn api_for(client: &Client, discovery: &Discovery, document: &Value) -> Result<Api<DynamicObject>> {
    let kind = group_version_kind(document)?;
    let (resource, capabilities) = discovery
        .resolve_gvk(&kind)
        .with_context(|| format!("the API server serves no {} {}", kind.api_version(), kind.kind))?;
    let namespace = document["metadata"]["namespace"].as_str();
    match (capabilities.scope, namespace) {
        (Scope::Cluster, _) => Ok(Api::all_with(client.clone(), &resource)),
        (Scope::Namespaced, namespace) => {
            Ok(Api::namespaced_with(client.clone(), namespace.unwrap_or("default"), &resource))
        }
    }
}

fn group_version_kind(document: &Value) -> Result<GroupVersionKind> {
    let api_version = document["apiVersion"].as_str().context("it has no apiVersion")?;
    let kind = document["kind"].as_str().context("it has no kind")?;
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    Ok(GroupVersionKind::gvk(group, version, kind))
}

fn parameters() -> PatchParams {
    PatchParams::apply(FIELD_MANAGER).force()
}
