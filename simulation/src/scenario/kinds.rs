//! Kinds and methods beyond the usual: `ReplicaSet`s and `ReplicationController`s that nobody owns, bare pods, and configs that
//! evict, or never do.

use fastrand::Rng;
use flippy_sim::{Json, fixtures, json};

use super::deeds::{Timed, created_configs};
use super::workloads::MESHED;
use super::{OLD, percent};

/// Of a source of its own, so that what else is drawn from a seed stays what it was.
pub(crate) fn draw(seed: u64, objects: &mut Vec<Json>, deeds: &mut [Timed]) {
    let mut rng = Rng::with_seed(seed ^ 0x0e51_c7ed);
    for number in 0..rng.u64(..4) {
        let namespace = MESHED[rng.usize(..MESHED.len())];
        let replicas = rng.u64(1..=3);
        let mut workload = if rng.bool() {
            fixtures::replica_set(namespace, &format!("set-{number}"), replicas)
        } else {
            fixtures::replication_controller(namespace, &format!("controller-{number}"), replicas)
        };
        if percent(&mut rng, 25) {
            fixtures::annotate_template(&mut workload, "sim.test/ready-delay", &format!("{}s", rng.u64(20..400)));
        }
        objects.push(workload);
    }
    if percent(&mut rng, 50) {
        // Nobody would create it again.
        objects.push(fixtures::running_pod(MESHED[rng.usize(..MESHED.len())], "debug", OLD));
    }
    for config in created_configs(deeds) {
        match rng.u8(..10) {
            0..=1 => config["spec"]["Strategy"]["Method"] = json!("Evict"),
            2 => config["spec"]["Strategy"]["Method"] = json!("Patch"),
            _ => {}
        }
        for kind in ["ReplicaSet", "ReplicationController"] {
            let check =
                json!({"CheckStatus": rng.bool(), "MaxRetry": rng.u64(3..=10), "RetryDuration": rng.u64(10..=40)});
            if let Some(kinds) = config["spec"]["RestartObjects"].as_array_mut().filter(|_| percent(&mut rng, 80)) {
                kinds.push(json!({"Type": kind, "StatusCheckConfig": check}));
            }
        }
    }
}
