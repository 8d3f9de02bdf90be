//! Campaigns from a terminal or a pipeline: `flippy restart`.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use flippy_e2e::scenario::{NEW_IMAGE, Scenario};
use flippy_e2e::workloads::{Workload, WorkloadRef};
use serde_json::{Value, json};

use crate::config::{MESH, paced, waits, wanting};
use crate::original::remove_definition;
use crate::outcome::condition_because;
use crate::person::{Answer, Person};

flippy_e2e::scenarios! {
    // Only a real API server can be reached by another process, and only it knows permissions.
    real: [
        a_cluster_that_has_never_heard_of_flippy_is_made_fresh_from_a_pipeline,
        an_interrupted_campaign_names_what_is_under_way_and_the_same_command_goes_on,
        with_the_right_to_create_pods_admission_is_asked_and_nothing_is_restarted_in_vain,
        beside_an_operator_it_refuses_until_that_is_paused,
        without_the_right_to_restart_nothing_begins_and_the_right_is_named,
        a_wave_that_needs_approval_ends_it_with_a_code_of_its_own_until_it_is_approved,
        what_has_failed_halts_it_and_it_goes_on_when_told_so,
    ],
}

/// Pods with this sidecar never become ready.
const BROKEN_IMAGE: &str = "docker.io/istio/proxyv2:bad-ready";

/// What somebody needs who restarts Deployments and Rollouts from a terminal.
fn rules() -> Value {
    let read = ["list", "watch"];
    json!([
        {"apiGroups": [""], "resources": ["namespaces", "pods"], "verbs": read},
        {"apiGroups": ["policy"], "resources": ["poddisruptionbudgets"], "verbs": read},
        {"apiGroups": ["apps"], "resources": ["replicasets"], "verbs": read},
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["list", "watch", "patch"]},
        {"apiGroups": ["argoproj.io"], "resources": ["rollouts"], "verbs": ["list", "watch", "patch"]},
    ])
}

/// A config in a file.
struct File {
    path: PathBuf,
    system: String,
}

impl File {
    fn write(s: &Scenario, spec: &Value) -> Result<Self> {
        let config = json!({
            "apiVersion": "keikoproj.io/v1", "kind": "FlippyConfig",
            "metadata": {"name": MESH, "namespace": s.system()}, "spec": spec,
        });
        let path = s.cluster()?.directory().join(format!("config-{}.yaml", s.id()));
        std::fs::write(&path, config.to_string())?;
        Ok(Self { path, system: s.system().to_owned() })
    }

    fn words<'a>(&'a self, more: &[&'a str]) -> Result<Vec<&'a str>> {
        let path = self.path.to_str().context("the path is text")?;
        Ok([&["restart", "-f", path, "--yes", "--timeout", "2m", "--config-namespace", &self.system], more].concat())
    }

    /// Runs it to its end.
    async fn restart(&self, person: &Person, more: &[&str]) -> Result<Answer> {
        person.asks(&self.words(more)?).await
    }
}

/// The events of a run with `-o json`.
fn events(answer: &Answer) -> Result<Vec<Value>> {
    answer.stdout.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

fn restarted(events: &[Value]) -> usize {
    events.iter().filter(|event| event["event"] == "Restarted").count()
}

/// By their revisions: a person's requests are not among those of operators.
async fn restarted_once(s: &Scenario, workloads: &[WorkloadRef]) -> Result<()> {
    for workload in workloads {
        let revisions = s.revisions(workload).await?;
        ensure!(revisions == 2, "{workload} has had {revisions} revisions, not 2");
    }
    Ok(())
}

async fn shop(s: &Scenario, names: &[&str]) -> Result<Vec<WorkloadRef>> {
    let shop = s.namespace("shop").await?;
    let workloads = s.create_all(&shop, names.iter().map(|name| Workload::deployment(name))).await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    Ok(workloads)
}

async fn a_cluster_that_has_never_heard_of_flippy_is_made_fresh_from_a_pipeline(s: &Scenario) -> Result<()> {
    let workloads = shop(s, &["cart", "till", "search"]).await?;
    // Others have installed it.
    s.install().await?;
    remove_definition(s).await?;
    let person = Person::with_rules(s, "releaser", rules()).await?;
    let file = File::write(s, &wanting(s, &[NEW_IMAGE]))?;

    let looked = file.restart(&person, &["--dry-run"]).await?;
    assert_eq!(looked.code, Some(0), "{}{}", looked.stdout, looked.stderr);
    assert!(looked.stdout.contains("3 workloads in scope: 3 to restart"), "{}", looked.stdout);

    let done = file.restart(&person, &["-o", "json"]).await?;
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    let told = events(&done)?;
    assert_eq!(restarted(&told), 3, "{}", done.stdout);
    let last = told.last().context("it says something")?;
    assert_eq!((&last["event"], &last["outcome"]), (&json!("Ended"), &json!("AllFresh")), "{last}");
    restarted_once(s, &workloads).await?;

    let again = file.restart(&person, &[]).await?;
    assert_eq!(again.code, Some(0), "{}{}", again.stdout, again.stderr);
    assert!(!again.stdout.contains("Restarted by Flippy"), "{}", again.stdout);
    restarted_once(s, &workloads).await
}

async fn an_interrupted_campaign_names_what_is_under_way_and_the_same_command_goes_on(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let slow = ["cart", "search", "till"].map(|name| Workload::deployment(name).ready_delay(Duration::from_secs(3)));
    let workloads = s.create_all(&shop, slow).await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    let person = Person::admin(s)?;
    let file = File::write(s, &wanting(s, &[NEW_IMAGE]))?;

    let command = person.command(&file.words(&["-o", "json"])?)?;
    let (code, told) = tokio::task::spawn_blocking(move || interrupted(command)).await??;
    assert_eq!(code, Some(130), "{told:?}");
    let last = told.last().context("it says something")?;
    assert_eq!((&last["event"], &last["outcome"]), (&json!("Ended"), &json!("Interrupted")), "{last}");
    let first = format!("Deployment {shop}/cart");
    assert_eq!(last["underWay"], json!([first]), "{last}");
    assert_eq!(restarted(&told), 1, "{told:?}");

    let rest = file.restart(&person, &["-o", "json"]).await?;
    assert_eq!(rest.code, Some(0), "{}{}", rest.stdout, rest.stderr);
    assert_eq!(restarted(&events(&rest)?), 2, "{}", rest.stdout);
    restarted_once(s, &workloads).await
}

/// Starts a campaign, interrupts it once it has restarted something, and waits for its end.
fn interrupted(mut command: Command) -> Result<(Option<i32>, Vec<Value>)> {
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let stdout = child.stdout.take().context("it is piped")?;
    let mut told = Vec::new();
    for line in BufReader::new(stdout).lines() {
        let event: Value = serde_json::from_str(&line?)?;
        let is_restart = event["event"] == "Restarted";
        told.push(event);
        if is_restart {
            let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status()?;
            ensure!(killed.success(), "it could not be interrupted");
        }
    }
    Ok((child.wait()?.code(), told))
}

async fn with_the_right_to_create_pods_admission_is_asked_and_nothing_is_restarted_in_vain(s: &Scenario) -> Result<()> {
    let namespace = s.namespace("shop").await?;
    let workloads = s.create_all(&namespace, ["cart", "till"].map(Workload::deployment)).await?;
    let mut rules = rules();
    rules[0]["verbs"] = json!(["list", "watch", "create"]);
    let person = Person::with_rules(s, "releaser", rules).await?;
    let mut spec = wanting(s, &[NEW_IMAGE]);
    spec["DriftDetection"] = json!("Injection");
    let file = File::write(s, &spec)?;

    let in_vain = file.restart(&person, &["-o", "json"]).await?;
    assert_eq!(in_vain.code, Some(4), "{}{}", in_vain.stdout, in_vain.stderr);
    assert_eq!(restarted(&events(&in_vain)?), 0, "{}", in_vain.stdout);
    assert!(in_vain.stdout.contains("SameImageForeseen"), "{}", in_vain.stdout);

    s.mesh().upgrade(NEW_IMAGE).await?;
    spec["ImageList"] = json!([]);
    let file = File::write(s, &spec)?;
    let done = file.restart(&person, &["-o", "json"]).await?;
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    assert_eq!(restarted(&events(&done)?), 2, "{}", done.stdout);
    restarted_once(s, &workloads).await
}

async fn beside_an_operator_it_refuses_until_that_is_paused(s: &Scenario) -> Result<()> {
    let hasty = [
        "--leader-elect",
        "--leader-election-lease-duration=5s",
        "--leader-election-renew-deadline=4s",
        "--leader-election-retry-period=1s",
    ];
    let workloads = shop(s, &["cart"]).await?;
    let _operator = s.operator_with(&hasty).await?;
    // It would not restart anything in the next hours: it waits for a window.
    let mut spec = wanting(s, &[NEW_IMAGE]);
    spec["Windows"] = json!([{"Type": "Allow", "Schedule": "0 0 1 1 *", "Duration": "1h"}]);
    s.config(s.system(), MESH, spec).await?;
    condition_because(s, MESH, "RestartsAllowed", "OutsideWindow").await?;
    let person = Person::admin(s)?;
    let file = File::write(s, &wanting(s, &[NEW_IMAGE]))?;

    let refused = file.restart(&person, &[]).await?;
    assert_eq!(refused.code, Some(1), "{}{}", refused.stdout, refused.stderr);
    let name = format!("FlippyConfig {}/{MESH}", s.system());
    assert!(refused.stderr.contains("is at work") && refused.stderr.contains(&name), "{}", refused.stderr);

    person.asks(&["pause", MESH, "-n", s.system()]).await?;
    let done = file.restart(&person, &[]).await?;
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    restarted_once(s, &workloads).await
}

async fn without_the_right_to_restart_nothing_begins_and_the_right_is_named(s: &Scenario) -> Result<()> {
    let workloads = shop(s, &["cart"]).await?;
    let mut rules = rules();
    rules[3]["verbs"] = json!(["list", "watch"]);
    let person = Person::with_rules(s, "reader", rules).await?;
    let file = File::write(s, &wanting(s, &[NEW_IMAGE]))?;
    let refused = file.restart(&person, &[]).await?;
    assert_eq!(refused.code, Some(1), "{}{}", refused.stdout, refused.stderr);
    assert!(refused.stderr.contains("you may not patch deployments.apps in namespace shop-"), "{}", refused.stderr);
    assert_eq!(s.revisions(&workloads[0]).await?, 1);

    let person = Person::with_rules(s, "patcher", self::rules()).await?;
    let mut evicting = wanting(s, &[NEW_IMAGE]);
    evicting["Strategy"]["Method"] = json!("Evict");
    let refused = File::write(s, &evicting)?.restart(&person, &[]).await?;
    assert_eq!(refused.code, Some(1), "{}{}", refused.stdout, refused.stderr);
    assert!(refused.stderr.contains("you may not create pods/eviction in namespace shop-"), "{}", refused.stderr);

    let nobody = Person::with_rules(s, "nobody", json!([])).await?;
    let refused = file.restart(&nobody, &[]).await?;
    assert!(refused.stderr.contains("may not list namespaces in the whole cluster"), "{}", refused.stderr);
    assert_eq!(refused.code, Some(1));
    Ok(())
}

async fn a_wave_that_needs_approval_ends_it_with_a_code_of_its_own_until_it_is_approved(s: &Scenario) -> Result<()> {
    let workloads = shop(s, &["cart", "till"]).await?;
    let waves = json!([
        {"Name": "early", "WorkloadSelector": {"matchLabels": {"none": "such"}}},
        {"Name": "all", "Approval": "Manual"},
    ]);
    let person = Person::admin(s)?;
    let file = File::write(s, &paced(s, &[NEW_IMAGE], &json!({"Waves": waves})))?;
    let waiting = file.restart(&person, &[]).await?;
    assert_eq!(waiting.code, Some(7), "{}{}", waiting.stdout, waiting.stderr);
    assert!(waiting.stdout.contains("a wave waits for approval (all)"), "{}", waiting.stdout);
    assert_eq!(s.revisions(&workloads[0]).await?, 1);

    let wrong = file.restart(&person, &["--approve", "al"]).await?;
    assert_eq!(wrong.code, Some(2), "{}{}", wrong.stdout, wrong.stderr);

    let done = file.restart(&person, &["--approve", "all"]).await?;
    assert_eq!(done.code, Some(0), "{}{}", done.stdout, done.stderr);
    restarted_once(s, &workloads).await
}

async fn what_has_failed_halts_it_and_it_goes_on_when_told_so(s: &Scenario) -> Result<()> {
    let workloads = shop(s, &["cart", "till"]).await?;
    s.mesh().upgrade(BROKEN_IMAGE).await?;
    let mut spec = paced(s, &[NEW_IMAGE, BROKEN_IMAGE], &json!({"MaxFailures": 0}));
    spec["RestartObjects"] = json!([{"Type": "Deployment", "StatusCheckConfig": waits(4)}]);
    let person = Person::admin(s)?;
    let file = File::write(s, &spec)?;

    let halted = file.restart(&person, &[]).await?;
    assert_eq!(halted.code, Some(6), "{}{}", halted.stdout, halted.stderr);
    assert!(halted.stdout.contains("halted: too many restarts have failed"), "{}", halted.stdout);

    s.mesh().upgrade(NEW_IMAGE).await?;
    let rest = file.restart(&person, &["--resume"]).await?;
    assert_eq!(rest.code, Some(5), "{}{}", rest.stdout, rest.stderr);
    s.fresh(&workloads[1..], NEW_IMAGE, Duration::from_secs(1)).await
}
