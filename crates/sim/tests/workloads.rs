//! The controllers: what a restart of a workload looks like from outside.

use std::time::Duration;

use flippy_sim::{
    Actor, Faults, Key, NATIVE_SIDECAR, PINNED_IMAGE, Resource, SIDECAR, Scaler, SimCluster, fixtures, run,
};
use flippy_sim::{Json, json};

const OLD: &str = "docker.io/istio/proxyv2:1.30.3";
const NEW: &str = "docker.io/istio/proxyv2:1.30.4";

fn cluster(workload: Json) -> SimCluster {
    let cluster = SimCluster::new(7, Faults::none());
    cluster.serve_kind("Rollout").unwrap();
    cluster.create(fixtures::namespace("shop", true)).unwrap();
    cluster.flip_sidecar(OLD);
    cluster.create_settled([workload]).unwrap();
    cluster.flip_sidecar(NEW);
    cluster
}

fn restart(cluster: &SimCluster, resource: Resource) {
    cluster
        .edit("test", resource, "shop", "web", |workload| fixtures::annotate_template(workload, "restarted", "1"))
        .unwrap();
}

fn status(cluster: &SimCluster, resource: Resource) -> Json {
    cluster.get(resource, "shop", "web").unwrap()["status"].clone()
}

fn all_run(cluster: &SimCluster, image: &str, count: usize) -> bool {
    let images = cluster.images(SIDECAR);
    images.len() == count && images.values().all(|found| found == image)
}

fn progress(status: &Json) -> (Json, Json) {
    let condition =
        status["conditions"].as_array().unwrap().iter().find(|condition| condition["type"] == "Progressing").unwrap();
    (condition["status"].clone(), condition["reason"].clone())
}

/// Fewest available pods of the workload between now and the end of the rollout.
async fn fewest_available(
    cluster: &SimCluster,
    field: &str,
    resource: Resource,
    until: impl Fn(&SimCluster) -> bool,
) -> i64 {
    let mut fewest = i64::MAX;
    let done = cluster
        .until(Duration::from_mins(10), |cluster| {
            fewest = fewest.min(status(cluster, resource)[field].as_i64().unwrap_or(0));
            until(cluster)
        })
        .await;
    assert!(done, "the rollout did not end: {}", status(cluster, resource));
    fewest
}

fn deployment_is_done(cluster: &SimCluster, replicas: i64) -> bool {
    let web = cluster.get(Resource::Deployments, "shop", "web").unwrap();
    let status = &web["status"];
    status["observedGeneration"] == web["metadata"]["generation"]
        && status["updatedReplicas"] == replicas
        && status["replicas"] == replicas
        && status["availableReplicas"] == replicas
}

#[test]
fn a_settled_workload_is_complete_and_injected() {
    run(async {
        let cluster = cluster(fixtures::deployment("shop", "web", 3));
        assert!(deployment_is_done(&cluster, 3), "{}", status(&cluster, Resource::Deployments));
        assert_eq!(
            progress(&status(&cluster, Resource::Deployments)),
            (json!("True"), json!("NewReplicaSetAvailable"))
        );
        assert!(all_run(&cluster, OLD, 3));
    });
}

#[test]
fn a_rolling_update_keeps_enough_pods_available_and_renews_all() {
    run(async {
        let cluster = cluster(fixtures::deployment("shop", "web", 4));
        restart(&cluster, Resource::Deployments);
        let fewest = fewest_available(&cluster, "availableReplicas", Resource::Deployments, |cluster| {
            deployment_is_done(cluster, 4)
        })
        .await;
        assert!(fewest >= 3, "{fewest}");
        assert!(all_run(&cluster, NEW, 4));
        assert_eq!(
            cluster.get(Resource::Deployments, "shop", "web").unwrap()["metadata"]["annotations"]["deployment.kubernetes.io/revision"],
            "2"
        );
    });
}

#[test]
fn recreate_takes_all_pods_down_first() {
    run(async {
        let mut web = fixtures::deployment("shop", "web", 2);
        web["spec"]["strategy"] = json!({"type": "Recreate"});
        let cluster = cluster(web);
        restart(&cluster, Resource::Deployments);
        let fewest = fewest_available(&cluster, "availableReplicas", Resource::Deployments, |cluster| {
            deployment_is_done(cluster, 2)
        })
        .await;
        assert_eq!(fewest, 0);
        assert!(all_run(&cluster, NEW, 2));
    });
}

#[test]
fn a_paused_deployment_does_not_roll() {
    run(async {
        let cluster = cluster(fixtures::deployment("shop", "web", 2));
        cluster.edit("test", Resource::Deployments, "shop", "web", |web| web["spec"]["paused"] = json!(true)).unwrap();
        restart(&cluster, Resource::Deployments);
        tokio::time::sleep(Duration::from_mins(5)).await;
        assert!(all_run(&cluster, OLD, 2));
        cluster.edit("test", Resource::Deployments, "shop", "web", |web| web["spec"]["paused"] = json!(false)).unwrap();
        assert!(cluster.until(Duration::from_mins(5), |cluster| all_run(cluster, NEW, 2)).await);
    });
}

#[test]
fn a_revision_that_never_gets_ready_exceeds_its_deadline_and_keeps_the_old_pods() {
    run(async {
        let cluster = cluster(fixtures::deployment("shop", "web", 4));
        cluster.flip_sidecar("example.com/proxy:bad-ready");
        restart(&cluster, Resource::Deployments);
        tokio::time::sleep(Duration::from_secs(590)).await;
        assert_eq!(progress(&status(&cluster, Resource::Deployments)).0, "True");
        tokio::time::sleep(Duration::from_mins(1)).await;
        assert_eq!(
            progress(&status(&cluster, Resource::Deployments)),
            (json!("False"), json!("ProgressDeadlineExceeded"))
        );
        assert_eq!(cluster.images(SIDECAR).values().filter(|image| *image == OLD).count(), 3);
    });
}

#[test]
fn a_stateful_set_updates_from_the_top_one_by_one() {
    run(async {
        let cluster = cluster(fixtures::stateful_set("shop", "web", 3));
        restart(&cluster, Resource::StatefulSets);
        let done = |cluster: &SimCluster| {
            status(cluster, Resource::StatefulSets)["currentRevision"]
                == status(cluster, Resource::StatefulSets)["updateRevision"]
                && all_run(cluster, NEW, 3)
        };
        tokio::time::sleep(Duration::from_millis(100)).await;
        let fewest = fewest_available(&cluster, "availableReplicas", Resource::StatefulSets, done).await;
        assert_eq!(fewest, 2);
        let renewed: Vec<String> = cluster.with_history(|history| {
            let created = history
                .mutations
                .iter()
                .filter(|mutation| mutation.resource == Resource::Pods && mutation.before.is_none());
            created.skip(3).map(|mutation| mutation.key.name.to_string()).collect()
        });
        assert_eq!(renewed, ["web-2", "web-1", "web-0"]);
    });
}

#[test]
fn a_partition_holds_the_lower_ordinals_back() {
    run(async {
        let mut web = fixtures::stateful_set("shop", "web", 3);
        web["spec"]["updateStrategy"] = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 2}});
        let cluster = cluster(web);
        restart(&cluster, Resource::StatefulSets);
        tokio::time::sleep(Duration::from_mins(2)).await;
        let images = cluster.images(SIDECAR);
        assert_eq!(images.values().collect::<Vec<_>>(), [OLD, OLD, NEW]);
        assert_eq!(status(&cluster, Resource::StatefulSets)["updatedReplicas"], 1);
    });
}

#[test]
fn on_delete_waits_for_somebody_to_delete() {
    run(async {
        let mut web = fixtures::stateful_set("shop", "web", 2);
        web["spec"]["updateStrategy"] = json!({"type": "OnDelete"});
        let cluster = cluster(web);
        restart(&cluster, Resource::StatefulSets);
        tokio::time::sleep(Duration::from_mins(2)).await;
        assert!(all_run(&cluster, OLD, 2));
    });
}

#[test]
fn a_parallel_stateful_set_starts_all_at_once() {
    run(async {
        let mut web = fixtures::stateful_set("shop", "web", 3);
        web["spec"]["podManagementPolicy"] = json!("Parallel");
        fixtures::annotate_template(&mut web, "sim.test/ready-delay", "30s");
        let cluster = SimCluster::new(1, Faults::none());
        cluster.create(fixtures::namespace("shop", false)).unwrap();
        cluster.create(web).unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(cluster.list(Resource::Pods).len(), 3);
    });
}

#[test]
fn a_daemon_set_updates_node_by_node() {
    run(async {
        let cluster = cluster(fixtures::daemon_set("shop", "web"));
        restart(&cluster, Resource::DaemonSets);
        let done = |cluster: &SimCluster| {
            status(cluster, Resource::DaemonSets)["numberAvailable"] == 3 && all_run(cluster, NEW, 3)
        };
        let fewest = fewest_available(&cluster, "numberAvailable", Resource::DaemonSets, done).await;
        assert_eq!(fewest, 2);
    });
}

#[test]
fn a_surging_daemon_set_never_lacks_a_pod() {
    run(async {
        let mut web = fixtures::daemon_set("shop", "web");
        web["spec"]["updateStrategy"] =
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}});
        let cluster = cluster(web);
        // Whichever of two pods is older speaks for their node, and their age is told in seconds.
        tokio::time::sleep(Duration::from_secs(1)).await;
        restart(&cluster, Resource::DaemonSets);
        let done = |cluster: &SimCluster| {
            status(cluster, Resource::DaemonSets)["numberAvailable"] == 3 && all_run(cluster, NEW, 3)
        };
        assert_eq!(fewest_available(&cluster, "numberAvailable", Resource::DaemonSets, done).await, 3);
    });
}

#[test]
fn native_sidecars_are_init_containers_that_keep_running() {
    run(async {
        let mut web = fixtures::deployment("shop", "web", 1);
        fixtures::annotate_template(&mut web, NATIVE_SIDECAR, "true");
        let cluster = cluster(web);
        let pod = cluster.list(Resource::Pods)[0].clone();
        assert_eq!(pod["spec"]["initContainers"][0]["image"], OLD);
        assert_eq!(pod["status"]["initContainerStatuses"][0]["started"], true);
        assert!(
            pod["status"]["initContainerStatuses"][0]["imageID"]
                .as_str()
                .unwrap()
                .starts_with("docker.io/istio/proxyv2@sha256:")
        );
    });
}

#[test]
fn a_pinned_workload_keeps_its_own_image() {
    run(async {
        let mut web = fixtures::deployment("shop", "web", 2);
        fixtures::annotate_template(&mut web, PINNED_IMAGE, "docker.io/istio/proxyv2:1.29.0");
        let cluster = cluster(web);
        restart(&cluster, Resource::Deployments);
        tokio::time::sleep(Duration::from_mins(2)).await;
        assert!(all_run(&cluster, "docker.io/istio/proxyv2:1.29.0", 2));
    });
}

#[test]
fn a_crash_loop_counts_its_restarts_and_is_never_ready() {
    run(async {
        let mut web = fixtures::deployment("shop", "web", 1);
        fixtures::annotate_template(&mut web, "sim.test/behavior", "crashloop");
        let cluster = cluster(web);
        tokio::time::sleep(Duration::from_mins(2)).await;
        let pod = cluster.list(Resource::Pods)[0].clone();
        assert!(pod["status"]["containerStatuses"][0]["restartCount"].as_u64().unwrap() >= 2);
        assert_eq!(status(&cluster, Resource::Deployments)["availableReplicas"], Json::Null);
    });
}

#[test]
fn a_tool_that_knows_only_its_manifest_reverts_the_restart() {
    run(async {
        let cluster = cluster(fixtures::deployment("shop", "web", 2));
        cluster.add_actor(Actor::GitOps {
            resource: Resource::Deployments,
            key: Key::new("shop", "web"),
            annotations: json!({}),
            every_seconds: 60,
        });
        restart(&cluster, Resource::Deployments);
        tokio::time::sleep(Duration::from_secs(90)).await;
        let web = cluster.get(Resource::Deployments, "shop", "web").unwrap();
        assert!(web["spec"]["template"]["metadata"]["annotations"].is_null());
    });
}

#[test]
fn scaling_and_editing_in_the_middle_end_in_a_complete_deployment() {
    run(async {
        let cluster = cluster(fixtures::deployment("shop", "web", 4));
        let key = Key::new("shop", "web");
        cluster.add_scaler(Scaler {
            resource: Resource::Deployments,
            key: key.clone(),
            min: 1,
            max: 8,
            every_seconds: 20,
        });
        cluster.add_actor(Actor::Person { resource: Resource::Deployments, key, every_seconds: 30 });
        restart(&cluster, Resource::Deployments);
        let mut complete = 0;
        for _ in 0..600 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let wanted =
                cluster.get(Resource::Deployments, "shop", "web").unwrap()["spec"]["replicas"].as_i64().unwrap();
            complete += i32::from(deployment_is_done(&cluster, wanted));
        }
        assert!(complete > 10, "complete in {complete} of 600 seconds");
    });
}
