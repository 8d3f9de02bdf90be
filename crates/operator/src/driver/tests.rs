//! How often the loop decides, on a simulated cluster and in virtual time.

use flippy_api::ConversionOptions;
use flippy_sim::{Faults, Json, Resource, SimCluster, fixtures, json};

use super::*;
use crate::dial::Dialer;
use crate::operator::Parts;

const NAMESPACE: &str = "istio-system";
const NAME: &str = "mesh";

/// A cluster with a config, the metrics of a loop that runs on it, and what ends it.
fn run_on_a_cluster() -> (SimCluster, Metrics, CancellationToken) {
    let cluster = SimCluster::new(7, Faults::none());
    cluster.serve_kind("FlippyConfig").expect("it is known");
    let config = json!({
        "apiVersion": "keikoproj.io/v1", "kind": "FlippyConfig", "metadata": {"namespace": NAMESPACE, "name": NAME},
        "spec": {"ImageList": ["istio/proxyv2:1.30.4"], "RestartObjects": [{"Type": "Deployment"}]},
    });
    let objects = [fixtures::namespace(NAMESPACE, false), fixtures::namespace("shop", true), config];
    cluster.create_settled(objects).expect("they are valid");
    let (metrics, stop, client) = (Metrics::new(), CancellationToken::new(), cluster.client("flippy"));
    let conversion =
        ConversionOptions { ignore_key: "ignore".into(), trusted_namespaces: BTreeSet::from([NAMESPACE.into()]) };
    let (told_tx, told) = mpsc::channel(64);
    let driver = Driver::new(Parts {
        clients: Clients { watching: client.clone(), acting: client.clone(), elsewhere: Dialer::tcp() },
        clock: Clock::starting_at(cluster.now()),
        instance: "flippy-0".to_owned(),
        audience: Audience::Cluster,
        leadership: watch::channel(Mandate::Unlimited).1,
        source_feeds: SourceFeeds::new(client.clone(), told_tx.clone(), stop.child_token()),
        feeds: Feeds::start(client, conversion, told_tx, stop.child_token()),
        metrics: metrics.clone(),
        health: watch::channel(Health { turned_at: Instant::now(), not_ready: None }).0,
        resync: Duration::from_hours(10),
    });
    tokio::spawn(driver.run(told, stop.clone()));
    (cluster, metrics, stop)
}

/// How many passes there have been when nothing has happened for a while.
async fn passes(metrics: &Metrics) -> u64 {
    tokio::time::sleep(Duration::from_mins(1)).await;
    let text = metrics.render();
    let count = text.lines().find_map(|line| line.strip_prefix("flippy_pass_seconds_count ")).expect("it is counted");
    count.parse().expect("it is a number")
}

fn is_said_to_be_suspended(cluster: &SimCluster) -> bool {
    let config = cluster.get(Resource::FlippyConfigs, NAMESPACE, NAME).expect("it is there");
    let conditions = config["status"]["conditions"].as_array();
    conditions.into_iter().flatten().any(|condition| condition["reason"] == "Suspended")
}

#[test]
fn an_edited_config_is_one_pass_and_the_status_that_it_leads_to_is_none() {
    flippy_sim::run(async {
        let (cluster, metrics, stop) = run_on_a_cluster();
        let before = passes(&metrics).await;
        let suspend = |config: &mut Json| config["spec"]["Suspend"] = json!(true);
        cluster.edit("ann", Resource::FlippyConfigs, NAMESPACE, NAME, suspend).expect("she may");
        assert_eq!(passes(&metrics).await - before, 1);
        assert!(is_said_to_be_suspended(&cluster));
        stop.cancel();
    });
}

#[test]
fn what_changes_within_a_moment_is_one_pass() {
    flippy_sim::run(async {
        let (cluster, metrics, stop) = run_on_a_cluster();
        let before = passes(&metrics).await;
        for number in 0..5 {
            let relabel = |namespace: &mut Json| namespace["metadata"]["labels"]["team"] = json!(format!("{number}"));
            cluster.edit("ann", Resource::Namespaces, "", "shop", relabel).expect("she may");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(passes(&metrics).await - before, 1);
        stop.cancel();
    });
}

#[test]
fn a_kind_that_a_config_no_longer_names_is_no_longer_watched() {
    flippy_sim::run(async {
        let (cluster, metrics, stop) = run_on_a_cluster();
        let is_watched =
            |kind: &str| metrics.render().contains(&format!("flippy_watch_synced{{resource=\"{kind}\"}} 1"));
        passes(&metrics).await;
        assert_eq!([is_watched("Deployment"), is_watched("StatefulSet")], [true, false]);
        let rename = |config: &mut Json| config["spec"]["RestartObjects"] = json!([{"Type": "StatefulSet"}]);
        cluster.edit("ann", Resource::FlippyConfigs, NAMESPACE, NAME, rename).expect("she may");
        passes(&metrics).await;
        assert_eq!([is_watched("Deployment"), is_watched("StatefulSet")], [false, true]);
        stop.cancel();
    });
}
