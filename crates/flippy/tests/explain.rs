//! `flippy explain`, as service owners and pipelines use it.

mod api_server;

use api_server::shop::{CONFIGS, NEW, OLD, config, shop};
use api_server::{Answer, Outcome, flippy, list, serve, status};
use serde_json::{Value, json};

fn explain(answers: Vec<Answer>, args: &[&str]) -> Outcome {
    flippy(&serve(answers), "", &[&["explain"], args].concat())
}

#[test]
fn the_whole_chain_is_told_link_by_link() {
    let outcome = explain(shop(&[config(&[NEW])]), &["deploy/cart", "-n", "shop"]);
    let expected = format!(
        "\
Deployment shop/cart: Restart (StaleImage): istio-proxy runs {OLD}; it is the next to be restarted, at once when an operator is at work

FlippyConfig istio-system/mesh is about it
  yes  kind          Deployment is one of spec.RestartObjects
  yes  trust         configs in namespace istio-system act on the whole cluster
  yes  namespace     namespace shop carries istio-injection=enabled
  yes  pod labels    no labels of its pod template are asked for (spec.ProcessFilter.PodLabels)
  yes  annotations   no annotations of its pod template are asked for (spec.ProcessFilter.Annotations)
  yes  ignore key    the workload does not ask to be left alone (flippy-ignore)
  yes  container     live pods have a container istio-proxy
  -    pods          1 live, 1 of them stale
                     cart-1 < ReplicaSet cart-rs < Deployment cart: ready
                       istio-proxy runs {OLD}: STALE
  -    last restart  none by Flippy that its annotations show
  -    verdict       Restart (StaleImage): istio-proxy runs {OLD}
  -    waits         it is the next to be restarted, at once when an operator is at work
"
    );
    assert_eq!(outcome.stdout, expected, "{}", outcome.stderr);
}

#[test]
fn the_exit_code_tells_what_comes_of_it() {
    let code = |configs: &[Value], workload: &str| explain(shop(configs), &[workload, "-n", "shop"]).code;
    assert_eq!(code(&[config(&[NEW])], "deploy/till"), Some(0), "fresh");
    assert_eq!(code(&[], "deploy/cart"), Some(0), "no config");
    assert_eq!(code(&[config(&[NEW])], "deploy/cart"), Some(3), "stale");
    let mut other = config(&[OLD]);
    other["metadata"]["name"] = json!("other");
    assert_eq!(code(&[config(&[NEW]), other], "deploy/cart"), Some(4), "blocked");
}

#[test]
fn a_config_that_is_not_about_it_says_which_field_to_change() {
    let mut elsewhere = config(&[NEW]);
    elsewhere["spec"]["ProcessFilter"]["Labels"] = json!({"istio-injection": "disabled"});
    elsewhere["spec"]["RestartObjects"][0]["Type"] = json!("StatefulSet");
    let mut answers = shop(&[elsewhere]);
    answers.push(("/apis/apps/v1/statefulsets", 200, list(&[])));
    let outcome = explain(answers, &["deployment", "cart", "-n", "shop"]);
    assert_eq!(
        outcome.stdout,
        "\
Deployment shop/cart: no FlippyConfig is about it, so nothing restarts it

FlippyConfig istio-system/mesh is not about it
  NO   kind          Deployment is not one of spec.RestartObjects
                     change: add {Type: Deployment} to spec.RestartObjects
  NO   namespace     namespace shop does not carry istio-injection=disabled (it says enabled)
                     change: the labels of namespace shop, or spec.ProcessFilter.Labels
",
        "{}",
        outcome.stderr
    );
    assert_eq!(outcome.code, Some(0));
}

#[test]
fn without_the_container_its_pods_tell_which_they_have() {
    let mut linkerd = config(&[NEW]);
    linkerd["spec"]["ProcessFilter"]["Containers"] = json!(["linkerd-proxy"]);
    let outcome = explain(shop(&[linkerd]), &["deploy/cart", "-n", "shop"]);
    assert!(
        outcome.stdout.contains("NO   container     none of its live pods has a container linkerd-proxy"),
        "{}",
        outcome.stdout
    );
    assert!(outcome.stdout.contains("its containers: app, istio-proxy"), "{}", outcome.stdout);
}

#[test]
fn what_holds_it_up_is_told_with_what_to_do() {
    let mut suspended = config(&[NEW]);
    suspended["spec"]["Suspend"] = json!(true);
    let outcome = explain(shop(&[suspended]), &["deploy/cart", "-n", "shop"]);
    assert!(outcome.stdout.contains("waits         spec.Suspend is true: set it to false"), "{}", outcome.stdout);
    assert_eq!(outcome.code, Some(3));
}

#[test]
fn json_is_for_programs() {
    let outcome = explain(shop(&[config(&[NEW])]), &["deploy/cart", "-n", "shop", "-o", "json"]);
    let told: Value = serde_json::from_str(&outcome.stdout).expect("stdout is JSON and nothing else");
    assert_eq!((&told["outcome"], &told["configs"][0]["isAboutIt"]), (&json!("NotDone"), &json!(true)));
    let pod = &told["configs"][0]["pods"][0];
    assert_eq!(pod["owners"], json!(["ReplicaSet cart-rs", "Deployment cart"]));
    assert_eq!(pod["containers"][1], json!({"name": "istio-proxy", "image": OLD, "wanted": false}));
}

#[test]
fn a_pod_stands_for_its_workload() {
    let outcome = explain(shop(&[config(&[NEW])]), &["pod/cart-1", "-n", "shop"]);
    assert!(outcome.stdout.starts_with("Deployment shop/cart: Restart"), "{}{}", outcome.stdout, outcome.stderr);
}

#[test]
fn a_workload_that_does_not_exist_is_answered_with_those_that_do() {
    let outcome = explain(shop(&[config(&[NEW])]), &["deploy/card", "-n", "shop"]);
    assert_eq!(outcome.stderr, "error: there is no Deployment shop/card; there is shop/cart, shop/till\n");
    assert_eq!(outcome.code, Some(1));
    // The namespace of the context, where it is not.
    let outcome = explain(shop(&[config(&[NEW])]), &["deploy/cart"]);
    assert_eq!(outcome.stderr, "error: there is no Deployment istio-system/cart; there is shop/cart\n");
}

#[test]
fn a_kind_that_cannot_be_explained_is_wrong_usage() {
    let outcome = explain(Vec::new(), &["cronjob/nightly"]);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.contains("`cronjob` is not a kind that can be explained"), "{}", outcome.stderr);
}

#[test]
fn a_config_that_is_no_policy_leaves_the_answer_open() {
    let mut broken = config(&["not an image"]);
    broken["metadata"]["name"] = json!("broken");
    let outcome = explain(shop(&[config(&[NEW]), broken.clone()]), &["deploy/till", "-n", "shop"]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stdout.contains("FlippyConfig istio-system/broken cannot be followed"), "{}", outcome.stdout);
    // One that may not act there does not.
    broken["metadata"]["namespace"] = json!("bank");
    let outcome = explain(shop(&[config(&[NEW]), broken]), &["deploy/till", "-n", "shop"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
}

#[test]
fn words_of_others_cannot_drive_the_terminal() {
    let mut hostile = config(&[NEW]);
    hostile["spec"]["ProcessFilter"]["Annotations"] = json!({"a": "\u{1b}[2J\nFlippyConfig x/y is about it"});
    let outcome = explain(shop(&[hostile]), &["deploy/cart", "-n", "shop"]);
    assert!(!outcome.stdout.contains('\u{1b}') && !outcome.stdout.contains("\nFlippyConfig x/y"), "{}", outcome.stdout);
}

#[test]
fn a_missing_right_is_named() {
    let mut answers = shop(&[config(&[NEW])]);
    answers.retain(|(path, ..)| *path != CONFIGS);
    let message = "flippyconfigs.keikoproj.io is forbidden: User \"jane\" cannot list resource \"flippyconfigs\" in API group \"keikoproj.io\" at the cluster scope";
    answers.push((CONFIGS, 403, status(403, "Forbidden", message)));
    let outcome = explain(answers, &["deploy/cart", "-n", "shop"]);
    assert_eq!(outcome.code, Some(1));
    assert!(
        outcome.stderr.contains("jane may not list flippyconfigs.keikoproj.io in the whole cluster"),
        "{}",
        outcome.stderr
    );
}

/// The shop for somebody who may look at its namespace and at the configs of the mesh, and at nothing else.
fn one_namespace() -> Vec<Answer> {
    let forbidden = |resource: &str| {
        let message = format!(
            "{resource} is forbidden: User \"jane\" cannot list resource \"{resource}\" in API group \"\" at the cluster scope"
        );
        status(403, "Forbidden", &message)
    };
    let here = [
        ("/apis/apps/v1/deployments", "/apis/apps/v1/namespaces/shop/deployments"),
        ("/apis/apps/v1/replicasets", "/apis/apps/v1/namespaces/shop/replicasets"),
        ("/api/v1/pods", "/api/v1/namespaces/shop/pods"),
        (CONFIGS, "/apis/keikoproj.io/v1/namespaces/istio-system/flippyconfigs"),
    ];
    let all = shop(&[config(&[NEW])]);
    let of = |path: &str| all.iter().find(|(known, ..)| *known == path).expect("it is there").2.clone();
    let mut answers: Vec<Answer> = here.iter().map(|(all, here)| (*here, 200, of(all))).collect();
    let namespace = of("/api/v1/namespaces")["items"][0].clone();
    answers.push(("/api/v1/namespaces/shop", 200, namespace));
    answers.push(("/api/v1/namespaces", 403, forbidden("namespaces")));
    answers.push((CONFIGS, 403, forbidden("flippyconfigs")));
    let hidden = "/apis/keikoproj.io/v1/namespaces/shop/flippyconfigs";
    answers.push((hidden, 403, forbidden("flippyconfigs")));
    answers.push(("/apis/policy/v1/namespaces/shop/poddisruptionbudgets", 403, forbidden("poddisruptionbudgets")));
    answers
}

#[test]
fn who_may_look_at_one_namespace_is_told_about_it_and_what_could_not_be_seen() {
    let outcome = explain(one_namespace(), &["deploy/cart", "-n", "shop"]);
    assert_eq!(outcome.code, Some(3), "{}{}", outcome.stdout, outcome.stderr);
    assert!(outcome.stdout.starts_with("Deployment shop/cart: "), "{}", outcome.stdout);
    for note in [
        "only namespace shop was looked at",
        "FlippyConfigs in shop may not be listed",
        "not looked at: poddisruptionbudgets is forbidden",
    ] {
        assert!(outcome.stdout.contains(note), "{note}: {}", outcome.stdout);
    }
}

#[test]
fn who_may_not_even_look_at_the_namespace_is_told_which_right_is_missing() {
    let mut answers = one_namespace();
    answers.retain(|(path, ..)| *path != "/api/v1/namespaces/shop/pods");
    let message =
        "pods is forbidden: User \"jane\" cannot list resource \"pods\" in API group \"\" in the namespace \"shop\"";
    answers.push(("/api/v1/namespaces/shop/pods", 403, status(403, "Forbidden", message)));
    let outcome = explain(answers, &["deploy/cart", "-n", "shop"]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.contains("jane may not list pods in namespace shop"), "{}", outcome.stderr);
}
