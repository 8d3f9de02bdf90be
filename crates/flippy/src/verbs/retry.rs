//! `flippy retry`: a failed or futile restart is made again at once.
#![allow(clippy::doc_markdown, reason = "doc comments are help texts here, and a terminal shows backticks as they are")]

use std::process::ExitCode;

use clap::Args;
use clap_complete::ArgValueCompleter;
use flippy_api::FlippyConfig;
use flippy_core::{Kind, NamedWorkload, Retries, Retry, Timestamp, annotation};
use kube::ResourceExt as _;

use super::change::Change;
use super::{Which, change};
use crate::cli::Connection;
use crate::completion::names;
use crate::connect::Cluster;
use crate::exit::Failure;
use crate::explain::target::{self, Target, TargetKind};
use crate::times::whole_second;

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct RetryArgs {
    /// FlippyConfig, as NAME or NAMESPACE/NAME
    #[arg(value_name = "CONFIG", add = ArgValueCompleter::new(names::configs))]
    pub(crate) name: String,
    /// The only workload to try again, as for kubectl: deploy/cart, sts/db, ds/agent, rollout/web [default: all]
    #[arg(value_name = "KIND/NAME", add = ArgValueCompleter::new(names::workloads))]
    pub(crate) workload: Option<String>,
    /// Namespace of the workload [default: that of the context]; without a workload, of the FlippyConfig
    #[arg(short, long, add = ArgValueCompleter::new(names::namespaces))]
    pub(crate) namespace: Option<String>,
    /// Let the API server check the change, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

const AFTER_HELP: &str = "\
Restarts that failed (not completely rolled out in time) or were futile (the new pods run the same
stale image) are made again, once, as soon as the budgets, windows and gates allow. Without it, a
failed one is never made again for the same images, and a futile one after half an hour, then after
twice that each time.

It sets the annotation flippy.keikoproj.io/retry of the config to the time, with a workload to the
time and the workload. A restart that is made later ends the wish: it is never made twice for one.
What runs wanted images already, although it is not ready, is not restarted.

A campaign that has halted goes on when the failures that halted it are tried again; to go on and
leave them as they are, use `flippy resume`.

Examples:
  flippy retry mesh                        everything that failed or was futile
  flippy retry mesh deploy/cart -n shop    one workload

Needs the right to list and patch flippyconfigs. Exit codes: 0 done, or nothing to retry; 1 error;
2 wrong usage or no way to the cluster.";

/// `flippy retry`
pub(crate) async fn retry(args: RetryArgs, connection: Connection) -> Result<ExitCode, Failure> {
    let target = args.workload.as_deref().map(workload).transpose()?;
    let (home, name) = match args.name.split_once('/') {
        Some((home, name)) => (Some(home.to_owned()), name.to_owned()),
        None => (args.namespace.clone().filter(|_| target.is_none()), args.name.clone()),
    };
    let which = Which { name, namespace: home, dry_run: args.dry_run };
    let nothing = if target.as_ref().is_some_and(|target| matches!(target.kind, TargetKind::Named(..))) {
        "it does not name this kind with its ApiVersion in spec.RestartObjects"
    } else {
        "as far as its status tells, none of its restarts has failed or was futile"
    };
    change(which, connection, nothing, |config, cluster: &Cluster| {
        let named = custom_kinds(config);
        let only = target.as_ref().and_then(|target| {
            Some(NamedWorkload {
                kind: kind_of(&target.kind, &named)?,
                namespace: args.namespace.as_deref().unwrap_or(&cluster.namespace).into(),
                name: target.name.as_str().into(),
            })
        });
        if only.is_none() && target.is_some() {
            return Change::default();
        }
        change_of(config, only, Timestamp::now())
    })
    .await
}

fn workload(text: &str) -> Result<Target, Failure> {
    let target = Target::parse(&[text.to_owned()])?;
    if target.kind == TargetKind::Pod {
        return Err(Failure::cannot_begin("a pod is not restarted: name its workload, as `flippy explain` shows it"));
    }
    Ok(target)
}

/// The custom kinds that a config names. A wish that is about one is understood only once it was named.
fn custom_kinds(config: &FlippyConfig) -> Vec<Kind> {
    let objects = config.spec.restart_objects.iter().filter(|object| !object.api_version.is_empty());
    objects.filter_map(|object| Kind::named(&object.r#type, &object.api_version).ok()).collect()
}

fn kind_of(kind: &TargetKind, named: &[Kind]) -> Option<Kind> {
    match kind {
        TargetKind::Workload(kind) => Some(*kind),
        TargetKind::Named(word, rest) => target::named(word, rest, named.iter().copied()),
        TargetKind::Pod => None,
    }
}

/// Whoever names a workload may know better than a status, whose lists are cut and which may be old.
fn change_of(config: &FlippyConfig, only: Option<NamedWorkload>, now: Timestamp) -> Change {
    let counts = config.status.as_ref().and_then(|status| status.workloads.clone()).unwrap_or_default();
    let first = config.status.iter().flat_map(|status| &status.failed).count();
    let is_any = counts.failed + counts.futile > 0 || first > 0;
    let mut change = Change::default();
    if only.is_none() && !is_any {
        return change;
    }
    let now = whole_second(now);
    let what = only.as_ref().map_or_else(
        || format!("{} failed and {} futile are", counts.failed, counts.futile),
        |only| format!("{only} is, if its last restart failed or was futile,"),
    );
    // What nobody can read is written over.
    let held =
        config.annotations().get(annotation::RETRY).and_then(|text| Retries::parse(text).ok()).unwrap_or_default();
    let retries = held.with(&Retry { at: now, only });
    change.annotate(annotation::RETRY, &retries.to_string());
    change.lines.push(format!("{} is {now} now: {what} tried again at once", annotation::RETRY));
    change
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn config(counts: &Value, annotation: Option<&str>) -> FlippyConfig {
        let mut config = json!({
            "metadata": {"name": "mesh", "namespace": "istio-system", "resourceVersion": "7"}, "spec": {},
            "status": {"conditions": [], "workloads": counts},
        });
        if let Some(text) = annotation {
            config["metadata"]["annotations"] = json!({"flippy.keikoproj.io/retry": text});
        }
        serde_json::from_value(config).expect("it is a FlippyConfig")
    }

    fn written(config: &FlippyConfig, only: Option<&str>) -> Value {
        let now = "2026-01-05T22:00:00.7Z".parse().expect("it is a time");
        let named = |name: &str| NamedWorkload { kind: Kind::Deployment, namespace: "shop".into(), name: name.into() };
        let change = change_of(config, only.map(named), now);
        change.patch(config)["metadata"]["annotations"]["flippy.keikoproj.io/retry"].clone()
    }

    #[test]
    fn everything_is_asked_for_by_a_time() {
        assert_eq!(written(&config(&json!({"failed": 1}), None), None), "2026-01-05T22:00:00Z");
    }

    #[test]
    fn where_nothing_failed_nothing_is_asked_for() {
        assert_eq!(written(&config(&json!({"fresh": 1}), None), None), Value::Null);
    }

    #[test]
    fn one_workload_is_named_whatever_the_status_says() {
        let expected = "2026-01-05T22:00:00Z Deployment/shop/cart";
        assert_eq!(written(&config(&json!({}), None), Some("cart")), expected);
    }

    #[test]
    fn earlier_wishes_about_others_are_kept() {
        let held = config(&json!({"failed": 2}), Some("2026-01-05T21:00:00Z Deployment/shop/till"));
        let expected = "2026-01-05T22:00:00Z Deployment/shop/cart, 2026-01-05T21:00:00Z Deployment/shop/till";
        assert_eq!(written(&held, Some("cart")), expected);
    }

    #[test]
    fn what_nobody_can_read_is_written_over() {
        assert_eq!(written(&config(&json!({"failed": 1}), Some("please")), None), "2026-01-05T22:00:00Z");
    }
}
