//! What `flippy rehearse` understands.
#![allow(clippy::doc_markdown, reason = "doc comments are help texts here, and a terminal shows backticks as they are")]

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use flippy_core::Timestamp;

use super::what_if::{self, WhatIf};
use crate::cli::ReadingArgs;

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct RehearseArgs {
    /// FlippyConfig of the cluster, or of the dump, to rehearse
    #[arg(conflicts_with = "filename", required_unless_present = "filename")]
    pub(crate) name: Option<String>,
    /// YAML or JSON file with the FlippyConfig to rehearse; `-` is standard input
    #[arg(short, long, value_name = "FILE")]
    pub(crate) filename: Option<PathBuf>,
    /// Namespace of the FlippyConfig [default: any; with -f, that of the first --config-namespace]
    #[arg(short, long)]
    pub(crate) namespace: Option<String>,
    /// Files that `kubectl get … -A -o json` has written, instead of the cluster; `-` is standard input
    #[arg(long, value_name = "FILE", num_args = 1.., value_delimiter = ',')]
    pub(crate) from: Vec<PathBuf>,
    /// What is worse than it was: ready=2x, ready=90s, fail=1%, or several with commas
    #[arg(long, value_name = "WHAT", value_parser = what_if::parse)]
    pub(crate) what_if: Option<WhatIf>,
    /// When it begins, RFC 3339 [default: now; with --from, when the dump was taken, as far as it tells]
    #[arg(long, value_name = "TIME")]
    pub(crate) start: Option<Timestamp>,
    /// What is left to chance is decided by this number: the same seed, the same rehearsal
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub(crate) seed: u64,
    /// How to show it
    #[arg(short, long, value_enum, default_value_t = RehearseOutput::Table)]
    pub(crate) output: RehearseOutput,
    /// Write it as one HTML page, too
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) reading: ReadingArgs,
}

/// How a rehearsal is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RehearseOutput {
    /// For people: what would happen, in short
    Table,
    /// The same with every restart
    Wide,
    /// For programs
    Json,
}

const AFTER_HELP: &str = "\
The cluster is loaded into memory, and the operator of `flippy run` plays the campaign there on a
clock that runs as fast as the machine. Nothing is written to the real cluster, and nothing watched.

Assumed is what nobody can know: the mesh is upgraded (new pods get the wanted images), pods get
ready as fast as the present ones did, nobody else changes anything, there is room for new pods,
gates are open and waves get their approvals. The output says what was assumed.

A dump for --from:
  kubectl get deploy,sts,ds,rs,pods,ns,pdb -A -o json > dump.json
  kubectl get rollouts,flippyconfigs -A -o json > more.json        where there are any

JSON: {source, configs: [{namespace, name, desiredImages, reason, message}], begunAt, endedAt,
  outcome: Finished|Blocked|Halted|UnderWay, message,
  restarts: [{kind, namespace, name, wave, startedAt, readyAt, failedAt, state, message, pods}],
  waves: [{name, state, total, startedAt, completedAt}], holds: [{reason, message, from, until}],
  workloads: [{kind, namespace, name, wave, verdict, reason, message, pods, stalePods}],
  disruption: {peak, peakAt, pods, namespaces: [{namespace, peak, peakAt, pods}]},
  deadlocks: [{kind, namespace, name}], assumptions: [string], notes: [string]}
Restarts are in the order in which they start. Fields may be added; those that do not apply are
absent.

Examples:
  flippy rehearse mesh                                    the config of the cluster, from now on
  flippy rehearse -f mesh.yaml --from dump.json           a file on a dump, without a cluster
  flippy rehearse mesh --what-if ready=2x,fail=1%         on a bad day
  flippy rehearse mesh --start 2026-11-27T21:00:00Z       on Friday night
  flippy rehearse mesh --report mesh.html                 for those who have to approve it

Needs the right to list namespaces, pods, replicasets, poddisruptionbudgets, deployments,
statefulsets, daemonsets and rollouts in the whole cluster, and flippyconfigs for a NAME; with
--from none. Exit codes: 0 it would finish, 1 error, 2 wrong usage or no way to the cluster, 3 it
would end, but leave workloads behind, 4 it would halt, 130 interrupted.";
