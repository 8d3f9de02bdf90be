//! What workloads share: disruption budgets, some of which allow nothing for a while, and groups.

use fastrand::Rng;
use flippy_sim::{Json, Key, Resource, json};

use super::deeds::{Change, Deed, Timed, created_configs};
use super::percent;
use super::workloads::MESHED;

const GROUP: &str = "flippy.keikoproj.io/group";
const WORKLOADS: [&str; 4] = ["Deployment", "StatefulSet", "DaemonSet", "Rollout"];

/// Of a source of its own, so that what else is drawn from a seed stays what it was.
pub(crate) fn draw(seed: u64, calm_at_seconds: u64, objects: &mut Vec<Json>, deeds: &mut Vec<Timed>) {
    let mut rng = Rng::with_seed(seed ^ 0x0d15_2077);
    if percent(&mut rng, 40) {
        return;
    }
    for object in objects.iter_mut().filter(|object| WORKLOADS.iter().any(|kind| object["kind"] == *kind)) {
        member(&mut rng, object);
    }
    for namespace in MESHED {
        if percent(&mut rng, 50) {
            objects.push(budget(&mut rng, namespace));
            shut(&mut rng, namespace, calm_at_seconds, deeds);
        }
    }
    if !percent(&mut rng, 15) {
        return;
    }
    // Who ignores budgets finds out the hard way that no pod that two of them cover can be evicted.
    objects.retain(|object| object["kind"] != "PodDisruptionBudget" || object["metadata"]["name"] == "shared");
    for config in created_configs(deeds) {
        config["spec"]["Strategy"]["DisruptionBudgets"] = json!("Ignore");
    }
}

fn member(rng: &mut Rng, workload: &mut Json) {
    if percent(rng, 50) {
        workload["spec"]["template"]["metadata"]["labels"]["tier"] = json!("shared");
    }
    if percent(rng, 20) {
        let place = if rng.bool() { "annotations" } else { "labels" };
        workload["metadata"][place][GROUP] = json!(["g", "h"][rng.usize(..2)]);
    }
    if workload["kind"] == "Deployment" && percent(rng, 40) {
        let strategies = [
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}),
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}}),
            json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}),
        ];
        workload["spec"]["strategy"] = strategies[rng.usize(..strategies.len())].clone();
    }
}

fn budget(rng: &mut Rng, namespace: &str) -> Json {
    let selector = match rng.u8(..4) {
        0 => json!({}),
        1 => json!({"matchExpressions": [{"key": "tier", "operator": "In", "values": ["shared", "other"]}]}),
        _ => json!({"matchLabels": {"tier": "shared"}}),
    };
    let mut spec = match rng.u8(..10) {
        0..=4 => json!({"maxUnavailable": 1}),
        5..=7 => json!({"minAvailable": 1}),
        8 => json!({"minAvailable": "50%"}),
        _ => json!({"maxUnavailable": 0}),
    };
    spec["selector"] = selector;
    json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": {"namespace": namespace, "name": "shared"}, "spec": spec,
    })
}

/// Somebody lets nothing be taken away for a while; or the budget goes, or comes back.
fn shut(rng: &mut Rng, namespace: &str, calm_at_seconds: u64, deeds: &mut Vec<Timed>) {
    let key = Key::new(namespace, "shared");
    let resource = Resource::PodDisruptionBudgets;
    let at_milliseconds = rng.u64(1_000..calm_at_seconds * 1_000);
    if percent(rng, 10) {
        deeds.push(Timed { at_milliseconds, deed: Deed::Delete { resource, key } });
    } else if percent(rng, 40) {
        let mut spec = |at_milliseconds: u64, field: &'static str, value: Json| {
            let deed = Deed::edit("owner", resource, &key, Change::Spec(field, value));
            deeds.push(Timed { at_milliseconds, deed });
        };
        spec(at_milliseconds, "minAvailable", Json::Null);
        spec(at_milliseconds, "maxUnavailable", json!(0));
        spec(rng.u64(at_milliseconds..=calm_at_seconds * 1_000), "maxUnavailable", json!(1));
    }
}
