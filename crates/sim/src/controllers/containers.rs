//! The status of a pod, as its kubelet reports it.

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::{Json, json};
use sha2::{Digest as _, Sha256};

use crate::admission::SIDECAR;
use crate::object;
use crate::world::World;

/// Image IDs by image; hashing is dear, images are few.
pub(crate) type Digests = HashMap<String, String>;

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
            json!({"type": kind, "status": value, "lastProbeTime": null, "lastTransitionTime": since(kind, value)});
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
    let mut statuses = Vec::new();
    for (at, container) in pod["spec"][list].as_array().into_iter().flatten().enumerate() {
        let (name, image) =
            (container["name"].as_str().unwrap_or_default(), container["image"].as_str().unwrap_or_default());
        let before = &pod["status"][old][at];
        let mut restarts = before["restartCount"].as_u64().unwrap_or(0);
        let started = before["state"]["running"]["startedAt"].clone();
        let started = if started.is_null() { now.clone() } else { started };
        // The proxy goes on running while the application beside it crashes.
        let crashes = containers == Containers::CrashLoopBackOff && name != SIDECAR;
        let mut status = json!({"name": name, "image": image});
        if containers == Containers::ImagePullBackOff {
            status["state"] =
                json!({"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image (simulated)"}});
            status["imageID"] = json!("");
        } else {
            status["imageID"] = json!(image_id(&mut world.digests, image));
            if crashes {
                restarts += 1;
                status["state"] = json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off restarting failed container (simulated)"}});
                status["lastState"] =
                    json!({"terminated": {"exitCode": 1, "reason": "Error", "startedAt": started, "finishedAt": now}});
            } else {
                status["state"] = json!({"running": {"startedAt": started}});
            }
            status["containerID"] = json!(container_id(object::uid(pod), name, restarts));
        }
        let is_ready = containers == Containers::Running { ready: true }
            || (name == SIDECAR && containers != Containers::ImagePullBackOff);
        status["ready"] = json!(is_ready);
        status["started"] = json!(status["state"]["running"].is_object());
        status["restartCount"] = json!(restarts);
        statuses.push(status);
    }
    statuses
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
fn image_id(digests: &mut Digests, image: &str) -> String {
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
    digests.insert(image.to_owned(), id.clone());
    id
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Looks like one, and differs per pod, container and restart.
fn container_id(uid: &str, container: &str, restarts: u64) -> String {
    let seed = uid
        .bytes()
        .chain(container.bytes())
        .fold(restarts.wrapping_add(1), |state, byte| (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let mut rng = crate::rng::Rng::new(seed);
    format!("containerd://{:016x}{:016x}{:016x}{:016x}", rng.next(), rng.next(), rng.next(), rng.next())
}
