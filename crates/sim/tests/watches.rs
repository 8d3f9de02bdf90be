//! Watching through the real client and kube's watcher.

use std::time::Duration;

use flippy_sim::{Faults, Json, Resource, SimCluster, fixtures, json, run};
use futures::{Stream, StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod};
use kube::api::{Api, ListParams, PartialObjectMeta, VersionMatch, WatchEvent, WatchParams};
use kube::runtime::watcher::{Config, Event, watcher};

fn cluster() -> SimCluster {
    let cluster = SimCluster::new(1, Faults::none());
    cluster.create(fixtures::namespace("shop", false)).unwrap();
    cluster
}

fn config_map(name: &str) -> Json {
    json!({"kind": "ConfigMap", "metadata": {"namespace": "shop", "name": name}, "data": {"key": "1"}})
}

/// What a watcher says of config maps, in short.
fn short(event: Event<ConfigMap>) -> String {
    let name = |object: ConfigMap| object.metadata.name.unwrap();
    match event {
        Event::Init => "init".to_owned(),
        Event::InitApply(object) => format!("init {}", name(object)),
        Event::InitDone => "done".to_owned(),
        Event::Apply(object) => format!("apply {}", name(object)),
        Event::Delete(object) => format!("delete {}", name(object)),
    }
}

async fn next(
    watcher: &mut (impl Stream<Item = kube::runtime::watcher::Result<Event<ConfigMap>>> + Unpin),
    count: usize,
) -> Vec<String> {
    watcher.take(count).map(|event| event.map_or_else(|error| format!("error {error}"), short)).collect().await
}

async fn sees_what_happens(config: Config) {
    let cluster = cluster();
    cluster.create(config_map("one")).unwrap();
    let mut watcher = Box::pin(watcher(Api::<ConfigMap>::all(cluster.client("test")), config));
    assert_eq!(next(&mut watcher, 3).await, ["init", "init one", "done"]);
    cluster.create(config_map("two")).unwrap();
    assert_eq!(next(&mut watcher, 1).await, ["apply two"]);
    cluster.edit("somebody", Resource::ConfigMaps, "shop", "one", |object| object["data"]["key"] = json!("2")).unwrap();
    assert_eq!(next(&mut watcher, 1).await, ["apply one"]);
    Api::<ConfigMap>::namespaced(cluster.client("test"), "shop")
        .delete("two", &kube::api::DeleteParams::default())
        .await
        .unwrap();
    assert_eq!(next(&mut watcher, 1).await, ["delete two"]);
}

#[test]
fn a_list_watch_sees_the_state_and_then_what_happens() {
    run(sees_what_happens(Config::default()));
}

#[test]
fn a_streaming_list_sees_the_state_and_then_what_happens() {
    run(sees_what_happens(Config::default().streaming_lists()));
}

#[test]
fn metadata_can_be_watched_without_the_rest() {
    run(async {
        let cluster = cluster();
        cluster.create(config_map("one")).unwrap();
        for config in [Config::default(), Config::default().streaming_lists()] {
            let api = Api::<PartialObjectMeta<ConfigMap>>::all(cluster.client("test"));
            let events: Vec<_> = watcher(api, config).take(3).try_collect().await.unwrap();
            assert!(matches!(&events[1], Event::InitApply(object) if object.metadata.name.as_deref() == Some("one")));
        }
    });
}

#[test]
fn a_watch_that_ends_is_resumed_without_a_new_list() {
    run(async {
        let cluster = cluster();
        let mut watcher =
            Box::pin(watcher(Api::<ConfigMap>::all(cluster.client("test")), Config::default().timeout(30)));
        assert_eq!(next(&mut watcher, 2).await, ["init", "done"]);
        let changes = async {
            tokio::time::sleep(Duration::from_secs(100)).await;
            cluster.create(config_map("late")).unwrap();
        };
        let (seen, ()) = tokio::join!(next(&mut watcher, 1), changes);
        assert_eq!(seen, ["apply late"]);
        let lists = cluster.with_history(|history| {
            history.requests.iter().filter(|request| !request.line.contains("watch=true")).count()
        });
        assert_eq!(lists, 1);
    });
}

#[test]
fn resuming_from_a_forgotten_revision_is_a_410_event() {
    run(async {
        let cluster = cluster();
        cluster.create(config_map("one")).unwrap();
        cluster.compact();
        let api = Api::<ConfigMap>::all(cluster.client("test"));
        let events: Vec<_> = api.watch(&WatchParams::default(), "1").await.unwrap().try_collect().await.unwrap();
        assert!(
            matches!(&events[..], [WatchEvent::Error(status)] if status.code == 410 && status.reason == "Expired"),
            "{events:?}"
        );
    });
}

#[test]
fn a_watcher_lists_anew_after_a_410_event() {
    run(async {
        let cluster = cluster();
        cluster.set_log_capacity(2);
        let mut watcher = Box::pin(watcher(Api::<ConfigMap>::all(cluster.client("test")), Config::default()));
        assert_eq!(next(&mut watcher, 2).await, ["init", "done"]);
        for name in ["a", "b", "c", "d"] {
            cluster.create(config_map(name)).unwrap();
        }
        let seen = next(&mut watcher, 7).await;
        assert!(seen[0].starts_with("error"), "{seen:?}");
        assert_eq!(seen[1..], ["init", "init a", "init b", "init c", "init d", "done"]);
    });
}

#[test]
fn a_watch_can_be_refused_with_http_410() {
    run(async {
        let cluster = SimCluster::new(1, Faults { gone: 1.0, ..Faults::none() });
        let error = Api::<Pod>::all(cluster.client("test")).watch(&WatchParams::default(), "1").await.err().unwrap();
        assert!(matches!(&error, kube::Error::Api(status) if status.code == 410), "{error:?}");
    });
}

#[test]
fn a_quiet_watch_hears_bookmarks() {
    run(async {
        let cluster = cluster();
        let api = Api::<ConfigMap>::all(cluster.client("test"));
        let stream = api.watch(&WatchParams::default(), "1").await.unwrap();
        let events: Vec<_> = stream.try_collect().await.unwrap();
        assert!(events.len() >= 4 && events.iter().all(|event| matches!(event, WatchEvent::Bookmark(_))), "{events:?}");
    });
}

#[test]
fn a_bookmark_tells_how_far_the_cluster_is_when_it_is_sent() {
    run(async {
        let cluster = cluster();
        let api = Api::<ConfigMap>::all(cluster.client("test"));
        let mut stream = std::pin::pin!(api.watch(&WatchParams::default(), "1").await.unwrap());
        let relabel = |object: &mut Json| object["metadata"]["labels"]["team"] = json!("a");
        let meanwhile = async {
            tokio::time::sleep(Duration::from_secs(30)).await;
            cluster.edit("somebody", Resource::Namespaces, "", "shop", relabel).unwrap();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = meanwhile => {}
            event = stream.try_next() => {
                let Ok(Some(WatchEvent::Bookmark(bookmark))) = event else { panic!("{event:?} is no bookmark") };
                assert_eq!(bookmark.metadata.resource_version, cluster.revision().to_string());
            }
        }
    });
}

#[test]
fn an_object_that_leaves_the_selection_is_deleted_to_the_watcher() {
    run(async {
        let cluster = cluster();
        let api = Api::<Namespace>::all(cluster.client("test"));
        let revision = cluster.get(Resource::Namespaces, "", "shop").unwrap()["metadata"]["resourceVersion"]
            .as_str()
            .unwrap()
            .to_owned();
        let params = WatchParams::default().labels("istio-injection=enabled").timeout(10);
        let stream = api.watch(&params, &revision).await.unwrap();
        for value in ["enabled", "disabled"] {
            cluster
                .edit("somebody", Resource::Namespaces, "", "shop", |object| {
                    object["metadata"]["labels"]["istio-injection"] = json!(value);
                })
                .unwrap();
        }
        let events: Vec<_> = stream.try_collect().await.unwrap();
        let kinds = matches!(&events[..], [WatchEvent::Added(_), WatchEvent::Deleted(_), WatchEvent::Bookmark(_)]);
        assert!(kinds, "{events:?}");
    });
}

#[test]
fn a_list_of_the_future_is_a_timeout() {
    run(async {
        let future = ListParams::default().at("999999").matching(VersionMatch::NotOlderThan);
        let error = Api::<Pod>::all(cluster().client("test")).list(&future).await.err().unwrap();
        assert!(
            matches!(&error, kube::Error::Api(status) if status.code == 504 && status.message.contains("Too large resource version")),
            "{error:?}"
        );
    });
}

#[test]
fn events_come_twice_when_duplicated() {
    run(async {
        let cluster = SimCluster::new(1, Faults { duplicated_event: 1.0, ..Faults::none() });
        cluster.create(fixtures::namespace("shop", false)).unwrap();
        let mut watcher = Box::pin(watcher(Api::<ConfigMap>::all(cluster.client("test")), Config::default()));
        assert_eq!(next(&mut watcher, 2).await, ["init", "done"]);
        cluster.create(config_map("one")).unwrap();
        assert_eq!(next(&mut watcher, 2).await, ["apply one", "apply one"]);
    });
}
