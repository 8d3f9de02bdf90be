//! Objects of a real cluster, taken over.

use std::time::Duration;

use flippy_sim::{Faults, Json, Resource, SimCluster, fixtures, json, run};

/// Everything on a cluster with one workload of each kind, with revisions named as a real cluster might.
fn renamed(real: &str) -> Vec<Json> {
    run(async {
        let cluster = SimCluster::new(1, Faults::none());
        cluster.serve_kind("Rollout").expect("it is not served yet");
        cluster.create(fixtures::namespace("shop", false)).expect("there is none yet");
        let workloads = [
            fixtures::deployment("shop", "cart", 2),
            fixtures::stateful_set("shop", "db", 2),
            fixtures::daemon_set("shop", "agent"),
            fixtures::rollout("shop", "till", 2, &json!([])),
        ];
        cluster.create_settled(workloads).expect("they are valid");
        let kinds = [
            Resource::Namespaces,
            Resource::Deployments,
            Resource::StatefulSets,
            Resource::DaemonSets,
            Resource::Rollouts,
            Resource::ReplicaSets,
            Resource::Pods,
        ];
        let objects = kinds
            .into_iter()
            .flat_map(|resource| cluster.list(resource).into_iter().map(move |object| (resource, object)));
        let all: Vec<(Resource, Json)> = objects.collect();
        all.into_iter().map(|(resource, object)| rename(resource, &object, real)).collect()
    })
}

fn rename(resource: Resource, object: &Json, real: &str) -> Json {
    let mut object = object.clone();
    object["kind"] = json!(resource.kind());
    for label in ["pod-template-hash", "rollouts-pod-template-hash"] {
        if object["metadata"]["labels"][label].is_string() {
            object["metadata"]["labels"][label] = json!(real);
        }
    }
    let label = &mut object["metadata"]["labels"]["controller-revision-hash"];
    match label.as_str().map(|label| label.starts_with("db-")) {
        Some(true) => *label = json!(format!("db-{real}")),
        Some(false) => *label = json!(real),
        None => drop(label.take()),
    }
    for field in ["currentPodHash", "stableRS"] {
        if object["status"][field].is_string() {
            object["status"][field] = json!(real);
        }
    }
    for field in ["currentRevision", "updateRevision"] {
        if object["status"][field].is_string() {
            object["status"][field] = json!(format!("db-{real}"));
        }
    }
    // Three nodes with names of their own.
    if let Some(node) = object["spec"]["nodeName"].as_str() {
        object["spec"]["nodeName"] = json!(node.replace("node-", "ip-10-0-0-"));
    }
    object
}

fn names(cluster: &SimCluster, prefix: &str) -> Vec<String> {
    let pods = cluster.list(Resource::Pods);
    let names = pods.iter().filter_map(|pod| pod["metadata"]["name"].as_str());
    names.filter(|name| name.starts_with(prefix)).map(str::to_owned).collect()
}

#[test]
fn nothing_that_is_complete_moves_even_when_its_controller_looks_at_it() {
    let objects = renamed("6b7f9c");
    run(async {
        let cluster = SimCluster::new(2, Faults::none());
        cluster.serve_kind("Rollout").expect("it is not served yet");
        cluster.adopt(objects).expect("they are valid");
        let before = names(&cluster, "");
        for (resource, name) in [
            (Resource::Deployments, "cart"),
            (Resource::StatefulSets, "db"),
            (Resource::DaemonSets, "agent"),
            (Resource::Rollouts, "till"),
        ] {
            let touched = cluster.edit("somebody", resource, "shop", name, |object| {
                object["metadata"]["labels"]["touched"] = json!("yes");
            });
            touched.expect("it is there");
        }
        tokio::time::sleep(Duration::from_mins(10)).await;
        assert_eq!(names(&cluster, ""), before);
        assert_eq!(before.len(), 9, "{before:?}");
    });
}

#[test]
fn a_restart_replaces_the_pods_of_its_workload_and_no_others() {
    let objects = renamed("6b7f9c");
    run(async {
        let cluster = SimCluster::new(2, Faults::none());
        cluster.serve_kind("Rollout").expect("it is not served yet");
        cluster.adopt(objects).expect("they are valid");
        let uids = |prefix: &str| -> Vec<Json> {
            let pods = cluster.list(Resource::Pods);
            let of = |pod: &&Json| pod["metadata"]["name"].as_str().is_some_and(|name| name.starts_with(prefix));
            pods.iter().filter(of).map(|pod| pod["metadata"]["uid"].clone()).collect()
        };
        let (agents, others) = (uids("agent-"), [uids("cart-"), uids("db-"), uids("till-")].concat());
        let restarted = cluster.edit("somebody", Resource::DaemonSets, "shop", "agent", |object| {
            object["spec"]["template"]["metadata"]["annotations"]["restarted"] = json!("yes");
        });
        restarted.expect("it is there");
        tokio::time::sleep(Duration::from_mins(10)).await;
        let now = uids("agent-");
        assert_eq!(now.len(), 3);
        assert!(now.iter().all(|uid| !agents.contains(uid)));
        assert_eq!([uids("cart-"), uids("db-"), uids("till-")].concat(), others);
        let nodes: Vec<String> = cluster
            .list(Resource::Pods)
            .iter()
            .filter_map(|pod| Some(pod["spec"]["nodeName"].as_str()?.to_owned()))
            .collect();
        assert!(nodes.iter().all(|node| node.starts_with("ip-10-0-0-")), "{nodes:?}");
    });
}

#[test]
fn a_pod_that_was_about_to_be_ready_gets_there() {
    let mut objects = renamed("6b7f9c");
    let pod = objects.iter_mut().find(|object| object["kind"] == "Pod").expect("there are pods");
    pod["metadata"]["annotations"]["sim.test/ready-delay"] = json!("30s");
    pod["status"]["conditions"] = json!([{"type": "Ready", "status": "False"}]);
    let name = pod["metadata"]["name"].as_str().expect("it has a name").to_owned();
    run(async {
        let cluster = SimCluster::new(2, Faults::none());
        cluster.serve_kind("Rollout").expect("it is not served yet");
        cluster.adopt(objects).expect("they are valid");
        let is_ready = |cluster: &SimCluster| {
            let pod = cluster.get(Resource::Pods, "shop", &name).expect("it stays");
            let conditions = pod["status"]["conditions"].as_array().unwrap_or_default();
            conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
        };
        tokio::time::sleep(Duration::from_secs(29)).await;
        assert!(!is_ready(&cluster));
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(is_ready(&cluster));
    });
}
