//! Configs that are given by somebody, told to the world as a watch would tell of those in a cluster.

use flippy_api::{ConversionOptions, FlippyConfig};
use flippy_core::Kind;
use kube::Client;
use kube::core::DeserializeGuard;
use tokio::sync::mpsc;

use crate::backoff::Backoff;
use crate::configs::ConfigRecord;
use crate::feed::{Item, Signal};
use crate::world::{Delta, Feed, Told};

/// The uid of a config that is nowhere in a cluster. It tells one object of a name from the next; here there is one.
const UID: &str = "given";

/// The group and version in which Argo Rollouts are served.
const ROLLOUTS: &str = "argoproj.io/v1alpha1";

/// Tells of the configs, then of each change of one, until nobody will change any more.
pub(crate) async fn tell_of_configs(
    configs: Vec<FlippyConfig>,
    mut changes: mpsc::Receiver<FlippyConfig>,
    options: ConversionOptions,
    told: mpsc::Sender<Told>,
) {
    let record = |mut config: FlippyConfig| {
        config.metadata.uid.get_or_insert_with(|| UID.to_owned());
        ConfigRecord::new(DeserializeGuard(Ok(config)), &options)
    };
    let signal = |signal| Delta::Signal(Feed::Configs, signal);
    let listed = configs.into_iter().map(|config| Delta::Config(Item::Listed(record(config))));
    let list = std::iter::once(signal(Signal::ListBegins)).chain(listed).chain([signal(Signal::ListEnds)]);
    for delta in list {
        if told.send(Told { run: None, delta }).await.is_err() {
            return;
        }
    }
    while let Some(config) = changes.recv().await {
        let delta = Delta::Config(Item::Changed(record(config)));
        if told.send(Told { run: None, delta }).await.is_err() {
            return;
        }
    }
}

/// Asks once whether Argo Rollouts are served. Discovery is open to everybody; their definition is not.
pub(crate) async fn tell_whether_rollouts_are_served(client: Client, told: mpsc::Sender<Told>) {
    let feed = Feed::Workloads(Kind::ArgoRollout);
    let mut backoff = Backoff::default();
    loop {
        let delta = match client.list_api_group_resources(ROLLOUTS).await {
            Ok(list) => Delta::Served(feed, list.resources.iter().any(|resource| resource.name == "rollouts")),
            Err(kube::Error::Api(status)) if status.code == 404 => Delta::Served(feed, false),
            Err(error) => Delta::ServedUnknown(feed, format!("{ROLLOUTS}: {error}")),
        };
        let is_known = matches!(delta, Delta::Served(..));
        if told.send(Told { run: None, delta }).await.is_err() || is_known {
            return;
        }
        tokio::time::sleep(backoff.after_failure()).await;
    }
}
