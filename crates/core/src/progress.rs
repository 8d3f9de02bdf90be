//! How far a rollout is, by the rules of `kubectl rollout status`
//! (k8s.io/kubectl `pkg/polymorphichelpers/rollout_status.go`) and of Argo Rollouts.

use crate::workload::{
    ArgoPhase, ArgoRolloutFacts, DaemonSetFacts, DeploymentFacts, ReplicasFacts, RolloutFacts, StatefulSetFacts,
    UpdateStrategy, Workload,
};

/// How far a rollout is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Everything updated and available.
    Complete,
    /// The controller has not seen the latest spec yet: its status speaks of the past.
    NotObserved,
    /// Pods are still being replaced.
    Replacing,
    /// All pods are updated, some are not available.
    Unavailable,
    /// The rollout made no progress within its own deadline.
    DeadlineExceeded,
    /// Somebody paused it, or a canary waits at a step.
    Paused,
    /// Argo gave up on it.
    Degraded,
    /// A changed template does nothing by itself (`OnDelete`).
    OnDelete,
}

/// Judges a workload's rollout.
pub fn progress_of(workload: &Workload) -> Progress {
    match &workload.rollout {
        RolloutFacts::Deployment(facts) => deployment(facts, workload.generation),
        RolloutFacts::StatefulSet(facts) => stateful_set(facts, workload.generation),
        RolloutFacts::DaemonSet(facts) => daemon_set(facts, workload.generation),
        RolloutFacts::ArgoRollout(facts) => argo_rollout(facts, workload.generation),
        RolloutFacts::Replicas(facts) => replicas(facts, workload.generation),
        RolloutFacts::Custom(facts) => facts.progress(workload.generation),
    }
}

/// The same for whoever replaces pods by eviction: where a changed template does nothing by itself, the pods that are there
/// count, whatever template they were made from.
pub(crate) fn standing_of(workload: &Workload) -> Progress {
    let (observed_generation, is_short) = match &workload.rollout {
        RolloutFacts::StatefulSet(facts) if facts.strategy == UpdateStrategy::OnDelete => {
            (facts.observed_generation, facts.ready < facts.replicas_wanted)
        }
        RolloutFacts::DaemonSet(facts) if facts.strategy == UpdateStrategy::OnDelete => {
            (facts.observed_generation, facts.available < facts.scheduled_wanted)
        }
        _ => return progress_of(workload),
    };
    if observed_generation < workload.generation {
        Progress::NotObserved
    } else if is_short {
        Progress::Unavailable
    } else {
        Progress::Complete
    }
}

fn deployment(facts: &DeploymentFacts, generation: i64) -> Progress {
    if facts.paused {
        Progress::Paused
    } else if facts.observed_generation < generation {
        Progress::NotObserved
    } else if facts.progress_deadline_exceeded {
        Progress::DeadlineExceeded
    } else if facts.updated < facts.replicas_wanted || facts.replicas > facts.updated {
        Progress::Replacing
    } else if facts.available < facts.updated {
        Progress::Unavailable
    } else {
        Progress::Complete
    }
}

fn stateful_set(facts: &StatefulSetFacts, generation: i64) -> Progress {
    if facts.strategy == UpdateStrategy::OnDelete {
        return Progress::OnDelete;
    }
    if facts.observed_generation == 0 || facts.observed_generation < generation {
        return Progress::NotObserved;
    }
    // The revisions are compared only where there is no rollingUpdate block: below a partition they stay apart.
    let updated = match facts.partition {
        Some(partition) => facts.updated >= facts.replicas_wanted.saturating_sub(partition),
        None => facts.revisions_equal,
    };
    if !updated {
        Progress::Replacing
    } else if facts.ready < facts.replicas_wanted {
        Progress::Unavailable
    } else {
        Progress::Complete
    }
}

fn daemon_set(facts: &DaemonSetFacts, generation: i64) -> Progress {
    if facts.strategy == UpdateStrategy::OnDelete {
        Progress::OnDelete
    } else if facts.observed_generation < generation {
        Progress::NotObserved
    } else if facts.updated < facts.scheduled_wanted {
        Progress::Replacing
    } else if facts.available < facts.scheduled_wanted {
        Progress::Unavailable
    } else {
        Progress::Complete
    }
}

/// It has no revisions: its pods are there, or they are not.
fn replicas(facts: &ReplicasFacts, generation: i64) -> Progress {
    if facts.observed_generation < generation {
        Progress::NotObserved
    } else if facts.available < facts.replicas_wanted {
        Progress::Unavailable
    } else {
        Progress::Complete
    }
}

fn argo_rollout(facts: &ArgoRolloutFacts, generation: i64) -> Progress {
    if facts.paused {
        return Progress::Paused;
    }
    if facts.observed_generation < generation {
        return Progress::NotObserved;
    }
    if facts.restart_at > facts.restarted_at {
        return Progress::Replacing;
    }
    match facts.phase {
        ArgoPhase::Paused => Progress::Paused,
        ArgoPhase::Degraded => Progress::Degraded,
        _ if facts.revision_in_progress => Progress::Replacing,
        // The phase reads Healthy between two pods of a restart (argo-rollouts#1180): count the pods too.
        ArgoPhase::Healthy if facts.available >= facts.replicas_wanted => Progress::Complete,
        ArgoPhase::Healthy | ArgoPhase::Progressing | ArgoPhase::Unknown => Progress::Unavailable,
    }
}
