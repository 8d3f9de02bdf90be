//! The status of a pod, as its kubelet reports it.

use std::fmt::Write as _;

use crate::{Json, json};
use ahash::HashMap;
use sha2::{Digest as _, Sha256};

use crate::admission::SIDECAR;
use crate::object;
use crate::world::World;

/// Image IDs by image; hashing is dear, images are few.
pub(crate) type Digests = HashMap<String, Json>;

/// The state of a pod's containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Containers {
    Running { ready: bool },
    CrashLoopBackOff,
    ImagePullBackOff,
}

/// Writes the status a kubelet would report.
pub(crate) fn show(world: &mut World, pod: &mut Json, containers: Containers) {
    let now = world.stamp();
    if pod["spec"]["nodeName"].is_null() {
        pod["spec"]["nodeName"] = json!(format!("node-{}", world.rng.below(world.nodes)));
    }
    let ready = containers == Containers::Running { ready: true };
    let since = |kind: &str, value: &str| match object::condition(pod, kind) {
        Some(old) if old["status"] == value => old["lastTransitionTime"].clone(),
        _ => now.clone(),
    };
    let is_ready = if ready { "True" } else { "False" };
    let mut conditions: Vec<Json> = [
        ("PodScheduled", "True"),
        ("Initialized", "True"),
        ("ContainersReady", is_ready),
        ("Ready", is_ready),
    ]
    .into_iter()
    .map(|(kind, value)| {
        let mut condition =
            json!({"lastProbeTime": null, "lastTransitionTime": since(kind, value), "status": value, "type": kind});
        if value == "False" {
            condition["reason"] = json!("ContainersNotReady");
        }
        condition
    })
    .collect();
    conditions.extend(object::condition(pod, "DisruptionTarget").cloned());
    let statuses: Vec<Json> = statuses(world, pod, "containers", "containerStatuses", containers, &now);
    let init_statuses: Vec<Json> = statuses_of_init(world, pod, &now);
    let status = &mut pod["status"];
    status["phase"] = json!(if containers == Containers::ImagePullBackOff { "Pending" } else { "Running" });
    status["conditions"] = conditions.into();
    status["containerStatuses"] = statuses.into();
    if !init_statuses.is_empty() {
        status["initContainerStatuses"] = init_statuses.into();
    }
    if status["startTime"].is_null() {
        status["startTime"] = now;
        status["hostIP"] = json!("10.0.0.1");
        let (high, low) = (world.rng.below(250), world.rng.between(1, 250));
        status["podIP"] = json!(format!("10.64.{high}.{low}"));
    }
}

fn statuses(world: &mut World, pod: &Json, list: &str, old: &str, containers: Containers, now: &Json) -> Vec<Json> {
    let specs = pod["spec"][list].as_array().into_iter().flatten().enumerate();
    specs.map(|(at, spec)| status(world, pod, spec, &pod["status"][old][at], containers, now)).collect()
}

/// The status of one container, which was `before`.
fn status(world: &mut World, pod: &Json, container: &Json, before: &Json, containers: Containers, now: &Json) -> Json {
    let (name, image) = (&container["name"], container["image"].as_str().unwrap_or_default());
    let restarts = before["restartCount"].as_u64().unwrap_or(0);
    if containers == Containers::ImagePullBackOff {
        return json!({
            "image": image, "imageID": "", "name": name, "ready": false, "restartCount": restarts, "started": false,
            "state": {"waiting": {"message": "Back-off pulling image (simulated)", "reason": "ImagePullBackOff"}},
        });
    }
    let new_id = |restarts| container_id(object::uid(pod), name.as_str().unwrap_or_default(), restarts);
    let image_id = image_id(&mut world.digests, image);
    let started = &before["state"]["running"]["startedAt"];
    let started = if started.is_null() { now } else { started };
    // The proxy goes on running while the application beside it crashes.
    let is_proxy = name == SIDECAR;
    if containers == Containers::CrashLoopBackOff && !is_proxy {
        let crash = json!({"exitCode": 1, "finishedAt": now, "reason": "Error", "startedAt": started});
        let why = "back-off restarting failed container (simulated)";
        return json!({
            "containerID": new_id(restarts + 1), "image": image, "imageID": image_id, "lastState": {"terminated": crash},
            "name": name, "ready": false, "restartCount": restarts + 1, "started": false,
            "state": {"waiting": {"message": why, "reason": "CrashLoopBackOff"}},
        });
    }
    let id = if before["containerID"].is_null() { json!(new_id(restarts)) } else { before["containerID"].clone() };
    json!({
        "containerID": id, "image": image, "imageID": image_id, "name": name,
        "ready": is_proxy || containers == Containers::Running { ready: true }, "restartCount": restarts,
        "started": true, "state": {"running": {"startedAt": started}},
    })
}

/// Init containers: sidecars (`restartPolicy: Always`) run, the others have finished.
fn statuses_of_init(world: &mut World, pod: &Json, now: &Json) -> Vec<Json> {
    let mut statuses =
        statuses(world, pod, "initContainers", "initContainerStatuses", Containers::Running { ready: true }, now);
    for (status, container) in statuses.iter_mut().zip(pod["spec"]["initContainers"].as_array().into_iter().flatten()) {
        if container["restartPolicy"] != "Always" {
            let at = status["state"]["running"]["startedAt"].take();
            status["state"] =
                json!({"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": at, "finishedAt": at}});
            status["started"] = json!(false);
        }
    }
    statuses
}

/// `repository@sha256:…`: the same for the same image.
fn image_id(digests: &mut Digests, image: &str) -> Json {
    if let Some(known) = digests.get(image) {
        return known.clone();
    }
    let name = image.split_once('@').map_or(image, |(name, _)| name);
    let tag = name.rfind(':').filter(|at| !name[*at..].contains('/'));
    let repository = tag.map_or(name, |at| &name[..at]);
    let id = match image.split_once('@') {
        Some((_, digest)) => format!("{repository}@{digest}"),
        None => format!("{repository}@sha256:{}", hex(&Sha256::digest(image))),
    };
    let id = json!(id);
    digests.insert(image.to_owned(), id.clone());
    id
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Looks like one, and differs per pod, container and restart: one that a container has stays until it is restarted.
fn container_id(uid: &str, container: &str, restarts: u64) -> String {
    let seed = uid
        .bytes()
        .chain(container.bytes())
        .fold(restarts.wrapping_add(1), |state, byte| (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let mut rng = crate::rng::Rng::new(seed);
    format!("containerd://{:016x}{:016x}{:016x}{:016x}", rng.next(), rng.next(), rng.next(), rng.next())
}
