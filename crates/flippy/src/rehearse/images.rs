//! What the pods of tomorrow run: the mesh of a rehearsal is upgraded.

use flippy_core::{ImageRef, Policy};
use serde_json::{Value, json};

/// The annotation by which a workload pins its own sidecar, as Istio knows it, and the container that it is about.
const PINNED: (&str, &str) = ("sidecar.istio.io/proxyImage", "istio-proxy");
/// Where a template leaves the image to the injector.
const LEFT_TO_THE_INJECTOR: &str = "auto";
const LISTS: [&str; 2] = ["containers", "initContainers"];

/// Makes a workload's template say everything that a new pod of it gets: what is injected stands in it, as its present pods
/// show, with the wanted images.
pub(super) fn bake(template: &mut Value, pod: Option<&Value>, policies: &[Policy]) {
    let pinned = template["metadata"]["annotations"][PINNED.0].as_str().map(str::to_owned);
    let image_of_new = |name: &str, present: &str| match &pinned {
        Some(pinned) if name == PINNED.1 => pinned.clone(),
        _ => wanted(name, present, policies).unwrap_or_else(|| present.to_owned()),
    };
    for list in LISTS {
        let known: Vec<Value> = template["spec"][list].as_array().cloned().unwrap_or_default();
        let of_pod = pod.and_then(|pod| pod["spec"][list].as_array()).map_or(&[][..], Vec::as_slice);
        let present = |name: &str| of_pod.iter().find(|container| container["name"] == name);
        let mut containers = known;
        for container in &mut containers {
            let name = container["name"].as_str().unwrap_or_default().to_owned();
            if container["image"] == LEFT_TO_THE_INJECTOR {
                let present = present(&name).and_then(|container| container["image"].as_str()).unwrap_or_default();
                container["image"] = json!(image_of_new(&name, present));
            }
        }
        for injected in of_pod {
            let name = injected["name"].as_str().unwrap_or_default();
            if containers.iter().any(|container| container["name"] == name) {
                continue;
            }
            let mut injected = injected.clone();
            injected["image"] = json!(image_of_new(name, injected["image"].as_str().unwrap_or_default()));
            containers.push(injected);
        }
        if !containers.is_empty() {
            template["spec"][list] = Value::Array(containers);
        }
    }
}

/// The wanted image that takes the place of a present one: of the same repository, or of the same name in another registry,
/// or else the first. `None`: no policy looks at this container.
fn wanted(container: &str, present: &str, policies: &[Policy]) -> Option<String> {
    let looks = |policy: &&Policy| policy.scope.containers.iter().any(|name| **name == *container);
    let policy = policies.iter().find(looks)?;
    let present = ImageRef::parse(present).ok();
    let images = || policy.images.iter();
    let last = |image: &ImageRef| image.repository().rsplit('/').next().unwrap_or_default().to_owned();
    let found = present.as_ref().and_then(|present| {
        let same = images().find(|image| image.is_same_image(present));
        let of_repository = || images().filter(|image| image.repository() == present.repository()).last();
        let of_name = || images().filter(|image| last(image) == last(present)).last();
        same.or_else(of_repository).or_else(of_name)
    });
    found.or_else(|| images().next()).map(ToString::to_string)
}
