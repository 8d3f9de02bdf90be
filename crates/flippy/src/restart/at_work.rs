//! Whether an operator is at work on the same workloads already.

use std::collections::BTreeSet;
use std::time::Duration;

use flippy_api::{ConversionOptions, FlippyConfig};
use flippy_core::{NamedWorkload, Policy, PolicyName, Snapshot};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::ListParams;
use kube::core::DeserializeGuard;
use kube::{Api, Client, ResourceExt as _};
use tokio::time::Instant;

use crate::exit::Failure;

/// The name of the operator's lease, unless somebody has changed it.
const LEASE: &str = "flippy";

/// Time between two looks at a lease. Its holder renews it every two seconds.
const LOOK: Duration = Duration::from_secs(1);

/// How long a lease lasts that does not say so.
const LEASE_LASTS: i32 = 15;

/// Refuses to begin beside an operator.
///
/// Two that act on the same workloads do no double restarts, but each counts its own limits, and the operator would make
/// decisions that whoever is at the terminal does not see.
///
/// # Errors
/// When an operator is at work on one of `installed` that overlaps with `ours`, or when that cannot be told.
pub(super) async fn refuse_beside_an_operator(
    client: &Client,
    ours: &[&Policy],
    installed: &[DeserializeGuard<FlippyConfig>],
    snapshot: &Snapshot,
    options: &ConversionOptions,
) -> Result<(), Failure> {
    let overlapping: Vec<Overlap> =
        installed.iter().filter_map(|config| overlap(config.0.as_ref().ok()?, ours, snapshot, options)).collect();
    let Some(example) = overlapping.first() else { return Ok(()) };
    let places: BTreeSet<&str> = options
        .trusted_namespaces
        .iter()
        .map(AsRef::as_ref)
        .chain(overlapping.iter().map(|overlap| overlap.config.namespace.as_ref()))
        .collect();
    match holder(client, &places).await {
        Leadership::Nobody => Ok(()),
        // One that needs no lease may be at work, and only its answers show it.
        Leadership::NoLease => overlapping.iter().find(|overlap| overlap.is_answered).map_or(Ok(()), |answered| {
            let found = format!(
                "an operator without leader election may be at work: the status of FlippyConfig {} answers its present \
                 spec (if none is at work any more, say so with --no-operator)",
                answered.config
            );
            Err(refusal(answered, &found))
        }),
        Leadership::Somebody(who) => Err(refusal(example, &format!("an operator ({who}) is at work"))),
        Leadership::Unknown(why) => {
            Err(refusal(example, &format!("an operator may be at work, which cannot be told: {why}")))
        }
    }
}

/// A config of the cluster that is about some of the same workloads.
struct Overlap {
    config: PolicyName,
    example: NamedWorkload,
    /// Whether an operator has looked at its present spec.
    is_answered: bool,
}

fn refusal(overlap: &Overlap, found: &str) -> Failure {
    let Overlap { config, example, .. } = overlap;
    Failure::error(format!(
        "{found}, and FlippyConfig {config} of this cluster is about some of the same workloads, for example {example}: \
         let the operator do it (`flippy status {name} -n {namespace} --watch`), or take it out of its hands first with \
         `flippy pause {name} -n {namespace}`",
        name = config.name,
        namespace = config.namespace
    ))
}

/// What is paused or on a dry run restarts nothing, and so is in nobody's way.
fn overlap(
    config: &FlippyConfig,
    ours: &[&Policy],
    snapshot: &Snapshot,
    options: &ConversionOptions,
) -> Option<Overlap> {
    let policy = flippy_api::policy(config, options).ok()?;
    if policy.suspended || policy.dry_run || policy.selects_nothing().is_some() {
        return None;
    }
    let is_about = |policy: &Policy, workload: &flippy_core::Workload| {
        policy.admits(workload, snapshot) || policy.restarts_first(&workload.id.named)
    };
    let both = |workload: &&flippy_core::Workload| {
        is_about(&policy, workload) && ours.iter().any(|ours| is_about(ours, workload))
    };
    let example = snapshot.workloads().find(both)?.id.named.clone();
    let observed = config.status.as_ref().and_then(|status| status.observed_generation);
    let is_answered = observed.is_some() && observed == config.metadata.generation;
    Some(Overlap { config: policy.name.clone(), example, is_answered })
}

enum Leadership {
    /// There is a lease, and nobody renews it.
    Nobody,
    /// No operator has ever asked to lead.
    NoLease,
    Somebody(String),
    /// Nobody knows, and why.
    Unknown(String),
}

/// Who holds a lease of an operator. Whether it is renewed is seen by looking twice: the clocks of the cluster and of
/// this machine may differ.
async fn holder(client: &Client, places: &BTreeSet<&str>) -> Leadership {
    let first = match leases(client, places).await {
        Ok(leases) => leases,
        Err(error) => return Leadership::Unknown(crate::refusal::chain(&error)),
    };
    if first.is_empty() {
        return Leadership::NoLease;
    }
    let held: Vec<&Lease> = first.iter().filter(|lease| holder_of(lease).is_some()).collect();
    let lasts = held.iter().map(|lease| duration_of(lease)).max().unwrap_or_default();
    let deadline = Instant::now() + lasts;
    if !held.is_empty() {
        eprintln!("note: looking whether an operator is at work, for at most {} s", lasts.as_secs());
    }
    while !held.is_empty() && Instant::now() < deadline {
        tokio::time::sleep(LOOK.min(lasts)).await;
        let Ok(second) = leases(client, places).await else { continue };
        let is_news = |lease: &&Lease| !first.iter().any(|known| version(known) == version(lease));
        if let Some(who) = second.iter().filter(is_news).find_map(holder_of) {
            return Leadership::Somebody(who);
        }
    }
    Leadership::Nobody
}

/// The operator's leases: of all namespaces, or of those where it is likely to be if others may not be listed.
async fn leases(client: &Client, places: &BTreeSet<&str>) -> Result<Vec<Lease>, kube::Error> {
    let named = ListParams::default().fields(&format!("metadata.name={LEASE}"));
    let everywhere = Api::<Lease>::all(client.clone()).list(&named).await;
    let refused = match everywhere {
        Ok(list) => return Ok(list.items.into_iter().filter(|lease| lease.name_any() == LEASE).collect()),
        Err(kube::Error::Api(status)) if status.code == 403 => status,
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    let mut could_look = false;
    for place in places {
        match Api::<Lease>::namespaced(client.clone(), place).get_opt(LEASE).await {
            Ok(lease) => {
                could_look = true;
                found.extend(lease);
            }
            Err(kube::Error::Api(status)) if status.code == 403 => {}
            Err(error) => return Err(error),
        }
    }
    if could_look { Ok(found) } else { Err(kube::Error::Api(refused)) }
}

fn holder_of(lease: &Lease) -> Option<String> {
    let spec = lease.spec.as_ref()?;
    spec.holder_identity.clone().filter(|holder| !holder.is_empty())
}

fn duration_of(lease: &Lease) -> Duration {
    let seconds = lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds).unwrap_or(LEASE_LASTS);
    // Anybody who may write a lease can write a year.
    Duration::from_secs(u64::try_from(seconds.clamp(1, 60)).unwrap_or_default())
}

fn version(lease: &Lease) -> (Option<&str>, Option<&str>) {
    (lease.metadata.uid.as_deref(), lease.metadata.resource_version.as_deref())
}
