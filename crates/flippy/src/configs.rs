//! Which FlippyConfigs are meant by what was typed.
#![allow(clippy::doc_markdown, reason = "doc comments are help texts here, and a terminal shows backticks as they are")]

use clap::Args;
use clap_complete::ArgValueCompleter;
use flippy_api::FlippyConfig;
use kube::api::ListParams;
use kube::core::DeserializeGuard;
use kube::{Api, ResourceExt as _};

use crate::completion::names;
use crate::connect::Cluster;
use crate::exit::Failure;
use crate::near::near;
use crate::refusal;

/// Where to look.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct NamespaceArgs {
    /// Namespace of the FlippyConfig [default: any, as long as the name is clear]
    #[arg(short, long, add = ArgValueCompleter::new(names::namespaces))]
    pub(crate) namespace: Option<String>,
    /// In all namespaces
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub(crate) all_namespaces: bool,
}

/// What was found.
pub(crate) struct Found {
    pub(crate) configs: Vec<FlippyConfig>,
    /// The namespace that was looked into; `None`: all of them.
    pub(crate) namespace: Option<String>,
}

/// The API of the FlippyConfigs of a namespace, or of all.
pub(crate) fn api<K>(cluster: &Cluster, namespace: Option<&str>) -> Api<K>
where
    K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
{
    let client = cluster.client.clone();
    namespace.map_or_else(|| Api::all(client.clone()), |namespace| Api::namespaced(client.clone(), namespace))
}

/// Finds the config of that name; without a name, all of them.
///
/// Without `--namespace` it looks everywhere. Somebody who may not do that is meant to see their own: then the
/// namespace of the context counts.
///
/// # Errors
/// When they cannot be listed, when there is none of that name, or several are.
pub(crate) async fn find(cluster: &Cluster, name: Option<&str>, args: &NamespaceArgs) -> Result<Found, Failure> {
    let mut namespace = args.namespace.clone();
    let mut listed = list(cluster, namespace.as_deref()).await;
    if let Err(kube::Error::Api(status)) = &listed
        && status.code == 403
        && namespace.is_none()
        && !args.all_namespaces
        && let Ok(own) = list(cluster, Some(&cluster.namespace)).await
    {
        eprintln!("note: only namespace {} is looked into: others may not be listed", cluster.namespace);
        namespace = Some(cluster.namespace.clone());
        listed = Ok(own);
    }
    let mut guarded = listed.map_err(|error| failure(&error, &cluster.server))?;
    guarded.sort_by_cached_key(path_of_guarded);
    let Some(name) = name else {
        let mut configs = Vec::new();
        for one in guarded {
            let broken = match one.0 {
                Ok(config) => {
                    configs.push(config);
                    continue;
                }
                Err(broken) => broken,
            };
            eprintln!(
                "note: FlippyConfig {} does not decode: {}",
                broken.metadata.name.unwrap_or_default(),
                broken.error
            );
        }
        return Ok(Found { configs, namespace });
    };
    let paths: Vec<String> = guarded.iter().map(path_of_guarded).collect();
    let mut named: Vec<DeserializeGuard<FlippyConfig>> =
        guarded.into_iter().filter(|one| one.name_any() == name).collect();
    if named.len() > 1 {
        let several: Vec<String> = named.iter().map(path_of_guarded).collect();
        return Err(Failure::error(format!(
            "there are {} FlippyConfigs named {name}: choose one with --namespace; {}",
            several.len(),
            several.join(", ")
        )));
    }
    let Some(one) = named.pop() else {
        let place = namespace.as_ref().map_or_else(String::new, |namespace| format!(" in namespace {namespace}"));
        let there_is =
            near(name, paths).map_or_else(|| "there is none at all".to_owned(), |names| format!("there is {names}"));
        return Err(Failure::error(format!("there is no FlippyConfig {name}{place}; {there_is}")));
    };
    let path = path_of_guarded(&one);
    let config = one.0.map_err(|broken| {
        Failure::error(format!("FlippyConfig {path} does not decode: {}; correct its spec", broken.error))
    })?;
    Ok(Found { configs: vec![config], namespace })
}

async fn list(cluster: &Cluster, namespace: Option<&str>) -> Result<Vec<DeserializeGuard<FlippyConfig>>, kube::Error> {
    api::<DeserializeGuard<FlippyConfig>>(cluster, namespace).list(&ListParams::default()).await.map(|list| list.items)
}

/// Says why the configs of a cluster were not read, or changed.
pub(crate) fn failure(error: &kube::Error, server: &str) -> Failure {
    match error {
        kube::Error::Api(status) if status.code == 404 => Failure::error(
            "the cluster does not know FlippyConfig: install it with `flippy crd | kubectl apply -f -`, or choose another \
             cluster with --context",
        ),
        error => refusal::failure(error, server),
    }
}

/// `namespace/name`
pub(crate) fn path_of(config: &FlippyConfig) -> String {
    format!("{}/{}", config.namespace().unwrap_or_default(), config.name_any())
}

fn path_of_guarded(config: &DeserializeGuard<FlippyConfig>) -> String {
    format!("{}/{}", config.namespace().unwrap_or_default(), config.name_any())
}
