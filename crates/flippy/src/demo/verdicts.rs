//! The plan of the demo's cluster, as `flippy plan` makes it, and what it leaves alone.

use std::collections::BTreeSet;

use flippy_api::{ConversionOptions, FlippyConfig};
use flippy_core::{Kind, Policy, Snapshot, Timestamp, Workload, is_ignored};
use kube::Client;

use crate::exit::Failure;
use crate::plan;
use crate::plan::view::ConfigView;
use crate::refusal;

/// Its name in error messages.
const SERVER: &str = "demo";

/// What `flippy plan` would show now.
pub(super) async fn of(
    client: &Client,
    options: &ConversionOptions,
    now: Timestamp,
) -> Result<Vec<ConfigView>, Failure> {
    plan::of_cluster(client, SERVER, options, now).await
}

/// Workloads that would be in scope of a config if they, or their namespace, did not ask to be left alone.
pub(super) async fn left_alone(
    client: &Client,
    options: &ConversionOptions,
    configs: &[FlippyConfig],
) -> Result<Vec<String>, Failure> {
    let kinds = Kind::ALL.into();
    let snapshot = flippy_operator::list_snapshot(client, &kinds, false).await;
    let snapshot = snapshot.map_err(|error| refusal::failure(&error, SERVER))?;
    let policies: Vec<Policy> = configs.iter().filter_map(|config| flippy_api::policy(config, options).ok()).collect();
    let asks: Vec<&Workload> =
        snapshot.workloads().filter(|workload| asks_for_it(workload, &snapshot, options)).collect();
    let heeds = |workload: &&&Workload| {
        policies.iter().any(|policy| {
            let mut deaf = policy.clone();
            // A key that nobody can carry.
            deaf.scope.ignore_key = "".into();
            deaf.admits(workload, &snapshot)
        })
    };
    let names: BTreeSet<String> = asks.iter().filter(heeds).map(|workload| workload.id.to_string()).collect();
    Ok(names.into_iter().collect())
}

fn asks_for_it(workload: &Workload, snapshot: &Snapshot, options: &ConversionOptions) -> bool {
    let key = &options.ignore_key;
    let namespace = snapshot.namespace(&workload.id.named.namespace);
    is_ignored(&workload.annotations, key)
        || is_ignored(&workload.template_annotations, key)
        || namespace.is_some_and(|labels| is_ignored(labels, key))
}
