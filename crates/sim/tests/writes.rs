//! Writing through the real client.

use flippy_sim::{Faults, Json, Resource, SimCluster, fixtures, json, run};
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};

fn cluster() -> SimCluster {
    let cluster = SimCluster::new(1, Faults::none());
    cluster.serve_kind("FlippyConfig").unwrap();
    cluster.create(fixtures::namespace("shop", true)).unwrap();
    cluster.flip_sidecar("docker.io/istio/proxyv2:1.30.3");
    cluster.create_settled([fixtures::deployment("shop", "web", 2), fixtures::stateful_set("shop", "db", 2)]).unwrap();
    cluster
}

fn deployments(cluster: &SimCluster) -> Api<Deployment> {
    Api::namespaced(cluster.client("flippy"), "shop")
}

fn configs(cluster: &SimCluster) -> Api<DynamicObject> {
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("keikoproj.io", "v1", "FlippyConfig"));
    Api::namespaced_with(cluster.client("flippy"), "shop", &kind)
}

fn code(error: &kube::Error) -> u16 {
    match error {
        kube::Error::Api(status) => status.code,
        other => panic!("not an answer of the server: {other:?}"),
    }
}

fn restart(uid: &str, generation: i64) -> Patch<()> {
    let patch = json!([
        {"op": "test", "path": "/metadata/uid", "value": uid},
        {"op": "test", "path": "/metadata/generation", "value": generation},
        {"op": "add", "path": "/spec/template/metadata/annotations", "value": {"flippy.keikoproj.io/restarted-for": "abc-1"}},
    ]);
    Patch::Json(serde_json::from_value(patch.into()).unwrap())
}

#[test]
fn a_json_patch_whose_tests_hold_changes_the_template_and_the_generation() {
    run(async {
        let api = deployments(&cluster());
        let web = api.get("web").await.unwrap();
        let patch = restart(web.metadata.uid.as_deref().unwrap(), web.metadata.generation.unwrap());
        let patched = api
            .patch("web", &PatchParams { field_manager: Some("flippy".into()), ..Default::default() }, &patch)
            .await
            .unwrap();
        assert_eq!(patched.metadata.generation, web.metadata.generation.map(|generation| generation + 1));
    });
}

#[test]
fn a_json_patch_whose_test_fails_is_422_and_changes_nothing() {
    run(async {
        let cluster = cluster();
        let api = deployments(&cluster);
        let before = cluster.get(Resource::Deployments, "shop", "web");
        let error = api.patch("web", &PatchParams::default(), &restart("another", 1)).await.unwrap_err();
        assert_eq!(code(&error), 422);
        assert_eq!(cluster.get(Resource::Deployments, "shop", "web"), before);
    });
}

#[test]
fn annotations_bump_the_generation_of_deployments_only() {
    run(async {
        let cluster = cluster();
        let note = Patch::Merge(json!({"metadata": {"annotations": {"note": "1"}}}));
        let deployments = deployments(&cluster);
        let generation = deployments.get("web").await.unwrap().metadata.generation;
        let patched = deployments.patch("web", &PatchParams::default(), &note).await.unwrap();
        assert_eq!(patched.metadata.generation, generation.map(|generation| generation + 1));
        let sets: Api<StatefulSet> = Api::namespaced(cluster.client("flippy"), "shop");
        let generation = sets.get("db").await.unwrap().metadata.generation;
        assert_eq!(sets.patch("db", &PatchParams::default(), &note).await.unwrap().metadata.generation, generation);
    });
}

#[test]
fn a_write_that_changes_nothing_keeps_the_resource_version() {
    run(async {
        let api = deployments(&cluster());
        let note = Patch::Merge(json!({"metadata": {"annotations": {"note": "1"}}}));
        let first = api.patch("web", &PatchParams::default(), &note).await.unwrap();
        let second = api.patch("web", &PatchParams::default(), &note).await.unwrap();
        assert_eq!(first.metadata.resource_version, second.metadata.resource_version);
    });
}

#[test]
fn status_and_spec_are_written_apart() {
    run(async {
        let api = deployments(&cluster());
        let both = Patch::Merge(json!({"spec": {"replicas": 7}, "status": {"replicas": 9}}));
        let main = api.patch("web", &PatchParams::default().dry_run(), &both).await.unwrap();
        assert_eq!((main.spec.unwrap().replicas, main.status.unwrap().replicas), (Some(7), Some(2)));
        let status = api.patch_status("web", &PatchParams::default().dry_run(), &both).await.unwrap();
        assert_eq!((status.spec.unwrap().replicas, status.status.unwrap().replicas), (Some(2), Some(9)));
    });
}

#[test]
fn a_strategic_patch_merges_containers_by_name() {
    run(async {
        let patch = json!({"spec": {"template": {"spec": {"containers": [{"name": "app", "env": [{"name": "A", "value": "1"}]}]}}}});
        let patched =
            deployments(&cluster()).patch("web", &PatchParams::default(), &Patch::Strategic(patch)).await.unwrap();
        let containers = patched.spec.unwrap().template.spec.unwrap().containers;
        assert_eq!(
            (containers.len(), containers[0].image.as_deref(), containers[0].env.as_ref().map(Vec::len)),
            (1, Some("example.com/app:1.0"), Some(1))
        );
    });
}

#[test]
fn replacing_with_an_old_resource_version_is_a_conflict() {
    run(async {
        let cluster = cluster();
        let api: Api<Lease> = Api::namespaced(cluster.client("flippy"), "shop");
        let lease: Lease = serde_json::from_value(
            serde_json::json!({"metadata": {"name": "leader"}, "spec": {"holderIdentity": "a"}}),
        )
        .unwrap();
        let mut mine = api.create(&PostParams::default(), &lease).await.unwrap();
        let mut theirs = mine.clone();
        theirs.spec.as_mut().unwrap().holder_identity = Some("b".into());
        api.replace("leader", &PostParams::default(), &theirs).await.unwrap();
        mine.spec.as_mut().unwrap().holder_identity = Some("a2".into());
        let error = api.replace("leader", &PostParams::default(), &mine).await.unwrap_err();
        assert_eq!(code(&error), 409);
        mine.metadata.resource_version = None;
        let error = api.replace("leader", &PostParams::default(), &mine).await.unwrap_err();
        assert_eq!(code(&error), 422);
    });
}

#[test]
fn creating_twice_is_already_exists_and_generated_names_differ() {
    run(async {
        let api: Api<ConfigMap> = Api::namespaced(cluster().client("flippy"), "shop");
        let named: ConfigMap = serde_json::from_value(serde_json::json!({"metadata": {"name": "one"}})).unwrap();
        api.create(&PostParams::default(), &named).await.unwrap();
        let error = api.create(&PostParams::default(), &named).await.unwrap_err();
        assert!(
            matches!(&error, kube::Error::Api(status) if status.code == 409 && status.reason == "AlreadyExists"),
            "{error:?}"
        );
        let generated: ConfigMap =
            serde_json::from_value(serde_json::json!({"metadata": {"generateName": "event-"}})).unwrap();
        let one = api.create(&PostParams::default(), &generated).await.unwrap();
        let other = api.create(&PostParams::default(), &generated).await.unwrap();
        assert_ne!(one.metadata.name, other.metadata.name);
    });
}

#[test]
fn a_dry_run_pod_shows_what_the_injector_would_do_and_stores_nothing() {
    run(async {
        let cluster = cluster();
        let api: Api<Pod> = Api::namespaced(cluster.client("flippy"), "shop");
        let pod: Pod = serde_json::from_value(
            serde_json::json!({"metadata": {"generateName": "probe-"}, "spec": {"containers": [{"name": "app", "image": "a"}]}}),
        )
        .unwrap();
        let before = cluster.list(Resource::Pods).len();
        let shown = api.create(&PostParams { dry_run: true, ..Default::default() }, &pod).await.unwrap();
        assert_eq!(shown.spec.unwrap().containers[1].image.as_deref(), Some("docker.io/istio/proxyv2:1.30.3"));
        assert_eq!(cluster.list(Resource::Pods).len(), before);
    });
}

#[test]
fn deleting_honours_preconditions() {
    run(async {
        let cluster = cluster();
        let api = deployments(&cluster);
        let with = |uid: Option<String>| DeleteParams {
            preconditions: Some(Preconditions { uid, resource_version: None }),
            ..Default::default()
        };
        let error = api.delete("web", &with(Some("another".into()))).await.unwrap_err();
        assert_eq!(code(&error), 409);
        let uid = api.get("web").await.unwrap().metadata.uid;
        api.delete("web", &with(uid)).await.unwrap();
        assert_eq!(code(&api.get("web").await.unwrap_err()), 404);
    });
}

#[test]
fn what_a_deleted_deployment_owned_is_collected() {
    run(async {
        let cluster = cluster();
        deployments(&cluster).delete("web", &DeleteParams::default()).await.unwrap();
        let gone = |cluster: &SimCluster| {
            cluster.list(Resource::ReplicaSets).is_empty() && cluster.list(Resource::Pods).len() == 2
        };
        assert!(cluster.until(std::time::Duration::from_mins(1), gone).await);
    });
}

#[test]
fn a_deleted_pod_is_terminating_first() {
    run(async {
        let cluster = cluster();
        let api: Api<Pod> = Api::namespaced(cluster.client("flippy"), "shop");
        let pod = api.delete("db-1", &DeleteParams::default()).await.unwrap().left().unwrap();
        assert!(pod.metadata.deletion_timestamp.is_some());
        let replaced = |cluster: &SimCluster| {
            cluster
                .get(Resource::Pods, "shop", "db-1")
                .is_some_and(|now| Some(now["metadata"]["uid"].as_str().unwrap()) != pod.metadata.uid.as_deref())
        };
        assert!(cluster.until(std::time::Duration::from_mins(1), replaced).await);
    });
}

#[test]
fn an_emptied_namespace_goes_with_all_that_is_in_it() {
    run(async {
        let cluster = cluster();
        let api: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(cluster.client("flippy"));
        api.delete("shop", &DeleteParams::default()).await.unwrap();
        assert_eq!(api.get("shop").await.unwrap().status.unwrap().phase.as_deref(), Some("Terminating"));
        let gone = |cluster: &SimCluster| cluster.get(Resource::Namespaces, "", "shop").is_none();
        assert!(cluster.until(std::time::Duration::from_mins(2), gone).await);
        assert!(cluster.list(Resource::Pods).is_empty());
    });
}

#[test]
fn an_applied_status_leaves_the_spec_and_the_generation_alone() {
    run(async {
        let cluster = cluster();
        let api = configs(&cluster);
        let spec = json!({"apiVersion": "keikoproj.io/v1", "kind": "FlippyConfig", "spec": {"ImageList": ["a"]}});
        let created = api.patch("mesh", &PatchParams::apply("user"), &Patch::Apply(spec)).await.unwrap();
        let status = |ready: &str| {
            json!({
                "apiVersion": "keikoproj.io/v1", "kind": "FlippyConfig",
                "status": {"observedGeneration": 1, "conditions": [{"type": "Ready", "status": ready}]},
            })
        };
        let params = PatchParams::apply("flippy").force();
        let first = api.patch_status("mesh", &params, &Patch::Apply(status("False"))).await.unwrap();
        assert_eq!(first.metadata.generation, created.metadata.generation);
        assert_eq!(first.data["spec"], json!({"ImageList": ["a"]}));
        assert_eq!(first.data["status"]["conditions"][0]["status"], "False");
        let second = api.patch_status("mesh", &params, &Patch::Apply(status("True"))).await.unwrap();
        assert_eq!(second.data["status"]["conditions"], json!([{"type": "Ready", "status": "True"}]));
        let again = api.patch_status("mesh", &params, &Patch::Apply(status("True"))).await.unwrap();
        assert_eq!(again.metadata.resource_version, second.metadata.resource_version);
    });
}

#[test]
fn fields_no_longer_applied_go_and_those_of_others_stay() {
    run(async {
        let api = configs(&cluster());
        let config =
            |spec: Json| Patch::Apply(json!({"apiVersion": "keikoproj.io/v1", "kind": "FlippyConfig", "spec": spec}));
        api.patch("mesh", &PatchParams::apply("one"), &config(json!({"ImageList": ["a"], "Suspend": true})))
            .await
            .unwrap();
        api.patch("mesh", &PatchParams::apply("other"), &config(json!({"DryRun": true}))).await.unwrap();
        let applied =
            api.patch("mesh", &PatchParams::apply("one"), &config(json!({"ImageList": ["b"]}))).await.unwrap();
        assert_eq!(applied.data["spec"], json!({"ImageList": ["b"], "DryRun": true}));
    });
}

#[test]
fn applying_over_anothers_field_conflicts_unless_forced() {
    run(async {
        let api = configs(&cluster());
        let config = |image: &str| {
            Patch::Apply(
                json!({"apiVersion": "keikoproj.io/v1", "kind": "FlippyConfig", "spec": {"ImageList": [image]}}),
            )
        };
        api.patch("mesh", &PatchParams::apply("one"), &config("a")).await.unwrap();
        let error = api.patch("mesh", &PatchParams::apply("other"), &config("b")).await.unwrap_err();
        assert!(
            matches!(&error, kube::Error::Api(status) if status.code == 409 && status.message.contains("conflict with \"one\": .spec.ImageList")),
            "{error:?}"
        );
        let forced = api.patch("mesh", &PatchParams::apply("other").force(), &config("b")).await.unwrap();
        assert_eq!(forced.data["spec"]["ImageList"], json!(["b"]));
    });
}

#[test]
fn custom_resources_know_no_strategic_patch() {
    run(async {
        let cluster = cluster();
        cluster
            .create(json!({"kind": "FlippyConfig", "metadata": {"namespace": "shop", "name": "mesh"}, "spec": {}}))
            .unwrap();
        let error = configs(&cluster)
            .patch("mesh", &PatchParams::default(), &Patch::Strategic(json!({"spec": {}})))
            .await
            .unwrap_err();
        assert_eq!(code(&error), 415);
    });
}

#[test]
fn both_event_apis_show_the_same_events() {
    run(async {
        let cluster = cluster();
        let new: Api<k8s_openapi::api::events::v1::Event> = Api::namespaced(cluster.client("flippy"), "shop");
        let event = json!({
            "metadata": {"name": "e"}, "eventTime": "2026-01-05T00:00:00.000000Z", "reason": "Restarted", "note": "because", "type": "Normal",
            "action": "Restart", "reportingController": "flippy", "reportingInstance": "flippy-0", "regarding": {"kind": "Deployment", "name": "web"},
        });
        new.create(&PostParams::default(), &serde_json::from_value(event.into()).unwrap()).await.unwrap();
        let old: Api<k8s_openapi::api::core::v1::Event> = Api::namespaced(cluster.client("flippy"), "shop");
        let shown = old.get("e").await.unwrap();
        assert_eq!((shown.message.as_deref(), shown.involved_object.name.as_deref()), (Some("because"), Some("web")));
        assert_eq!(new.get("e").await.unwrap().note.as_deref(), Some("because"));
    });
}

#[test]
fn the_history_knows_who_did_what() {
    run(async {
        let cluster = cluster();
        cluster.clear_history();
        let note = Patch::Merge(json!({"metadata": {"annotations": {"note": "1"}}}));
        deployments(&cluster)
            .patch("web", &PatchParams { field_manager: Some("flippy".into()), ..Default::default() }, &note)
            .await
            .unwrap();
        let history = cluster.history();
        let mutation = &history.mutations[0];
        assert_eq!(
            (&*mutation.author.user, mutation.author.field_manager.as_deref(), mutation.author.request),
            ("flippy", Some("flippy"), Some(0))
        );
        assert_eq!(mutation.after.as_ref().unwrap()["metadata"]["annotations"]["note"], "1");
        assert!(mutation.before.as_ref().unwrap()["metadata"]["annotations"]["note"].is_null());
        assert_eq!(history.requests[0].outcome, flippy_sim::Outcome::Answered(200));
    });
}
