//! One pass over all configs: asks core, changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use flippy_core::{
    AdmissionQuestion, Claims, Eviction, Hold, Kind, NamedWorkload, Policy, PolicyName, Start, StatusFacts, Timestamp,
    WaveMemory, are_gates_asked, pace, plan, preconditions, query_gates, room_for_pods, status_facts, waves,
};

use crate::configs::{ConfigRecord, NoPolicy};
use crate::discovery::missing_rule;
use crate::world::{ALWAYS, Feed, FeedState, World};

/// Since when each precondition is not met.
pub(crate) type UnmetSince = BTreeMap<NamedWorkload, Timestamp>;

/// What is remembered of the waves of each config, with the uid of that config: another one of its name was approved by
/// nobody.
pub(crate) type WaveMemories = BTreeMap<PolicyName, (Arc<str>, WaveMemory)>;

/// What is to be done and said about one config.
pub(crate) struct Decided {
    pub(crate) name: PolicyName,
    pub(crate) generation: i64,
    pub(crate) starts: Vec<Start>,
    pub(crate) evictions: Vec<Eviction>,
    /// So many of them may be on their way at once.
    pub(crate) sent_at_once: usize,
    /// Whether restarts that were decided before, and are not sent yet, must not be sent any more.
    pub(crate) revoked: bool,
    pub(crate) recheck_at: Option<Timestamp>,
    /// Whether its gates are to be asked.
    pub(crate) asks_gates: bool,
    /// What to ask admission, the most urgent first.
    pub(crate) questions: Vec<AdmissionQuestion>,
    pub(crate) findings: Findings,
    pub(crate) desired_images: Option<(Vec<String>, String)>,
}

/// What is to be said.
pub(crate) enum Findings {
    /// The spec is no policy: why, for people.
    NoPolicy(NoPolicy),
    /// What it is about cannot be watched: why, for people.
    NotWatched(String),
    /// Nobody knows which images it wants: why, for people.
    ImagesUnknown(String),
    /// How it stands.
    Facts(Box<StatusFacts>),
}

impl Findings {
    /// How it stands, or why nobody knows: in one word, and in one line for people.
    pub(crate) fn facts(&self) -> Result<&StatusFacts, (&'static str, &str)> {
        match self {
            Self::Facts(facts) => Ok(facts),
            Self::NoPolicy(NoPolicy::Invalid(message) | NoPolicy::Undecodable(message)) => {
                Err(("InvalidSpec", message))
            }
            Self::NotWatched(message) => Err(("NotWatched", message)),
            Self::ImagesUnknown(message) => Err(("ImageSourceUnavailable", message)),
        }
    }
}

/// Decides for every config. `sending` grows by what is decided, so that no two configs start the same restart; `evicting`, the
/// uids of workloads of which a pod is being evicted, so that no two evict a pod each.
pub(crate) fn decide(
    world: &World,
    unmet_since: &mut BTreeMap<PolicyName, UnmetSince>,
    wave_memories: &mut WaveMemories,
    sending: &mut BTreeSet<Arc<str>>,
    evicting: &mut BTreeSet<Arc<str>>,
    now: Timestamp,
) -> Vec<Decided> {
    let policies: Vec<&Policy> = world.configs.iter().filter_map(|config| config.policy.as_deref().ok()).collect();
    let claims = Claims::new(&policies, &world.snapshot);
    let pods = world.snapshot.pods_by_workload();
    unmet_since.retain(|name, _| world.configs.get(name).is_some());
    wave_memories.retain(|name, (uid, _)| world.configs.get(name).is_some_and(|config| config.uid == *uid));
    let next_standstill = world.snapshot.next_standstill(now);
    let mut all = Vec::new();
    for config in world.configs.iter() {
        let nothing = |findings| Decided::nothing(config.name.clone(), config.generation, findings);
        let policy = match &config.policy {
            Err(problem) => {
                all.push(nothing(Findings::NoPolicy(problem.clone())));
                continue;
            }
            Ok(policy) => policy,
        };
        match missing_feed(policy, world) {
            Some(None) => continue,
            Some(Some(message)) => {
                all.push(nothing(Findings::NotWatched(message)));
                continue;
            }
            None => {}
        }
        if world.sources.are_listing(policy) {
            continue;
        }
        if let Some(why) = policy.source_unavailable.as_ref().filter(|_| !policy.knows_images()) {
            all.push(nothing(Findings::ImagesUnknown(why.to_string())));
            continue;
        }
        let plan = plan(policy, &claims, &world.snapshot, &pods, now);
        let since = unmet_since.entry(config.name.clone()).or_insert_with(|| remembered(config));
        let (mut gate, mut preconditions) = preconditions(policy, &world.snapshot, since, now);
        *since = preconditions.iter().filter_map(|fact| Some((fact.target.clone(), fact.unmet_since?))).collect();
        if !plan.has_work() {
            // Patience begins when something waits.
            since.clear();
            gate.recheck_at = None;
            gate.overdue = false;
            for fact in &mut preconditions {
                fact.unmet_since = None;
            }
        }
        gate = gate.with_queries(query_gates(policy, &plan, world.answers.of(&config.name), now));
        if plan.has_work() {
            gate = gate.and(room_for_pods(&plan, &world.snapshot, &pods, now)).and(world.throttle.gate(now));
        }
        let (_, memory) = wave_memories.entry(config.name.clone()).or_insert_with(|| remembered_waves(config));
        let waves = waves(policy, &plan, memory, now);
        *memory = waves.memory();
        let mut decision = pace(policy, &plan, &gate, &waves, sending, now);
        sending.extend(decision.starts.iter().map(|start| start.id.uid.clone()));
        decision.evictions.retain(|eviction| evicting.insert(eviction.workload.uid.clone()));
        let facts = status_facts(policy, &plan, &gate, preconditions, &waves, &decision, now);
        all.push(Decided {
            revoked: decision.hold.as_ref().is_some_and(Hold::forbids_all),
            starts: decision.starts,
            evictions: decision.evictions,
            sent_at_once: decision.sent_at_once,
            asks_gates: are_gates_asked(policy, &plan),
            recheck_at: decision.recheck_at.into_iter().chain(next_standstill).chain(plan.questions.next_at).min(),
            questions: plan.questions.due,
            desired_images: Some((
                plan.wanted.iter().map(ToString::to_string).collect(),
                plan.wanted.hash().to_owned(),
            )),
            ..nothing(Findings::Facts(Box::new(facts)))
        });
    }
    all
}

/// Every verdict's word, in the order of [`Decided::counters`].
pub(crate) const VERDICTS: [&str; 8] =
    ["Fresh", "Restart", "InFlight", "Converging", "Blocked", "Futile", "Idle", "Failed"];

impl Decided {
    /// Nothing is to be done, only to be said. What was decided before is not sent any more: a config that is no policy restarts
    /// nothing.
    pub(crate) fn nothing(name: PolicyName, generation: i64, findings: Findings) -> Self {
        Self {
            name,
            generation,
            starts: Vec::new(),
            evictions: Vec::new(),
            sent_at_once: 1,
            revoked: true,
            recheck_at: None,
            asks_gates: false,
            questions: Vec::new(),
            findings,
            desired_images: None,
        }
    }

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

/// What a predecessor wrote into the status: patience does not begin anew when the operator is restarted.
fn remembered(config: &ConfigRecord) -> UnmetSince {
    config.status.as_deref().map(flippy_api::unmet_since).unwrap_or_default()
}

/// The same of waves: neither a soak nor an approval is lost with the operator.
fn remembered_waves(config: &ConfigRecord) -> (Arc<str>, WaveMemory) {
    let memory = config.status.as_deref().map(flippy_api::wave_memory).unwrap_or_default();
    (config.uid.clone(), memory)
}

/// Whether something that the policy is about is not seen yet: `Some(None)` while it is being listed, which takes a
/// moment; `Some(Some(why))` when listing fails. A kind that the cluster does not serve has no objects.
#[allow(clippy::option_option, reason = "three answers, used once")]
fn missing_feed(policy: &Policy, world: &World) -> Option<Option<String>> {
    let mut listing = None;
    if policy.looks_at_disruption_budgets() {
        match world.state_of(Feed::DisruptionBudgets) {
            FeedState::Synced => {}
            FeedState::Listing => listing = Some(None),
            // Whoever ignores them is told what they forbid when a pod is evicted.
            FeedState::NotServed | FeedState::Failed(_) if !policy.needs_disruption_budgets() => {}
            // Nobody knows what they forbid.
            FeedState::NotServed | FeedState::Failed(_) => {
                let why = world.why_not_synced(Feed::DisruptionBudgets).unwrap_or_default();
                return Some(Some(format!(
                    "{why}; allow the operator to list and watch them, or set spec.Strategy.DisruptionBudgets to Ignore"
                )));
            }
        }
    }
    for feed in ALWAYS.into_iter().chain(policy.kinds().into_iter().map(Feed::Workloads)) {
        match world.state_of(feed) {
            FeedState::Synced | FeedState::NotServed => {}
            FeedState::Listing => listing = Some(None),
            FeedState::Failed(message) => {
                return Some(Some(format!(
                    "{feed} objects cannot be watched: {message}{}",
                    advice(feed, message, world)
                )));
            }
        }
    }
    listing
}

/// A custom kind is not in the rights that Flippy is installed with.
fn advice(feed: Feed, message: &str, world: &World) -> String {
    match feed {
        Feed::Workloads(Kind::Custom(kind)) if message.contains("is forbidden") => {
            format!("; {}", missing_rule(world.resource(kind), kind))
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use flippy_api::{ConversionOptions, FlippyConfig};
    use kube::core::DeserializeGuard;
    use serde_json::json;

    use super::*;
    use crate::feed::{Item, Signal};
    use crate::world::Delta;

    /// A world with one config, in which everything is listed, and nothing else exists.
    fn world() -> World {
        let mut world = World::default();
        let config: FlippyConfig = serde_json::from_value(json!({
            "apiVersion": "keikoproj.io/v1", "kind": "FlippyConfig",
            "metadata": {"namespace": "istio-system", "name": "mesh", "uid": "1", "generation": 1},
            "spec": {
                "ImageList": ["istio/proxyv2:1.30.4"], "ProcessFilter": {"Containers": ["istio-proxy"]},
                "RestartObjects": [{"Type": "Deployment"}],
            },
        }))
        .expect("the config is valid");
        let trusted_namespaces = BTreeSet::from(["istio-system".into()]);
        let options = ConversionOptions { ignore_key: "flippy-ignore".into(), trusted_namespaces };
        world.apply(Delta::Config(Item::Listed(ConfigRecord::new(DeserializeGuard(Ok(config)), &options))));
        let feeds = [Feed::Configs, Feed::DisruptionBudgets, Feed::Workloads(flippy_core::Kind::Deployment)];
        for feed in ALWAYS.into_iter().chain(feeds) {
            world.apply(Delta::Signal(feed, Signal::ListEnds));
        }
        world
    }

    fn findings(world: &World) -> Findings {
        let (mut unmet, mut memories) = (BTreeMap::new(), BTreeMap::new());
        let (mut sending, mut evicting) = (BTreeSet::new(), BTreeSet::new());
        let decided = decide(world, &mut unmet, &mut memories, &mut sending, &mut evicting, Timestamp::UNIX_EPOCH);
        decided.into_iter().next().expect("something is said of the config").findings
    }

    #[test]
    fn a_config_is_judged_once_everything_that_it_is_about_is_listed() {
        assert!(matches!(findings(&world()), Findings::Facts(_)));
    }

    #[test]
    fn a_config_says_so_when_what_every_config_needs_cannot_be_watched() {
        let mut world = world();
        world.apply(Delta::Signal(Feed::Pods, Signal::Lost("pods is forbidden".to_owned())));
        let Findings::NotWatched(message) = findings(&world) else { panic!("it was judged all the same") };
        assert_eq!(message, "Pod objects cannot be watched: pods is forbidden");
    }
}
