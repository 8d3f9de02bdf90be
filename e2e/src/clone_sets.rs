//! `OpenKruise`'s `CloneSet`s, of which the real control plane has neither definition nor controller: the definition is made
//! here, and an actor plays the controller, as far as a restart goes. The cluster in memory simulates it by itself.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use anyhow::{Context, Result};
use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{Config, watcher};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::apply;
use crate::scenario::SCENARIO_LABEL;
use crate::wait;
use crate::workloads::Kind;

/// Of the template that a pod was made from.
const HASH: &str = "controller-revision-hash";
/// After a write that was refused there may be no event.
const LOOKS_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// How long the definition may take to disappear.
const GONE: Duration = Duration::from_secs(30);

/// Serves the kind.
pub(crate) async fn install(client: &Client) -> Result<()> {
    let resource = Kind::CloneSet.api_resource();
    let anything = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{}.{}", resource.plural, resource.group)},
        "spec": {
            "group": resource.group, "scope": "Namespaced",
            "names": {"kind": resource.kind, "plural": resource.plural, "singular": "cloneset", "listKind": "CloneSetList"},
            "versions": [{
                "name": resource.version, "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": anything, "status": anything}}},
            }],
        },
    });
    apply::apply(client, &[definition]).await
}

/// Takes the definition away again, and with it all objects: to the next scenario it may come late.
pub(crate) async fn uninstall(client: &Client) -> Result<()> {
    let resource = Kind::CloneSet.api_resource();
    let name = format!("{}.{}", resource.plural, resource.group);
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    match definitions.delete(&name, &DeleteParams::default()).await {
        Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
        Err(error) => return Err(error.into()),
        Ok(_) => {}
    }
    wait::until_gone(definitions, &name, GONE).await
}

/// Gives `user` what `deploy/optional/custom-kinds-clusterrole.yaml` gives to the operator.
pub(crate) async fn allow(client: &Client, user: &str, id: &str) -> Result<()> {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/optional/custom-kinds-clusterrole.yaml");
    let mut manifests = apply::read(&shipped)?;
    for manifest in &mut manifests {
        let name = json!(format!("flippy-custom-kinds-{id}"));
        manifest["metadata"] = json!({"name": name, "labels": {SCENARIO_LABEL: id}});
        if manifest["kind"] == "ClusterRoleBinding" {
            manifest["roleRef"]["name"] = name;
            manifest["subjects"] = json!([{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}]);
        }
    }
    apply::apply(client, &manifests).await
}

/// Plays the controller of one namespace, until dropped.
pub(crate) struct Actor(JoinHandle<()>);

impl Drop for Actor {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Actor {
    pub(crate) fn start(client: Client, namespace: &str) -> Self {
        let sets = Api::namespaced_with(client.clone(), namespace, &Kind::CloneSet.api_resource());
        let pods = Api::namespaced(client, namespace);
        Self(tokio::spawn(act(sets, pods)))
    }
}

async fn act(sets: Api<DynamicObject>, pods: Api<Pod>) {
    let of_sets = watcher(sets.clone(), Config::default()).default_backoff().map(drop);
    let of_pods = watcher(pods.clone(), Config::default()).default_backoff().map(drop);
    let mut changes = pin!(futures::stream::select(of_sets, of_pods));
    loop {
        let _ = tokio::time::timeout(LOOKS_AGAIN_AFTER, changes.next()).await;
        let Ok(all) = sets.list(&ListParams::default()).await else { continue };
        for set in all {
            // What raced with something is done at the next look.
            let _ = step(&sets, &pods, &set).await;
        }
    }
}

/// As many pods as asked for, then those of the newest template, one at a time.
async fn step(sets: &Api<DynamicObject>, pods: &Api<Pod>, set: &DynamicObject) -> Result<()> {
    let spec = &set.data["spec"];
    let wanted = usize::try_from(spec["replicas"].as_u64().unwrap_or(1))?;
    let hash = hash(&spec["template"]);
    let own = own(pods, set).await?;
    let mut outdated: Vec<&Pod> = own.iter().filter(|pod| pod.labels().get(HASH) != Some(&hash)).collect();
    outdated.sort_by_key(|pod| is_ready(pod));
    if own.len() < wanted {
        for _ in own.len()..wanted {
            pods.create(&PostParams::default(), &pod(set, &hash)?).await?;
        }
    } else if let Some(next) = outdated.first().filter(|_| spec["updateStrategy"]["paused"] != true) {
        if spec["updateStrategy"]["type"].as_str().is_some_and(|kind| kind.starts_with("InPlace")) {
            let mut metadata = spec["template"]["metadata"].clone();
            metadata["labels"][HASH] = json!(hash);
            let patch = Patch::Merge(json!({"metadata": metadata}));
            pods.patch(&next.name_any(), &PatchParams::default(), &patch).await?;
        } else if own.iter().all(is_ready) || !is_ready(next) {
            pods.delete(&next.name_any(), &DeleteParams::default()).await?;
        }
    }
    write_status(sets, set, &hash, &self::own(pods, set).await?).await
}

async fn write_status(sets: &Api<DynamicObject>, set: &DynamicObject, hash: &String, own: &[Pod]) -> Result<()> {
    let is_updated = |pod: &&Pod| pod.labels().get(HASH) == Some(hash);
    let ready = own.iter().filter(|pod| is_ready(pod)).count();
    let status = json!({
        "observedGeneration": set.metadata.generation, "replicas": own.len(), "readyReplicas": ready,
        "availableReplicas": ready, "updatedReplicas": own.iter().filter(is_updated).count(),
        "updatedReadyReplicas": own.iter().filter(is_updated).filter(|pod| is_ready(pod)).count(),
    });
    if set.data["status"] != status {
        let patch = Patch::Merge(json!({"status": status}));
        sets.patch_status(&set.name_any(), &PatchParams::default(), &patch).await?;
    }
    Ok(())
}

async fn own(pods: &Api<Pod>, set: &DynamicObject) -> Result<Vec<Pod>> {
    let mut all = pods.list(&ListParams::default()).await?.items;
    let is_own = |pod: &Pod| pod.owner_references().iter().any(|owner| Some(&owner.uid) == set.metadata.uid.as_ref());
    all.retain(|pod| is_own(pod) && pod.metadata.deletion_timestamp.is_none());
    Ok(all)
}

fn pod(set: &DynamicObject, hash: &str) -> Result<Pod> {
    let resource = Kind::CloneSet.api_resource();
    let template = &set.data["spec"]["template"];
    let mut pod = json!({"metadata": template["metadata"], "spec": template["spec"]});
    pod["metadata"]["generateName"] = json!(format!("{}-", set.name_any()));
    pod["metadata"]["labels"][HASH] = json!(hash);
    pod["metadata"]["ownerReferences"] = json!([{
        "apiVersion": resource.api_version, "kind": resource.kind, "name": set.name_any(), "uid": set.metadata.uid,
        "controller": true, "blockOwnerDeletion": true,
    }]);
    serde_json::from_value(pod).context("the template of a CloneSet makes no pod")
}

fn hash(template: &Value) -> String {
    let mut hasher = DefaultHasher::new();
    template.to_string().hash(&mut hasher);
    format!("{:x}", hasher.finish())
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.filter(|condition| condition.type_ == "Ready").any(|condition| condition.status == "True")
}
