//! Images that are named elsewhere: the source comes late, vanishes, breaks, says something else, comes back, or does not.
//! Mirrors, from which the mesh is upgraded. And admission, which some configs ask before they restart anything.

use fastrand::Rng;
use flippy_sim::{Json, Key, Resource, json};

use super::deeds::{Change, Deed, Timed, created_configs};
use super::{OTHER, percent};

/// The `ConfigMap` that names images.
pub(crate) const SOURCE: (&str, &str, &str) = ("istio-system", "wanted", "images");
/// Where copies of Docker Hub's images are.
pub(crate) const MIRROR: &str = "mirror.example.com/hub";
const ORIGIN: &str = "docker.io";
/// No image: a person who edits a list in a hurry.
const BROKEN: &str = "docker.io/istio/Proxy V2:";

/// Of sources of their own, so that what else is drawn from a seed stays what it was.
pub(crate) fn draw(seed: u64, calm_at_seconds: u64, objects: &mut Vec<Json>, deeds: &mut Vec<Timed>) {
    source(&mut Rng::with_seed(seed ^ 0x0050_0ce5), calm_at_seconds * 1_000, objects, deeds);
    mirror(&mut Rng::with_seed(seed ^ 0x0031_4404), deeds);
    admission(&mut Rng::with_seed(seed ^ 0x000a_d317), deeds);
}

fn source(rng: &mut Rng, until: u64, objects: &mut Vec<Json>, deeds: &mut Vec<Timed>) {
    let Some(config) = created_configs(deeds).find(|config| config["metadata"]["name"] == "mesh") else { return };
    // A campaign in waves is judged by the config alone.
    if percent(rng, 70) || !config["spec"]["Strategy"]["Waves"].is_null() {
        return;
    }
    let (namespace, name, key) = SOURCE;
    let images: Vec<String> = config["spec"]["ImageList"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
        .map(str::to_owned)
        .collect();
    config["spec"]["ImageSources"] = json!([{"ConfigMap": {"Namespace": namespace, "Name": name, "Key": key}}]);
    if percent(rng, 70) {
        config["spec"].as_object_mut().expect("a spec is an object").remove("ImageList");
    }
    let text = images.join("\n");
    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"namespace": namespace, "name": name}, "data": {key: text},
    });
    let place = Key::new(namespace, name);
    let mut at = |at_milliseconds: u64, deed: Deed| deeds.push(Timed { at_milliseconds, deed });
    let says = |text: &str| Deed::edit("platform", Resource::ConfigMaps, &place, Change::Data(key, json!(text)));
    if percent(rng, 80) {
        objects.push(object.clone());
    } else {
        at(rng.u64(1_000..until), Deed::Create(object.clone()));
    }
    for _ in 0..rng.u64(0..=4) {
        let from = rng.u64(1_000..until);
        let back = rng.u64(from..=until);
        match rng.u8(..10) {
            0..=3 => {
                at(from, Deed::Delete { resource: Resource::ConfigMaps, key: place.clone() });
                at(back, Deed::Create(object.clone()));
            }
            4..=6 => {
                at(from, says(BROKEN));
                at(back, says(&text));
            }
            7 => {
                at(from, says(""));
                at(back, says(&text));
            }
            _ => at(from, says(&format!("{text}\n{OTHER}"))),
        }
    }
    match rng.u8(..10) {
        0 => at(until, Deed::Delete { resource: Resource::ConfigMaps, key: place.clone() }),
        1 => at(until, says(BROKEN)),
        _ => {
            at(until, Deed::Create(object));
            at(until, says(&text));
        }
    }
}

/// The mesh is upgraded from a mirror, and every config knows it.
fn mirror(rng: &mut Rng, deeds: &mut [Timed]) {
    if percent(rng, 75) {
        return;
    }
    for config in created_configs(deeds) {
        config["spec"]["ImageMirrors"] = json!([{"From": ORIGIN, "To": MIRROR}]);
    }
    for timed in deeds {
        if let Deed::Upgrade(image) = &mut timed.deed {
            *image = image.replace(ORIGIN, MIRROR);
        }
    }
}

fn admission(rng: &mut Rng, deeds: &mut [Timed]) {
    if percent(rng, 75) {
        return;
    }
    for config in created_configs(deeds) {
        if percent(rng, 80) {
            config["spec"]["DriftDetection"] = json!("Injection");
        }
    }
}
