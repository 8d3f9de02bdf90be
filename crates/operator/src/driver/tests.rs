//! How often the loop decides, on a simulated cluster and in virtual time.

use std::sync::atomic::{AtomicU64, Ordering};

use flippy_api::ConversionOptions;
use flippy_sim::{Faults, Json, Resource, SimCluster, fixtures, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::dial::Dialer;
use crate::operator::Parts;

const NAMESPACE: &str = "istio-system";
const NAME: &str = "mesh";

/// A cluster with a config, the metrics of a loop that runs on it, and what ends it.
fn run_on_a_cluster() -> (SimCluster, Metrics, CancellationToken) {
    let spec = json!({"ImageList": ["istio/proxyv2:1.30.4"], "RestartObjects": [{"Type": "Deployment"}]});
    run_with(&spec, &[], Dialer::tcp())
}

/// The same with this spec, these objects, and this way to others.
fn run_with(spec: &Json, objects: &[Json], elsewhere: Dialer) -> (SimCluster, Metrics, CancellationToken) {
    let cluster = SimCluster::new(7, Faults::none());
    cluster.serve_kind("FlippyConfig").expect("it is known");
    cluster.flip_sidecar("istio/proxyv2:1.30.3");
    let config = json!({
        "apiVersion": "keikoproj.io/v1", "kind": "FlippyConfig", "metadata": {"namespace": NAMESPACE, "name": NAME},
        "spec": spec,
    });
    let always = [fixtures::namespace("shop", true), config];
    cluster.create_settled(always.into_iter().chain(objects.iter().cloned())).expect("they are valid");
    let (metrics, stop, client) = (Metrics::new(), CancellationToken::new(), cluster.client("flippy"));
    let conversion =
        ConversionOptions { ignore_key: "ignore".into(), trusted_namespaces: BTreeSet::from([NAMESPACE.into()]) };
    let (told_tx, told) = mpsc::channel(64);
    let driver = Driver::new(Parts {
        clients: Clients { watching: client.clone(), acting: client.clone(), elsewhere },
        clock: Clock::starting_at(cluster.now()),
        instance: "flippy-0".to_owned(),
        audience: Audience::Cluster,
        leadership: watch::channel(Mandate::Unlimited).1,
        source_feeds: SourceFeeds::new(client.clone(), told_tx.clone()),
        feeds: Feeds::start(client, conversion, told_tx),
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
    passes_so_far(metrics)
}

fn passes_so_far(metrics: &Metrics) -> u64 {
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

/// The way to a Prometheus that has nothing to report, and how often it was asked.
fn prometheus() -> (Dialer, Arc<AtomicU64>) {
    let asked = Arc::new(AtomicU64::new(0));
    let counter = asked.clone();
    let dialer = Dialer::through(tower::service_fn(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
        let (theirs, mut ours) = tokio::io::duplex(16 * 1024);
        tokio::spawn(async move {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                ours.read_buf(&mut request).await?;
            }
            let body = r#"{"status": "success", "data": {"resultType": "vector", "result": []}}"#;
            let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}", body.len());
            ours.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).await
        });
        std::future::ready(Ok(theirs))
    }));
    (dialer, asked)
}

#[test]
fn a_gate_that_answers_the_same_time_and_again_is_no_reason_to_decide_anew_and_is_let_rest_when_nobody_waits() {
    flippy_sim::run(async {
        let spec = json!({
            "ImageList": ["istio/proxyv2:1.30.4"], "RestartObjects": [{"Type": "Deployment"}],
            "ProcessFilter": {"Containers": ["istio-proxy"]},
            "Gates": [{"Name": "alerts", "Prometheus": {"URL": "http://prometheus:9090", "Query": "alerts"}}],
            // The restart that waits is not to begin.
            "Windows": [{"Type": "Allow", "Schedule": "0 0 1 7 *", "Duration": "1h"}],
        });
        let (dialer, asked) = prometheus();
        let (cluster, metrics, stop) = run_with(&spec, &[fixtures::deployment("shop", "cart", 1)], dialer);
        // It counts as open by then.
        tokio::time::sleep(Duration::from_mins(5)).await;
        let so_far = || (asked.load(Ordering::Relaxed), passes_so_far(&metrics));
        let before = so_far();
        tokio::time::sleep(Duration::from_hours(1)).await;
        let after = so_far();
        // Every half minute; and an answer counts for three of those.
        assert_eq!((after.0 - before.0, after.1 - before.1), (120, 40));

        cluster.delete("ann", Resource::Deployments, "shop", "cart").expect("she may");
        tokio::time::sleep(Duration::from_mins(3)).await;
        let resting = asked.load(Ordering::Relaxed);
        assert!(resting - after.0 >= 4, "it is asked for two minutes more");
        tokio::time::sleep(Duration::from_hours(1)).await;
        assert_eq!(asked.load(Ordering::Relaxed), resting);
        stop.cancel();
    });
}
