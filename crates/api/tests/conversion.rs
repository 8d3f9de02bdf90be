//! From a config to a policy.
#![allow(clippy::needless_pass_by_value, reason = "a spec is written where it is used")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use flippy_api::{ConversionOptions, FlippyConfig, InvalidSpec, policy};
use flippy_core::{
    DesiredImages, ImageRef, Kind, NamedWorkload, Policy, PolicyName, Precondition, RestartFirst, RestartObject, Scope,
    SignedDuration, Waiting,
};
use serde_json::{Value, json};

const DAYS_30: Waiting = Waiting::AtMost(SignedDuration::from_hours(24 * 30));

fn config(namespace: &str, spec: Value) -> FlippyConfig {
    let object = json!({
        "apiVersion": "keikoproj.io/v1", "kind": "FlippyConfig",
        "metadata": {"name": "mesh", "namespace": namespace}, "spec": spec,
    });
    serde_json::from_value(object).expect("it decodes")
}

fn convert(namespace: &str, spec: Value) -> Result<Policy, InvalidSpec> {
    let options = ConversionOptions {
        ignore_key: "flippy-ignore".into(),
        trusted_namespaces: BTreeSet::from(["istio-system".into()]),
    };
    policy(&config(namespace, spec), &options)
}

fn valid(spec: Value) -> Policy {
    convert("istio-system", spec).expect("it is valid")
}

/// Paths of what is wrong.
fn wrong(namespace: &str, spec: Value) -> Vec<String> {
    let invalid = convert(namespace, spec).expect_err("it is invalid");
    invalid.problems.into_iter().map(|problem| problem.path).collect()
}

fn notes(policy: &Policy) -> Vec<String> {
    policy.notes.iter().map(ToString::to_string).collect()
}

fn workload(kind: Kind, namespace: &str, name: &str) -> NamedWorkload {
    NamedWorkload { kind, namespace: namespace.into(), name: name.into() }
}

fn k8s(kind: &str, namespace: &str, name: &str) -> Value {
    json!({"Type": kind, "Namespace": namespace, "Name": name})
}

fn check(check_status: bool, max_retry: i64, retry_duration: i64) -> Value {
    json!({"CheckStatus": check_status, "MaxRetry": max_retry, "RetryDuration": retry_duration})
}

fn pairs(key: &str, value: &str) -> BTreeMap<Arc<str>, Arc<str>> {
    BTreeMap::from([(key.into(), value.into())])
}

fn deployments_waited_for(check: Value) -> Policy {
    valid(json!({"RestartObjects": [{"Type": "Deployment", "StatusCheckConfig": check}]}))
}

#[test]
fn a_config_as_it_was_written_for_the_original_means_what_it_meant_there() {
    let policy = valid(json!({
        "ImageList": ["registry.example.com/mesh/proxy:1.2", "istio/proxyv2:1.30.4"],
        "Preconditions": [{"K8S": k8s("Deployment", "istio-system", "istiod"), "StatusCheckConfig": check(true, 10, 30)}],
        "ProcessFilter": {
            "Containers": ["istio-proxy"],
            "Labels": {"istio-injection": "enabled"},
            "Annotations": {"sidecar.istio.io/inject": "true"},
        },
        "RestartObjects": [
            {"Type": "Deployment", "StatusCheckConfig": check(false, 10, 30)},
            {"Type": "ArgoRollout", "StatusCheckConfig": check(false, 10, 30)},
        ],
        "PostFilterRestarts": [
            {"K8S": k8s("Deployment", "istio-system", "istio-ingressgateway"), "StatusCheckConfig": check(true, 10, 30)},
        ],
    }));
    let wait = SignedDuration::from_secs(300);
    let images = ["registry.example.com/mesh/proxy:1.2", "docker.io/istio/proxyv2:1.30.4"];
    let images = images.map(|image| ImageRef::parse(image).expect("an image"));
    assert_eq!(policy.name, PolicyName { namespace: "istio-system".into(), name: "mesh".into() });
    assert_eq!(policy.images, DesiredImages::new(images));
    assert_eq!(
        policy.scope,
        Scope {
            namespace_labels: pairs("istio-injection", "enabled"),
            template_annotations: pairs("sidecar.istio.io/inject", "true"),
            template_labels: BTreeMap::new(),
            containers: BTreeSet::from(["istio-proxy".into()]),
            ignore_key: "flippy-ignore".into(),
            only_namespace: None,
        }
    );
    assert_eq!(
        policy.restart_objects,
        [Kind::Deployment, Kind::ArgoRollout].map(|kind| RestartObject { kind, waiting: Waiting::NotWaited })
    );
    let istiod = workload(Kind::Deployment, "istio-system", "istiod");
    assert_eq!(policy.preconditions, [Precondition { target: istiod, patience: wait, required: true }]);
    let gateway = workload(Kind::Deployment, "istio-system", "istio-ingressgateway");
    assert_eq!(policy.restart_first, [RestartFirst { target: gateway, waiting: Waiting::AtMost(wait) }]);
    assert!(!policy.suspended && !policy.dry_run);
    assert_eq!(policy.notes, []);
}

#[test]
fn an_empty_spec_is_a_policy_that_selects_nothing() {
    assert!(valid(json!({})).selects_nothing().is_some());
}

#[test]
fn suspend_and_dry_run_are_taken_over() {
    let policy = valid(json!({"Suspend": true, "DryRun": true}));
    assert!(policy.suspended && policy.dry_run);
}

#[test]
fn pod_labels_filter_by_the_pod_template() {
    let policy = valid(json!({"ProcessFilter": {"PodLabels": {"tier": "web"}}}));
    assert_eq!(policy.scope.template_labels, pairs("tier", "web"));
}

#[test]
fn case_does_not_matter_in_a_type() {
    let policy =
        valid(json!({"RestartObjects": [{"Type": "argorollout"}, {"Type": "STATEFULSET"}, {"Type": "daemonSet"}]}));
    let kinds: Vec<Kind> = policy.restart_objects.iter().map(|object| object.kind).collect();
    assert_eq!(kinds, [Kind::ArgoRollout, Kind::StatefulSet, Kind::DaemonSet]);
}

#[test]
fn an_image_that_is_none_is_refused_with_its_place_and_its_text() {
    let invalid = convert("istio-system", json!({"ImageList": ["a:1", "b:2", "Istio/Proxy:1"]})).expect_err("invalid");
    let text = invalid.to_string();
    assert!(text.starts_with("spec.ImageList[2]: `Istio/Proxy` is not a valid repository"), "{text}");
}

#[test]
fn a_blank_image_is_refused() {
    assert_eq!(wrong("istio-system", json!({"ImageList": [" "]})), ["spec.ImageList[0]"]);
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let spec = json!({
        "ImageList": [""],
        "Preconditions": [{"K8S": {"Type": "Job"}}],
        "RestartObjects": [{"Type": "CronJob"}],
    });
    assert_eq!(
        wrong("istio-system", spec),
        [
            "spec.ImageList[0]",
            "spec.Preconditions[0].K8S.Type",
            "spec.Preconditions[0].K8S.Name",
            "spec.Preconditions[0].K8S.Namespace",
            "spec.RestartObjects[0].Type",
        ]
    );
}

#[test]
fn an_unknown_kind_beside_a_known_one_is_skipped_with_a_note() {
    let policy = valid(json!({"RestartObjects": [{"Type": "CronJob"}, {"Type": "Deployment"}]}));
    assert_eq!(policy.restart_objects.len(), 1);
    assert_eq!(
        notes(&policy),
        ["spec.RestartObjects[0].Type: `CronJob` is not a kind that can be restarted: write Deployment, StatefulSet, \
          DaemonSet, ArgoRollout, ReplicaSet or ReplicationController, or add its ApiVersion; it is skipped"]
    );
}

fn custom(kind: &str, api_version: &str) -> Value {
    json!({"Type": kind, "ApiVersion": api_version})
}

#[test]
fn a_kind_that_is_not_known_is_restarted_where_it_is_named_with_its_version() {
    let policy = valid(json!({"RestartObjects": [
        custom("CloneSet", "apps.kruise.io/v1alpha1"), custom("StatefulSet", "apps.kruise.io/v1beta1"),
        custom("StatefulSet", "apps/v1"), {"Type": "Deployment", "ApiVersion": ""},
    ]}));
    let kinds: Vec<String> = policy.restart_objects.iter().map(|object| object.kind.to_string()).collect();
    assert_eq!(kinds, ["CloneSet.apps.kruise.io", "StatefulSet.apps.kruise.io", "StatefulSet", "Deployment"]);
    assert_eq!(notes(&policy), [""; 0]);
}

#[test]
fn a_version_that_is_none_is_refused_also_beside_a_kind_that_is_known() {
    let spec = json!({"RestartObjects": [{"Type": "Deployment"}, custom("CloneSet", "apps.kruise.io")]});
    let problems = convert("istio-system", spec).expect_err("it is invalid").to_string();
    assert_eq!(
        problems,
        "spec.RestartObjects[1].ApiVersion: `apps.kruise.io` is no API version: write GROUP/VERSION, for example \
         apps.kruise.io/v1alpha1"
    );
}

#[test]
fn a_kind_of_kubernetes_that_cannot_be_restarted_is_refused_with_its_version_too() {
    assert_eq!(
        wrong("istio-system", json!({"RestartObjects": [custom("Job", "batch/v1")]})),
        ["spec.RestartObjects[0].ApiVersion"]
    );
    assert_eq!(
        wrong("istio-system", json!({"RestartObjects": [custom("Clone Set", "apps.kruise.io/v1alpha1")]})),
        ["spec.RestartObjects[0].Type"]
    );
}

#[test]
fn only_a_config_that_is_trusted_with_the_cluster_names_kinds_that_are_not_known() {
    let spec = |object| json!({"RestartObjects": [object]});
    assert_eq!(
        wrong("shop", spec(custom("CloneSet", "apps.kruise.io/v1alpha1"))),
        ["spec.RestartObjects[0].ApiVersion"]
    );
    assert!(convert("shop", spec(custom("Deployment", "apps/v1"))).is_ok());
}

#[test]
fn of_a_kind_named_twice_the_first_position_and_the_last_check_count_with_a_note() {
    let policy = valid(json!({"RestartObjects": [
        {"Type": "Deployment", "StatusCheckConfig": check(false, 1, 1)},
        {"Type": "ArgoRollout"},
        {"Type": "deployment", "StatusCheckConfig": check(true, 2, 5)},
    ]}));
    assert_eq!(
        policy.restart_objects,
        [
            RestartObject { kind: Kind::Deployment, waiting: Waiting::AtMost(SignedDuration::from_secs(10)) },
            RestartObject { kind: Kind::ArgoRollout, waiting: Waiting::NotWaited },
        ]
    );
    assert_eq!(policy.notes[0].path, "spec.RestartObjects[2].Type");
}

#[test]
fn a_negative_number_is_understood_as_0_with_a_note() {
    let policy = deployments_waited_for(check(false, -1, 30));
    assert_eq!(
        notes(&policy),
        [
            "spec.RestartObjects[0].StatusCheckConfig.MaxRetry: -1 is understood as 0; write a number that is not negative"
        ]
    );
}

#[test]
fn two_negative_numbers_do_not_make_a_positive_wait() {
    assert_eq!(deployments_waited_for(check(true, -10, -30)).restart_objects[0].waiting, Waiting::NotWaited);
}

#[test]
fn to_wait_0_seconds_is_not_to_wait_with_a_note() {
    let policy = deployments_waited_for(check(true, 10, 0));
    assert_eq!(policy.restart_objects[0].waiting, Waiting::NotWaited);
    assert_eq!(policy.notes[0].path, "spec.RestartObjects[0].StatusCheckConfig");
}

#[test]
fn a_huge_wait_is_understood_as_30_days_with_a_note() {
    let policy = deployments_waited_for(check(true, i64::MAX, i64::MAX));
    assert_eq!(policy.restart_objects[0].waiting, DAYS_30);
    assert_eq!(policy.notes.len(), 1);
}

#[test]
fn a_precondition_that_is_not_required_keeps_its_patience() {
    let policy = valid(json!({"Preconditions": [
        {"K8S": k8s("ArgoRollout", "mesh", "control"), "StatusCheckConfig": check(false, 4, 15)},
    ]}));
    let target = workload(Kind::ArgoRollout, "mesh", "control");
    let patience = SignedDuration::from_secs(60);
    assert_eq!(policy.preconditions, [Precondition { target, patience, required: false }]);
}

#[test]
fn a_precondition_that_holds_up_nothing_is_noted() {
    let policy = valid(json!({"Preconditions": [{"K8S": k8s("Deployment", "mesh", "control")}]}));
    assert_eq!(policy.notes[0].path, "spec.Preconditions[0].StatusCheckConfig");
}

#[test]
fn pre_process_restart_goes_before_post_filter_restarts_and_is_not_waited_for() {
    let policy = valid(json!({
        "ProcessFilter": {"PreProcessRestart": k8s("Deployment", "mesh", "b")},
        "PostFilterRestarts": [{"K8S": k8s("Deployment", "mesh", "a")}, {"K8S": k8s("DaemonSet", "mesh", "c")}],
    }));
    let first = [(Kind::Deployment, "b"), (Kind::Deployment, "a"), (Kind::DaemonSet, "c")];
    let first =
        first.map(|(kind, name)| RestartFirst { target: workload(kind, "mesh", name), waiting: Waiting::NotWaited });
    assert_eq!(policy.restart_first, first);
}

#[test]
fn an_empty_pre_process_restart_is_none() {
    for empty in [json!({}), json!(null), json!({"Type": "", "Name": "", "Namespace": ""})] {
        assert_eq!(valid(json!({"ProcessFilter": {"PreProcessRestart": empty}})).restart_first, []);
    }
}

#[test]
fn what_cannot_be_restarted_first_is_skipped_as_in_the_original_and_said() {
    let policy = valid(json!({
        "ProcessFilter": {"PreProcessRestart": {"Type": "Deployment", "Name": "gateway"}},
        "PostFilterRestarts": [{"K8S": k8s("CronJob", "mesh", "report")}, {"K8S": k8s("Deployment", "mesh", "gateway")}],
    }));
    assert_eq!(policy.restart_first.len(), 1);
    let skipped: Vec<&str> = policy.notes.iter().map(|note| note.path.as_str()).collect();
    assert_eq!(skipped, ["spec.ProcessFilter.PreProcessRestart.Namespace", "spec.PostFilterRestarts[0].K8S.Type"]);
}

#[test]
fn a_workload_to_restart_first_is_restarted_once_though_named_twice() {
    let policy = valid(json!({
        "ProcessFilter": {"PreProcessRestart": k8s("Deployment", "mesh", "gateway")},
        "PostFilterRestarts": [{"K8S": k8s("deployment", "mesh", "gateway"), "StatusCheckConfig": check(true, 1, 7)}],
    }));
    let target = workload(Kind::Deployment, "mesh", "gateway");
    let waiting = Waiting::AtMost(SignedDuration::from_secs(7));
    assert_eq!(policy.restart_first, [RestartFirst { target, waiting }]);
    assert_eq!(policy.notes[0].path, "spec.PostFilterRestarts[0]");
}

#[test]
fn a_blank_container_is_skipped_with_a_note() {
    let policy = valid(json!({"ProcessFilter": {"Containers": ["", "istio-proxy"]}}));
    assert_eq!(policy.scope.containers, BTreeSet::from(["istio-proxy".into()]));
    assert_eq!(policy.notes[0].path, "spec.ProcessFilter.Containers[0]");
}

#[test]
fn a_config_in_another_namespace_acts_on_that_one_only() {
    let policy =
        convert("shop", json!({"PostFilterRestarts": [{"K8S": k8s("Deployment", "shop", "cart")}]})).expect("valid");
    assert_eq!(policy.scope.only_namespace.as_deref(), Some("shop"));
    assert_eq!(policy.restart_first[0].target, workload(Kind::Deployment, "shop", "cart"));
}

#[test]
fn a_config_in_another_namespace_cannot_restart_workloads_elsewhere() {
    let spec = json!({
        "ProcessFilter": {"PreProcessRestart": k8s("Deployment", "istio-system", "istiod")},
        "PostFilterRestarts": [{"K8S": k8s("Deployment", "kube-system", "coredns")}],
    });
    assert_eq!(
        wrong("shop", spec),
        ["spec.ProcessFilter.PreProcessRestart.Namespace", "spec.PostFilterRestarts[0].K8S.Namespace"]
    );
}

#[test]
fn a_config_in_another_namespace_cannot_learn_how_workloads_elsewhere_are() {
    let spec = json!({"Preconditions": [{"K8S": k8s("Deployment", "istio-system", "istiod")}]});
    assert_eq!(wrong("shop", spec), ["spec.Preconditions[0].K8S.Namespace"]);
}

#[test]
fn a_list_of_1000_is_accepted_and_a_longer_one_refused() {
    let images = |count: usize| json!({"ImageList": vec!["a:1"; count]});
    valid(images(1000));
    assert_eq!(wrong("istio-system", images(1001)), ["spec.ImageList"]);
}

#[test]
fn a_map_of_more_than_1000_is_refused() {
    let labels: BTreeMap<String, String> = (0..1001).map(|number| (number.to_string(), String::new())).collect();
    let spec = json!({"ProcessFilter": {"Labels": labels}});
    assert_eq!(wrong("istio-system", spec), ["spec.ProcessFilter.Labels"]);
}

#[test]
fn what_is_wrong_is_told_on_one_short_line_whatever_was_written() {
    let hostile = format!("UPPER\nCASE{}", "!".repeat(900));
    let spec = json!({"ImageList": vec![hostile; 900]});
    let text = convert("istio-system", spec).expect_err("invalid").to_string();
    assert!(!text.contains('\n') && text.chars().count() < 8000, "{} characters", text.len());
    assert!(text.ends_with("; and 880 more problems"), "{text}");
}

#[test]
fn the_example_in_the_repository_is_valid_and_needs_no_notes() {
    let text = include_str!("../../../examples/istio.yaml");
    let config: FlippyConfig = serde_saphyr::from_str(text).expect("it decodes");
    let options =
        ConversionOptions { ignore_key: "x".into(), trusted_namespaces: BTreeSet::from(["istio-system".into()]) };
    let policy = policy(&config, &options).expect("it is valid");
    assert_eq!((policy.selects_nothing(), notes(&policy)), (None, Vec::new()));
}
