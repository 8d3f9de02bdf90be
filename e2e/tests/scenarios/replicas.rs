//! Two replicas with `--leader-elect`: one acts at a time, and the other takes over.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use flippy_e2e::operator::Operator;
use flippy_e2e::scenario::{NEW_IMAGE, Scenario};
use flippy_e2e::wait;
use flippy_e2e::workloads::{Kind, Workload};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::Api;
use serde_json::json;

use crate::config::{MESH, paced, wanting};
use crate::outcome::{LIMIT, marked, ready_because, restarted_once};

flippy_e2e::scenarios! {
    both: [
        of_two_replicas_one_acts_while_the_other_is_ready_and_writes_nothing,
        after_a_crash_of_the_leader_the_other_one_goes_on_within_the_lease_and_five_seconds,
        after_a_clean_stop_of_the_leader_the_other_one_goes_on_without_waiting_for_the_lease,
        leaders_that_are_killed_again_and_again_restart_nothing_twice_and_never_act_without_the_lease,
    ],
    // Embedded operators serve no metrics.
    real: [replicas_say_in_their_metrics_which_of_them_leads],
}

/// Workloads that are there while leaders are killed: `CHUNKS` times `CHUNK`.
const CHUNKS: usize = 6;
const CHUNK: usize = 50;

/// As it is installed.
const AS_SHIPPED: [&str; 1] = ["--leader-elect"];

/// With a short lease, so that tests in which leaders die need not wait a quarter of a minute each time.
const HASTY: [&str; 4] = [
    "--leader-elect",
    "--leader-election-lease-duration=5s",
    "--leader-election-renew-deadline=4s",
    "--leader-election-retry-period=1s",
];
const HASTY_LEASE: Duration = Duration::from_secs(5);
const SHIPPED_LEASE: Duration = Duration::from_secs(15);

async fn of_two_replicas_one_acts_while_the_other_is_ready_and_writes_nothing(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let workloads = s.create_all(&shop, (0..6).map(slow)).await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    let _leader = s.replica("a", &AS_SHIPPED).await?;
    leads(s, "a").await?;
    let follower = s.replica("b", &AS_SHIPPED).await?;

    s.config(s.system(), MESH, wanting(s, &[NEW_IMAGE])).await?;

    ready_because(s, MESH, "AllFresh").await?;
    restarted_once(s, &workloads).await?;
    assert!(follower.is_ready().await);
    let all = s.requests()?;
    let watched = all.by_user(&s.replica_user("b"));
    assert!(watched.verb("watch").resource("pods").count() > 0, "{}", watched.table());
    let written = watched.only(|request| !["get", "list", "watch"].contains(&request.verb.as_str()));
    assert_eq!(written.count(), 0, "{}", written.table());
    held_the_lease_whenever_it_wrote(s)
}

async fn after_a_crash_of_the_leader_the_other_one_goes_on_within_the_lease_and_five_seconds(
    s: &Scenario,
) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let workloads = s.create_all(&shop, (0..12).map(slow)).await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    let leader = s.replica("a", &HASTY).await?;
    leads(s, "a").await?;
    let _follower = s.replica("b", &HASTY).await?;
    s.config(s.system(), MESH, wanting(s, &[NEW_IMAGE])).await?;
    marked(s, Kind::Deployment, &shop, 2).await?;

    leader.kill();
    let killed_at = s.now();

    ready_because(s, MESH, "AllFresh").await?;
    let took = first_restart_by(s, "b")?.duration_since(killed_at);
    let limit = HASTY_LEASE + Duration::from_secs(5);
    assert!(took.unsigned_abs() <= limit, "it took {took:#}");
    restarted_once(s, &workloads).await?;
    held_the_lease_whenever_it_wrote(s)
}

async fn after_a_clean_stop_of_the_leader_the_other_one_goes_on_without_waiting_for_the_lease(
    s: &Scenario,
) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let workloads = s.create_all(&shop, (0..12).map(slow)).await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    let leader = s.replica("a", &AS_SHIPPED).await?;
    leads(s, "a").await?;
    let _follower = s.replica("b", &AS_SHIPPED).await?;
    s.config(s.system(), MESH, wanting(s, &[NEW_IMAGE])).await?;
    marked(s, Kind::Deployment, &shop, 2).await?;
    let told_at = s.now();

    let status = leader.terminate().await?;

    assert_eq!(status.code(), Some(0), "{status}");
    ready_because(s, MESH, "AllFresh").await?;
    let took = first_restart_by(s, "b")?.duration_since(told_at);
    assert!(took.unsigned_abs() < SHIPPED_LEASE, "it took {took:#}");
    restarted_once(s, &workloads).await?;
    held_the_lease_whenever_it_wrote(s)
}

async fn leaders_that_are_killed_again_and_again_restart_nothing_twice_and_never_act_without_the_lease(
    s: &Scenario,
) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let mut workloads = Vec::new();
    // All at once would have to be rolled out within the time of a few.
    for chunk in 0..CHUNKS {
        workloads.extend(s.create_all(&shop, (chunk * CHUNK..(chunk + 1) * CHUNK).map(slow)).await?);
    }
    s.mesh().upgrade(NEW_IMAGE).await?;
    // Each life is a user of its own: one that begins anew must not pass for the one before.
    let mut replicas: Vec<(String, Operator)> = Vec::new();
    for name in ["r0", "r1"] {
        replicas.push((name.to_owned(), s.replica(name, &HASTY).await?));
    }
    s.config(s.system(), MESH, paced(s, &[NEW_IMAGE], &json!({"MaxConcurrent": 10}))).await?;

    for (born, count) in (2..).zip([5, 40, 80, 120, 160, 200, 240, 280]) {
        marked(s, Kind::Deployment, &shop, count).await?;
        let leader = leader(s).await?;
        let place = replicas.iter().position(|(name, _)| *name == leader);
        let (_, operator) = replicas.remove(place.with_context(|| format!("{leader} leads, but does not live"))?);
        operator.kill();
        let name = format!("r{born}");
        let operator = s.replica(&name, &HASTY).await?;
        replicas.push((name, operator));
    }

    ready_because(s, MESH, "AllFresh").await?;
    s.fresh(&workloads, NEW_IMAGE, LIMIT).await?;
    restarted_once(s, &workloads).await?;
    held_the_lease_whenever_it_wrote(s)
}

async fn replicas_say_in_their_metrics_which_of_them_leads(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    s.create_all(&shop, [slow(0)]).await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    let leader = s.replica("a", &AS_SHIPPED).await?;
    leads(s, "a").await?;
    let follower = s.replica("b", &AS_SHIPPED).await?;

    s.config(s.system(), MESH, wanting(s, &[NEW_IMAGE])).await?;

    ready_because(s, MESH, "AllFresh").await?;
    for (replica, said) in [(&leader, "flippy_leader 1"), (&follower, "flippy_leader 0")] {
        let metrics = replica.metrics().await?;
        assert!(metrics.lines().any(|line| line == said), "there is no `{said}` in\n{metrics}");
    }
    Ok(())
}

fn slow(number: usize) -> Workload {
    Workload::deployment(&format!("w{number:03}")).ready_delay(Duration::from_millis(200))
}

fn leases(s: &Scenario) -> Api<Lease> {
    Api::namespaced(s.client(), s.system())
}

/// Waits until a replica has the lease.
async fn leads(s: &Scenario, name: &str) -> Result<()> {
    wait::until(leases(s), "flippy", &format!("{name} to lead"), LIMIT, |lease| {
        let holder = holder(s, lease.ok_or("there is no lease")?);
        if holder.as_deref() == Some(name) { Ok(()) } else { Err(format!("{holder:?} does")) }
    })
    .await
}

/// Who has the lease.
async fn leader(s: &Scenario) -> Result<String> {
    holder(s, &leases(s).get("flippy").await?).context("nobody holds the lease")
}

/// The name of the replica that holds a lease: what follows it makes each of its lives another.
fn holder(s: &Scenario, lease: &Lease) -> Option<String> {
    let identity = lease.spec.as_ref()?.holder_identity.as_deref()?;
    let pod = identity.split('_').next()?;
    pod.strip_prefix(&s.pod_name("")).map(str::to_owned)
}

fn first_restart_by(s: &Scenario, name: &str) -> Result<Timestamp> {
    let restarts = s.requests()?.by_user(&s.replica_user(name)).restarts();
    restarts.iter().map(|restart| restart.received).min().with_context(|| format!("{name} has restarted nothing"))
}

/// Checks that every change was asked for by the one who had taken or renewed the lease last, by the server's own record.
///
/// That a leader gives its lease up cannot be told from a renewal here; the simulation sees that, too.
fn held_the_lease_whenever_it_wrote(s: &Scenario) -> Result<()> {
    let mut holder = String::new();
    let mut changes = 0;
    for request in &s.requests()? {
        match (request.verb.as_str(), request.resource().as_str()) {
            ("get" | "list" | "watch", _) => {}
            (_, "leases") if request.succeeded() => request.user().clone_into(&mut holder),
            (_, "leases") => {}
            (verb, resource) => {
                changes += 1;
                ensure!(
                    request.user() == holder,
                    "{} asked to {verb} {resource} {}/{} at {} while {holder:?} had the lease",
                    request.user(),
                    request.namespace(),
                    request.name(),
                    request.received,
                );
            }
        }
    }
    ensure!(changes > 0, "nothing was changed, so nothing was shown");
    Ok(())
}
