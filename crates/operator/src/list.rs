//! One look at the cluster, for commands that plan without an operator.

use std::collections::BTreeSet;

use flippy_core::{Kind, Snapshot};
use kube::api::ListParams;
use kube::{Api, Client};

use crate::interner::Interner;
use crate::slim::{
    SlimDaemonSet, SlimDeployment, SlimDisruptionBudget, SlimNamespace, SlimOwnReplicaSet, SlimPod, SlimReplicaSet,
    SlimReplicationController, SlimRollout, SlimStatefulSet, SlimWorkload,
};

const PAGE_SIZE: u32 = 2000;

/// Lists what plans need: namespaces, pods, replica sets, workloads of these kinds, and disruption budgets if they are
/// respected. Read-only.
///
/// # Errors
/// When a list fails. A kind that the cluster does not serve (Argo Rollouts, not installed) is none.
pub async fn list_snapshot(
    client: &Client,
    kinds: &BTreeSet<Kind>,
    disruption_budgets: bool,
) -> Result<Snapshot, kube::Error> {
    let mut interner = Interner::new();
    let mut snapshot = Snapshot::default();
    let all = client.clone();
    each(all.clone(), |namespace: SlimNamespace| {
        let (name, labels) = namespace.record(&mut interner);
        snapshot.upsert_namespace(name, labels);
    })
    .await?;
    for kind in kinds {
        match kind {
            Kind::Deployment => workloads::<SlimDeployment>(&all, &mut snapshot, &mut interner).await?,
            Kind::StatefulSet => workloads::<SlimStatefulSet>(&all, &mut snapshot, &mut interner).await?,
            Kind::DaemonSet => workloads::<SlimDaemonSet>(&all, &mut snapshot, &mut interner).await?,
            Kind::ArgoRollout => match workloads::<SlimRollout>(&all, &mut snapshot, &mut interner).await {
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                other => other?,
            },
            Kind::ReplicaSet => workloads::<SlimOwnReplicaSet>(&all, &mut snapshot, &mut interner).await?,
            Kind::ReplicationController => {
                workloads::<SlimReplicationController>(&all, &mut snapshot, &mut interner).await?;
            }
        }
    }
    if disruption_budgets {
        each(all.clone(), |budget: SlimDisruptionBudget| {
            snapshot.upsert_disruption_budget(budget.record(&mut interner));
        })
        .await?;
    }
    each(all.clone(), |replica_set: SlimReplicaSet| {
        snapshot.upsert_replica_set(replica_set.record(&mut interner));
    })
    .await?;
    each(all, |pod: SlimPod| {
        snapshot.upsert_pod(pod.record(&mut interner));
    })
    .await?;
    Ok(snapshot)
}

async fn workloads<K: SlimWorkload>(
    client: &Client,
    snapshot: &mut Snapshot,
    interner: &mut Interner,
) -> Result<(), kube::Error> {
    each(client.clone(), |object: K| {
        let workload = object.record(interner);
        if !workload.is_a_part() {
            snapshot.upsert_workload(workload);
        }
    })
    .await
}

async fn each<K>(client: Client, mut take: impl FnMut(K)) -> Result<(), kube::Error>
where
    K: kube::Resource<DynamicType = ()> + serde::de::DeserializeOwned + Clone + std::fmt::Debug,
{
    let api = Api::<K>::all(client);
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
