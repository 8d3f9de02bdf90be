//! What makes a workload awkward. Real clusters have some of each.

use flippy_sim::fixtures::annotate_template;
use flippy_sim::{Json, NATIVE_SIDECAR, PINNED_IMAGE, json};

/// Sidecar image before the mesh is upgraded.
pub(super) const OLD_IMAGE: &str = "docker.io/istio/proxyv2:1.30.3";

/// One way to be awkward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quirk {
    /// Somebody paused it and went on holiday.
    Paused,
    /// It crashes, and has for days.
    Crashing,
    /// It is ready now, but a new pod of it will not be: what it reads at start is gone.
    NeverReadyAgain,
    /// Its pods need long to be ready, but get there.
    SlowStart,
    /// Its team pinned its sidecar image: a new pod gets the old one.
    Pinned,
    /// A canary waits for somebody to promote it.
    MidCanary,
    /// Its pods are replaced only when somebody deletes them.
    OnDelete,
    /// A partition keeps half of its pods as they are.
    Partition,
    /// Its disruption budget lets no pod go.
    TightBudget,
    /// Its team asked Flippy to leave it alone.
    Ignored,
    /// Its sidecar is an init container that keeps running.
    NativeSidecar,
}

impl Quirk {
    /// Changes the manifest that a workload is created from.
    pub(super) fn prepare(self, workload: &mut Json) {
        match self {
            Self::Crashing => annotate_template(workload, "sim.test/behavior", "crashloop"),
            // Pods that are there when the cluster begins are ready; only later ones wait for this.
            Self::NeverReadyAgain => annotate_template(workload, "sim.test/ready-delay", "240h"),
            Self::SlowStart => annotate_template(workload, "sim.test/ready-delay", "20s"),
            Self::Pinned => annotate_template(workload, PINNED_IMAGE, OLD_IMAGE),
            Self::MidCanary => {
                workload["spec"]["strategy"] = json!({"canary": {"steps": [{"setWeight": 25}, {"pause": {}}]}});
            }
            Self::OnDelete => workload["spec"]["updateStrategy"] = json!({"type": "OnDelete"}),
            Self::Partition => {
                workload["spec"]["updateStrategy"] =
                    json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 2}});
            }
            // Happens to it later; the budget is an object of its own.
            Self::Paused | Self::TightBudget => {}
            Self::Ignored => workload["metadata"]["annotations"]["flippy-ignore"] = json!("true"),
            Self::NativeSidecar => annotate_template(workload, NATIVE_SIDECAR, "true"),
        }
    }

    /// What somebody does to the workload once it runs.
    pub(super) fn meddle(self, workload: &mut Json) {
        match self {
            Self::Paused => workload["spec"]["paused"] = json!(true),
            Self::MidCanary => {
                let image = &mut workload["spec"]["template"]["spec"]["containers"][0]["image"];
                *image = json!(image.as_str().unwrap_or_default().replace(":1.7", ":1.8"));
            }
            _ => {}
        }
    }
}
