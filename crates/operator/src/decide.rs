//! One pass over all configs: asks core, changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use flippy_core::{
    Claims, Hold, NamedWorkload, Policy, PolicyName, Start, StatusFacts, Timestamp, are_gates_asked, pace, plan,
    preconditions, query_gates, room_for_pods, status_facts,
};

use crate::configs::{ConfigRecord, NoPolicy};
use crate::world::{Feed, FeedState, World};

/// Since when each precondition is not met.
pub(crate) type UnmetSince = BTreeMap<NamedWorkload, Timestamp>;

/// What is to be done and said about one config.
pub(crate) struct Decided {
    pub(crate) name: PolicyName,
    pub(crate) generation: i64,
    pub(crate) starts: Vec<Start>,
    /// Whether restarts that were decided before, and are not sent yet, must not be sent any more.
    pub(crate) revoked: bool,
    pub(crate) recheck_at: Option<Timestamp>,
    /// Whether its gates are to be asked.
    pub(crate) asks_gates: bool,
    pub(crate) findings: Findings,
    pub(crate) desired_images: Option<(Vec<String>, String)>,
}

/// What is to be said.
pub(crate) enum Findings {
    /// The spec is no policy: why, for people.
    NoPolicy(NoPolicy),
    /// What it is about cannot be watched: why, for people.
    NotWatched(String),
    /// How it stands.
    Facts(Box<StatusFacts>),
}

/// Decides for every config. `sending` grows by what is decided, so that no two configs start the same restart.
pub(crate) fn decide(
    world: &World,
    unmet_since: &mut BTreeMap<PolicyName, UnmetSince>,
    sending: &mut BTreeSet<Arc<str>>,
    now: Timestamp,
) -> Vec<Decided> {
    let policies: Vec<&Policy> = world.configs.iter().filter_map(|config| config.policy.as_deref().ok()).collect();
    let claims = Claims::new(&policies, &world.snapshot);
    let pods = world.snapshot.pods_by_workload();
    let names: BTreeSet<&PolicyName> = world.configs.iter().map(|config| &config.name).collect();
    unmet_since.retain(|name, _| names.contains(name));
    let mut all = Vec::new();
    for config in world.configs.iter() {
        let policy = match &config.policy {
            Err(problem) => {
                all.push(decided(config, Findings::NoPolicy(problem.clone())));
                continue;
            }
            Ok(policy) => policy,
        };
        match missing_feed(policy, world) {
            Some(None) => continue,
            Some(Some(message)) => {
                all.push(decided(config, Findings::NotWatched(message)));
                continue;
            }
            None => {}
        }
        let plan = plan(policy, &claims, &world.snapshot, &pods, now);
        let since = unmet_since.entry(config.name.clone()).or_insert_with(|| remembered(config));
        let (mut gate, mut preconditions) = preconditions(policy, &world.snapshot, since, now);
        *since = preconditions.iter().filter_map(|fact| Some((fact.target.clone(), fact.unmet_since?))).collect();
        if !plan.needs_restart() {
            // Patience begins when something waits.
            since.clear();
            gate.recheck_at = None;
            gate.overdue = false;
            for fact in &mut preconditions {
                fact.unmet_since = None;
            }
        }
        gate = gate.with_queries(query_gates(policy, &plan, world.answers.of(&config.name), now));
        if plan.needs_restart() {
            gate = gate.and(room_for_pods(&plan, &world.snapshot, &pods, now)).and(world.throttle.gate(now));
        }
        let decision = pace(policy, &plan, &gate, sending, now);
        sending.extend(decision.starts.iter().map(|start| start.id.uid.clone()));
        let facts = status_facts(policy, &plan, &gate, preconditions, &decision);
        all.push(Decided {
            revoked: decision.hold.as_ref().is_some_and(Hold::forbids_all),
            starts: decision.starts,
            asks_gates: are_gates_asked(policy, &plan),
            recheck_at: decision.recheck_at,
            desired_images: Some((
                policy.images.iter().map(ToString::to_string).collect(),
                policy.images.hash().to_owned(),
            )),
            ..decided(config, Findings::Facts(Box::new(facts)))
        });
    }
    all
}

/// Every verdict's word, in the order of [`Decided::counters`].
pub(crate) const VERDICTS: [&str; 8] =
    ["Fresh", "Restart", "InFlight", "Converging", "Blocked", "Futile", "Idle", "Failed"];

impl Decided {
    /// Workloads per verdict.
    pub(crate) fn counters(&self) -> Option<[(&'static str, usize); 8]> {
        let Findings::Facts(facts) = &self.findings else { return None };
        let counters = facts.counters;
        let counts = [
            counters.fresh,
            counters.restart,
            counters.in_flight,
            counters.converging,
            counters.blocked,
            counters.futile,
            counters.idle,
            counters.failed,
        ];
        Some(std::array::from_fn(|at| (VERDICTS[at], counts[at])))
    }
}

fn decided(config: &ConfigRecord, findings: Findings) -> Decided {
    Decided {
        name: config.name.clone(),
        generation: config.generation,
        starts: Vec::new(),
        // A config that is no policy any more restarts nothing.
        revoked: true,
        recheck_at: None,
        asks_gates: false,
        findings,
        desired_images: None,
    }
}

/// What a predecessor wrote into the status: patience does not begin anew when the operator is restarted.
fn remembered(config: &ConfigRecord) -> UnmetSince {
    config.status.as_ref().map(flippy_api::unmet_since).unwrap_or_default()
}

/// Whether something that the policy is about is not seen yet: `Some(None)` while it is being listed, which takes a
/// moment; `Some(Some(why))` when listing fails. A kind that the cluster does not serve has no objects.
#[allow(clippy::option_option, reason = "three answers, used once")]
fn missing_feed(policy: &Policy, world: &World) -> Option<Option<String>> {
    let mut listing = None;
    for kind in policy.kinds() {
        match world.state_of(Feed::Workloads(kind)) {
            FeedState::Synced | FeedState::NotServed => {}
            FeedState::Listing => listing = Some(None),
            FeedState::Failed(message) => return Some(Some(format!("{kind} objects cannot be watched: {message}"))),
        }
    }
    listing
}
