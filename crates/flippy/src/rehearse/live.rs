//! The cluster as it is: lists only, with the rights of whoever asks.

use flippy_api::FlippyConfig;
use http::Request;
use kube::Client;
use serde::de::DeserializeSeed as _;

use super::material::Material;
use super::objects::Document;
use crate::exit::Failure;
use crate::refusal;

const PAGE_SIZE: usize = 1_000;
/// Pages of one list. What goes on for longer does not end.
const MAX_PAGES: usize = 2_000;

/// What is listed: the path, whether a cluster may lack it, and the kind.
const LISTS: [(&str, bool, &str); 8] = [
    ("/api/v1/namespaces", false, "Namespace"),
    ("/apis/apps/v1/deployments", false, "Deployment"),
    ("/apis/apps/v1/statefulsets", false, "StatefulSet"),
    ("/apis/apps/v1/daemonsets", false, "DaemonSet"),
    ("/apis/argoproj.io/v1alpha1/rollouts", true, "Rollout"),
    ("/apis/policy/v1/poddisruptionbudgets", false, "PodDisruptionBudget"),
    ("/apis/apps/v1/replicasets", false, "ReplicaSet"),
    ("/api/v1/pods", false, "Pod"),
];

/// Lists everything that a rehearsal needs. Nothing is written, nothing watched.
///
/// # Errors
/// When a list is refused; the message names the right that is missing.
pub(super) async fn list(
    client: &Client,
    server: &str,
    needs_rollouts: bool,
    material: &mut Material,
    mut progress: impl FnMut(&str, usize),
) -> Result<(), Failure> {
    for (path, optional, kind) in LISTS {
        match one(client, path, kind, material, &mut progress).await {
            Err(Trouble::Refused(kube::Error::Api(status))) if optional && status.code == 404 => {}
            Err(Trouble::Refused(kube::Error::Api(status))) if optional && status.code == 403 && !needs_rollouts => {
                material
                    .notes
                    .push(format!("without ArgoRollouts, which the config does not name: {}", status.message));
            }
            Err(Trouble::Refused(error)) => return Err(refusal::failure(&error, server)),
            Err(Trouble::Odd(why)) => return Err(Failure::error(format!("the cluster at {server} sent {why}"))),
            Ok(()) => {}
        }
    }
    Ok(())
}

enum Trouble {
    Refused(kube::Error),
    Odd(String),
}

async fn one(
    client: &Client,
    path: &str,
    kind: &str,
    material: &mut Material,
    progress: &mut impl FnMut(&str, usize),
) -> Result<(), Trouble> {
    let mut next_page = String::new();
    let mut taken = 0;
    for _ in 0..MAX_PAGES {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("limit", &PAGE_SIZE.to_string());
        if !next_page.is_empty() {
            query.append_pair("continue", &next_page);
        }
        let request = Request::get(format!("{path}?{}", query.finish())).body(Vec::new());
        let request = request.map_err(|error| Trouble::Odd(error.to_string()))?;
        let text = client.request_text(request).await.map_err(Trouble::Refused)?;
        let api_version = path.trim_start_matches("/apis/").trim_start_matches("/api/");
        let api_version = api_version.rsplit_once('/').map_or("", |(version, _)| version);
        let mut take = |mut object: serde_json::Value| {
            // The API server says this of the list, not of what is in it.
            object["kind"] = kind.into();
            object["apiVersion"] = api_version.into();
            taken += 1;
            material.take(object)
        };
        let next = Document(&mut take).deserialize(&mut serde_json::Deserializer::from_str(&text));
        progress(kind, taken);
        match next.map_err(|error| Trouble::Odd(format!("a list of {kind}s that cannot be read: {error}")))? {
            Some(next) => next_page = next,
            None => return Ok(()),
        }
    }
    Err(Trouble::Odd(format!("more than {} {kind}s", MAX_PAGES * PAGE_SIZE)))
}

/// Reads the `ConfigMap`s that a config takes images from.
///
/// # Errors
/// When one may not be read. One that is missing is the config's own problem, and is told as such.
pub(super) async fn sources(
    client: &Client,
    server: &str,
    configs: &[FlippyConfig],
    material: &mut Material,
) -> Result<(), Failure> {
    let sources = configs.iter().flat_map(|config| {
        let home = config.metadata.namespace.as_deref().unwrap_or_default();
        config.spec.image_sources.iter().map(move |source| (home, &source.config_map))
    });
    for (home, map) in sources {
        let namespace = if map.namespace.is_empty() { home } else { &map.namespace };
        let api = kube::Api::<k8s_openapi::api::core::v1::ConfigMap>::namespaced(client.clone(), namespace);
        let found = api.get_opt(&map.name).await.map_err(|error| refusal::failure(&error, server))?;
        let Some(found) = found else { continue };
        let mut object = serde_json::to_value(found)
            .map_err(|error| Failure::error(format!("cannot keep ConfigMap {namespace}/{}: {error}", map.name)))?;
        object["kind"] = "ConfigMap".into();
        object["apiVersion"] = "v1".into();
        material.take(object).map_err(Failure::error)?;
    }
    Ok(())
}
