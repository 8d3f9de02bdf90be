//! Users of the cluster, by client certificate.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::json;

use crate::certificates::Authority;

/// Members of this group have every request recorded in the audit log. It is bound to no role.
pub const AUDITED_GROUP: &str = "flippy-e2e:audited";

/// Members of this group may do anything: they bypass RBAC, and the API server's flow control too.
pub const MASTERS_GROUP: &str = "system:masters";

/// Begins the name of a replica of an operator, after that of the operator's user.
const REPLICA: char = ':';

/// The user that a replica of an operator is.
pub(crate) fn replica(user: &str, name: &str) -> String {
    format!("{user}{REPLICA}{name}")
}

/// Whether somebody is a user, or one of its replicas.
pub(crate) fn is_or_replaces(who: &str, user: &str) -> bool {
    who.strip_prefix(user).is_some_and(|rest| rest.is_empty() || rest.starts_with(REPLICA))
}

/// Writes a kubeconfig for a user with a fresh client certificate to `path`.
pub fn write_kubeconfig(
    path: &Path,
    server: &str,
    authority: &Authority,
    user: &str,
    group: Option<&str>,
) -> Result<PathBuf> {
    let identity = authority.client(user, group)?;
    let kubeconfig = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "e2e", "cluster": {
            "server": server,
            "certificate-authority": authority.certificate(),
        }}],
        "users": [{"name": user, "user": {
            "client-certificate": identity.certificate,
            "client-key": identity.key,
        }}],
        "contexts": [{"name": "e2e", "context": {"cluster": "e2e", "user": user}}],
        "current-context": "e2e",
    });
    // JSON is YAML, and every reader of kubeconfigs takes it.
    std::fs::write(path, serde_json::to_string_pretty(&kubeconfig)?)?;
    Ok(path.to_owned())
}
