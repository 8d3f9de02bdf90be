//! Whole operators on the simulated cluster, on virtual time: judged by what the server saw.

use std::collections::BTreeSet;
use std::time::Duration;

use flippy_api::ConversionOptions;
use flippy_operator::lease::{ElectionSettings, Timing};
use flippy_operator::{Clients, Clock, Dialer, Operator, Settings, StartError};
use flippy_sim::{Faults, History, LinkState, RequestRecord, Resource, SimClient, SimCluster, Verb, fixtures, json};
use jiff::Timestamp;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

const OLD: &str = "docker.io/istio/proxyv2:1.30.3";
const NEW: &str = "docker.io/istio/proxyv2:1.30.4";
const SYSTEM: &str = "flippy-system";
const WORKLOADS: usize = 12;
/// A campaign over all of them takes a few minutes.
const PATIENCE: Duration = Duration::from_mins(30);

/// One replica. It is its own user, so that the server can tell it from the others.
struct Replica {
    name: &'static str,
    wire: SimClient,
    stop: CancellationToken,
    task: JoinHandle<Result<(), StartError>>,
}

impl Replica {
    fn start(cluster: &SimCluster, name: &'static str) -> Self {
        let wire = cluster.connect(name);
        let operator = Operator {
            clients: Clients { watching: wire.client.clone(), acting: wire.client.clone(), elsewhere: Dialer::tcp() },
            settings: Settings {
                conversion: ConversionOptions {
                    ignore_key: "flippy-ignore".into(),
                    trusted_namespaces: BTreeSet::from([SYSTEM.into()]),
                },
                resync: Duration::from_hours(10),
                instance: name.to_owned(),
                election: Some(ElectionSettings {
                    namespace: SYSTEM.to_owned(),
                    name: "flippy".to_owned(),
                    identity: name.to_owned(),
                    timing: Timing::default(),
                }),
                health_address: None,
                metrics_address: None,
                metrics_protection: flippy_operator::MetricsProtection::default(),
            },
            clock: Clock::starting_at(cluster.now()),
        };
        let stop = CancellationToken::new();
        Self { name, wire, task: tokio::spawn(operator.run(stop.clone())), stop }
    }

    /// As SIGKILL does.
    fn kill(&self) {
        self.wire.set_link(LinkState::Refused);
        self.task.abort();
    }
}

/// A cluster whose mesh was just upgraded, and a config that wants it.
fn cluster() -> SimCluster {
    let cluster = SimCluster::new(7, Faults::none());
    cluster.serve_kind("FlippyConfig").expect("it is a kind");
    cluster.flip_sidecar(OLD);
    let deployments = (0..WORKLOADS).map(|number| fixtures::deployment("shop", &format!("w{number:02}"), 2));
    let namespaces = [fixtures::namespace(SYSTEM, false), fixtures::namespace("shop", true)];
    cluster.create_settled(namespaces.into_iter().chain(deployments)).expect("they are valid");
    cluster.flip_sidecar(NEW);
    let check = json!({"CheckStatus": true, "MaxRetry": 10, "RetryDuration": 30});
    let config = json!({
        "apiVersion": "keikoproj.io/v1", "kind": "FlippyConfig", "metadata": {"namespace": SYSTEM, "name": "mesh"},
        "spec": {
            "ImageList": [NEW],
            "ProcessFilter": {"Labels": {"istio-injection": "enabled"}, "Containers": ["istio-proxy"]},
            "RestartObjects": [{"Type": "Deployment", "StatusCheckConfig": check}],
        },
    });
    cluster.create(config).expect("it is valid");
    cluster
}

/// Waits until a condition holds; says when it does not come.
async fn until(cluster: &SimCluster, what: &str, holds: impl Fn(&SimCluster) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds(cluster) {
        assert!(Instant::now() < deadline, "{what}: it never came\n{}", cluster.history().trace());
        sleep(Duration::from_millis(50)).await;
    }
}

fn restarts_by(cluster: &SimCluster, user: &str) -> usize {
    cluster.with_history(|history| history.requests.iter().filter(|one| *one.user == *user && is_restart(one)).count())
}

fn is_restart(request: &RequestRecord) -> bool {
    request
        .target
        .as_ref()
        .is_some_and(|(verb, resource, ..)| *verb == Verb::Patch && *resource == Resource::Deployments)
}

fn is_all_fresh(cluster: &SimCluster) -> bool {
    cluster.images("istio-proxy").values().all(|image| image == NEW)
}

fn holder(cluster: &SimCluster) -> String {
    let lease = cluster.get(Resource::Leases, SYSTEM, "flippy");
    lease.and_then(|lease| lease["spec"]["holderIdentity"].as_str().map(str::to_owned)).unwrap_or_default()
}

/// All writes but those of the lease itself, with who held the lease when they arrived.
fn writes(history: &History) -> Vec<(&RequestRecord, BTreeSet<String>)> {
    let leases: Vec<(Timestamp, String)> = history
        .mutations
        .iter()
        .filter(|mutation| mutation.resource == Resource::Leases)
        .map(|mutation| {
            let holder = mutation.after.as_ref().and_then(|lease| lease["spec"]["holderIdentity"].as_str());
            (mutation.at, holder.unwrap_or_default().to_owned())
        })
        .collect();
    let is_write = |request: &&RequestRecord| {
        let target = request.target.as_ref();
        target.is_some_and(|(verb, resource, ..)| verb.is_write() && *resource != Resource::Leases)
    };
    // What happens in the same millisecond has no order here: the one before and the one after both will do.
    let holders = |at: Timestamp| {
        let before = leases.iter().rfind(|(since, _)| *since < at);
        let then = leases.iter().filter(|(since, _)| *since == at);
        before.into_iter().chain(then).map(|(_, holder)| holder.clone()).collect()
    };
    history.requests.iter().filter(is_write).map(|request| (request, holders(request.at))).collect()
}

/// The two things that must hold whatever happened.
fn judge(cluster: &SimCluster) {
    cluster.with_history(|history| {
        for (request, holders) in writes(history) {
            assert!(holders.contains(&*request.user), "{} of {} while {holders:?} led", request.line, request.user);
        }
        let mut restarted = BTreeSet::new();
        for mutation in &history.mutations {
            let by_request = mutation.author.request.and_then(|index| history.requests.get(index));
            if by_request.is_some_and(is_restart) {
                assert!(restarted.insert(mutation.key.clone()), "{} was restarted twice", mutation.key);
            }
        }
    });
}

/// Two replicas, the first of which leads.
async fn leader_and_follower(cluster: &SimCluster) -> (Replica, Replica) {
    let leader = Replica::start(cluster, "a");
    until(cluster, "a leads", |cluster| holder(cluster) == leader.name).await;
    (leader, Replica::start(cluster, "b"))
}

#[test]
fn of_two_replicas_one_acts_and_the_other_watches_and_writes_nothing() {
    flippy_sim::run(async {
        let cluster = cluster();
        let (_leader, follower) = leader_and_follower(&cluster).await;
        until(&cluster, "all are fresh", is_all_fresh).await;
        cluster.with_history(|history| {
            let by_follower = |request: &&RequestRecord| *request.user == *follower.name;
            let verbs: BTreeSet<(Verb, Resource)> = history
                .requests
                .iter()
                .filter(by_follower)
                .filter_map(|request| request.target.as_ref().map(|(verb, resource, ..)| (*verb, *resource)))
                .collect();
            assert!(
                verbs.contains(&(Verb::Watch, Resource::Pods)) && verbs.contains(&(Verb::Watch, Resource::Deployments))
            );
            assert!(verbs.iter().all(|(verb, _)| !verb.is_write()), "{verbs:?}");
        });
        judge(&cluster);
    });
}

#[test]
fn after_a_crash_the_other_one_takes_over_within_the_lease_and_five_seconds_and_lists_nothing_anew() {
    // Wherever in its period of renewal the leader crashes.
    for crash_after_milliseconds in (0..4_000).step_by(250) {
        flippy_sim::run(async {
            let cluster = cluster();
            let (leader, follower) = leader_and_follower(&cluster).await;
            sleep(Duration::from_secs(10) + Duration::from_millis(crash_after_milliseconds)).await;
            let lists = |cluster: &SimCluster| {
                cluster.with_history(|history| {
                    let is_list = |request: &&RequestRecord| {
                        request.target.as_ref().is_some_and(|(verb, ..)| *verb == Verb::List)
                    };
                    history.requests.iter().filter(is_list).count()
                })
            };
            let lists_before = lists(&cluster);
            leader.kill();
            let crashed_at = Instant::now();
            until(&cluster, "b acts", |cluster| restarts_by(cluster, follower.name) > 0).await;
            let took = crashed_at.elapsed();
            assert!(took <= Duration::from_secs(15 + 5), "it took {took:?}");
            until(&cluster, "all are fresh", is_all_fresh).await;
            assert_eq!(lists(&cluster), lists_before);
            judge(&cluster);
        });
    }
}

#[test]
fn after_a_clean_stop_the_other_one_takes_over_at_its_next_look() {
    flippy_sim::run(async {
        let cluster = cluster();
        let (leader, follower) = leader_and_follower(&cluster).await;
        sleep(Duration::from_secs(10)).await;
        leader.stop.cancel();
        leader.task.await.expect("it does not panic").expect("it listens nowhere");
        let lease = cluster.get(Resource::Leases, SYSTEM, "flippy").expect("it exists");
        assert_eq!((&lease["spec"]["holderIdentity"], &lease["spec"]["leaseDurationSeconds"]), (&json!(""), &json!(1)));
        let stopped_at = Instant::now();
        until(&cluster, "b leads", |cluster| holder(cluster) == follower.name).await;
        let took = stopped_at.elapsed();
        assert!(took <= Duration::from_millis(2_100), "it took {took:?}");
        until(&cluster, "all are fresh", is_all_fresh).await;
        judge(&cluster);
    });
}

#[test]
fn a_follower_that_stops_leaves_the_lease_alone() {
    flippy_sim::run(async {
        let cluster = cluster();
        let (leader, follower) = leader_and_follower(&cluster).await;
        sleep(Duration::from_secs(10)).await;
        follower.stop.cancel();
        follower.task.await.expect("it does not panic").expect("it listens nowhere");
        assert_eq!(holder(&cluster), leader.name);
    });
}

#[test]
fn a_leader_that_is_cut_off_stops_before_the_other_one_starts_and_follows_when_it_is_back() {
    for cut in [LinkState::Silent, LinkState::Refused] {
        flippy_sim::run(async {
            let cluster = cluster();
            let (first, second) = leader_and_follower(&cluster).await;
            until(&cluster, "a acts", |cluster| restarts_by(cluster, first.name) > 1).await;
            first.wire.set_link(cut);
            until(&cluster, "b acts", |cluster| restarts_by(cluster, second.name) > 0).await;
            let written = restarts_by(&cluster, first.name);
            first.wire.set_link(LinkState::Up);
            until(&cluster, "all are fresh", is_all_fresh).await;
            assert_eq!(restarts_by(&cluster, first.name), written, "{cut:?}");
            assert!(!first.task.is_finished(), "it watches, to take over again");
            second.kill();
            until(&cluster, "a leads again", |cluster| holder(cluster) == first.name).await;
            judge(&cluster);
        });
    }
}

#[test]
fn a_restart_that_was_on_its_way_when_the_lease_was_lost_is_given_up_and_not_made_twice() {
    flippy_sim::run(async {
        let cluster = cluster();
        let (first, second) = leader_and_follower(&cluster).await;
        sleep(Duration::from_secs(5)).await;
        // Every write is carried out, but its answer takes longer than a lease: nobody can renew.
        cluster.set_faults(Faults { slow: 1.0, slow_milliseconds: 60_000, ..Faults::none() });
        sleep(Duration::from_mins(5)).await;
        cluster.set_faults(Faults::none());
        until(&cluster, "all are fresh", is_all_fresh).await;
        judge(&cluster);
        drop((first, second));
    });
}

#[test]
fn when_a_person_deletes_the_lease_or_writes_nonsense_into_it_the_campaign_goes_on() {
    flippy_sim::run(async {
        let cluster = cluster();
        let replicas = ["a", "b"].map(|name| Replica::start(&cluster, name));
        until(&cluster, "one leads", |cluster| !holder(cluster).is_empty()).await;
        sleep(Duration::from_secs(5)).await;
        cluster.delete("somebody", Resource::Leases, SYSTEM, "flippy").expect("it exists");
        until(&cluster, "one leads", |cluster| !holder(cluster).is_empty()).await;
        let edited = cluster.edit("somebody", Resource::Leases, SYSTEM, "flippy", |lease| {
            lease["spec"] =
                json!({"holderIdentity": "nobody", "leaseDurationSeconds": -5, "leaseTransitions": i32::MAX});
        });
        edited.expect("it exists");
        until(&cluster, "a replica leads", |cluster| replicas.iter().any(|one| one.name == holder(cluster))).await;
        until(&cluster, "all are fresh", is_all_fresh).await;
    });
}

#[test]
fn a_replica_alone_whose_api_server_was_away_for_long_acts_again_when_it_is_back() {
    flippy_sim::run(async {
        let cluster = cluster();
        let only = Replica::start(&cluster, "a");
        until(&cluster, "a acts", |cluster| restarts_by(cluster, only.name) > 1).await;
        only.wire.set_link(LinkState::Refused);
        sleep(Duration::from_mins(10)).await;
        only.wire.set_link(LinkState::Up);
        until(&cluster, "all are fresh", is_all_fresh).await;
        judge(&cluster);
    });
}
