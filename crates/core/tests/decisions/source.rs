//! Sources of images: what becomes of a policy when they answer, and when they do not.

use std::collections::BTreeMap;

use flippy_core::{
    ConfigMapName, DesiredImages, FieldPath, Hold, ImageRef, ImageSource, MAX_SOURCE_IMAGES, Policy, SourcePart,
    Template, TemplateParseError,
};
use proptest::prelude::*;

use crate::common::{NEW, OLD, Pass, cluster, deployment, image, images, pass, policy, policy_named};

fn source(key: &str) -> ImageSource {
    let config_map = ConfigMapName { namespace: "mesh".into(), name: "injector".into() };
    ImageSource { config_map, part: SourcePart { key: key.into(), template: None } }
}

fn with_sources(list: &[&str], keys: &[&str]) -> Policy {
    let image_sources = keys.iter().map(|key| source(key)).collect();
    Policy { images: images(list), image_sources, source_unavailable: Some("not read".into()), ..policy() }
}

/// Joins a policy with what each key says; a key that is not there does not exist.
fn joined(policy: &Policy, said: &[(&str, &[&str])], before: Option<&DesiredImages>) -> Policy {
    let said: BTreeMap<&str, Vec<ImageRef>> =
        said.iter().map(|(key, list)| (*key, list.iter().map(|text| image(text)).collect())).collect();
    let answer = |source: &ImageSource| {
        said.get(&*source.part.key).map(Vec::as_slice).ok_or_else(|| "does not exist".to_owned())
    };
    policy.joined(answer, before)
}

#[test]
fn what_sources_say_is_wanted_beside_the_list() {
    let policy = joined(&with_sources(&[OLD], &["a", "b"]), &[("a", &[NEW]), ("b", &["x:1"])], None);
    assert_eq!(policy.source_unavailable, None);
    assert_eq!(policy.images.hash(), images(&[OLD, NEW, "x:1"]).hash());
}

#[test]
fn what_is_wanted_is_the_same_wherever_it_is_named() {
    let policy = joined(&with_sources(&[], &["a"]), &[("a", &[NEW])], None);
    assert_eq!(policy.images, images(&[NEW]));
}

#[test]
fn without_one_of_its_sources_nothing_starts() {
    let before = images(&[NEW, "x:1"]);
    let policy = joined(&with_sources(&[NEW], &["a", "b"]), &[("a", &[NEW])], Some(&before));
    let pass = pass(&policy, &cluster([deployment("shop/cart").pods(1, OLD)]), 0);
    assert!(pass.starts().is_empty());
    assert_eq!(pass.condition("RestartsAllowed"), "False ImageSourceUnavailable");
    assert_eq!(pass.condition("Stalled"), "True ImageSourceUnavailable");
    assert_eq!(pass.condition("Ready"), "False ImageSourceUnavailable");
    let why = "ConfigMap mesh/injector, key b: does not exist";
    assert_eq!(pass.decision.hold, Some(Hold::ImageSource(why.into())));
    assert!(pass.decision.hold.expect("it was just compared").forbids_all());
}

#[test]
fn without_one_of_its_sources_what_was_wanted_last_is_wanted_on() {
    let before = images(&[NEW, "x:1"]);
    let policy = joined(&with_sources(&[NEW], &["a"]), &[], Some(&before));
    assert_eq!(policy.images, before);
    let snapshot = cluster([deployment("shop/cart").pods(1, "x:1")]);
    assert_eq!(pass(&policy, &snapshot, 0).verdict("shop/cart").as_str(), "Fresh");
}

#[test]
fn all_is_fresh_is_not_said_while_nobody_knows_what_is_wanted() {
    let policy = joined(&with_sources(&[], &["a"]), &[], Some(&images(&[NEW])));
    let pass = pass(&policy, &cluster([deployment("shop/cart").pods(1, NEW)]), 0);
    assert_eq!(pass.condition("Ready"), "False ImageSourceUnavailable");
}

#[test]
fn a_missing_source_never_counts_as_an_empty_list() {
    let policy = joined(&with_sources(&[NEW], &["a"]), &[], None);
    assert!(!policy.knows_images());
    let pass = pass(&policy, &cluster([deployment("shop/cart").pods(1, OLD)]), 0);
    assert!(pass.starts().is_empty() && pass.plan.entries.is_empty());
}

#[test]
fn who_does_not_know_what_is_wanted_has_no_say() {
    let unknown = Policy { name: policy_named("b").name, ..joined(&with_sources(&[OLD], &["a"]), &[], None) };
    let a = policy_named("a");
    let pass = Pass::of(&[&a, &unknown], &cluster([deployment("shop/cart").pods(1, OLD)]), 0);
    assert_eq!(pass.only_start().token.hash.as_ref(), a.images.hash());
}

#[test]
fn who_knows_what_was_wanted_last_has_a_say() {
    let before = images(&["x:1"]);
    let missing = joined(&with_sources(&[], &["a"]), &[], Some(&before));
    let missing = Policy { name: policy_named("b").name, ..missing };
    let pass = Pass::of(&[&policy_named("a"), &missing], &cluster([deployment("shop/cart").pods(1, OLD)]), 0);
    assert_eq!(pass.verdict("shop/cart").reason(), Some("Conflict"));
}

#[test]
fn more_images_than_a_pass_can_bear_are_a_source_that_is_not_there() {
    let texts: Vec<String> = (0..=MAX_SOURCE_IMAGES).map(|tag| format!("x:{tag}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let policy = with_sources(&[], &["a", "b"]);
    let most = joined(&policy, &[("a", &texts[1..]), ("b", &texts[1..2])], None);
    assert_eq!(most.source_unavailable, None);
    let too_many = joined(&policy, &[("a", &texts[1..]), ("b", &texts[..1])], None);
    assert!(too_many.source_unavailable.is_some_and(|why| why.contains("257 images; at most 256")));
}

/// What a template makes of a document in which each field holds its own path.
fn filled(text: &str) -> Result<String, TemplateParseError> {
    let look_up = |path: &FieldPath| Ok::<_, TemplateParseError>(path.steps().collect::<Vec<_>>().join("/"));
    Template::parse(text).and_then(|template| template.fill(look_up))
}

#[test]
fn a_template_is_text_and_fields() {
    for (text, expected) in [
        ("{.global.hub}/{.global.proxy.image}:{.global.tag}", "global/hub/global/proxy/image:global/tag"),
        ("{.image}", "image"),
        (" docker.io/istio/proxyv2:{.tag}-distroless\n", "docker.io/istio/proxyv2:tag-distroless"),
        ("{['a.b'].c}", "a.b/c"),
        ("{.a['b}{']['c'].d-e_f}", "a/b}{/c/d-e_f"),
        (r#"{.a["it's"]}"#, "a/it's"),
    ] {
        assert_eq!(filled(text), Ok(expected.to_owned()), "{text}");
    }
}

#[test]
fn each_refusal_of_a_template_says_what_is_wrong() {
    for (text, word) in [
        ("", "no field"),
        ("proxyv2:1.30", "no field"),
        ("{.a", "{ without"),
        ("a}", "} without"),
        ("{.a}}", "} without"),
        ("{}", "not a path"),
        ("{a}", "not a path"),
        ("{.}", "not a path"),
        ("{.a..b}", "not a path"),
        ("{.a[0]}", "not a path"),
        ("{.a[*]}", "not a path"),
        ("{$.a}", "not a path"),
        ("{ .a }", "not a path"),
        ("{['']}", "not a path"),
        ("{['a]}", "not a path"),
        ("{.a | upper}", "not a path"),
    ] {
        let error = filled(text).expect_err(text).to_string();
        assert!(error.contains(word), "{text}: {error}");
    }
    assert_eq!(filled(&".a".repeat(600)), Err(TemplateParseError::TooLong));
    assert_eq!(filled(&format!("{{{}}}", ".a".repeat(33))), Err(TemplateParseError::TooManySteps));
    assert_eq!(filled(&"{.a}".repeat(33)), Err(TemplateParseError::TooManySteps));
}

proptest! {
    #[test]
    fn no_text_makes_a_template_panic(text in any::<String>(), pieces in "[{}.a\\['\\]\" -]{0,30}") {
        for text in [text, pieces] {
            if let Ok(template) = Template::parse(&text) {
                prop_assert_eq!(Template::parse(&template.to_string()).map(|again| again.to_string()), Ok(template.to_string()));
            }
        }
    }
}
