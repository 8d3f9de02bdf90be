//! What can be typed.
#![allow(clippy::doc_markdown, reason = "doc comments are help texts here, and a terminal shows backticks as they are")]

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::ArgValueCompleter;

use crate::address::{self, ListenAddress};
use crate::completion::{CompletionArgs, names};
use crate::demo::DemoArgs;
use crate::election::ElectionArgs;
use crate::explain::ExplainArgs;
use crate::go_duration;
use crate::metrics_args::MetricsArgs;
use crate::reference::ReferenceArgs;
use crate::rehearse::RehearseArgs;
use crate::report::ReportArgs;
use crate::restart::RestartArgs;
use crate::status::StatusArgs;
use crate::verbs::{RetryArgs, VerbArgs};

/// Restarts the workloads that still run an old sidecar, in order and at a safe pace.
#[derive(Debug, Parser)]
#[command(name = "flippy", version, arg_required_else_help = true, max_term_width = 100, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) connection: Connection,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const AFTER_HELP: &str = "\
Examples:
  flippy demo                        see it at work, without a cluster
  flippy plan                        what the FlippyConfigs of the current cluster would restart
  flippy plan -f config.yaml         the same for a file, before anything is installed
  flippy rehearse mesh               what a campaign would be like, on a copy of the cluster in memory
  flippy restart -f config.yaml      do it, from here, without anything installed
  flippy status mesh --watch         how the campaign of a FlippyConfig stands, live
  flippy pause mesh                  let no further restart start; `resume` takes it back
  flippy explain deploy/cart -n shop why this one is, or is not, restarted
  flippy crd | kubectl apply -f -    install the FlippyConfig resource
  flippy approve mesh early          let wave `early` of FlippyConfig mesh start
  flippy run                         be the operator

Flags of `run` without a subcommand mean `run`, as the original program was started:
  flippy --metrics-bind-address=:8080 --leader-elect

Exit codes:
  0  done
  1  error: something is wrong with what was given or found
  2  wrong usage, or the cluster cannot be reached
  3  not done yet: with `plan --exit-code` there are stale workloads, with `explain` it is one, with
     `status --until` the time was over; `rehearse`: workloads would be left behind
  4  `explain`, `status --until`, `restart`: it needs a person; `rehearse`: it would halt
  5 and more: see `flippy restart --help`";

/// Which cluster.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Connection {
    /// Kubeconfig file to use instead of $KUBECONFIG, the pod's own service account or ~/.kube/config
    #[arg(long, global = true, value_name = "FILE", help_heading = "Cluster")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig to use instead of the current one
    #[arg(long, global = true, value_name = "NAME", help_heading = "Cluster", add = ArgValueCompleter::new(names::contexts))]
    pub(crate) context: Option<String>,
    /// User to act as, if the cluster lets you
    #[arg(long = "as", global = true, value_name = "USER", help_heading = "Cluster")]
    pub(crate) act_as: Option<String>,
    /// Group to act as; repeatable
    #[arg(long = "as-group", global = true, value_name = "GROUP", requires = "act_as", help_heading = "Cluster")]
    pub(crate) act_as_groups: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Be the operator: watch the cluster and restart what is stale
    Run(Box<RunArgs>),
    /// Show every workload in scope and what would be done with it; changes nothing
    Plan(PlanArgs),
    /// Play a campaign on a copy of the cluster in memory, and show what would happen; changes nothing
    Rehearse(Box<RehearseArgs>),
    /// Write down what happened in a campaign, as one page for browsers and printers
    Report(ReportArgs),
    /// Tell why one workload is, or is not, restarted, link by link; changes nothing
    Explain(ExplainArgs),
    /// Show how FlippyConfigs stand, once or live
    Status(StatusArgs),
    /// Restart what is stale, from here, and wait for the end; nothing needs to be installed
    Restart(Box<RestartArgs>),
    /// Let no further restart of a FlippyConfig start
    Pause(VerbArgs),
    /// Let restarts of a FlippyConfig start again, also after it halted
    Resume(VerbArgs),
    /// Make restarts again that failed or were futile, at once
    Retry(RetryArgs),
    /// Let a wave start whose Approval is Manual
    Approve(ApproveArgs),
    /// Watch a campaign on a cluster in memory: nothing is needed, nothing is touched
    Demo(DemoArgs),
    /// Print a script by which a shell completes commands, flags and names
    Completion(CompletionArgs),
    /// Write the reference of the command line
    #[command(hide = true)]
    Reference(ReferenceArgs),
    /// Print the CustomResourceDefinition of FlippyConfig as YAML
    Crd,
}

/// How configs are read. `plan` must read them as the operator does.
#[derive(Args, Clone, Debug)]
pub(crate) struct ReadingArgs {
    /// Label of a namespace, or annotation of a workload or its pod template, that says "true" to be left alone
    #[arg(long, value_name = "KEY", default_value = "flippy-ignore", env = "FLIPPY_IGNORE_KEY")]
    pub(crate) flippy_ignore_key: String,
    /// Namespace whose FlippyConfigs act on the whole cluster; others act on their own namespace only. Repeatable
    /// [default: the operator's own ($POD_NAMESPACE) and istio-system]
    #[arg(long, value_name = "NAMESPACE", env = "FLIPPY_CONFIG_NAMESPACE", value_delimiter = ',')]
    pub(crate) config_namespace: Vec<String>,
}

#[derive(Args, Debug)]
#[command(after_help = RUN_AFTER_HELP)]
pub(crate) struct RunArgs {
    /// Address of /healthz and /readyz; 0: none
    #[arg(long, value_name = "ADDRESS", default_value = ":8081", value_parser = address::parse, env = "FLIPPY_HEALTH_PROBE_BIND_ADDRESS")]
    pub(crate) health_probe_bind_address: ListenAddress,
    /// Everything is decided anew at least this often, whatever happens; a Go duration such as 10h or 1h30m
    #[arg(long, value_name = "DURATION", default_value = "10h", value_parser = go_duration::parse_period)]
    pub(crate) reconciler_time: Duration,
    #[command(flatten)]
    pub(crate) reading: ReadingArgs,
    #[command(flatten)]
    pub(crate) election: ElectionArgs,
    #[command(flatten)]
    pub(crate) metrics: MetricsArgs,
    #[command(flatten)]
    pub(crate) zap: ZapArgs,
}

const RUN_AFTER_HELP: &str = "\
Environment:
  KUBECONFIG      kubeconfig files, as kubectl reads it
  POD_NAME        who this is, in events and in the lease [default: the host's name]
  POD_NAMESPACE   the operator's own namespace
  RUST_LOG        what is logged, for example `debug` or `flippy_operator=debug` [default: info]

Logs go to stderr: for people on a terminal, as JSON otherwise. SIGTERM and SIGINT stop it
gracefully with exit code 0; a second one ends it at once. Flags may begin with one dash, as in Go.";

/// Flags of the original's logger.
#[derive(Args, Debug)]
#[allow(clippy::struct_field_names, reason = "that is what they are called")]
#[command(next_help_heading = "Accepted for the original's sake, without effect")]
pub(crate) struct ZapArgs {
    /// Use RUST_LOG
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    zap_devel: Option<String>,
    /// Logs are JSON except on a terminal
    #[arg(long, value_name = "ENCODER")]
    zap_encoder: Option<String>,
    /// Use RUST_LOG
    #[arg(long, value_name = "LEVEL")]
    zap_log_level: Option<String>,
    /// There are no stack traces
    #[arg(long, value_name = "LEVEL")]
    zap_stacktrace_level: Option<String>,
    /// Times are RFC 3339
    #[arg(long, value_name = "ENCODING")]
    zap_time_encoding: Option<String>,
}

impl ZapArgs {
    /// Names of the flags that were passed.
    pub(crate) fn passed(&self) -> Vec<&'static str> {
        let flags = [
            ("--zap-devel", &self.zap_devel),
            ("--zap-encoder", &self.zap_encoder),
            ("--zap-log-level", &self.zap_log_level),
            ("--zap-stacktrace-level", &self.zap_stacktrace_level),
            ("--zap-time-encoding", &self.zap_time_encoding),
        ];
        flags.into_iter().filter(|(_, value)| value.is_some()).map(|(name, _)| name).collect()
    }
}

#[derive(Args, Debug)]
#[command(after_help = PLAN_AFTER_HELP)]
pub(crate) struct PlanArgs {
    /// FlippyConfig to plan [default: all of them]
    #[arg(conflicts_with = "filename", add = ArgValueCompleter::new(names::configs))]
    pub(crate) name: Option<String>,
    /// Namespace of the FlippyConfig [default: all namespaces; with -f, the namespace of objects that name none]
    #[arg(short, long, add = ArgValueCompleter::new(names::namespaces))]
    pub(crate) namespace: Option<String>,
    /// In all namespaces, which is the default
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub(crate) all_namespaces: bool,
    /// YAML or JSON file with FlippyConfigs to plan as if they were applied; `-` is standard input
    #[arg(short, long, value_name = "FILE")]
    pub(crate) filename: Option<PathBuf>,
    /// How to show the plan
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
    /// Exit with 3 if there are stale workloads, with 0 if there are none
    #[arg(long)]
    pub(crate) exit_code: bool,
    #[command(flatten)]
    pub(crate) reading: ReadingArgs,
}

#[derive(Args, Debug)]
#[command(after_help = APPROVE_AFTER_HELP)]
pub(crate) struct ApproveArgs {
    /// Name of the FlippyConfig
    #[arg(value_name = "CONFIG", add = ArgValueCompleter::new(names::configs))]
    pub(crate) name: String,
    /// Name of the wave
    #[arg(add = ArgValueCompleter::new(names::waves))]
    pub(crate) wave: String,
    /// Namespace of the FlippyConfig [default: any, as long as the name is clear]
    #[arg(short, long, add = ArgValueCompleter::new(names::namespaces))]
    pub(crate) namespace: Option<String>,
}

const APPROVE_AFTER_HELP: &str = "\
Writes the annotation flippy.keikoproj.io/approve-WAVE of the FlippyConfig: the campaign that its
status names, and who you are, as far as the API server tells. It counts for this campaign only;
once the images change, the wave waits again. It cannot be taken back: to stop, set Suspend.

Example:
  flippy approve mesh early

Needs the right to list and patch flippyconfigs. Exit codes: 0 done, 1 error, 2 wrong usage or
no way to the cluster.";

/// How a plan is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// One workload a line; aligned columns without colours when piped
    Table,
    /// The same with more columns
    Wide,
    /// For programs
    Json,
    /// For programs
    Yaml,
}

/// A form for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Machine {
    Json,
    Yaml,
}

const PLAN_AFTER_HELP: &str = "\
Workloads are listed in the order in which they would be restarted. Verdicts:
  Restart     stale: it is to be restarted
  InFlight    a restart by Flippy is under way
  Converging  somebody else's rollout replaces its stale pods already
  Blocked     stale, but restarting it would do harm or nothing; the reason says what to do
  Futile      a restart brought the same stale image again
  Failed      a restart by Flippy did not complete in time
  Fresh       every pod runs a wanted image
  Idle        no running pods

JSON and YAML: {configs: [{namespace, name, problems: [string], notes: [{path, message}],
  suspended, dryRun, onlyNamespace, desiredImages: [string], desiredImagesHash, selectsNothing,
  preconditions: [{kind, namespace, name, met, message}],
  restartFirst: [{kind, namespace, name, state, message}],
  workloads: [{kind, namespace, name, uid, verdict, reason, message, container, image, pods,
               stalePods, healthy, attempt, restartedAt, until, wave,
               waitsFor: {reason, message, until}}],
  counters: {fresh, restart, inFlight, converging, blocked, futile, idle, failed, total},
  startsNow: [{kind, namespace, name}], hold: {reason, message, until},
  campaign, waves: [{name, state, total, fresh, leftBehind, startedAt, completedAt, soaksUntil,
                     approvedAt, approvedBy}], restartsPerMinute, estimatedEnd}]}
Fields may be added; those that do not apply are absent.

Examples:
  flippy plan                           every FlippyConfig of the cluster
  flippy plan mesh -n istio-system      one of them
  flippy plan -f config.yaml            a file, before anything is installed
  flippy plan --exit-code >/dev/null    test in a pipeline whether anything is stale
  flippy plan | grep Blocked            what needs a person
  flippy plan -o json | jq -r '.configs[].workloads[] | select(.verdict == \"Restart\") | .name'

Needs the right to list namespaces, pods, replicasets, and the workloads and FlippyConfigs it is
about, in the whole cluster. Exit codes: 0 done, 1 error, 2 wrong usage or no way to the cluster,
3 stale workloads (only with --exit-code).";

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    fn run(args: &[&str]) -> RunArgs {
        let cli = Cli::try_parse_from(["flippy", "run"].iter().chain(args)).expect("it is accepted");
        let Command::Run(args) = cli.command else { unreachable!("run was asked for") };
        *args
    }

    #[test]
    fn leader_elect_is_a_switch_with_an_optional_value() {
        assert!(!run(&[]).election.leader_elect);
        assert!(run(&["--leader-elect"]).election.leader_elect);
        assert!(run(&["--leader-elect=true"]).election.leader_elect);
        assert!(!run(&["--leader-elect=false"]).election.leader_elect);
    }

    #[test]
    fn the_defaults_are_the_original_ones() {
        let args = run(&[]);
        assert_eq!(args.metrics.metrics_bind_address.0.map(|address| address.port()), Some(8080));
        assert_eq!(args.health_probe_bind_address.0.map(|address| address.port()), Some(8081));
        assert_eq!(args.reconciler_time, Duration::from_hours(10));
        assert_eq!(args.reading.flippy_ignore_key, "flippy-ignore");
    }

    #[test]
    fn flags_of_the_original_logger_are_accepted() {
        let args = run(&["--zap-devel", "--zap-log-level", "debug", "--zap-encoder=json"]);
        assert_eq!(args.zap.passed(), ["--zap-devel", "--zap-encoder", "--zap-log-level"]);
    }

    #[test]
    fn config_namespaces_add_up() {
        let args = run(&["--config-namespace", "a", "--config-namespace=b,c"]);
        assert_eq!(args.reading.config_namespace, ["a", "b", "c"]);
    }
}
