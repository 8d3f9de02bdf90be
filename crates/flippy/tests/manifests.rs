//! The manifests in `deploy/`, as far as they depend on this binary.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use assert_cmd::cargo::cargo_bin_cmd;
use serde_json::Value;

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy")
}

fn manifest(name: &str) -> Value {
    let text = std::fs::read_to_string(deploy().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn the_deployment_passes_arguments_that_are_understood() {
    let deployment = manifest("deployment.yaml");
    let args =
        deployment["spec"]["template"]["spec"]["containers"][0]["args"].as_array().expect("it has arguments").clone();
    let args = args.iter().map(|arg| arg.as_str().expect("arguments are text"));
    cargo_bin_cmd!("flippy").env_clear().args(args).arg("--help").assert().success();
}

#[test]
fn kustomize_installs_what_kubectl_apply_installs() {
    let listed = manifest("Kustomization")["resources"].as_array().expect("it lists resources").clone();
    let listed: BTreeSet<String> =
        listed.iter().map(|name| name.as_str().expect("names are text").to_owned()).collect();
    let files = std::fs::read_dir(deploy()).expect("the directory exists");
    let files = files.map(|file| file.expect("it is readable"));
    // What is optional is installed by whoever needs it.
    let files = files.filter(|file| file.file_name() != "optional");
    let files = files.map(|file| file.file_name().into_string().expect("names are text"));
    assert_eq!(listed, files.filter(|name| *name != "Kustomization").collect());
}

#[test]
fn the_bindings_give_the_roles_to_the_account_that_the_deployment_runs_as() {
    let deployment = manifest("deployment.yaml");
    for kind in ["clusterrole", "role"] {
        let (role, binding) = (manifest(&format!("{kind}.yaml")), manifest(&format!("{kind}binding.yaml")));
        assert_eq!(binding["roleRef"]["kind"], role["kind"]);
        assert_eq!(binding["roleRef"]["name"], role["metadata"]["name"]);
        assert_eq!(binding["metadata"]["namespace"], role["metadata"]["namespace"]);
        assert_eq!(binding["subjects"][0]["name"], deployment["spec"]["template"]["spec"]["serviceAccountName"]);
        assert_eq!(binding["subjects"][0]["namespace"], deployment["metadata"]["namespace"]);
    }
}

#[test]
fn the_replicas_elect_a_leader_by_the_one_lease_that_their_role_is_about() {
    let deployment = manifest("deployment.yaml");
    assert!(deployment["spec"]["replicas"].as_u64() > Some(1));
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    assert!(container["args"].as_array().is_some_and(|args| args.contains(&"--leader-elect".into())));
    let role = manifest("role.yaml");
    assert_eq!(role["metadata"]["namespace"], deployment["metadata"]["namespace"]);
    let rules = role["rules"].as_array().expect("it has rules");
    let names: Vec<&Value> = rules.iter().map(|rule| &rule["resourceNames"]).collect();
    // The default of --leader-election-name.
    assert_eq!(names, [&Value::Null, &serde_json::json!(["flippy"])]);
}

#[test]
fn the_disruption_budget_is_about_the_pods_of_the_deployment() {
    let selector = &manifest("poddisruptionbudget.yaml")["spec"]["selector"];
    assert_eq!(*selector, manifest("deployment.yaml")["spec"]["selector"]);
}

#[test]
fn the_role_for_a_secret_gets_one_by_name_and_nothing_else() {
    let text = std::fs::read_to_string(deploy().join("optional/secret-role.yaml")).expect("it is readable");
    let (role, binding) = text.split_once("---\n").expect("a role and its binding");
    let role: Value = serde_saphyr::from_str(role).expect("it is YAML");
    let binding: Value = serde_saphyr::from_str(binding).expect("it is YAML");
    let only = serde_json::json!({
        "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["prometheus-token"], "verbs": ["get"],
    });
    assert_eq!((&role["kind"], &role["rules"]), (&"Role".into(), &serde_json::json!([only])));
    assert_eq!(binding["roleRef"]["name"], role["metadata"]["name"]);
    assert_eq!(binding["subjects"], manifest("clusterrolebinding.yaml")["subjects"]);
}
