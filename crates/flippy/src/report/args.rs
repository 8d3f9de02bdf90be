//! What `flippy report` understands.
#![allow(clippy::doc_markdown, reason = "doc comments are help texts here, and a terminal shows backticks as they are")]

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::ReadingArgs;
use crate::configs::NamespaceArgs;

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct ReportArgs {
    /// FlippyConfig to report on
    #[arg(value_name = "CONFIG")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) place: NamespaceArgs,
    /// Form of the report
    #[arg(short, long, value_enum, default_value_t = ReportOutput::Html)]
    pub(crate) output: ReportOutput,
    /// File to write it into [default: standard output]
    #[arg(long, value_name = "PATH")]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) reading: ReadingArgs,
}

/// The form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportOutput {
    /// One page that needs nothing else, for browsers and printers
    Html,
    /// For programs, as in `flippy rehearse -o json`
    Json,
}

const AFTER_HELP: &str = "\
It tells of the campaign for the images that are wanted now, from what the cluster itself remembers:
the marks of restarts on the workloads, the conditions of their pods and the status of the config.
Of each workload the last restart is known. Nothing is written to the cluster.

The page is one file: no network, no fonts, no scripts but its own; it works without JavaScript too,
in the dark, and on paper. `flippy rehearse --report FILE` and `flippy demo --report FILE` write the
same page of what would be, and of the demo. docs/report.md says what is in it.

Examples:
  flippy report mesh --file mesh.html               the page
  flippy report mesh -n istio-system > mesh.html    the same
  flippy report mesh -o json | jq '.restarts[0]'    for programs

Needs the right to list namespaces, pods, replicasets, poddisruptionbudgets, flippyconfigs and the
workloads that it is about, in the whole cluster. Exit codes: 0 done, 1 error, 2 wrong usage or no
way to the cluster.";
