//! What the metrics show of each config: no more of what is gone, and nothing of what is not known.

use std::collections::{BTreeMap, BTreeSet};

use flippy_core::{ConditionStatus, PolicyName, Timestamp};

use crate::decide::{Decided, Findings, VERDICTS};
use crate::metrics::{ConditionLabels, ConfigLabels, Metrics, VerdictLabels};

/// The figures that are shown now.
pub(crate) struct Figures {
    metrics: Metrics,
    shown: BTreeMap<PolicyName, BTreeSet<ConditionLabels>>,
}

impl Figures {
    pub(crate) fn new(metrics: Metrics) -> Self {
        Self { metrics, shown: BTreeMap::new() }
    }

    /// Shows what was found of one config, in place of what was shown of it before.
    pub(crate) fn show(&mut self, decided: &Decided) {
        let config = ConfigLabels::new(&decided.name);
        let mut held = BTreeSet::new();
        for (condition, reason, is_true) in conditions(&decided.findings) {
            let labels = ConditionLabels {
                config_namespace: config.config_namespace.clone(),
                config: config.config.clone(),
                condition,
                reason,
            };
            self.metrics.conditions.get_or_create(&labels).set(i64::from(is_true));
            held.insert(labels);
        }
        let before = self.shown.insert(decided.name.clone(), held.clone()).unwrap_or_default();
        for gone in before.difference(&held) {
            self.metrics.conditions.remove(gone);
        }
        self.count(decided, &config);
    }

    fn count(&self, decided: &Decided, config: &ConfigLabels) {
        let Ok(facts) = decided.findings.facts() else { return hide_counts(&self.metrics, config) };
        for (verdict, count) in decided.counters().into_iter().flatten() {
            let labels = verdict_labels(config, verdict);
            self.metrics.workloads.get_or_create(&labels).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        let times = [
            (&self.metrics.campaign_started, facts.started_at),
            (&self.metrics.campaign_estimated_end, facts.estimate.end),
        ];
        for (family, time) in times {
            match time {
                Some(time) => drop(family.get_or_create(config).set(seconds(time))),
                None => drop(family.remove(config)),
            }
        }
    }

    /// Shows only configs that exist: the others would stand there with their last figures for ever.
    pub(crate) fn retain(&mut self, exists: impl Fn(&PolicyName) -> bool) {
        let metrics = &self.metrics;
        self.shown.retain(|name, conditions| {
            let keep = exists(name);
            if !keep {
                for labels in conditions.iter() {
                    metrics.conditions.remove(labels);
                }
                hide_counts(metrics, &ConfigLabels::new(name));
            }
            keep
        });
    }
}

fn hide_counts(metrics: &Metrics, config: &ConfigLabels) {
    for verdict in VERDICTS {
        metrics.workloads.remove(&verdict_labels(config, verdict));
    }
    metrics.campaign_started.remove(config);
    metrics.campaign_estimated_end.remove(config);
}

fn verdict_labels(config: &ConfigLabels, verdict: &'static str) -> VerdictLabels {
    VerdictLabels { config_namespace: config.config_namespace.clone(), config: config.config.clone(), verdict }
}

/// Conditions with their reasons, and whether they are true.
fn conditions(findings: &Findings) -> Vec<(&'static str, &'static str, bool)> {
    let is_true = |status| status == ConditionStatus::True;
    match findings.facts() {
        Ok(facts) => facts.conditions.iter().map(|fact| (fact.kind, fact.reason, is_true(fact.status))).collect(),
        // As the status says it.
        Err((reason, _)) => vec![
            ("Ready", reason, false),
            ("Reconciling", "Idle", false),
            ("Stalled", reason, true),
            ("RestartsAllowed", reason, false),
        ],
    }
}

pub(crate) fn seconds(time: Timestamp) -> f64 {
    time.as_duration().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configs::NoPolicy;

    fn invalid(message: &str) -> Decided {
        Decided {
            name: PolicyName { namespace: "mesh".into(), name: "sidecars".into() },
            generation: 1,
            starts: Vec::new(),
            sent_at_once: 1,
            revoked: true,
            recheck_at: None,
            asks_gates: false,
            questions: Vec::new(),
            findings: Findings::NoPolicy(NoPolicy::Invalid(message.to_owned())),
            desired_images: None,
        }
    }

    fn unwatched() -> Decided {
        Decided { findings: Findings::NotWatched("no".to_owned()), ..invalid("") }
    }

    /// The lines of the conditions, without what they have in common.
    fn shown(metrics: &Metrics) -> Vec<String> {
        let text = metrics.render();
        let lines = text.lines().filter_map(|line| {
            line.strip_prefix("flippy_config_condition{config_namespace=\"mesh\",config=\"sidecars\",condition=")
        });
        let mut lines: Vec<String> = lines.map(str::to_owned).collect();
        lines.sort();
        lines
    }

    #[test]
    fn a_condition_is_shown_with_the_reason_that_holds_now_and_no_other() {
        let metrics = Metrics::new();
        let mut figures = Figures::new(metrics.clone());
        figures.show(&invalid("spec.ImageList[0] is no image"));
        figures.show(&unwatched());
        let expected = [
            "\"Ready\",reason=\"NotWatched\"} 0",
            "\"Reconciling\",reason=\"Idle\"} 0",
            "\"RestartsAllowed\",reason=\"NotWatched\"} 0",
            "\"Stalled\",reason=\"NotWatched\"} 1",
        ];
        assert_eq!(shown(&metrics), expected);
    }

    #[test]
    fn nothing_is_shown_of_a_config_that_is_gone() {
        let metrics = Metrics::new();
        let mut figures = Figures::new(metrics.clone());
        figures.show(&invalid("spec.ImageList[0] is no image"));
        figures.retain(|_| false);
        assert_eq!(shown(&metrics), [""; 0]);
    }
}
