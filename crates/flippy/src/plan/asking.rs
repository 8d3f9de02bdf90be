//! What becomes of `DriftDetection: Injection` in a plan that is only shown: a dry run runs other people's webhooks, with
//! the rights of whoever types. So nobody is asked.

use flippy_core::{DriftDetection, Policy, SpecNote};

/// Plans without asking. Where images are named, pods are compared with those; where none are, nothing can be said of them.
pub(crate) fn leave_out(policy: &mut Policy) {
    if policy.drift_detection == DriftDetection::Images {
        return;
    }
    let message = if policy.names_images() {
        policy.drift_detection = DriftDetection::Images;
        "admission is not asked for a plan: it is before anything is restarted, and only what would come back with a wanted \
         image is"
    } else {
        "admission is not asked for a plan, so it is not known what is wanted: flippy status shows what the operator has \
         found out"
    };
    policy.notes.push(SpecNote { path: "spec.DriftDetection".to_owned(), message: message.to_owned() });
}
