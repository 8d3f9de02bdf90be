//! `DriftDetection` and `MissingSidecar`: what pods are compared with.

use flippy_core::{DriftDetection, MissingSidecar, SpecNote};

use crate::problem::Problem;
use crate::spec::{FlippyConfigSpec, K8S};

/// Reads what pods are compared with, and refuses what makes no sense with it.
pub(crate) fn drift_detection(
    spec: &FlippyConfigSpec,
    problems: &mut Vec<Problem>,
    notes: &mut Vec<SpecNote>,
) -> DriftDetection {
    let missing_sidecar = match &*spec.missing_sidecar {
        "" | "Ignore" => MissingSidecar::Ignore,
        "Restart" => MissingSidecar::Restart,
        other => {
            problems.push(Problem::new("spec.MissingSidecar", &format!("is `{other}`; write Ignore or Restart")));
            MissingSidecar::Ignore
        }
    };
    match &*spec.drift_detection {
        "Injection" => {
            if spec.image_list.is_empty() && spec.image_sources.is_empty() {
                refuse_what_needs_named_images(spec, problems);
            }
            return DriftDetection::Injection(missing_sidecar);
        }
        "" | "Images" => {}
        other => {
            problems.push(Problem::new("spec.DriftDetection", &format!("is `{other}`; write Images or Injection")));
        }
    }
    if missing_sidecar == MissingSidecar::Restart {
        let message =
            "has no effect without DriftDetection: Injection: only admission knows who ought to have a sidecar";
        notes.push(SpecNote { path: "spec.MissingSidecar".to_owned(), message: message.to_owned() });
    }
    DriftDetection::Images
}

/// A campaign is named for its images. Where admission gives each workload its own, there is none that an approval or a
/// restart once per campaign could be about.
fn refuse_what_needs_named_images(spec: &FlippyConfigSpec, problems: &mut Vec<Problem>) {
    let fields = [
        ("spec.Strategy.Waves", !spec.strategy.waves.is_empty()),
        ("spec.PostFilterRestarts", !spec.post_filter_restarts.is_empty()),
        ("spec.ProcessFilter.PreProcessRestart", spec.process_filter.pre_process_restart != K8S::default()),
    ];
    for (path, _) in fields.into_iter().filter(|(_, is_given)| *is_given) {
        let message =
            "needs images that are named: with DriftDetection: Injection, write ImageList or ImageSources too";
        problems.push(Problem::new(path, message));
    }
}
