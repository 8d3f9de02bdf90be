//! What a verb changes of a config: decided on what was read, and refused by the API server if that has changed since.

use flippy_api::FlippyConfig;
use flippy_core::{Timestamp, annotation};
use serde_json::{Map, Value, json};

use crate::times::whole_second;

/// A change of one config.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Change {
    /// What is said of it, one line each.
    pub(super) lines: Vec<String>,
    spec: Map<String, Value>,
    annotations: Map<String, Value>,
}

/// Lets no further restart start.
pub(super) fn pause(config: &FlippyConfig) -> Change {
    let mut change = Change::default();
    if !config.spec.suspend {
        change.set_suspend(true);
        change.lines.push("spec.Suspend is true now: no further restart starts; what is under way finishes".to_owned());
    }
    change
}

/// Lets restarts start again. Whoever resumes one that halted has looked at what failed until `now`.
pub(super) fn resume(config: &FlippyConfig, now: Timestamp) -> Change {
    let mut change = Change::default();
    if config.spec.suspend {
        change.set_suspend(false);
        change.lines.push("spec.Suspend is false now: restarts may start again".to_owned());
    }
    if is_halted(config) {
        let now = whole_second(now);
        change.annotate(annotation::RESUMED_AT, &now.to_string());
        change.lines.push(format!(
            "{} is {now} now: what failed before then is not counted against spec.Strategy.MaxFailures any more",
            annotation::RESUMED_AT
        ));
    }
    change
}

/// Whether it halted because of failures. One that is suspended says so and nothing else, so that its list of failures
/// must do: whoever resumes it has had the time to look at them.
pub(super) fn is_halted(config: &FlippyConfig) -> bool {
    let Some(status) = &config.status else { return false };
    let says_so = status.conditions.iter().any(|condition| condition.reason == "Halted");
    let may_halt = config.spec.suspend && config.spec.strategy.max_failures.is_some();
    says_so || (may_halt && status.failed.iter().any(|failed| failed.reason == "NotCompleteInTime"))
}

impl Change {
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    pub(super) fn annotate(&mut self, key: &str, value: &str) {
        self.annotations.insert(key.to_owned(), json!(value));
    }

    fn set_suspend(&mut self, suspend: bool) {
        self.spec.insert("Suspend".to_owned(), json!(suspend));
    }

    /// A merge patch of nothing but these fields. With the version that was read, the API server refuses it once
    /// anybody else has changed the object.
    pub(super) fn patch(&self, config: &FlippyConfig) -> Value {
        let mut patch = json!({"metadata": {"resourceVersion": config.metadata.resource_version}});
        if !self.annotations.is_empty() {
            patch["metadata"]["annotations"] = self.annotations.clone().into();
        }
        if !self.spec.is_empty() {
            patch["spec"] = self.spec.clone().into();
        }
        patch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(spec: &Value, conditions: &[Value], failed: &[Value]) -> FlippyConfig {
        serde_json::from_value(json!({
            "metadata": {"name": "mesh", "namespace": "istio-system", "resourceVersion": "7"},
            "spec": spec,
            "status": {"conditions": conditions, "failed": failed},
        }))
        .expect("it is a FlippyConfig")
    }

    fn stalled(reason: &str) -> Value {
        json!({"type": "Stalled", "status": "True", "reason": reason, "message": "", "lastTransitionTime": ""})
    }

    fn now() -> Timestamp {
        "2026-01-05T22:00:00.7Z".parse().expect("it is a time")
    }

    #[test]
    fn pause_changes_one_field_of_the_version_that_was_read() {
        let config = config(&json!({}), &[], &[]);
        let patch = pause(&config).patch(&config);
        assert_eq!(patch, json!({"metadata": {"resourceVersion": "7"}, "spec": {"Suspend": true}}));
    }

    #[test]
    fn pause_of_a_paused_one_changes_nothing() {
        assert!(pause(&config(&json!({"Suspend": true}), &[], &[])).is_empty());
    }

    #[test]
    fn resume_of_one_that_goes_on_changes_nothing() {
        assert!(resume(&config(&json!({}), &[stalled("RestartsFutile")], &[]), now()).is_empty());
    }

    #[test]
    fn resume_of_a_halted_one_writes_down_when_somebody_looked() {
        let config = config(&json!({}), &[stalled("Halted")], &[]);
        let patch = resume(&config, now()).patch(&config);
        let annotations = json!({"flippy.keikoproj.io/resumed-at": "2026-01-05T22:00:00Z"});
        assert_eq!(patch, json!({"metadata": {"resourceVersion": "7", "annotations": annotations}}));
    }

    #[test]
    fn one_that_was_paused_after_it_halted_is_resumed_from_both() {
        let failed = [json!({"workload": "Deployment shop/cart", "reason": "NotCompleteInTime", "message": ""})];
        let spec = json!({"Suspend": true, "Strategy": {"MaxFailures": 1}});
        assert_eq!(resume(&config(&spec, &[], &failed), now()).lines.len(), 2);
        // Without a limit there is nothing to halt it.
        assert_eq!(resume(&config(&json!({"Suspend": true}), &[], &failed), now()).lines.len(), 1);
    }
}
