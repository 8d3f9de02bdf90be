//! Waves: some by namespace, some by label, some by a share; some wait for a person, who may take her time, approve the
//! wrong campaign, or never come.

use fastrand::Rng;
use flippy_sim::{Json, Key, Resource, json};

use super::configs::CONFIG_NAMESPACE;
use super::deeds::{Change, Deed, Timed, created_configs};
use super::percent;
use super::workloads::MESHED;

const NAMES: [&str; 3] = ["canary", "early", "late"];
const STAGE: &str = "stage";

/// Of a source of its own, so that what else is drawn from a seed stays what it was.
pub(crate) fn draw(seed: u64, until_seconds: u64, objects: &mut [Json], deeds: &mut Vec<Timed>) {
    let mut rng = Rng::with_seed(seed ^ 0x3a7e_5eed);
    if percent(&mut rng, 60) {
        return;
    }
    for object in objects.iter_mut().filter(|object| !object["spec"]["template"].is_null()) {
        if percent(&mut rng, 40) {
            object["metadata"]["labels"][STAGE] = json!(["early", "late"][rng.usize(..2)]);
        }
    }
    let mut manual = Vec::new();
    for config in created_configs(deeds) {
        if config["metadata"]["name"] != "mesh" && percent(&mut rng, 50) {
            continue;
        }
        let waves: Vec<Json> = NAMES[..rng.usize(1..=3)].iter().map(|name| wave(&mut rng, name)).collect();
        if config["metadata"]["name"] == "mesh" {
            let of_them = waves.iter().zip(NAMES).filter(|(wave, _)| wave["Approval"] == "Manual");
            manual.extend(of_them.map(|(_, name)| name));
        }
        config["spec"]["Strategy"]["Waves"] = json!(waves);
    }
    for name in manual {
        approve(&mut rng, name, until_seconds * 1_000, deeds);
    }
}

fn wave(rng: &mut Rng, name: &str) -> Json {
    let mut wave = json!({"Name": name});
    match rng.u8(..6) {
        0..=1 => {
            wave["NamespaceSelector"] = json!({"matchLabels": {"team": MESHED[rng.usize(..MESHED.len())]}});
        }
        2 => wave["WorkloadSelector"] = json!({"matchLabels": {STAGE: "early"}}),
        3 => {
            let expressions = [
                json!({"key": STAGE, "operator": "In", "values": ["early", "none"]}),
                json!({"key": STAGE, "operator": "NotIn", "values": ["early"]}),
                json!({"key": STAGE, "operator": "Exists"}),
                json!({"key": STAGE, "operator": "DoesNotExist"}),
            ];
            wave["WorkloadSelector"] = json!({"matchExpressions": [expressions[rng.usize(..expressions.len())]]});
        }
        _ => wave["Percent"] = json!(rng.u64(10..=60)),
    }
    if percent(rng, 30) {
        wave["MaxConcurrent"] = if rng.bool() { json!(rng.u64(1..=3)) } else { json!("50%") };
    }
    if percent(rng, 20) {
        wave["MaxConcurrentPerNamespace"] = json!(1);
    }
    if percent(rng, 20) {
        wave["MaxFailures"] = json!(rng.u64(0..=1));
    }
    if percent(rng, 60) {
        wave["Soak"] = json!(["20s", "1m30s", "5m", "20m"][rng.usize(..4)]);
    }
    if percent(rng, 30) {
        wave["Approval"] = json!("Manual");
    }
    wave
}

fn approve(rng: &mut Rng, wave: &'static str, until: u64, deeds: &mut Vec<Timed>) {
    let key = Key::new(CONFIG_NAMESPACE, "mesh");
    let mut say = |at_milliseconds: u64, is_right: bool| {
        let deed = Deed::edit("platform", Resource::FlippyConfigs, &key, Change::Approve { wave, is_right });
        deeds.push(Timed { at_milliseconds, deed });
    };
    if percent(rng, 40) {
        say(rng.u64(1_000..until / 2), false);
    }
    if percent(rng, 80) {
        // Whoever comes too early, before there is a campaign, comes again.
        say(rng.u64(1_000..until), true);
        say(rng.u64(until / 2..until), true);
    }
}
