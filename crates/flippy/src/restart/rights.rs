//! Whether somebody may do what a campaign does, asked before it begins: half-way is too late.

use std::collections::BTreeSet;

use flippy_core::Kind;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::api::PostParams;
use kube::{Api, Client};

use crate::exit::Failure;

/// Namespaces that are asked about one by one, if somebody may not restart in all of them: each is a request.
const MAX_NAMESPACES: usize = 50;

/// One right.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Right {
    verb: &'static str,
    group: &'static str,
    resource: String,
    subresource: Option<&'static str>,
    /// `None`: in the whole cluster.
    namespace: Option<String>,
}

/// What a campaign is about.
pub(super) struct Needs<'a> {
    pub(super) kinds: BTreeSet<Kind>,
    pub(super) disruption_budgets: bool,
    /// Workloads that may be restarted: kind and namespace.
    pub(super) restarts: BTreeSet<(Kind, &'a str)>,
    /// Namespaces in which pods may be evicted.
    pub(super) evictions: BTreeSet<&'a str>,
    /// Whether pods are created on a dry run, where these workloads are.
    pub(super) asks_admission: bool,
}

/// Asks the API server about every right, as far as it tells.
///
/// # Errors
/// All rights that are missing, one a line. That of listing is not asked about: it was used a moment ago.
pub(super) async fn check(client: &Client, needs: &Needs<'_>) -> Result<(), Failure> {
    let mut missing = Vec::new();
    let always = [("", "namespaces"), ("", "pods"), ("apps", "replicasets")];
    let budgets = needs.disruption_budgets.then_some(("policy", "poddisruptionbudgets"));
    for (group, resource) in always.into_iter().chain(budgets) {
        missing.extend(unless_granted(client, Right::to("watch", group, resource)).await);
    }
    for kind in &needs.kinds {
        // What is not served cannot be asked about, and there is none of it.
        let Some((group, resource)) = resource(client, *kind).await else { continue };
        missing.extend(unless_granted(client, Right::to("watch", group, resource)).await);
    }
    let kinds: BTreeSet<Kind> = needs.restarts.iter().map(|(kind, _)| *kind).collect();
    for kind in kinds {
        let Some((group, resource)) = resource(client, kind).await else { continue };
        let patching = Right::to("patch", group, resource);
        let namespaces = needs.restarts.iter().filter(|(other, _)| *other == kind).map(|(_, namespace)| *namespace);
        missing.extend(missing_in(client, patching, namespaces.collect()).await);
    }
    if !needs.evictions.is_empty() {
        let evicting = Right { subresource: Some("eviction"), ..Right::to("create", "", "pods") };
        missing.extend(missing_in(client, evicting, needs.evictions.clone()).await);
    }
    if needs.asks_admission {
        let creating = Right::to("create", "", "pods");
        let namespaces = needs.restarts.iter().map(|(_, namespace)| *namespace);
        missing.extend(missing_in(client, creating, namespaces.collect()).await);
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(Failure::error(missing.iter().map(Right::missing).collect::<Vec<_>>().join("\n")))
}

/// A right that is not granted everywhere, in each of the namespaces where it is not granted, either.
async fn missing_in(client: &Client, everywhere: Right, namespaces: BTreeSet<&str>) -> Vec<Right> {
    let mut missing = Vec::new();
    if unless_granted(client, everywhere.clone()).await.is_none() {
        return missing;
    }
    for namespace in namespaces.into_iter().take(MAX_NAMESPACES) {
        let here = Right { namespace: Some(namespace.to_owned()), ..everywhere.clone() };
        missing.extend(unless_granted(client, here).await);
    }
    missing
}

/// The right, if the API server says that it is not granted. One that does not tell is no reason not to try.
async fn unless_granted(client: &Client, right: Right) -> Option<Right> {
    let attributes = ResourceAttributes {
        verb: Some(right.verb.to_owned()),
        group: Some(right.group.to_owned()),
        resource: Some(right.resource.clone()),
        subresource: right.subresource.map(str::to_owned),
        namespace: right.namespace.clone(),
        ..ResourceAttributes::default()
    };
    let spec =
        SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), ..SelfSubjectAccessReviewSpec::default() };
    let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
    let answer = Api::all(client.clone()).create(&PostParams::default(), &review).await.ok()?;
    answer.status.filter(|status| !status.allowed).map(|_| right)
}

/// Group and plural of a kind, if it is served.
async fn resource(client: &Client, kind: Kind) -> Option<(&'static str, String)> {
    let (group, plural) = match kind {
        Kind::Custom(kind) => return Some((kind.group(), flippy_operator::plural_of(client, kind).await?)),
        Kind::Deployment => ("apps", "deployments"),
        Kind::StatefulSet => ("apps", "statefulsets"),
        Kind::DaemonSet => ("apps", "daemonsets"),
        Kind::ArgoRollout => ("argoproj.io", "rollouts"),
        Kind::ReplicaSet => ("apps", "replicasets"),
        Kind::ReplicationController => ("", "replicationcontrollers"),
    };
    Some((group, plural.to_owned()))
}

impl Right {
    /// In the whole cluster.
    fn to(verb: &'static str, group: &'static str, resource: impl Into<String>) -> Self {
        Self { verb, group, resource: resource.into(), subresource: None, namespace: None }
    }

    fn missing(&self) -> String {
        let Self { verb, group, resource, subresource, namespace } = self;
        let name = if group.is_empty() { resource.clone() } else { format!("{resource}.{group}") };
        let name = match subresource {
            Some(subresource) => format!("{name}/{subresource}"),
            None => name,
        };
        let (place, role) = match namespace {
            None => ("in the whole cluster".to_owned(), "ClusterRole"),
            Some(namespace) => (format!("in namespace {namespace}"), "Role or ClusterRole"),
        };
        format!(
            "you may not {verb} {name} {place}: have a {role} bound to you that allows `{verb}` on `{name}`; nothing was restarted"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_right_is_named_with_its_verb_resource_and_place() {
        let right = Right { namespace: Some("shop".to_owned()), ..Right::to("patch", "apps", "deployments") };
        assert!(right.missing().starts_with("you may not patch deployments.apps in namespace shop"));
        let right = Right::to("watch", "", "pods");
        assert!(right.missing().starts_with("you may not watch pods in the whole cluster"));
        let right = Right { subresource: Some("eviction"), ..Right::to("create", "", "pods") };
        assert!(right.missing().starts_with("you may not create pods/eviction in the whole cluster"));
    }
}
