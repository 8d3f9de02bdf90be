//! `flippy explain`: why one workload is, or is not, restarted, by the very decisions of the operator's pass.

mod seen;
pub(crate) mod target;
mod text;
mod view;
mod words;

use std::collections::BTreeSet;
use std::process::ExitCode;

use clap::Args;
use clap_complete::ArgValueCompleter;
use flippy_core::{Claims, Kind, NamedWorkload, Policy, Snapshot, Timestamp, Workload};

use crate::cli::{Connection, Machine, ReadingArgs};
use crate::completion::names;
use crate::connect;
use crate::exit::{self, Failure};
use crate::near::near;
use crate::plan::Pass;
use crate::plan::subject::Subject;
use crate::render::{Look, machine};
use crate::run::conversion;

use seen::Seen;
use target::{Target, TargetKind};
use view::{ConfigView, ExplanationView};

#[derive(Args, Debug)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct ExplainArgs {
    /// The workload, as for kubectl: deploy/cart, sts/db, ds/agent, rollout/web; of a pod, its workload
    #[arg(required = true, num_args = 1..=2, value_name = "KIND/NAME", add = ArgValueCompleter::new(names::workloads))]
    pub(crate) workload: Vec<String>,
    /// Namespace of the workload [default: that of the context]
    #[arg(short, long, add = ArgValueCompleter::new(names::namespaces))]
    pub(crate) namespace: Option<String>,
    /// For programs
    #[arg(short, long, value_enum)]
    pub(crate) output: Option<Machine>,
    #[command(flatten)]
    pub(crate) reading: ReadingArgs,
}

const AFTER_HELP: &str = "\
Every FlippyConfig of the cluster is asked about the workload, question by question: is its kind
named, its namespace trusted and labelled, its pod template, does anything say to leave it alone,
do its pods have the container. Where the answer is NO, `change` names the field. Then its pods
with their images, its last restart, the verdict, and what it waits for and until when.

The operator need not run. What the operator alone knows is not shown: restarts that the API
server refused a moment ago, and restarts that were taken back.

JSON and YAML: {kind, namespace, name, uid, outcome: NothingToDo|NotDone|NeedsAPerson, summary,
  configs: [{namespace, name, isAboutIt, problems: [string], verdict, reason,
    links: [{link, state: Holds|Fails|Fact, found, change, until}],
    pods: [{name, owners: [string], state, ready, createdAt, stale, predatesRestart,
            containers: [{name, image, wanted}]}]}], notes: [string]}
Fields may be added; those that do not apply are absent.

Examples:
  flippy explain deploy/cart -n shop
  flippy explain rollout.argoproj.io/web -n shop
  flippy explain pod/cart-7c9f-x2x -n shop     its workload
  flippy explain cloneset.apps.kruise.io/cart  a custom kind that a config names
  flippy explain sts/db -n shop -o json | jq -r '.configs[] | select(.isAboutIt) | .verdict'

Needs the right to list what `flippy plan` lists; or, of the namespace of the workload, to get it
and to list its pods, replicasets and workloads, and to list FlippyConfigs there and in the
--config-namespaces. Then it says what it could not see. Exit codes: 0 nothing to do (it is fresh, or no
config is about it), 1 error, 2 wrong usage or no way to the cluster, 3 not done yet (stale, to be
restarted or being restarted), 4 it needs a person (blocked, futile or failed).";

/// Explains one workload.
pub(crate) async fn explain(args: ExplainArgs, connection: Connection) -> Result<ExitCode, Failure> {
    let target = Target::parse(&args.workload)?;
    let options = conversion(args.reading);
    let cluster = connect::cluster(&connection).await?;
    let namespace = args.namespace.unwrap_or_else(|| cluster.namespace.clone());
    let besides: &[Kind] = match &target.kind {
        // Its template may be a Deployment's.
        TargetKind::Workload(Kind::ArgoRollout) => &[Kind::ArgoRollout, Kind::Deployment],
        TargetKind::Workload(kind) => std::slice::from_ref(kind),
        TargetKind::Pod | TargetKind::Named(..) => &[],
    };
    let Seen { subjects, snapshot, notes } = seen::look(&cluster, &options, &namespace, besides).await?;
    let target = resolved(target, &subjects)?;
    let workload = find(&target, &namespace, &snapshot)?;
    let mut view = explained(workload, &subjects, &snapshot, Timestamp::now());
    view.notes.extend(notes);
    let shown = match args.output {
        Some(format) => machine::of(&view, format)?,
        None => text::text(&view, Look::of_stdout()),
    };
    exit::print(&shown)?;
    conclude(&view, &subjects, &namespace, &options.trusted_namespaces)
}

/// A config that is no policy leaves open whether it would be about the workload, if it may act there at all.
fn conclude(
    view: &ExplanationView,
    subjects: &[Subject],
    namespace: &str,
    trusted: &BTreeSet<std::sync::Arc<str>>,
) -> Result<ExitCode, Failure> {
    let may_act =
        |subject: &&Subject| trusted.contains(&subject.name.namespace) || *subject.name.namespace == *namespace;
    let problems =
        subjects.iter().filter(may_act).filter_map(|subject| Some((&subject.name, subject.policy.as_ref().err()?)));
    let lines: Vec<String> = problems
        .flat_map(|(name, problems)| problems.iter().map(move |problem| format!("FlippyConfig {name}: {problem}")))
        .collect();
    if lines.is_empty() { Ok(view.outcome.exit_code().into()) } else { Err(Failure::error(lines.join("\n"))) }
}

/// A custom kind is one that a config names.
fn resolved(target: Target, subjects: &[Subject]) -> Result<Target, Failure> {
    let TargetKind::Named(word, rest) = &target.kind else { return Ok(target) };
    let policies = subjects.iter().filter_map(|subject| subject.policy.as_ref().ok());
    let kinds = policies.flat_map(|policy: &Policy| policy.restart_objects.iter().map(|object| object.kind));
    match target::named(word, rest, kinds) {
        Some(kind) => Ok(Target { kind: TargetKind::Workload(kind), ..target }),
        None => Err(Failure::error(format!(
            "no FlippyConfig names the kind {word}.{rest} with its ApiVersion in spec.RestartObjects, so nothing of it is restarted"
        ))),
    }
}

fn find<'a>(target: &Target, namespace: &str, snapshot: &'a Snapshot) -> Result<&'a Workload, Failure> {
    match &target.kind {
        TargetKind::Workload(kind) => {
            let kind = *kind;
            let named = NamedWorkload { kind, namespace: namespace.into(), name: target.name.as_str().into() };
            snapshot.workload(&named).ok_or_else(|| no_workload(&named, snapshot))
        }
        TargetKind::Pod | TargetKind::Named(..) => of_pod(&target.name, namespace, snapshot),
    }
}

fn no_workload(named: &NamedWorkload, snapshot: &Snapshot) -> Failure {
    let alike = snapshot.workloads().map(|workload| &workload.id.named).filter(|other| other.kind == named.kind);
    let (here, elsewhere): (Vec<_>, Vec<_>) = alike
        .filter(|other| other.namespace == named.namespace || other.name == named.name)
        .map(|other| (other.namespace == named.namespace, format!("{}/{}", other.namespace, other.name)))
        .partition(|(here, _)| *here);
    let known = elsewhere.into_iter().chain(here).map(|(_, name)| name).collect();
    let there_is = near(&named.name, known)
        .map_or_else(|| format!("there is none in namespace {}", named.namespace), |names| format!("there is {names}"));
    Failure::error(format!("there is no {named}; {there_is}"))
}

/// The workload at the end of a pod's owner chain.
fn of_pod<'a>(name: &str, namespace: &str, snapshot: &'a Snapshot) -> Result<&'a Workload, Failure> {
    let pod = snapshot.pods().find(|pod| *pod.namespace == *namespace && *pod.name == *name).ok_or_else(|| {
        let here = snapshot.pods().filter(|pod| *pod.namespace == *namespace || *pod.name == *name);
        let there_is = near(name, here.map(|pod| format!("{}/{}", pod.namespace, pod.name)).collect())
            .map_or_else(|| "there is none".to_owned(), |names| format!("there is {names}"));
        Failure::error(format!("there is no pod {namespace}/{name}; {there_is}"))
    })?;
    let root = snapshot.root_of(pod);
    let workload = root.and_then(|uid| snapshot.workloads().find(|workload| workload.id.uid == *uid));
    workload.ok_or_else(|| {
        let owner = pod.owner.as_ref().map_or_else(
            || "nothing owns it".to_owned(),
            |owner| format!("it belongs to {} {}", owner.kind, owner.name),
        );
        Failure::error(format!(
            "no workload of a kind that a FlippyConfig names makes pod {namespace}/{name} anew: {owner}"
        ))
    })
}

/// The operator's pass for every config, and what it says of this workload.
fn explained(workload: &Workload, subjects: &[Subject], snapshot: &Snapshot, now: Timestamp) -> ExplanationView {
    let policies: Vec<&Policy> = subjects.iter().filter_map(|subject| subject.policy.as_ref().ok()).collect();
    let (claims, pods) = (Claims::new(&policies, snapshot), snapshot.pods_by_workload());
    let configs = subjects.iter().map(|subject| match &subject.policy {
        Err(problems) => ConfigView::of_problems(&subject.name, problems),
        Ok(policy) => {
            let pass = Pass::of(policy, subject, &claims, snapshot, &pods, now);
            let (plan, waves) = (&pass.plan, &pass.waves);
            let explanation = flippy_core::explain(policy, plan, waves, &pass.decision, workload, snapshot, &pods);
            ConfigView::of(policy, &explanation, workload, &pods)
        }
    });
    let configs = configs.collect();
    let notes = flippy_core::rollouts_made_from(&workload.id.named, snapshot)
        .map(|rollout| format!("{rollout} takes its pod template from it, and has the pods: explain that instead"));
    ExplanationView::new(workload, configs, notes.collect())
}
