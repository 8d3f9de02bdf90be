//! What somebody may see of the cluster: all of it, or at least the namespace of the workload.

use std::collections::BTreeSet;

use flippy_api::{ConversionOptions, FlippyConfig};
use flippy_core::{Kind, Policy, Snapshot};
use kube::api::ListParams;
use kube::core::DeserializeGuard;
use kube::{Api, Client};

use crate::connect::Cluster;
use crate::exit::Failure;
use crate::plan::subject::{self, Namespaces, Subject};
use crate::plan::{cluster, sources};
use crate::refusal;

/// What was seen.
pub(super) struct Seen {
    pub(super) subjects: Vec<Subject>,
    pub(super) snapshot: Snapshot,
    /// What was not, and what that means.
    pub(super) notes: Vec<String>,
}

type Configs = Vec<DeserializeGuard<FlippyConfig>>;

/// Looks at the whole cluster, and if that is forbidden at one namespace of it.
///
/// # Errors
/// When not even that can be seen.
pub(super) async fn look(
    cluster: &Cluster,
    options: &ConversionOptions,
    namespace: &str,
    kinds: &[Kind],
) -> Result<Seen, Failure> {
    let mut notes = Vec::new();
    let configs = configs(cluster, options, namespace, &mut notes).await?;
    let anywhere = Namespaces { asked: None, current: String::new() };
    let mut subjects = subject::from_cluster(configs, None, &anywhere, options)?;
    sources::join(&cluster.client, &mut subjects).await;
    let policies: Vec<&Policy> = subjects.iter().filter_map(|subject| subject.policy.as_ref().ok()).collect();
    let required: BTreeSet<Kind> = kinds.iter().copied().collect();
    let named: BTreeSet<Kind> = policies.iter().flat_map(|policy| policy.kinds()).collect();
    let budgets = policies.iter().any(|policy| policy.needs_disruption_budgets());
    let snapshot = snapshot(cluster, namespace, &required, &named, budgets, &mut notes).await?;
    Ok(Seen { subjects, snapshot, notes })
}

async fn snapshot(
    cluster: &Cluster,
    namespace: &str,
    required: &BTreeSet<Kind>,
    named: &BTreeSet<Kind>,
    budgets: bool,
    notes: &mut Vec<String>,
) -> Result<Snapshot, Failure> {
    let Cluster { client, server, .. } = cluster;
    let all = required.union(named).copied().collect();
    if required.is_empty() && named.is_empty() {
        return Ok(Snapshot::default());
    }
    match flippy_operator::list_snapshot(client, &all, budgets).await {
        Ok(snapshot) => return Ok(snapshot),
        Err(kube::Error::Api(status)) if status.code == 403 => {
            notes.push(format!(
                "only namespace {namespace} was looked at ({}): preconditions, limits and waves of the FlippyConfigs are \
                 judged by that alone",
                status.message
            ));
        }
        Err(error) => return Err(refusal::failure(&error, server)),
    }
    let seen = flippy_operator::list_namespace(client, namespace, required, named, budgets).await;
    let seen = seen.map_err(|error| refusal::failure(&error, server))?;
    notes.extend(seen.unseen.into_iter().map(|message| format!("not looked at: {message}")));
    Ok(seen.snapshot)
}

/// The configs that may be about the namespace: all, or those of the namespaces where such configs are.
async fn configs(
    cluster: &Cluster,
    options: &ConversionOptions,
    namespace: &str,
    notes: &mut Vec<String>,
) -> Result<Configs, Failure> {
    let Cluster { client, server, .. } = cluster;
    let refused = match list(client, None).await {
        Ok(configs) => return Ok(configs),
        Err(error @ kube::Error::Api(_)) if is_forbidden(&error) => error,
        Err(_) => return cluster::configs(client, server, false).await,
    };
    let places = options.trusted_namespaces.iter().map(AsRef::as_ref).chain([namespace]);
    let (mut found, mut hidden, mut could_look) = (Vec::new(), Vec::new(), false);
    for place in places.collect::<BTreeSet<&str>>() {
        match list(client, Some(place)).await {
            Ok(configs) => {
                could_look = true;
                found.extend(configs);
            }
            Err(error) if is_forbidden(&error) => hidden.push(place),
            Err(_) => return Err(refusal::failure(&refused, server)),
        }
    }
    if !could_look {
        return Err(refusal::failure(&refused, server));
    }
    if !hidden.is_empty() {
        notes.push(format!(
            "FlippyConfigs in {} may not be listed: whether they are about it is not known",
            hidden.join(", ")
        ));
    }
    Ok(found)
}

async fn list(client: &Client, namespace: Option<&str>) -> Result<Configs, kube::Error> {
    let api: Api<DeserializeGuard<FlippyConfig>> = match namespace {
        None => Api::all(client.clone()),
        Some(namespace) => Api::namespaced(client.clone(), namespace),
    };
    api.list(&ListParams::default()).await.map(|list| list.items)
}

fn is_forbidden(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 403)
}
