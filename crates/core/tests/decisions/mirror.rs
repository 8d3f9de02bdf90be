//! Mirrors: what counts as the same image elsewhere.

use flippy_core::{DesiredImages, ImagePrefix, ImageRef, MAX_MIRRORS, Mirror, MirrorError, Mirrors, Verdict};
use proptest::prelude::*;

use crate::common::{NEW, OLD, PodFixture, SIDECAR, cluster, deployment, image, images, pass, policy};

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn mirror((from, to): &(&str, &str)) -> Mirror {
    let prefix = |text| ImagePrefix::parse(text).expect("it is a prefix");
    Mirror { from: prefix(from), to: prefix(to) }
}

fn mirrors(pairs: &[(&str, &str)]) -> Result<Mirrors, MirrorError> {
    Mirrors::new(pairs.iter().map(mirror).collect())
}

fn origin(pairs: &[(&str, &str)], text: &str) -> String {
    mirrors(pairs).expect("they agree").origin(&image(text)).to_string()
}

/// The verdict on a workload that runs `running` when `wanted` is wanted.
fn word(pairs: &[(&str, &str)], wanted: &str, running: &str) -> &'static str {
    let mut policy = policy();
    policy.images = images(&[wanted]).with_mirrors(mirrors(pairs).expect("they agree"));
    let snapshot = cluster([deployment("a/b").pod(PodFixture::without_containers().container(SIDECAR, running))]);
    pass(&policy, &snapshot, 0).only_verdict().as_str()
}

const CORP: &str = "mirror.example.com/hub";

#[test]
fn what_a_mirror_holds_counts_as_what_it_is_a_copy_of() {
    let mirrors = [("docker.io", CORP)];
    assert_eq!(word(&mirrors, NEW, "mirror.example.com/hub/istio/proxyv2:1.30.4"), "Fresh");
    assert_eq!(word(&mirrors, NEW, "mirror.example.com/hub/istio/proxyv2:1.29.0"), "Restart");
}

#[test]
fn a_mirror_works_for_wanted_images_too() {
    assert_eq!(word(&[("docker.io", CORP)], "mirror.example.com/hub/istio/proxyv2:1.30.4", NEW), "Fresh");
}

#[test]
fn the_image_in_the_status_may_be_of_a_mirror() {
    let mut policy = policy();
    policy.images = images(&[NEW]).with_mirrors(mirrors(&[("docker.io", CORP)]).expect("they agree"));
    let pod = PodFixture::without_containers()
        .container(SIDECAR, "elsewhere.example.com/proxy:x")
        .running(Some("mirror.example.com/hub/istio/proxyv2:1.30.4"), None);
    assert_eq!(*pass(&policy, &cluster([deployment("a/b").pod(pod)]), 0).only_verdict(), Verdict::Fresh);
}

#[test]
fn prefixes_cover_whole_components_only() {
    let mirrors = [("docker.io/istio", "mirror.example.com/istio")];
    for elsewhere in
        ["mirror.example.com/istio-testing/proxyv2:1", "mirror.example.com/x/istio:1", "mirror.example.com/isti:1"]
    {
        assert_eq!(origin(&mirrors, elsewhere), elsewhere);
    }
    assert_eq!(origin(&mirrors, "mirror.example.com/istio/proxyv2:1"), "docker.io/istio/proxyv2:1");
}

#[test]
fn a_prefix_may_be_a_single_repository() {
    let mirrors = [("docker.io/istio/proxyv2", "mirror.example.com/proxy")];
    assert_eq!(
        origin(&mirrors, &format!("mirror.example.com/proxy:1@{DIGEST}")),
        format!("docker.io/istio/proxyv2:1@{DIGEST}")
    );
}

#[test]
fn an_image_at_the_root_of_a_mirror_of_docker_hub_is_in_its_library() {
    assert_eq!(origin(&[("docker.io", CORP)], "mirror.example.com/hub/nginx:1"), "docker.io/library/nginx:1");
    assert_eq!(origin(&[("docker.io", CORP)], "mirror.example.com/hub/library/nginx:1"), "docker.io/library/nginx:1");
}

#[test]
fn a_repository_called_like_the_mirror_of_a_whole_registry_stays_what_it_is() {
    assert_eq!(origin(&[("docker.io", CORP)], "mirror.example.com/hub:1"), "mirror.example.com/hub:1");
}

#[test]
fn the_most_specific_of_nested_mirrors_counts() {
    let pairs = [("docker.io", "mirror.example.com"), ("quay.io", "mirror.example.com/quay")];
    for pairs in [pairs, [pairs[1], pairs[0]]] {
        assert_eq!(origin(&pairs, "mirror.example.com/quay/a/b:1"), "quay.io/a/b:1");
        assert_eq!(origin(&pairs, "mirror.example.com/a/b:1"), "docker.io/a/b:1");
    }
}

#[test]
fn mirrors_that_contradict_each_other_are_refused() {
    let refused = |pairs: &[(&str, &str)]| mirrors(pairs).expect_err("they disagree");
    for one in [("docker.io", "docker.io"), ("docker.io", "docker.io/copies"), ("docker.io/copies", "docker.io")] {
        assert!(matches!(refused(&[one]), MirrorError::Loop { position: 0, .. }), "{one:?}");
    }
    let chain = [("a.example.com", "b.example.com"), ("b.example.com/x", "c.example.com")];
    assert!(matches!(refused(&chain), MirrorError::Chain { position: 1, .. }));
    let circle = [("a.example.com", "b.example.com"), ("b.example.com", "a.example.com")];
    assert!(matches!(refused(&circle), MirrorError::Chain { position: 0, .. }));
    let two_origins = [("a.example.com", "c.example.com"), ("b.example.com", "c.example.com")];
    let error = refused(&two_origins);
    assert!(matches!(error, MirrorError::Ambiguous { position: 1, .. }));
    assert_eq!(
        error.to_string(),
        "`c.example.com` is named as the mirror of `a.example.com` and of `b.example.com`: it can stand for one of them only"
    );
}

#[test]
fn several_mirrors_of_one_registry_and_repetition_are_welcome() {
    let pairs = [("docker.io", "b.example.com"), ("docker.io", "c.example.com"), ("docker.io", "b.example.com")];
    assert_eq!(origin(&pairs, "c.example.com/a/b:1"), "docker.io/a/b:1");
}

#[test]
fn there_is_a_most() {
    let many =
        |count: usize| (0..count).map(|at| mirror(&("docker.io", format!("m{at}.example.com").as_str()))).collect();
    assert!(Mirrors::new(many(MAX_MIRRORS)).is_ok());
    assert_eq!(Mirrors::new(many(MAX_MIRRORS + 1)), Err(MirrorError::TooMany(MAX_MIRRORS + 1)));
}

#[test]
fn a_prefix_begins_with_a_host_and_has_no_tag() {
    for text in ["docker.io", "docker.io/", "index.docker.io", " docker.io "] {
        assert_eq!(ImagePrefix::parse(text).map(|prefix| prefix.to_string()), Ok("docker.io".to_owned()), "{text:?}");
    }
    assert!(ImagePrefix::parse("localhost:5000/a_b/c-d").is_ok());
    for text in [
        "",
        "istio",
        "istio/proxyv2",
        "docker.io/istio:1",
        "docker.io/a@b",
        "docker.io//a",
        "docker.io/A",
        "https://docker.io",
    ] {
        let error = ImagePrefix::parse(text).expect_err(text).to_string();
        assert!(error.contains("write its host and path without tag"), "{error}");
    }
}

#[test]
fn mirrors_do_not_change_which_set_of_images_is_wanted() {
    let plain = images(&[NEW, "mirror.example.com/hub/a/b:1"]);
    let mirrored = plain.clone().with_mirrors(mirrors(&[("docker.io", CORP)]).expect("they agree"));
    assert_eq!(plain.hash(), mirrored.hash());
    assert!(plain.iter().eq(mirrored.iter()));
}

#[test]
fn sets_that_meet_through_a_mirror_do_not_exclude_each_other() {
    let mirrored = images(&[NEW]).with_mirrors(mirrors(&[("docker.io", CORP)]).expect("they agree"));
    let copy = images(&["mirror.example.com/hub/istio/proxyv2:1.30.4"]);
    assert!(!mirrored.excludes(&copy) && !copy.excludes(&mirrored));
    assert!(mirrored.excludes(&images(&["mirror.example.com/hub/istio/proxyv2:1.29.0"])));
    assert!(images(&[NEW]).excludes(&copy));
}

#[test]
fn a_variant_is_another_image_unless_it_is_listed() {
    assert_eq!(word(&[], NEW, &format!("{NEW}-distroless")), "Restart");
    let mut policy = policy();
    policy.images = images(&[NEW, &format!("{NEW}-distroless")]);
    let pods = deployment("a/b").pods(1, NEW).pods(1, &format!("{NEW}-distroless"));
    assert_eq!(*pass(&policy, &cluster([pods]), 0).only_verdict(), Verdict::Fresh);
}

#[test]
fn a_tag_that_was_moved_since_is_seen_by_its_digest() {
    let mut policy = policy();
    policy.images = images(&[&format!("{NEW}@{DIGEST}")]);
    let before = DIGEST.replace('e', "f");
    let pod = |digest| PodFixture::without_containers().container(SIDECAR, NEW).running(Some(NEW), Some(digest));
    let word = |digest| pass(&policy, &cluster([deployment("a/b").pod(pod(digest))]), 0).only_verdict().as_str();
    assert_eq!((word(DIGEST), word(&before)), ("Fresh", "Restart"));
}

#[test]
fn a_pod_that_has_not_pulled_its_image_yet_does_not_cause_a_restart_for_a_digest() {
    let mut policy = policy();
    policy.images = images(&[&format!("{NEW}@{DIGEST}")]);
    let word = |image: &str, ready: bool| {
        let pod = PodFixture::without_containers().container(SIDECAR, image).running(Some(image), None);
        let pod = if ready { pod } else { pod.unready() };
        pass(&policy, &cluster([deployment("a/b").pod(pod)]), 0).only_verdict().as_str()
    };
    assert_eq!(word(NEW, false), "Fresh");
    assert_eq!(word(OLD, false), "Restart", "another tag");
    assert_eq!(word(&format!("{NEW}@{}", DIGEST.replace('e', "f")), false), "Restart", "another digest");
    assert_eq!(word(NEW, true), "Restart", "a runtime that tells no digest proves nothing");
}

fn host() -> impl Strategy<Value = String> {
    prop_oneof![Just("docker.io".to_owned()), "[a-c]\\.example\\.com"]
}

fn prefix() -> impl Strategy<Value = String> {
    (host(), prop::collection::vec("[a-c]", 0..3))
        .prop_map(|(host, path)| path.iter().fold(host, |prefix, component| format!("{prefix}/{component}")))
}

fn some_image() -> impl Strategy<Value = ImageRef> {
    let digest = prop_oneof![Just(String::new()), "@sha256:[ab]{64}"];
    (prefix(), "[a-c]", "[12]", digest)
        .prop_map(|(prefix, name, tag, digest)| image(&format!("{prefix}/{name}:{tag}{digest}")))
}

proptest! {
    #[test]
    fn a_mirror_never_makes_two_versions_equal(
        pairs in prop::collection::vec((prefix(), prefix()), 0..4), wanted in some_image(), running in some_image(),
    ) {
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(from, to)| (&**from, &**to)).collect();
        let Ok(mirrors) = mirrors(&pairs) else { return Ok(()) };
        if mirrors.origin(&wanted).is_same_image(&mirrors.origin(&running)) {
            if let Some(digest) = wanted.digest() {
                prop_assert_eq!(Some(digest), running.digest());
            } else {
                prop_assert_eq!(wanted.tag(), running.tag());
            }
        }
    }

    #[test]
    fn an_origin_is_the_end_of_the_way(
        pairs in prop::collection::vec((prefix(), prefix()), 0..4), running in some_image(),
    ) {
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(from, to)| (&**from, &**to)).collect();
        let Ok(mirrors) = mirrors(&pairs) else { return Ok(()) };
        let once = mirrors.origin(&running).into_owned();
        prop_assert_eq!(mirrors.origin(&once).into_owned(), once);
    }

    #[test]
    fn what_is_wanted_is_accepted_whatever_the_mirrors(
        pairs in prop::collection::vec((prefix(), prefix()), 0..4), wanted in some_image(),
    ) {
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(from, to)| (&**from, &**to)).collect();
        let Ok(mirrors) = mirrors(&pairs) else { return Ok(()) };
        let mut policy = policy();
        policy.images = DesiredImages::new([wanted.clone()]).with_mirrors(mirrors);
        let pod = PodFixture::without_containers().container(SIDECAR, &wanted.to_string());
        let fresh = pass(&policy, &cluster([deployment("a/b").pod(pod)]), 0);
        prop_assert_eq!(fresh.only_verdict().as_str(), "Fresh");
    }
}
