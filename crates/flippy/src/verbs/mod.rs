//! Small verbs over the fields and annotations of a FlippyConfig, each of which says what it changed.
#![allow(clippy::doc_markdown, reason = "doc comments are help texts here, and a terminal shows backticks as they are")]

mod change;
mod retry;

use std::process::ExitCode;

use clap::Args;
use clap_complete::ArgValueCompleter;
use flippy_api::FlippyConfig;
use flippy_core::Timestamp;
use kube::api::{Patch, PatchParams};

use crate::cli::Connection;
use crate::completion::names;
use crate::configs::{self, NamespaceArgs};
use crate::connect::{self, Cluster};
use crate::exit::{self, Failure};

use change::Change;
pub(crate) use retry::{RetryArgs, retry};

/// Times that the config is read again when somebody else changed it in between: the operator writes its status often.
const MAX_TRIES: usize = 5;

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct VerbArgs {
    /// FlippyConfig
    #[arg(add = ArgValueCompleter::new(names::configs))]
    pub(crate) name: String,
    #[arg(short, long, add = ArgValueCompleter::new(names::namespaces))]
    /// Namespace of the FlippyConfig [default: any, as long as the name is clear]
    pub(crate) namespace: Option<String>,
    /// Let the API server check the change, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

const AFTER_HELP: &str = "\
pause sets spec.Suspend to true: no further restart starts, what is under way finishes.
resume sets it to false. When the campaign halted because of failures, it also sets the annotation
flippy.keikoproj.io/resumed-at to the time, so that what failed before is not counted any more.
Each says what it changed, and also when there is nothing to change.

A tool that keeps the config in Git (Argo CD, Flux) may take the change back: change it there.

Examples:
  flippy pause mesh
  flippy resume mesh -n istio-system --dry-run

Needs the right to list and patch flippyconfigs. Exit codes: 0 done, or nothing to change; 1 error;
2 wrong usage or no way to the cluster.";

/// Which config is changed, and whether really.
struct Which {
    name: String,
    namespace: Option<String>,
    dry_run: bool,
}

impl From<VerbArgs> for Which {
    fn from(args: VerbArgs) -> Self {
        Self { name: args.name, namespace: args.namespace, dry_run: args.dry_run }
    }
}

/// `flippy pause`
pub(crate) async fn pause(args: VerbArgs, connection: Connection) -> Result<ExitCode, Failure> {
    change(args.into(), connection, "it is paused already: spec.Suspend is true", |config, _| change::pause(config))
        .await
}

/// `flippy resume`
pub(crate) async fn resume(args: VerbArgs, connection: Connection) -> Result<ExitCode, Failure> {
    let nothing = "it is neither paused nor halted: restarts may start; `flippy status` says what it waits for";
    change(args.into(), connection, nothing, |config, _| change::resume(config, Timestamp::now())).await
}

async fn change(
    args: Which,
    connection: Connection,
    nothing_to_change: &str,
    change_of: impl Fn(&FlippyConfig, &Cluster) -> Change,
) -> Result<ExitCode, Failure> {
    let cluster = connect::cluster(&connection).await?;
    let place = NamespaceArgs { namespace: args.namespace, all_namespaces: false };
    for _ in 0..MAX_TRIES {
        let mut found = configs::find(&cluster, Some(&args.name), &place).await?.configs;
        let Some(config) = found.pop() else { break };
        let path = configs::path_of(&config);
        let change = change_of(&config, &cluster);
        if change.is_empty() {
            return said(&format!("FlippyConfig {path}: {nothing_to_change}; nothing changed\n"));
        }
        match send(&cluster, &config, &change, args.dry_run).await {
            Ok(()) => {
                let end = if args.dry_run { " (dry run: nothing changed)" } else { "" };
                let lines: Vec<String> =
                    change.lines.iter().map(|line| format!("FlippyConfig {path}: {line}{end}\n")).collect();
                return said(&lines.concat());
            }
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            Err(kube::Error::Api(status)) if status.code == 404 => {
                return Err(Failure::error(format!("FlippyConfig {path} was deleted a moment ago")));
            }
            Err(error) => return Err(configs::failure(&error, &cluster.server)),
        }
    }
    Err(Failure::error(format!("FlippyConfig {} was changed by somebody else each time: try again", args.name)))
}

async fn send(cluster: &Cluster, config: &FlippyConfig, change: &Change, dry_run: bool) -> Result<(), kube::Error> {
    let api = configs::api::<FlippyConfig>(cluster, config.metadata.namespace.as_deref());
    let params = PatchParams { dry_run, field_manager: Some("flippy-cli".to_owned()), ..PatchParams::default() };
    let name = config.metadata.name.as_deref().unwrap_or_default();
    api.patch(name, &params, &Patch::Merge(change.patch(config))).await.map(|_| ())
}

fn said(text: &str) -> Result<ExitCode, Failure> {
    exit::print(text).map(|()| ExitCode::SUCCESS)
}
