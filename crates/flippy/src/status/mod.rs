//! `flippy status`: what the operator says of FlippyConfigs.
#![allow(clippy::doc_markdown, reason = "doc comments are help texts here, and a terminal shows backticks as they are")]

mod follow;
pub(crate) mod text;
pub(crate) mod view;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use clap_complete::ArgValueCompleter;
use serde::Serialize;

use crate::cli::{Connection, Machine};
use crate::completion::names;
use crate::configs::{self, NamespaceArgs};
use crate::exit::{self, Failure};
use crate::render::{Look, machine};
use crate::{connect, go_duration};

use follow::{Ended, Followed, Screen};
use view::StatusView;

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct StatusArgs {
    /// FlippyConfig to show in full [default: all of them]
    #[arg(add = ArgValueCompleter::new(names::configs))]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) place: NamespaceArgs,
    /// Show it again whenever it changes, until Ctrl-C; a line per change when piped
    #[arg(short, long)]
    pub(crate) watch: bool,
    /// Watch until everything is done, or stalled
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(crate) until: Option<Until>,
    /// With --until: wait so long at most; a Go duration such as 30m [default: for ever]
    #[arg(long, value_name = "DURATION", requires = "until", value_parser = go_duration::parse)]
    pub(crate) timeout: Option<Duration>,
    /// For programs; with --watch, JSON has one object a line
    #[arg(short, long, value_enum)]
    pub(crate) output: Option<Machine>,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Until {
    /// Every workload in scope runs a wanted image, or nothing goes on without a person
    Done,
}

const AFTER_HELP: &str = "\
It shows what the operator has written into the status of the configs, and says when that is not
up to date: no operator is at work, or it has not seen the last change yet.

JSON and YAML: {configs: [{namespace, name, progress: Ready|UnderWay|Stalled|Unknown, reason,
  message, since, notUpToDate, held: {reason, message, since}, desiredImages: [string],
  workloads: {total, done, fresh, restart, inFlight, converging, blocked, futile, idle, failed},
  startedAt, completedAt, inFlight: [{workload, reason, message}], blocked: [...], failed: [...],
  preconditions: [{type, namespace, name, met, unmetSince, message}],
  waves: [as in the status of the resource], restartsPerMinute, estimatedEnd}]}
With --watch one such config a line. Fields may be added; those that do not apply are absent.
docs/reasons.md explains every reason.

Examples:
  flippy status                                    every config, one a line
  flippy status mesh                               one in full
  flippy status mesh --watch                       live
  flippy status mesh --until done --timeout 2h     in a pipeline

Needs the right to list flippyconfigs, with --watch or --until also to watch them. Exit codes:
0 done, 1 error, 2 wrong usage or no way to the cluster; with --until also 3 not done when the
timeout was over, 4 stalled: it needs a person.";

#[derive(Serialize)]
struct Document {
    configs: Vec<StatusView>,
}

/// Shows statuses.
pub(crate) async fn status(args: StatusArgs, connection: Connection) -> Result<ExitCode, Failure> {
    let follows = args.watch || args.until.is_some();
    if follows && args.output == Some(Machine::Yaml) {
        return Err(Failure::cannot_begin("--watch shows one object a line, which YAML cannot: write -o json"));
    }
    let cluster =
        if follows { connect::watched_cluster(&connection).await? } else { connect::cluster(&connection).await? };
    let found = configs::find(&cluster, args.name.as_deref(), &args.place).await?;
    if !follows {
        let views: Vec<StatusView> = found.configs.iter().map(StatusView::of).collect();
        let shown = match args.output {
            Some(format) => machine::of(&Document { configs: views }, format)?,
            None => text::text(&views, Look::of_stdout()),
        };
        return exit::print(&shown).map(|()| ExitCode::SUCCESS);
    }
    // Of the one that was found, wherever that is.
    let home = args.name.is_some().then(|| found.configs.first().and_then(|config| config.metadata.namespace.clone()));
    let namespace = home.flatten().or(found.namespace);
    let followed = Followed {
        api: configs::api(&cluster, namespace.as_deref()),
        name: args.name.as_deref(),
        server: &cluster.server,
        until_done: args.until == Some(Until::Done),
        timeout: args.timeout,
    };
    let ended = follow::follow(followed, Screen::new(args.output.is_some(), Look::of_stdout())).await?;
    Ok(match ended {
        Ended::Done | Ended::Closed => ExitCode::SUCCESS,
        Ended::TimeIsOver => exit::STALE.into(),
        Ended::Stalled => exit::NEEDS_A_PERSON.into(),
    })
}
