//! How long the pods of a workload take to be ready: what they took themselves, from their creation to their condition.

use std::time::Duration;

use flippy_core::Timestamp;
use serde_json::Value;

/// Assumed where no pod tells.
pub(super) const ASSUMED: Duration = Duration::from_secs(30);
/// Longer is no start, but a pod that was ill in between: its condition tells of the last time only.
const LONGEST: Duration = Duration::from_hours(1);
/// A pod that is not ready after so long is not going to be.
const PATIENCE: Duration = Duration::from_mins(10);

/// What the pods of one workload tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readiness {
    /// Its pods took so long.
    Learnt(Duration),
    /// Nobody tells: [`ASSUMED`].
    Unknown,
    /// None of its pods is ready, and none is young: new ones will not be, either.
    Never,
}

/// Judges by all pods of a workload, as they were at `seen_at`.
pub(super) fn of<'a>(pods: impl Iterator<Item = &'a Value>, seen_at: Timestamp) -> Readiness {
    let (mut took, mut after_a_restart, mut count, mut ready, mut young) = (Vec::new(), Vec::new(), 0, 0, 0);
    for pod in pods {
        count += 1;
        let Some(condition) = ready_condition(pod) else {
            young += usize::from(is_young(pod, seen_at));
            continue;
        };
        if condition["status"] != "True" {
            young += usize::from(is_young(pod, seen_at));
            continue;
        }
        ready += 1;
        let Some(span) = span(&pod["metadata"]["creationTimestamp"], &condition["lastTransitionTime"]) else {
            continue;
        };
        // A container that was started again makes the pod ready again, later than it was at first.
        if has_restarted(pod) { after_a_restart.push(span) } else { took.push(span) }
    }
    let told = if took.is_empty() { after_a_restart } else { took };
    match median(told) {
        Some(took) => Readiness::Learnt(took),
        None if count > 0 && ready == 0 && young == 0 => Readiness::Never,
        None => Readiness::Unknown,
    }
}

/// Whether a pod that is not ready may still become so.
pub(super) fn is_young(pod: &Value, seen_at: Timestamp) -> bool {
    let created = timestamp(&pod["metadata"]["creationTimestamp"]);
    created.is_none_or(|created| Duration::try_from(created.duration_until(seen_at)).unwrap_or_default() < PATIENCE)
}

pub(super) fn ready_condition(pod: &Value) -> Option<&Value> {
    pod["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == "Ready")
}

pub(super) fn is_ready(pod: &Value) -> bool {
    ready_condition(pod).is_some_and(|condition| condition["status"] == "True")
}

fn has_restarted(pod: &Value) -> bool {
    let lists = [&pod["status"]["containerStatuses"], &pod["status"]["initContainerStatuses"]];
    let mut statuses = lists.into_iter().filter_map(Value::as_array).flatten();
    statuses.any(|status| status["restartCount"].as_u64().unwrap_or(0) > 0)
}

fn span(from: &Value, to: &Value) -> Option<Duration> {
    let span = Duration::try_from(timestamp(from)?.duration_until(timestamp(to)?)).ok()?;
    (span <= LONGEST).then_some(span)
}

fn timestamp(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

/// The mean of the two in the middle where there is no one: times are whole seconds, and small ones count.
fn median(mut spans: Vec<Duration>) -> Option<Duration> {
    spans.sort_unstable();
    let (below, above) = (spans.len().checked_sub(1)? / 2, spans.len() / 2);
    Some((spans[below] + spans[above]) / 2)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(created: &str, ready: &str, status: &str, restarts: u32) -> Value {
        json!({
            "metadata": {"creationTimestamp": created},
            "status": {
                "conditions": [{"type": "Ready", "status": status, "lastTransitionTime": ready}],
                "containerStatuses": [{"name": "app", "restartCount": restarts}],
            },
        })
    }

    fn learnt(pods: &[Value]) -> Readiness {
        of(pods.iter(), "2026-01-05T12:00:00Z".parse().expect("it is a time"))
    }

    fn after(seconds: u32) -> Value {
        pod("2026-01-05T10:00:00Z", &format!("2026-01-05T10:00:{seconds:02}Z"), "True", 0)
    }

    #[test]
    fn the_median_of_the_pods_counts() {
        assert_eq!(learnt(&[after(10), after(12), after(50)]), Readiness::Learnt(Duration::from_secs(12)));
        assert_eq!(learnt(&[after(10), after(13)]), Readiness::Learnt(Duration::from_millis(11_500)));
    }

    #[test]
    fn a_pod_whose_container_was_started_again_counts_only_when_there_is_no_other() {
        let ill = pod("2026-01-05T10:00:00Z", "2026-01-05T10:20:00Z", "True", 3);
        assert_eq!(learnt(&[after(10), ill.clone()]), Readiness::Learnt(Duration::from_secs(10)));
        assert_eq!(learnt(&[ill]), Readiness::Learnt(Duration::from_mins(20)));
    }

    #[test]
    fn a_span_that_cannot_be_a_start_is_not_believed() {
        let backwards = pod("2026-01-05T10:00:00Z", "2026-01-05T09:00:00Z", "True", 0);
        let days = pod("2026-01-01T10:00:00Z", "2026-01-05T10:00:00Z", "True", 0);
        assert_eq!(learnt(&[backwards, days]), Readiness::Unknown);
    }

    #[test]
    fn a_workload_without_a_ready_pod_never_gets_ready_unless_its_pods_are_young() {
        let old = pod("2026-01-05T10:00:00Z", "2026-01-05T10:00:00Z", "False", 9);
        let young = pod("2026-01-05T11:59:00Z", "2026-01-05T11:59:00Z", "False", 0);
        assert_eq!(learnt(std::slice::from_ref(&old)), Readiness::Never);
        assert_eq!(learnt(&[old, young]), Readiness::Unknown);
        assert_eq!(learnt(&[]), Readiness::Unknown);
    }
}
