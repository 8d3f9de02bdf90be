//! Campaigns over configs that are given, on a simulated cluster that has never heard of Flippy.

use std::collections::BTreeSet;

use flippy_api::{ConversionOptions, FlippyConfig, FlippyConfigStatus};
use flippy_operator::{Campaign, Clients, Clock, Dialer, News};
use flippy_sim::{Faults, Json, Resource, SimCluster, Verb, fixtures, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const OLD: &str = "docker.io/istio/proxyv2:1.30.3";
const NEW: &str = "docker.io/istio/proxyv2:1.30.4";
const WORKLOADS: usize = 6;

/// A cluster whose mesh was just upgraded. It serves neither `FlippyConfig` nor `Rollout`.
fn cluster() -> SimCluster {
    let cluster = SimCluster::new(7, Faults::none());
    cluster.flip_sidecar(OLD);
    let deployments = (0..WORKLOADS).map(|number| fixtures::deployment("shop", &format!("w{number}"), 2));
    let namespaces = [fixtures::namespace("shop", true)];
    cluster.create_settled(namespaces.into_iter().chain(deployments)).expect("they are valid");
    cluster.flip_sidecar(NEW);
    cluster
}

fn config(strategy: &Json) -> FlippyConfig {
    let check = json!({"CheckStatus": true, "MaxRetry": 10, "RetryDuration": 30});
    serde_json::from_value(serde_json::json!({
        "metadata": {"namespace": "istio-system", "name": "mesh"},
        "spec": {
            "ImageList": [NEW],
            "ProcessFilter": {"Labels": {"istio-injection": "enabled"}, "Containers": ["istio-proxy"]},
            "RestartObjects": [
                {"Type": "Deployment", "StatusCheckConfig": check}, {"Type": "ArgoRollout", "StatusCheckConfig": check},
            ],
            "Strategy": strategy,
        },
    }))
    .expect("it is a FlippyConfig")
}

/// A campaign that somebody listens to.
struct Heard {
    news: mpsc::Receiver<News>,
    changes: mpsc::Sender<FlippyConfig>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Heard {
    fn start(cluster: &SimCluster, config: FlippyConfig) -> Self {
        let (news_tx, news) = mpsc::channel(64);
        let (changes, changes_rx) = mpsc::channel(1);
        let trusted_namespaces = BTreeSet::from(["istio-system".into()]);
        let client = cluster.client("jane");
        let campaign = Campaign {
            clients: Clients { watching: client.clone(), acting: client, elsewhere: Dialer::tcp() },
            conversion: ConversionOptions { ignore_key: "flippy-ignore".into(), trusted_namespaces },
            configs: vec![config],
            changes: changes_rx,
            instance: "jane".to_owned(),
            clock: Clock::starting_at(cluster.now()),
            news: news_tx,
        };
        let stop = CancellationToken::new();
        Self { news, changes, task: tokio::spawn(campaign.run(stop.clone())), stop }
    }

    /// Listens until a status is as wanted; returns it, and who was restarted until then.
    async fn until(&mut self, wanted: impl Fn(&FlippyConfigStatus) -> bool) -> (FlippyConfigStatus, Vec<String>) {
        let mut restarted = Vec::new();
        while let Some(news) = self.news.recv().await {
            match news {
                News::OfWorkload { workload, reason, .. } => {
                    assert_eq!(reason, "Restarted");
                    restarted.push(workload.to_string());
                }
                News::OfConfig { status, .. } if wanted(&status) => return (*status, restarted),
                News::OfConfig { .. } => {}
            }
        }
        panic!("it ended before: {restarted:?}")
    }

    /// Stops it and waits for its end.
    async fn stop(self) {
        self.stop.cancel();
        self.task.await.expect("it does not panic");
    }
}

fn because(status: &FlippyConfigStatus, kind: &str) -> String {
    let found = status.conditions.iter().find(|condition| condition.r#type == kind);
    found.map(|condition| condition.reason.clone()).unwrap_or_default()
}

fn is_all_fresh(status: &FlippyConfigStatus) -> bool {
    because(status, "Ready") == "AllFresh"
}

/// What was written by whoever ran the campaign.
fn written(cluster: &SimCluster) -> BTreeSet<(Verb, Resource)> {
    cluster.with_history(|history| {
        let by_jane = history.requests.iter().filter(|request| *request.user == *"jane");
        let targets = by_jane.filter_map(|request| request.target.as_ref());
        targets.filter(|(verb, ..)| verb.is_write()).map(|(verb, resource, ..)| (*verb, *resource)).collect()
    })
}

fn restarts(cluster: &SimCluster) -> usize {
    cluster.with_history(|history| {
        let is_restart = |request: &&flippy_sim::RequestRecord| {
            let target = request.target.as_ref();
            target.is_some_and(|(verb, resource, ..)| *verb == Verb::Patch && *resource == Resource::Deployments)
        };
        history.requests.iter().filter(is_restart).count()
    })
}

#[test]
fn nothing_of_flippy_is_needed_in_the_cluster_and_nothing_but_restarts_is_left_there() {
    flippy_sim::run(async {
        let cluster = cluster();
        let mut heard = Heard::start(&cluster, config(&json!({})));
        let (status, restarted) = heard.until(is_all_fresh).await;
        assert_eq!(status.workloads.expect("it counts").fresh, 6);
        assert_eq!(restarted.len(), WORKLOADS, "{restarted:?}");
        assert_eq!(
            cluster.images("istio-proxy").into_values().collect::<BTreeSet<_>>(),
            BTreeSet::from([NEW.to_owned()])
        );
        heard.stop().await;
        let expected = BTreeSet::from([(Verb::Patch, Resource::Deployments), (Verb::Create, Resource::Events)]);
        assert_eq!(written(&cluster), expected);
    });
}

#[test]
fn a_second_campaign_goes_on_where_the_first_was_interrupted() {
    flippy_sim::run(async {
        let cluster = cluster();
        let mut first = Heard::start(&cluster, config(&json!({})));
        first.until(|status| status.workloads.as_ref().is_some_and(|counts| counts.fresh == 2)).await;
        first.stop().await;
        let begun = restarts(&cluster);
        assert!(begun < WORKLOADS, "all {begun} were restarted before it was interrupted");
        let mut second = Heard::start(&cluster, config(&json!({})));
        second.until(is_all_fresh).await;
        second.stop().await;
        assert_eq!(restarts(&cluster), WORKLOADS);
    });
}

#[test]
fn what_was_on_its_way_when_it_was_interrupted_is_told() {
    flippy_sim::run(async {
        let cluster = cluster();
        let mut heard = Heard::start(&cluster, config(&json!({"MaxConcurrent": 6})));
        heard.until(|status| because(status, "Ready") == "CampaignUnderWay").await;
        // Its restarts were sent in the same moment; nobody has heard of all of them yet.
        heard.stop.cancel();
        let mut told = BTreeSet::new();
        while let Some(news) = heard.news.recv().await {
            if let News::OfWorkload { workload, .. } = news {
                told.insert(workload.to_string());
            }
        }
        assert_eq!(told.len(), restarts(&cluster), "{told:?}");
        assert!(!told.is_empty());
    });
}

#[test]
fn a_wave_that_waits_for_approval_starts_once_the_config_is_given_with_one() {
    flippy_sim::run(async {
        let cluster = cluster();
        let waves = json!({"Waves": [{"Name": "early", "Percent": 50}, {"Name": "late", "Approval": "Manual"}]});
        let mut heard = Heard::start(&cluster, config(&waves));
        let (status, _) = heard.until(|status| because(status, "Ready") == "AwaitingApproval").await;
        let mut approved = config(&waves);
        let campaign = status.campaign.expect("there are waves");
        let annotation = ("flippy.keikoproj.io/approve-late".to_owned(), format!("{campaign} by jane"));
        approved.metadata.annotations.get_or_insert_default().extend([annotation]);
        heard.changes.send(approved).await.expect("it listens");
        let (status, _) = heard.until(is_all_fresh).await;
        assert_eq!(status.waves[1].approved_by.as_deref(), Some("jane"));
        heard.stop().await;
    });
}

#[test]
fn what_the_status_of_a_given_config_remembers_counts() {
    flippy_sim::run(async {
        let cluster = cluster();
        let waves = json!({"Waves": [{"Name": "early", "Percent": 50}, {"Name": "late", "Approval": "Manual"}]});
        let mut first = Heard::start(&cluster, config(&waves));
        let (mut status, _) = first.until(|status| because(status, "Ready") == "AwaitingApproval").await;
        first.stop().await;
        let at = cluster.now().to_string();
        status.waves[1].approved_at = Some(at);
        let mut second = Heard::start(&cluster, FlippyConfig { status: Some(status), ..config(&waves) });
        second.until(is_all_fresh).await;
        second.stop().await;
    });
}

/// Whoever goes back to images that were wanted before restarts with the same token again.
#[test]
fn what_an_earlier_restart_said_of_the_health_of_a_workload_is_not_said_of_the_next() {
    const UNHEALTHY_BEFORE: &str = "flippy.keikoproj.io/unhealthy-before";
    const TOKEN: &str = "8e0bbde7d261-1";
    flippy_sim::run(async {
        let cluster = SimCluster::new(7, Faults::none());
        cluster.serve_kind("Rollout").expect("it is known");
        cluster.flip_sidecar(OLD);
        let mut deployment = fixtures::deployment("shop", "cart", 1);
        fixtures::annotate_template(&mut deployment, UNHEALTHY_BEFORE, TOKEN);
        let mut rollout = fixtures::rollout("shop", "search", 1, &json!([]));
        rollout["metadata"]["annotations"] = json!({UNHEALTHY_BEFORE: TOKEN});
        cluster.create_settled([fixtures::namespace("shop", true), deployment, rollout]).expect("they are valid");
        cluster.flip_sidecar(NEW);
        Heard::start(&cluster, config(&json!({}))).until(is_all_fresh).await;
        let cart = cluster.get(Resource::Deployments, "shop", "cart").expect("it is there");
        let search = cluster.get(Resource::Rollouts, "shop", "search").expect("it is there");
        for annotations in [&cart["spec"]["template"]["metadata"]["annotations"], &search["metadata"]["annotations"]] {
            assert_eq!(annotations["flippy.keikoproj.io/restarted-for"], TOKEN);
            assert!(annotations[UNHEALTHY_BEFORE].is_null(), "{annotations}");
        }
    });
}
