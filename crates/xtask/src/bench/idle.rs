//! What an operator asks of the API server while nothing happens.

use std::time::Duration;

use anyhow::{Result, ensure};
use flippy_e2e::{apply, install};
use k8s_openapi::jiff::Timestamp;

use super::contender::{operator, optimised};
use super::fleet::Fleet;
use super::{say, usage};

const USER: &str = "bench-idle";
const IMAGE: &str = "docker.io/istio/proxyv2:1.30.0";
/// Time for the last status and events of the beginning to be written.
const SETTLE: Duration = Duration::from_secs(15);

pub(super) async fn run(fleet: &Fleet<'_>, minutes: u64) -> Result<()> {
    install::bind(&fleet.client, USER, "idle", fleet.mesh.name()).await?;
    let kubeconfig = fleet.cluster.user_kubeconfig(USER)?;
    let process = operator(&optimised(), fleet.cluster.directory(), &kubeconfig).await?;
    apply::apply(&fleet.client, &[Fleet::config(IMAGE, None)]).await?;
    // Sleeping is the measurement here.
    tokio::time::sleep(SETTLE).await;
    let before = (Timestamp::now(), usage::of(process.id())?);
    say(&format!("watching an idle operator for {minutes} minutes"));
    tokio::time::sleep(Duration::from_mins(minutes)).await;
    let after = usage::of(process.id())?;
    let requests = fleet.cluster.audit().requests()?.by_user(USER).since(before.0);
    println!("requests in {minutes} minutes:\n{}", requests.table());
    println!(
        "processor time {:.2} s, peak resident memory {:.1} MiB",
        after.cpu_seconds - before.1.cpu_seconds,
        after.peak_rss_mib
    );
    let others = requests.only(|request| request.verb != "watch");
    ensure!(others.count() == 0, "an idle operator did more than watch:\n{}", others.table());
    Ok(())
}
