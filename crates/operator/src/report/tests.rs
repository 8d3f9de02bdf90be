//! What is written when, and what of it is no news when the watch shows it, against a simulated API server.

use flippy_api::ConversionOptions;
use flippy_sim::{Faults, Resource, SimCluster, json};

use super::*;
use crate::lease::Mandate;
use crate::metrics::Metrics;
use crate::slim::SlimConfig;

const NAMESPACE: &str = "istio-system";
const NAME: &str = "mesh";

/// A cluster with a config, and who reports on it.
fn cluster() -> (SimCluster, Reports) {
    let cluster = SimCluster::new(7, Faults::none());
    cluster.serve_kind("FlippyConfig").expect("it is known");
    let spec = json!({"ImageList": ["istio/proxyv2:1.30.4"], "RestartObjects": [{"Type": "Deployment"}]});
    let config = json!({
        "apiVersion": "keikoproj.io/v1", "kind": "FlippyConfig", "metadata": {"namespace": NAMESPACE, "name": NAME},
        "spec": spec,
    });
    cluster.create_settled([flippy_sim::fixtures::namespace(NAMESPACE, false), config]).expect("they are valid");
    let client = cluster.client("flippy");
    let (instance, metrics) = ("flippy-0".to_owned(), Metrics::new());
    let (events, _) = Events::start(client.clone(), instance, Mandate::Unlimited, metrics, Audience::Cluster);
    let mut reports = Reports::new(client, events, Audience::Cluster);
    reports.adopt(&shown(&cluster));
    (cluster, reports)
}

/// The config as a watch would show it now.
fn shown(cluster: &SimCluster) -> ConfigRecord {
    let config = cluster.get(Resource::FlippyConfigs, NAMESPACE, NAME).expect("it is there");
    let config: SlimConfig = serde_json::from_value((&config).into()).expect("it decodes");
    let trusted_namespaces = [NAMESPACE.into()].into();
    ConfigRecord::new(config.read(), &ConversionOptions { ignore_key: "ignore".into(), trusted_namespaces })
}

fn found(why: &str) -> Decided {
    let name = PolicyName { namespace: NAMESPACE.into(), name: NAME.into() };
    Decided { revoked: false, ..Decided::nothing(name, 1, Findings::NotWatched(why.to_owned())) }
}

/// Somebody else writes a status.
async fn overwrite(cluster: &SimCluster) {
    let somebody = Api::<SlimConfig>::namespaced(cluster.client("somebody"), NAMESPACE);
    let patch = Patch::Merge(json!({"status": {"conditions": []}}));
    somebody.patch_status(NAME, &PatchParams::default(), &patch).await.expect("they may");
}

fn report(cluster: &SimCluster, reports: &mut Reports, why: &str) -> Option<Instant> {
    reports.report(&found(why), None, cluster.now())
}

/// It is too soon; reports again when it is not.
async fn report_later(cluster: &SimCluster, reports: &mut Reports, why: &str) {
    let not_before = report(cluster, reports, why).expect("it is to be written, a little later");
    tokio::time::sleep_until(not_before).await;
    report(cluster, reports, why);
}

#[test]
fn a_status_is_no_news_once_it_is_on_its_way_and_until_somebody_else_writes_another() {
    flippy_sim::run(async {
        let (cluster, mut reports) = cluster();
        assert!(!reports.has_written(&shown(&cluster)), "nothing is written yet");
        report(&cluster, &mut reports, "no pods");
        assert!(!reports.has_written(&shown(&cluster)), "it shows none yet");
        // The watch may show it before the answer is here.
        while shown(&cluster).status.is_none() {
            tokio::task::yield_now().await;
        }
        assert!(reports.has_written(&shown(&cluster)), "it is on its way");
        assert!(!reports.written().await);
        assert!(reports.has_written(&shown(&cluster)), "it is written");
        overwrite(&cluster).await;
        assert!(!reports.has_written(&shown(&cluster)), "it is not ours");
    });
}

#[test]
fn what_was_found_while_a_status_was_on_its_way_is_to_be_written_after_it() {
    flippy_sim::run(async {
        let (cluster, mut reports) = cluster();
        report(&cluster, &mut reports, "no pods");
        report(&cluster, &mut reports, "no namespaces");
        assert!(reports.written().await);
        report_later(&cluster, &mut reports, "no namespaces").await;
        assert!(!reports.written().await);
        assert_eq!(report(&cluster, &mut reports, "no namespaces"), None);
        assert!(reports.has_written(&shown(&cluster)));
    });
}

#[test]
fn a_status_that_nobody_knows_to_be_written_is_news_and_written_again() {
    flippy_sim::run(async {
        let (cluster, mut reports) = cluster();
        cluster.set_faults(Faults { timeout_after: 1.0, ..Faults::none() });
        report(&cluster, &mut reports, "no pods");
        assert!(reports.written().await);
        assert!(shown(&cluster).status.is_some(), "it was carried out all the same");
        assert!(!reports.has_written(&shown(&cluster)), "but nobody knows");
        cluster.set_faults(Faults::none());
        report_later(&cluster, &mut reports, "no pods").await;
        assert!(!reports.written().await);
        assert!(reports.has_written(&shown(&cluster)));
    });
}

#[test]
fn what_somebody_else_wrote_while_a_status_was_on_its_way_is_looked_at_after_it() {
    flippy_sim::run(async {
        let (cluster, mut reports) = cluster();
        // The answer takes longer than what it tells of.
        cluster.set_faults(Faults { latency_milliseconds: 2_000, ..Faults::none() });
        report(&cluster, &mut reports, "no pods");
        while shown(&cluster).status.is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        cluster.set_faults(Faults::none());
        overwrite(&cluster).await;
        reports.adopt(&shown(&cluster));
        report(&cluster, &mut reports, "no pods");
        assert!(reports.written().await);
        reports.adopt(&shown(&cluster));
        report_later(&cluster, &mut reports, "no pods").await;
        reports.written().await;
        assert!(reports.has_written(&shown(&cluster)));
    });
}

#[test]
fn a_status_that_found_no_config_is_tried_again_as_long_as_there_is_one() {
    flippy_sim::run(async {
        let (cluster, mut reports) = cluster();
        let config = shown(&cluster);
        cluster.delete("somebody", Resource::FlippyConfigs, NAMESPACE, NAME).expect("they may");
        report(&cluster, &mut reports, "no pods");
        assert!(reports.written().await);
        // As far as the watch has shown.
        reports.adopt(&config);
        assert!(report(&cluster, &mut reports, "no pods").is_some(), "it waits a while");
        reports.retain(|_| false);
        assert_eq!(report(&cluster, &mut reports, "no pods"), None);
    });
}
