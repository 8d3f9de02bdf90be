//! One day from its beginning until everything is quiet.

use std::sync::atomic::Ordering;
use std::time::Duration;

use flippy_sim::{Faults, History, SimCluster};
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::checker::{self, Finding};
use crate::knowledge::View;
use crate::life::Place;
use crate::prometheus::Prometheus;
use crate::replicas;
use crate::scenario::{Deed, Mood, OLD, Scenario};

/// How long after the last trouble everything must be fresh or explained.
const PATIENCE: Duration = Duration::from_hours(8);
/// How long after the last trouble what was refused must have been tried again: the longest wait is five minutes.
const TRIED_AGAIN: Duration = Duration::from_mins(10);
/// How long after that something may still be said to wait for a window or a soak: no window is open for longer.
const WAITS_END: Duration = Duration::from_hours(24);
/// How often that is looked at.
const LOOK_EVERY: Duration = Duration::from_mins(1);
/// How long it must stay so to count as quiet.
const QUIET: Duration = Duration::from_mins(2);
/// Longer than a watch of the operator lasts: it hears one bookmark only, shortly before its end, from which the next watch
/// resumes. Every minute, as from a real server, a day would consist of them.
const BOOKMARK_INTERVAL: Duration = Duration::from_mins(5);

/// What became of a day.
pub struct Run {
    /// What the server saw.
    pub history: History,
    /// What was wrong.
    pub findings: Vec<Finding>,
    /// When virtual time began.
    pub began_at: Timestamp,
    /// How long the day took, in virtual seconds.
    pub seconds: u64,
}

/// Lives through the day, and judges it.
pub fn run(scenario: &Scenario) -> Run {
    flippy_sim::run(day(scenario))
}

async fn day(scenario: &Scenario) -> Run {
    let cluster = SimCluster::new(scenario.seed, Faults::none());
    set_up(&cluster, scenario);
    let began = Instant::now();
    let began_at = cluster.now();
    let calm_at = began + Duration::from_secs(scenario.calm_at_seconds);
    let prometheus = Prometheus::new(&cluster, scenario.moods.clone());
    let place = Place::of(scenario, &cluster, &prometheus, calm_at);
    let life = place.life.clone();
    let shown = |at: Timestamp| scenario.clocks.shown(life.load(Ordering::Relaxed), began_at, at);
    let operators = replicas::live(place, scenario);
    for timed in &scenario.deeds {
        tokio::time::sleep_until(began + Duration::from_millis(timed.at_milliseconds)).await;
        perform(&cluster, &timed.deed);
    }
    tokio::time::sleep_until(calm_at).await;
    let tried_again = calm_at + TRIED_AGAIN + Duration::try_from(scenario.clocks.spread()).unwrap_or_default();
    let explained = quiet(&cluster, scenario.moods.last(), calm_at, tried_again, shown).await;
    if explained.is_ok() {
        tokio::time::sleep(Duration::from_secs(scenario.linger_seconds)).await;
    }
    let seconds = began.elapsed().as_secs();
    let died = operators.iter().any(tokio::task::JoinHandle::is_finished);
    operators.iter().for_each(tokio::task::JoinHandle::abort);
    let history = cluster.take_history();
    let mut findings = checker::check(&history, &prometheus.asked(), scenario, began_at);
    findings.extend(explained.err().unwrap_or_default());
    if died {
        findings.push(checker::died(cluster.now()));
    }
    findings.sort_by_key(|finding| finding.at);
    Run { history, findings, began_at, seconds }
}

fn set_up(cluster: &SimCluster, scenario: &Scenario) {
    let expectation = "a drawn cluster is valid";
    cluster.serve_kind("FlippyConfig").expect(expectation);
    if scenario.has_rollouts {
        cluster.serve_kind("Rollout").expect(expectation);
    }
    if scenario.has_clone_sets {
        cluster.serve_kind("CloneSet").expect(expectation);
    }
    cluster.set_nodes(2);
    cluster.set_bookmark_interval(BOOKMARK_INTERVAL);
    cluster.flip_sidecar(OLD);
    let is_there =
        |object: &&flippy_sim::Json| object["metadata"]["name"] != "istio-system" || object["kind"] != "Namespace";
    cluster.create_settled(scenario.objects.iter().filter(is_there).cloned()).expect(expectation);
}

/// What cannot be done because somebody was there before is not done.
fn perform(cluster: &SimCluster, deed: &Deed) {
    match deed {
        Deed::Upgrade(image) => cluster.flip_sidecar(image),
        Deed::Create(object) => drop(cluster.create(object.clone())),
        Deed::Edit { who, resource, key, change } => {
            drop(cluster.edit(who, *resource, &key.namespace, &key.name, |object| change.apply(object)));
        }
        Deed::Delete { resource, key } => drop(cluster.delete("owner", *resource, &key.namespace, &key.name)),
        Deed::Trouble(faults) => cluster.set_faults(Faults::clone(faults)),
        Deed::Webhook(webhook) => cluster.set_webhook(webhook.clone()),
        Deed::Compact => cluster.compact(),
    }
}

/// Waits until everything has been fresh or explained for a while; what is not when patience ends.
///
/// Whatever depends on the time is judged by what the operator's clock shows.
async fn quiet(
    cluster: &SimCluster,
    mood: Mood,
    calm_at: Instant,
    tried_again: Instant,
    shown: impl Fn(Timestamp) -> Timestamp,
) -> Result<(), Vec<Finding>> {
    let mut quiet_since: Option<Instant> = None;
    let mut turn_at = Timestamp::MIN;
    let (mut revision, mut view) = (cluster.revision(), View::of(cluster, mood));
    loop {
        let now = Instant::now();
        // Mostly nothing has changed.
        if cluster.revision() != revision {
            (revision, view) = (cluster.revision(), View::of(cluster, mood));
        }
        let refused = checker::still_refused(&view, cluster.now());
        if now >= tried_again && !refused.is_empty() {
            return Err(refused);
        }
        let clock = shown(cluster.now());
        let open = checker::unexplained(&view, clock);
        match (open.is_empty(), quiet_since) {
            // As long as patience lasts, what waits for a window has to go on once that opens. One that does not open
            // before shows nothing.
            (true, Some(since)) if now >= since + QUIET && clock >= turn_at => {
                let patience = SignedDuration::try_from((calm_at + PATIENCE).saturating_duration_since(now));
                let until = clock + patience.unwrap_or_default();
                match checker::next_turn(&view, clock, until) {
                    // Without an end, an operator that says so for ever would make an endless day.
                    Some(_) if now >= calm_at + PATIENCE + WAITS_END => {
                        return Err(vec![checker::waits_on(cluster.now())]);
                    }
                    Some(turn) => turn_at = turn,
                    None => return Ok(()),
                }
            }
            (true, None) => quiet_since = Some(now),
            (true, Some(_)) => {}
            (false, _) if now >= calm_at + PATIENCE => return Err(open),
            (false, _) => quiet_since = None,
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
