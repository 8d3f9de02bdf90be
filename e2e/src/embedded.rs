//! The embedded backend: the simulated cluster of `crates/sim` and the real operator in this process, on virtual time.
//!
//! It differs from the real one in what the simulation says of itself, and in this: nobody needs permissions, the
//! operator serves neither health nor metrics, and whether it is ready is read from its requests.

mod election;
mod life;

use anyhow::{Context, Result, ensure};
use flippy_api::ConversionOptions;
use flippy_sim::{Faults, Injector, Key, Part, PodDelays, RequestRecord, Resource, SimCluster, Verb};
use jiff::Timestamp;
use kube::Client;

pub(crate) use self::life::Life;
use crate::audit::{ObjectRef, Request, Requests, ResponseStatus, User};
use crate::mesh::{MESH_LABEL, Sidecar};
use crate::nodes::NODES;
use crate::user;

/// The environment variable that names another seed than the usual one. Every scenario should pass with any.
const SEED_VARIABLE: &str = "FLIPPY_E2E_SEED";

/// Pods are as fast as kwok's unless they say otherwise; the waits of scenarios are made for that.
const POD_DELAYS: PodDelays = PodDelays { ready: (5, 100), stop: (5, 50) };

/// The flag that names the ignore key, as `flippy run` has it.
const IGNORE_KEY_FLAG: &str = "--flippy-ignore-key=";
const CONFIG_NAMESPACE_FLAG: &str = "--config-namespace=";

/// A simulated cluster.
#[derive(Clone)]
pub(crate) struct Embedded {
    cluster: SimCluster,
}

impl Embedded {
    /// An empty cluster with Argo Rollouts installed.
    pub(crate) fn start() -> Result<Self> {
        let seed = match std::env::var(SEED_VARIABLE) {
            Ok(seed) => seed.parse().with_context(|| format!("{SEED_VARIABLE} is {seed}, which is no number"))?,
            Err(_) => 1,
        };
        let cluster = SimCluster::new(seed, Faults::none());
        cluster.set_nodes(u64::try_from(NODES)?);
        cluster.set_pod_delays(POD_DELAYS);
        cluster.serve_kind("Rollout")?;
        Ok(Self { cluster })
    }

    pub(crate) fn client(&self, user: &str) -> Client {
        self.cluster.client(user)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.cluster.now()
    }

    /// What the `MutatingAdmissionPolicy` of a mesh says, to the simulated injector.
    pub(crate) fn inject(&self, mesh: &str, sidecar: Sidecar) {
        self.cluster.set_injector(Injector {
            namespace_label: (MESH_LABEL.to_owned(), mesh.to_owned()),
            config_map: Key::new(mesh, "sidecar"),
            native: sidecar == Sidecar::Native,
        });
    }

    /// Serves Argo's Rollouts again after their definition was deleted.
    pub(crate) fn serve_rollouts(&self) -> Result<()> {
        Ok(self.cluster.serve_kind("Rollout")?)
    }

    /// Forgets the changes so far, as etcd's compaction does.
    pub(crate) fn compact(&self) {
        self.cluster.compact();
    }

    /// Starts an operator as `flippy run` would with these arguments, of which few are known here.
    pub(crate) fn operator(&self, name: &str, user: &str, own_namespace: &str, arguments: &[&str]) -> Result<Life> {
        let mut ignore_key = "flippy-ignore";
        let (election, others) = election::settings(arguments, name, own_namespace)?;
        let mut trusted = Vec::new();
        for argument in others {
            if let Some(namespace) = argument.strip_prefix(CONFIG_NAMESPACE_FLAG) {
                trusted.push(namespace);
                continue;
            }
            ensure!(argument.starts_with(IGNORE_KEY_FLAG), "an embedded operator does not know {argument}");
            ignore_key = &argument[IGNORE_KEY_FLAG.len()..];
        }
        if trusted.is_empty() {
            trusted = vec![own_namespace, "istio-system"];
        }
        let conversion = ConversionOptions {
            ignore_key: ignore_key.into(),
            trusted_namespaces: trusted.into_iter().map(Into::into).collect(),
        };
        Ok(Life::begin(&self.cluster, user, conversion, election))
    }

    /// The requests of a user and its replicas since the cluster was made, in the words of an audit log.
    pub(crate) fn requests(&self, user: &str) -> Requests {
        self.cluster.with_history(|history| {
            let requests = history.requests.iter().enumerate();
            Requests(requests.filter(|(_, request)| user::is_or_replaces(&request.user, user)).map(audited).collect())
        })
    }

    /// The end of what happened, for messages.
    pub(crate) fn trace(&self, lines: usize) -> String {
        let trace = self.cluster.with_history(flippy_sim::History::trace);
        let all: Vec<&str> = trace.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }
}

fn audited((place, request): (usize, &RequestRecord)) -> Request {
    let (verb, object_ref) = match &request.target {
        None => ("get", ObjectRef::default()),
        Some((verb, resource, part, key)) => (verb_name(*verb), object_ref(*resource, *part, key)),
    };
    let code = match request.outcome {
        flippy_sim::Outcome::Answered(code) => code,
        flippy_sim::Outcome::Pending | flippy_sim::Outcome::Broken => 0,
    };
    Request {
        audit_id: place.to_string(),
        verb: verb.to_owned(),
        uri: request.line.split_once(' ').map_or("", |(_, uri)| uri).to_owned(),
        user: User { username: request.user.to_string() },
        object_ref,
        response_status: ResponseStatus { code },
        received: request.at,
    }
}

fn verb_name(verb: Verb) -> &'static str {
    match verb {
        Verb::Get => "get",
        Verb::List => "list",
        Verb::Watch => "watch",
        Verb::Create => "create",
        Verb::Update => "update",
        Verb::Patch => "patch",
        Verb::Delete => "delete",
    }
}

fn object_ref(resource: Resource, part: Part, key: &Key) -> ObjectRef {
    let subresource = match part {
        Part::Main => "",
        Part::Status => "status",
        Part::Eviction => "eviction",
    };
    ObjectRef {
        resource: resource.plural().to_owned(),
        subresource: subresource.to_owned(),
        namespace: key.namespace.to_string(),
        name: key.name.to_string(),
    }
}
