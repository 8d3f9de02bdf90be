//! One image has many names, and one name may be that of many images.

use anyhow::Result;
use flippy_e2e::mesh::PINNED_IMAGE_ANNOTATION;
use flippy_e2e::scenario::{NEW_IMAGE, Scenario};
use flippy_e2e::workloads::Workload;
use serde_json::json;

use crate::config::{MESH, wanting};
use crate::outcome::LIMIT;

flippy_e2e::scenarios! {
    both: [
        an_image_is_known_by_every_name_and_a_variant_is_another_one,
    ],
}

const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
/// What both backends say was pulled for [`NEW_IMAGE`]: the SHA-256 of its name.
const PULLED: &str = "sha256:3d7223c75a9eaa9a5b6ccb28e72c9e89463e76c2d7aa2bc3abaa1b1c25c50af2";
const OTHER_DIGEST: &str = "sha256:fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";

async fn an_image_is_known_by_every_name_and_a_variant_is_another_one(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let pinned = |name: &str, image: String| Workload::deployment(name).pod_annotation(PINNED_IMAGE_ANNOTATION, &image);
    let workloads = [
        pinned("by-tag", NEW_IMAGE.to_owned()),
        pinned("by-other-spelling", "index.docker.io/istio/proxyv2:1.30.4".to_owned()),
        pinned("by-tag-and-digest", format!("{NEW_IMAGE}@{DIGEST}")),
        pinned("by-tag-and-other-digest", format!("{NEW_IMAGE}@{OTHER_DIGEST}")),
        pinned("by-digest", format!("docker.io/istio/proxyv2@{DIGEST}")),
        pinned("of-mirror", "mirror.example.com:5000/hub/istio/proxyv2:1.30.4".to_owned()),
        pinned("of-other-registry", "other.example.com/istio/proxyv2:1.30.4".to_owned()),
        pinned("variant", format!("{NEW_IMAGE}-distroless")),
    ];
    s.create_all(&shop, workloads).await?;
    let _operator = s.operator().await?;

    // By tag, whatever the digest; in another spelling, and from a mirror. Not from another registry, and no variant.
    assert_eq!(fresh(s, &["istio/proxyv2:1.30.4"], 1).await?, 5);
    // A variant where it is listed.
    assert_eq!(fresh(s, &[NEW_IMAGE, "istio/proxyv2:1.30.4-distroless"], 2).await?, 6);
    // By digest, whatever the tag.
    assert_eq!(fresh(s, &[&format!("istio/proxyv2:other@{DIGEST}")], 3).await?, 2);
    // By the digest that the kubelet says the tag stands for: this tag may have been moved since.
    assert_eq!(fresh(s, &[&format!("istio/proxyv2@{PULLED}")], 4).await?, 1);
    Ok(())
}

/// How many of the eight workloads are fresh for whoever wants these images, by a config that restarts nothing.
async fn fresh(s: &Scenario, images: &[&str], generation: i64) -> Result<i64> {
    let mut spec = wanting(s, images);
    spec["ImageMirrors"] = json!([{"From": "docker.io", "To": "mirror.example.com:5000/hub"}]);
    spec["DryRun"] = json!(true);
    s.config(s.system(), MESH, spec).await?;
    let what = format!("eight workloads to be compared with {images:?}");
    s.config_status(s.system(), MESH, &what, LIMIT, |status| {
        let counts = &status["workloads"];
        let is_about_it = status["observedGeneration"] == generation && counts["total"] == 8;
        if is_about_it { counts["fresh"].as_i64().ok_or(status.to_string()) } else { Err(status.to_string()) }
    })
    .await
}
