//! The cluster: about twenty workloads of all kinds, many of them awkward.

use fastrand::Rng;
use flippy_sim::{Json, Key, NATIVE_SIDECAR, PINNED_IMAGE, Resource, fixtures, json};

use super::configs::IGNORE_KEY;
use super::deeds::{Change, Deed, Timed};
use super::length::Length;
use super::{PINNED, percent};

/// Namespaces with a sidecar in every pod.
pub(crate) const MESHED: [&str; 3] = ["bank", "lab", "shop"];

/// What there is to restart, to edit and to depend on.
#[derive(Default)]
pub(crate) struct Workloads {
    pub(crate) objects: Vec<Json>,
    /// Workloads in namespaces of the mesh.
    pub(crate) meshed: Vec<(Resource, Key)>,
    /// Awkwardness that only shows once the cluster runs.
    pub(crate) deeds: Vec<Timed>,
}

/// What a precondition or `PostFilterRestarts` can name.
pub(crate) fn control_plane() -> (Resource, Key) {
    (Resource::Deployments, Key::new("istio-system", "istiod"))
}

/// A gateway: restarted first by many configs, though it is not in scope.
pub(crate) fn gateway() -> (Resource, Key) {
    (Resource::Deployments, Key::new("istio-system", "gateway"))
}

pub(crate) fn draw(rng: &mut Rng, length: Length, has_rollouts: bool) -> Workloads {
    let mut found = Workloads::default();
    for name in MESHED {
        let mut namespace = fixtures::namespace(name, true);
        namespace["metadata"]["labels"]["team"] = json!(name);
        found.objects.push(namespace);
    }
    let mut ignored = fixtures::namespace("legacy", true);
    ignored["metadata"]["labels"][IGNORE_KEY] = json!("true");
    found.objects.extend([
        ignored,
        fixtures::namespace("plain", false),
        fixtures::namespace("istio-system", false),
        fixtures::namespace("flippy-system", false),
    ]);
    found.objects.push(fixtures::deployment("istio-system", "istiod", rng.u64(1..=2)));
    found.objects.push(fixtures::deployment("istio-system", "gateway", rng.u64(1..=2)));
    for number in 0..length.workloads(rng) {
        let namespace = MESHED[rng.usize(..MESHED.len())];
        one(rng, &mut found, namespace, number, has_rollouts);
    }
    for (namespace, number) in [("legacy", 90), ("plain", 91)] {
        one(rng, &mut found, namespace, number, has_rollouts);
    }
    found
}

fn one(rng: &mut Rng, found: &mut Workloads, namespace: &str, number: u64, has_rollouts: bool) {
    let replicas = [0, 1, 1, 1, 1, 1, 2, 2, 2, 3][rng.usize(..10)];
    let (resource, name, mut workload) = match rng.u8(..10) {
        0..=3 => deployment(rng, namespace, &format!("web-{number}"), replicas),
        4..=5 => stateful_set(rng, namespace, &format!("db-{number}"), replicas),
        6..=7 => daemon_set(rng, namespace, &format!("agent-{number}")),
        _ if has_rollouts => rollout(rng, namespace, &format!("api-{number}"), replicas),
        _ => deployment(rng, namespace, &format!("api-{number}"), replicas),
    };
    let key = Key::new(namespace, &name);
    quirk(rng, found, resource, &key, &mut workload);
    if percent(rng, 8) {
        found.objects.push(fixtures::budget(namespace, &name, replicas.max(1)));
    }
    found.objects.push(workload);
    if MESHED.contains(&namespace) {
        found.meshed.push((resource, key));
    }
}

fn deployment(rng: &mut Rng, namespace: &str, name: &str, replicas: u64) -> (Resource, String, Json) {
    let mut workload = fixtures::deployment(namespace, name, replicas);
    if percent(rng, 10) {
        workload["spec"]["strategy"] = json!({"type": "Recreate"});
    }
    (Resource::Deployments, name.to_owned(), workload)
}

fn stateful_set(rng: &mut Rng, namespace: &str, name: &str, replicas: u64) -> (Resource, String, Json) {
    let mut workload = fixtures::stateful_set(namespace, name, replicas);
    match rng.u8(..12) {
        0 => workload["spec"]["updateStrategy"] = json!({"type": "OnDelete"}),
        1 => workload["spec"]["updateStrategy"] = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}),
        2..=4 => workload["spec"]["podManagementPolicy"] = json!("Parallel"),
        _ => {}
    }
    (Resource::StatefulSets, name.to_owned(), workload)
}

fn daemon_set(rng: &mut Rng, namespace: &str, name: &str) -> (Resource, String, Json) {
    let mut workload = fixtures::daemon_set(namespace, name);
    match rng.u8(..10) {
        0 => workload["spec"]["updateStrategy"] = json!({"type": "OnDelete"}),
        1 => {
            workload["spec"]["updateStrategy"] =
                json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}});
        }
        _ => {}
    }
    (Resource::DaemonSets, name.to_owned(), workload)
}

fn rollout(rng: &mut Rng, namespace: &str, name: &str, replicas: u64) -> (Resource, String, Json) {
    let steps = match rng.u8(..3) {
        0 => json!([]),
        1 => json!([{"setWeight": 25}, {"pause": {"duration": "10s"}}, {"setWeight": 50}]),
        _ => json!([{"setWeight": 50}, {"pause": {}}]),
    };
    (Resource::Rollouts, name.to_owned(), fixtures::rollout(namespace, name, replicas, &steps))
}

fn quirk(rng: &mut Rng, found: &mut Workloads, resource: Resource, key: &Key, workload: &mut Json) {
    let mut annotate = |name: &str, value: &str| fixtures::annotate_template(workload, name, value);
    match rng.u8(..100) {
        // Only what is created after the beginning is slow: a new revision that never gets ready, or takes its time.
        0..=3 => annotate("sim.test/ready-delay", "1000h"),
        4..=8 => annotate("sim.test/ready-delay", &format!("{}s", rng.u64(60..400))),
        9..=11 => annotate("sim.test/behavior", "crashloop"),
        12 => annotate("sim.test/behavior", "never-ready"),
        13 => annotate("sim.test/behavior", "flaky"),
        14..=17 => annotate(PINNED_IMAGE, PINNED),
        18..=22 => annotate(NATIVE_SIDECAR, "true"),
        23..=25 => annotate(IGNORE_KEY, "true"),
        26..=28 => workload["metadata"]["annotations"][IGNORE_KEY] = json!("true"),
        29..=30 => workload["spec"]["template"]["metadata"]["labels"]["sidecar.istio.io/inject"] = json!("false"),
        31..=34 if matches!(resource, Resource::Deployments | Resource::Rollouts) => {
            let deed = Deed::edit("owner", resource, key, Change::Paused(true));
            found.deeds.push(Timed { at_milliseconds: 50, deed });
        }
        35..=38 => {
            // Somebody else's deployment is under way when Flippy comes.
            let at_milliseconds = rng.u64(1_000..120_000);
            let deed = Deed::edit("owner", resource, key, Change::Env("deployed".to_owned()));
            found.deeds.push(Timed { at_milliseconds, deed });
        }
        _ => {}
    }
}
