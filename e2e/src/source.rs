//! The right to read one `ConfigMap`, as the example ships it.

use std::path::Path;

use anyhow::Result;
use kube::Client;
use serde_json::{Value, json};

use crate::apply;

/// Gives `user` what `deploy/optional/image-source-role.yaml` gives to the operator, for another `ConfigMap`.
pub(crate) async fn allow(client: &Client, user: &str, namespace: &str, config_map: &str) -> Result<()> {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/optional/image-source-role.yaml");
    let mut manifests: Vec<Value> = apply::read(&example)?;
    for manifest in &mut manifests {
        let name = json!(format!("flippy-image-source-{config_map}"));
        manifest["metadata"] = json!({"name": name, "namespace": namespace});
        if manifest["kind"] == "Role" {
            manifest["rules"][0]["resourceNames"] = json!([config_map]);
        } else {
            manifest["roleRef"]["name"] = name;
            manifest["subjects"] = json!([{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}]);
        }
    }
    apply::apply(client, &manifests).await
}
