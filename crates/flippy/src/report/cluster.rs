//! What a cluster remembers of a campaign: marks on workloads, conditions of pods, the status of the config.

use std::collections::HashMap;

use flippy_api::{FlippyConfig, FlippyConfigStatus};
use flippy_core::{Policy, Snapshot, Timestamp, WindowState, Workload as Record, window_state};

use super::model::{Campaign, Config, Hold, Named, Outcome, Restart, RestartState, Source, Wave};
use crate::plan::view::{ConfigView, PlanView};
use crate::rehearse::conclude::{named, workload};

/// Spans outside the windows that are told of, at most.
const MAX_SPANS: usize = 200;

/// Makes the record. `None`: the config has no plan, for reasons that the view holds.
pub(super) fn campaign(
    config: &FlippyConfig,
    policy: &Policy,
    view: &ConfigView,
    snapshot: &Snapshot,
    now: Timestamp,
) -> Option<Campaign> {
    let plan = view.plan.as_ref()?;
    let status = config.status.clone().unwrap_or_default();
    let mut restarts = restarts(plan, policy, snapshot);
    restarts.sort_by_key(|restart| (restart.started_at, restart.workload.clone()));
    let time = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<Timestamp>().ok());
    let first = restarts.iter().map(|restart| restart.started_at).min();
    let begun_at = time(&status.started_at).into_iter().chain(first).min().unwrap_or(now);
    let outcome = outcome(&status);
    let last = restarts.iter().filter_map(Restart::over_at).max();
    let ended_at = match outcome {
        Outcome::UnderWay => now,
        _ => time(&status.completed_at).into_iter().chain(last).max().unwrap_or(begun_at),
    };
    let ready = status.conditions.iter().find(|condition| condition.r#type == "Ready");
    let mut notes = vec![
        "of each workload the last restart for these images is known; what a person or another tool restarted is not"
            .to_owned(),
    ];
    if status.observed_generation != config.metadata.generation {
        notes.push(
            "the operator has not reported on the present spec yet: the outcome is that of an earlier one".to_owned(),
        );
    }
    Some(Campaign {
        source: Source::Cluster,
        configs: vec![Config {
            namespace: view.namespace.clone(),
            name: view.name.clone(),
            desired_images: plan.desired_images.clone(),
            reason: ready.map(|ready| ready.reason.clone()).unwrap_or_default(),
            message: ready.map(|ready| ready.message.clone()).unwrap_or_default(),
        }],
        begun_at,
        ended_at,
        outcome,
        message: ready.map_or_else(|| "no operator has reported on it yet".to_owned(), |ready| ready.message.clone()),
        restarts,
        waves: status
            .waves
            .iter()
            .map(|wave| Wave {
                name: wave.name.clone(),
                state: wave.state.clone(),
                total: wave.total,
                started_at: time(&wave.started_at),
                completed_at: time(&wave.completed_at),
            })
            .collect(),
        holds: shut(policy, begun_at, ended_at).into_iter().chain(held(&status, begun_at, ended_at)).collect(),
        workloads: plan.workloads.iter().map(workload).collect(),
        disruption: None,
        deadlocks: Vec::new(),
        assumptions: Vec::new(),
        notes,
    })
}

fn outcome(status: &FlippyConfigStatus) -> Outcome {
    let is_true =
        |kind: &str| status.conditions.iter().find(|condition| condition.r#type == kind && condition.status == "True");
    match (is_true("Stalled"), is_true("Ready")) {
        (Some(stalled), _) if matches!(&*stalled.reason, "RestartsFailed" | "WorkloadsBlocked") => Outcome::Blocked,
        (Some(_), _) => Outcome::Halted,
        (None, Some(_)) => Outcome::Finished,
        (None, None) => Outcome::UnderWay,
    }
}

fn restarts(plan: &PlanView, policy: &Policy, snapshot: &Snapshot) -> Vec<Restart> {
    let records: HashMap<String, &Record> =
        snapshot.workloads().map(|record| (record.id.named.to_string(), record)).collect();
    let pods = snapshot.pods_by_workload();
    let restart = |name: Named, wave: Option<String>, state, message: String| {
        let record = records.get(&name.to_string())?;
        let mark = record.mark.as_ref().filter(|mark| *mark.token.hash == *policy.images.hash())?;
        let live: Vec<_> = pods.of(&record.id.uid).iter().filter(|pod| pod.is_live()).collect();
        // Seconds of a pod and of a mark are cut off alike.
        let new = live.iter().filter(|pod| pod.ready && pod.created_at.as_second() >= mark.at.as_second());
        let ready_at = new.map(|pod| pod.ready_changed_at).max();
        Some(Restart {
            workload: name,
            wave,
            started_at: mark.at,
            ready_at: ready_at.filter(|_| matches!(state, RestartState::Ready | RestartState::Futile)),
            failed_at: None,
            state,
            message,
            pods: live.len(),
        })
    };
    let of_plan = plan.workloads.iter().filter_map(|view| {
        let state = match view.verdict {
            "Fresh" | "Idle" => RestartState::Ready,
            "Futile" => RestartState::Futile,
            "Failed" => RestartState::Failed,
            _ => RestartState::UnderWay,
        };
        restart(named(&view.workload), view.wave.clone(), state, view.message.clone())
    });
    let known: std::collections::BTreeSet<Named> = plan.workloads.iter().map(|view| named(&view.workload)).collect();
    let first = plan.restart_first.iter().filter(|view| !known.contains(&named(&view.workload))).filter_map(|view| {
        let state = match view.state {
            "Done" => RestartState::Ready,
            "Failed" => RestartState::Failed,
            _ => RestartState::UnderWay,
        };
        restart(named(&view.workload), None, state, view.message.clone())
    });
    of_plan.chain(first).collect()
}

/// When the windows were shut.
fn shut(policy: &Policy, from: Timestamp, until: Timestamp) -> Vec<Hold> {
    let mut holds = Vec::new();
    let mut at = from;
    if policy.windows.is_empty() {
        return holds;
    }
    for _ in 0..2 * MAX_SPANS {
        let next = match window_state(&policy.windows, at) {
            WindowState::Open { until } => until,
            WindowState::Shut { until: opens } => {
                holds.push(Hold {
                    reason: "OutsideWindow".to_owned(),
                    message: "outside the windows of spec.Windows".to_owned(),
                    from: at,
                    until: opens.unwrap_or(until).min(until),
                });
                opens
            }
        };
        match next.filter(|next| *next > at && *next < until) {
            Some(next) => at = next,
            None => break,
        }
    }
    holds.truncate(MAX_SPANS);
    holds
}

/// What holds now, unless it is a window.
fn held(status: &FlippyConfigStatus, begun: Timestamp, until: Timestamp) -> Option<Hold> {
    let shut = status.conditions.iter().find(|one| one.r#type == "RestartsAllowed" && one.status == "False")?;
    let since: Timestamp = shut.last_transition_time.parse().ok()?;
    let is_window = matches!(&*shut.reason, "OutsideWindow" | "WindowEnds");
    (!is_window && since < until).then(|| Hold {
        reason: shut.reason.clone(),
        message: shut.message.clone(),
        from: since.max(begun),
        until,
    })
}
