//! Objects that were stored before the schema was strict.
#![allow(clippy::needless_pass_by_value, reason = "a spec is written where it is used")]

use flippy_api::{FlippyConfig, FlippyConfigSpec};
use serde_json::{Value, json};

fn decoded(object: Value) -> FlippyConfig {
    serde_json::from_value(object).expect("it decodes")
}

fn of_spec(spec: Value) -> FlippyConfigSpec {
    decoded(json!({"metadata": {"name": "mesh"}, "spec": spec})).spec
}

#[test]
fn an_object_without_spec_has_an_empty_one() {
    assert_eq!(decoded(json!({"metadata": {"name": "mesh"}})).spec, FlippyConfigSpec::default());
}

#[test]
fn a_spec_of_null_is_an_empty_one() {
    assert_eq!(of_spec(Value::Null), FlippyConfigSpec::default());
}

#[test]
fn null_is_the_same_as_absent_for_every_field() {
    let condition = json!({
        "K8S": {"Type": null, "Name": null, "Namespace": null}, "Status": null,
        "StatusCheckConfig": {"CheckStatus": null, "MaxRetry": null, "RetryDuration": null},
    });
    let inner = of_spec(json!({
        "Preconditions": [condition, {"K8S": null, "StatusCheckConfig": null}],
        "PostFilterRestarts": [condition],
        "RestartObjects": [{"Type": null, "StatusCheckConfig": null}],
        "ProcessFilter": {
            "PodLabels": null, "Labels": null, "Annotations": null, "Containers": null, "PreProcessRestart": null,
        },
    }));
    let absent = of_spec(json!({"Preconditions": [{}, {}], "PostFilterRestarts": [{}], "RestartObjects": [{}]}));
    assert_eq!(inner, absent);
    let outer = of_spec(json!({
        "ImageList": null, "Preconditions": null, "ProcessFilter": null, "RestartObjects": null,
        "PostFilterRestarts": null, "Suspend": null, "DryRun": null,
    }));
    assert_eq!(outer, FlippyConfigSpec::default());
}

#[test]
fn a_null_in_a_map_is_dropped_as_the_api_server_does() {
    let spec = of_spec(json!({"ProcessFilter": {"Labels": {"a": null, "b": "c"}}}));
    assert_eq!(spec.process_filter.labels.into_iter().collect::<Vec<_>>(), [("b".to_owned(), "c".to_owned())]);
}

#[test]
fn a_negative_number_decodes() {
    let spec = of_spec(json!({"RestartObjects": [{"StatusCheckConfig": {"MaxRetry": -1}}]}));
    assert_eq!(spec.restart_objects[0].status_check_config.max_retry, -1);
}

#[test]
fn unknown_fields_are_passed_over() {
    let spec = of_spec(json!({"ImageList": ["a:1"], "imageList": ["b:1"], "Later": {"deep": [1]}}));
    assert_eq!(spec.image_list, ["a:1"]);
}

#[test]
fn a_status_of_another_shape_does_not_make_the_config_unreadable() {
    for status in [json!({}), json!(null), json!("done"), json!({"conditions": "none"})] {
        let config = decoded(json!({"metadata": {}, "spec": {"Suspend": true}, "status": status}));
        assert!(config.spec.suspend);
    }
}

#[test]
fn the_status_that_the_api_server_writes_into_new_objects_is_none() {
    let new = json!({"metadata": {}, "status": {"observedGeneration": -1}});
    assert_eq!(decoded(new).status, None);
    let seen = json!({"metadata": {}, "status": {"observedGeneration": 1, "conditions": []}});
    assert!(decoded(seen).status.is_some());
}

#[test]
fn what_is_written_back_is_what_was_read() {
    let object = json!({
        "apiVersion": "keikoproj.io/v1", "kind": "FlippyConfig", "metadata": {"name": "mesh"},
        "spec": {
            "ImageList": ["a:1"],
            "Preconditions": [{"K8S": {"Type": "Deployment", "Name": "n", "Namespace": "s"}, "Status": "Ready"}],
            "ProcessFilter": {
                "PodLabels": {"a": "b"}, "Labels": {"c": "d"}, "Annotations": {"e": "f"}, "Containers": ["g"],
                "PreProcessRestart": {"Type": "DaemonSet"},
            },
            "RestartObjects": [{
                "Type": "Deployment", "StatusCheckConfig": {"CheckStatus": true, "MaxRetry": 1, "RetryDuration": 2},
            }],
            "PostFilterRestarts": [{"K8S": {"Name": "x"}}],
            "Suspend": true,
            "DryRun": true,
        },
    });
    assert_eq!(serde_json::to_value(decoded(object.clone())).expect("it encodes"), object);
}
