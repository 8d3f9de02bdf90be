//! What `flippy demo` understands.
#![allow(clippy::doc_markdown, reason = "doc comments are help texts here, and a terminal shows backticks as they are")]

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::speed::{self, Speed};

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct DemoArgs {
    /// Cluster seconds per second, or max [default: 60 on a terminal, max otherwise]
    #[arg(long, value_name = "N|max", value_parser = speed::parse)]
    pub(crate) speed: Option<Speed>,
    /// What happens in the cluster is decided by this number: the same seed, the same campaign
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub(crate) seed: u64,
    /// YAML or JSON file with a FlippyConfig of your own to try on the demo's mesh; `-` is standard input
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// How to show it
    #[arg(short, long, value_enum, default_value_t = DemoOutput::Table)]
    pub(crate) output: DemoOutput,
    /// Write it as one HTML page, too
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Print the demo's own FlippyConfig, to change it and try it with --config; nothing else happens
    #[arg(long)]
    pub(crate) print_config: bool,
}

/// How the demo is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DemoOutput {
    /// For people: live on a terminal, otherwise one line per event; then the verdicts
    Table,
    /// The same with more columns, and with the fresh workloads on a terminal too
    Wide,
    /// For programs: one JSON object a line, the last one of type `result`
    Json,
}

const AFTER_HELP: &str = "\
Everything happens inside this process: a Kubernetes API in memory with 80 workloads of a dozen
teams, some of them awkward, and the same operator as in `flippy run`. No cluster, no network, no
files are touched. Whatever is shown was read from that API: events, statuses, and the plan as
`flippy plan` makes it.

With --config, the mesh is upgraded to the first image of the ImageList that is not the old one,
docker.io/istio/proxyv2:1.30.3. Namespaces, names and labels are those of --print-config; workloads
are Deployments, ArgoRollouts, StatefulSets and DaemonSets with the sidecar container istio-proxy.

JSON lines: {type: \"started\" | \"turn\" | \"waiting\" | \"restarted\" | \"skipped\" | \"futile\" |
  \"failed\", clusterSeconds, subject, reason, message}, then one {type: \"result\", outcome:
  \"Settled\" | \"OutOfTime\" | \"Interrupted\", seed, clusterSeconds, restarts,
  leftAlone: [string], configs: as in `flippy plan -o json`}. Fields may be added; those that do
  not apply are absent.

Examples:
  flippy demo
  flippy demo --speed 10                 slower, to read along
  flippy demo --seed 7                   another day
  flippy demo --print-config > mesh.yaml; edit mesh.yaml; flippy demo --config mesh.yaml
  flippy demo --report demo.html         what `flippy report` makes of it
  flippy demo -o json | jq -r 'select(.type == \"skipped\") | .subject'

Exit codes: 0 the campaign is over: everything in scope is fresh, or it is said why not; 1 error,
for example in the file of --config, or it was not over after four hours of cluster time; 2 wrong
usage; 130 interrupted.";
