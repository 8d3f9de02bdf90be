//! Argo Rollouts.

use std::time::Duration;

use flippy_sim::{Faults, Json, Resource, SIDECAR, SimCluster, fixtures, json, run};

const OLD: &str = "docker.io/istio/proxyv2:1.30.3";
const NEW: &str = "docker.io/istio/proxyv2:1.30.4";

fn cluster(objects: impl IntoIterator<Item = Json>) -> SimCluster {
    let cluster = SimCluster::new(7, Faults::none());
    cluster.serve_kind("Rollout").unwrap();
    cluster.create(fixtures::namespace("shop", true)).unwrap();
    cluster.flip_sidecar(OLD);
    cluster.create_settled(objects).unwrap();
    cluster.flip_sidecar(NEW);
    cluster
}

fn rollout(cluster: &SimCluster) -> Json {
    cluster.get(Resource::Rollouts, "shop", "web").unwrap()
}

fn edit(cluster: &SimCluster, change: impl FnOnce(&mut Json)) {
    cluster.edit("test", Resource::Rollouts, "shop", "web", change).unwrap();
}

fn restart_now(cluster: &SimCluster) {
    let now = jiff::Timestamp::from_second(cluster.now().as_second()).unwrap().to_string();
    edit(cluster, |rollout| rollout["spec"]["restartAt"] = json!(now));
}

fn renewed(cluster: &SimCluster) -> usize {
    cluster.images(SIDECAR).values().filter(|image| *image == NEW).count()
}

#[test]
fn a_settled_rollout_is_healthy_and_observes_its_generation_as_text() {
    run(async {
        let cluster = cluster([fixtures::rollout("shop", "web", 3, &json!([]))]);
        let status = &rollout(&cluster)["status"];
        assert_eq!(
            (&status["phase"], &status["observedGeneration"], status["stableRS"] == status["currentPodHash"]),
            (&json!("Healthy"), &json!("2"), true)
        );
        assert_eq!(cluster.images(SIDECAR).len(), 3);
    });
}

#[test]
fn restart_at_renews_every_pod_one_at_a_time_without_a_new_revision() {
    run(async {
        let cluster = cluster([fixtures::rollout("shop", "web", 3, &json!([]))]);
        tokio::time::sleep(Duration::from_secs(5)).await;
        restart_now(&cluster);
        let mut fewest = i64::MAX;
        let done = cluster
            .until(Duration::from_mins(10), |cluster| {
                let running = cluster
                    .list(Resource::Pods)
                    .iter()
                    .filter(|pod| pod["metadata"]["deletionTimestamp"].is_null() && pod["status"]["phase"] == "Running")
                    .count();
                fewest = fewest.min(i64::try_from(running).unwrap());
                let rollout = rollout(cluster);
                renewed(cluster) == 3
                    && rollout["status"]["phase"] == "Healthy"
                    && rollout["status"]["restartedAt"] == rollout["spec"]["restartAt"]
            })
            .await;
        assert!(done, "{}", rollout(&cluster)["status"]);
        assert_eq!(fewest, 2);
        assert_eq!(cluster.list(Resource::ReplicaSets).len(), 1);
    });
}

#[test]
fn a_restart_respects_a_budget_and_goes_on_when_it_allows() {
    run(async {
        let cluster = cluster([fixtures::rollout("shop", "web", 2, &json!([])), fixtures::budget("shop", "web", 2)]);
        tokio::time::sleep(Duration::from_secs(5)).await;
        restart_now(&cluster);
        tokio::time::sleep(Duration::from_mins(5)).await;
        assert_eq!(renewed(&cluster), 0);
        assert_eq!(rollout(&cluster)["status"]["phase"], "Progressing");
        cluster
            .edit("test", Resource::PodDisruptionBudgets, "shop", "web", |budget| {
                budget["spec"]["minAvailable"] = json!(1);
            })
            .unwrap();
        assert!(cluster.until(Duration::from_mins(5), |cluster| renewed(cluster) == 2).await);
    });
}

#[test]
fn a_canary_goes_through_its_steps_and_pauses_for_a_person() {
    run(async {
        let steps = json!([{"setWeight": 25}, {"pause": {"duration": "10s"}}, {"setWeight": 50}, {"pause": {}}]);
        let cluster = cluster([fixtures::rollout("shop", "web", 4, &steps)]);
        edit(&cluster, |rollout| fixtures::annotate_template(rollout, "restarted", "1"));
        tokio::time::sleep(Duration::from_mins(2)).await;
        let status = rollout(&cluster)["status"].clone();
        assert_eq!(
            (&status["phase"], &status["currentStepIndex"], renewed(&cluster)),
            (&json!("Paused"), &json!(3), 2),
            "{status}"
        );
    });
}

#[test]
fn a_canary_without_pauses_is_promoted() {
    run(async {
        let cluster = cluster([fixtures::rollout("shop", "web", 4, &json!([{"setWeight": 25}, {"setWeight": 75}]))]);
        edit(&cluster, |rollout| fixtures::annotate_template(rollout, "restarted", "1"));
        let done = |cluster: &SimCluster| renewed(cluster) == 4 && rollout(cluster)["status"]["phase"] == "Healthy";
        assert!(cluster.until(Duration::from_mins(5), done).await, "{}", rollout(&cluster)["status"]);
    });
}

#[test]
fn a_rollout_can_take_its_template_from_a_deployment() {
    run(async {
        let mut web = fixtures::rollout("shop", "web", 2, &json!([]));
        web["spec"].as_object_mut().unwrap().remove("template");
        web["spec"]["workloadRef"] = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"});
        let cluster = cluster([fixtures::deployment("shop", "web", 0), web]);
        let done = |cluster: &SimCluster| {
            rollout(cluster)["status"]["phase"] == "Healthy" && cluster.images(SIDECAR).len() == 2
        };
        assert!(cluster.until(Duration::from_mins(1), done).await, "{}", rollout(&cluster)["status"]);
    });
}

#[test]
fn blue_green_is_refused() {
    run(async {
        let cluster = cluster([]);
        let mut web = fixtures::rollout("shop", "web", 2, &json!([]));
        web["spec"]["strategy"] = json!({"blueGreen": {"activeService": "web"}});
        let error = cluster.create(web).unwrap_err();
        assert!(error.to_string().contains("blueGreen"), "{error}");
    });
}
