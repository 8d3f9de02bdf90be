//! Images that configs have elsewhere, read once as the operator would watch them.

use flippy_core::Policy;
use flippy_operator::Sources;
use kube::Client;

use super::asking;
use super::subject::Subject;

/// Joins each policy with what its sources say. One whose images nobody knows is no plan, but a problem.
pub(crate) async fn join(client: &Client, subjects: &mut [Subject]) {
    let policies: Vec<&Policy> = subjects.iter().filter_map(|subject| subject.policy.as_ref().ok()).collect();
    let sources = Sources::read(client, &policies).await;
    for subject in subjects.iter_mut() {
        let Ok(policy) = &subject.policy else { continue };
        if policy.image_sources.is_empty() {
            continue;
        }
        let joined = sources.join(policy, subject.wanted_before.as_ref());
        subject.policy = match &joined.source_unavailable {
            Some(why) if !joined.knows_images() => Err(vec![format!("spec.ImageSources: {why}")]),
            _ => Ok(joined),
        };
    }
    for subject in subjects {
        if let Ok(policy) = &mut subject.policy {
            asking::leave_out(policy);
        }
    }
}
