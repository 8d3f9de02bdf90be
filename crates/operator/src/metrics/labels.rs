//! What series are told apart by.

use flippy_core::PolicyName;
use prometheus_client::encoding::EncodeLabelSet;

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct RestartLabels {
    pub(crate) kind: &'static str,
    pub(crate) outcome: &'static str,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct EvictionLabels {
    pub(crate) outcome: &'static str,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
pub(crate) struct VerdictLabels {
    pub(crate) config_namespace: String,
    pub(crate) config: String,
    pub(crate) verdict: &'static str,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
pub(crate) struct ConditionLabels {
    pub(crate) config_namespace: String,
    pub(crate) config: String,
    pub(crate) condition: &'static str,
    pub(crate) reason: &'static str,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
pub(crate) struct ConfigLabels {
    pub(crate) config_namespace: String,
    pub(crate) config: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct FeedLabels {
    pub(crate) resource: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct QuestionLabels {
    pub(crate) outcome: &'static str,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
pub(crate) struct GateLabels {
    pub(crate) config_namespace: String,
    pub(crate) config: String,
    pub(crate) gate: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct RequestLabels {
    pub(crate) verb: &'static str,
    pub(crate) resource: String,
    pub(crate) code: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct EventLabels {
    pub(crate) outcome: &'static str,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct NotificationLabels {
    pub(crate) config_namespace: String,
    pub(crate) config: String,
    pub(crate) notification: String,
    pub(crate) outcome: &'static str,
}

impl ConfigLabels {
    pub(crate) fn new(config: &PolicyName) -> Self {
        Self { config_namespace: config.namespace.to_string(), config: config.name.to_string() }
    }
}
