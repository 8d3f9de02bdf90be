//! Desired images: one set, one hash.

use flippy_core::DesiredImages;
use proptest::prelude::*;

use crate::common::{NEW, OLD, image, images};

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[test]
fn the_hash_is_part_of_the_api_and_never_changes() {
    // Changing it would restart everything in every cluster once more.
    assert_eq!(images(&[NEW]).hash(), images(&["istio/proxyv2:1.30.4"]).hash());
    // printf 'docker.io/istio/proxyv2:1.30.4\n' | sha256sum
    assert_eq!(images(&[NEW]).hash(), "8e0bbde7d261");
}

#[test]
fn order_spelling_and_repetition_do_not_change_the_hash() {
    let one = images(&["nginx", "istio/proxyv2:1.30.4"]);
    let other = images(&[NEW, "docker.io/library/nginx:latest", "nginx:latest"]);
    assert_eq!(one.hash(), other.hash());
}

#[test]
fn sets_exclude_each_other_when_no_image_satisfies_both() {
    assert!(images(&[NEW]).excludes(&images(&[OLD])));
    assert!(!images(&[NEW, OLD]).excludes(&images(&[OLD])));
}

#[test]
fn a_tag_and_the_same_tag_with_a_digest_do_not_exclude_each_other() {
    let pinned = images(&[&format!("{NEW}@{DIGEST}")]);
    assert!(!pinned.excludes(&images(&[NEW])));
    assert!(!images(&[NEW]).excludes(&pinned));
}

#[test]
fn a_tag_and_a_digest_alone_may_be_the_same_image() {
    assert!(!images(&[NEW]).excludes(&images(&[&format!("istio/proxyv2@{DIGEST}")])));
}

#[test]
fn two_digests_exclude_each_other_whatever_their_tags() {
    let other = DIGEST.replace('e', "f");
    assert!(images(&[&format!("{NEW}@{DIGEST}")]).excludes(&images(&[&format!("{NEW}@{other}")])));
}

proptest! {
    #[test]
    fn the_hash_is_the_same_for_every_order(tags in prop::collection::vec("[a-z][a-z0-9]{0,6}", 1..6)) {
        let forwards = DesiredImages::new(tags.iter().map(|tag| image(&format!("proxy:{tag}"))));
        let backwards = DesiredImages::new(tags.iter().rev().map(|tag| image(&format!("docker.io/library/proxy:{tag}"))));
        prop_assert_eq!(forwards.hash(), backwards.hash());
        prop_assert_eq!(forwards, backwards);
    }

    #[test]
    fn different_sets_have_different_hashes(one in "[a-z]{1,8}", other in "[a-z]{1,8}") {
        prop_assume!(one != other);
        let set = |tag: &str| images(&[&format!("proxy:{tag}")]);
        let (one, other) = (set(&one), set(&other));
        prop_assert_ne!(one.hash(), other.hash());
    }

    #[test]
    fn the_hash_is_twelve_lower_case_hexadecimal_digits(tag in "[a-z]{1,8}") {
        let set = images(&[&format!("proxy:{tag}")]);
        prop_assert_eq!(set.hash().len(), 12);
        prop_assert!(set.hash().bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)));
    }
}
