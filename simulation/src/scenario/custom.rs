//! Kinds that Flippy does not know, for which the `CloneSet` stands: on some days there are a few, and configs that name them.

use fastrand::Rng;
use flippy_sim::{Json, fixtures, json};

use super::configs::CONFIG_NAMESPACE;
use super::deeds::{Timed, created_configs};
use super::percent;
use super::workloads::MESHED;

/// Of a source of its own, so that what else is drawn from a seed stays what it was. Returns whether the kind is served.
pub(crate) fn draw(seed: u64, objects: &mut Vec<Json>, deeds: &mut [Timed]) -> bool {
    let mut rng = Rng::with_seed(seed ^ 0x00c1_05e5);
    if !percent(&mut rng, 30) {
        return false;
    }
    // On other days a config names what does not exist.
    let is_served = percent(&mut rng, 85);
    for number in 0..if is_served { rng.u64(1..=4) } else { 0 } {
        let namespace = MESHED[rng.usize(..MESHED.len())];
        let replicas = rng.u64(0..=3);
        let mut workload = fixtures::clone_set(namespace, &format!("clones-{number}"), replicas);
        let strategy = &mut workload["spec"]["updateStrategy"];
        match rng.u8(..12) {
            0 => strategy["type"] = json!("InPlaceIfPossible"),
            1 => strategy["partition"] = json!(1),
            2 => strategy["partition"] = json!("50%"),
            3 => strategy["paused"] = json!(true),
            4 => strategy["maxUnavailable"] = json!("50%"),
            _ => {}
        }
        match rng.u8(..8) {
            0 => fixtures::annotate_template(&mut workload, "sim.test/ready-delay", &format!("{}s", rng.u64(20..400))),
            1 => fixtures::annotate_template(&mut workload, "sim.test/ready-delay", "1000h"),
            2 => fixtures::annotate_template(&mut workload, "sim.test/behavior", "crashloop"),
            _ => {}
        }
        objects.push(workload);
    }
    // Only those that are trusted with the cluster may name it.
    for config in created_configs(deeds).filter(|config| config["metadata"]["namespace"] == CONFIG_NAMESPACE) {
        let check = json!({"CheckStatus": rng.bool(), "MaxRetry": rng.u64(3..=10), "RetryDuration": rng.u64(10..=40)});
        if let Some(kinds) = config["spec"]["RestartObjects"].as_array_mut().filter(|_| percent(&mut rng, 85)) {
            let api_version = "apps.kruise.io/v1alpha1";
            kinds.push(json!({"Type": "CloneSet", "ApiVersion": api_version, "StatusCheckConfig": check}));
        }
    }
    is_served
}
