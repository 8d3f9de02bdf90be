//! Disruption budgets: which pods they cover, and whether one of these may be taken away.

use std::collections::BTreeMap;

use flippy_core::{DisruptionBudget as Record, Requirement, Selector};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;

use super::meta::{slim_meta, text};
use crate::interner::Interner;

#[derive(kube::Resource, Deserialize, Clone, Debug)]
#[resource(inherit = "PodDisruptionBudget")]
pub(crate) struct SlimDisruptionBudget {
    #[serde(deserialize_with = "slim_meta")]
    metadata: ObjectMeta,
    #[serde(default)]
    spec: SlimSpec,
    #[serde(default)]
    status: SlimStatus,
}

#[derive(Deserialize, Clone, Debug, Default)]
#[serde(default)]
struct SlimSpec {
    selector: Option<SlimSelector>,
}

#[derive(Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
struct SlimSelector {
    match_labels: Option<BTreeMap<String, String>>,
    match_expressions: Option<Vec<SlimExpression>>,
}

#[derive(Deserialize, Clone, Debug)]
struct SlimExpression {
    key: String,
    operator: String,
    #[serde(default)]
    values: Option<Vec<String>>,
}

#[derive(Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
struct SlimStatus {
    observed_generation: i64,
    disruptions_allowed: i64,
    current_healthy: i64,
    desired_healthy: i64,
    expected_pods: i64,
}

impl SlimDisruptionBudget {
    pub(crate) fn record(self, interner: &mut Interner) -> Record {
        let status = self.status;
        Record {
            namespace: text(self.metadata.namespace.as_ref(), interner),
            name: text(self.metadata.name.as_ref(), interner),
            uid: self.metadata.uid.as_deref().unwrap_or_default().into(),
            selector: self
                .spec
                .selector
                .map_or(Selector::Nothing, |selector| Selector::Every(selector.requirements(interner))),
            generation: self.metadata.generation.unwrap_or(0),
            observed_generation: status.observed_generation,
            allowed: status.disruptions_allowed,
            healthy: status.current_healthy,
            desired_healthy: status.desired_healthy,
            expected_pods: status.expected_pods,
        }
    }
}

impl SlimSelector {
    /// An operator that does not exist, which the API server would not take, is left out: a budget that covers too much only
    /// makes others wait.
    fn requirements(self, interner: &mut Interner) -> Vec<Requirement> {
        let mut requirements = Vec::new();
        for (key, value) in self.match_labels.unwrap_or_default() {
            requirements.push(Requirement::In(interner.text(&key), [interner.text(&value)].into()));
        }
        for expression in self.match_expressions.unwrap_or_default() {
            let key = interner.text(&expression.key);
            let values = || expression.values.iter().flatten();
            requirements.extend(match &*expression.operator {
                "In" => Some(Requirement::In(key, values().map(|value| interner.text(value)).collect())),
                "NotIn" => Some(Requirement::NotIn(key, values().map(|value| interner.text(value)).collect())),
                "Exists" => Some(Requirement::Exists(key)),
                "DoesNotExist" => Some(Requirement::DoesNotExist(key)),
                _ => None,
            });
        }
        requirements
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn record(object: Value) -> Record {
        let slim: SlimDisruptionBudget = serde_json::from_value(object).expect("the API server could say this");
        slim.record(&mut Interner::new())
    }

    fn selector(spec: &Value) -> Selector {
        record(json!({"metadata": {"name": "db", "namespace": "shop"}, "spec": spec})).selector
    }

    #[test]
    fn everything_that_decisions_need_is_read() {
        let record = record(json!({
            "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
            "metadata": {"name": "db", "namespace": "shop", "uid": "u1", "generation": 3},
            "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "db"}}},
            "status": {
                "observedGeneration": 2, "disruptionsAllowed": 1, "currentHealthy": 3, "desiredHealthy": 2,
                "expectedPods": 4, "disruptedPods": {"db-0": "2026-01-05T22:00:00Z"}, "conditions": [],
            },
        }));
        let expected = Record {
            namespace: "shop".into(),
            name: "db".into(),
            uid: "u1".into(),
            selector: Selector::Every(vec![Requirement::In("app".into(), ["db".into()].into())]),
            generation: 3,
            observed_generation: 2,
            allowed: 1,
            healthy: 3,
            desired_healthy: 2,
            expected_pods: 4,
        };
        assert_eq!(record, expected);
    }

    #[test]
    fn a_budget_without_a_status_has_observed_nothing() {
        let record = record(json!({"metadata": {"name": "db", "namespace": "shop", "generation": 1}}));
        assert!(record.observed_generation < record.generation);
    }

    #[test]
    fn no_selector_is_another_thing_than_an_empty_one() {
        assert_eq!(selector(&json!({})), Selector::Nothing);
        assert_eq!(selector(&json!({"selector": null})), Selector::Nothing);
        assert_eq!(selector(&json!({"selector": {}})), Selector::Every(Vec::new()));
        assert_eq!(selector(&json!({"selector": {"matchLabels": null}})), Selector::Every(Vec::new()));
    }

    #[test]
    fn every_operator_is_read() {
        let expressions = json!([
            {"key": "a", "operator": "In", "values": ["x", "y"]},
            {"key": "b", "operator": "NotIn", "values": ["x"]},
            {"key": "c", "operator": "Exists"},
            {"key": "d", "operator": "DoesNotExist", "values": null},
        ]);
        let expected = vec![
            Requirement::In("a".into(), ["x".into(), "y".into()].into()),
            Requirement::NotIn("b".into(), ["x".into()].into()),
            Requirement::Exists("c".into()),
            Requirement::DoesNotExist("d".into()),
        ];
        assert_eq!(selector(&json!({"selector": {"matchExpressions": expressions}})), Selector::Every(expected));
    }
}
