//! What scenarios run on: a real cluster, or one that is simulated in this process.

use std::hash::{BuildHasher, Hasher, RandomState};

use anyhow::{Context, Result};
use jiff::Timestamp;
use kube::Client;

use crate::apply;
use crate::assets::Assets;
use crate::audit::Requests;
use crate::clone_sets::{self, Actor};
use crate::cluster::Cluster;
#[cfg(feature = "embedded")]
use crate::embedded::Embedded;
use crate::install;
use crate::mesh::{Mesh, Sidecar};
use crate::operator::Operator;
use crate::optional;
use crate::source;
use crate::sweep::sweep;
use crate::user;

/// One of the two.
#[derive(Clone)]
pub(crate) enum Backend {
    Real(Cluster),
    #[cfg(feature = "embedded")]
    Embedded(Embedded),
}

impl Backend {
    /// The id of a new scenario: nothing else on the cluster has it.
    pub(crate) fn new_id(&self) -> String {
        match self {
            Self::Real(_) => format!("e2e-{:05x}", RandomState::new().build_hasher().finish() & 0xf_ffff),
            // Always the same, so that the same seed is the same history.
            #[cfg(feature = "embedded")]
            Self::Embedded(_) => "e2e-00000".to_owned(),
        }
    }

    /// A client that may do anything.
    pub(crate) async fn admin(&self) -> Result<Client> {
        match self {
            Self::Real(cluster) => cluster.admin().await,
            #[cfg(feature = "embedded")]
            Self::Embedded(embedded) => Ok(embedded.client("admin")),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        match self {
            Self::Real(_) => Timestamp::now(),
            #[cfg(feature = "embedded")]
            Self::Embedded(embedded) => embedded.now(),
        }
    }

    /// All requests of a user so far, and of the replicas that are named after it.
    pub(crate) fn requests(&self, user: &str) -> Result<Requests> {
        match self {
            Self::Real(cluster) => {
                Ok(cluster.audit().requests()?.only(|request| user::is_or_replaces(request.user(), user)))
            }
            #[cfg(feature = "embedded")]
            Self::Embedded(embedded) => Ok(embedded.requests(user)),
        }
    }

    /// Removes what scenarios created.
    pub(crate) async fn sweep(&self, client: &Client) -> Result<()> {
        match self {
            Self::Real(cluster) => sweep(cluster, client).await,
            // Each scenario has a cluster of its own, which goes with it.
            #[cfg(feature = "embedded")]
            Self::Embedded(_) => Ok(()),
        }
    }

    pub(crate) async fn mesh(&self, client: &Client, name: &str, sidecar: Sidecar, image: &str) -> Result<Mesh> {
        match self {
            Self::Real(_) => Mesh::install(client, name, sidecar, image).await,
            #[cfg(feature = "embedded")]
            Self::Embedded(embedded) => {
                embedded.inject(name, sidecar);
                Mesh::install_without_policy(client, name, image).await
            }
        }
    }

    /// Whether pods need their namespace's service account, which a controller creates in its own time.
    pub(crate) fn has_service_accounts(&self) -> bool {
        matches!(self, Self::Real(_))
    }

    /// Makes the shipped definitions and roles known.
    pub(crate) async fn install(&self, client: &Client) -> Result<()> {
        match self {
            Self::Real(_) => install::install(client).await,
            #[cfg(feature = "embedded")]
            Self::Embedded(_) => install::install_definitions(client).await,
        }
    }

    pub(crate) async fn install_argo_rollouts(&self, client: &Client) -> Result<()> {
        match self {
            Self::Real(_) => {
                for path in Assets::find()?.argo_definitions() {
                    apply::apply(client, &apply::read(path)?).await?;
                }
                Ok(())
            }
            #[cfg(feature = "embedded")]
            Self::Embedded(embedded) => embedded.serve_rollouts(),
        }
    }

    /// Starts an operator that may do what the shipped roles allow, as `user`. `name` is that of its pod.
    pub(crate) async fn operator(
        &self,
        client: &Client,
        name: &str,
        user: &str,
        own_namespace: &str,
        arguments: &[&str],
    ) -> Result<Operator> {
        match self {
            Self::Real(cluster) => {
                let kubeconfig = cluster.user_kubeconfig(user)?;
                install::bind(client, user, name, own_namespace).await?;
                Operator::spawn(cluster.directory(), name, &kubeconfig, own_namespace, arguments)
            }
            #[cfg(feature = "embedded")]
            Self::Embedded(embedded) => {
                Ok(Operator::embedded(embedded.operator(name, user, own_namespace, arguments)?))
            }
        }
    }

    /// Gives `user` the right to read one `ConfigMap`. On the embedded backend nobody needs rights.
    pub(crate) async fn allow_source(&self, client: &Client, user: &str, namespace: &str, name: &str) -> Result<()> {
        match self {
            Self::Real(_) => source::allow(client, user, namespace, name).await,
            #[cfg(feature = "embedded")]
            Self::Embedded(_) => Ok(()),
        }
    }

    /// Gives `user` the right to create pods on a dry run. On the embedded backend nobody needs rights.
    pub(crate) async fn allow_asking(&self, client: &Client, user: &str, label: &str) -> Result<()> {
        match self {
            Self::Real(_) => optional::allow_asking(client, user, label).await,
            #[cfg(feature = "embedded")]
            Self::Embedded(_) => Ok(()),
        }
    }

    /// Installs the definition of `CloneSet`s and a controller of those in `namespace`, for as long as what is returned is kept.
    pub(crate) async fn install_clone_sets(&self, client: &Client, namespace: &str) -> Result<Option<Actor>> {
        clone_sets::install(client).await?;
        match self {
            Self::Real(_) => Ok(Some(Actor::start(client.clone(), namespace))),
            // It simulates the controller.
            #[cfg(feature = "embedded")]
            Self::Embedded(_) => Ok(None),
        }
    }

    /// Gives `user` the rights that the chart adds for `CloneSet`s. On the embedded backend nobody needs rights.
    pub(crate) async fn allow_clone_sets(&self, client: &Client, user: &str, id: &str) -> Result<()> {
        match self {
            Self::Real(_) => clone_sets::allow(client, user, id).await,
            #[cfg(feature = "embedded")]
            Self::Embedded(_) => Ok(()),
        }
    }

    pub(crate) fn forget_ancient_versions(&self) {
        match self {
            // It forgets by itself, and has long forgotten those.
            Self::Real(_) => {}
            #[cfg(feature = "embedded")]
            Self::Embedded(embedded) => embedded.compact(),
        }
    }

    /// The real cluster, for what only that has.
    pub(crate) fn real(&self) -> Result<&Cluster> {
        match self {
            Self::Real(cluster) => Some(cluster),
            #[cfg(feature = "embedded")]
            Self::Embedded(_) => None,
        }
        .context("there is no such thing on the embedded backend: run this scenario on the real one only")
    }

    /// Where more can be read about what went wrong, and the end of it.
    pub(crate) fn explanation(&self) -> String {
        match self {
            Self::Real(cluster) => format!("more logs are in {}", cluster.directory().join("logs").display()),
            #[cfg(feature = "embedded")]
            Self::Embedded(embedded) => format!("the end of what happened\n{}", embedded.trace(TRACE_LINES)),
        }
    }
}

#[cfg(feature = "embedded")]
const TRACE_LINES: usize = 60;
