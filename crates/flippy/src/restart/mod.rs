//! `flippy restart`: a whole campaign from a terminal or a pipeline, with nothing installed in the cluster. It is the
//! operator's own loop, told to whoever waits instead of written into statuses.
#![allow(clippy::doc_markdown, reason = "doc comments are help texts here, and a terminal shows backticks as they are")]

mod at_work;
mod consent;
mod ending;
mod frame;
mod hear;
mod rights;
mod screen;
mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use clap_complete::ArgValueCompleter;
use flippy_api::{ConversionOptions, FlippyConfig};
use flippy_core::{Kind, Method, Policy, PolicyName, Timestamp, annotation};
use flippy_operator::{Campaign, Clients, Clock, Dialer};
use kube::{Client, ResourceExt as _};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::cli::{Connection, ReadingArgs};
use crate::completion::names;
use crate::configs::{self, NamespaceArgs};
use crate::connect::{self, Cluster};
use crate::exit::Failure;
use crate::logging::When;
use crate::plan::subject::{self, Subject};
use crate::plan::view::ConfigView;
use crate::plan::{self, sources};
use crate::run::{conversion, instance};
use crate::{approve, go_duration, logging, stop};

use ending::Ending;
use hear::{Heard, Listener};
use rights::Needs;
use screen::Screen;

/// What may wait to be shown. A terminal is faster than a cluster.
const NEWS: usize = 4096;

#[derive(Args, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag")]
#[command(after_help = AFTER_HELP)]
pub(crate) struct RestartArgs {
    /// FlippyConfig of the cluster
    #[arg(value_name = "CONFIG", conflicts_with = "filename", add = ArgValueCompleter::new(names::configs), required_unless_present = "filename")]
    pub(crate) name: Option<String>,
    /// Namespace of the FlippyConfig [default: any, as long as the name is clear; with -f, that of the context]
    #[arg(short, long, add = ArgValueCompleter::new(names::namespaces))]
    pub(crate) namespace: Option<String>,
    /// YAML or JSON file with FlippyConfigs; `-` is standard input. They need not be in the cluster
    #[arg(short, long, value_name = "FILE")]
    pub(crate) filename: Option<PathBuf>,
    /// Do not ask before the first restart; needed when standard input is no terminal
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Show what would be done and check the rights for it, and restart nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Start nothing more after so long; a Go duration such as 2h [default: as long as it takes]
    #[arg(long, value_name = "DURATION", value_parser = go_duration::parse)]
    pub(crate) timeout: Option<Duration>,
    /// Approve a wave whose Approval is Manual; repeatable
    #[arg(long, value_name = "WAVE")]
    pub(crate) approve: Vec<String>,
    /// Go on in spite of restarts that have failed before now, as `flippy resume` does
    #[arg(long)]
    pub(crate) resume: bool,
    /// Make restarts again that failed or were futile before now, as `flippy retry` does
    #[arg(long)]
    pub(crate) retry: bool,
    /// Begin although it looks as if an operator were at work on the same workloads: you know that none is
    #[arg(long)]
    pub(crate) no_operator: bool,
    /// For programs: one JSON object a line
    #[arg(short, long, value_enum)]
    pub(crate) output: Option<Lines>,
    #[command(flatten)]
    pub(crate) reading: ReadingArgs,
}

/// A form for programs that read while it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Lines {
    Json,
}

const AFTER_HELP: &str = "\
It does what the operator would do for these configs: the same order, waves, budgets, windows and
gates, until every workload in scope is fresh, or what is left has a reason that waiting does not
end. Nothing of Flippy needs to be in the cluster, and nothing is left there but the marks on the
workloads. They are the ledger: after an interruption the same command goes on where it stopped,
and an operator that is installed later knows what was done. What only a status remembers begins
anew: approvals of waves, and soaks.

It begins by showing the plan in brief, and asks. It refuses while an operator is at work (a held
and renewed Lease named flippy; where there is no such Lease at all, a status that answers the
present spec) and a FlippyConfig of the cluster that is not paused is about some of the same
workloads; --no-operator says that none is. Changes of a CONFIG of the cluster are not seen once it
has begun.

Ctrl-C: nothing more starts, and what is under way is named and finishes by itself; again: at once.
Where a wave needs approval it asks at a terminal; elsewhere it ends with 7, and --approve helps.
Gates are asked from here: their Prometheus must be reachable from this machine. So is admission,
with DriftDetection: Injection: pods are created on a dry run, with your own rights.

JSON lines, each with `event` and `at`:
  Planned    {namespace, name, desiredImages, counters, startsNow: [{kind, namespace, name}], hold}
  Restarted  {kind, namespace, name, message}
  Progress   as a config in `flippy status -o json`; on every turn, else every 10 s
  Ended      {outcome: AllFresh|Blocked|Failed|Halted|AwaitingApproval|TimedOut|Interrupted,
              exitCode, message, underWay: [string], configs: [as in Progress]}
Fields may be added; those that do not apply are absent.

Examples:
  flippy restart -f mesh.yaml                        at a terminal
  flippy restart -f mesh.yaml --dry-run              only look, and check the rights
  flippy restart -f mesh.yaml --yes --timeout 2h     in a pipeline, after the mesh was upgraded
  flippy restart -f mesh.yaml --yes --approve rest   including the wave `rest`, which needs approval

Needs your own rights to list and watch namespaces, pods, replicasets, poddisruptionbudgets and
the workloads the config is about, in the whole cluster, and to patch these workloads where they
are; to create pods/eviction where pods are evicted; with DriftDetection: Injection also to create
pods there. Those missing are named before anything begins. Exit codes:
  0    every workload in scope runs a wanted image; with --dry-run: it could begin
  1    error: nothing was begun
  2    wrong usage, or the cluster cannot be reached
  3    --timeout was over
  4    what is left is blocked or was restarted in vain: it needs a person
  5    some restarts have failed
  6    halted: more restarts have failed than Strategy.MaxFailures tolerates
  7    a wave waits for approval
  130  interrupted";

/// Runs the campaign.
pub(crate) async fn restart(args: RestartArgs, connection: Connection) -> Result<ExitCode, Failure> {
    let reads_stdin = args.filename.as_deref().is_some_and(|file| file.as_os_str() == "-");
    if !args.yes && !args.dry_run && (reads_stdin || !consent::can_ask()) {
        return Err(Failure::cannot_begin(
            "there is no terminal to ask at whether to begin: add --yes, or --dry-run to see what would be done",
        ));
    }
    let _logging = logging::start(When::IfAsked);
    let options = conversion(args.reading.clone());
    if let Some(file) = &args.filename {
        // Mistakes in a file need no cluster to be told.
        let somewhere = options.trusted_namespaces.first().map_or("default", AsRef::as_ref);
        if !reads_stdin {
            plan::configs_of_file(file, args.namespace.as_deref().unwrap_or(somewhere), &options)?;
        }
    }
    let config = connect::config(&connection).await?;
    let watching = connect::client(config.clone())?;
    let cluster = connect::asking(config)?;
    let mut configs = given(&args, &cluster, &options).await?;
    let wishes = [(args.resume, annotation::RESUMED_AT), (args.retry, annotation::RETRY)];
    for (_, key) in wishes.into_iter().filter(|(is_wished, _)| *is_wished) {
        for config in &mut configs {
            config.annotations_mut().insert(key.to_owned(), Timestamp::now().to_string());
        }
    }
    let prepared = prepare(&args, &cluster, &configs, &options).await?;
    let dry_run = args.dry_run || prepared.is_dry_run;
    let mut screen = Screen::of_stdout(args.output.is_some());
    screen.planned(&prepared.views, Timestamp::now())?;
    prepared.check_rights(&cluster.client).await?;
    if dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    if !args.yes && prepared.has_something_to_do() {
        let question = format!("Begin, in the cluster at {}?", cluster.server);
        if !consent::ask(&question).await.unwrap_or(false) {
            eprintln!("nothing was restarted");
            return Ok(Ending::Interrupted.exit_code().into());
        }
    }
    drop(prepared);
    let clients = Clients { watching, acting: cluster.client, elsewhere: Dialer::tcp() };
    let ending = run(args, clients, configs, options, &mut screen).await?;
    Ok(ending.exit_code().into())
}

/// The configs that are meant.
async fn given(
    args: &RestartArgs,
    cluster: &Cluster,
    options: &ConversionOptions,
) -> Result<Vec<FlippyConfig>, Failure> {
    if let Some(file) = &args.filename {
        return plan::configs_of_file(file, args.namespace.as_deref().unwrap_or(&cluster.namespace), options);
    }
    let place = NamespaceArgs { namespace: args.namespace.clone(), all_namespaces: false };
    Ok(configs::find(cluster, args.name.as_deref(), &place).await?.configs)
}

/// What is known before it begins.
struct Prepared {
    policies: Vec<Policy>,
    views: Vec<ConfigView>,
    /// Workloads that may be restarted: kind and namespace.
    restarts: BTreeSet<(Kind, String)>,
    /// Namespaces in which pods may be evicted.
    evictions: BTreeSet<String>,
    asks_admission: bool,
    is_dry_run: bool,
}

/// One look at the cluster, as `flippy plan` takes it. What forbids to begin is an error.
async fn prepare(
    args: &RestartArgs,
    cluster: &Cluster,
    configs: &[FlippyConfig],
    options: &ConversionOptions,
) -> Result<Prepared, Failure> {
    let mut subjects = subject::given(configs, options);
    // A plan asks nobody, so that its policies do not say so any more.
    let asks_admission = subjects.iter().any(|subject| subject.policy.as_ref().is_ok_and(Policy::asks_admission));
    sources::join(&cluster.client, &mut subjects).await;
    let problems: Vec<String> = subjects.iter().flat_map(Subject::problem_lines).collect();
    if !problems.is_empty() {
        return Err(Failure::error(problems.join("\n")));
    }
    let policies: Vec<Policy> = subjects.iter().filter_map(|subject| subject.policy.as_ref().ok().cloned()).collect();
    if let Some(policy) = policies.iter().find(|policy| policy.suspended) {
        return Err(Failure::error(format!(
            "FlippyConfig {} is paused (spec.Suspend is true): set that to false first",
            policy.name
        )));
    }
    check_approvals(&args.approve, &policies)?;
    let snapshot = plan::look(&cluster.client, &cluster.server, &subjects, &[]).await?;
    let installed = plan::cluster::configs_if_any(&cluster.client).await;
    let ours: Vec<&Policy> = policies.iter().collect();
    if !args.no_operator {
        at_work::refuse_beside_an_operator(&cluster.client, &ours, &installed, &snapshot, options).await?;
    }
    let views = plan::decide(&subjects, &snapshot, Timestamp::now());
    let plans = || views.iter().filter_map(|view| view.plan.as_ref());
    // Of what admission is asked about, nobody knows yet whether it is stale.
    let may_be_stale = |plan: &plan::view::PlanView, workload: &plan::view::WorkloadView| {
        workload.stale_pods > 0 || plan.wants_what_admission_gives
    };
    let first = |plan: &plan::view::PlanView| plan.restart_first.iter().map(|first| first.workload.clone()).collect();
    let named = plans().flat_map(|plan| {
        let stale = plan.workloads.iter().filter(|workload| may_be_stale(plan, workload));
        let first: Vec<plan::view::NamedView> = first(plan);
        stale.map(|workload| workload.workload.clone()).chain(first)
    });
    let restarts = named.filter_map(|named| Some((Kind::of_name(named.kind)?, named.namespace))).collect();
    let evicted = plans().flat_map(|plan| {
        let by_eviction = plan.workloads.iter().filter(|workload| workload.method == Method::Evict.as_str());
        by_eviction.filter(|workload| may_be_stale(plan, workload)).map(|workload| workload.workload.namespace.clone())
    });
    let evictions = evicted.collect();
    let is_dry_run = policies.iter().all(|policy| policy.dry_run);
    Ok(Prepared { policies, views, restarts, evictions, asks_admission, is_dry_run })
}

/// An approval of nothing is a typing error.
fn check_approvals(approve: &[String], policies: &[Policy]) -> Result<(), Failure> {
    let known: BTreeSet<&str> =
        policies.iter().flat_map(|policy| policy.waves.iter().map(|wave| wave.name.as_ref())).collect();
    let Some(wave) = approve.iter().find(|wave| !known.contains(wave.as_str())) else { return Ok(()) };
    let there_is = if known.is_empty() {
        "there are none".to_owned()
    } else {
        format!("there is {}", known.iter().copied().collect::<Vec<_>>().join(", "))
    };
    Err(Failure::cannot_begin(format!("--approve {wave}: there is no such wave; {there_is}")))
}

impl Prepared {
    async fn check_rights(&self, client: &Client) -> Result<(), Failure> {
        let needs = Needs {
            kinds: self.policies.iter().flat_map(Policy::kinds).collect(),
            disruption_budgets: self.policies.iter().any(Policy::needs_disruption_budgets),
            restarts: self.restarts.iter().map(|(kind, namespace)| (*kind, namespace.as_str())).collect(),
            evictions: self.evictions.iter().map(String::as_str).collect(),
            asks_admission: self.asks_admission,
        };
        rights::check(client, &needs).await
    }

    fn has_something_to_do(&self) -> bool {
        self.views.iter().any(ConfigView::has_stale_workloads) || !self.restarts.is_empty()
    }
}

/// Begins, listens, and sees to it that nothing more starts once it is over.
async fn run(
    args: RestartArgs,
    clients: Clients,
    configs: Vec<FlippyConfig>,
    conversion: ConversionOptions,
    screen: &mut Screen,
) -> Result<Ending, Failure> {
    let interrupted = stop::on_signals()?;
    let user = approve::user(clients.acting.clone()).await;
    let (news_tx, mut news) = mpsc::channel(NEWS);
    let (changes, changes_rx) = mpsc::channel(1);
    let name = |config: &FlippyConfig| PolicyName {
        namespace: config.namespace().unwrap_or_default().into(),
        name: config.name_any().into(),
    };
    let heard: BTreeMap<PolicyName, Heard> = configs.iter().map(|config| (name(config), Heard::new(config))).collect();
    let campaign = Campaign {
        clients,
        conversion,
        configs,
        changes: changes_rx,
        instance: instance(),
        clock: Clock::System,
        news: news_tx,
    };
    let began = Instant::now();
    let stop = CancellationToken::new();
    let _also_on_error = stop.clone().drop_guard();
    let running = tokio::spawn(campaign.run(stop.clone()));
    let mut listener =
        Listener { screen, configs: heard, changes, approve: &args.approve, user, began, restarted: BTreeSet::new() };
    let deadline = args.timeout.and_then(|limit| began.checked_add(limit));
    let ending = listener.until_ended(&mut news, &interrupted, deadline).await?;
    stop.cancel();
    listener.until_silent(&mut news).await?;
    if let Err(error) = running.await {
        return Err(Failure::error(format!("the campaign ended unexpectedly: {error}; please report it")));
    }
    listener.say_farewell(ending)?;
    Ok(ending)
}
