//! The injector: puts a sidecar into new pods.
//!
//! Pods of the namespaces that [`Injector`] names get a container `istio-proxy` with the image named by its `ConfigMap` (key `image`),
//! unless labelled `sidecar.istio.io/inject: "false"`. Without that `ConfigMap` nothing is injected.

use crate::{Json, json};

use crate::error::ApiError;
use crate::object::{self, Key};
use crate::resources::Resource;
use crate::world::World;

/// Annotation (on the pod template) that pins a workload's sidecar to an image of its own, as Istio's does.
pub const PINNED_IMAGE: &str = "sidecar.istio.io/proxyImage";
/// Annotation (on the pod template) that asks for a native sidecar: an init container that keeps running.
pub const NATIVE_SIDECAR: &str = "sidecar.istio.io/nativeSidecar";
/// The injected container's name.
pub const SIDECAR: &str = "istio-proxy";

/// Into which pods a sidecar is put, and where the name of its image is from.
#[derive(Debug, Clone)]
pub struct Injector {
    /// Label and value of the namespaces whose new pods get a sidecar.
    pub namespace_label: (String, String),
    /// The `ConfigMap` whose key `image` names the image.
    pub config_map: Key,
    /// Whether the sidecar is a native one unless [`NATIVE_SIDECAR`] says so: an init container that keeps running.
    pub native: bool,
}

impl Default for Injector {
    fn default() -> Self {
        Self {
            namespace_label: ("istio-injection".to_owned(), "enabled".to_owned()),
            config_map: Key::new("istio-system", "sidecar"),
            native: false,
        }
    }
}

/// What every created pod goes through, dry runs included.
pub(crate) fn admit(world: &World, pod: &mut Json) -> Result<(), ApiError> {
    if !pod["spec"]["containers"].is_array() {
        return Err(ApiError::invalid(Resource::Pods, object::name(pod), "spec.containers: Required value"));
    }
    let namespace = world.store.get(Resource::Namespaces, &Key::new("", object::namespace(pod)));
    let (label, value) = &world.injector.namespace_label;
    if namespace.and_then(|namespace| object::label(namespace, label)) != Some(value) {
        return Ok(());
    }
    if object::label(pod, "sidecar.istio.io/inject") == Some("false") || has_sidecar(pod) {
        return Ok(());
    }
    let Some(image) = wanted_image(world, pod) else { return Ok(()) };
    if world.injector.native || object::annotation(pod, NATIVE_SIDECAR) == Some("true") {
        let container = json!({"name": SIDECAR, "image": image, "restartPolicy": "Always"});
        match pod["spec"]["initContainers"].as_array_mut() {
            Some(containers) => containers.insert(0, container),
            None => pod["spec"]["initContainers"] = json!([container]),
        }
    } else if let Some(containers) = pod["spec"]["containers"].as_array_mut() {
        containers.push(json!({"name": SIDECAR, "image": image}));
    }
    Ok(())
}

fn has_sidecar(pod: &Json) -> bool {
    let lists = [&pod["spec"]["containers"], &pod["spec"]["initContainers"]];
    lists.into_iter().filter_map(Json::as_array).flatten().any(|container| container["name"] == SIDECAR)
}

fn wanted_image(world: &World, pod: &Json) -> Option<String> {
    if let Some(pinned) = object::annotation(pod, PINNED_IMAGE) {
        return Some(pinned.to_owned());
    }
    let config = world.store.get(Resource::ConfigMaps, &world.injector.config_map)?;
    config["data"]["image"].as_str().map(str::to_owned)
}
