//! One look at the cluster, for commands that plan without an operator.

use std::collections::BTreeSet;

use flippy_core::{CustomKind, Kind, Snapshot};
use kube::api::ListParams;
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource};

use crate::discovery::{self, Found};
use crate::interner::Interner;
use crate::slim::{
    SlimCustom, SlimDaemonSet, SlimDeployment, SlimDisruptionBudget, SlimNamespace, SlimOwnReplicaSet, SlimPod,
    SlimReplicaSet, SlimReplicationController, SlimRollout, SlimStatefulSet, SlimWorkload,
};

const PAGE_SIZE: u32 = 2000;

/// Lists what plans need: namespaces, pods, replica sets, workloads of these kinds, and disruption budgets if they are
/// respected. Read-only.
///
/// # Errors
/// When a list fails. A kind that the cluster does not serve (Argo Rollouts, not installed) is none; of a
/// custom one the snapshot says why.
pub async fn list_snapshot(
    client: &Client,
    kinds: &BTreeSet<Kind>,
    disruption_budgets: bool,
) -> Result<Snapshot, kube::Error> {
    let mut look = Look::at(client, None);
    let namespaces = Api::<SlimNamespace>::all(client.clone());
    let (snapshot, interner) = (&mut look.snapshot, &mut look.interner);
    each(&namespaces, |namespace| {
        let (name, labels) = namespace.record(interner);
        snapshot.upsert_namespace(name, labels);
    })
    .await?;
    for kind in kinds {
        look.workloads(*kind).await?;
    }
    if disruption_budgets {
        look.disruption_budgets().await?;
    }
    look.pods().await?;
    Ok(look.snapshot)
}

/// What one namespace has, for somebody who may not look at the others.
pub struct NamespaceSnapshot {
    /// What was seen.
    pub snapshot: Snapshot,
    /// What was not, one line each: what is known of it would be a guess.
    pub unseen: Vec<String>,
}

/// Like [`list_snapshot`], of one namespace. Workloads of other kinds than `required`, and disruption budgets, may be
/// forbidden: then they are not seen.
///
/// # Errors
/// When the namespace, its pods, its replica sets or workloads of the required kinds cannot be read.
pub async fn list_namespace(
    client: &Client,
    namespace: &str,
    required: &BTreeSet<Kind>,
    besides: &BTreeSet<Kind>,
    disruption_budgets: bool,
) -> Result<NamespaceSnapshot, kube::Error> {
    let mut look = Look::at(client, Some(namespace));
    let home = Api::<SlimNamespace>::all(client.clone()).get(namespace).await?;
    let (name, labels) = home.record(&mut look.interner);
    look.snapshot.upsert_namespace(name, labels);
    look.pods().await?;
    for kind in required {
        look.workloads(*kind).await?;
    }
    let mut unseen = Vec::new();
    for kind in besides.difference(required) {
        unseen.extend(unless_forbidden(look.workloads(*kind).await)?);
    }
    if disruption_budgets {
        unseen.extend(unless_forbidden(look.disruption_budgets().await)?);
    }
    Ok(NamespaceSnapshot { snapshot: look.snapshot, unseen })
}

/// What the API server says that may not be seen.
fn unless_forbidden(listed: Result<(), kube::Error>) -> Result<Option<String>, kube::Error> {
    match listed {
        Ok(()) => Ok(None),
        Err(kube::Error::Api(status)) if status.code == 403 => Ok(Some(status.message.clone())),
        Err(error) => Err(error),
    }
}

/// Lists into a snapshot.
struct Look<'a> {
    client: &'a Client,
    /// `None`: everywhere.
    namespace: Option<&'a str>,
    snapshot: Snapshot,
    interner: Interner,
}

impl<'a> Look<'a> {
    fn at(client: &'a Client, namespace: Option<&'a str>) -> Self {
        Self { client, namespace, snapshot: Snapshot::default(), interner: Interner::new() }
    }

    fn api<K: Resource<DynamicType = (), Scope = NamespaceResourceScope>>(&self) -> Api<K> {
        match self.namespace {
            None => Api::all(self.client.clone()),
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
        }
    }

    async fn workloads(&mut self, kind: Kind) -> Result<(), kube::Error> {
        match kind {
            Kind::Deployment => self.workloads_of::<SlimDeployment>().await,
            Kind::StatefulSet => self.workloads_of::<SlimStatefulSet>().await,
            Kind::DaemonSet => self.workloads_of::<SlimDaemonSet>().await,
            Kind::ArgoRollout => match self.workloads_of::<SlimRollout>().await {
                Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
                other => other,
            },
            Kind::ReplicaSet => self.workloads_of::<SlimOwnReplicaSet>().await,
            Kind::ReplicationController => self.workloads_of::<SlimReplicationController>().await,
            Kind::Custom(kind) => self.workloads_of_custom(kind).await,
        }
    }

    async fn workloads_of_custom(&mut self, kind: CustomKind) -> Result<(), kube::Error> {
        let resource = match discovery::find(self.client, kind).await? {
            Found::As(resource) => resource,
            Found::Absent(why) | Found::ClusterScoped(why) => {
                self.snapshot.note_unserved(Kind::Custom(kind), why.into());
                return Ok(());
            }
        };
        let api: Api<SlimCustom> = match self.namespace {
            None => Api::all_with(self.client.clone(), &resource),
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
        };
        let (snapshot, interner) = (&mut self.snapshot, &mut self.interner);
        each(&api, |object| {
            snapshot.upsert_workload(object.record(kind, interner));
        })
        .await
    }

    async fn workloads_of<K: SlimWorkload>(&mut self) -> Result<(), kube::Error> {
        let api = self.api::<K>();
        let (snapshot, interner) = (&mut self.snapshot, &mut self.interner);
        each(&api, |object| {
            let workload = object.record(interner);
            if !workload.is_a_part() {
                snapshot.upsert_workload(workload);
            }
        })
        .await
    }

    async fn disruption_budgets(&mut self) -> Result<(), kube::Error> {
        let api = self.api::<SlimDisruptionBudget>();
        let (snapshot, interner) = (&mut self.snapshot, &mut self.interner);
        each(&api, |budget| {
            snapshot.upsert_disruption_budget(budget.record(interner));
        })
        .await
    }

    /// Pods, and what leads from them to their workloads.
    async fn pods(&mut self) -> Result<(), kube::Error> {
        let (replica_sets, pods) = (self.api::<SlimReplicaSet>(), self.api::<SlimPod>());
        let (snapshot, interner) = (&mut self.snapshot, &mut self.interner);
        each(&replica_sets, |replica_set| {
            snapshot.upsert_replica_set(replica_set.record(interner));
        })
        .await?;
        each(&pods, |pod| {
            snapshot.upsert_pod(pod.record(interner));
        })
        .await
    }
}

async fn each<K>(api: &Api<K>, mut take: impl FnMut(K)) -> Result<(), kube::Error>
where
    K: Resource + serde::de::DeserializeOwned + Clone + std::fmt::Debug,
{
    let mut params = ListParams::default().limit(PAGE_SIZE);
    loop {
        let page = api.list(&params).await?;
        page.items.into_iter().for_each(&mut take);
        match page.metadata.continue_ {
            Some(token) if !token.is_empty() => params = params.continue_token(&token),
            _ => return Ok(()),
        }
    }
}
