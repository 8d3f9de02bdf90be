//! The definition that the API server gets.

use std::collections::BTreeSet;

use serde_json::Value;

/// Every property path of the original, which old objects may use.
const ORIGINAL: [&str; 38] = [
    "spec",
    "spec.ImageList",
    "spec.PostFilterRestarts",
    "spec.PostFilterRestarts.K8S",
    "spec.PostFilterRestarts.K8S.Name",
    "spec.PostFilterRestarts.K8S.Namespace",
    "spec.PostFilterRestarts.K8S.Type",
    "spec.PostFilterRestarts.Status",
    "spec.PostFilterRestarts.StatusCheckConfig",
    "spec.PostFilterRestarts.StatusCheckConfig.CheckStatus",
    "spec.PostFilterRestarts.StatusCheckConfig.MaxRetry",
    "spec.PostFilterRestarts.StatusCheckConfig.RetryDuration",
    "spec.Preconditions",
    "spec.Preconditions.K8S",
    "spec.Preconditions.K8S.Name",
    "spec.Preconditions.K8S.Namespace",
    "spec.Preconditions.K8S.Type",
    "spec.Preconditions.Status",
    "spec.Preconditions.StatusCheckConfig",
    "spec.Preconditions.StatusCheckConfig.CheckStatus",
    "spec.Preconditions.StatusCheckConfig.MaxRetry",
    "spec.Preconditions.StatusCheckConfig.RetryDuration",
    "spec.ProcessFilter",
    "spec.ProcessFilter.Annotations",
    "spec.ProcessFilter.Containers",
    "spec.ProcessFilter.Labels",
    "spec.ProcessFilter.PodLabels",
    "spec.ProcessFilter.PreProcessRestart",
    "spec.ProcessFilter.PreProcessRestart.Name",
    "spec.ProcessFilter.PreProcessRestart.Namespace",
    "spec.ProcessFilter.PreProcessRestart.Type",
    "spec.RestartObjects",
    "spec.RestartObjects.StatusCheckConfig",
    "spec.RestartObjects.StatusCheckConfig.CheckStatus",
    "spec.RestartObjects.StatusCheckConfig.MaxRetry",
    "spec.RestartObjects.StatusCheckConfig.RetryDuration",
    "spec.RestartObjects.Type",
    "status",
];

fn schema() -> Value {
    let definition = serde_json::to_value(flippy_api::crd()).expect("a definition is JSON");
    definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
}

fn paths(schema: &Value, prefix: &str, found: &mut BTreeSet<String>) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        paths(property, &path, found);
        paths(&property["items"], &path, found);
        found.insert(path);
    }
}

#[test]
fn an_object_that_nobody_has_looked_at_is_not_mistaken_for_one_that_is_as_it_should_be() {
    let status = &schema()["properties"]["status"];
    assert_eq!(status["default"], serde_json::json!({"observedGeneration": -1}));
    assert_eq!(status["required"], Value::Null, "what the API server writes must be valid");
}

#[test]
fn every_property_path_of_the_original_is_still_there() {
    let mut found = BTreeSet::new();
    paths(&schema(), "", &mut found);
    let missing: Vec<&str> = ORIGINAL.into_iter().filter(|path| !found.contains(*path)).collect();
    assert!(missing.is_empty(), "missing: {missing:?}");
}

#[test]
fn nothing_is_required_so_that_objects_of_the_original_stay_valid() {
    let schema = schema();
    assert_eq!(schema["required"], Value::Null);
    assert_eq!(schema["properties"]["spec"]["required"], Value::Null);
}

/// What a derived schema says too much, wherever it says it.
fn unwanted(schema: &Value, path: &str, found: &mut Vec<String>) {
    let Some(fields) = schema.as_object() else { return };
    for keyword in ["default", "nullable"] {
        if fields.contains_key(keyword) {
            found.push(format!("{path}: {keyword}"));
        }
    }
    if let Some(format) = fields.get("format").and_then(Value::as_str).filter(|format| !format.starts_with("int")) {
        found.push(format!("{path}: format {format}"));
    }
    for (name, property) in fields.get("properties").and_then(Value::as_object).into_iter().flatten() {
        unwanted(property, &format!("{path}.{name}"), found);
    }
    for inner in ["items", "additionalProperties"] {
        unwanted(fields.get(inner).unwrap_or(&Value::Null), &format!("{path}[]"), found);
    }
}

#[test]
fn the_api_server_is_not_asked_to_write_defaults_into_stored_objects() {
    let mut found = Vec::new();
    unwanted(&schema(), "", &mut found);
    // What kstatus has to read where no operator has looked yet: it is nobody's wish that would be frozen.
    assert_eq!(found, [".status: default"]);
}

#[test]
fn every_field_of_the_spec_is_explained() {
    fn unexplained(schema: &Value, path: &str, found: &mut Vec<String>) {
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{name}");
            if property["description"].as_str().is_none_or(str::is_empty) {
                found.push(path.clone());
            }
            unexplained(property, &path, found);
            unexplained(&property["items"], &path, found);
        }
    }
    let mut found = Vec::new();
    unexplained(&schema()["properties"]["spec"], "spec", &mut found);
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn conditions_are_a_map_by_type_so_that_two_writers_do_not_overwrite_each_other() {
    let conditions = schema()["properties"]["status"]["properties"]["conditions"].clone();
    assert_eq!(conditions["x-kubernetes-list-type"], "map");
    assert_eq!(conditions["x-kubernetes-list-map-keys"], serde_json::json!(["type"]));
}

/// Messages of the rules at a path such as `Preconditions[].K8S`.
fn messages(path: &str) -> Vec<String> {
    let mut schema = schema()["properties"]["spec"].clone();
    for step in path.split('.') {
        schema = schema["properties"][step.trim_end_matches("[]")].clone();
        if step.ends_with("[]") {
            schema = schema["items"].clone();
        }
    }
    let rules = schema["x-kubernetes-validations"].as_array().cloned().unwrap_or_default();
    rules.iter().map(|rule| rule["message"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn the_api_server_says_what_to_write_where_it_refuses() {
    let image = "write an image reference, for example docker.io/istio/proxyv2:1.30.4";
    let workload = "name one workload: Type, Name and Namespace are all needed";
    let kind = "Type must be Deployment, StatefulSet, DaemonSet, ArgoRollout, ReplicaSet or ReplicationController (case does \
                not matter)";
    assert_eq!(messages("ImageList[]"), [image]);
    let mirror = "a mirror needs From and To, for example docker.io and mirror.example.com/docker";
    assert_eq!(messages("ImageMirrors[]"), [mirror]);
    let source = "a source needs a ConfigMap with Name and Key";
    assert_eq!(messages("ImageSources[]"), [source]);
    assert_eq!(messages("ImageSources[].ConfigMap"), [source]);
    let object = "Type must be Deployment, StatefulSet, DaemonSet, ArgoRollout, ReplicaSet or ReplicationController (case does \
                  not matter), or have an ApiVersion";
    assert_eq!(messages("RestartObjects"), [object]);
    let version = "ApiVersion must be GROUP/VERSION, for example apps.kruise.io/v1alpha1";
    assert_eq!(messages("RestartObjects[]"), [version]);
    assert_eq!(messages("Preconditions[]"), [workload]);
    assert_eq!(messages("Preconditions[].K8S"), [workload, kind]);
}

#[test]
fn what_the_original_skipped_is_not_refused() {
    for skipped in ["ProcessFilter.PreProcessRestart", "PostFilterRestarts[]", "PostFilterRestarts[].K8S"] {
        assert_eq!(messages(skipped), [""; 0], "{skipped}");
    }
}

#[test]
fn every_list_and_map_of_the_spec_has_a_bound() {
    fn unbounded(schema: &Value, path: &str, found: &mut Vec<String>) {
        let bound = match schema["type"].as_str() {
            Some("array") => "maxItems",
            Some("object") if !schema["additionalProperties"].is_null() => "maxProperties",
            _ => "",
        };
        if !bound.is_empty() && schema[bound].as_u64().is_none_or(|most| most > 1000) {
            found.push(path.to_owned());
        }
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            unbounded(property, &format!("{path}.{name}"), found);
        }
        if !schema["items"].is_null() {
            unbounded(&schema["items"], &format!("{path}[]"), found);
        }
    }
    let mut found = Vec::new();
    unbounded(&schema()["properties"]["spec"], "spec", &mut found);
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn the_status_is_written_apart_from_the_spec() {
    let definition = serde_json::to_value(flippy_api::crd()).expect("a definition is JSON");
    assert_eq!(definition["spec"]["versions"][0]["subresources"], serde_json::json!({"status": {}}));
}

#[test]
fn the_yaml_is_the_definition() {
    let from_yaml: Value = serde_saphyr::from_str(&flippy_api::crd_yaml()).expect("it is YAML");
    assert_eq!(from_yaml, serde_json::to_value(flippy_api::crd()).expect("a definition is JSON"));
}

#[test]
fn the_checked_in_definition_is_the_generated_one() {
    let checked_in = include_str!("../../../deploy/crd.yaml");
    assert!(checked_in == flippy_api::crd_yaml(), "deploy/crd.yaml is stale: run `cargo xtask generate`");
}
