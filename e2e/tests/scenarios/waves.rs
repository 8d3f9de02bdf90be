//! One group of workloads after the other: `spec.Strategy.Waves`, and `flippy approve`.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use flippy_e2e::operator::run_command;
use flippy_e2e::scenario::{NEW_IMAGE, Scenario};
use flippy_e2e::wait::{self, Check};
use flippy_e2e::workloads::{Workload, WorkloadRef};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::watcher;
use serde_json::{Value, json};

use crate::config::{MESH, paced, waits};
use crate::failures::restarted_at;
use crate::outcome::{LIMIT, condition_because, listed, ready_because, restarted_once};

flippy_e2e::scenarios! {
    both: [
        a_wave_starts_when_the_one_before_has_soaked_though_the_operator_is_killed_meanwhile,
        a_wave_waits_for_its_approval_through_restarts_of_the_operator_and_remembers_who_gave_it,
        a_wave_with_too_many_failures_halts_the_campaign_until_a_person_resumes_it,
    ],
    // The simulation does not validate custom resources.
    real: [
        the_api_server_refuses_waves_without_a_name_of_their_own,
        flippy_approve_refuses_a_wave_that_there_is_not,
    ],
}

/// Pods with this sidecar never become ready.
pub(crate) const BROKEN_IMAGE: &str = "docker.io/istio/proxyv2:bad-ready";

const SOAK_SECONDS: i64 = 3;

/// Workloads in the waves `canary`, `early` and the rest, by a label of their namespaces.
struct Staged {
    canary: Vec<WorkloadRef>,
    early: Vec<WorkloadRef>,
    rest: Vec<WorkloadRef>,
}

impl Staged {
    async fn create(s: &Scenario) -> Result<Self> {
        let stage = async |name: &str, workloads: &[&str]| -> Result<Vec<WorkloadRef>> {
            // Named against the order of the waves, which must not be that of the names.
            let namespace = s.namespace_with(name, &json!({"stage": name})).await?;
            s.create_all(&namespace, workloads.iter().map(|name| Workload::deployment(name))).await
        };
        Ok(Self {
            rest: stage("a-rest", &["a"]).await?,
            canary: stage("canary", &["a", "b"]).await?,
            early: stage("b-early", &["a", "b"]).await?,
        })
    }

    fn all(&self) -> impl Iterator<Item = &WorkloadRef> {
        self.canary.iter().chain(&self.early).chain(&self.rest)
    }
}

fn in_waves(s: &Scenario, images: &[&str], canary: &Value, early: &Value) -> Value {
    let wave = |name: &str, stage: &str, further: &Value| {
        let mut wave = json!({"Name": name, "NamespaceSelector": {"matchLabels": {"stage": stage}}});
        for (field, value) in further.as_object().into_iter().flatten() {
            wave[field] = value.clone();
        }
        wave
    };
    paced(s, images, &json!({"Waves": [wave("canary", "canary", canary), wave("early", "b-early", early)]}))
}

pub(crate) fn wave<'a>(status: &'a Value, name: &str) -> Option<&'a Value> {
    status["waves"].as_array()?.iter().find(|wave| wave["name"] == name)
}

/// Waits until a wave is in this state, and returns the status.
pub(crate) async fn wave_is(s: &Scenario, name: &str, state: &str) -> Result<Value> {
    let what = format!("wave {name} to be {state}");
    s.config_status(s.system(), MESH, &what, LIMIT, |status| -> Check<Value> {
        let wave = wave(status, name).ok_or_else(|| format!("it is not reported: {status}"))?;
        if wave["state"] == state { Ok(status.clone()) } else { Err(wave.to_string()) }
    })
    .await
}

fn time(value: &Value) -> Result<Timestamp> {
    Ok(value.as_str().with_context(|| format!("{value} is no time"))?.parse()?)
}

/// Waits until a wave was told of in an event of the config, for each of these reasons.
async fn told(s: &Scenario, wave: &str, reasons: &[&str]) -> Result<()> {
    let events: Api<Event> = Api::namespaced(s.client(), s.system());
    let what = format!("events on wave {wave}");
    wait::until_all(events, watcher::Config::default(), &what, LIMIT, |events: &[&Event]| {
        let is_told = |reason: &&&str| {
            events.iter().any(|event| {
                let note = event.note.as_deref().unwrap_or_default();
                event.reason.as_deref() == Some(**reason) && note.contains(&format!("wave {wave} "))
            })
        };
        match reasons.iter().find(|reason| !is_told(reason)) {
            Some(missing) => Err(format!("there is no {missing}")),
            None => Ok(()),
        }
    })
    .await
}

/// Approves a wave as a person would: with the real `flippy approve`, where there is a cluster that it can reach.
pub(crate) async fn approve(s: &Scenario, wave: &str) -> Result<()> {
    if let Ok(cluster) = s.cluster() {
        let output = run_command(&cluster.admin_kubeconfig(), &["approve", MESH, wave, "-n", s.system()])?;
        ensure!(output.status.success(), "{output:?}");
        let said = String::from_utf8(output.stdout)?;
        ensure!(said.contains("by admin") && said.trim_end().ends_with("it starts now"), "{said}");
        return Ok(());
    }
    let config = s.configs(s.system()).get(MESH).await?;
    let campaign = config.data["status"]["campaign"].as_str().context("there is a campaign")?;
    let annotation = json!({format!("flippy.keikoproj.io/approve-{wave}"): format!("{campaign} by admin")});
    let patch = Patch::Merge(json!({"metadata": {"annotations": annotation}}));
    s.configs(s.system()).patch(MESH, &PatchParams::default(), &patch).await?;
    Ok(())
}

async fn a_wave_starts_when_the_one_before_has_soaked_though_the_operator_is_killed_meanwhile(
    s: &Scenario,
) -> Result<()> {
    let staged = Staged::create(s).await?;
    let operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    let soak = json!({"Soak": format!("{SOAK_SECONDS}s"), "MaxConcurrent": 2});
    s.config(s.system(), MESH, in_waves(s, &[NEW_IMAGE], &soak, &json!({}))).await?;

    let status = wave_is(s, "canary", "Soaking").await?;
    restarted_once(s, &staged.canary).await?;
    operator.kill();
    let _successor = s.operator().await?;

    let completed = time(&wave(&status, "canary").context("it was just read")?["completedAt"])?;
    let status = ready_because(s, MESH, "AllFresh").await?;
    for name in ["canary", "early", "rest"] {
        assert_eq!(wave(&status, name).map(|wave| &wave["state"]), Some(&json!("Done")), "{status}");
    }
    assert_eq!(time(&wave(&status, "canary").context("it is reported")?["completedAt"])?, completed, "{status}");
    let mut last = completed + SignedDuration::from_secs(SOAK_SECONDS);
    for later in staged.early.iter().chain(&staged.rest) {
        let restarted = restarted_at(s, later).await?;
        assert!(restarted >= last, "{later} was restarted at {restarted}, before {last}");
        last = restarted;
    }
    restarted_once(s, staged.all()).await
}

async fn a_wave_waits_for_its_approval_through_restarts_of_the_operator_and_remembers_who_gave_it(
    s: &Scenario,
) -> Result<()> {
    let staged = Staged::create(s).await?;
    let operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    let manual = json!({"Approval": "Manual"});
    s.config(s.system(), MESH, in_waves(s, &[NEW_IMAGE], &json!({}), &manual)).await?;

    ready_because(s, MESH, "AwaitingApproval").await?;
    // Before it is killed: an event is a courtesy, and not sent again.
    told(s, "early", &["AwaitingApproval"]).await?;
    operator.kill();
    let operator = s.operator().await?;
    wave_is(s, "early", "AwaitingApproval").await?;
    restarted_once(s, &staged.canary).await?;

    approve(s, "early").await?;
    let status = ready_because(s, MESH, "AllFresh").await?;
    assert_eq!(wave(&status, "early").map(|wave| &wave["approvedBy"]), Some(&json!("admin")), "{status}");
    restarted_once(s, staged.all()).await?;
    told(s, "early", &["WaveStarted", "WaveCompleted"]).await?;
    // What it said then it says still, though somebody has tidied up.
    operator.kill();
    let tidy = json!({"metadata": {"annotations": {"flippy.keikoproj.io/approve-early": null}}});
    s.configs(s.system()).patch(MESH, &PatchParams::default(), &Patch::Merge(tidy)).await?;
    let _operator = s.operator().await?;
    s.config(s.system(), MESH, in_waves(s, &[NEW_IMAGE], &json!({"Percent": 100}), &manual)).await?;
    let after = ready_because(s, MESH, "AllFresh").await?;
    assert_eq!(wave(&after, "early"), wave(&status, "early"));
    Ok(())
}

async fn a_wave_with_too_many_failures_halts_the_campaign_until_a_person_resumes_it(s: &Scenario) -> Result<()> {
    let staged = Staged::create(s).await?;
    let operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    let careful = json!({"Approval": "Manual", "MaxFailures": 0});
    let mut spec = in_waves(s, &[NEW_IMAGE, BROKEN_IMAGE], &json!({}), &careful);
    spec["RestartObjects"][0]["StatusCheckConfig"] = waits(8);
    s.config(s.system(), MESH, spec).await?;
    wave_is(s, "early", "AwaitingApproval").await?;

    s.mesh().upgrade(BROKEN_IMAGE).await?;
    approve(s, "early").await?;
    condition_because(s, MESH, "Stalled", "Halted").await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    operator.kill();
    let _successor = s.operator().await?;
    let status = wave_is(s, "early", "Halted").await?;
    assert_eq!(wave(&status, "rest").map(|wave| &wave["state"]), Some(&json!("Pending")), "{status}");
    restarted_once(s, staged.canary.iter().chain(&staged.early[..1])).await?;

    let resumed = json!({"metadata": {"annotations": {"flippy.keikoproj.io/resumed-at": s.now().to_string()}}});
    s.configs(s.system()).patch(MESH, &PatchParams::default(), &Patch::Merge(resumed)).await?;

    let status = ready_because(s, MESH, "RestartsFailed").await?;
    assert!(listed(&status, "failed", &staged.early[0]).is_some(), "{status}");
    assert_eq!(wave(&status, "early").map(|wave| &wave["leftBehind"]), Some(&json!(1)), "{status}");
    s.fresh(staged.early[1..].iter().chain(&staged.rest), NEW_IMAGE, Duration::from_secs(1)).await?;
    restarted_once(s, staged.all()).await
}

async fn the_api_server_refuses_waves_without_a_name_of_their_own(s: &Scenario) -> Result<()> {
    s.install().await?;
    for (waves, expected) in [
        (json!([{"Name": "a"}, {"Name": "a"}]), "each wave needs a name of its own"),
        (json!([{"Name": "rest"}]), "rest is the wave of what no other wave takes"),
        (json!([{"Percent": 5}]), "a wave needs a Name"),
        (json!([{"Name": "Canary"}]), "a wave needs a Name"),
        (json!([{"Name": "a", "Percent": 101}]), "less than or equal to 100"),
        (json!([{"Name": "a", "Approval": "Maybe"}]), "supported values"),
        (
            json!([{"Name": "a", "NamespaceSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}]),
            "In and NotIn need values",
        ),
        (json!(vec![json!({"Name": "a"}); 17]), "must have at most 16 items"),
    ] {
        let refused = s.config(s.system(), MESH, paced(s, &[NEW_IMAGE], &json!({"Waves": waves}))).await;
        let said = format!("{:#}", refused.expect_err("it is refused"));
        assert!(said.contains(expected), "{waves}: {said}");
    }
    let selector = json!({"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "c", "operator": "Exists"}]});
    let fine = json!([{"Name": "a", "Soak": "1h", "MaxFailures": "5%", "WorkloadSelector": selector}, {"Name": "b"}]);
    s.config(s.system(), MESH, paced(s, &[NEW_IMAGE], &json!({"Waves": fine}))).await
}

async fn flippy_approve_refuses_a_wave_that_there_is_not(s: &Scenario) -> Result<()> {
    s.config(s.system(), MESH, in_waves(s, &[NEW_IMAGE], &json!({}), &json!({"Approval": "Manual"}))).await?;
    let kubeconfig = s.cluster()?.admin_kubeconfig();
    for (wave, expected) in [
        ("late", "there is no wave late; those to approve are early"),
        ("canary", "wave canary needs no approval"),
        ("early", "the operator has not reported on the present spec yet"),
    ] {
        let output = run_command(&kubeconfig, &["approve", MESH, wave, "-n", s.system()])?;
        let said = String::from_utf8(output.stderr)?;
        assert!(output.status.code() == Some(1) && said.contains(expected), "{said}");
    }
    Ok(())
}
