//! What others do while Flippy works: edit, deploy, scale, delete, revert.

use fastrand::Rng;
use flippy_sim::{Faults, Json, Key, Resource, Webhook, json};

use super::configs::IGNORE_KEY;
use super::percent;
use super::workloads::{Workloads, control_plane};
use crate::record::RESUMED_AT;

const APPROVE_PREFIX: &str = "flippy.keikoproj.io/approve-";

/// Something that is done at a time.
#[derive(Debug, Clone)]
pub(crate) struct Timed {
    pub(crate) at_milliseconds: u64,
    pub(crate) deed: Deed,
}

/// Something that is done to the cluster.
#[derive(Debug, Clone)]
pub(crate) enum Deed {
    /// The injector hands out this image from now on.
    Upgrade(String),
    Create(Json),
    Edit {
        who: &'static str,
        resource: Resource,
        key: Key,
        change: Change,
    },
    Delete {
        resource: Resource,
        key: Key,
    },
    /// From now on this goes wrong.
    Trouble(Box<Faults>),
    /// From now on a webhook refuses this; or none does any more.
    Webhook(Option<Webhook>),
    /// The server forgets what watches could resume from.
    Compact,
}

/// A change of one object.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Replicas(u64),
    Paused(bool),
    /// A new version is deployed.
    Env(String),
    /// Something that is no deployment.
    Note(String),
    /// Somebody else restarts it.
    Restart(String),
    /// The manifest knows no annotations but these: all others go.
    Revert(Json),
    /// The annotation that asks to be left alone.
    Ignore(bool),
    /// The image of the first container.
    Image(String),
    /// A field of a config's spec.
    Spec(&'static str, Json),
    AddImage(String),
    /// A key of a `ConfigMap`.
    Data(&'static str, Json),
    /// Somebody has looked at what failed, and says to go on.
    Resumed(String),
    /// Somebody says that a wave may start: of the campaign that the status tells, or of another one.
    Approve {
        wave: &'static str,
        is_right: bool,
    },
}

/// The `FlippyConfig`s that are created, for whoever draws more into them.
pub(crate) fn created_configs(deeds: &mut [Timed]) -> impl Iterator<Item = &mut Json> {
    deeds.iter_mut().filter_map(|timed| match &mut timed.deed {
        Deed::Create(object) if object["kind"] == "FlippyConfig" => Some(object),
        _ => None,
    })
}

impl Deed {
    pub(crate) fn edit(who: &'static str, resource: Resource, key: &Key, change: Change) -> Self {
        Self::Edit { who, resource, key: key.clone(), change }
    }
}

impl Change {
    /// Makes the change.
    pub(crate) fn apply(&self, object: &mut Json) {
        let spec = &mut object["spec"];
        match self {
            Self::Replicas(replicas) => spec["replicas"] = json!(replicas),
            Self::Paused(paused) => spec["paused"] = json!(paused),
            Self::Env(value) => {
                spec["template"]["spec"]["containers"][0]["env"] = json!([{"name": "VERSION", "value": value}]);
            }
            Self::Note(value) => object["metadata"]["annotations"]["example.com/note"] = json!(value),
            Self::Restart(value) => {
                spec["template"]["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"] = json!(value);
            }
            Self::Revert(annotations) => spec["template"]["metadata"]["annotations"] = annotations.clone(),
            Self::Ignore(true) => object["metadata"]["annotations"][IGNORE_KEY] = json!("true"),
            Self::Ignore(false) => {
                if let Some(annotations) = object["metadata"]["annotations"].as_object_mut() {
                    annotations.remove(IGNORE_KEY);
                }
            }
            Self::Image(image) => spec["template"]["spec"]["containers"][0]["image"] = json!(image),
            Self::Spec(field, value) => spec[field] = value.clone(),
            Self::Data(key, value) => object["data"][key] = value.clone(),
            Self::Resumed(at) => object["metadata"]["annotations"][RESUMED_AT] = json!(at),
            Self::Approve { wave, is_right } => {
                let campaign = object["status"]["campaign"].as_str();
                let said = if *is_right { campaign.map(|it| format!("{it} by ann")) } else { Some(wrong(campaign)) };
                if let Some(said) = said {
                    object["metadata"]["annotations"][format!("{APPROVE_PREFIX}{wave}")] = json!(said);
                }
            }
            Self::AddImage(image) => {
                if let Some(images) = spec["ImageList"].as_array_mut() {
                    images.push(json!(image));
                }
            }
        }
    }
}

/// The same images, but another time; before there is any, a guess.
fn wrong(campaign: Option<&str>) -> String {
    let hash = campaign.and_then(|campaign| campaign.split('.').next()).unwrap_or("0123456789ab");
    format!("{hash}.7")
}

pub(crate) fn draw(rng: &mut Rng, workloads: &Workloads, until_seconds: u64, most: u64, deeds: &mut Vec<Timed>) {
    let until = until_seconds * 1_000;
    if percent(rng, 50) {
        for _ in 0..rng.u64(1..=most) {
            let (resource, key) = workloads.meshed[rng.usize(..workloads.meshed.len())].clone();
            let at_milliseconds = rng.u64(1_000..until);
            one(rng, workloads, resource, &key, at_milliseconds, until, deeds);
        }
    }
    if percent(rng, 10) {
        revert(rng, workloads, until, deeds);
    }
    if percent(rng, 20) {
        outage_of_the_control_plane(rng, until, deeds);
    }
    if percent(rng, 10) {
        deeds.push(Timed { at_milliseconds: rng.u64(1_000..until), deed: Deed::Compact });
    }
}

fn one(
    rng: &mut Rng,
    workloads: &Workloads,
    resource: Resource,
    key: &Key,
    at_milliseconds: u64,
    until: u64,
    deeds: &mut Vec<Timed>,
) {
    let text = format!("{at_milliseconds}");
    let change = match rng.u8(..12) {
        2 => Change::Note(text),
        3..=4 => Change::Restart(text),
        5..=6 if resource != Resource::DaemonSets => Change::Replicas(rng.u64(0..=5)),
        7 if matches!(resource, Resource::Deployments | Resource::Rollouts) => Change::Paused(rng.bool()),
        8..=9 => Change::Ignore(rng.bool()),
        10 => {
            deeds.push(Timed { at_milliseconds, deed: Deed::Delete { resource, key: key.clone() } });
            let again = workloads.objects.iter().find(|object| {
                object["kind"] == resource.kind()
                    && object["metadata"]["name"] == *key.name
                    && object["metadata"]["namespace"] == *key.namespace
            });
            if let Some(again) = again.filter(|_| rng.bool()) {
                let at_milliseconds = (at_milliseconds + rng.u64(1..60_000)).min(until);
                deeds.push(Timed { at_milliseconds, deed: Deed::Create(again.clone()) });
            }
            return;
        }
        _ => Change::Env(text),
    };
    deeds.push(Timed { at_milliseconds, deed: Deed::edit("owner", resource, key, change) });
}

/// A `GitOps` tool that knows only its manifest, and looks now and then.
fn revert(rng: &mut Rng, workloads: &Workloads, until: u64, deeds: &mut Vec<Timed>) {
    let (resource, key) = workloads.meshed[rng.usize(..workloads.meshed.len())].clone();
    let manifest = workloads.objects.iter().find(|object| {
        object["kind"] == resource.kind()
            && object["metadata"]["name"] == *key.name
            && object["metadata"]["namespace"] == *key.namespace
    });
    let annotations =
        manifest.map_or(Json::Null, |object| object["spec"]["template"]["metadata"]["annotations"].clone());
    let every = rng.u64(30_000..180_000);
    for look in 1..=(until / every).min(20) {
        let deed = Deed::edit("gitops", resource, &key, Change::Revert(annotations.clone()));
        deeds.push(Timed { at_milliseconds: look * every, deed });
    }
}

/// What a precondition waits for breaks, and is mended.
fn outage_of_the_control_plane(rng: &mut Rng, until: u64, deeds: &mut Vec<Timed>) {
    let (resource, key) = control_plane();
    let from = rng.u64(1_000..until);
    let mut image = |at_milliseconds: u64, image: &str| {
        let deed = Deed::edit("platform", resource, &key, Change::Image(image.to_owned()));
        deeds.push(Timed { at_milliseconds, deed });
    };
    image(from, "example.com/istiod:bad-ready");
    if percent(rng, 80) {
        image(rng.u64(from..=until), "example.com/istiod:1.0");
    }
}
