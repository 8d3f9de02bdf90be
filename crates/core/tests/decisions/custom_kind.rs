//! Kinds that a config names with their API version.

use std::collections::BTreeSet;

use flippy_core::{CustomKind, CustomKindError, Kind};

fn named(kind: &str, api_version: &str) -> Kind {
    Kind::named(kind, api_version).expect("it is a kind")
}

fn refused(kind: &str, api_version: &str) -> CustomKindError {
    Kind::named(kind, api_version).expect_err("it is no kind")
}

#[test]
fn a_known_kind_with_its_own_version_is_that_kind_in_any_case() {
    assert_eq!(named("deployment", "apps/v1"), Kind::Deployment);
    assert_eq!(named("ReplicationController", " v1 "), Kind::ReplicationController);
    assert_eq!(named("Rollout", "argoproj.io/v1alpha1"), Kind::ArgoRollout);
    assert_eq!(named("ArgoRollout", "argoproj.io/v1alpha1"), Kind::ArgoRollout);
}

#[test]
fn a_known_word_of_another_group_is_another_kind() {
    let advanced = named("StatefulSet", "apps.kruise.io/v1beta1");
    assert_ne!(advanced, Kind::StatefulSet);
    assert_eq!(advanced.to_string(), "StatefulSet.apps.kruise.io");
}

#[test]
fn a_known_kind_in_a_version_of_its_group_that_is_not_read_is_refused_with_the_right_one() {
    let refused = refused("Deployment", "apps/v1beta1").to_string();
    assert_eq!(refused, "Deployment is not read in apps/v1beta1: leave ApiVersion out, or write apps/v1");
}

#[test]
fn what_is_no_version_is_refused() {
    for text in ["", "apps.kruise.io", "apps.kruise.io/", "/v1", "a.b/v1/x", "Apps.Kruise.io/v1", "a..b/v1", "a.b/1"] {
        assert_eq!(refused("CloneSet", text), CustomKindError::ApiVersion(text.to_owned()), "{text:?}");
    }
}

#[test]
fn what_is_no_kind_is_refused() {
    for text in ["", "Clone Set", "CloneSet.apps.kruise.io", "1st"] {
        assert_eq!(refused(text, "apps.kruise.io/v1alpha1"), CustomKindError::Kind(text.to_owned()), "{text:?}");
    }
}

#[test]
fn other_kinds_of_kubernetes_itself_are_refused() {
    for (kind, api_version) in [("Job", "batch/v1"), ("Pod", "v1"), ("ControllerRevision", "apps/v1")] {
        assert!(matches!(refused(kind, api_version), CustomKindError::NoCustomResource { .. }), "{kind}");
    }
}

#[test]
fn one_kind_in_two_versions_is_one_kind() {
    let (alpha, beta) = (named("Twice", "two.example.com/v1alpha1"), named("Twice", "two.example.com/v1beta1"));
    assert_eq!(BTreeSet::from([alpha, beta]).len(), 1);
    let (Kind::Custom(alpha), Kind::Custom(beta)) = (alpha, beta) else { panic!("they are custom") };
    assert_eq!((alpha.version(), beta.version()), ("v1alpha1", "v1beta1"));
    assert_eq!(alpha.api_version(), "two.example.com/v1alpha1");
}

#[test]
fn custom_kinds_come_after_all_others_by_their_text() {
    let late = named("Order", "z.example.com/v1");
    let early = named("Order", "a.example.com/v1");
    assert!(Kind::ReplicationController < early && early < late);
}

#[test]
fn an_owner_is_told_by_group_and_kind_in_whatever_version() {
    let Kind::Custom(kind) = named("CloneSet", "apps.kruise.io/v1alpha1") else { panic!("it is custom") };
    assert!(kind.is_named_by("apps.kruise.io/v1alpha1", "CloneSet"));
    assert!(kind.is_named_by("apps.kruise.io/v1beta1", "CloneSet"));
    assert!(!kind.is_named_by("example.com/v1alpha1", "CloneSet"));
    assert!(!kind.is_named_by("apps.kruise.io/v1alpha1", "StatefulSet"));
    assert!(!kind.is_named_by("v1", "CloneSet"));
}

#[test]
fn a_kind_is_found_by_its_name_once_a_config_has_named_it() {
    assert_eq!(Kind::of_name("Found.found.example.com"), None);
    let found = named("Found", "found.example.com/v1");
    assert_eq!(Kind::of_name("found.found.example.com"), Some(found));
    assert_eq!(Kind::of_name("statefulset"), Some(Kind::StatefulSet));
    assert!("Found.found.example.com".parse::<Kind>().is_err(), "without a version a config names it by no word");
}

/// In a process of its own: there is one set of names, and the other tests need it.
#[test]
fn so_many_kinds_are_told_apart_and_no_more() {
    const ALONE: &str = "FLIPPY_TEST_NAMES_MANY_KINDS";
    if std::env::var_os(ALONE).is_none() {
        let this = std::env::current_exe().expect("a test knows its own program");
        let test = "custom_kind::so_many_kinds_are_told_apart_and_no_more";
        let mut alone = std::process::Command::new(this);
        let output = alone.args(["--exact", test]).env(ALONE, "1").output().expect("it can be started");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        return;
    }
    for number in 0..CustomKind::MAX {
        named(&format!("Kind{number}"), "many.example.com/v1");
        named(&format!("Kind{number}"), "many.example.com/v1");
    }
    assert_eq!(refused("Another", "many.example.com/v1"), CustomKindError::TooMany);
    named("Kind0", "many.example.com/v1");
}
