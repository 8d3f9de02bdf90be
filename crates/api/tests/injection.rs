//! `DriftDetection` and `MissingSidecar`: from a config to a policy.

use std::collections::BTreeSet;

use flippy_api::{ConversionOptions, FlippyConfig, InvalidSpec, policy};
use flippy_core::{DriftDetection, MissingSidecar, Policy};
use serde_json::{Value, json};

fn convert(spec: &Value) -> Result<Policy, InvalidSpec> {
    let object = json!({"metadata": {"name": "mesh", "namespace": "istio-system"}, "spec": spec});
    let config: FlippyConfig = serde_json::from_value(object).expect("it decodes");
    let trusted_namespaces = BTreeSet::from(["istio-system".into()]);
    policy(&config, &ConversionOptions { ignore_key: "flippy-ignore".into(), trusted_namespaces })
}

fn detection(spec: &Value) -> DriftDetection {
    convert(spec).expect("it is valid").drift_detection
}

/// Which fields are refused.
fn refused(spec: &Value) -> Vec<String> {
    convert(spec).expect_err("it is invalid").problems.into_iter().map(|problem| problem.path).collect()
}

#[test]
fn admission_is_asked_only_where_the_spec_says_so() {
    for spec in [json!({}), json!({"DriftDetection": "Images"}), json!({"DriftDetection": null})] {
        assert_eq!(detection(&spec), DriftDetection::Images, "{spec}");
    }
    assert_eq!(detection(&json!({"DriftDetection": "Injection"})), DriftDetection::Injection(MissingSidecar::Ignore));
    let both = json!({"DriftDetection": "Injection", "MissingSidecar": "Restart"});
    assert_eq!(detection(&both), DriftDetection::Injection(MissingSidecar::Restart));
}

#[test]
fn words_that_nobody_knows_are_refused() {
    let spec = json!({"DriftDetection": "injection", "MissingSidecar": "Delete"});
    assert_eq!(refused(&spec), ["spec.MissingSidecar", "spec.DriftDetection"]);
}

#[test]
fn a_missing_sidecar_without_asking_admission_is_noted() {
    let policy = convert(&json!({"MissingSidecar": "Restart"})).expect("it is valid");
    assert_eq!(policy.drift_detection, DriftDetection::Images);
    assert_eq!(policy.notes.iter().map(|note| &*note.path).collect::<Vec<_>>(), ["spec.MissingSidecar"]);
}

#[test]
fn what_happens_once_per_campaign_needs_images_that_name_one() {
    let gateway = json!({"Type": "Deployment", "Namespace": "istio-system", "Name": "gateway"});
    let mut spec = json!({
        "DriftDetection": "Injection", "Strategy": {"Waves": [{"Name": "canary"}]},
        "PostFilterRestarts": [{"K8S": gateway}], "ProcessFilter": {"PreProcessRestart": gateway},
    });
    let fields = ["spec.Strategy.Waves", "spec.PostFilterRestarts", "spec.ProcessFilter.PreProcessRestart"];
    assert_eq!(refused(&spec), fields);
    spec["ImageList"] = json!(["istio/proxyv2:1.30.4"]);
    assert!(convert(&spec).is_ok());
}
