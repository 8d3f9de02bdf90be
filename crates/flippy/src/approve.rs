//! `flippy approve`: a person says that a wave may start.

use std::process::ExitCode;

use flippy_api::{FlippyConfig, WaveStatus};
use flippy_core::annotation::APPROVE_PREFIX;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;

use crate::cli::{ApproveArgs, Connection};
use crate::configs::{self, NamespaceArgs};
use crate::connect;
use crate::exit::{self, Failure};

/// Who the annotation belongs to: not the operator, which would take it away again.
const FIELD_MANAGER: &str = "flippy-approve";

/// Writes the approval, and says what comes of it.
pub(crate) async fn approve(args: ApproveArgs, connection: Connection) -> Result<ExitCode, Failure> {
    let cluster = connect::cluster(&connection).await?;
    let place = NamespaceArgs { namespace: args.namespace, all_namespaces: false };
    // One, where a name is given.
    let found = configs::find(&cluster, Some(&args.name), &place).await?.configs.swap_remove(0);
    let path = configs::path_of(&found);
    let campaign = check(&found, &args.wave).map_err(|why| Failure::error(format!("FlippyConfig {path}: {why}")))?;
    let state = wave_status(&found, &args.wave);
    if let Some(at) = state.and_then(|wave| wave.approved_at.as_ref()) {
        let by = state.and_then(|wave| wave.approved_by.as_ref()).map_or_else(String::new, |by| format!(" by {by}"));
        exit::print(&format!("wave {} of campaign {campaign} is approved already{by}, at {at}\n", args.wave))?;
        return Ok(ExitCode::SUCCESS);
    }
    let by = user(cluster.client.clone()).await;
    let value = by.as_ref().map_or_else(|| campaign.clone(), |by| format!("{campaign} by {by}"));
    let key = format!("{APPROVE_PREFIX}{}", args.wave);
    let approval = Patch::Merge(json!({"metadata": {"annotations": {&key: &value}}}));
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let api = configs::api::<FlippyConfig>(&cluster, found.metadata.namespace.as_deref());
    api.patch(&args.name, &params, &approval).await.map_err(|error| configs::failure(&error, &cluster.server))?;
    let what_now = what_now(state);
    exit::print(&format!(
        "approved wave {} of FlippyConfig {path} (annotation {key}: \"{value}\"); {what_now}\n",
        args.wave
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// The campaign that an approval of this wave would be for, or why there is nothing to approve.
fn check(config: &FlippyConfig, wave: &str) -> Result<String, String> {
    let waves = &config.spec.strategy.waves;
    let Some(found) = waves.iter().find(|known| known.name == wave) else {
        let manual: Vec<&str> =
            waves.iter().filter(|known| known.approval == "Manual").map(|known| known.name.as_str()).collect();
        let there_is = if manual.is_empty() {
            "no wave of spec.Strategy.Waves has Approval: Manual".to_owned()
        } else {
            format!("those to approve are {}", manual.join(", "))
        };
        return Err(format!("there is no wave {wave}; {there_is}"));
    };
    if found.approval != "Manual" {
        return Err(format!("wave {wave} needs no approval: it starts by itself (Approval is not Manual)"));
    }
    let status = config.status.as_ref();
    let is_answered = status.is_some_and(|status| status.observed_generation == config.metadata.generation);
    let campaign = status.and_then(|status| status.campaign.clone()).filter(|_| is_answered);
    // An approval of what the spec wanted before would count for nothing.
    campaign.ok_or_else(|| {
        "the operator has not reported on the present spec yet, so there is no campaign to approve; try again in a moment"
            .to_owned()
    })
}

fn wave_status<'a>(config: &'a FlippyConfig, wave: &str) -> Option<&'a WaveStatus> {
    config.status.as_ref()?.waves.iter().find(|known| known.name == wave)
}

fn what_now(wave: Option<&WaveStatus>) -> String {
    match wave.map(|wave| wave.state.as_str()) {
        Some("AwaitingApproval") => "it starts now".to_owned(),
        Some("Pending") | None => "nothing waits for it yet: it starts once the earlier waves are done".to_owned(),
        Some(state) => format!("nothing waits for it: it is {state}"),
    }
}

/// Who is asking, as the API server sees it. One that does not tell is no reason not to approve.
pub(crate) async fn user(client: Client) -> Option<String> {
    let api = Api::<SelfSubjectReview>::all(client);
    let review = api.create(&PostParams::default(), &SelfSubjectReview::default()).await.ok()?;
    review.status?.user_info?.username.filter(|name| !name.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(status: &serde_json::Value) -> FlippyConfig {
        let waves = json!([{"Name": "canary"}, {"Name": "late", "Approval": "Manual"}]);
        let object = json!({
            "metadata": {"name": "mesh", "generation": 3}, "spec": {"Strategy": {"Waves": waves}}, "status": status,
        });
        serde_json::from_value(object).expect("it is a FlippyConfig")
    }

    fn reported() -> FlippyConfig {
        config(&json!({"observedGeneration": 3, "campaign": "abc.1", "conditions": []}))
    }

    #[test]
    fn an_approval_is_for_the_campaign_that_is_reported() {
        assert_eq!(check(&reported(), "late"), Ok("abc.1".to_owned()));
    }

    #[test]
    fn a_wave_that_does_not_exist_is_answered_with_those_that_can_be_approved() {
        let why = check(&reported(), "later").expect_err("there is none");
        assert_eq!(why, "there is no wave later; those to approve are late");
    }

    #[test]
    fn a_wave_that_starts_by_itself_needs_no_approval() {
        assert!(check(&reported(), "canary").expect_err("it is automatic").contains("needs no approval"));
    }

    #[test]
    fn without_a_report_on_the_present_spec_there_is_nothing_to_approve() {
        let outdated = config(&json!({"observedGeneration": 2, "campaign": "abc.1", "conditions": []}));
        for config in [outdated, config(&json!(null))] {
            assert!(check(&config, "late").expect_err("not reported").contains("try again in a moment"));
        }
    }

    #[test]
    fn what_comes_of_it_depends_on_what_waits() {
        let wave = |state: &str| WaveStatus { state: state.to_owned(), ..WaveStatus::default() };
        assert_eq!(what_now(Some(&wave("AwaitingApproval"))), "it starts now");
        assert!(what_now(Some(&wave("Pending"))).starts_with("nothing waits for it yet"));
        assert_eq!(what_now(Some(&wave("Done"))), "nothing waits for it: it is Done");
    }
}
