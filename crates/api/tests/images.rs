//! `ImageMirrors` and `ImageSources`: what is accepted, and what the text of a source says.
#![allow(clippy::needless_pass_by_value, reason = "a spec is written where it is used")]

use std::collections::BTreeSet;

use flippy_api::{ConversionOptions, FlippyConfig, FlippyConfigStatus, InvalidSpec, images_in, policy, wanted_before};
use flippy_core::{ConfigMapName, ImageRef, ImageSource, Policy, SourcePart, Template};
use serde_json::{Value, json};

fn convert(namespace: &str, spec: Value) -> Result<Policy, InvalidSpec> {
    let options = ConversionOptions {
        ignore_key: "flippy-ignore".into(),
        trusted_namespaces: BTreeSet::from(["istio-system".into()]),
    };
    let config: FlippyConfig = serde_json::from_value(json!({
        "apiVersion": "keikoproj.io/v1", "kind": "FlippyConfig",
        "metadata": {"name": "mesh", "namespace": namespace}, "spec": spec,
    }))
    .expect("it decodes");
    policy(&config, &options)
}

fn problems(namespace: &str, spec: Value) -> Vec<String> {
    let invalid = convert(namespace, spec).expect_err("it is invalid");
    invalid.problems.iter().map(ToString::to_string).collect()
}

fn part(template: &str) -> SourcePart {
    let template = (!template.is_empty()).then(|| Template::parse(template).expect("it is a template"));
    SourcePart { key: "values".into(), template }
}

fn read(text: &str, template: &str) -> Result<Vec<String>, String> {
    images_in(text, &part(template)).map(|images| images.iter().map(ToString::to_string).collect())
}

fn mirrors(pairs: &[(&str, &str)]) -> Value {
    json!({"ImageMirrors": pairs.iter().map(|(from, to)| json!({"From": from, "To": to})).collect::<Vec<_>>()})
}

const INJECTOR: &str = "{.global.hub}/{.global.proxy.image}:{.global.tag}";

#[test]
fn a_spec_without_sources_has_its_images_at_once() {
    let policy = convert("istio-system", json!({"ImageList": ["a:1"]})).expect("it is valid");
    assert!(policy.image_sources.is_empty() && policy.source_unavailable.is_none());
}

#[test]
fn mirrors_are_taken_over() {
    let mut spec = mirrors(&[("docker.io", "mirror.example.com/hub")]);
    spec["ImageList"] = json!(["istio/proxyv2:1.30.4"]);
    let wanted = convert("istio-system", spec).expect("it is valid").images;
    let copy = ImageRef::parse("mirror.example.com/hub/istio/proxyv2:1.30.4").expect("it is an image");
    assert!(!wanted.excludes(&flippy_core::DesiredImages::new([copy])));
}

#[test]
fn mirrors_that_make_no_sense_are_refused_with_their_place() {
    let refused = |pairs: &[(&str, &str)]| problems("istio-system", mirrors(pairs));
    assert_eq!(
        refused(&[("istio", "mirror.example.com:x")]),
        [
            "spec.ImageMirrors[0].From: `istio` is not a registry or a part of one: write its host and path without tag, for \
             example docker.io/istio",
            "spec.ImageMirrors[0].To: `mirror.example.com:x` is not a registry or a part of one: write its host and path \
             without tag, for example docker.io/istio",
        ]
    );
    assert_eq!(
        refused(&[("docker.io", "quay.io"), ("docker.io", "docker.io/copies")]),
        [
            "spec.ImageMirrors[1]: the mirror `docker.io/copies` and its origin `docker.io` overlap: name two registries or paths \
          that do not"
        ]
    );
    let names: Vec<String> = (0..40).map(|at| format!("m{at}.example.com")).collect();
    let many: Vec<(&str, &str)> = names.iter().map(|name| ("docker.io", &**name)).collect();
    assert_eq!(refused(&many), ["spec.ImageMirrors: has 40 entries; write at most 32"]);
}

#[test]
fn a_source_is_in_the_namespace_of_its_config_unless_it_says_otherwise() {
    let key = json!({"Name": "istio-sidecar-injector", "Key": "values", "Template": INJECTOR});
    let mut elsewhere = key.clone();
    elsewhere["Namespace"] = json!("other");
    let spec = json!({"ImageSources": [{"ConfigMap": key}, {"ConfigMap": elsewhere}, {"ConfigMap": key}]});
    let policy = convert("istio-system", spec).expect("it is valid");
    let expected = |namespace: &str| ImageSource {
        config_map: ConfigMapName { namespace: namespace.into(), name: "istio-sidecar-injector".into() },
        part: part(INJECTOR),
    };
    assert_eq!(policy.image_sources, [expected("istio-system"), expected("other")]);
    assert!(policy.source_unavailable.is_some(), "nothing is known before it is read");
}

#[test]
fn a_config_that_is_trusted_with_its_own_namespace_may_not_read_config_maps_elsewhere() {
    let spec =
        |namespace: &str| json!({"ImageSources": [{"ConfigMap": {"Namespace": namespace, "Name": "a", "Key": "b"}}]});
    assert!(convert("guest", spec("guest")).is_ok() && convert("guest", spec("")).is_ok());
    let problems = problems("guest", spec("istio-system"));
    assert!(
        problems[0].starts_with("spec.ImageSources[0].ConfigMap.Namespace: is `istio-system`, but"),
        "{problems:?}"
    );
}

#[test]
fn a_source_that_cannot_be_is_refused_with_its_place() {
    let refused = |key: Value| problems("istio-system", json!({"ImageSources": [{"ConfigMap": key}]})).join("; ");
    for (key, expected) in [
        (json!({}), "spec.ImageSources[0].ConfigMap.Name: is empty"),
        (json!({"Name": "a"}), "spec.ImageSources[0].ConfigMap.Key: is empty"),
        (json!({"Name": "a/../b", "Key": "k"}), "spec.ImageSources[0].ConfigMap.Name: is `a/../b`, which no"),
        (json!({"Name": "a,b", "Key": "k"}), "spec.ImageSources[0].ConfigMap.Name: is `a,b`, which no"),
        (
            json!({"Namespace": "A", "Name": "a", "Key": "k"}),
            "spec.ImageSources[0].ConfigMap.Namespace: is `A`, which no",
        ),
        (json!({"Name": "a", "Key": "k", "Template": "x"}), "spec.ImageSources[0].ConfigMap.Template: names no field"),
    ] {
        let problems = refused(key);
        assert!(problems.contains(expected), "{problems}");
    }
    let many: Vec<Value> = (0..17).map(|at| json!({"ConfigMap": {"Name": format!("a{at}"), "Key": "k"}})).collect();
    let problems = problems("istio-system", json!({"ImageSources": many}));
    assert_eq!(problems, ["spec.ImageSources: has 17 entries; write at most 16"]);
}

#[test]
fn a_list_has_an_image_a_line_or_several_with_commas_and_comments() {
    let text = "# wanted\nistio/proxyv2:1.30.4  # since monday\n\n a:1, b:2 ,\n#c:3\n- d:4\n- \"e:5\"\r\na:1\n";
    let expected = [
        "docker.io/istio/proxyv2:1.30.4",
        "docker.io/library/a:1",
        "docker.io/library/b:2",
        "docker.io/library/d:4",
        "docker.io/library/e:5",
    ];
    assert_eq!(read(text, ""), Ok(expected.map(str::to_owned).to_vec()));
}

#[test]
fn a_list_that_names_nothing_is_a_mistake() {
    for text in ["", "\n# nothing\n", " , \n"] {
        assert_eq!(read(text, ""), Err("names no image: write one a line".to_owned()), "{text:?}");
    }
}

#[test]
fn one_line_that_is_no_image_spoils_the_list_and_is_named() {
    let error = read("a:1\nNot An Image\n", "").expect_err("it holds something else");
    assert!(error.starts_with("line 2: `Not An Image` is not a valid repository"), "{error}");
}

#[test]
fn a_list_is_bounded() {
    let list = |count: usize| (0..count).map(|tag| format!("a:{tag}")).collect::<Vec<_>>().join("\n");
    assert_eq!(read(&list(256), "").map(|images| images.len()), Ok(256));
    assert_eq!(read(&list(257), ""), Err("names more than 256 images".to_owned()));
    assert_eq!(read(&"#".repeat((1 << 20) + 1), ""), Err("is larger than 1 MiB".to_owned()));
}

/// As istiod keeps it.
const VALUES: &str = r#"{
  "global": {"hub": "docker.io/istio", "tag": "1.30.4", "proxy": {"image": "proxyv2", "privileged": false}},
  "revision": ""
}"#;

#[test]
fn a_template_makes_one_image_of_json_and_of_yaml() {
    let expected = Ok(vec!["docker.io/istio/proxyv2:1.30.4".to_owned()]);
    assert_eq!(read(VALUES, INJECTOR), expected);
    let yaml = "global:\n  hub: docker.io/istio\n  tag: 1.30.4\n  proxy: {image: proxyv2}\n";
    assert_eq!(read(yaml, INJECTOR), expected);
    assert_eq!(read("{\"a.b\": {\"tag\": 7}}", "x:{['a.b'].tag}"), Ok(vec!["docker.io/library/x:7".to_owned()]));
}

#[test]
fn a_document_that_lacks_what_the_template_needs_is_a_mistake() {
    for (text, expected) in [
        ("{\"global\": {\"hub\": \"a\"}}", "has no field .global.proxy.image"),
        ("[]", "has no field .global.hub"),
        ("", "has no field .global.hub"),
        ("just text", "has no field .global.hub"),
        (&VALUES.replace("\"1.30.4\"", "\" \""), "has nothing in the field .global.tag"),
        (&VALUES.replace("\"1.30.4\"", "null"), "has nothing in the field .global.tag"),
        (&VALUES.replace("\"1.30.4\"", "1.30"), "has the number 1.3 in the field .global.tag: write it in quotes"),
        (&VALUES.replace("\"1.30.4\"", "[1]"), "has no text in the field .global.tag, but a list"),
        (&VALUES.replace("\"1.30.4\"", "true"), "has no text in the field .global.tag, but a boolean"),
        (&VALUES.replace("1.30.4", "a b"), "the template makes `docker.io/istio/proxyv2:a b` of it, but"),
    ] {
        let error = read(text, INJECTOR).expect_err(text);
        assert!(error.starts_with(expected), "{text}: {error}");
    }
}

#[test]
fn what_is_no_document_is_reported_with_its_line() {
    let error = read("global:\n  hub: [\n", INJECTOR).expect_err("it is broken");
    assert!(error.starts_with("is no YAML or JSON document, line ") && !error.contains('\n'), "{error}");
    let two = read("a: 1\n---\na: 2\n", "{.a}").expect_err("there are two");
    assert!(two.starts_with("is no YAML or JSON document"), "{two}");
}

#[test]
fn small_documents_that_grow_are_refused() {
    let level = |level: usize| {
        let alias = vec![format!("*a{}", level.saturating_sub(1)); 10].join(", ");
        format!("a{level}: &a{level} [{}]\n", if level == 0 { "x" } else { &alias })
    };
    let bomb: Vec<String> = (0..9).map(level).collect();
    let bomb = bomb.concat();
    assert!(read(&bomb, "{.a}").expect_err("it is a bomb").starts_with("is no YAML or JSON document"));
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(read(&deep, "{.a}").expect_err("it is deep").starts_with("is no YAML or JSON document"));
    let wide = format!("a: [{}]", "1, ".repeat(200_000));
    assert!(read(&wide, "{.a}").expect_err("it is wide").starts_with("is no YAML or JSON document"));
}

#[test]
fn what_anybody_wrote_is_quoted_on_one_short_line() {
    let error = read(&format!("{}\u{7}\n", "A".repeat(900)), "").expect_err("it is no image");
    assert!(error.chars().count() <= 300 && !error.contains(char::is_control), "{error}");
}

#[test]
fn a_status_remembers_what_was_wanted_only_if_it_remembers_all() {
    let wanted = flippy_core::DesiredImages::new([ImageRef::parse("istio/proxyv2:1.30.4").expect("it is an image")]);
    let status = FlippyConfigStatus {
        desired_images: wanted.iter().map(ToString::to_string).collect(),
        images_hash: Some(wanted.hash().to_owned()),
        ..FlippyConfigStatus::default()
    };
    assert_eq!(wanted_before(&status), Some(wanted));
    let other = FlippyConfigStatus { images_hash: Some("0123456789ab".to_owned()), ..status };
    assert_eq!(wanted_before(&other), None);
    assert_eq!(wanted_before(&FlippyConfigStatus::default()), None);
}

#[test]
fn the_example_reads_what_istiod_keeps() {
    let text = include_str!("../../../examples/istio-source.yaml");
    let config: FlippyConfig = serde_saphyr::from_str(text).expect("it decodes");
    let options =
        ConversionOptions { ignore_key: "x".into(), trusted_namespaces: BTreeSet::from(["istio-system".into()]) };
    let policy = policy(&config, &options).expect("it is valid");
    assert_eq!(policy.notes, []);
    let read = |source: &ImageSource| images_in(VALUES, &source.part).expect("it is an image")[0].to_string();
    assert_eq!(
        policy.image_sources.iter().map(read).collect::<Vec<_>>(),
        ["docker.io/istio/proxyv2:1.30.4", "docker.io/istio/proxyv2:1.30.4-distroless"]
    );
}
