//! Names of what is in the cluster, for somebody who has typed the first letters of one.
//!
//! Nobody who presses TAB wants an error or a wait: what cannot be found out at once is not completed.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

use clap_complete::CompletionCandidate;
use flippy_api::FlippyConfig;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::ListParams;
use kube::config::Kubeconfig;
use kube::core::PartialObjectMeta;
use kube::{Api, ResourceExt as _};

use crate::cli::Connection;
use crate::connect::{self, Cluster};

/// How long somebody waits for names.
const PATIENCE: Duration = Duration::from_secs(2);

/// Names that are asked for at most.
const MAX_NAMES: u32 = 500;

/// Contexts of the kubeconfig.
pub(crate) fn contexts(current: &OsStr) -> Vec<CompletionCandidate> {
    let typed = Typed::of(std::env::args_os());
    let read = typed.connection.kubeconfig.as_ref().map_or_else(Kubeconfig::read, Kubeconfig::read_from);
    let names =
        read.map(|config| config.contexts.into_iter().map(|context| context.name).collect()).unwrap_or_default();
    matching(names, current)
}

/// Namespaces of the cluster.
pub(crate) fn namespaces(current: &OsStr) -> Vec<CompletionCandidate> {
    let names = looked_up(|cluster, _| async move {
        let api = Api::<PartialObjectMeta<Namespace>>::all(cluster.client);
        Some(api.list_metadata(&few()).await.ok()?.items.into_iter().map(|one| one.name_any()).collect())
    });
    matching(names, current)
}

/// FlippyConfigs of the cluster, or of the namespace that was typed.
pub(crate) fn configs(current: &OsStr) -> Vec<CompletionCandidate> {
    let names = looked_up(|cluster, typed| async move {
        Some(configs_of(&cluster, &typed).await?.into_iter().map(|config| config.name_any()).collect())
    });
    matching(names, current)
}

/// Waves that need approval, of the FlippyConfig that was typed.
pub(crate) fn waves(current: &OsStr) -> Vec<CompletionCandidate> {
    let names = looked_up(|cluster, typed| async move {
        let configs = configs_of(&cluster, &typed).await?;
        let meant = configs.into_iter().filter(|config| typed.words.contains(&config.name_any()));
        let waves = meant.flat_map(|config| config.spec.strategy.waves);
        Some(waves.filter(|wave| wave.approval == "Manual").map(|wave| wave.name).collect())
    });
    matching(names, current)
}

/// Workloads as `KIND/NAME`: kinds first, then names of the kind that was typed.
pub(crate) fn workloads(current: &OsStr) -> Vec<CompletionCandidate> {
    let Some(kind) = current.to_str().and_then(|text| text.split_once('/')).map(|(kind, _)| kind.to_owned()) else {
        let kinds = ["deploy/", "sts/", "ds/", "rollout/"].map(str::to_owned);
        return matching(kinds.to_vec(), current);
    };
    let names = looked_up(|cluster, typed| async move {
        let namespace = typed.namespace.clone().unwrap_or_else(|| cluster.namespace.clone());
        let client = cluster.client;
        let names = match kind.as_str() {
            "deploy" | "deployment" | "deployments" => {
                names(&Api::<PartialObjectMeta<Deployment>>::namespaced(client, &namespace)).await?
            }
            "sts" | "statefulset" | "statefulsets" => {
                names(&Api::<PartialObjectMeta<StatefulSet>>::namespaced(client, &namespace)).await?
            }
            "ds" | "daemonset" | "daemonsets" => {
                names(&Api::<PartialObjectMeta<DaemonSet>>::namespaced(client, &namespace)).await?
            }
            _ => return None,
        };
        Some(names.into_iter().map(|name| format!("{kind}/{name}")).collect())
    });
    matching(names, current)
}

async fn names<K>(api: &Api<K>) -> Option<Vec<String>>
where
    K: kube::Resource + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    Some(api.list_metadata(&few()).await.ok()?.items.into_iter().map(|one| one.name_any()).collect())
}

async fn configs_of(cluster: &Cluster, typed: &Typed) -> Option<Vec<FlippyConfig>> {
    let api = crate::configs::api::<FlippyConfig>(cluster, typed.namespace.as_deref());
    Some(api.list(&few()).await.ok()?.items)
}

fn few() -> ListParams {
    ListParams::default().limit(MAX_NAMES)
}

fn matching(names: Vec<String>, current: &OsStr) -> Vec<CompletionCandidate> {
    let begun = current.to_string_lossy();
    names.into_iter().filter(|name| name.starts_with(begun.as_ref())).map(CompletionCandidate::new).collect()
}

/// Asks the cluster that was typed, for a moment.
fn looked_up<F, Fut>(ask: F) -> Vec<String>
where
    F: FnOnce(Cluster, Typed) -> Fut,
    Fut: Future<Output = Option<Vec<String>>>,
{
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return Vec::new() };
    let typed = Typed::of(std::env::args_os());
    let found = runtime.block_on(async {
        let asked = async {
            let cluster = connect::cluster(&typed.connection).await.ok()?;
            ask(cluster, typed).await
        };
        tokio::time::timeout(PATIENCE, asked).await.ok().flatten()
    });
    found.unwrap_or_default()
}

/// What of a command line matters here. It is not complete yet, so it cannot be parsed.
#[derive(Debug, Default)]
struct Typed {
    connection: Connection,
    namespace: Option<String>,
    words: Vec<String>,
}

impl Typed {
    fn of(args: impl IntoIterator<Item = OsString>) -> Self {
        let mut typed = Self::default();
        let mut args = args.into_iter().filter_map(|arg| arg.into_string().ok()).peekable();
        while let Some(arg) = args.next() {
            let (flag, value) = match arg.split_once('=') {
                Some((flag, value)) if flag.starts_with("--") => (flag.to_owned(), Some(value.to_owned())),
                _ => (arg, None),
            };
            let mut value = || value.clone().or_else(|| args.next_if(|next| !next.starts_with('-')));
            match flag.as_str() {
                "--kubeconfig" => typed.connection.kubeconfig = value().map(PathBuf::from),
                "--context" => typed.connection.context = value(),
                "--as" => typed.connection.act_as = value(),
                "--as-group" => typed.connection.act_as_groups.extend(value()),
                "-n" | "--namespace" => typed.namespace = value(),
                _ => typed.words.push(flag),
            }
        }
        typed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cluster_that_was_typed_is_asked() {
        let args = ["flippy", "status", "--context", "prod", "--kubeconfig=/k", "-n", "shop", "mesh"];
        let typed = Typed::of(args.map(OsString::from));
        assert_eq!(typed.connection.context.as_deref(), Some("prod"));
        assert_eq!(typed.connection.kubeconfig, Some(PathBuf::from("/k")));
        assert_eq!(typed.namespace.as_deref(), Some("shop"));
        assert!(typed.words.contains(&"mesh".to_owned()));
    }

    #[test]
    fn a_flag_without_its_value_is_no_flag_yet() {
        assert_eq!(Typed::of(["flippy", "--context"].map(OsString::from)).connection.context, None);
    }
}
