//! From a kubeconfig to a client.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use crate::cli::Connection;
use crate::exit::Failure;
use crate::refusal::chain;

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the API server may be silent when somebody waits.
const READ_TIMEOUT: Duration = Duration::from_mins(1);

/// Finds the cluster as controller-runtime and kubectl do: `--kubeconfig`, `KUBECONFIG`, the pod's own service
/// account, `~/.kube/config`.
///
/// # Errors
/// When there is none, or it is not usable. Nothing is asked of the cluster yet.
pub(crate) async fn config(connection: &Connection) -> Result<Config, Failure> {
    let mut config = match source(connection) {
        Source::ServiceAccount => Config::incluster().map_err(|error| {
            Failure::cannot_begin(format!(
                "cannot use the pod's service account: {}; set automountServiceAccountToken to true, or set KUBECONFIG",
                chain(&error)
            ))
        })?,
        Source::Flag(path) => {
            from(Kubeconfig::read_from(&path), connection, &format!("--kubeconfig {}", path.display())).await?
        }
        Source::Variable(files) => from(Kubeconfig::read(), connection, &format!("KUBECONFIG={files}")).await?,
        Source::Home(path) => from(Kubeconfig::read_from(&path), connection, &path.display().to_string()).await?,
        Source::Nowhere => {
            return Err(Failure::cannot_begin(
                "no cluster: this is no pod, and there is no ~/.kube/config; set KUBECONFIG, or name a file with --kubeconfig",
            ));
        }
    };
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    if connection.act_as.is_some() {
        config.auth_info.impersonate.clone_from(&connection.act_as);
        config.auth_info.impersonate_groups =
            Some(connection.act_as_groups.clone()).filter(|groups| !groups.is_empty());
    }
    Ok(config)
}

/// A cluster that a command talks to on behalf of somebody who waits for the answer.
pub(crate) struct Cluster {
    pub(crate) client: Client,
    /// Its URL, for messages.
    pub(crate) server: String,
    /// The namespace of the context.
    pub(crate) namespace: String,
}

/// Finds the cluster, for a command that somebody waits for.
///
/// # Errors
/// As [`config`] and [`client`].
pub(crate) async fn cluster(connection: &Connection) -> Result<Cluster, Failure> {
    asking(config(connection).await?)
}

/// The same for a config that is known already.
///
/// # Errors
/// As [`client`].
pub(crate) fn asking(mut config: Config) -> Result<Cluster, Failure> {
    config.read_timeout = Some(READ_TIMEOUT);
    reach(config)
}

/// The same for a command that watches: a watch may be silent for as long as nothing happens.
///
/// # Errors
/// As [`config`] and [`client`].
pub(crate) async fn watched_cluster(connection: &Connection) -> Result<Cluster, Failure> {
    reach(config(connection).await?)
}

fn reach(mut config: Config) -> Result<Cluster, Failure> {
    // An answer now, even a bad one, is better than many attempts in silence.
    config.default_retry = false;
    let server = config.cluster_url.to_string();
    let namespace = config.default_namespace.clone();
    Ok(Cluster { client: client(config)?, server, namespace })
}

/// A client for a config.
///
/// # Errors
/// When its certificates or credentials are not usable.
pub(crate) fn client(config: Config) -> Result<Client, Failure> {
    let server = config.cluster_url.to_string();
    Client::try_from(config).map_err(|error| {
        Failure::cannot_begin(format!(
            "cannot set up the connection to {server}: {}; check the user in the kubeconfig",
            chain(&error)
        ))
    })
}

#[derive(Debug)]
enum Source {
    Flag(PathBuf),
    Variable(String),
    ServiceAccount,
    Home(PathBuf),
    Nowhere,
}

fn source(connection: &Connection) -> Source {
    if let Some(path) = &connection.kubeconfig {
        return Source::Flag(path.clone());
    }
    if let Some(files) = std::env::var_os("KUBECONFIG").filter(|files| !files.is_empty()) {
        return Source::Variable(files.to_string_lossy().into_owned());
    }
    // A service account has no contexts: whoever names one means a file.
    if connection.context.is_none() && std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() {
        return Source::ServiceAccount;
    }
    let home = std::env::home_dir().map(|home| home.join(".kube/config")).filter(|path| Path::is_file(path));
    home.map_or(Source::Nowhere, Source::Home)
}

async fn from(
    read: Result<Kubeconfig, kube::config::KubeconfigError>,
    connection: &Connection,
    source: &str,
) -> Result<Config, Failure> {
    let unusable = |error: &kube::config::KubeconfigError| {
        Failure::cannot_begin(format!("cannot use the kubeconfig ({source}): {}", chain(error)))
    };
    let kubeconfig = read.map_err(|error| unusable(&error))?;
    check_context(&kubeconfig, connection, source)?;
    let options = KubeConfigOptions { context: connection.context.clone(), ..KubeConfigOptions::default() };
    Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|error| unusable(&error))
}

/// A context that does not exist is the commonest mistake: the answer names those that do.
fn check_context(kubeconfig: &Kubeconfig, connection: &Connection, source: &str) -> Result<(), Failure> {
    let known: Vec<&str> = kubeconfig.contexts.iter().map(|context| context.name.as_str()).collect();
    let there_are = if known.is_empty() { "it has none".to_owned() } else { format!("it has {}", known.join(", ")) };
    let wanted =
        connection.context.as_deref().or(kubeconfig.current_context.as_deref()).filter(|name| !name.is_empty());
    match wanted {
        None => Err(Failure::cannot_begin(format!(
            "the kubeconfig ({source}) has no current context: name one with --context; {there_are}"
        ))),
        Some(name) if !known.contains(&name) => Err(Failure::cannot_begin(format!(
            "there is no context {name} in the kubeconfig ({source}): choose another with --context; {there_are}"
        ))),
        Some(_) => Ok(()),
    }
}
