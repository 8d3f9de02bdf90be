//! The chart: what it installs, and with which values.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use flippy_e2e::apply::{self, api_of};
use flippy_e2e::assets::Assets;
use flippy_e2e::chart;
use flippy_e2e::scenario::Scenario;
use kube::api::{Patch, PatchParams, ValidationDirective};
use serde_json::{Value, json};

flippy_e2e::scenarios! {
    // Only a real API server has schemas and admission.
    real: [
        everything_that_the_chart_can_install_is_accepted_strictly,
    ],
}

/// What the linter asks for and the chart does not do, on purpose.
const NOT_TAKEN_UP: [&str; 2] = [
    // A tag is never moved to another image, so a node need not ask each time.
    "container-image-pull-policy",
    // Topology spread does that, also for zones.
    "deployment-has-host-podantiaffinity",
];

const IMAGE: [&str; 2] = ["--set", "image.repository=registry.example.com/flippy"];

async fn everything_that_the_chart_can_install_is_accepted_strictly(s: &Scenario) -> Result<()> {
    let assets = Assets::find()?;
    for definition in assets.definitions_of_monitoring() {
        apply::apply(&s.client(), &apply::read(definition)?).await?;
    }
    let everything = chart::everything();
    let values = ["--values", everything.to_str().context("the path is text")?];
    let documents = chart::render(s.system(), &values)?;
    let optional = documents.iter().filter(|document| document["apiVersion"] == "monitoring.coreos.com/v1").count();
    ensure!(optional >= 2, "there is no monitor among what is rendered with everything on");
    let strictly = PatchParams {
        dry_run: true,
        field_validation: Some(ValidationDirective::Strict),
        ..PatchParams::apply("helm").force()
    };
    for document in &documents {
        let name = document["metadata"]["name"].as_str().unwrap_or_default();
        let api = api_of(&s.client(), document).await?;
        let accepted = api.patch(name, &strictly, &Patch::Apply(document)).await;
        accepted.with_context(|| format!("{} {name} is not accepted", document["kind"]))?;
    }
    Ok(())
}

#[test]
fn linters_find_nothing_that_was_not_decided() -> Result<()> {
    let everything = chart::everything();
    let (directory, everything) = (chart::directory(), everything.to_string_lossy());
    let lint = chart::helm(&["lint", "--strict", "--quiet", &directory.to_string_lossy(), "--values", &everything])?;
    assert!(lint.status.success(), "{}", String::from_utf8_lossy(&lint.stdout));
    score(&chart::render_text("istio-system", &["--values", &everything])?, &NOT_TAKEN_UP)?;
    // What may be reached is for those to say who know what their gates ask.
    score(&chart::render_text("istio-system", &IMAGE)?, &[&NOT_TAKEN_UP[..], &["pod-networkpolicy"]].concat())
}

fn score(manifests: &str, ignored: &[&str]) -> Result<()> {
    let mut score = Command::new(Assets::find()?.binary("kube-score"));
    // Throttled, it might lose its lease.
    score.args(["score", "-", "--output-format", "ci", "--exit-one-on-warning", "--ignore-container-cpu-limit"]);
    for check in ignored {
        score.args(["--ignore-test", check]);
    }
    let mut score = score.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    score.stdin.take().context("it was piped")?.write_all(manifests.as_bytes())?;
    let output = score.wait_with_output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let findings: Vec<&str> =
        text.lines().filter(|line| !line.starts_with("[OK]") && !line.starts_with("[SKIP")).collect();
    ensure!(output.status.success() && findings.is_empty(), "{}", findings.join("\n"));
    Ok(())
}

#[test]
fn a_value_that_the_chart_does_not_know_or_understand_is_refused_by_its_name() {
    for (wrong, named) in [
        ("replcas=3", "replcas"),
        ("replicas=-1", "replicas"),
        ("imageSources[0].name=x", "imageSources"),
        ("customKinds[0].apiGroup=apps,customKinds[0].resource=deployments", "apiGroup"),
        ("configNamespaces[0]=Upper", "configNamespaces"),
        ("topologySpread.whenUnsatisfiable=Maybe", "whenUnsatisfiable"),
    ] {
        let arguments = [&IMAGE[..], &["--set", wrong]].concat();
        let refusal = chart::render("istio-system", &arguments).expect_err(wrong).to_string();
        assert!(refusal.contains(named), "{wrong}: {refusal}");
    }
}

#[test]
fn without_an_image_the_chart_says_that_one_must_be_built() {
    let refusal = chart::render("istio-system", &[]).expect_err("there is no image").to_string();
    assert!(refusal.contains("image.repository"), "{refusal}");
}

#[test]
fn an_option_adds_exactly_the_rights_that_it_is_about() -> Result<()> {
    let without = rights(&["--set", "argoRollouts.enabled=false"])?;
    let only = |right: (&str, &str, &str)| {
        let (namespace, resource, verbs) = right;
        let verbs = verbs.split(' ');
        verbs.map(|verb| format!("{namespace} {verb} {resource}")).collect::<BTreeSet<_>>()
    };
    for (option, added) in [
        ("argoRollouts.enabled=true", only(("*", "argoproj.io/rollouts", "list watch patch"))),
        (
            "argoRollouts.enabled=false,imageSources[0].namespace=a,imageSources[0].name=b",
            only(("a", "/configmaps/b", "get list watch")),
        ),
        ("argoRollouts.enabled=false,askAdmission.enabled=true", only(("*", "/pods", "create"))),
        (
            "argoRollouts.enabled=false,customKinds[0].apiGroup=apps.kruise.io,customKinds[0].resource=clonesets",
            only(("*", "apps.kruise.io/clonesets", "list watch patch")),
        ),
        ("argoRollouts.enabled=false,secrets[0].namespace=a,secrets[0].name=b", only(("a", "/secrets/b", "get"))),
        (
            "argoRollouts.enabled=false,metrics.authorization=true,metrics.tlsSecret=a",
            &only(("*", "authentication.k8s.io/tokenreviews", "create"))
                | &only(("*", "authorization.k8s.io/subjectaccessreviews", "create")),
        ),
    ] {
        let with = rights(&["--set", option])?;
        assert_eq!(with.difference(&without).cloned().collect::<BTreeSet<_>>(), added, "{option}");
        assert!(without.is_subset(&with), "{option} takes rights away");
    }
    Ok(())
}

/// What the account may do, as "namespace verb resource", with these values.
fn rights(values: &[&str]) -> Result<BTreeSet<String>> {
    let mut rights = BTreeSet::new();
    for document in chart::render("istio-system", &[&IMAGE[..], values].concat())? {
        let name = document["metadata"]["name"].as_str().unwrap_or_default();
        if !document["rules"].is_array() || name.ends_with("-view") {
            continue;
        }
        let namespace = document["metadata"]["namespace"].as_str().unwrap_or("*");
        for rule in document["rules"].as_array().into_iter().flatten() {
            for resource in texts(&rule["resources"]) {
                for name in rule["resourceNames"].as_array().map_or(vec![String::new()], |_| {
                    texts(&rule["resourceNames"]).map(|name| format!("/{name}")).collect()
                }) {
                    for verb in texts(&rule["verbs"]) {
                        let group = texts(&rule["apiGroups"]).collect::<String>();
                        rights.insert(format!("{namespace} {verb} {group}/{resource}{name}"));
                    }
                }
            }
        }
    }
    ensure!(!rights.is_empty(), "the account has no rights");
    Ok(rights)
}

fn texts(list: &Value) -> impl Iterator<Item = String> {
    let texts = list.as_array().cloned().unwrap_or_default();
    texts.into_iter().map(|text| text.as_str().unwrap_or_default().to_owned())
}

#[test]
fn the_right_to_ask_admission_never_comes_without_the_fence_around_the_account_that_has_it() -> Result<()> {
    let account = "askAdmission.enabled=true,serviceAccount.create=false,serviceAccount.name=robot";
    for (values, has_right) in [(account.to_owned(), true), (format!("{account},rbac.create=false"), false)] {
        let documents = chart::render("mesh", &[&IMAGE[..], &["--set", &values]].concat())?;
        let of_kind = |kind: &'static str| documents.iter().filter(move |document| document["kind"] == kind);
        let policies: Vec<&Value> = of_kind("ValidatingAdmissionPolicy").collect();
        ensure!(policies.len() == 1, "{} policies with {values}", policies.len());
        let fenced = policies[0]["spec"]["matchConditions"][0]["expression"].as_str().unwrap_or_default();
        assert_eq!(fenced, r#"request.userInfo.username == "system:serviceaccount:mesh:robot""#);
        let mut bindings = of_kind("ValidatingAdmissionPolicyBinding");
        ensure!(bindings.any(|binding| binding["spec"]["policyName"] == policies[0]["metadata"]["name"]), "{values}");
        let mut rights = of_kind("ClusterRoleBinding").filter(|binding| {
            binding["roleRef"]["name"] == "flippy-ask-admission" && binding["subjects"][0]["name"] == "robot"
        });
        assert_eq!(rights.next().is_some(), has_right, "{values}");
    }
    Ok(())
}

#[test]
fn sources_in_one_namespace_share_a_role_and_each_namespace_has_its_own() -> Result<()> {
    let sources = "imageSources[0].namespace=a,imageSources[0].name=x,imageSources[1].namespace=b,\
                   imageSources[1].name=y,imageSources[2].namespace=a,imageSources[2].name=z";
    let documents = chart::render("istio-system", &[&IMAGE[..], &["--set", sources]].concat())?;
    let roles = documents
        .iter()
        .filter(|document| document["kind"] == "Role" && document["metadata"]["name"] == "flippy-image-source");
    let roles: Vec<Value> =
        roles.map(|role| json!([role["metadata"]["namespace"], role["rules"][0]["resourceNames"]])).collect();
    assert_eq!(roles, [json!(["a", ["x", "z"]]), json!(["b", ["y"]])]);
    Ok(())
}

#[test]
fn a_release_of_another_name_has_objects_of_its_own_and_a_lease_of_its_own() -> Result<()> {
    let chart = chart::directory();
    let chart = chart.to_string_lossy();
    let output = chart::helm(&[&["template", "blue", &chart, "--kube-version", "1.36.0"], &IMAGE[..]].concat())?;
    let documents = apply::parse(&String::from_utf8(output.stdout)?)?;
    let names: BTreeSet<&str> = documents.iter().filter_map(|document| document["metadata"]["name"].as_str()).collect();
    assert_eq!(names, BTreeSet::from(["blue-flippy", "blue-flippy-view", "flippyconfigs.keikoproj.io"]));
    let lease = documents.iter().find(|document| document["kind"] == "Role").map(|role| &role["rules"][1]);
    assert_eq!(lease.map(|rule| &rule["resourceNames"]), Some(&json!(["blue-flippy"])));
    let deployment = documents.iter().find(|document| document["kind"] == "Deployment").context("no Deployment")?;
    let args = deployment.pointer("/spec/template/spec/containers/0/args").and_then(Value::as_array);
    assert!(args.is_some_and(|args| args.contains(&json!("--leader-election-name=blue-flippy"))), "{args:?}");
    Ok(())
}
