//! One life of an operator in this process: it begins knowing nothing, and is killed or told to stop.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use flippy_api::ConversionOptions;
use flippy_operator::lease::ElectionSettings;
use flippy_operator::{Clients, Clock, Dialer, Settings, StartError};
use flippy_sim::{LinkState, Outcome, Resource, SimClient, SimCluster, Verb};
use futures::FutureExt;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::operator::LIMIT;

/// What an operator watches once it is ready, whatever configs there are.
const ALWAYS_WATCHED: [Resource; 4] =
    [Resource::FlippyConfigs, Resource::Namespaces, Resource::Pods, Resource::ReplicaSets];

/// How often its requests are looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// A running operator.
pub(crate) struct Life {
    cluster: SimCluster,
    wire: SimClient,
    user: String,
    /// How many requests there were before it began.
    earlier_requests: usize,
    stop: CancellationToken,
    task: JoinHandle<Result<(), StartError>>,
}

// By hand, because a cluster has none.
impl std::fmt::Debug for Life {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Life").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Life {
    pub(crate) fn begin(
        cluster: &SimCluster,
        user: &str,
        conversion: ConversionOptions,
        election: Option<ElectionSettings>,
    ) -> Self {
        let wire = cluster.connect(user);
        let operator = flippy_operator::Operator {
            clients: Clients { watching: wire.client.clone(), acting: wire.client.clone(), elsewhere: Dialer::tcp() },
            settings: Settings {
                conversion,
                resync: Duration::from_hours(10),
                instance: "flippy-0".to_owned(),
                election,
                health_address: None,
                metrics_address: None,
                metrics_protection: flippy_operator::MetricsProtection::default(),
            },
            clock: Clock::starting_at(cluster.now()),
        };
        let stop = CancellationToken::new();
        Self {
            cluster: cluster.clone(),
            wire,
            user: user.to_owned(),
            earlier_requests: cluster.with_history(|history| history.requests.len()),
            task: tokio::spawn(operator.run(stop.clone())),
            stop,
        }
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.cluster.with_history(|history| {
            let mine: Vec<_> = history.requests[self.earlier_requests..]
                .iter()
                .filter(|request| *request.user == *self.user && request.outcome == Outcome::Answered(200))
                .filter_map(|request| request.target.as_ref())
                .collect();
            let watches = |resource| mine.iter().any(|(verb, of, ..)| *verb == Verb::Watch && *of == resource);
            ALWAYS_WATCHED.into_iter().all(watches)
        })
    }

    pub(crate) async fn ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + LIMIT;
        while !self.is_ready() {
            if let Some(status) = self.exited()? {
                bail!("the operator ended ({status}) before it was ready");
            }
            ensure!(Instant::now() < deadline, "the operator was not ready after {} s", LIMIT.as_secs());
            sleep(LOOK_INTERVAL).await;
        }
        Ok(())
    }

    /// Its requests fail from now on and nothing of it runs any more, as if the process were gone.
    pub(crate) fn kill(&mut self) {
        self.wire.set_link(LinkState::Refused);
        self.task.abort();
    }

    pub(crate) async fn terminate(&mut self) -> Result<ExitStatus> {
        self.stop.cancel();
        match timeout(LIMIT, &mut self.task).await {
            Ok(ended) => Ok(exit_status(&ended?)),
            Err(_) => bail!("the operator was still running {} s after it was told to stop", LIMIT.as_secs()),
        }
    }

    pub(crate) fn exited(&mut self) -> Result<Option<ExitStatus>> {
        if !self.task.is_finished() {
            return Ok(None);
        }
        match (&mut self.task).now_or_never() {
            Some(ended) => Ok(Some(exit_status(&ended?))),
            None => Ok(None),
        }
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What `flippy run` would end with.
fn exit_status(ended: &Result<(), StartError>) -> ExitStatus {
    ExitStatus::from_raw(if ended.is_ok() { 0 } else { 1 << 8 })
}
