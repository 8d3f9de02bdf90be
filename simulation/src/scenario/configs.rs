//! The `FlippyConfig`s, when they come, and the upgrade that they are for.

use fastrand::Rng;
use flippy_sim::{Json, Key, Resource, json};

use super::deeds::{Change, Deed, Timed};
use super::workloads::{MESHED, Workloads, control_plane, gateway};
use super::{NEW, OTHER, PINNED, percent};

/// What asks to be left alone.
pub(crate) const IGNORE_KEY: &str = "flippy-ignore";
/// Configs here act on the whole cluster, those elsewhere only on their own namespace.
pub(crate) const CONFIG_NAMESPACE: &str = "flippy-system";

const KINDS: [&str; 4] = ["Deployment", "StatefulSet", "DaemonSet", "ArgoRollout"];

pub(crate) fn draw(rng: &mut Rng, workloads: &Workloads, deeds: &mut Vec<Timed>) {
    let applied_at = rng.u64(100..120_000);
    let upgraded_at = match rng.u8(..4) {
        0 | 1 => rng.u64(0..applied_at),
        2 => applied_at + rng.u64(1_000..60_000),
        _ => applied_at + rng.u64(60_000..400_000),
    };
    let image = if percent(rng, 4) { "docker.io/istio/proxyv2:1.30.4-bad-ready" } else { NEW };
    deeds.push(Timed { at_milliseconds: upgraded_at, deed: Deed::Upgrade(image.to_owned()) });
    let first = config(rng, CONFIG_NAMESPACE, "mesh", image, workloads);
    deeds.push(Timed { at_milliseconds: applied_at, deed: Deed::Create(first) });
    if percent(rng, 30) {
        let second = second(rng, image, workloads);
        let at_milliseconds = rng.u64(100..300_000);
        deeds.push(Timed { at_milliseconds, deed: Deed::Create(second) });
    }
    changes(rng, applied_at, deeds);
}

/// One that agrees, or one that does not.
fn second(rng: &mut Rng, image: &str, workloads: &Workloads) -> Json {
    let namespace = MESHED[rng.usize(..MESHED.len())];
    let wanted = if percent(rng, 30) { OTHER } else { image };
    if percent(rng, 50) {
        let mut config = config(rng, namespace, "own", wanted, workloads);
        // It may not name workloads elsewhere.
        config["spec"].as_object_mut().expect("a spec is an object").remove("PostFilterRestarts");
        config["spec"].as_object_mut().expect("a spec is an object").remove("Preconditions");
        config
    } else {
        let mut config = config(rng, CONFIG_NAMESPACE, "second", wanted, workloads);
        config["spec"]["ProcessFilter"]["Labels"] = json!({"team": namespace});
        config
    }
}

fn config(rng: &mut Rng, namespace: &str, name: &str, image: &str, workloads: &Workloads) -> Json {
    let mut images = vec![image.trim_start_matches("docker.io/").to_owned()];
    if percent(rng, 10) {
        images.push(PINNED.to_owned());
    }
    let mut kinds = KINDS;
    rng.shuffle(&mut kinds);
    let kept = if percent(rng, 75) { kinds.len() } else { rng.usize(1..kinds.len()) };
    let waits = percent(rng, 75);
    let objects: Vec<Json> = kinds[..kept]
        .iter()
        .map(|kind| {
            let waits = if percent(rng, 85) { waits } else { !waits };
            json!({"Type": kind, "StatusCheckConfig": check(rng, waits)})
        })
        .collect();
    let labels = if percent(rng, 60) { json!({"istio-injection": "enabled"}) } else { json!({}) };
    let mut spec = json!({
        "ImageList": images,
        "ProcessFilter": {"Labels": labels, "Containers": ["istio-proxy"]},
        "RestartObjects": objects,
    });
    if percent(rng, 30) {
        let (_, key) = control_plane();
        let required = percent(rng, 70);
        spec["Preconditions"] = json!([condition("Deployment", &key, &check(rng, required))]);
    }
    if percent(rng, 40) {
        spec["PostFilterRestarts"] = first(rng, workloads);
    }
    if percent(rng, 5) {
        spec["Suspend"] = json!(true);
    }
    if percent(rng, 5) {
        spec["DryRun"] = json!(true);
    }
    json!({
        "apiVersion": "keikoproj.io/v1", "kind": "FlippyConfig",
        "metadata": {"namespace": namespace, "name": name}, "spec": spec,
    })
}

fn first(rng: &mut Rng, workloads: &Workloads) -> Json {
    let waited = percent(rng, 70);
    let mut first = vec![condition("Deployment", &gateway().1, &check(rng, waited))];
    if percent(rng, 40) {
        let (resource, key) = &workloads.meshed[rng.usize(..workloads.meshed.len())];
        let kind = if *resource == Resource::Rollouts { "ArgoRollout" } else { resource.kind() };
        let waited = percent(rng, 70);
        first.push(condition(kind, key, &check(rng, waited)));
    }
    if percent(rng, 15) {
        first.insert(0, condition("Deployment", &Key::new("istio-system", "missing"), &check(rng, true)));
    }
    json!(first)
}

fn condition(kind: &str, key: &Key, check: &Json) -> Json {
    json!({"K8S": {"Type": kind, "Namespace": *key.namespace, "Name": *key.name}, "StatusCheckConfig": check})
}

fn check(rng: &mut Rng, wanted: bool) -> Json {
    json!({"CheckStatus": wanted, "MaxRetry": rng.u64(3..=10), "RetryDuration": rng.u64(10..=40)})
}

/// People change their minds.
fn changes(rng: &mut Rng, applied_at: u64, deeds: &mut Vec<Timed>) {
    let key = Key::new(CONFIG_NAMESPACE, "mesh");
    let mut later = |at_milliseconds: u64, change: Change| {
        let deed = Deed::edit("platform", Resource::FlippyConfigs, &key, change);
        deeds.push(Timed { at_milliseconds, deed });
    };
    if percent(rng, 15) {
        let at = applied_at + rng.u64(1_000..200_000);
        later(at, Change::Spec("Suspend", json!(true)));
        if percent(rng, 80) {
            later(at + rng.u64(10_000..300_000), Change::Spec("Suspend", json!(false)));
        }
    }
    if percent(rng, 8) {
        let at = applied_at + rng.u64(1_000..200_000);
        later(at, Change::Spec("DryRun", json!(true)));
        later(at + rng.u64(10_000..300_000), Change::Spec("DryRun", json!(false)));
    }
    if percent(rng, 8) {
        // The list grows by an image that nobody runs: another set of images, another campaign.
        later(applied_at + rng.u64(1_000..400_000), Change::AddImage(OTHER.to_owned()));
    }
}
