//! `flippy report`: what happened in a campaign, as one page.

mod args;
mod cluster;
mod curves;
pub(crate) mod model;
mod page;
mod scale;
mod tables;
mod text;
mod timeline;

use std::path::Path;
use std::process::ExitCode;

use flippy_core::Timestamp;

pub(crate) use args::ReportArgs;
use args::ReportOutput;

use crate::cli::{Connection, Machine};
use crate::exit::{self, Failure};
use crate::plan::subject::Namespaces;
use crate::render::machine;
use crate::run::conversion;
use crate::{configs, connect, plan};

use model::Campaign;

/// Reports on a campaign of the cluster.
pub(crate) async fn report(args: ReportArgs, connection: Connection) -> Result<ExitCode, Failure> {
    let options = conversion(args.reading);
    let cluster = connect::cluster(&connection).await?;
    let found = configs::find(&cluster, Some(&args.name), &args.place).await?;
    let Some(config) = found.configs.into_iter().next() else {
        return Err(Failure::error(format!("there is no FlippyConfig {}", args.name)));
    };
    let installed = plan::cluster::configs(&cluster.client, &cluster.server, false).await?;
    let home = Namespaces { asked: config.metadata.namespace.clone(), current: cluster.namespace };
    let mut subjects = plan::subject::from_cluster(installed, Some(&args.name), &home, &options)?;
    plan::sources::join(&cluster.client, &mut subjects).await;
    let snapshot = plan::look(&cluster.client, &cluster.server, &subjects, &[]).await?;
    let now = Timestamp::now();
    let views = plan::decide(&subjects, &snapshot, now);
    let policy = subjects.iter().find(|subject| subject.selected).and_then(|subject| subject.policy.as_ref().ok());
    let campaign =
        policy.zip(views.first()).and_then(|(policy, view)| cluster::campaign(&config, policy, view, &snapshot, now));
    let Some(campaign) = campaign else {
        let problems: Vec<String> = views.iter().flat_map(plan::view::ConfigView::problem_lines).collect();
        return Err(Failure::error(problems.join("\n")));
    };
    let text = match args.output {
        ReportOutput::Html => page::page(&campaign),
        ReportOutput::Json => machine::of(&campaign, Machine::Json)?,
    };
    match &args.file {
        Some(path) => write_text(&text, path)?,
        None => exit::print(&text)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the page into a file.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn write(campaign: &Campaign, path: &Path) -> Result<(), Failure> {
    write_text(&page::page(campaign), path)
}

fn write_text(text: &str, path: &Path) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| Failure::error(format!("cannot write {}: {error}", path.display())))
}
