//! The kubelets: pods start, become ready, crash, and stop.
//!
//! Annotations of a pod (usually from its template) say how it behaves:
//! `sim.test/behavior`: `crashloop`, `never-ready`, `imagepull` or `flaky`; `sim.test/ready-delay`, `sim.test/term-delay`,
//! `sim.test/crash-after`, `sim.test/crash-backoff`, `sim.test/flap-period`: durations such as `90s`. For as long as
//! `sim.test/node-delay` says, no node has room for it.
//! An image that ends in `bad-crash`, `bad-ready` or `bad-pull` makes any pod behave that way, so that only a new revision fails.

use crate::Json;

use super::conditions;
use super::containers::{Containers, show};
use crate::duration;
use crate::history::Author;
use crate::object::{self, Key, Object};
use crate::queue::Work;
use crate::request::Part;
use crate::resources::Resource;
use crate::world::World;

/// What happens next in the life of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum PodStep {
    /// The scheduler finds no node for it.
    FindNoNode,
    /// Containers run, or (imagepull) do not.
    Start,
    BecomeReady,
    Crash,
    Restart,
    FlapDown,
    FlapUp,
    Stop,
}

/// How long pods take that do not say so themselves, in milliseconds: at least, and at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PodDelays {
    /// From creation to readiness.
    pub ready: (u64, u64),
    /// From deletion to being gone.
    pub stop: (u64, u64),
}

impl Default for PodDelays {
    fn default() -> Self {
        Self { ready: (500, 8_000), stop: (200, 3_000) }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behavior {
    Well,
    CrashLoop,
    NeverReady,
    ImagePull,
    Flaky,
}

/// A ready delay from here on shows the containers running before they are ready, in milliseconds.
const SLOW_START: u64 = 3_000;

fn behavior(pod: &Json) -> Behavior {
    match object::annotation(pod, "sim.test/behavior") {
        Some("crashloop") => return Behavior::CrashLoop,
        Some("never-ready") => return Behavior::NeverReady,
        Some("imagepull") => return Behavior::ImagePull,
        Some("flaky") => return Behavior::Flaky,
        _ => {}
    }
    let lists = [&pod["spec"]["containers"], &pod["spec"]["initContainers"]];
    let images =
        || lists.into_iter().filter_map(Json::as_array).flatten().filter_map(|container| container["image"].as_str());
    for (suffix, behavior) in
        [("bad-pull", Behavior::ImagePull), ("bad-crash", Behavior::CrashLoop), ("bad-ready", Behavior::NeverReady)]
    {
        if images().any(|image| image.ends_with(suffix)) {
            return behavior;
        }
    }
    Behavior::Well
}

fn delay(pod: &Json, annotation: &str) -> Option<u64> {
    object::annotation(pod, annotation).and_then(duration::milliseconds)
}

/// Plans the first or the last step of a pod's life.
pub(crate) fn react(world: &mut World, key: &Key, before: Option<&Object>, after: Option<&Object>) {
    let Some(pod) = after else { return };
    let plan = |world: &mut World, milliseconds, step| {
        world.later(milliseconds, Work::Pod { key: key.clone(), uid: object::uid(pod).to_owned(), step });
    };
    if before.is_none() {
        if world.instant {
            plan_failures(world, key, pod);
            return;
        }
        let without_node = delay(pod, "sim.test/node-delay").unwrap_or(0);
        if without_node > 0 {
            plan(world, 10, PodStep::FindNoNode);
        }
        let plan = |world: &mut World, milliseconds, step| plan(world, without_node + milliseconds, step);
        let (least, most) = world.pod_delays.ready;
        let ready = delay(pod, "sim.test/ready-delay").unwrap_or_else(|| world.rng.between(least, most));
        match behavior(pod) {
            Behavior::Well | Behavior::Flaky if ready < SLOW_START => plan(world, ready, PodStep::BecomeReady),
            Behavior::Well | Behavior::Flaky => {
                plan(world, 1_000, PodStep::Start);
                plan(world, ready, PodStep::BecomeReady);
            }
            Behavior::CrashLoop | Behavior::NeverReady | Behavior::ImagePull => plan(world, 500, PodStep::Start),
        }
    }
    if object::is_terminating(pod) && !before.is_some_and(object::is_terminating) {
        let grace = pod["metadata"]["deletionGracePeriodSeconds"].as_u64().unwrap_or(30) * 1_000;
        let (least, most) = world.pod_delays.stop;
        let stop = delay(pod, "sim.test/term-delay").unwrap_or_else(|| world.rng.between(least, most));
        plan(world, stop.min(grace), PodStep::Stop);
    }
}

pub(crate) fn step(world: &mut World, key: &Key, uid: &str, step: PodStep) {
    let author = Author::controller("system:kubelet");
    let Some(pod) = world.store.get(Resource::Pods, key).filter(|pod| object::uid(pod) == uid).cloned() else { return };
    if step == PodStep::Stop {
        let finalizers = pod["metadata"]["finalizers"].as_array().is_some_and(|finalizers| !finalizers.is_empty());
        if finalizers {
            world.later(5_000, Work::Pod { key: key.clone(), uid: uid.to_owned(), step });
        } else {
            world.remove(&author, Resource::Pods, key);
        }
        return;
    }
    if object::is_terminating(&pod) {
        return;
    }
    let mut new = pod.clone();
    let kind = behavior(&pod);
    let next = match step {
        PodStep::FindNoNode => {
            let now = world.stamp();
            let message = "no node has room for it";
            conditions::set(&mut new["status"], "PodScheduled", "False", "Unschedulable", message, &now);
            None
        }
        PodStep::Start if kind == Behavior::CrashLoop => {
            show(world, &mut new, Containers::Running { ready: false });
            Some((delay(&pod, "sim.test/crash-after").unwrap_or(3_000), PodStep::Crash))
        }
        PodStep::Start if kind == Behavior::ImagePull => {
            show(world, &mut new, Containers::ImagePullBackOff);
            None
        }
        PodStep::Start => {
            show(world, &mut new, Containers::Running { ready: false });
            None
        }
        PodStep::BecomeReady | PodStep::FlapUp => {
            show(world, &mut new, Containers::Running { ready: true });
            (kind == Behavior::Flaky).then(|| (flap_period(&pod), PodStep::FlapDown))
        }
        PodStep::FlapDown => {
            show(world, &mut new, Containers::Running { ready: false });
            Some((flap_period(&pod), PodStep::FlapUp))
        }
        PodStep::Crash => {
            show(world, &mut new, Containers::CrashLoopBackOff);
            let crashes = new["status"]["containerStatuses"][0]["restartCount"].as_u64().unwrap_or(1);
            // The kubelet doubles its back-off from 10 s to 5 min.
            let back_off = 10_000 << crashes.saturating_sub(1).min(5);
            Some((delay(&pod, "sim.test/crash-backoff").unwrap_or(back_off.min(300_000)), PodStep::Restart))
        }
        PodStep::Restart => {
            show(world, &mut new, Containers::Running { ready: false });
            Some((delay(&pod, "sim.test/crash-after").unwrap_or(3_000), PodStep::Crash))
        }
        PodStep::Stop => None,
    };
    if let Some((milliseconds, step)) = next {
        world.later(milliseconds, Work::Pod { key: key.clone(), uid: uid.to_owned(), step });
    }
    if new != pod {
        world.commit(&author, Resource::Pods, key, Part::Status, new);
    }
}

fn flap_period(pod: &Json) -> u64 {
    delay(pod, "sim.test/flap-period").unwrap_or(30_000).max(100)
}

/// A pod that has been running for a while, as when loading a cluster.
pub(crate) fn start(world: &mut World, pod: &mut Json) {
    let containers = match behavior(pod) {
        Behavior::Well | Behavior::Flaky => Containers::Running { ready: true },
        Behavior::NeverReady | Behavior::CrashLoop => Containers::Running { ready: false },
        Behavior::ImagePull => Containers::ImagePullBackOff,
    };
    show(world, pod, containers);
}

/// Pods that were loaded while they were on their way to readiness, and say how long that still takes, get there.
pub(crate) fn resume_all(world: &mut World) {
    let waiting: Vec<(Key, String, u64)> = world
        .store
        .range(Resource::Pods, None, None)
        .filter(|(_, pod)| !object::is_ready_pod(pod) && object::is_active_pod(pod))
        .filter_map(|(key, pod)| Some((key.clone(), object::uid(pod).to_owned(), delay(pod, "sim.test/ready-delay")?)))
        .collect();
    for (key, uid, milliseconds) in waiting {
        world.later(milliseconds, Work::Pod { key, uid, step: PodStep::BecomeReady });
    }
}

/// What still happens to a pod that was there from the beginning.
fn plan_failures(world: &mut World, key: &Key, pod: &Json) {
    let (milliseconds, step) = match behavior(pod) {
        Behavior::CrashLoop => (delay(pod, "sim.test/crash-after").unwrap_or(3_000), PodStep::Crash),
        Behavior::Flaky => (flap_period(pod), PodStep::FlapDown),
        _ => return,
    };
    world.later(milliseconds, Work::Pod { key: key.clone(), uid: object::uid(pod).to_owned(), step });
}
