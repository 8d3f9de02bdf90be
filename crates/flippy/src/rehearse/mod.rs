//! `flippy rehearse`: a campaign on a copy of the cluster in memory, before it is one.

mod args;
mod assumptions;
mod bounds;
mod campaign;
pub(crate) mod conclude;
mod dump;
#[cfg(test)]
mod hostile;
mod images;
mod live;
mod material;
mod missing;
mod objects;
mod readiness;
pub(crate) mod recorder;
mod stage;
mod subject;
mod text;
mod trim;
mod what_if;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use flippy_api::ConversionOptions;
use flippy_core::Timestamp;
use indicatif::{ProgressBar, ProgressStyle};
use tokio_util::sync::CancellationToken;

pub(crate) use args::RehearseArgs;
use args::RehearseOutput;

use crate::cli::{Connection, Machine};
use crate::connect;
use crate::exit::{self, Failure};
use crate::plan;
use crate::render::{Look, machine};
use crate::report::{self, model::Campaign, model::Outcome, model::Source};
use crate::run::conversion;
use crate::stop;
use crate::times;

use campaign::Ended;
use conclude::Left;
use material::Material;
use stage::Play;
use subject::Subject;

/// What a shell shows for a program that SIGINT ended.
const INTERRUPTED: u8 = 130;
/// Its name in error messages.
const SERVER: &str = "rehearsal";
const TICK: Duration = Duration::from_millis(100);

/// Rehearses.
pub(crate) fn rehearse(args: &RehearseArgs, connection: &Connection) -> Result<ExitCode, Failure> {
    let options = conversion(args.reading.clone());
    let now = Timestamp::now();
    let progress = Progress::begin();
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| Failure::error(format!("cannot start threads: {error}; check the limits of this process")))?;
    // Cluster time passes on this thread, which is busy: signals need one of their own.
    let stop = runtime.block_on(async { stop::on_signals() })?;
    let loaded = Instant::now();
    let (mut material, subject) = runtime.block_on(load(args, connection, &options, now, &progress))?;
    material.forget_empty_sets();
    let loaded = loaded.elapsed();
    let objects = material.objects.len();
    let start = start(args, &material, now)?;
    let begun = Instant::now();
    let played = flippy_sim::run(perform(args, &options, material, subject, start, &stop, &progress));
    runtime.shutdown_background();
    progress.bar.finish_and_clear();
    let Some(campaign) = played? else { return Ok(INTERRUPTED.into()) };
    // Not part of the result, which is the same every time.
    eprintln!(
        "note: {objects} objects read in {:.1} s, {} of cluster time played in {:.1} s",
        loaded.as_secs_f64(),
        times::spoken(Duration::from_secs(campaign.seconds().unsigned_abs())),
        begun.elapsed().as_secs_f64()
    );
    if let Some(path) = &args.report {
        report::write(&campaign, path)?;
    }
    let shown = match args.output {
        RehearseOutput::Table => text::of(&campaign, false, Look::of_stdout()),
        RehearseOutput::Wide => text::of(&campaign, true, Look::of_stdout()),
        RehearseOutput::Json => machine::of(&campaign, Machine::Json)?,
    };
    exit::print(&shown)?;
    Ok(match campaign.outcome {
        Outcome::Finished => ExitCode::SUCCESS,
        Outcome::Blocked => exit::STALE.into(),
        Outcome::Halted | Outcome::UnderWay => exit::NEEDS_A_PERSON.into(),
    })
}

/// The objects, and the config to play.
async fn load(
    args: &RehearseArgs,
    connection: &Connection,
    options: &ConversionOptions,
    now: Timestamp,
    progress: &Progress,
) -> Result<(Material, Subject), Failure> {
    // Mistakes in a file need no cluster to be told.
    let home = options.trusted_namespaces.first().map_or("default", AsRef::as_ref);
    let from_file = args
        .filename
        .as_deref()
        .map(|path| plan::configs_of_file(path, args.namespace.as_deref().unwrap_or(home), options));
    let from_file = from_file.transpose()?;
    let mut material = Material::seen_before(now);
    if args.from.is_empty() {
        let cluster = connect::cluster(connection).await?;
        let installed = match &from_file {
            Some(_) => Vec::new(),
            None => plan::cluster::configs(&cluster.client, &cluster.server, false).await?,
        };
        material.configs.extend(installed.into_iter().filter_map(|guarded| guarded.0.ok()));
        let subject = Subject::choose(from_file, args, &mut material)?;
        live::sources(&cluster.client, &cluster.server, &subject.configs, &mut material).await?;
        let told = |kind: &str, count| progress.say(&format!("listing {kind}s: {count}"));
        live::list(&cluster.client, &cluster.server, subject.names_rollouts(), &mut material, told).await?;
        material.seen_at = Some(now);
        return Ok((material, subject));
    }
    dump::read(&args.from, &mut material, |count| progress.say(&format!("reading objects: {count}")))?;
    let subject = Subject::choose(from_file, args, &mut material)?;
    Ok((material, subject))
}

/// When it begins. Not before what the cluster was seen to be.
fn start(args: &RehearseArgs, material: &Material, now: Timestamp) -> Result<Timestamp, Failure> {
    let seen_at = material.seen_at.unwrap_or(now);
    let start = args.start.unwrap_or(seen_at);
    if start < seen_at {
        return Err(Failure::cannot_begin(format!(
            "--start {start} is before the cluster was seen, {seen_at}: choose a later time"
        )));
    }
    // Objects carry whole seconds.
    Ok(times::whole_second(start))
}

async fn perform(
    args: &RehearseArgs,
    options: &ConversionOptions,
    material: Material,
    subject: Subject,
    start: Timestamp,
    stop: &CancellationToken,
    progress: &Progress,
) -> Result<Option<Campaign>, Failure> {
    progress.say("building the cluster");
    let notes = assumptions::notes(&material, &subject);
    let what_if = args.what_if.unwrap_or_default();
    let (configs, changes) = (subject.configs, subject.changes);
    let play = Play { material, configs, options, what_if, seed: args.seed, start };
    let stage = stage::set(play).await?;
    let assumptions = assumptions::told(&stage, &what_if, changes);
    let (ended, recorder) = campaign::play(&stage.cluster, options, stop, |recorder, elapsed| {
        let (done, total) = recorder.done.values().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        progress.look(|| {
            format!(
                "{} of cluster time: {} restarts, {done} of {total} workloads done",
                times::clock(elapsed),
                recorder.restarts.len()
            )
        });
    })
    .await?;
    if ended == Ended::Interrupted {
        return Ok(None);
    }
    progress.say("looking at the end");
    let client = stage.cluster.client("viewer");
    let views = plan::of_cluster(&client, SERVER, options, stage.cluster.now()).await?;
    let left = Left {
        source: Source::Rehearsal,
        cluster: &stage.cluster,
        views: &views,
        begun_at: start,
        settled: ended == Ended::Settled,
        assumptions,
        notes,
    };
    Ok(Some(conclude::campaign(left, recorder)))
}

/// A line on a terminal while somebody waits.
struct Progress {
    bar: ProgressBar,
    drawn: std::cell::Cell<Instant>,
}

impl Progress {
    fn begin() -> Self {
        let style = ProgressStyle::with_template("{spinner} {wide_msg}").expect("a constant template is valid");
        Self { bar: ProgressBar::new_spinner().with_style(style), drawn: std::cell::Cell::new(Instant::now()) }
    }

    fn say(&self, text: &str) {
        self.bar.set_message(text.to_owned());
        self.bar.tick();
    }

    /// Says something that changes all the time, now and then.
    fn look(&self, text: impl FnOnce() -> String) {
        if self.drawn.get().elapsed() >= TICK {
            self.drawn.set(Instant::now());
            self.say(&text());
        }
    }
}
