//! Evictions and disruption budgets through the real client.

use std::time::Duration;

use flippy_sim::{Faults, Resource, SimCluster, fixtures, json, run};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, EvictParams, PostParams};

/// Two pods behind a budget that wants this many available.
async fn cluster(min_available: u64) -> SimCluster {
    let cluster = SimCluster::new(1, Faults::none());
    cluster.create(fixtures::namespace("shop", false)).unwrap();
    cluster
        .create_settled([fixtures::stateful_set("shop", "db", 2), fixtures::budget("shop", "db", min_available)])
        .unwrap();
    let seen = |cluster: &SimCluster| {
        cluster.get(Resource::PodDisruptionBudgets, "shop", "db").unwrap()["status"]["observedGeneration"] == 1
    };
    assert!(cluster.until(Duration::from_secs(1), seen).await);
    cluster
}

async fn evict(cluster: &SimCluster, pod: &str) -> Result<(), kube::core::Status> {
    let api: Api<Pod> = Api::namespaced(cluster.client("flippy"), "shop");
    match api.evict(pod, &EvictParams::default()).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) => Err(*status),
        Err(other) => panic!("not an answer of the server: {other:?}"),
    }
}

#[test]
fn a_pod_without_a_budget_is_evicted() {
    run(async {
        let cluster = SimCluster::new(1, Faults::none());
        cluster.create(fixtures::namespace("shop", false)).unwrap();
        cluster.create_settled([fixtures::stateful_set("shop", "db", 2)]).unwrap();
        evict(&cluster, "db-0").await.unwrap();
        let pod = cluster.get(Resource::Pods, "shop", "db-0").unwrap();
        assert!(pod["metadata"]["deletionTimestamp"].is_string());
        let conditions = pod["status"]["conditions"].as_array().unwrap();
        assert!(conditions.iter().any(|condition| condition["type"] == "DisruptionTarget"));
    });
}

#[test]
fn a_tight_budget_refuses_with_429_and_names_itself() {
    run(async {
        let status = evict(&cluster(2).await, "db-0").await.unwrap_err();
        assert_eq!(
            (status.code, &*status.message),
            (429, "Cannot evict pod as it would violate the pod's disruption budget.")
        );
        let causes = status.details.unwrap().causes;
        assert_eq!(causes[0].message, "The disruption budget db needs 2 healthy pods and has 2 currently");
    });
}

#[test]
fn a_budget_of_one_lets_one_go_and_then_the_other() {
    run(async {
        let cluster = cluster(1).await;
        evict(&cluster, "db-0").await.unwrap();
        assert_eq!(evict(&cluster, "db-1").await.unwrap_err().code, 429);
        let replaced = |cluster: &SimCluster| {
            cluster.get(Resource::PodDisruptionBudgets, "shop", "db").unwrap()["status"]["disruptionsAllowed"] == 1
        };
        assert!(cluster.until(Duration::from_mins(1), replaced).await);
        evict(&cluster, "db-1").await.unwrap();
    });
}

#[test]
fn several_budgets_over_one_pod_are_500() {
    run(async {
        let cluster = cluster(1).await;
        let mut second = fixtures::budget("shop", "db", 1);
        second["metadata"]["name"] = json!("db-too");
        cluster.create(second).unwrap();
        assert_eq!(evict(&cluster, "db-0").await.unwrap_err().code, 500);
    });
}

#[test]
fn a_dry_run_spends_nothing() {
    run(async {
        let cluster = cluster(1).await;
        let api: Api<Pod> = Api::namespaced(cluster.client("flippy"), "shop");
        let params =
            EvictParams { post_options: PostParams { dry_run: true, ..Default::default() }, ..Default::default() };
        api.evict("db-0", &params).await.unwrap();
        assert!(cluster.get(Resource::Pods, "shop", "db-0").unwrap()["metadata"]["deletionTimestamp"].is_null());
        assert_eq!(
            cluster.get(Resource::PodDisruptionBudgets, "shop", "db").unwrap()["status"]["disruptionsAllowed"],
            1
        );
    });
}
