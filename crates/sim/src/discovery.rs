//! Which groups, versions and resources there are.

use crate::{Json, json};

use crate::error::ApiError;
use crate::resources::{TABLE, Traits};
use crate::world::World;

const VERBS: [&str; 7] = ["create", "delete", "get", "list", "patch", "update", "watch"];

/// Answers a discovery path (without the leading slash).
pub(crate) fn answer(world: &World, path: &str, aggregated: bool) -> Result<Json, ApiError> {
    if aggregated && matches!(path, "api" | "apis") {
        return Ok(everything(world, path == "api"));
    }
    match path.split('/').collect::<Vec<_>>().as_slice() {
        ["version"] => Ok(json!({
            "major": "1", "minor": "34", "gitVersion": "v1.34.0", "gitCommit": "", "gitTreeState": "clean",
            "buildDate": "2025-01-01T00:00:00Z", "goVersion": "go1.24", "compiler": "gc", "platform": "linux/amd64",
        })),
        ["readyz" | "livez" | "healthz"] => Ok(json!("ok")),
        ["api"] => Ok(json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})),
        ["api", "v1"] => Ok(resources(world, "", "v1")),
        ["apis"] => Ok(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups(world)})),
        ["apis", group] => {
            groups(world).into_iter().find(|found| found["name"] == *group).ok_or_else(ApiError::no_such_path)
        }
        ["apis", group, version]
            if served(world).any(|traits| traits.group == *group && traits.version == *version) =>
        {
            Ok(resources(world, group, version))
        }
        _ => Err(ApiError::no_such_path()),
    }
}

fn served(world: &World) -> impl Iterator<Item = &'static Traits> {
    TABLE.iter().filter(|traits| world.is_served(traits.resource))
}

/// The core group, or all others, with their resources (`apidiscovery.k8s.io/v2`). Each group has one version here.
fn everything(world: &World, core: bool) -> Json {
    let mut items: Vec<Json> = Vec::new();
    for traits in served(world).filter(|traits| traits.group.is_empty() == core) {
        let Traits { group, version, plural, kind, .. } = traits;
        let described = json!({
            "resource": plural, "singularResource": kind.to_lowercase(), "verbs": VERBS,
            "scope": if traits.namespaced { "Namespaced" } else { "Cluster" },
            "responseKind": {"group": group, "version": version, "kind": kind},
        });
        match items.iter_mut().find(|item| item["metadata"]["name"] == *group) {
            Some(item) => item["versions"][0]["resources"].as_array_mut().expect("it is made below").push(described),
            None => items.push(json!({
                "metadata": {"name": group}, "versions": [{"version": version, "freshness": "Current", "resources": [described]}],
            })),
        }
    }
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items})
}

fn groups(world: &World) -> Vec<Json> {
    let mut groups: Vec<Json> = Vec::new();
    for Traits { group, version, .. } in served(world).filter(|traits| !traits.group.is_empty()) {
        if groups.iter().all(|known| known["name"] != *group) {
            let version = json!({"groupVersion": format!("{group}/{version}"), "version": version});
            groups.push(json!({"kind": "APIGroup", "apiVersion": "v1", "name": group, "versions": [version], "preferredVersion": version}));
        }
    }
    groups
}

fn resources(world: &World, group: &str, version: &str) -> Json {
    let mut resources = Vec::new();
    for traits in served(world).filter(|traits| traits.group == group && traits.version == version) {
        let describe = |name: String, verbs: Json| json!({"name": name, "singularName": traits.kind.to_lowercase(), "namespaced": traits.namespaced, "kind": traits.kind, "verbs": verbs});
        resources.push(describe(traits.plural.to_owned(), json!(VERBS)));
        if traits.status {
            resources.push(describe(format!("{}/status", traits.plural), json!(["get", "patch", "update"])));
        }
    }
    let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources})
}
