//! `spec.DriftDetection`: what a pod is compared with.

/// What pods are compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DriftDetection {
    /// With the images that the policy names.
    #[default]
    Images,
    /// With what admission would make of a new pod. Where the policy names images too, those are wanted, and admission says
    /// beforehand whether a restart brings one of them.
    Injection(MissingSidecar),
}

/// What becomes of pods that lack a container of interest which a new pod would have, or have one that it would not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissingSidecar {
    /// They are not restarted for that.
    #[default]
    Ignore,
    /// They are stale.
    Restart,
}
