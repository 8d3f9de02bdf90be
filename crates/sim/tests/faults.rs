//! Misfortune, and its reproducibility.

use std::time::Duration;

use flippy_sim::{Actor, CutPoint, Fault, Faults, Key, LinkState, Resource, Scaler, SimCluster, fixtures, json, run};
use futures::StreamExt;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{Config, watcher};

fn cluster(seed: u64, faults: Faults) -> SimCluster {
    let cluster = SimCluster::new(seed, faults);
    cluster.create(fixtures::namespace("shop", true)).unwrap();
    cluster.flip_sidecar("proxy:1");
    cluster.serve_kind("Rollout").unwrap();
    let api = fixtures::rollout("shop", "api", 3, &json!([{"setWeight": 50}]));
    let objects = [fixtures::deployment("shop", "web", 3), fixtures::stateful_set("shop", "db", 2), api];
    cluster.create_settled(objects).unwrap();
    cluster
}

fn config_map() -> ConfigMap {
    serde_json::from_value(serde_json::json!({"metadata": {"name": "one"}})).unwrap()
}

/// A client that watches, lists and restarts for ten minutes; the trace of all that happened.
fn a_bad_day(seed: u64) -> String {
    run(async {
        let cluster = cluster(seed, Faults::unlucky());
        let client = cluster.client("flippy");
        let pods: Api<Pod> = Api::all(client.clone());
        let watching = tokio::spawn(watcher(pods.clone(), Config::default()).default_backoff().for_each(|_| async {}));
        cluster.flip_sidecar("proxy:2");
        let edited = Key::new("shop", "api");
        cluster.add_actor(Actor::Person { resource: Resource::Rollouts, key: edited.clone(), every_seconds: 120 });
        cluster.add_scaler(Scaler { resource: Resource::Rollouts, key: edited, min: 1, max: 6, every_seconds: 60 });
        let api: Api<k8s_openapi::api::apps::v1::Deployment> = Api::namespaced(client, "shop");
        for number in 0..10 {
            let restart =
                json!({"spec": {"template": {"metadata": {"annotations": {"restarted": number.to_string()}}}}});
            let _ = api.patch("web", &PatchParams::default(), &Patch::Merge(restart)).await;
            let _ = pods.list(&ListParams::default()).await;
            tokio::time::sleep(Duration::from_mins(1)).await;
        }
        watching.abort();
        cluster.with_history(flippy_sim::History::trace)
    })
}

#[test]
fn the_same_seed_is_the_same_history() {
    for seed in 0..5 {
        let (one, other) = (a_bad_day(seed), a_bad_day(seed));
        let differing = one.lines().zip(other.lines()).find(|(one, other)| one != other);
        assert_eq!(differing, None, "seed {seed}");
        assert_eq!(one.lines().count(), other.lines().count(), "seed {seed}");
    }
}

#[test]
fn another_seed_is_another_history() {
    assert!(a_bad_day(42) != a_bad_day(43));
}

#[test]
fn a_watcher_with_a_backoff_ends_up_knowing_everything() {
    for seed in 0..20 {
        run(async {
            let cluster = cluster(seed, Faults::unlucky());
            let (store, writer) = kube::runtime::reflector::store::<Pod>();
            let stream = watcher(Api::<Pod>::all(cluster.client("flippy")), Config::default()).default_backoff();
            let task = tokio::spawn(kube::runtime::reflector(writer, stream).for_each(|_| async {}));
            cluster
                .edit("test", Resource::Deployments, "shop", "web", |web| {
                    fixtures::annotate_template(web, "restarted", "1");
                })
                .unwrap();
            tokio::time::sleep(Duration::from_mins(2)).await;
            cluster.set_faults(Faults::none());
            let agrees = |cluster: &SimCluster| {
                let mut known: Vec<_> = store.state().iter().map(|pod| pod.metadata.name.clone().unwrap()).collect();
                known.sort();
                let mut real: Vec<_> = cluster
                    .list(Resource::Pods)
                    .iter()
                    .map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned())
                    .collect();
                real.sort();
                known == real
            };
            assert!(cluster.until(Duration::from_mins(10), agrees).await, "seed {seed}");
            task.abort();
        });
    }
}

#[test]
fn a_time_out_after_the_write_leaves_the_write_in_place() {
    run(async {
        let cluster = cluster(1, Faults { timeout_after: 1.0, slow_milliseconds: 30_000, ..Faults::none() });
        let api: Api<ConfigMap> = Api::namespaced(cluster.client("flippy"), "shop");
        api.create(&PostParams::default(), &config_map()).await.unwrap_err();
        assert!(cluster.get(Resource::ConfigMaps, "shop", "one").is_some());
        assert_eq!(cluster.with_history(|history| history.requests[0].fault), Some(Fault::TimeoutAfter));
    });
}

#[test]
fn a_time_out_before_the_write_leaves_nothing() {
    run(async {
        let cluster = cluster(1, Faults { timeout_before: 1.0, slow_milliseconds: 30_000, ..Faults::none() });
        let api: Api<ConfigMap> = Api::namespaced(cluster.client("flippy"), "shop");
        api.create(&PostParams::default(), &config_map()).await.unwrap_err();
        assert!(cluster.get(Resource::ConfigMaps, "shop", "one").is_none());
    });
}

#[test]
fn a_client_that_gives_up_does_not_undo_what_is_under_way() {
    run(async {
        let cluster = cluster(3, Faults { slow: 1.0, slow_milliseconds: 60_000, ..Faults::none() });
        let api: Api<ConfigMap> = Api::namespaced(cluster.client("flippy"), "shop");
        tokio::time::timeout(Duration::from_millis(1), api.create(&PostParams::default(), &config_map()))
            .await
            .unwrap_err();
        assert!(cluster.get(Resource::ConfigMaps, "shop", "one").is_none());
        tokio::time::sleep(Duration::from_mins(1)).await;
        assert!(cluster.get(Resource::ConfigMaps, "shop", "one").is_some());
    });
}

#[test]
fn refusals_carry_their_code_and_retry_after() {
    let certain = |faults: Faults| {
        run(async {
            let cluster = cluster(1, faults);
            let api: Api<Pod> = Api::namespaced(cluster.client("flippy"), "shop");
            match api.get("db-0").await.unwrap_err() {
                kube::Error::Api(status) => {
                    (status.code, status.details.map_or(0, |details| details.retry_after_seconds))
                }
                other => panic!("not an answer of the server: {other:?}"),
            }
        })
    };
    let (code, seconds) = certain(Faults { too_many_requests: 1.0, ..Faults::none() });
    assert!(code == 429 && seconds >= 1, "{code} {seconds}");
    assert_eq!(certain(Faults { internal_error: 1.0, ..Faults::none() }).0, 500);
    assert_eq!(certain(Faults { unavailable: 1.0, ..Faults::none() }).0, 503);
}

#[test]
fn a_stale_list_shows_what_was_true_a_moment_ago() {
    run(async {
        let cluster = cluster(1, Faults { stale_list: 1.0, ..Faults::none() });
        let api: Api<ConfigMap> = Api::namespaced(cluster.client("flippy"), "shop");
        for number in 0..30 {
            cluster
                .create(json!({"kind": "ConfigMap", "metadata": {"namespace": "shop", "name": format!("c{number}")}}))
                .unwrap();
        }
        let shown = api.list(&ListParams::default()).await.unwrap().items.len();
        assert!((10..30).contains(&shown), "{shown}");
    });
}

#[test]
fn a_cut_after_the_effect_loses_the_answer_but_not_the_write() {
    run(async {
        let cluster = cluster(1, Faults::none());
        let operator = cluster.connect("flippy");
        operator.cut_after(1, CutPoint::AfterEffect);
        let api: Api<ConfigMap> = Api::namespaced(operator.client.clone(), "shop");
        api.list(&ListParams::default()).await.unwrap();
        api.create(&PostParams::default(), &config_map()).await.unwrap_err();
        operator.cut().await;
        assert!(operator.is_cut() && cluster.get(Resource::ConfigMaps, "shop", "one").is_some());
        api.list(&ListParams::default()).await.unwrap_err();
    });
}

#[test]
fn a_cut_before_the_effect_loses_the_write() {
    run(async {
        let cluster = cluster(1, Faults::none());
        let operator = cluster.connect("flippy");
        operator.cut_after(0, CutPoint::BeforeEffect);
        let api: Api<ConfigMap> = Api::namespaced(operator.client.clone(), "shop");
        api.create(&PostParams::default(), &config_map()).await.unwrap_err();
        assert!(cluster.get(Resource::ConfigMaps, "shop", "one").is_none());
    });
}

#[test]
fn a_silent_link_hangs_and_then_goes_on() {
    run(async {
        let cluster = cluster(1, Faults::none());
        let operator = cluster.connect("flippy");
        let api: Api<ConfigMap> = Api::namespaced(operator.client.clone(), "shop");
        operator.set_link(LinkState::Silent);
        tokio::time::timeout(Duration::from_hours(1), api.list(&ListParams::default())).await.unwrap_err();
        operator.set_link(LinkState::Up);
        api.list(&ListParams::default()).await.unwrap();
    });
}

#[test]
fn a_late_write_is_carried_out_although_its_client_is_dead() {
    run(async {
        let cluster = cluster(1, Faults { late: 1.0, late_milliseconds: 60_000, ..Faults::none() });
        let wire = cluster.connect("flippy");
        let api: Api<ConfigMap> = Api::namespaced(wire.client.clone(), "shop");
        let asking = tokio::spawn(async move { api.create(&PostParams::default(), &config_map()).await });
        tokio::time::sleep(Duration::from_millis(1)).await;
        asking.abort();
        wire.set_link(LinkState::Refused);
        let others: Api<ConfigMap> = Api::namespaced(cluster.client("test"), "shop");
        assert!(others.get("one").await.is_err(), "it was carried out at once");
        tokio::time::sleep(Duration::from_mins(1)).await;
        assert!(others.get("one").await.is_ok(), "it was never carried out");
    });
}
