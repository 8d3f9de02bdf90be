//! The right to create pods on a dry run, and what fences it in, as `deploy/optional` ships them.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use kube::Client;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams};
use serde_json::{Value, json};

use crate::apply;
use crate::scenario::SCENARIO_LABEL;

/// The account in the shipped manifests.
const ACCOUNT: &str = "system:serviceaccount:istio-system:flippy";

/// The right, and its fence, as they are shipped.
pub fn manifests() -> Result<Vec<Value>> {
    apply::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/optional/ask-admission.yaml"))
}

/// Gives `user` what `deploy/optional/ask-admission.yaml` gives to the operator's service account, with the same fence. Copies of
/// everything but the role are made, with `label` in their names and on them.
pub(crate) async fn allow_asking(client: &Client, user: &str, label: &str) -> Result<()> {
    let mut manifests = manifests()?;
    for manifest in &mut manifests {
        if manifest["kind"] == "ClusterRole" {
            continue;
        }
        let name = manifest["metadata"]["name"].as_str().context("a shipped object has no name")?;
        manifest["metadata"] = json!({"name": format!("{name}-{label}"), "labels": {SCENARIO_LABEL: label}});
        match manifest["kind"].as_str() {
            Some("ValidatingAdmissionPolicy") => set_user(manifest, user)?,
            Some("ValidatingAdmissionPolicyBinding") => {
                let policy = manifest["spec"]["policyName"].as_str().context("the binding names no policy")?;
                manifest["spec"]["policyName"] = json!(format!("{policy}-{label}"));
            }
            _ => {
                manifest["subjects"] = json!([{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}]);
            }
        }
    }
    apply::apply(client, &manifests).await
}

fn set_user(policy: &mut Value, user: &str) -> Result<()> {
    let condition = &mut policy["spec"]["matchConditions"][0]["expression"];
    let shipped = condition.as_str().context("the policy has no condition")?;
    ensure!(shipped.contains(ACCOUNT), "the policy is about somebody else: {shipped}");
    *condition = json!(shipped.replace(ACCOUNT, user));
    Ok(())
}

/// Removes the policies that were copied; bindings of roles are swept with all others.
pub(crate) async fn remove_all(client: &Client) -> Result<()> {
    for kind in ["ValidatingAdmissionPolicyBinding", "ValidatingAdmissionPolicy"] {
        let kind = GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", kind);
        let policies: Api<DynamicObject> = Api::all_with(client.clone(), &ApiResource::from_gvk(&kind));
        policies.delete_collection(&DeleteParams::default(), &ListParams::default().labels(SCENARIO_LABEL)).await?;
    }
    Ok(())
}
