//! The `CustomResourceDefinition`, generated from the types.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::core::schema::StructuralSchemaRewriter;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use schemars::transform::{AddNullable, RestrictFormats};
use serde_json::{Value, json};

use crate::resource::FlippyConfig;
use crate::rules;
use crate::spec::FlippyConfigSpec;
use crate::status::{FlippyConfigStatus, UNSEEN_GENERATION};

/// Formats that the API server knows for numbers; it warns about others.
const KNOWN_FORMATS: [&str; 2] = ["int32", "int64"];

/// The definition of `flippyconfigs.keikoproj.io`. The name and version are the original's: apply it over that one.
pub fn crd() -> CustomResourceDefinition {
    let mut spec = schema_of::<FlippyConfigSpec>();
    let mut status = schema_of::<FlippyConfigStatus>();
    normalise(&mut spec);
    normalise(&mut status);
    rules::add(&mut spec);
    // kstatus, by which Flux and Helm wait, takes an object without a status for one that is as it should be, and one whose
    // status is about an older spec for one that is not there yet. Flux's own kinds have the same default.
    status["default"] = json!({"observedGeneration": UNSEEN_GENERATION});
    let conditions = &mut status["properties"]["conditions"];
    conditions["x-kubernetes-list-type"] = json!("map");
    conditions["x-kubernetes-list-map-keys"] = json!(["type"]);
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "flippyconfigs.keikoproj.io"},
        "spec": {
            "group": "keikoproj.io",
            "names": {
                "kind": FlippyConfig::KIND, "listKind": "FlippyConfigList", "plural": "flippyconfigs",
                "singular": "flippyconfig", "shortNames": ["fc"],
            },
            "scope": "Namespaced",
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "subresources": {"status": {}},
                "additionalPrinterColumns": columns(),
                "schema": {"openAPIV3Schema": {
                    "description": "Restarts the workloads whose pods still run an old sidecar, in order and at a safe pace.",
                    "type": "object",
                    "properties": {"spec": spec, "status": status},
                }},
            }],
        },
    });
    serde_json::from_value(definition).expect("it is written as the type wants it, and a test makes it")
}

/// [`crd`] as YAML, as it is checked in and printed.
pub fn crd_yaml() -> String {
    serde_saphyr::to_string(&crd()).expect("plain maps, lists and texts always serialise")
}

fn columns() -> Value {
    let condition = |field: &str| format!(".status.conditions[?(@.type==\"Ready\")].{field}");
    json!([
        {"name": "Ready", "type": "string", "jsonPath": condition("status")},
        {"name": "Reason", "type": "string", "jsonPath": condition("reason")},
        {"name": "Done", "type": "string", "jsonPath": ".status.workloads.done",
         "description": "Workloads that nothing more is to be done for, of all in scope"},
        {"name": "In-flight", "type": "integer", "jsonPath": ".status.workloads.inFlight"},
        {"name": "Blocked", "type": "integer", "jsonPath": ".status.workloads.blocked"},
        {"name": "Failed", "type": "integer", "jsonPath": ".status.workloads.failed"},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        {"name": "Message", "type": "string", "priority": 1, "jsonPath": condition("message")},
    ])
}

pub(crate) fn schema_of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::openapi3()
        .with(|settings| {
            settings.inline_subschemas = true;
            settings.meta_schema = None;
        })
        .with_transform(AddNullable::default())
        .with_transform(RestrictFormats::default())
        .with_transform(StructuralSchemaRewriter);
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

/// Takes out what a derived schema says too much: defaults that the API server would write into stored objects, formats
/// that it warns about, and `nullable`, which only means that null is read as absent, as it is anyway.
fn normalise(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            for unwanted in ["default", "nullable", "title", "$schema"] {
                fields.remove(unwanted);
            }
            if fields.get("format").and_then(Value::as_str).is_some_and(|format| !KNOWN_FORMATS.contains(&format)) {
                fields.remove("format");
            }
            if let Some(Value::String(text)) = fields.get_mut("description") {
                *text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            }
            for (name, value) in fields.iter_mut() {
                match (name.as_str(), value) {
                    // The keys of this map are names of properties, one of which may be called like a keyword.
                    ("properties", Value::Object(properties)) => properties.values_mut().for_each(normalise),
                    (_, value) => normalise(value),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(normalise),
        _ => {}
    }
}
