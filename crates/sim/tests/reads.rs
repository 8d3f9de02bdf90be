//! Reading through the real client.

use flippy_sim::{Faults, SimCluster, fixtures, run};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{Api, ListParams, PartialObjectMeta};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};

fn cluster_with_pods(count: usize) -> SimCluster {
    let cluster = SimCluster::new(1, Faults::none());
    cluster.create(fixtures::namespace("shop", true)).unwrap();
    cluster
        .load((0..count).map(|number| fixtures::running_pod("shop", &format!("pod-{number:03}"), "proxy:1")))
        .unwrap();
    cluster
}

#[test]
fn an_object_is_decoded_by_the_real_client() {
    run(async {
        let api: Api<Pod> = Api::namespaced(cluster_with_pods(1).client("test"), "shop");
        let pod = api.get("pod-000").await.unwrap();
        assert_eq!(pod.spec.unwrap().containers[1].image.as_deref(), Some("proxy:1"));
    });
}

#[test]
fn an_absent_object_is_404_with_the_words_of_kubernetes() {
    run(async {
        let api: Api<Pod> = Api::namespaced(cluster_with_pods(0).client("test"), "shop");
        let error = api.get("nobody").await.unwrap_err();
        assert!(
            matches!(&error, kube::Error::Api(status) if status.code == 404 && status.message == "pods \"nobody\" not found"),
            "{error:?}"
        );
    });
}

#[test]
fn pages_of_a_list_make_up_the_whole() {
    run(async {
        let api: Api<Pod> = Api::all(cluster_with_pods(25).client("test"));
        let mut params = ListParams::default().limit(10);
        let mut names = Vec::new();
        let mut pages = 0;
        loop {
            let page = api.list(&params).await.unwrap();
            names.extend(page.items.into_iter().map(|pod| pod.metadata.name.unwrap()));
            pages += 1;
            match page.metadata.continue_ {
                Some(token) if !token.is_empty() => params.continue_token = Some(token),
                _ => break,
            }
        }
        assert_eq!((pages, names.len()), (3, 25));
        assert!(names.is_sorted());
    });
}

#[test]
fn later_pages_show_the_state_of_the_first_page() {
    run(async {
        let cluster = cluster_with_pods(4);
        let api: Api<Pod> = Api::all(cluster.client("test"));
        let first = api.list(&ListParams::default().limit(2)).await.unwrap();
        api.delete("pod-003", &kube::api::DeleteParams::default().grace_period(0)).await.unwrap_err(); // needs a namespace
        Api::<Pod>::namespaced(cluster.client("test"), "shop")
            .delete("pod-003", &kube::api::DeleteParams::default().grace_period(0))
            .await
            .unwrap();
        let rest = api.list(&ListParams::default().continue_token(&first.metadata.continue_.unwrap())).await.unwrap();
        let names: Vec<String> = rest.items.into_iter().map(|pod| pod.metadata.name.unwrap()).collect();
        assert_eq!(names, ["pod-002", "pod-003"]);
    });
}

#[test]
fn continuing_a_list_beyond_the_log_is_410() {
    run(async {
        let cluster = cluster_with_pods(4);
        let api: Api<Pod> = Api::all(cluster.client("test"));
        let first = api.list(&ListParams::default().limit(2)).await.unwrap();
        cluster.flip_sidecar("proxy:2");
        cluster.compact();
        let error =
            api.list(&ListParams::default().continue_token(&first.metadata.continue_.unwrap())).await.unwrap_err();
        assert!(
            matches!(&error, kube::Error::Api(status) if status.code == 410 && status.reason == "Expired"),
            "{error:?}"
        );
    });
}

#[test]
fn label_and_field_selectors_select() {
    run(async {
        let cluster = cluster_with_pods(3);
        let pods: Api<Pod> = Api::all(cluster.client("test"));
        let count = |params: ListParams| {
            let pods = pods.clone();
            async move { pods.list(&params).await.unwrap().items.len() }
        };
        assert_eq!(count(ListParams::default().labels("app=pod-001")).await, 1);
        assert_eq!(count(ListParams::default().labels("app in (pod-001, pod-002),!legacy")).await, 2);
        assert_eq!(count(ListParams::default().labels("app!=pod-001")).await, 2);
        assert_eq!(count(ListParams::default().fields("metadata.name=pod-002")).await, 1);
        assert_eq!(count(ListParams::default().fields("status.phase!=Running")).await, 0);
        let namespaces: Api<Namespace> = Api::all(cluster.client("test"));
        assert_eq!(
            namespaces.list(&ListParams::default().labels("istio-injection=enabled")).await.unwrap().items.len(),
            1
        );
    });
}

#[test]
fn an_unknown_field_selector_is_refused() {
    run(async {
        let pods: Api<Pod> = Api::all(cluster_with_pods(1).client("test"));
        let error = pods.list(&ListParams::default().fields("spec.hostname=x")).await.unwrap_err();
        assert!(error.to_string().contains("field label not supported: spec.hostname"), "{error}");
    });
}

#[test]
fn metadata_can_be_read_without_the_rest() {
    run(async {
        let api: Api<PartialObjectMeta<Pod>> = Api::all(cluster_with_pods(2).client("test"));
        let list = api.list_metadata(&ListParams::default()).await.unwrap();
        assert_eq!(list.items.len(), 2);
        assert_eq!(list.items[0].types.as_ref().unwrap().kind, "PartialObjectMetadata");
    });
}

#[test]
fn a_custom_resource_is_404_until_its_definition_exists() {
    run(async {
        let cluster = cluster_with_pods(0);
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("argoproj.io", "v1alpha1", "Rollout"));
        let api: Api<DynamicObject> = Api::all_with(cluster.client("test"), &kind);
        let error = api.list(&ListParams::default()).await.unwrap_err();
        assert!(matches!(&error, kube::Error::Api(status) if status.code == 404), "{error:?}");
        cluster.serve_kind("Rollout").unwrap();
        assert_eq!(api.list(&ListParams::default()).await.unwrap().items.len(), 0);
    });
}

#[test]
fn discovery_names_the_served_kinds() {
    run(async {
        let cluster = cluster_with_pods(0);
        let client = cluster.client("test");
        let groups = |client: kube::Client| async move {
            client.list_api_groups().await.unwrap().groups.into_iter().map(|group| group.name).collect::<Vec<_>>()
        };
        assert!(!groups(client.clone()).await.contains(&"argoproj.io".to_owned()));
        cluster.serve_kind("Rollout").unwrap();
        assert!(groups(client.clone()).await.contains(&"argoproj.io".to_owned()));
        let resources = client.list_api_group_resources("argoproj.io/v1alpha1").await.unwrap();
        assert_eq!(resources.resources[0].name, "rollouts");
        assert!(client.apiserver_version().await.unwrap().git_version.starts_with("v1."));
    });
}

#[test]
fn what_is_not_simulated_is_refused_by_name() {
    run(async {
        let jobs: Api<k8s_openapi::api::batch::v1::Job> = Api::all(cluster_with_pods(0).client("test"));
        let error = jobs.list(&ListParams::default()).await.unwrap_err();
        assert!(
            matches!(&error, kube::Error::Api(status) if status.code == 501 && status.message.contains("/apis/batch/v1/jobs")),
            "{error:?}"
        );
    });
}

#[test]
fn a_hundred_thousand_pods_can_be_listed_in_pages() {
    run(async {
        let cluster = cluster_with_pods(0);
        let pod = |number| flippy_sim::json!({"kind": "Pod", "metadata": {"namespace": "shop", "name": format!("pod-{number}")}});
        cluster.load((0..100_000).map(pod)).unwrap();
        let api: Api<PartialObjectMeta<Pod>> = Api::all(cluster.client("test"));
        let mut params = ListParams::default().limit(5_000);
        let mut count = 0;
        loop {
            let page = api.list_metadata(&params).await.unwrap();
            count += page.items.len();
            match page.metadata.continue_ {
                Some(token) => params.continue_token = Some(token),
                None => break,
            }
        }
        assert_eq!(count, 100_000);
    });
}
