//! What a campaign was, or would be: one record, whether it was read from a cluster, rehearsed or shown in the demo.

use flippy_core::{Timestamp, annotation};
use serde::Serialize;

/// A campaign of one or more configs.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Campaign {
    pub(crate) source: Source,
    pub(crate) configs: Vec<Config>,
    /// When the record begins: with the campaign, or with the rehearsal.
    pub(crate) begun_at: Timestamp,
    /// When the last thing happened.
    pub(crate) ended_at: Timestamp,
    pub(crate) outcome: Outcome,
    /// Why, in one line.
    pub(crate) message: String,
    pub(crate) restarts: Vec<Restart>,
    pub(crate) waves: Vec<Wave>,
    /// Spans in which nothing could start.
    pub(crate) holds: Vec<Hold>,
    pub(crate) workloads: Vec<Workload>,
    pub(crate) disruption: Option<Disruption>,
    /// Disruption budgets that can never allow a disruption.
    pub(crate) deadlocks: Vec<Named>,
    pub(crate) assumptions: Vec<String>,
    pub(crate) notes: Vec<String>,
}

/// Where a record is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Source {
    /// A cluster, as it tells of itself.
    Cluster,
    Rehearsal,
    Demo,
}

/// One config.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Config {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) desired_images: Vec<String>,
    pub(crate) reason: String,
    pub(crate) message: String,
}

/// How it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Outcome {
    /// Every workload in scope runs the wanted images.
    Finished,
    /// It is over, but some workloads are left behind, each for its own reason.
    Blocked,
    /// It stopped itself although there is more to restart.
    Halted,
    /// It is not over.
    UnderWay,
}

/// Names a workload or another object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub(crate) struct Named {
    pub(crate) kind: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl std::fmt::Display for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

/// One restart of one workload.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Restart {
    #[serde(flatten)]
    pub(crate) workload: Named,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) wave: Option<String>,
    pub(crate) started_at: Timestamp,
    /// When it was completely rolled out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ready_at: Option<Timestamp>,
    /// When it was given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failed_at: Option<Timestamp>,
    pub(crate) state: RestartState,
    pub(crate) message: String,
    pub(crate) pods: usize,
}

/// What became of a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) enum RestartState {
    Ready,
    UnderWay,
    /// The same stale image came up again.
    Futile,
    Failed,
}

impl RestartState {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::UnderWay => "UnderWay",
            Self::Futile => "Futile",
            Self::Failed => "Failed",
        }
    }
}

impl Restart {
    /// When it was over, if it is.
    pub(crate) fn over_at(&self) -> Option<Timestamp> {
        self.ready_at.or(self.failed_at)
    }
}

/// One wave.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Wave {
    pub(crate) name: String,
    pub(crate) state: String,
    pub(crate) total: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) started_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) completed_at: Option<Timestamp>,
}

/// A span in which nothing could start.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Hold {
    pub(crate) reason: String,
    pub(crate) message: String,
    pub(crate) from: Timestamp,
    pub(crate) until: Timestamp,
}

/// How one workload in scope is, in the end.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(clippy::struct_field_names, reason = "its name, flattened into the same fields as everywhere")]
pub(crate) struct Workload {
    #[serde(flatten)]
    pub(crate) workload: Named,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) wave: Option<String>,
    pub(crate) verdict: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    pub(crate) message: String,
    pub(crate) pods: usize,
    pub(crate) stale_pods: usize,
}

/// Pods that were missing: ready ones that a workload had before, and did not have for a while.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Disruption {
    /// Most at once in the whole cluster.
    pub(crate) peak: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) peak_at: Option<Timestamp>,
    /// Ready pods of all workloads before the first restart.
    pub(crate) pods: usize,
    /// The same for each namespace in which any pod was missing.
    pub(crate) namespaces: Vec<NamespaceDisruption>,
}

/// The same of one namespace.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NamespaceDisruption {
    pub(crate) namespace: String,
    pub(crate) peak: usize,
    pub(crate) peak_at: Timestamp,
    pub(crate) pods: usize,
}

impl Campaign {
    /// Whole seconds from the beginning to the end.
    pub(crate) fn seconds(&self) -> i64 {
        (self.ended_at.as_second() - self.begun_at.as_second()).max(0)
    }

    pub(crate) fn restarted(&self, state: RestartState) -> usize {
        self.restarts.iter().filter(|restart| restart.state == state).count()
    }

    pub(crate) fn with_verdict(&self, verdict: &str) -> usize {
        self.workloads.iter().filter(|workload| workload.verdict == verdict).count()
    }
}

/// Annotations that tell of a restart, on the template or, for a Rollout, on the object.
pub(crate) const MARK: (&str, &str) = (annotation::RESTARTED_FOR, annotation::RESTARTED_AT);

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A campaign of these restarts that began at a fixed time.
    pub(in crate::report) fn campaign(restarts: Vec<Restart>) -> Campaign {
        let begun_at = at(0);
        let ended_at = restarts.iter().filter_map(Restart::over_at).max().unwrap_or(begun_at);
        Campaign {
            source: Source::Demo,
            configs: Vec::new(),
            begun_at,
            ended_at,
            outcome: Outcome::Finished,
            message: String::new(),
            restarts,
            waves: Vec::new(),
            holds: Vec::new(),
            workloads: Vec::new(),
            disruption: None,
            deadlocks: Vec::new(),
            assumptions: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// A restart that was started and took so many seconds.
    pub(in crate::report) fn restart(namespace: &str, started: i64, took: i64) -> Restart {
        Restart {
            workload: Named { kind: "Deployment".to_owned(), namespace: namespace.to_owned(), name: "cart".to_owned() },
            wave: None,
            started_at: at(started),
            ready_at: Some(at(started + took)),
            failed_at: None,
            state: RestartState::Ready,
            message: String::new(),
            pods: 1,
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_767_600_000 + second).expect("it is a time")
    }
}
