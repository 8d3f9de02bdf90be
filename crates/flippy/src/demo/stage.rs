//! The cluster before the curtain rises, and the mesh upgrade.

use std::time::Duration;

use flippy_api::FlippyConfig;
use flippy_core::Kind;
use flippy_sim::{Faults, Json, Rejected, Resource, SimCluster, fixtures, json};

use super::company::{FROZEN, Member, NOT_IN_THE_MESH, TEAMS, Team};
use super::quirk::{OLD_IMAGE, Quirk};
use crate::exit::Failure;

pub(super) const MESH_NAMESPACE: &str = "istio-system";
/// Time for canaries to get as far as they get.
const CANARIES: Duration = Duration::from_mins(10);
const NODES: u64 = 4;

/// A cluster with a mesh that is completely rolled out, except where somebody is in the middle of something.
pub(super) async fn set(seed: u64) -> Result<SimCluster, Failure> {
    let cluster = SimCluster::new(seed, Faults::none());
    cluster.set_nodes(NODES);
    fill(&cluster).map_err(|rejected| refused(&rejected))?;
    meddle(&cluster).map_err(|rejected| refused(&rejected))?;
    if !cluster.until(CANARIES, canaries_wait).await {
        return Err(Failure::error(
            "the demo's cluster did not get ready: this is a mistake in the demo; please report it",
        ));
    }
    Ok(cluster)
}

/// Upgrades the mesh: its control plane is rolled out, and new pods get this sidecar. Running pods keep theirs.
pub(super) fn upgrade_mesh(cluster: &SimCluster, image: &str) -> Result<(), Failure> {
    let rolled_out = cluster.edit("mesh-admin", Resource::Deployments, MESH_NAMESPACE, "istiod", |istiod| {
        let tag = image.rsplit_once(':').map_or("latest", |(_, tag)| tag);
        istiod["spec"]["template"]["spec"]["containers"][0]["image"] = json!(format!("docker.io/istio/pilot:{tag}"));
    });
    rolled_out.map_err(|rejected| refused(&rejected))?;
    cluster.flip_sidecar(image);
    Ok(())
}

/// Applies a config, as `kubectl apply` would.
pub(super) fn apply(cluster: &SimCluster, config: &FlippyConfig) -> Result<(), Failure> {
    let namespace = config.metadata.namespace.as_deref().unwrap_or_default();
    if cluster.get(Resource::Namespaces, "", namespace).is_none() {
        let known: Vec<String> = cluster
            .list(Resource::Namespaces)
            .iter()
            .filter_map(|object| Some(object["metadata"]["name"].as_str()?.to_owned()))
            .collect();
        return Err(Failure::error(format!(
            "the demo's cluster has no namespace {namespace}: put the FlippyConfig into {MESH_NAMESPACE}, or another of {}",
            known.join(", ")
        )));
    }
    let object = serde_json::to_value(config)
        .map_err(|error| Failure::error(format!("cannot write the FlippyConfig: {error}")))?;
    cluster.create(object).map_err(|rejected| refused(&rejected))
}

fn refused(rejected: &Rejected) -> Failure {
    Failure::error(format!("the demo's cluster refuses an object: {rejected}"))
}

fn fill(cluster: &SimCluster) -> Result<(), Rejected> {
    cluster.serve_kind("Rollout")?;
    cluster.serve_kind("FlippyConfig")?;
    cluster.create(fixtures::namespace(MESH_NAMESPACE, false))?;
    cluster.flip_sidecar(OLD_IMAGE);
    for (namespace, _) in TEAMS {
        cluster.create(fixtures::namespace(namespace, true))?;
    }
    let mut frozen = fixtures::namespace(FROZEN.0, true);
    frozen["metadata"]["labels"]["flippy-ignore"] = json!("true");
    cluster.create(frozen)?;
    cluster.create_settled([istiod(), gateway()])?;
    let teams = TEAMS.into_iter().chain([FROZEN, NOT_IN_THE_MESH]);
    cluster.create_settled(teams.flat_map(manifests))
}

fn istiod() -> Json {
    let mut istiod = fixtures::deployment(MESH_NAMESPACE, "istiod", 2);
    istiod["spec"]["template"]["spec"]["containers"][0]["image"] = json!("docker.io/istio/pilot:1.30.3");
    fixtures::annotate_template(&mut istiod, "sim.test/ready-delay", "20s");
    istiod
}

fn gateway() -> Json {
    let mut gateway = fixtures::deployment(MESH_NAMESPACE, "istio-ingressgateway", 3);
    gateway["spec"]["template"]["spec"]["containers"][0] = json!({"name": "istio-proxy", "image": "auto"});
    fixtures::annotate_template(&mut gateway, "inject.istio.io/templates", "gateway");
    gateway
}

fn manifests((namespace, members): Team) -> impl Iterator<Item = Json> {
    members.iter().flat_map(move |member| {
        let budget = (member.quirk == Some(Quirk::TightBudget))
            .then(|| fixtures::budget(namespace, member.name, member.replicas));
        [Some(manifest(namespace, member)), budget].into_iter().flatten()
    })
}

fn manifest(namespace: &str, member: &Member) -> Json {
    let Member { name, replicas, .. } = *member;
    let mut workload = match member.kind {
        Kind::Deployment => fixtures::deployment(namespace, name, replicas),
        Kind::StatefulSet => fixtures::stateful_set(namespace, name, replicas),
        Kind::DaemonSet => fixtures::daemon_set(namespace, name),
        Kind::ArgoRollout => fixtures::rollout(namespace, name, replicas, &json!([{"setWeight": 50}])),
        Kind::ReplicaSet => fixtures::replica_set(namespace, name, replicas),
        Kind::ReplicationController => fixtures::replication_controller(namespace, name, replicas),
        Kind::Custom(_) => fixtures::clone_set(namespace, name, replicas),
    };
    workload["spec"]["template"]["spec"]["containers"][0]["image"] =
        json!(format!("example.com/{namespace}/{name}:1.7"));
    workload["metadata"]["annotations"] = json!({"example.com/team": namespace});
    fixtures::annotate_template(&mut workload, "prometheus.io/scrape", "true");
    if let Some(quirk) = member.quirk {
        quirk.prepare(&mut workload);
    }
    workload
}

/// Lets somebody do what makes some workloads awkward.
fn meddle(cluster: &SimCluster) -> Result<(), Rejected> {
    for (team, member) in members() {
        if let Some(quirk) = member.quirk {
            cluster.edit("somebody", resource_of(member.kind), team, member.name, |workload| quirk.meddle(workload))?;
        }
    }
    Ok(())
}

fn canaries_wait(cluster: &SimCluster) -> bool {
    let mut canaries = members().filter(|(_, member)| member.quirk == Some(Quirk::MidCanary));
    canaries.all(|(team, member)| {
        let rollout = cluster.get(Resource::Rollouts, team, member.name);
        rollout.is_some_and(|rollout| rollout["status"]["phase"] == "Paused")
    })
}

fn members() -> impl Iterator<Item = (&'static str, &'static Member)> {
    TEAMS.into_iter().flat_map(|(team, members)| members.iter().map(move |member| (team, member)))
}

fn resource_of(kind: Kind) -> Resource {
    match kind {
        Kind::Deployment => Resource::Deployments,
        Kind::StatefulSet => Resource::StatefulSets,
        Kind::DaemonSet => Resource::DaemonSets,
        Kind::ArgoRollout => Resource::Rollouts,
        Kind::ReplicaSet => Resource::ReplicaSets,
        Kind::ReplicationController => Resource::ReplicationControllers,
        Kind::Custom(_) => Resource::CloneSets,
    }
}
