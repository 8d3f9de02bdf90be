//! What the metrics show of each config: no more of what is gone, and nothing of what is not known.

use std::collections::BTreeMap;

use flippy_core::{ConditionStatus, PolicyName, Timestamp};

use crate::decide::{Decided, Findings, VERDICTS};
use crate::metrics::{ConditionLabels, ConfigLabels, Metrics, VerdictLabels};

/// The figures that are shown now.
pub(crate) struct Figures {
    metrics: Metrics,
    shown: BTreeMap<PolicyName, Shown>,
}

/// What is shown of one config.
#[derive(Default, PartialEq)]
struct Shown {
    conditions: Vec<ConditionFigure>,
    /// Nothing if nobody knows.
    campaign: Option<Campaign>,
}

/// A condition, its reason, and whether it is true.
type ConditionFigure = (&'static str, &'static str, bool);

#[derive(PartialEq)]
struct Campaign {
    workloads: [(&'static str, usize); VERDICTS.len()],
    started: Option<Timestamp>,
    estimated_end: Option<Timestamp>,
}

impl Shown {
    fn of(decided: &Decided) -> Self {
        let campaign = decided.counters().zip(decided.findings.facts().ok()).map(|(workloads, facts)| Campaign {
            workloads,
            started: facts.started_at,
            estimated_end: facts.estimate.end,
        });
        Self { conditions: conditions(&decided.findings), campaign }
    }
}

impl Figures {
    pub(crate) fn new(metrics: Metrics) -> Self {
        Self { metrics, shown: BTreeMap::new() }
    }

    /// Shows what was found of one config, in place of what was shown of it before.
    pub(crate) fn show(&mut self, decided: &Decided) {
        let found = Shown::of(decided);
        // Most passes find what the one before found.
        if self.shown.get(&decided.name) == Some(&found) {
            return;
        }
        let config = ConfigLabels::new(&decided.name);
        for (condition, reason, is_true) in &found.conditions {
            let labels = condition_labels(&config, condition, reason);
            self.metrics.conditions.get_or_create(&labels).set(i64::from(*is_true));
        }
        let before = self.shown.remove(&decided.name).unwrap_or_default();
        for (condition, reason, _) in &before.conditions {
            if !found.conditions.iter().any(|held| (held.0, held.1) == (*condition, *reason)) {
                self.metrics.conditions.remove(&condition_labels(&config, condition, reason));
            }
        }
        match &found.campaign {
            Some(campaign) => self.count(campaign, &config),
            None => hide_counts(&self.metrics, &config),
        }
        self.shown.insert(decided.name.clone(), found);
    }

    fn count(&self, campaign: &Campaign, config: &ConfigLabels) {
        for (verdict, count) in campaign.workloads {
            let labels = verdict_labels(config, verdict);
            self.metrics.workloads.get_or_create(&labels).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        let times = [
            (&self.metrics.campaign_started, campaign.started),
            (&self.metrics.campaign_estimated_end, campaign.estimated_end),
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
        self.shown.retain(|name, shown| {
            let keep = exists(name);
            if !keep {
                let config = ConfigLabels::new(name);
                for (condition, reason, _) in &shown.conditions {
                    metrics.conditions.remove(&condition_labels(&config, condition, reason));
                }
                hide_counts(metrics, &config);
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

fn condition_labels(config: &ConfigLabels, condition: &'static str, reason: &'static str) -> ConditionLabels {
    ConditionLabels {
        config_namespace: config.config_namespace.clone(),
        config: config.config.clone(),
        condition,
        reason,
    }
}

fn conditions(findings: &Findings) -> Vec<ConditionFigure> {
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
        let name = PolicyName { namespace: "mesh".into(), name: "sidecars".into() };
        Decided::nothing(name, 1, Findings::NoPolicy(NoPolicy::Invalid(message.to_owned())))
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
