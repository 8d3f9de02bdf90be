//! Deleting, and what goes with what is deleted.

use std::time::Duration;

use anyhow::Result;
use flippy_e2e::observe;
use flippy_e2e::scenario::Scenario;
use flippy_e2e::wait;
use flippy_e2e::workloads::Workload;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{Api, DeleteParams, ListParams, PostParams, Preconditions};
use kube::runtime::watcher;
use serde_json::json;

use crate::refusal::{config_map, config_maps, refusal};

flippy_e2e::scenarios! {
    both: [
        preconditions_guard_a_deletion,
        a_pod_is_terminating_before_it_is_gone_and_is_replaced_under_another_name,
        what_a_deployment_owned_goes_with_it_unless_it_is_orphaned,
        a_namespace_goes_with_all_that_is_in_it,
    ]
}

const LIMIT: Duration = Duration::from_mins(1);

async fn preconditions_guard_a_deletion(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let one = config_map(s, &shop, "one").await?;
    let maps = config_maps(s, &shop);
    let only_if = |uid: Option<String>, resource_version: Option<String>| DeleteParams {
        preconditions: Some(Preconditions { uid, resource_version }),
        ..DeleteParams::default()
    };
    for wrong in [only_if(Some("another".into()), None), only_if(None, Some("1".into()))] {
        let refused = refusal(maps.delete("one", &wrong).await)?;
        assert_eq!(refused.kind(), (409, "Conflict"), "{refused:?}");
    }
    let right = only_if(one.metadata.uid, one.metadata.resource_version);
    assert!(maps.delete("one", &right).await?.is_right(), "it is gone at once, and so a status is shown");
    assert_eq!(refusal(maps.delete("one", &right).await)?.kind(), (404, "NotFound"));
    Ok(())
}

async fn a_pod_is_terminating_before_it_is_gone_and_is_replaced_under_another_name(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let cart = Workload::deployment("cart").termination_delay(Duration::from_millis(300));
    let cart = s.create_all(&shop, [cart]).await?.remove(0);
    let pod = observe::pods(&s.client(), &cart).await?.remove(0);
    let name = pod.metadata.name.expect("a stored pod has a name");
    let pods: Api<Pod> = Api::namespaced(s.client(), &shop);
    let deleted = pods.delete(&name, &DeleteParams::default()).await?.left().expect("a running pod has time to stop");
    assert!(deleted.metadata.deletion_timestamp.is_some());
    assert_eq!(deleted.metadata.deletion_grace_period_seconds, Some(1));
    assert!(pods.get(&name).await?.metadata.deletion_timestamp.is_some());
    wait::until_gone(pods, &name, LIMIT).await?;
    s.rolled_out(&cart).await?;
    let replacement = observe::pods(&s.client(), &cart).await?.remove(0);
    assert_ne!(replacement.metadata.name, Some(name));
    Ok(())
}

async fn what_a_deployment_owned_goes_with_it_unless_it_is_orphaned(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let workloads = s.create_all(&shop, [Workload::deployment("gone"), Workload::deployment("orphaned")]).await?;
    observe::api(&s.client(), &workloads[0]).delete("gone", &DeleteParams::background()).await?;
    observe::api(&s.client(), &workloads[1]).delete("orphaned", &DeleteParams::orphan()).await?;
    let only_orphans = |names: Vec<Option<&String>>| match names.as_slice() {
        [Some(name)] if name.starts_with("orphaned-") => Ok(()),
        names => Err(format!("there are {names:?}")),
    };
    let pods: Api<Pod> = Api::namespaced(s.client(), &shop);
    wait::until_all(pods, watcher::Config::default(), "the pods of one to be gone", LIMIT, |pods: &[&Pod]| {
        only_orphans(pods.iter().map(|pod| pod.metadata.name.as_ref()).collect())
    })
    .await?;
    let sets: Api<ReplicaSet> = Api::namespaced(s.client(), &shop);
    let selection = watcher::Config::default();
    wait::until_all(sets, selection, "the other to belong to nobody", LIMIT, |sets: &[&ReplicaSet]| {
        only_orphans(sets.iter().map(|set| set.metadata.name.as_ref()).collect())?;
        match sets[0].metadata.owner_references.as_deref().unwrap_or_default() {
            [] => Ok(()),
            owners => Err(format!("it belongs to {owners:?}")),
        }
    })
    .await
}

async fn a_namespace_goes_with_all_that_is_in_it(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let cart = Workload::deployment("cart").termination_delay(Duration::from_millis(500));
    s.create_all(&shop, [cart]).await?;
    let namespaces: Api<Namespace> = Api::all(s.client());
    namespaces.delete(&shop, &DeleteParams::default()).await?;
    let phase = namespaces.get(&shop).await?.status.and_then(|status| status.phase);
    assert_eq!(phase.as_deref(), Some("Terminating"));
    let late = serde_json::from_value(json!({"metadata": {"name": "late"}}))?;
    let refused = refusal(config_maps(s, &shop).create(&PostParams::default(), &late).await)?;
    assert_eq!(refused.kind(), (403, "Forbidden"));
    assert_eq!(refused.causes, ["NamespaceTerminating"]);
    wait::until_gone(namespaces, &shop, LIMIT).await?;
    let pods: Api<Pod> = Api::namespaced(s.client(), &shop);
    assert_eq!(pods.list(&ListParams::default()).await?.items.len(), 0);
    Ok(())
}
