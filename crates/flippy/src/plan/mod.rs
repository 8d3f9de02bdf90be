//! `flippy plan`: what would be restarted, decided by the same code as in the operator, on one look at the cluster.

mod asking;
pub(crate) mod cluster;
mod file;
mod hint;
pub(crate) mod sources;
pub(crate) mod subject;
pub(crate) mod view;
mod wave_view;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use flippy_api::{ConversionOptions, FlippyConfig};
use flippy_core::{Claims, Decision, Kind, Plan, PodIndex, Policy, Snapshot, StatusFacts, Timestamp, Waves};
use indicatif::ProgressBar;
use kube::Client;

use crate::cli::{Connection, PlanArgs};
use crate::connect::{self, Cluster};
use crate::exit::{self, Failure};
use crate::refusal;
use crate::render::{self, Look};
use crate::run::conversion;

use subject::{Namespaces, Subject};
use view::ConfigView;

/// Shows the plan.
pub(crate) async fn plan(args: PlanArgs, connection: Connection) -> Result<ExitCode, Failure> {
    let options = conversion(args.reading);
    let file = args.filename.as_deref().map(file::read).transpose()?;
    if let Some(objects) = &file {
        // Mistakes in a file need no cluster to be told.
        subject::check(objects, args.namespace.as_deref(), &options)?;
    }
    let Cluster { client, server, namespace } = connect::cluster(&connection).await?;
    let namespaces = Namespaces { asked: args.namespace.clone(), current: namespace };

    let progress = ProgressBar::new_spinner().with_message("reading FlippyConfigs");
    progress.enable_steady_tick(Duration::from_millis(100));
    let installed = cluster::configs(&client, &server, file.is_some()).await?;
    let mut subjects = match file {
        Some(objects) => subject::from_file(&objects, installed, &namespaces, &options),
        None => subject::from_cluster(installed, args.name.as_deref(), &namespaces, &options)?,
    };
    sources::join(&client, &mut subjects).await;
    progress.set_message("listing namespaces, pods and workloads");
    let snapshot = look(&client, &server, &subjects, &[]).await?;
    progress.finish_and_clear();

    let views = decide(&subjects, &snapshot, Timestamp::now());
    exit::print(&render::plans(&views, args.output, Look::of_stdout())?)?;
    conclude(&views, args.exit_code)
}

/// The plans of all configs of a cluster, as they are shown.
pub(crate) async fn of_cluster(
    client: &Client,
    server: &str,
    options: &ConversionOptions,
    now: Timestamp,
) -> Result<Vec<ConfigView>, Failure> {
    let anywhere = Namespaces { asked: None, current: String::new() };
    let installed = cluster::configs(client, server, false).await?;
    let mut subjects = subject::from_cluster(installed, None, &anywhere, options)?;
    sources::join(client, &mut subjects).await;
    let snapshot = look(client, server, &subjects, &[]).await?;
    Ok(decide(&subjects, &snapshot, now))
}

/// The configs of a file, checked; those without a namespace are put into `namespace`.
pub(crate) fn configs_of_file(
    path: &Path,
    namespace: &str,
    options: &ConversionOptions,
) -> Result<Vec<FlippyConfig>, Failure> {
    let objects = file::read(path)?;
    subject::check(&objects, Some(namespace), options)?;
    let configs = objects.into_iter().map(|object| {
        let mut config = object.config;
        config.metadata.namespace.get_or_insert_with(|| namespace.to_owned());
        config
    });
    Ok(configs.collect())
}

/// Lists what the selected policies are about, and other kinds. Without any, there is nothing to look at.
pub(crate) async fn look(
    client: &Client,
    server: &str,
    subjects: &[Subject],
    besides: &[Kind],
) -> Result<Snapshot, Failure> {
    let selected = subjects.iter().filter(|subject| subject.selected);
    let policies: Vec<&Policy> = selected.filter_map(|subject| subject.policy.as_ref().ok()).collect();
    if policies.is_empty() && besides.is_empty() {
        return Ok(Snapshot::default());
    }
    let kinds = policies.iter().flat_map(|policy| policy.kinds()).chain(besides.iter().copied()).collect();
    let disruption_budgets = policies.iter().any(|policy| policy.needs_disruption_budgets());
    let snapshot = flippy_operator::list_snapshot(client, &kinds, disruption_budgets).await;
    snapshot.map_err(|error| refusal::failure(&error, server))
}

/// The operator's pass, for the selected subjects; the others have their say in what conflicts.
pub(crate) fn decide(subjects: &[Subject], snapshot: &Snapshot, now: Timestamp) -> Vec<ConfigView> {
    let policies: Vec<&Policy> = subjects.iter().filter_map(|subject| subject.policy.as_ref().ok()).collect();
    let claims = Claims::new(&policies, snapshot);
    let pods = snapshot.pods_by_workload();
    let view = |subject: &Subject| match &subject.policy {
        Err(problems) => ConfigView::of_problems(&subject.name, problems),
        Ok(policy) => {
            let pass = Pass::of(policy, subject, &claims, snapshot, &pods, now);
            let nothing_matched = pass.plan.entries.iter().all(|entry| entry.pods == 0);
            let hint = nothing_matched.then(|| hint::why_empty(policy, snapshot));
            ConfigView::of_plan(policy, &pass.plan, &pass.facts, &pass.waves, &pass.decision, hint)
        }
    };
    subjects.iter().filter(|subject| subject.selected).map(view).collect()
}

/// What the operator's pass would come to for one config.
pub(crate) struct Pass {
    pub(crate) plan: Plan,
    pub(crate) waves: Waves,
    pub(crate) decision: Decision,
    facts: StatusFacts,
}

impl Pass {
    pub(crate) fn of(
        policy: &Policy,
        subject: &Subject,
        claims: &Claims<'_>,
        snapshot: &Snapshot,
        pods: &PodIndex<'_>,
        now: Timestamp,
    ) -> Self {
        let plan = flippy_core::plan(policy, claims, snapshot, pods, now);
        let (gate, preconditions) = flippy_core::preconditions(policy, snapshot, &subject.unmet_since, now);
        let gate = gate.with_queries(flippy_core::query_gates_as_told(policy, &subject.gates));
        let gate = gate.and(flippy_core::room_for_pods(&plan, snapshot, pods, now));
        let waves = flippy_core::waves(policy, &plan, &subject.wave_memory, now);
        let decision = flippy_core::pace(policy, &plan, &gate, &waves, &BTreeSet::new(), now);
        let facts = flippy_core::status_facts(policy, &plan, &gate, preconditions, &waves, &decision, now);
        Self { plan, waves, decision, facts }
    }
}

fn conclude(views: &[ConfigView], exit_code: bool) -> Result<ExitCode, Failure> {
    let problems: Vec<String> = views.iter().flat_map(ConfigView::problem_lines).collect();
    if !problems.is_empty() {
        return Err(Failure::error(problems.join("\n")));
    }
    let stale = views.iter().any(ConfigView::has_stale_workloads);
    Ok(if exit_code && stale { exit::STALE.into() } else { ExitCode::SUCCESS })
}
