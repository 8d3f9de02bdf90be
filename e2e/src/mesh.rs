//! A service mesh, as far as Flippy is concerned: something that puts a sidecar into new pods, and can be upgraded.
//!
//! Each scenario has a mesh of its own, so that none sees another's upgrade: its own `MutatingAdmissionPolicy`, bound
//! to the namespaces with its own label, which takes the image from its own `ConfigMap`. "Upgrading the mesh" is a
//! change of that `ConfigMap`, and running pods do not notice, exactly as with istiod.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams, PostParams,
};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::apply;
use crate::scenario::{OLD_IMAGE, SCENARIO_LABEL};

/// The label of namespaces in a mesh. Its value is the mesh's name.
pub const MESH_LABEL: &str = "flippy-e2e/mesh";

/// The annotation of a pod that wants its own sidecar image, as Istio calls it. Such a workload is never fresh for long.
pub const PINNED_IMAGE_ANNOTATION: &str = "sidecar.istio.io/proxyImage";

/// The sidecar's container.
pub const SIDECAR: &str = "istio-proxy";

/// Time for the API server to act upon a new policy or a new image: it learns of both by its own watches.
const EFFECTIVE: Duration = Duration::from_secs(20);

/// How often admission is asked for its opinion, for want of anything to watch.
const PROBE_INTERVAL: Duration = Duration::from_millis(25);

/// Where in a pod the sidecar goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sidecar {
    /// Among the containers.
    Container,
    /// Among the init containers, with restart policy `Always`: a native sidecar.
    Native,
}

/// A mesh whose injector hands out one image at a time.
#[derive(Clone)]
pub struct Mesh {
    client: Client,
    name: String,
}

// By hand, because a client has none.
impl std::fmt::Debug for Mesh {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mesh").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Mesh {
    /// Installs a mesh whose injector hands out `image`, with a system namespace called like itself, and waits until
    /// new pods really get it.
    pub async fn install(client: &Client, name: &str, sidecar: Sidecar, image: &str) -> Result<Self> {
        let mesh = Self { client: client.clone(), name: name.to_owned() };
        apply::apply(client, &mesh.manifests(sidecar, image)).await?;
        mesh.hands_out(image).await?;
        Ok(mesh)
    }

    /// A mesh whose injector is not a policy of the API server, but reads the same `ConfigMap`.
    #[cfg(feature = "embedded")]
    pub(crate) async fn install_without_policy(client: &Client, name: &str, image: &str) -> Result<Self> {
        let mesh = Self { client: client.clone(), name: name.to_owned() };
        let [namespace, config_map, ..] = mesh.manifests(Sidecar::Container, image);
        apply::apply(client, &[namespace, config_map]).await?;
        mesh.hands_out(image).await?;
        Ok(mesh)
    }

    /// Its name: the value of [`MESH_LABEL`], the namespace of its `ConfigMap`, and the name of its policy.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Makes the injector hand out another image, and waits until new pods really get it.
    pub async fn upgrade(&self, image: &str) -> Result<()> {
        let sidecar: Api<ConfigMap> = Api::namespaced(self.client.clone(), &self.name);
        let change = Patch::Merge(json!({"data": {"image": image}}));
        sidecar.patch("sidecar", &PatchParams::default(), &change).await?;
        self.hands_out(image).await
    }

    /// Installs a policy that matches nothing and is never removed. Without it the API server would stop watching
    /// `ConfigMap`s with the last mesh, and never see one again: it cannot restart the informer of a built-in kind
    /// of parameter (kube-apiserver 1.36, `pkg/admission/plugin/policy/generic/policy_source.go`).
    pub(crate) async fn prepare(client: &Client) -> Result<()> {
        let nobody = Self { client: client.clone(), name: "no-mesh".to_owned() };
        let mut manifests = nobody.manifests(Sidecar::Container, OLD_IMAGE);
        for manifest in &mut manifests {
            // Not a mesh that could be removed, and no namespace is in it.
            manifest["metadata"]["labels"] = json!({});
        }
        apply::apply(client, &manifests).await
    }

    /// Removes the policies of all meshes. Their namespaces and images stay.
    pub async fn remove_all(client: &Client) -> Result<()> {
        // As dynamic objects: the oldest API that k8s-openapi is compiled for has no v1 of them.
        for kind in ["MutatingAdmissionPolicyBinding", "MutatingAdmissionPolicy"] {
            let kind = GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", kind);
            let policies: Api<DynamicObject> = Api::all_with(client.clone(), &ApiResource::from_gvk(&kind));
            let ours = ListParams::default().labels(MESH_LABEL);
            policies.delete_collection(&DeleteParams::default(), &ours).await?;
        }
        Ok(())
    }

    async fn hands_out(&self, image: &str) -> Result<()> {
        let deadline = Instant::now() + EFFECTIVE;
        loop {
            let handed_out = self.image_of_a_new_pod().await?;
            if handed_out.as_deref() == Some(image) {
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "the injector of mesh {} should hand out {image}, but after {} s a new pod still gets {handed_out:?}",
                self.name,
                EFFECTIVE.as_secs()
            );
            sleep(PROBE_INTERVAL).await;
        }
    }

    /// What a pod created now would get. None without injection.
    pub async fn image_of_a_new_pod(&self) -> Result<Option<String>> {
        // The mesh's own namespace is a member of it, for this question only.
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &self.name);
        let pod = serde_json::from_value(json!({
            "metadata": {"name": "probe"},
            "spec": {
                "containers": [{"name": "app", "image": "example.com/probe:1"}],
                // The namespace may be so new that its service account does not exist.
                "automountServiceAccountToken": false,
            },
        }))?;
        let dry_run = PostParams { dry_run: true, ..PostParams::default() };
        match pods.create(&dry_run, &pod).await {
            Ok(pod) => Ok(sidecar_image(&pod).map(str::to_owned)),
            Err(kube::Error::Api(status)) if status.reason == "Forbidden" => Ok(None),
            Err(error) => Err(error).context("cannot ask admission what a new pod would get"),
        }
    }

    fn manifests(&self, sidecar: Sidecar, image: &str) -> [Value; 4] {
        let (field, more) = match sidecar {
            Sidecar::Container => ("containers", ""),
            Sidecar::Native => ("initContainers", r#", restartPolicy: "Always""#),
        };
        let pinned = format!("object.metadata.?annotations[?'{PINNED_IMAGE_ANNOTATION}'].orValue(params.data.image)");
        let mutation = format!(
            r#"Object{{spec: Object.spec{{{field}: [Object.spec.{field}{{name: "{SIDECAR}", image: {pinned}{more}}}]}}}}"#
        );
        let name = &self.name;
        [
            json!({
                "apiVersion": "v1", "kind": "Namespace",
                "metadata": {"name": name, "labels": {MESH_LABEL: name, SCENARIO_LABEL: name}},
            }),
            json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"namespace": name, "name": "sidecar"},
                "data": {"image": image},
            }),
            json!({
                "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicy",
                "metadata": {"name": name, "labels": {MESH_LABEL: name}},
                "spec": {
                    "failurePolicy": "Fail",
                    "reinvocationPolicy": "Never",
                    "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
                    "matchConstraints": {
                        "namespaceSelector": {"matchLabels": {MESH_LABEL: name}},
                        "objectSelector": {"matchExpressions": [
                            {"key": "sidecar.istio.io/inject", "operator": "NotIn", "values": ["false"]},
                        ]},
                        "resourceRules": [{
                            "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"],
                        }],
                    },
                    "mutations": [{
                        "patchType": "ApplyConfiguration",
                        "applyConfiguration": {"expression": mutation},
                    }],
                },
            }),
            json!({
                "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicyBinding",
                "metadata": {"name": name, "labels": {MESH_LABEL: name}},
                "spec": {
                    "policyName": name,
                    "paramRef": {"name": "sidecar", "namespace": name, "parameterNotFoundAction": "Deny"},
                },
            }),
        ]
    }
}

/// The image of a pod's sidecar, wherever in the pod it is.
pub fn sidecar_image(pod: &Pod) -> Option<&str> {
    let spec = pod.spec.as_ref()?;
    let containers = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    containers.filter(|container| container.name == SIDECAR).find_map(|container| container.image.as_deref())
}
