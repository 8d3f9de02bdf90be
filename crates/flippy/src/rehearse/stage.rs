//! The cluster in memory on which a rehearsal is played.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use flippy_api::{ConversionOptions, FlippyConfig};
use flippy_core::{Policy, Timestamp};
use flippy_operator::Sources;
use flippy_sim::{Faults, PodDelays, Rejected, SimCluster};
use serde_json::{Value, json};

use super::material::{Material, owner_uid, text};
use super::readiness::{self, Readiness};
use super::what_if::{WhatIf, failing};
use super::{bounds, images};
use crate::exit::Failure;

/// Kinds whose pods are restarted.
const WORKLOADS: [&str; 4] = ["Deployment", "StatefulSet", "DaemonSet", "Rollout"];
/// From the wish to stop to being gone, unless the pod's own grace is shorter. No pod tells how long the last one took.
pub(super) const STOPS_WITHIN: Duration = Duration::from_secs(5);
/// Changes that a watch can lie behind: many workloads may roll at once.
const LOG_CAPACITY: usize = 1 << 17;

/// What is to be played.
pub(super) struct Play<'a> {
    pub(super) material: Material,
    pub(super) configs: Vec<FlippyConfig>,
    pub(super) options: &'a ConversionOptions,
    pub(super) what_if: WhatIf,
    pub(super) seed: u64,
    pub(super) start: Timestamp,
}

/// The cluster, and what was assumed to make it.
pub(super) struct Stage {
    pub(super) cluster: SimCluster,
    pub(super) learnt: Learnt,
    pub(super) failing: Vec<String>,
}

/// Where ready times are from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_field_names, reason = "learnt, as against assumed")]
pub(super) struct Learnt {
    /// Of so many workloads from their own pods, and the median of those.
    pub(super) learnt: usize,
    pub(super) median: Option<Duration>,
    /// Of so many it is assumed.
    pub(super) assumed: usize,
    /// So many have no ready pod, and are not expected to get any.
    pub(super) never: usize,
}

/// Sets the stage. Must be called on the runtime that plays.
pub(super) async fn set(play: Play<'_>) -> Result<Stage, Failure> {
    let Play { mut material, configs, options, what_if, seed, start } = play;
    let cluster = SimCluster::starting_at(seed, Faults::none(), start);
    let stop = u64::try_from(STOPS_WITHIN.as_millis()).unwrap_or(u64::MAX);
    let ready = u64::try_from(what_if.ready(readiness::ASSUMED).as_millis()).unwrap_or(u64::MAX);
    cluster.set_pod_delays(PodDelays { ready: (ready, ready), stop: (stop, stop) });
    cluster.set_log_capacity(LOG_CAPACITY);
    for kind in ["Rollout", "FlippyConfig"] {
        cluster.serve_kind(kind).map_err(|rejected| refused(&rejected))?;
    }
    // What the policies are made of comes first: how pods are played depends on them.
    let first = |object: &mut Value| matches!(object["kind"].as_str(), Some("ConfigMap" | "Namespace"));
    let mut base: Vec<Value> = material.objects.extract_if(.., first).collect();
    base.extend(missing_namespaces(&base, &material.objects, &configs));
    cluster.load(base).map_err(|rejected| refused(&rejected))?;
    let policies = policies(&cluster, &configs, options).await?;
    let seen_at = material.seen_at.unwrap_or(start);
    let mut cast = Cast::of(material.objects, seen_at, what_if, seed);
    cast.play(&policies)?;
    let Cast { objects, learnt, failing, .. } = cast;
    cluster.adopt(objects).map_err(|rejected| refused(&rejected))?;
    for config in &configs {
        let object = serde_json::to_value(config)
            .map_err(|error| Failure::error(format!("cannot write the FlippyConfig: {error}")))?;
        cluster.load([object]).map_err(|rejected| refused(&rejected))?;
    }
    cluster.clear_history();
    Ok(Stage { cluster, learnt, failing })
}

fn refused(rejected: &Rejected) -> Failure {
    Failure::error(format!("the rehearsal's cluster refuses an object: {rejected}"))
}

fn missing_namespaces(base: &[Value], objects: &[Value], configs: &[FlippyConfig]) -> Vec<Value> {
    let known: BTreeSet<String> = base
        .iter()
        .filter(|object| object["kind"] == "Namespace")
        .map(|object| text(&object["metadata"]["name"]))
        .collect();
    let of_objects = objects.iter().chain(base).map(|object| text(&object["metadata"]["namespace"]));
    let of_configs = configs.iter().filter_map(|config| config.metadata.namespace.clone());
    let used: BTreeSet<String> = of_objects.chain(of_configs).filter(|name| !name.is_empty()).collect();
    let namespace = |name: &String| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}, "status": {"phase": "Active"}});
    used.difference(&known).map(namespace).collect()
}

/// The policies, with the images that they take from elsewhere.
async fn policies(
    cluster: &SimCluster,
    configs: &[FlippyConfig],
    options: &ConversionOptions,
) -> Result<Vec<Policy>, Failure> {
    let mut policies = Vec::new();
    for config in configs {
        let policy = flippy_api::policy(config, options);
        policies.push(policy.map_err(|invalid| {
            let problems: Vec<String> = invalid.problems.iter().map(ToString::to_string).collect();
            Failure::error(problems.join("\n"))
        })?);
    }
    let sources = Sources::read(&cluster.client("rehearsal"), &policies.iter().collect::<Vec<_>>()).await;
    let join = |policy: &Policy| {
        let joined = sources.join(policy, None);
        match &joined.source_unavailable {
            Some(why) => Err(Failure::error(format!(
                "spec.ImageSources: {why}; add it to the dump with `kubectl get configmap -n NAMESPACE NAME -o json`"
            ))),
            None => Ok(joined),
        }
    };
    policies.iter().map(join).collect()
}

/// The objects, and who belongs to whom.
struct Cast {
    objects: Vec<Value>,
    /// Workload uid to the places of its pods.
    pods: HashMap<String, Vec<usize>>,
    /// Workload uid to the places of its sets.
    sets: HashMap<String, Vec<usize>>,
    seen_at: Timestamp,
    what_if: WhatIf,
    seed: u64,
    learnt: Learnt,
    failing: Vec<String>,
}

impl Cast {
    fn of(objects: Vec<Value>, seen_at: Timestamp, what_if: WhatIf, seed: u64) -> Self {
        let mut sets: HashMap<String, Vec<usize>> = HashMap::new();
        let mut owner_of_set: HashMap<String, String> = HashMap::new();
        for (at, object) in objects.iter().enumerate().filter(|(_, object)| object["kind"] == "ReplicaSet") {
            if let Some(owner) = owner_uid(object) {
                owner_of_set.insert(text(&object["metadata"]["uid"]), owner.clone());
                sets.entry(owner).or_default().push(at);
            }
        }
        let mut pods: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, object) in objects.iter().enumerate().filter(|(_, object)| object["kind"] == "Pod") {
            if let Some(owner) = owner_uid(object) {
                pods.entry(owner_of_set.get(&owner).cloned().unwrap_or(owner)).or_default().push(at);
            }
        }
        Self { objects, pods, sets, seen_at, what_if, seed, learnt: Learnt::default(), failing: Vec::new() }
    }

    fn pods_of(&self, uid: &str) -> impl Iterator<Item = &Value> {
        self.pods.get(uid).into_iter().flatten().map(|at| &self.objects[*at])
    }

    /// Gives every workload its part.
    fn play(&mut self, policies: &[Policy]) -> Result<(), Failure> {
        let workloads: Vec<usize> =
            self.objects.iter().enumerate().filter(|(_, object)| is_workload(object)).map(|(at, _)| at).collect();
        bounds::check_pods(workloads.iter().map(|at| &self.objects[*at])).map_err(Failure::error)?;
        let deployments: BTreeMap<(String, String), usize> = workloads
            .iter()
            .filter(|at| self.objects[**at]["kind"] == "Deployment")
            .map(|at| {
                ((text(&self.objects[*at]["metadata"]["namespace"]), text(&self.objects[*at]["metadata"]["name"])), *at)
            })
            .collect();
        let failing = self.draw_failing(&workloads, policies);
        let mut learnt = Vec::new();
        for at in workloads {
            let uid = text(&self.objects[at]["metadata"]["uid"]);
            // A Rollout may have its template in a Deployment.
            let place = self.place_of_template(at, &deployments);
            let readiness = readiness::of(self.pods_of(&uid), self.seen_at);
            let has_pods = self.pods_of(&uid).next().is_some();
            let ready = match readiness {
                Readiness::Learnt(took) => {
                    learnt.push(took);
                    self.what_if.ready(took)
                }
                Readiness::Unknown | Readiness::Never => self.what_if.ready(readiness::ASSUMED),
            };
            if readiness == Readiness::Unknown && has_pods {
                self.learnt.assumed += 1;
            }
            self.learnt.never += usize::from(readiness == Readiness::Never);
            let youngest = self.pods_of(&uid).max_by_key(|pod| text(&pod["metadata"]["creationTimestamp"])).cloned();
            let mut template = self.objects[place]["spec"]["template"].take();
            if !template.is_object() {
                template = json!({});
            }
            if youngest.is_some() {
                images::bake(&mut template, youngest.as_ref(), policies);
            }
            let annotations = &mut template["metadata"]["annotations"];
            annotations["sim.test/ready-delay"] = json!(format!("{}ms", ready.as_millis()));
            if readiness == Readiness::Never || failing.contains(&at) {
                annotations["sim.test/behavior"] = json!("never-ready");
            }
            for set in self.sets.get(&uid).into_iter().flatten() {
                self.objects[*set]["spec"]["template"] = template.clone();
            }
            self.objects[place]["spec"]["template"] = template;
            self.hasten_young_pods(&uid, ready);
        }
        learnt.sort_unstable();
        self.learnt.learnt = learnt.len();
        self.learnt.median = learnt.get(learnt.len() / 2).copied();
        Ok(())
    }

    fn place_of_template(&self, at: usize, deployments: &BTreeMap<(String, String), usize>) -> usize {
        let object = &self.objects[at];
        let referred = object["spec"]["workloadRef"]["name"].as_str();
        let Some(name) = referred.filter(|_| object["kind"] == "Rollout" && !object["spec"]["template"].is_object())
        else {
            return at;
        };
        deployments.get(&(text(&object["metadata"]["namespace"]), name.to_owned())).copied().unwrap_or(at)
    }

    /// Pods that are about to be ready still take what is left of their time.
    fn hasten_young_pods(&mut self, uid: &str, ready: Duration) {
        for at in self.pods.get(uid).into_iter().flatten() {
            let pod = &mut self.objects[*at];
            if readiness::is_ready(pod) || !readiness::is_young(pod, self.seen_at) {
                continue;
            }
            let created: Option<Timestamp> =
                pod["metadata"]["creationTimestamp"].as_str().and_then(|text| text.parse().ok());
            let age = created.and_then(|created| Duration::try_from(created.duration_until(self.seen_at)).ok());
            let left = ready.saturating_sub(age.unwrap_or_default()).max(Duration::from_secs(1));
            pod["metadata"]["annotations"]["sim.test/ready-delay"] = json!(format!("{}ms", left.as_millis()));
        }
    }

    fn draw_failing(&mut self, workloads: &[usize], policies: &[Policy]) -> BTreeSet<usize> {
        let has_watched = |at: &&usize| {
            let uid = text(&self.objects[**at]["metadata"]["uid"]);
            self.pods_of(&uid).next().is_some_and(|pod| is_watched(pod, policies))
        };
        let mut candidates: Vec<(String, usize)> = workloads
            .iter()
            .filter(has_watched)
            .map(|at| (bounds::name_of(&self.objects[*at]).unwrap_or_default(), *at))
            .collect();
        candidates.sort_unstable();
        let names: Vec<String> = candidates.iter().map(|(name, _)| name.clone()).collect();
        let drawn = failing(&names, self.what_if.fail, self.seed);
        self.failing = drawn.iter().map(|at| names[*at].clone()).collect();
        self.failing.sort_unstable();
        drawn.into_iter().map(|at| candidates[at].1).collect()
    }
}

fn is_workload(object: &Value) -> bool {
    object["kind"].as_str().is_some_and(|kind| WORKLOADS.contains(&kind))
}

fn is_watched(pod: &Value, policies: &[Policy]) -> bool {
    let lists = [&pod["spec"]["containers"], &pod["spec"]["initContainers"]];
    let mut containers = lists.into_iter().filter_map(Value::as_array).flatten();
    containers.any(|container| {
        policies.iter().any(|policy| policy.scope.containers.iter().any(|name| container["name"] == **name))
    })
}
